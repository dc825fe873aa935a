//! Hosts that leave a managed Cluster: their shards move first. It is decided here and kept in the
//! status; a Host waits until that says that nothing is left on its node.

pub mod apply;
pub mod observe;
pub mod plan;
pub mod record;

use std::time::Duration;

use jiff::Timestamp;

use super::rollout::leaving_for;
use crate::{
    api::{cluster::Cluster, drain::DrainPhase},
    kubernetes::events::Notice,
};

/// How long the object stays, at most, to take back what was set.
const GRACE: Duration = Duration::from_mins(1);

fn is_set(cluster: &Cluster) -> bool {
    let drain = cluster.status.as_ref().and_then(|it| it.drain.as_ref());
    drain.is_some_and(|it| it.phase != DrainPhase::Waiting)
}

/// Whether something is to be taken back before the object may go.
#[must_use]
pub fn keeps(cluster: &Cluster, now: Timestamp) -> bool {
    is_set(cluster) && leaving_for(cluster, now).is_some_and(|it| it < GRACE)
}

/// What people hear of what is left as it is when the object goes: `is_let_go` says that it goes now.
#[must_use]
pub fn farewell(cluster: &Cluster, is_let_go: bool) -> Option<Notice> {
    (is_let_go && is_set(cluster)).then(|| {
        let note = "a host was being drained, and Elasticsearch could not be told to go on with it: take \
                    cluster.routing.allocation.exclude._name and cluster.metadata.drover.drain.* away, \
                    and DELETE _cluster/voting_config_exclusions";
        Notice::warning("LeftBehind", "Drain", note)
    })
}
