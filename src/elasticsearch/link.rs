//! One live connection: what is known through it, whom that concerns, and who may write.

mod examination;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use tokio::{
    sync::{Notify, mpsc::UnboundedSender},
    task::AbortHandle,
};

use self::examination::Examination;
use super::{
    client::Client,
    cluster_settings::Refusals,
    lock::locked,
    snapshot::{IndexView, LiveIndex, Snapshot},
};
pub use crate::object_key::ObjectKey;

/// Writes that may be under way in one cluster at once: its master does them one after the other,
/// and a hung cluster must not take all of the operator's workers. Where those are few it is less.
pub(super) const WRITE_SLOTS: usize = 4;

/// Where the pollers send the names of objects that have something new to look at.
#[derive(Clone, Debug)]
pub struct Wakers {
    /// Owners of links.
    pub clusters: UnboundedSender<ObjectKey>,
    /// Owners of tracked indices.
    pub indices: UnboundedSender<ObjectKey>,
}

/// One live connection.
#[derive(Debug)]
pub struct Link {
    digest: [u8; 32],
    client: Client,
    key: ObjectKey,
    shared: Mutex<Shared>,
    nudge: Notify,
    wakers: Wakers,
    /// How many writes may be under way at once.
    slots: usize,
    /// Whether it was looked at what an earlier process may have left in the cluster.
    examination: Examination,
    /// Which settings the cluster has refused to change while it runs.
    pub refusals: Refusals,
    task: Mutex<Option<AbortHandle>>,
}

#[derive(Debug, Default)]
struct Shared {
    snapshot: Snapshot,
    tracked: HashMap<String, Tracked>,
    writing: usize,
    /// Who wants a slot, in the order of asking.
    waiting: VecDeque<ObjectKey>,
    /// Who was woken for a free slot and has neither taken it nor said that it wants none.
    called: BTreeSet<ObjectKey>,
}

/// One public name that somebody asked for.
#[derive(Debug, Default)]
struct Tracked {
    view: IndexView,
    /// What was known before the view was declared out of date.
    last: IndexView,
    /// Whether an owner was told to wait for the next reading, whatever it says.
    awaited: bool,
    /// Moves when the view is declared out of date, so that an answer that was on its way by then
    /// is not taken for news.
    epoch: u64,
    /// Hardly ever more than one.
    owners: Vec<Owner>,
}

/// An object that asked for a tracked name.
#[derive(Clone, Debug)]
struct Owner {
    key: ObjectKey,
    /// The index and the digest of all else for which the object had nothing to do.
    settled: Option<(Arc<LiveIndex>, u64)>,
}

impl Tracked {
    fn owner(&mut self, key: &ObjectKey) -> Option<&mut Owner> {
        self.owners.iter_mut().find(|it| it.key == *key)
    }
}

/// A tracked name as the poller takes it on its way.
pub(super) struct Errand {
    pub(super) name: String,
    pub(super) view: IndexView,
    epoch: u64,
}

/// The right to write into a cluster; given back when dropped.
#[derive(Debug)]
pub struct Slot(Arc<Link>);

impl Drop for Slot {
    fn drop(&mut self) {
        let mut shared = locked(&self.0.shared);
        shared.writing -= 1;
        self.0.call_next(&mut shared);
    }
}

impl Link {
    /// A connection that nobody polls through yet.
    pub(super) fn new(
        key: ObjectKey,
        client: Client,
        digest: [u8; 32],
        wakers: Wakers,
        slots: usize,
    ) -> Self {
        let (shared, nudge, task) = (Mutex::default(), Notify::new(), Mutex::default());
        let (examination, refusals) = (Examination::default(), Refusals::default());
        Self { digest, client, key, shared, nudge, wakers, slots, examination, refusals, task }
    }

    /// Tracks what `before` tracked, for the same owners; nothing of it is read yet. What was in doubt is so
    /// yet.
    pub(super) fn track_as(&self, before: &Self) {
        self.doubt_as(before);
        let mut shared = locked(&self.shared);
        for (name, tracked) in &locked(&before.shared).tracked {
            let owner = |it: &Owner| Owner { key: it.key.clone(), settled: None };
            let owners = tracked.owners.iter().map(owner).collect();
            shared.tracked.insert(name.clone(), Tracked { owners, ..Tracked::default() });
        }
    }

