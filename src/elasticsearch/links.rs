//! The live connections, one for each Cluster object.
//!
//! A link keeps only what saves work: after a restart everything here is read again.

use std::{
    collections::{BTreeSet, HashMap},
    num::NonZeroU16,
    sync::{Arc, Mutex},
};

use super::{
    client::Client,
    link::{Link, ObjectKey, WRITE_SLOTS, Wakers},
    lock::locked,
    poller::{self, Pace},
};

/// All links, by the object that owns each.
#[derive(Debug)]
pub struct Links {
    all: Mutex<All>,
    wakers: Wakers,
    pace: Pace,
    /// How many writes each link allows at once.
    slots: usize,
}

#[derive(Debug, Default)]
struct All {
    by_owner: HashMap<ObjectKey, Arc<Link>>,
    /// Links that nobody polls through, whose credentials are gone.
    aside: HashMap<ObjectKey, Arc<Link>>,
    /// Who asked for a link that was not there, by its owner.
    awaited: HashMap<ObjectKey, BTreeSet<ObjectKey>>,
}

impl Links {
    /// No link yet.
    #[must_use]
    pub fn new(wakers: Wakers, pace: Pace) -> Self {
        Self { all: Mutex::default(), wakers, pace, slots: WRITE_SLOTS }
    }

    /// Leaves one of so many workers to the other clusters, whatever hangs in one; of a single
    /// worker nothing can be left.
    #[must_use]
    pub fn shared_by(mut self, workers: NonZeroU16) -> Self {
        self.slots = usize::from(workers.get() - 1).clamp(1, WRITE_SLOTS);
        self
    }

    /// The link of `key`.
    #[must_use]
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<Link>> {
        locked(&self.all).by_owner.get(key).cloned()
    }

    /// The link of `key`; where there is none yet, `asker` is woken as soon as there is.
    #[must_use]
    pub fn get_or_await(&self, key: &ObjectKey, asker: &ObjectKey) -> Option<Arc<Link>> {
        let mut all = locked(&self.all);
        let link = all.by_owner.get(key).cloned();
        if link.is_none() {
            all.awaited.entry(key.clone()).or_default().insert(asker.clone());
        }
        link
    }

    /// Starts to poll through `client` for `key`, in place of the link that it had. What is tracked
    /// goes on being tracked, and is read again.
    pub fn connect(&self, key: &ObjectKey, client: Client, digest: [u8; 32]) {
        let mut all = locked(&self.all);
        let link =
            Arc::new(Link::new(key.clone(), client, digest, self.wakers.clone(), self.slots));
        if let Some(before) = all.by_owner.remove(key) {
            before.stop();
            link.track_as(&before);
        }
        if let Some(before) = all.aside.remove(key) {
            link.doubt_as(&before);
        }
        self.start(&mut all, key, link);
    }

    fn start(&self, all: &mut All, key: &ObjectKey, link: Arc<Link>) {
        link.started(tokio::spawn(poller::run(Arc::clone(&link), self.pace)).abort_handle());
        all.by_owner.insert(key.clone(), link);
        for asker in all.awaited.remove(key).unwrap_or_default() {
            // A closed channel means that the process is ending.
            let _ = self.wakers.indices.send(asker);
        }
    }

    /// Stops to poll for `key` and forgets what was known.
    pub fn disconnect(&self, key: &ObjectKey) {
        let mut all = locked(&self.all);
        all.aside.remove(key);
        if let Some(link) = all.by_owner.remove(key) {
            link.stop();
        }
    }

    /// Stops to poll for `key`, whose credentials are gone. A namespace that ends deletes what is in
    /// it in no order: should the owner be on its way too, [`Links::take_back`] lets it finish.
    pub fn set_aside(&self, key: &ObjectKey) {
        let mut all = locked(&self.all);
        if let Some(link) = all.by_owner.remove(key) {
            link.stop();
            all.aside.insert(key.clone(), link);
        }
    }

