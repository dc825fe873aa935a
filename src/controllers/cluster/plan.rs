//! What a Cluster needs done, and which Elasticsearch it stands for. Pure.

use jiff::Timestamp;

use super::{drain, managed, observe::Observed, rollout};
use crate::{
    api::{ACCEPT_CLUSTER_UUID, cluster::Cluster},
    elasticsearch::connection::Connection,
};

/// The decision of one reconcile.
#[derive(Debug)]
pub struct Plan {
    /// What to do about the connection.
    pub step: Option<Step>,
    /// Which cluster was found, held against the one that was pinned.
    pub identity: Identity,
    /// What to do for the Elasticsearch that Drover runs itself; nothing where it runs none.
    pub managed: Option<managed::plan::Plan>,
    /// Whether the object may go.
    pub let_go: bool,
}

/// What to do about the connection.
#[derive(Debug)]
pub enum Step {
    /// Connect anew: this is the first time, or the spec or a Secret changed.
    Connect(Box<Connection>),
    /// Stop for now: what leads there is gone, and the object may be on its way too.
    SetAside,
    /// Go on without what is gone, to let the Index objects finish their deletion, and to bring back a
    /// host that a run has in hand.
    TakeBack,
    /// Stop: the object is gone, or its spec's connection is.
    Disconnect,
}

/// The cluster behind the endpoints, held against the pinned one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Nothing has answered yet; the uuid is the one pinned earlier.
    Unseen(Option<String>),
    /// The nodes have not formed a cluster.
    NotFormed(Option<String>),
    /// The pinned one, or the first one, which is pinned by this.
    Pinned(String),
    /// Another one.
    Other {
        /// The only uuid that may be touched.
        pinned: String,
        /// The uuid that answered.
        found: String,
        /// The endpoint that it answered at, where it is known.
        endpoint: Option<String>,
    },
}

impl Identity {
    /// Whether the pinned cluster is the one that answered.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        matches!(self, Self::Pinned(_))
    }

    /// The only uuid that may be touched, as far as one is known.
    #[must_use]
    pub fn pinned(&self) -> Option<&str> {
        match self {
            Self::Unseen(uuid) | Self::NotFormed(uuid) => uuid.as_deref(),
            Self::Pinned(uuid) | Self::Other { pinned: uuid, .. } => Some(uuid),
        }
    }
}

/// The uuid that Elasticsearch names before its nodes have formed a cluster.
const NOT_FORMED: &str = "_na_";

/// Decides the next step of `cluster`.
#[must_use]
pub fn next(cluster: &Cluster, seen: &Observed, now: Timestamp) -> Plan {
    let managed = seen.managed.as_ref().map(|it| managed::plan::next(cluster, it));
    let identity = identity(cluster, seen, managed.as_ref());
    let deleting = cluster.metadata.deletion_timestamp.is_some();
    let let_go = deleting
        && seen.needed_by.is_empty()
        && !rollout::keeps(cluster, now)
        && !drain::keeps(cluster, now)
        && !managed::removal::keeps(cluster, seen, now);
    let step = match &seen.connection {
        _ if let_go => (seen.aside || seen.connected.is_some()).then_some(Step::Disconnect),
        Ok(Some(connection)) if seen.connected != Some(connection.digest()) => {
            Some(Step::Connect(Box::new(connection.clone())))
        }
        Ok(Some(_)) => None,
        // Its Secret may go first, and its Index objects still have to delete their indices.
        Ok(None) | Err(_) if deleting => seen.aside.then_some(Step::TakeBack),
        // The Secrets or the hosts that it is made of may have gone first, and the object be on its way
        // too: there may be something to put right in Elasticsearch by then.
        Ok(None) if seen.managed.is_some() => seen.connected.map(|_| Step::SetAside),
        Ok(None) => (seen.aside || seen.connected.is_some()).then_some(Step::Disconnect),
        Err(_) if seen.holds => None,
        Err(_) => seen.connected.map(|_| Step::SetAside),
    };
    Plan { step, identity, managed, let_go }
}

fn identity(cluster: &Cluster, seen: &Observed, managed: Option<&managed::plan::Plan>) -> Identity {
    let expected = cluster.spec.connection.as_ref().and_then(|it| it.expected_uuid.clone());
    let accepted = cluster.metadata.annotations.as_ref().and_then(|it| it.get(ACCEPT_CLUSTER_UUID));
    let stored = cluster
        .status
        .as_ref()
        .and_then(|it| it.elasticsearch.as_ref())
        .map(|it| it.uuid.clone())
        .filter(|it| !it.is_empty())
        .or_else(|| managed.and_then(managed::plan::Plan::remembered).map(str::to_owned));
    let Some(view) = seen.snapshot.cluster.as_deref() else {
        return Identity::Unseen(expected.or(stored));
    };
    let found = &view.state.cluster_uuid;
    if found == NOT_FORMED {
        return Identity::NotFormed(expected.or(stored));
    }
    let pinned = match (expected, accepted, stored) {
        (Some(expected), ..) => expected,
        (None, Some(accepted), _) if accepted == found => accepted.clone(),
        (None, _, Some(stored)) => stored,
        (None, _, None) => found.clone(),
    };
    if *found != pinned {
        return Identity::Other { pinned, found: found.clone(), endpoint: None };
    }
    let stray = view.endpoints.iter().find_map(|endpoint| {
        let uuid = endpoint.cluster_uuid.as_ref()?;
        (*uuid != pinned && uuid != NOT_FORMED)
            .then(|| (uuid.clone(), endpoint.endpoint.to_string()))
    });
    match stray {
        Some((found, endpoint)) => Identity::Other { pinned, found, endpoint: Some(endpoint) },
        None => Identity::Pinned(pinned),
    }
}
