//! Runs over the hosts of a Cluster: what is wanted of them, what Elasticsearch says of it, and the
//! one next step, which is in the status before anybody takes it.

pub mod apply;
pub mod findings;
pub mod members;
pub mod observe;
pub mod outdated;
pub mod plan;
pub mod record;
pub mod status;
pub mod wishes;

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    api::{
        cluster::{Cluster, ClusterStatus},
        rollout::RolloutSpec,
    },
    context::Context,
    controllers::Next,
    kubernetes::{Kind as _, events::Notice},
    rollout::planner::Act,
    telemetry::metrics::StepEnding,
};

/// How long until a run is looked at again.
const PACE: Duration = Duration::from_secs(2);
/// What it takes to ask Elasticsearch for all that decides is at most one part in this many of the
/// time.
const SHARE: u32 = 5;
/// The longest pause, however long the asking took.
const LONGEST: Duration = Duration::from_secs(30);

/// How hosts are taken out of service, with defaults where the spec says nothing.
#[must_use]
pub fn pace(cluster: &Cluster) -> RolloutSpec {
    cluster.spec.rollout.clone().unwrap_or_default()
}

/// Whether a run has a host in hand that has to be brought back before the object may go. What can't
/// be brought back is waited for as long as a host may take, and not for ever.
#[must_use]
pub fn keeps(cluster: &Cluster, now: Timestamp) -> bool {
    let run = cluster.status.as_ref().and_then(|it| it.rollout.as_ref());
    let in_hand =
        run.is_some_and(|it| it.hosts.iter().any(|it| record::step(it.step).is_in_hand()));
    let asked = cluster.metadata.deletion_timestamp.as_ref();
    let limit = pace(cluster).host_timeout.0;
    in_hand && asked.is_some_and(|it| crate::rollout::safety::since(it.0, now) < limit)
}

/// Counts the steps that hosts have left by now, and how long each took.
pub fn count(ctx: &Context, cluster: &Cluster, after: &ClusterStatus, now: Timestamp) {
    let before = cluster.status.as_ref().and_then(|it| it.rollout.as_ref());
    for (step, took) in status::left(before, after.rollout.as_ref(), now) {
        ctx.metrics.step_taken(Cluster::NAME, step.as_str(), StepEnding::Success, took);
    }
}

/// What people hear of a request to Elasticsearch that failed, and when it is made again.
#[must_use]
pub fn failed(act: &Act, outcome: &apply::Outcome) -> Option<(Notice, Next)> {
    let apply::Outcome::Failed { why, category } = outcome else { return None };
    let (reason, what) = match act {
        Act::Protect(_) => ("ProtectFailed", "allocation of replicas could not be held back"),
        Act::Unprotect(_) => {
            ("UnprotectFailed", "allocation of replicas could not be let go again")
        }
    };
    let notice = Notice::warning(reason, "Rollout", format!("{what}: {why}"));
    Some((notice, Next::Again { category: *category }))
}

/// When to look at the run again; nothing where there is none.
#[must_use]
pub fn next(decided: &plan::Decided, took: Duration) -> Option<Next> {
    let is_waited_for = decided.run.is_some() || decided.is_outstanding || decided.act.is_some();
    let pause = (took * (SHARE - 1)).clamp(PACE, LONGEST);
    is_waited_for.then_some(Next::After(pause))
}
