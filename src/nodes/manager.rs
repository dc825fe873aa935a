//! One API server that hosts are registered in: how it is reached, and what is known of it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex},
    time::Instant,
};

use tokio::{sync::mpsc::UnboundedSender, task::AbortHandle};

use super::{
    client::Client,
    probe::Probe,
    register::{Listed, Listing},
    turns::{Turn, Turns},
};
use crate::{chain::chain, lock::locked, object_key::ObjectKey};

/// The Node of a host: its name, and the host's uid.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Name of the Node.
    pub node: Box<str>,
    /// uid of the Host object.
    pub uid: Box<str>,
}

/// What is known of an API server, and of the Nodes that hosts have there.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Whether it has been asked, well or not, since it is reached in this way.
    pub asked: bool,
    /// What it is and what Drover may do there, as it was last asked.
    pub probe: Arc<Probe>,
    /// The Nodes of hosts when they were last listed; nothing before.
    pub nodes: Option<Arc<BTreeMap<Place, Listed>>>,
}

impl Snapshot {
    /// Whether hosts can be registered: it answers, and Drover may do all that it needs to.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.probe.fault.is_none() && self.probe.missing.is_empty() && self.nodes.is_some()
    }
}

/// Whom news of an API server concern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concern {
    /// The `ContainerManager` object that stands for it.
    pub manager: ObjectKey,
    /// The uids of the Hosts whose Nodes changed; nothing where all that it manages are concerned.
    pub uids: Option<BTreeSet<Box<str>>>,
}

/// Where the names of objects go that have something new to look at.
#[derive(Clone, Debug)]
pub struct Wakers {
    /// Of `ContainerManager`s.
    pub managers: UnboundedSender<ObjectKey>,
    /// Of the Hosts in one.
    pub hosts: UnboundedSender<Concern>,
}

/// One API server that is asked again and again.
pub struct Manager {
    key: ObjectKey,
    client: Client,
    digest: [u8; 32],
    wakers: Wakers,
    turns: Arc<Turns>,
    shared: Mutex<Shared>,
    task: Mutex<Option<AbortHandle>>,
}

#[derive(Default)]
struct Shared {
    snapshot: Snapshot,
    /// What was learned about single Nodes, which a list that was begun before does not show.
    touched: HashMap<Place, (Instant, Option<Listed>)>,
}

impl Manager {
    pub(super) fn new(
        key: ObjectKey,
        client: Client,
        digest: [u8; 32],
        wakers: Wakers,
        turns: Arc<Turns>,
    ) -> Self {
        let (shared, task) = (Mutex::default(), Mutex::default());
        Self { key, client, digest, wakers, turns, shared, task }
    }

    /// Talks to it.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Tells one way to it from another.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// What is known of it.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        locked(&self.shared).snapshot.clone()
    }

    /// Leave to work on the Node of the Host with `uid`; nothing while too many are worked on: then
    /// the Host is woken when it is its turn.
    #[must_use]
    pub fn turn(&self, uid: &str) -> Option<Turn> {
        self.turns.take(&self.key, uid)
    }

    /// Takes note of a Node as it is since something was done to it, until the next list. Nothing
    /// stands for a Node that is not a host's any more.
    pub fn note(&self, place: &Place, node: Option<Listed>) {
        let mut shared = locked(&self.shared);
        if let Some(nodes) = &mut shared.snapshot.nodes {
            put(Arc::make_mut(nodes), place, node.as_ref());
        }
        shared.touched.insert(place.clone(), (Instant::now(), node));
    }

    pub(super) fn key(&self) -> &ObjectKey {
        &self.key
    }

    /// Takes the task that asks, to end it with this.
    pub(super) fn started(&self, task: AbortHandle) {
        *locked(&self.task) = Some(task);
    }

    /// Ends the asking.
    pub(super) fn stop(&self) {
        if let Some(task) = locked(&self.task).take() {
            task.abort();
        }
    }

    /// Takes over what was learned by questions that were begun at `began`, and wakes whom it
    /// concerns if it is news. Nodes that were not listed this time stay as they were known.
    pub(super) fn publish(&self, began: Instant, probe: Probe, listing: Option<Listing>) {
        self.turns.judge(&self.key, probe.fault.is_some());
        let mut shared = locked(&self.shared);
        let nodes = match listing {
            None => shared.snapshot.nodes.clone(),
            Some(listing) => {
                shared.touched.retain(|_, (at, _)| began <= *at);
                Some(Arc::new(nodes(listing, &shared.touched)))
            }
        };
        let now = Snapshot { asked: true, probe: Arc::new(probe), nodes };
        let before = std::mem::replace(&mut shared.snapshot, now.clone());
        drop(shared);
        // A closed channel means that the process is ending.
        if is_news(&before, &now) {
            let _ = self.wakers.managers.send(self.key.clone());
        }
        let uids = if before.asked && before.is_usable() == now.is_usable() {
            match changed(&before, &now) {
                uids if uids.is_empty() => return,
                uids => Some(uids),
            }
        } else {
            None
        };
        let _ = self.wakers.hosts.send(Concern { manager: self.key.clone(), uids });
    }
}

fn nodes(
    listing: Listing,
    touched: &HashMap<Place, (Instant, Option<Listed>)>,
) -> BTreeMap<Place, Listed> {
    let place = |it: &Listed| Place { node: it.node.clone(), uid: it.uid.clone() };
    let mut nodes: BTreeMap<_, _> = listing.nodes.into_iter().map(|it| (place(&it), it)).collect();
    for (place, (_, node)) in touched {
        put(&mut nodes, place, node.as_ref());
    }
    nodes
}

fn put(nodes: &mut BTreeMap<Place, Listed>, place: &Place, node: Option<&Listed>) {
    match node {
        Some(node) => nodes.insert(place.clone(), node.clone()),
        None => nodes.remove(place),
    };
}

fn is_news(before: &Snapshot, now: &Snapshot) -> bool {
    let words = |it: &Snapshot| it.probe.fault.as_ref().map(|it| chain(it));
    before.asked != now.asked
        || before.is_usable() != now.is_usable()
        || words(before) != words(now)
        || before.probe.version != now.probe.version
        || before.probe.missing != now.probe.missing
}

/// The uids of the Hosts whose Nodes differ.
fn changed(before: &Snapshot, now: &Snapshot) -> BTreeSet<Box<str>> {
    let empty = Arc::default();
    let [before, now] = [before, now].map(|it| it.nodes.as_ref().unwrap_or(&empty));
    let differs = |a: &BTreeMap<Place, Listed>, b: &BTreeMap<Place, Listed>| {
        let of_a = a.iter().filter(|(place, node)| b.get(*place) != Some(*node));
        of_a.map(|(place, _)| place.uid.clone()).collect::<Vec<_>>()
    };
    differs(before, now).into_iter().chain(differs(now, before)).collect()
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager").field("key", &self.key).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
