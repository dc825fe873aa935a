//! The one next step of a run over the hosts of a Cluster. Pure.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    super::{drain, planned::Held},
    observe::Seen,
    outdated::Outdated,
    record, wishes,
};
use crate::{
    api::{
        RESUME,
        cluster::Cluster,
        index::Mode,
        rollout::{
            OnFailure as OnFailureSpec, PauseAfter as PauseAfterSpec, Protection as ProtectionSpec,
            SingleCopyIndices,
        },
        rollout_status::Requests,
    },
    foreign::capped,
    rollout::{
        drain::{Cause, Decision as DrainDecision, Drain},
        planner::{
            self, Act, Decision, End, OnFailure, Pace, PauseAfter, Protection, Wanted, World,
        },
        run::Run,
        safety::Permitted,
    },
};

/// What holds back all that is new as long as [`Doubt::Unasked`] lasts.
pub const UNASKED: &str = "Unasked";

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The run, as the status has to tell it before anything is done.
    pub run: Option<Run>,
    /// What is to be written to Elasticsearch, once the status tells of it.
    pub act: Option<Act>,
    /// How the run came to its end that the status told of, and how it looked then; nothing while
    /// it goes on.
    pub ended: Option<(End, Run)>,
    /// The requests that have been dealt with.
    pub requests: Option<Requests>,
    /// A request that came to nothing, since there was nobody to do it.
    pub idle: Option<Wanted>,
    /// Whether something is wanted that no run has taken up.
    pub is_outstanding: bool,
    /// Why nothing new is begun, in one word.
    pub hold: Option<&'static str>,
    /// For whom else allocation is held back in Elasticsearch.
    pub foreign: Foreign,
    /// What was decided about a host that is drained.
    pub drain: DrainDecision,
    /// What mode Plan holds back, once all is decided: see [`super::super::planned::held`].
    pub held: Held,
}

/// For whom else than this Cluster allocation is held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// That was not asked, or had no answer.
    NotAsked,
    /// For nobody.
    Nobody,
    /// For the Cluster object with this uid.
    Owner(Box<str>),
}

/// Why what the spec asks of the hosts may come to none of them yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// What the Cluster has can't be worked with: no host is brought what it asks for.
    Refused,
    /// Whether what it asks for takes a run at all can't be asked yet: nothing is begun before that.
    Unasked,
}

/// Decides, where there is anything to decide on.
#[must_use]
pub fn next(
    cluster: &Cluster,
    seen: Option<&Seen>,
    outdated: Option<&Outdated>,
    doubt: Option<Doubt>,
    now: Timestamp,
) -> Decided {
    let run = cluster.status.as_ref().and_then(|it| it.rollout.as_ref()).map(record::run);
    let brings = match &run {
        Some(run) => run.kind.swaps(),
        None => outdated.is_some_and(Outdated::is_any),
    };
    let drain = drain::plan::next(cluster, seen, now);
    // What is drained for the run itself does not hold it.
    let holds = |it: &Drain| it.is_in_flight() && (run.is_none() || it.of.cause == Cause::Leaves);
    let is_draining = drain.drain.as_ref().is_some_and(holds);
    let doubted = match doubt {
        Some(Doubt::Refused) if brings => Some("Refused"),
        Some(Doubt::Unasked) if run.is_none() => Some(UNASKED),
        _ => None,
    };
    let hold = hold(cluster).or_else(|| is_draining.then_some("Draining")).or(doubted);
    let Some(seen) = seen else {
        let is_outstanding = run.is_none() && wishes::is_anything_outstanding(cluster, outdated);
        let requests = wishes::dealt_with(cluster, None);
        let foreign = Foreign::NotAsked;
        return Decided {
            run,
            act: None,
            ended: None,
            requests,
            idle: None,
            is_outstanding,
            hold,
            foreign,
            drain,
            held: Held::default(),
        };
    };
    let uids: Vec<&str> = seen.members.iter().map(|it| &*it.uid).collect();
    let wanted = wishes::wanted(cluster, &uids, outdated, now);
    let rollout = super::pace(cluster);
    let pace = Pace {
        pause_after: match rollout.pause_after {
            PauseAfterSpec::First => PauseAfter::First,
            PauseAfterSpec::Each => PauseAfter::Each,
            PauseAfterSpec::Never => PauseAfter::Never,
        },
        host_timeout: rollout.host_timeout.0,
        min_ready: Duration::from_secs(rollout.min_ready_seconds.into()),
        on_failure: match rollout.on_failure {
            OnFailureSpec::Pause => OnFailure::Pause,
            OnFailureSpec::Rollback => OnFailure::Rollback,
        },
    };
    let permitted = Permitted {
        unavailable: rollout.max_unavailable.of(seen.members.len()),
        downtime: rollout.allow_downtime,
        single_copies: rollout.single_copy_indices == SingleCopyIndices::Allow,
    };
    let annotations = cluster.metadata.annotations.as_ref();
    let world = World {
        evidence: seen.evidence.as_ref().map_err(String::as_str),
        owner: cluster.metadata.uid.as_deref().unwrap_or_default(),
        members: &seen.members,
        permitted: &permitted,
        pace: &pace,
        protection: match rollout.protection {
            ProtectionSpec::AllocationSettings => Protection::AllocationSettings,
            ProtectionSpec::NodeShutdown => Protection::NodeShutdown,
        },
        wanted: wanted.as_ref(),
        hold,
        is_given_up: super::is_given_up(cluster, now),
        drain: drain.drain.as_ref(),
        resume: annotations.and_then(|it| it.get(RESUME)).map(String::as_str),
        run: run.as_ref(),
        now,
    };
    let Decision { run: mut after, act, ended } = planner::next(&world);
    let begun = after.as_mut().filter(|it| run.as_ref().is_none_or(|before| before.id != it.id));
    if let (Some(begun), Some(outdated)) = (begun, outdated) {
        outdated.note(begun);
    }
    let begun = after.as_ref().filter(|it| wishes::is_request(it.kind));
    let begun = begun.filter(|it| run.as_ref().is_none_or(|before| before.id != it.id));
    let idle = wanted.filter(|it| {
        run.is_none() && after.is_none() && hold.is_none() && act.is_none() && it.hosts.is_empty()
    });
    let begun = begun.map(|it| (it.kind, &*it.target));
    let target = begun.or_else(|| idle.as_ref().map(|it| (it.kind, &*it.target)));
    let requests = wishes::dealt_with(cluster, target);
    let is_outstanding =
        after.is_none() && idle.is_none() && wishes::is_anything_outstanding(cluster, outdated);
    let foreign = foreign(cluster, seen);
    Decided {
        run: after,
        act,
        ended,
        requests,
        idle,
        is_outstanding,
        hold,
        foreign,
        drain,
        held: Held::default(),
    }
}

fn foreign(cluster: &Cluster, seen: &Seen) -> Foreign {
    let Ok(evidence) = &seen.evidence else { return Foreign::NotAsked };
    let (allocation, own) = (&evidence.allocation, cluster.metadata.uid.as_deref());
    if allocation.is_kept_by_other(own.unwrap_or_default()) {
        Foreign::Owner(allocation.owner.as_deref().map_or_else(|| "unknown".into(), capped))
    } else {
        Foreign::Nobody
    }
}

/// Why nothing new is begun.
fn hold(cluster: &Cluster) -> Option<&'static str> {
    if cluster.metadata.deletion_timestamp.is_some() {
        Some("Deleting")
    } else if cluster.spec.mode == Mode::Plan {
        Some("Planned")
    } else if cluster.spec.paused {
        Some("Paused")
    } else {
        None
    }
}
