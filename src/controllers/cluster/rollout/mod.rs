//! Runs over the hosts of a Cluster: what is wanted of them, what Elasticsearch says of it, and the
//! one next step, which is in the status before anybody takes it.

pub mod apply;
mod ended;
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

use super::decided::Outcome;
use crate::{
    api::{cluster::Cluster, cluster_status::ClusterStatus, rollout::RolloutSpec},
    context::Context,
    controllers::Next,
    kubernetes::{Kind as _, events::Notice},
    rollout::{
        drain::Phase,
        planner::{Act, End},
        run::{HostRun, Run},
        safety::since,
    },
};

/// How long until a run is looked at again.
const PACE: Duration = Duration::from_secs(2);
/// What it takes to ask Elasticsearch for all that decides is at most one part in this many of the
/// time.
const SHARE: u32 = 5;
/// How long until that is done for a run that a gate has kept back for [`SHUT`], and that has no host
/// in hand; or until it is asked once more whether what is wanted takes a run.
const SLOW: Duration = Duration::from_secs(10);
/// How long a gate has to be shut to be no matter of moments.
const SHUT: Duration = Duration::from_mins(1);
/// How long until a run that nobody works at is looked at again: what lets it go on wakes it.
const REST: Duration = Duration::from_secs(30);
/// How long it is tried to put right what protects hosts that were not brought back in time.
const GRACE: Duration = Duration::from_mins(1);
/// The longest pause, however long the asking took.
const LONGEST: Duration = Duration::from_secs(30);

/// How hosts are taken out of service, with defaults where the spec says nothing.
#[must_use]
pub fn pace(cluster: &Cluster) -> RolloutSpec {
    cluster.spec.rollout.clone().unwrap_or_default()
}

/// Whether a run has a host in hand that has to be brought back before the object may go. What can't
/// be brought back is waited for as long as a host may take, and not for ever; then there is a last
/// while to put right what is held back in Elasticsearch.
#[must_use]
pub fn keeps(cluster: &Cluster, now: Timestamp) -> bool {
    let run = cluster.status.as_ref().and_then(|it| it.rollout.as_ref());
    let in_hand = run.is_some_and(|it| record::run(it).hosts.iter().any(HostRun::is_in_hand));
    let limit = pace(cluster).host_timeout.0 + GRACE;
    in_hand && leaving_for(cluster, now).is_some_and(|it| it < limit)
}

/// Whether the object is to go, and the time to bring hosts back is over.
fn is_given_up(cluster: &Cluster, now: Timestamp) -> bool {
    leaving_for(cluster, now).is_some_and(|it| pace(cluster).host_timeout.0 <= it)
}

/// How long ago the object was asked to go.
pub(super) fn leaving_for(cluster: &Cluster, now: Timestamp) -> Option<Duration> {
    let asked = cluster.metadata.deletion_timestamp.as_ref()?;
    Some(since(asked.0, now))
}

/// What people hear, and the log keeps, of what is left behind when the object goes in the middle of
/// a run: `is_let_go` says that it goes now.
#[must_use]
pub fn farewell(decided: &plan::Decided, is_let_go: bool) -> Option<Notice> {
    let run = match (&decided.ended, &decided.run) {
        (Some((End::GivenUp, run)), _) => run,
        (_, Some(run)) if is_let_go => run,
        _ => return None,
    };
    let left = findings::left_behind(run, decided.ended.is_none())?;
    tracing::warn!(left, "the Cluster goes in the middle of a run");
    Some(Notice::warning("LeftBehind", "Rollout", left))
}

/// Counts the steps that hosts have left by now, and how long each took.
pub fn count(ctx: &Context, cluster: &Cluster, after: &ClusterStatus, now: Timestamp) {
    let before = cluster.status.as_ref().and_then(|it| it.rollout.as_ref());
    for (step, ending, took) in ended::steps(before, after.rollout.as_ref(), now) {
        ctx.metrics.step_taken(Cluster::NAME, step.as_str(), ending, took);
    }
}

/// What people hear of a request to Elasticsearch that failed, and when it is made again.
#[must_use]
pub fn failed(act: &Act, outcome: &Outcome) -> Option<(Notice, Next)> {
    let Outcome::Failed { why, category } = outcome else { return None };
    let (reason, what) = match act {
        Act::Protect(_) => ("ProtectFailed", "allocation of replicas could not be held back"),
        Act::Unprotect(_) => {
            ("UnprotectFailed", "allocation of replicas could not be let go again")
        }
        Act::Announce { .. } => ("ProtectFailed", "a node could not be announced to go down"),
        Act::Retract(_) => {
            ("UnprotectFailed", "the shutdown record of a node could not be taken back")
        }
    };
    let notice = Notice::warning(reason, "Rollout", format!("{what}: {why}"));
    Some((notice, Next::Again { category: *category }))
}

