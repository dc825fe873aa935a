//! Hosts that leave a managed Cluster, and those whose node is to lose roles: their shards move first. It is
//! decided here and kept in the status; a Host waits until that says that nothing is left on its node, and
//! so does a run.

pub mod apply;
pub mod observe;
pub mod plan;
pub mod record;
mod roles;

use std::time::Duration;

use jiff::Timestamp;

use super::rollout::{leaving_for, pace};
use crate::{
    api::{
        cluster::Cluster,
        drain::{DrainPhase, DrainReason, DrainStatus},
    },
    kubernetes::events::Notice,
};

/// How long the object stays, at most, to take back what was set.
const GRACE: Duration = Duration::from_mins(1);

/// The drain of which anything may be set in Elasticsearch.
fn set(cluster: &Cluster) -> Option<&DrainStatus> {
    let drain = cluster.status.as_ref()?.drain.as_ref()?;
    (drain.phase != DrainPhase::Waiting).then_some(drain)
}

/// Whether something is to be taken back before the object may go. Of a host that is down with a run only
/// once it is back.
#[must_use]
pub fn keeps(cluster: &Cluster, now: Timestamp) -> bool {
    let limit = |it: &DrainStatus| match it.reason {
        DrainReason::Leaves => GRACE,
        DrainReason::Roles => pace(cluster).host_timeout.0 + GRACE,
    };
    set(cluster).is_some_and(|it| leaving_for(cluster, now).is_some_and(|age| age < limit(it)))
}

/// What people hear of what is left as it is when the object goes: `is_let_go` says that it goes now.
#[must_use]
pub fn farewell(cluster: &Cluster, is_let_go: bool) -> Option<Notice> {
    (is_let_go && set(cluster).is_some()).then(|| {
        let note = "a host was being drained, and Elasticsearch could not be told to go on with it: take \
                    cluster.routing.allocation.exclude._name and cluster.metadata.drover.drain.* away, \
                    and DELETE _cluster/voting_config_exclusions, which gives back what others took too";
        Notice::warning("LeftBehind", "Drain", note)
    })
}
