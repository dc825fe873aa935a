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
        cluster_status::ClusterStatus,
        drain::{DrainPhase, DrainReason, DrainStatus},
    },
    kubernetes::events::Notice,
};

/// How long the object stays, at most, to take back what was set.
const GRACE: Duration = Duration::from_mins(1);

/// The drain that the status tells of. Also beside one that waits something may be set in Elasticsearch: for
/// nodes that were let go before.
fn told(cluster: &Cluster) -> Option<&DrainStatus> {
    cluster.status.as_ref()?.drain.as_ref()
}

/// Whether something is to be taken back before the object may go. Of a host that is down with a run only
/// once it is back.
#[must_use]
pub fn keeps(cluster: &Cluster, now: Timestamp) -> bool {
    let limit = |it: &DrainStatus| match it.reason {
        DrainReason::Leaves => GRACE,
        DrainReason::Roles => pace(cluster).host_timeout.0 + GRACE,
    };
    told(cluster).is_some_and(|it| leaving_for(cluster, now).is_some_and(|age| age < limit(it)))
}

/// Whether the drain of before is over: an object that waits for that to go is looked at again.
#[must_use]
pub fn is_over(before: Option<&ClusterStatus>, after: &ClusterStatus) -> bool {
    before.is_some_and(|it| it.drain.is_some()) && after.drain.is_none()
}

/// What people hear of what is left as it is when the object goes: `is_let_go` says that it goes now.
#[must_use]
pub fn farewell(cluster: &Cluster, is_let_go: bool) -> Option<Notice> {
    let drain = told(cluster).filter(|_| is_let_go)?;
    let note = if drain.phase == DrainPhase::Waiting {
        "a host waited to be drained, and Elasticsearch could not be asked what is set there for nodes that \
         were let go before: if cluster.metadata.drover.drain.* is, take that and \
         cluster.routing.allocation.exclude._name away, and DELETE _cluster/voting_config_exclusions, which \
         gives back what others took too"
    } else {
        "a host was being drained, and Elasticsearch could not be told to go on with it: take \
         cluster.routing.allocation.exclude._name and cluster.metadata.drover.drain.* away, and DELETE \
         _cluster/voting_config_exclusions, which gives back what others took too"
    };
    Some(Notice::warning("LeftBehind", "Drain", note))
}