    /// Whether there is a link of `key` that was set aside.
    #[must_use]
    pub fn is_aside(&self, key: &ObjectKey) -> bool {
        locked(&self.all).aside.contains_key(key)
    }

    /// Goes on with the link of `key` that was set aside.
    pub fn take_back(&self, key: &ObjectKey) {
        let mut all = locked(&self.all);
        if let Some(link) = all.aside.remove(key) {
            self.start(&mut all, key, link);
        }
    }

    /// The object that tracked indices as `owner` is gone. Whoever else asked for an index of the
    /// same name is woken, since it may have stood back; also in another Cluster, which may be the
    /// same Elasticsearch.
    pub fn forget(&self, owner: &ObjectKey) {
        let mut all = locked(&self.all);
        all.awaited.retain(|_, askers| {
            askers.remove(owner);
            !askers.is_empty()
        });
        let names: Vec<String> = all.by_owner.values().flat_map(|it| it.forget(owner)).collect();
        for link in all.by_owner.values() {
            for name in &names {
                link.wake_owners(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;
    use crate::elasticsearch::scripted::client_of_nobody;

    fn key(name: &str) -> ObjectKey {
        ObjectKey { namespace: "shop".into(), name: name.into() }
    }

    struct Bed {
        links: Links,
        woken: UnboundedReceiver<ObjectKey>,
    }

    impl Bed {
        fn new() -> Self {
            let (clusters, _) = unbounded_channel();
            let (indices, woken) = unbounded_channel();
            let pace = Pace { poll: Duration::from_hours(1), stats: Duration::from_hours(1) };
            Self { links: Links::new(Wakers { clusters, indices }, pace), woken }
        }

        fn connect(&self, name: &str) {
            self.links.connect(&key(name), client_of_nobody(), [0; 32]);
        }

        /// The names of those who were woken since.
        fn woken(&mut self) -> Vec<String> {
            std::iter::from_fn(|| self.woken.try_recv().ok()).map(|it| it.name).collect()
        }
    }

    #[tokio::test]
    async fn whoever_stood_back_is_woken_when_the_other_goes_whatever_the_cluster() {
        let mut bed = Bed::new();
        let track = |cluster: &str, index: &str, owner: &str| {
            bed.connect(cluster);
            let _ = bed.links.get(&key(cluster)).unwrap().track(index, &key(owner));
        };
        track("es", "books", "a");
        track("same-es", "books", "b");
        track("other", "films", "c");
        bed.links.forget(&key("a"));
        assert_eq!(bed.woken(), ["b"]);
        bed.links.forget(&key("a"));
        assert_eq!(bed.woken(), [""; 0]);
    }

    #[tokio::test]
    async fn a_cluster_leaves_a_worker_to_the_others_however_few_there_are() {
        for (workers, slots) in [(16, 4), (5, 4), (4, 3), (2, 1), (1, 1)] {
            let mut bed = Bed::new();
            bed.links = bed.links.shared_by(NonZeroU16::new(workers).unwrap());
            bed.connect("es");
            let link = bed.links.get(&key("es")).unwrap();
            let writers = 0..10;
            let taken: Vec<_> = writers.filter_map(|it| link.slot(&key(&it.to_string()))).collect();
            assert_eq!(taken.len(), slots, "of {workers} workers");
        }
    }

    #[tokio::test]
    async fn whoever_asked_for_a_link_is_woken_once_it_is_there() {
        let mut bed = Bed::new();
        for asker in ["books", "films", "gone"] {
            assert!(bed.links.get_or_await(&key("es"), &key(asker)).is_none());
        }
        assert!(bed.links.get_or_await(&key("other"), &key("songs")).is_none());
        bed.links.forget(&key("gone"));
        assert_eq!(bed.woken(), [""; 0]);
        bed.connect("es");
        assert_eq!(bed.woken(), ["books", "films"]);
        assert!(bed.links.get_or_await(&key("es"), &key("books")).is_some());
        bed.connect("es");
        assert_eq!(bed.woken(), [""; 0], "had their link already");
        bed.connect("other");
        assert_eq!(bed.woken(), ["songs"]);
    }
}
