//! A run as the status holds it, and as the planner takes it. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{
    api::{
        condition::whole_second,
        line::Line,
        rollout_status::{
            BlockedBy, NodeStart, RolloutHost, RolloutKind, RolloutPause, RolloutSettled,
            RolloutStatus, RolloutStep,
        },
    },
    rollout::{
        gate::Gate,
        run::{Blocked, HostRun, Kind, Pause, Run, Settled, Step},
    },
};

/// The run that a status tells of.
#[must_use]
pub fn run(status: &RolloutStatus) -> Run {
    let blocked = status.blocked_by.iter().filter_map(|it| {
        Some((gate(&it.gate)?, Blocked { message: it.message.as_str().into(), since: it.since.0 }))
    });
    Run {
        id: status.run_id.as_str().into(),
        kind: kind(status.kind),
        target: status.target.as_str().into(),
        hosts: status.hosts.iter().map(host).collect(),
        pause: status
            .pause
            .as_ref()
            .map(|it| Pause { token: it.token.as_str().into(), reason: it.reason.as_str().into() }),
        passed: usize::try_from(status.passed).unwrap_or(usize::MAX),
        blocked: blocked.collect(),
        told: status.told_gates.iter().filter_map(|it| gate(it)).collect(),
        settled: status.settled.as_ref().map(|it| Settled {
            // What can't be read is another picture than any: it has to last anew.
            digest: u64::from_str_radix(&it.digest, 16).unwrap_or_default(),
            since: it.since.0,
        }),
        well_since: status.well_since.as_ref().map(|it| it.0),
        started_at: status.started_at.0,
    }
}

fn gate(word: &str) -> Option<Gate> {
    Gate::ALL.into_iter().find(|it| it.as_str() == word)
}

fn host(status: &RolloutHost) -> HostRun {
    let start = |it: &NodeStart| (it.id.as_str().into(), it.ephemeral_id.as_str().into());
    HostRun {
        name: status.name.as_str().into(),
        uid: status.host_uid.as_str().into(),
        step: step(status.step),
        revision: status.revision.as_deref().map(Into::into),
        attempt: status.attempt,
        since: status.started_at.0,
        before: status.nodes_before.iter().map(start).collect::<BTreeMap<_, _>>(),
        touched: status.touched,
        withdrawn: status.withdrawn,
        rollback: status.rollback.as_ref().map(|it| it.as_str().into()),
        trouble: status.message.as_ref().map(|it| it.as_str().into()),
    }
}

/// How the status tells of `run`.
#[must_use]
pub fn status(run: &Run) -> RolloutStatus {
    let blocked = run.blocked.iter().map(|(gate, it)| BlockedBy {
        gate: gate.as_str().into(),
        message: Line::new(&it.message),
        since: time(it.since),
    });
    RolloutStatus {
        run_id: run.id.to_string(),
        kind: word_of_kind(run.kind),
        target: run.target.to_string(),
        hosts: run.hosts.iter().map(status_of_host).collect(),
        blocked_by: blocked.collect(),
        told_gates: run.told.iter().map(|it| it.as_str().to_owned()).collect(),
        pause: run
            .pause
            .as_ref()
            .map(|it| RolloutPause { token: it.token.to_string(), reason: Line::new(&it.reason) }),
        passed: u32::try_from(run.passed).unwrap_or(u32::MAX),
        settled: run.settled.as_ref().map(|it| RolloutSettled {
            digest: format!("{:016x}", it.digest),
            since: time(it.since),
        }),
        well_since: run.well_since.map(time),
        started_at: time(run.started_at),
    }
}

fn status_of_host(host: &HostRun) -> RolloutHost {
    RolloutHost {
        name: host.name.to_string(),
        host_uid: host.uid.to_string(),
        step: word(host.step),
        revision: host.revision.as_deref().map(str::to_owned),
        attempt: host.attempt,
        started_at: time(host.since),
        message: host.trouble.as_deref().map(Line::new),
        nodes_before: host.before.iter().map(|(id, start)| start_of(id, start)).collect(),
        touched: host.touched,
        withdrawn: host.withdrawn,
        rollback: host.rollback.as_deref().map(Line::new),
    }
}