    /// Takes the task that polls, to end it with the link.
    pub(super) fn started(&self, task: AbortHandle) {
        *locked(&self.task) = Some(task);
    }

    /// Tells one connection's inputs, secrets among them, from another's.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The way to ask right before a write, and to write.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What the last poll saw.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        locked(&self.shared).snapshot.clone()
    }

    /// What is known of the index `name`; `owner` is woken whenever that changes.
    #[must_use]
    pub fn track(&self, name: &str, owner: &ObjectKey) -> IndexView {
        let mut shared = locked(&self.shared);
        if let Some(tracked) = shared.tracked.get_mut(name) {
            if tracked.owner(owner).is_none() {
                tracked.owners.push(Owner { key: owner.clone(), settled: None });
            }
            tracked.awaited |= matches!(tracked.view, IndexView::Unread);
            return tracked.view.clone();
        }
        let owners = vec![Owner { key: owner.clone(), settled: None }];
        let tracked = Tracked { owners, awaited: true, ..Tracked::default() };
        shared.tracked.insert(name.to_owned(), tracked);
        self.nudge.notify_one();
        IndexView::Unread
    }

    /// Remembers that `owner` had nothing to do about `name`, seen as `live`, while all else that it
    /// goes by had this digest.
    pub fn settle(&self, name: &str, owner: &ObjectKey, live: &Arc<LiveIndex>, digest: u64) {
        let mut shared = locked(&self.shared);
        if let Some(owner) = shared.tracked.get_mut(name).and_then(|it| it.owner(owner)) {
            owner.settled = Some((Arc::clone(live), digest));
        }
    }

    /// Whether nothing moved since `owner` had nothing to do about `name`: the same reading of the
    /// index, and the same digest. Forgotten with the process, and with the connection.
    #[must_use]
    pub fn is_settled(
        &self,
        name: &str,
        owner: &ObjectKey,
        live: &Arc<LiveIndex>,
        digest: u64,
    ) -> bool {
        let mut shared = locked(&self.shared);
        let owner = shared.tracked.get_mut(name).and_then(|it| it.owner(owner));
        owner.and_then(|it| it.settled.as_ref()).is_some_and(|(settled, then)| {
            // The one that was settled is kept alive, so no other can have its address.
            Arc::ptr_eq(settled, live) && *then == digest
        })
    }

    /// `owner` is gone; returns the names that it had asked for.
    pub(super) fn forget(&self, owner: &ObjectKey) -> Vec<String> {
        self.wants_no_slot(owner);
        let mut names = Vec::new();
        locked(&self.shared).tracked.retain(|name, tracked| {
            let before = tracked.owners.len();
            tracked.owners.retain(|it| it.key != *owner);
            if tracked.owners.len() < before {
                names.push(name.clone());
            }
            !tracked.owners.is_empty()
        });
        names
    }

    /// Wakes whoever asked for `name`.
    pub(super) fn wake_owners(&self, name: &str) {
        let shared = locked(&self.shared);
        let owners = shared.tracked.get(name).into_iter().flat_map(|it| &it.owners);
        owners.for_each(|it| self.wake_index(it.key.clone()));
    }

    /// What is known of `name` is out of date, because of a write of ours or of somebody else's:
    /// it is read again soon, and its owners are woken if it is another one by then.
    pub fn outdate(&self, name: &str) {
        if let Some(tracked) = locked(&self.shared).tracked.get_mut(name) {
            if !matches!(tracked.view, IndexView::Unread) {
                tracked.last = std::mem::take(&mut tracked.view);
            }
            tracked.epoch += 1;
        }
        self.nudge.notify_one();
    }

    /// The same, where what was to be done now depends on it: the owners are woken whatever is read.
    pub fn outdate_and_tell(&self, name: &str) {
        if let Some(tracked) = locked(&self.shared).tracked.get_mut(name) {
            tracked.awaited = true;
        }
        self.outdate(name);
    }

    /// Nothing that is known of any index holds any more.
    pub(super) fn outdate_all(&self) {
        for tracked in locked(&self.shared).tracked.values_mut() {
            tracked.view = IndexView::Unread;
            tracked.last = IndexView::Unread;
            tracked.awaited = true;
            tracked.epoch += 1;
        }
        self.nudge.notify_one();
    }

    /// A slot to write in; when all are taken `owner` is woken as soon as one is free. Whoever is
    /// woken and wants none any more says so by [`Link::wants_no_slot`].
    #[must_use]
    pub fn slot(self: &Arc<Self>, owner: &ObjectKey) -> Option<Slot> {
        let mut shared = locked(&self.shared);
        let was_called = shared.called.remove(owner);
        if shared.writing < self.slots {
            shared.waiting.retain(|it| it != owner);
            shared.writing += 1;
            return Some(Slot(Arc::clone(self)));
        }
        if was_called {
            // Somebody was quicker: it has waited long enough.
            shared.waiting.push_front(owner.clone());
        } else if !shared.waiting.contains(owner) {
            shared.waiting.push_back(owner.clone());
        }
        None
    }

    /// `owner` has nothing to write: whoever waits behind it is woken in its place.
    pub fn wants_no_slot(&self, owner: &ObjectKey) {
        let mut shared = locked(&self.shared);
        if shared.called.is_empty() && shared.waiting.is_empty() {
            return;
        }
        shared.waiting.retain(|it| it != owner);
        if shared.called.remove(owner) {
            self.call_next(&mut shared);
        }
    }

    fn call_next(&self, shared: &mut Shared) {
        if let Some(next) = shared.waiting.pop_front() {
            shared.called.insert(next.clone());
            self.wake_index(next);
        }
    }

    /// Ends the polling, and the waiting for a slot.
    pub(super) fn stop(&self) {
        if let Some(task) = locked(&self.task).take() {
            task.abort();
        }
        // They look for another link, or wait for one.
        let mut shared = locked(&self.shared);
        let waiting = std::mem::take(&mut shared.waiting);
        let called = std::mem::take(&mut shared.called);
        waiting.into_iter().chain(called).for_each(|it| self.wake_index(it));
    }

    pub(super) async fn nudged(&self) {
        self.nudge.notified().await;
    }

    /// Every tracked name, or only those that were never read.
    pub(super) fn errands(&self, all: bool) -> Vec<Errand> {
        locked(&self.shared)
            .tracked
            .iter()
            .filter(|(_, tracked)| all || matches!(tracked.view, IndexView::Unread))
            .map(|(name, tracked)| Errand {
                name: name.clone(),
                view: match &tracked.view {
                    IndexView::Unread => tracked.last.clone(),
                    known => known.clone(),
                },
                epoch: tracked.epoch,
            })
            .collect()
    }

    /// Takes over what was read for an errand, and wakes its owners if it is news.
    pub(super) fn deliver(&self, errand: &Errand, view: IndexView, news: bool) {
        let mut shared = locked(&self.shared);
        let Some(tracked) = shared.tracked.get_mut(&errand.name) else { return };
        if tracked.epoch != errand.epoch {
            return;
        }
        tracked.view = view;
        tracked.last = IndexView::Unread;
        if std::mem::take(&mut tracked.awaited) || news {
            tracked.owners.iter().for_each(|owner| self.wake_index(owner.key.clone()));
        }
    }

    /// Takes over a snapshot, and wakes the link's owner if it is news. Where Elasticsearch answers
    /// again, the owners of indices are woken too: they may have waited for nothing else.
    pub(super) fn publish(&self, snapshot: Snapshot, news: bool) {
        let mut shared = locked(&self.shared);
        let answers = |it: &Snapshot| it.fault.is_none() && it.cluster.is_some();
        let is_back = !answers(&shared.snapshot) && answers(&snapshot);
        shared.snapshot = snapshot;
        if is_back {
            let owners = shared.tracked.values().flat_map(|it| &it.owners);
            owners.for_each(|owner| self.wake_index(owner.key.clone()));
        }
        if news {
            // A closed channel means that the process is ending.
            let _ = self.wakers.clusters.send(self.key.clone());
        }
    }

    fn wake_index(&self, owner: ObjectKey) {
        let _ = self.wakers.indices.send(owner);
    }

    /// Whom the poller's requests name.
    pub(super) fn caller(&self) -> String {
        format!("drover/poll/{}/{}", self.key.namespace, self.key.name)
    }

    pub(super) fn key(&self) -> &ObjectKey {
        &self.key
    }
}

#[cfg(test)]
mod tests;