/// When to look at the run again; nothing where there is none.
#[must_use]
pub fn next(decided: &plan::Decided, took: Duration, now: Timestamp) -> Option<Next> {
    let drain = decided.drain.drain.as_ref();
    let is_busy = decided.run.is_some() || decided.is_outstanding || decided.act.is_some();
    let is_waited_for = is_busy || drain.is_some() || decided.hold == Some(plan::UNASKED);
    let pace = match drain.map(|it| it.phase) {
        Some(Phase::Waiting) if !is_busy => SLOW,
        Some(Phase::Drained) if !is_busy => REST,
        None | Some(Phase::Waiting | Phase::Drained) => pace_of(decided, now),
        Some(_) => PACE,
    };
    let pause = (took * (SHARE - 1)).clamp(pace, LONGEST);
    is_waited_for.then_some(Next::After(pause))
}

/// How soon the run is looked at again.
fn pace_of(decided: &plan::Decided, now: Timestamp) -> Duration {
    match decided {
        // Nothing tells when it can be asked.
        _ if decided.hold == Some(plan::UNASKED) => SLOW,
        _ if is_resting(decided) => REST,
        _ if is_shut(decided, now) => SLOW,
        _ => PACE,
    }
}

/// Whether nothing gets on before a person changes the object.
fn is_resting(decided: &plan::Decided) -> bool {
    let run = decided.run.as_ref();
    let is_held = decided.hold.is_some() || run.is_some_and(|it| it.pause.is_some());
    is_held && decided.act.is_none() && !run.is_some_and(Run::is_busy)
}

/// Whether a gate has been shut for a while, and nothing was changed for any host.
fn is_shut(decided: &plan::Decided, now: Timestamp) -> bool {
    let Some(run) = decided.run.as_ref().filter(|_| decided.act.is_none()) else { return false };
    let is_in_hand = run.hosts.iter().any(|it| it.step.is_in_hand());
    !is_in_hand && run.blocked.values().any(|it| SHUT <= since(it.since, now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::{
        gate::Gate,
        run::{Blocked, HostRun, Pause, Step},
    };

    fn decided(step: Step, pause: bool) -> plan::Decided {
        let now = Timestamp::UNIX_EPOCH;
        let host = HostRun {
            name: "a".into(),
            uid: "uid".into(),
            step,
            revision: None,
            attempt: 1,
            excused: 0,
            since: now,
            before: [].into(),
            touched: false,
            withdrawn: false,
            rollback: None,
            trouble: None,
        };
        let run = Run {
            id: "restart-1".into(),
            kind: crate::rollout::run::Kind::HostRestart,
            target: "one".into(),
            hosts: vec![host],
            pause: pause.then(|| Pause { token: "token".into(), reason: "why".into() }),
            passed: 0,
            blocked: [].into(),
            told: [].into(),
            settled: None,
            well_since: None,
            started_at: now,
        };
        plan::Decided {
            run: Some(run),
            act: None,
            ended: None,
            requests: None,
            idle: None,
            is_outstanding: false,
            hold: None,
            foreign: plan::Foreign::Nobody,
            drain: crate::rollout::drain::Decision { drain: None, act: None, stuck: None },
            held: crate::controllers::cluster::planned::Held::default(),
        }
    }

    #[test]
    fn a_run_that_nobody_works_at_is_looked_at_seldom() {
        let next = |decided: &plan::Decided| next(decided, Duration::ZERO, Timestamp::UNIX_EPOCH);
        assert_eq!(next(&decided(Step::Waiting, false)), Some(Next::After(PACE)));
        assert_eq!(next(&decided(Step::Waiting, true)), Some(Next::After(REST)));
        assert_eq!(next(&decided(Step::Rejoin, true)), Some(Next::After(PACE)), "it may come back");
        let held = plan::Decided { hold: Some("Paused"), ..decided(Step::Done, false) };
        assert_eq!(next(&held), Some(Next::After(REST)));
        let wanted = plan::Decided { run: None, is_outstanding: true, ..held };
        assert_eq!(next(&wanted), Some(Next::After(REST)));
        let unasked =
            plan::Decided { hold: Some(plan::UNASKED), is_outstanding: false, ..wanted.clone() };
        assert_eq!(next(&unasked), Some(Next::After(SLOW)), "nothing tells when it can be asked");
        let act = Some(Act::Protect(crate::elasticsearch::evidence::Prior::Unset));
        assert_eq!(next(&plan::Decided { act, ..wanted }), Some(Next::After(PACE)));
    }

    #[test]
    fn a_run_that_a_gate_keeps_back_for_long_is_looked_at_less_often_unless_a_host_is_in_hand() {
        let next = |step: Step, second: i64| {
            let mut decided = decided(step, false);
            let blocked = Blocked { message: "it is red".into(), since: Timestamp::UNIX_EPOCH };
            decided.run.as_mut().unwrap().blocked.insert(Gate::Red, blocked);
            next(&decided, Duration::ZERO, Timestamp::from_second(second).unwrap())
        };
        assert_eq!(next(Step::Gate, 59), Some(Next::After(PACE)));
        assert_eq!(next(Step::Gate, 60), Some(Next::After(SLOW)));
        assert_eq!(next(Step::Unprotect, 60), Some(Next::After(PACE)));
    }
}
