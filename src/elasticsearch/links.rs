//! The live connections, one for each Cluster object.
//!
//! A link keeps only what saves work: after a restart everything here is read again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use super::{
    client::Client,
    link::{Link, ObjectKey, Wakers, locked},
    poller::{self, Pace},
};

/// All links, by the object that owns each.
#[derive(Debug)]
pub struct Links {
    by_owner: Mutex<HashMap<ObjectKey, Arc<Link>>>,
    wakers: Wakers,
    pace: Pace,
}

impl Links {
    /// No link yet.
    #[must_use]
    pub fn new(wakers: Wakers, pace: Pace) -> Self {
        Self { by_owner: Mutex::default(), wakers, pace }
    }

    /// The link of `key`.
    #[must_use]
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<Link>> {
        locked(&self.by_owner).get(key).cloned()
    }

    /// Starts to poll through `client` for `key`, in place of the link that it had. What is tracked
    /// goes on being tracked, and is read again.
    pub fn connect(&self, key: &ObjectKey, client: Client, digest: [u8; 32]) {
        let mut links = locked(&self.by_owner);
        let link = Arc::new(Link::new(key.clone(), client, digest, self.wakers.clone()));
        if let Some(before) = links.remove(key) {
            before.stop();
            link.track_as(&before);
        }
        link.started(tokio::spawn(poller::run(Arc::clone(&link), self.pace)).abort_handle());
        links.insert(key.clone(), link);
    }

    /// Stops to poll for `key` and forgets what was known.
    pub fn disconnect(&self, key: &ObjectKey) {
        if let Some(link) = locked(&self.by_owner).remove(key) {
            link.stop();
        }
    }

    /// The object that tracked indices as `owner` is gone.
    pub fn forget(&self, owner: &ObjectKey) {
        locked(&self.by_owner).values().for_each(|link| link.forget(owner));
    }
}
