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
    manager::{Manager, Wakers, locked},
};
use crate::object_key::ObjectKey;

/// The most Nodes of one server that are worked on at once.
const SLOTS: usize = 8;

/// All of them, by the object that stands for each.
pub struct Managers {
    by_owner: Mutex<HashMap<ObjectKey, Entry>>,
    wakers: Wakers,
    pace: Duration,
    slots: usize,
}

struct Entry {
    manager: Arc<Manager>,
    is_aside: bool,
}

impl Managers {
    /// None yet. Each is asked once in `pace`.
    #[must_use]
    pub fn new(wakers: Wakers, pace: Duration) -> Self {
        Self { by_owner: Mutex::default(), wakers, pace, slots: SLOTS }
    }

    /// Leaves one of so many workers to the other servers, whatever hangs in one; of a single worker
    /// nothing can be left.
    #[must_use]
    pub fn shared_by(mut self, workers: NonZeroU16) -> Self {
        self.slots = usize::from(workers.get() - 1).clamp(1, SLOTS);
        self
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
        let manager = Arc::new(Manager::new(key.clone(), client, digest, wakers, self.slots));
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
    }
}