fn start_of(id: &str, ephemeral_id: &str) -> NodeStart {
    NodeStart { id: id.to_owned(), ephemeral_id: ephemeral_id.to_owned() }
}

/// What is stored has whole seconds: what was written is what is read.
pub(super) fn time(at: Timestamp) -> Time {
    Time(whole_second(at))
}

/// What a run does that has this word.
#[must_use]
pub fn kind(word: RolloutKind) -> Kind {
    match word {
        RolloutKind::ElasticsearchVersion => Kind::ElasticsearchVersion,
        RolloutKind::ElasticsearchConfig => Kind::ElasticsearchConfig,
        RolloutKind::ElasticsearchRestart => Kind::ElasticsearchRestart,
        RolloutKind::HostRestart => Kind::HostRestart,
        RolloutKind::HostUpgrade => Kind::HostUpgrade,
        RolloutKind::HostDeploy => Kind::HostDeploy,
    }
}

/// The word for what a run does.
#[must_use]
pub fn word_of_kind(kind: Kind) -> RolloutKind {
    match kind {
        Kind::ElasticsearchVersion => RolloutKind::ElasticsearchVersion,
        Kind::ElasticsearchConfig => RolloutKind::ElasticsearchConfig,
        Kind::ElasticsearchRestart => RolloutKind::ElasticsearchRestart,
        Kind::HostRestart => RolloutKind::HostRestart,
        Kind::HostUpgrade => RolloutKind::HostUpgrade,
        Kind::HostDeploy => RolloutKind::HostDeploy,
    }
}

/// The step that a word stands for.
#[must_use]
pub fn step(step: RolloutStep) -> Step {
    STEPS.into_iter().find(|it| it.1 == step).map_or(Step::Waiting, |it| it.0)
}

/// The word for a step.
#[must_use]
pub fn word(step: Step) -> RolloutStep {
    STEPS.into_iter().find(|it| it.0 == step).map_or(RolloutStep::Waiting, |it| it.1)
}

const STEPS: [(Step, RolloutStep); 14] = [
    (Step::Waiting, RolloutStep::Waiting),
    (Step::Stage, RolloutStep::Stage),
    (Step::Gate, RolloutStep::Gate),
    (Step::Protect, RolloutStep::Protect),
    (Step::Cordon, RolloutStep::Cordon),
    (Step::Stop, RolloutStep::Stop),
    (Step::Withdraw, RolloutStep::Withdraw),
    (Step::Rollback, RolloutStep::Rollback),
    (Step::Rejoin, RolloutStep::Rejoin),
    (Step::Unprotect, RolloutStep::Unprotect),
    (Step::Uncordon, RolloutStep::Uncordon),
    (Step::Settle, RolloutStep::Settle),
    (Step::Done, RolloutStep::Done),
    (Step::RolledBack, RolloutStep::RolledBack),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_its_word_and_comes_back_from_it() {
        for each in Step::ALL {
            assert_eq!(step(word(each)), each);
            let text = serde_json::to_value(word(each)).unwrap();
            assert_eq!(text, each.as_str());
        }
    }

    #[test]
    fn a_run_that_was_written_is_read_as_it_was() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let host = HostRun {
            name: "a".into(),
            uid: "uid".into(),
            step: Step::Stop,
            revision: Some("0123456789ab".into()),
            attempt: 2,
            since: now,
            before: [("node".into(), "start".into())].into(),
            touched: true,
            withdrawn: true,
            rollback: Some("Rejoin failed".into()),
            trouble: Some("it does not start".into()),
        };
        let run = Run {
            id: "restart-1".into(),
            kind: Kind::HostRestart,
            target: "request".into(),
            hosts: vec![host],
            pause: Some(Pause { token: "token".into(), reason: "why".into() }),
            passed: 3,
            blocked: [(Gate::Red, Blocked { message: "it is red".into(), since: now })].into(),
            told: [Gate::Red, Gate::Snapshot].into(),
            settled: Some(Settled { digest: u64::MAX, since: now }),
            well_since: Some(now),
            started_at: now,
        };
        assert_eq!(super::run(&status(&run)), run);
    }
}
