//! Keeps a reconcile from acting on a copy that is older than this process's own last write.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use kube::api::ObjectMeta;

/// How often a stale copy is looked at before it is taken as it is: 50 looks, 100 ms apart.
const LOOKS: u32 = 50;

/// What this process last wrote, by the uid of the object.
#[derive(Debug, Default)]
pub struct Freshness(Mutex<HashMap<String, Written>>);

#[derive(Debug)]
struct Written {
    resource_version: u64,
    looks: u32,
}

impl Freshness {
    /// Remembers the answer to a write of ours.
    pub fn wrote(&self, meta: &ObjectMeta) {
        // A resourceVersion that is no number can't be compared: such a server gets no guard.
        if let (Some(uid), Some(resource_version)) = (&meta.uid, version(meta)) {
            let mut writes = self.lock();
            let entry = writes.entry(uid.clone()).or_insert(Written { resource_version, looks: 0 });
            entry.resource_version = entry.resource_version.max(resource_version);
            entry.looks = 0;
        }
    }

    /// Whether the copy with this metadata was taken before our own last write, and is worth
    /// waiting for; after 50 looks it is not.
    pub fn is_stale(&self, meta: &ObjectMeta) -> bool {
        let (Some(uid), Some(seen)) = (&meta.uid, version(meta)) else { return false };
        let mut writes = self.lock();
        let Some(entry) = writes.get_mut(uid) else { return false };
        entry.looks += 1;
        if seen < entry.resource_version && entry.looks <= LOOKS {
            return true;
        }
        if seen < entry.resource_version {
            tracing::warn!(uid, "the watch is behind our own write: going on with an old copy");
        }
        writes.remove(uid);
        false
    }

    /// The resourceVersion of our own last write, where it is newer than the copy with this
    /// metadata, else that of the copy.
    pub fn newest(&self, meta: &ObjectMeta) -> Option<String> {
        let ours = meta.uid.as_ref().and_then(|it| Some(self.lock().get(it)?.resource_version));
        match (ours, version(meta)) {
            (Some(ours), Some(seen)) if seen < ours => Some(ours.to_string()),
            _ => meta.resource_version.clone(),
        }
    }

    /// Forgets an object that is gone.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Written>> {
        // Nothing in here panics half-way, so a poisoned map is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Resource versions of one object can be compared as numbers (Kubernetes promises it from 1.35
/// on, and etcd makes them so before).
fn version(meta: &ObjectMeta) -> Option<u64> {
    meta.resource_version.as_deref()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(version: &str) -> ObjectMeta {
        ObjectMeta {
            uid: Some("u".into()),
            resource_version: Some(version.into()),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn a_copy_from_before_our_own_write_is_stale_until_the_watch_catches_up() {
        let freshness = Freshness::default();
        assert!(!freshness.is_stale(&copy("5")));
        freshness.wrote(&copy("10"));
        assert!(freshness.is_stale(&copy("9")));
        assert!(!freshness.is_stale(&copy("10")));
        assert!(!freshness.is_stale(&copy("9")), "caught up once, the memory is gone");
    }

    #[test]
    fn a_watch_that_stays_behind_does_not_stop_the_object_for_ever() {
        let freshness = Freshness::default();
        freshness.wrote(&copy("10"));
        let waits = (0..1000).take_while(|_| freshness.is_stale(&copy("9"))).count();
        assert_eq!(waits, LOOKS as usize);
    }

    #[test]
    fn an_object_made_again_under_its_name_is_another_one() {
        let freshness = Freshness::default();
        freshness.wrote(&copy("10"));
        let again = ObjectMeta { uid: Some("v".into()), ..copy("9") };
        assert!(!freshness.is_stale(&again));
    }

    #[test]
    fn a_version_that_is_no_number_is_never_stale() {
        let freshness = Freshness::default();
        freshness.wrote(&copy("x"));
        assert!(!freshness.is_stale(&copy("y")));
    }
}
