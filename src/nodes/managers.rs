//! The API servers that hosts are registered in, one for each `ContainerManager` object.
//!
//! What is kept here only saves work, with one exception that is a courtesy: a server whose
//! credentials are gone is still known, so that hosts can leave it.

use std::{
    collections::HashMap,
    num::NonZeroU16,
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{
    client::Client,
    keeper,
    manager::{Manager, Wakers},
    turns::{Limits, Turns},
};
use crate::{lock::locked, object_key::ObjectKey};

/// All of them, by the object that stands for each.
pub struct Managers {
    by_owner: Mutex<HashMap<ObjectKey, Entry>>,
    wakers: Wakers,
    pace: Duration,
    turns: Arc<Turns>,
}

struct Entry {
    manager: Arc<Manager>,
    is_aside: bool,
}

impl Managers {
    /// None yet. Each is asked once in `pace`, and of so many workers some are left to the others,
    /// and some to who needs no server, whatever hangs.
    #[must_use]
    pub fn new(wakers: Wakers, pace: Duration, workers: NonZeroU16) -> Self {
        let turns = Arc::new(Turns::new(Limits::of(workers), wakers.hosts.clone()));
        Self { by_owner: Mutex::default(), wakers, pace, turns }
    }

    /// The one of `key`, where it is in use.
    #[must_use]
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<Manager>> {
        let by_owner = locked(&self.by_owner);
        by_owner.get(key).filter(|it| !it.is_aside).map(|it| Arc::clone(&it.manager))
    }

    /// The one of `key` for who leaves it: also one that was set aside.
    #[must_use]
    pub fn last(&self, key: &ObjectKey) -> Option<Arc<Manager>> {
        locked(&self.by_owner).get(key).map(|it| Arc::clone(&it.manager))
    }

    /// Starts to ask through `client` for `key`, in place of what it had.
    pub fn connect(&self, key: &ObjectKey, client: Client, digest: [u8; 32]) {
        let mut by_owner = locked(&self.by_owner);
        let wakers = self.wakers.clone();
        let turns = Arc::clone(&self.turns);
        let manager = Arc::new(Manager::new(key.clone(), client, digest, wakers, turns));
        let entry = Entry { manager: Arc::clone(&manager), is_aside: false };
        if let Some(before) = by_owner.insert(key.clone(), entry) {
            before.manager.stop();
        }
        let task = keeper::run(Arc::clone(&manager), self.pace);
        manager.started(tokio::spawn(task).abort_handle());
    }

    /// Stops to ask for `key`, whose credentials are gone or can't be used.
    pub fn set_aside(&self, key: &ObjectKey) {
        if let Some(entry) = locked(&self.by_owner).get_mut(key) {
            entry.manager.stop();
            entry.is_aside = true;
        }
    }

    /// Stops to ask for `key` and forgets what was known.
    pub fn disconnect(&self, key: &ObjectKey) {
        if let Some(entry) = locked(&self.by_owner).remove(key) {
            entry.manager.stop();
        }
        self.turns.forget(key);
    }
}
