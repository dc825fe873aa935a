//! What is to be done for an Index object that is being deleted. Pure.

use super::{
    cluster_gate::ClusterGate,
    decision::{Plan, Stand, Step},
    observe::Observed,
    ownership::{Owner, owner, stored_uuid},
};
use crate::{
    api::index::{DeletionPolicy, Index, Mode},
    elasticsearch::snapshot::{IndexView, LiveIndex},
};

/// Decides what is next.
pub(super) fn farewell(index: &Index, seen: &Observed) -> Plan {
    let name = index.public_name();
    let gone = |left: Option<String>| Plan::stand(Stand::Gone(left));
    let lets_go =
        index.spec.deletion_policy == DeletionPolicy::Retain || index.spec.mode == Mode::Plan;
    if lets_go && index.status.as_ref().and_then(|it| it.write_block) == Some(true) {
        // An earlier DeleteIfEmpty blocked writes and did not come to its end.
        return match (&seen.gate, &seen.live) {
            (ClusterGate::Open { .. }, IndexView::Present(live)) if is_blocked(index, live) => {
                Plan { stand: Stand::Deleting, steps: vec![Step::Unblock], ..Plan::default() }
            }
            (ClusterGate::Open { .. }, IndexView::Unread) | (ClusterGate::Pending, _) => {
                Plan::stand(Stand::Unread)
            }
            (ClusterGate::Open { .. }, _) => gone(None),
            _ => gone(Some(format!(
                "index '{name}' stays, and writes to it stay blocked: set index.blocks.write to null"
            ))),
        };
    }
    if index.spec.deletion_policy == DeletionPolicy::Retain {
        return gone(None);
    }
    if index.spec.mode == Mode::Plan {
        return gone(Some(format!("index '{name}' stays, since mode is Plan")));
    }
    match (&seen.gate, &seen.live) {
        (ClusterGate::Absent, _) => {
            gone(Some(format!("index '{name}' stays if it is there: its Cluster is gone")))
        }
        (ClusterGate::Blocked(_), _) => Plan::stand(Stand::NoCluster),
        (ClusterGate::Pending, _) | (_, IndexView::Unread) => Plan::stand(Stand::Unread),
        (_, IndexView::Unreadable) => Plan::stand(Stand::Unreadable),
        (_, IndexView::TooLarge(_)) => Plan::stand(Stand::TooLarge),
        (_, IndexView::Missing) => gone(None),
        (_, IndexView::Present(live)) => match owner(index, seen, live) {
            Owner::This => deletion(index, live),
            Owner::Nobody => gone(Some(format!("index '{name}' stays: it is not Drover's"))),
            Owner::Rival(_) => gone(None),
            Owner::Other(whose) => gone(Some(format!("{whose}: it stays"))),
        },
    }
}

/// Whether the index that Drover kept refuses writes.
fn is_blocked(index: &Index, live: &LiveIndex) -> bool {
    let blocked = live.content.settings().get("index.blocks.write").is_some_and(|it| it == "true");
    blocked && stored_uuid(index) == Some(live.marks.uuid.as_str())
}

/// The deletion of an index that is Drover's.
fn deletion(index: &Index, live: &LiveIndex) -> Plan {
    let step = match index.spec.deletion_policy {
        DeletionPolicy::Delete => Step::Delete,
        _ if !live.is_open() => {
            let name = index.public_name();
            let left =
                format!("index '{name}' stays: it is closed, so its documents can't be counted");
            return Plan::stand(Stand::Gone(Some(left)));
        }
        _ => match index.status.as_ref().and_then(|it| it.write_block) {
            None => return Plan::stand(Stand::Announced),
            Some(unblock) => Step::DeleteIfEmpty { unblock },
        },
    };
    Plan { stand: Stand::Deleting, steps: vec![step], ..Plan::default() }
}
