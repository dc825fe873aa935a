//! Whether an Index may be worked on in its Cluster.

use crate::{
    api::{
        cluster::{Cluster, conditions},
        condition::{Reason, find, is_true},
    },
    controllers::deployment,
    elasticsearch::snapshot::Snapshot,
};

/// The answer, as data.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClusterGate {
    /// No Cluster of that name is in the namespace.
    Absent,
    /// The Cluster can't be worked in now; the text says why.
    Blocked(String),
    /// Nothing has been asked since this process began: what was written before still stands.
    Pending,
    /// The Cluster is reached, knows Drover, and is the pinned one, by this uuid.
    Open {
        /// The only `cluster_uuid` that may be written to.
        uuid: String,
    },
}

/// Judges by what the Cluster's own controller wrote, and by the last poll, which may be newer. A
/// yellow or red cluster does not count: the change may be the cure.
#[must_use]
pub fn gate(cluster: Option<&Cluster>, snapshot: Option<&Snapshot>) -> ClusterGate {
    let Some(cluster) = cluster else { return ClusterGate::Absent };
    let name = cluster.metadata.name.as_deref().unwrap_or_default();
    let connection = cluster.spec.connection.as_ref();
    if connection.is_none() && !deployment::is_managed(cluster) {
        return ClusterGate::Blocked(format!(
            "Cluster '{name}' is a group of hosts: it has no `connection` to an Elasticsearch"
        ));
    }
    let Some(status) = &cluster.status else {
        return ClusterGate::Blocked(format!("Cluster '{name}' was not looked at yet"));
    };
    let needed = [
        conditions::ACCEPTED,
        conditions::RESOLVED_REFS,
        conditions::REACHABLE,
        conditions::AUTHENTICATED,
        conditions::IDENTITY_MATCHES,
    ];
    for kind in needed {
        if !is_true(&status.conditions, kind) {
            let why = find(&status.conditions, kind).map_or("", |it| it.reason.as_str());
            // What the hosts lack is nothing to the indices.
            if [Reason::NetworkNotFound, Reason::ContainerManagerNotFound]
                .iter()
                .any(|it| it.as_str() == why)
            {
                continue;
            }
            return ClusterGate::Blocked(format!("Cluster '{name}' is not {kind}: {why}"));
        }
    }
    let pinned = status.elasticsearch.as_ref().map(|it| it.uuid.as_str()).unwrap_or_default();
    let expected = connection.and_then(|it| it.expected_uuid.as_deref());
    if expected.is_some_and(|it| it != pinned) {
        // The spec is newer than what the Cluster's controller wrote.
        return ClusterGate::Blocked(format!("Cluster '{name}' is not IdentityMatches"));
    }
    let Some(snapshot) = snapshot.filter(|it| it.polled) else { return ClusterGate::Pending };
    let seen = Some(snapshot)
        .filter(|it| it.fault.is_none())
        .and_then(|it| it.cluster.as_ref())
        .map(|it| it.state.cluster_uuid.as_str());
    match seen {
        Some(seen) if seen == pinned && !seen.is_empty() => {
            ClusterGate::Open { uuid: pinned.to_owned() }
        }
        Some(_) => ClusterGate::Blocked(format!("Cluster '{name}' is not IdentityMatches")),
        None => ClusterGate::Blocked(format!("Cluster '{name}' does not answer")),
    }
}
