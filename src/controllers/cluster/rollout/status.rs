//! What the status tells of runs, and what people should hear of them. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

use super::{
    plan::Decided,
    record::{self, time},
    wishes::is_request,
};
use crate::{
    api::{
        cluster::ClusterStatus,
        host_status::RunStatus,
        line::Line,
        rollout::RestartTarget,
        rollout_status::{
            DeployStatus, ElasticsearchDeployStatus, FailedHost, PastRun, RestartStatus,
            RolloutHost, RolloutKind, RolloutStatus, RolloutStep, UpgradeStatus,
        },
    },
    kubernetes::events::Notice,
    rollout::{
        planner::{End, Wanted},
        run::{Kind, Run, Step, request_of, version_of},
        safety::since,
    },
};

/// How many runs that are over the status lists.
const HISTORY: usize = 10;
/// How many hosts with trouble the status lists.
const FAILED: usize = 50;

/// Puts into `status`, which told of what was before, what was decided.
pub fn record(status: &mut ClusterStatus, decided: &Decided, now: Timestamp) {
    let before = status.rollout.take().map(|it| record::run(&it));
    status.requests.clone_from(&decided.requests);
    let over = match &decided.ended {
        Some((end, run)) => Some((*end, run)),
        // A new target took over the host in hand.
        None => before
            .as_ref()
            .filter(|before| decided.run.as_ref().is_none_or(|it| it.id != before.id))
            .map(|it| (End::Superseded, it)),
    };
    if let Some((end, run)) = over {
        let word = match end {
            End::Finished => RunStatus::Finished,
            End::Superseded | End::GivenUp => RunStatus::Failed,
        };
        tell(status, run, word, Some(now));
        status.history.insert(0, past(run, end, word, now));
        status.history.truncate(HISTORY);
    }
    if let Some(idle) = &decided.idle {
        tell_idle(status, idle, now);
    }
    if let Some(run) = &decided.run {
        tell(status, run, under_way(run), None);
        status.rollout = Some(record::status(run));
    }
}

/// How a run stands that is not over. Of one that was rolled back nothing goes on before a person has
/// decided, or the spec asks for something else.
fn under_way(run: &Run) -> RunStatus {
    let is_back = !run.is_busy() && run.hosts.iter().any(|it| it.step == Step::RolledBack);
    if is_back { RunStatus::RolledBack } else { RunStatus::InProcess }
}

/// Tells how far a run is where people look for runs of its kind.
fn tell(status: &mut ClusterStatus, run: &Run, word: RunStatus, finished_at: Option<Timestamp>) {
    match run.kind {
        Kind::ElasticsearchRestart => {
            let target = RestartTarget::Elasticsearch;
            status.restart = Some(restart(run, target, word, finished_at));
        }
        Kind::HostRestart => {
            status.restart = Some(restart(run, RestartTarget::Host, word, finished_at));
        }
        Kind::HostUpgrade => status.upgrade = Some(upgrade(run, word, finished_at)),
        Kind::HostDeploy => status.deploy = Some(deploy(run, word, finished_at)),
        Kind::ElasticsearchVersion | Kind::ElasticsearchConfig => {
            status.elasticsearch_deploy = Some(elasticsearch_deploy(run, word, finished_at));
        }
    }
}

/// The names of hosts by how far they are, and what went wrong at some.
struct Hosts {
    done: Vec<String>,
    in_process: Vec<String>,
    failed: Vec<FailedHost>,
}

fn hosts(run: &Run) -> Hosts {
    let names = |is_meant: fn(Step) -> bool| {
        let hosts = run.hosts.iter().filter(|it| is_meant(it.step));
        hosts.map(|it| it.name.to_string()).collect()
    };
    let failed = run.hosts.iter().filter_map(|it| {
        let reason = Line::new(it.trouble.as_deref()?);
        Some(FailedHost { host: it.name.to_string(), step: record::word(it.step), reason })
    });
    Hosts {
        done: names(|it| it == Step::Done),
        in_process: names(|it| !matches!(it, Step::Done | Step::Waiting | Step::RolledBack)),
        failed: failed.take(FAILED).collect(),
    }
}

fn restart(
    run: &Run,
    target: RestartTarget,
    word: RunStatus,
    finished_at: Option<Timestamp>,
) -> RestartStatus {
    let Hosts { done, in_process, failed } = hosts(run);
    RestartStatus {
        status: word,
        request_id: run.target.to_string(),
        target,
        restarted: done,
        in_process,
        failed,
        started_at: time(run.started_at),
        finished_at: finished_at.map(time),
    }
}

fn upgrade(run: &Run, word: RunStatus, finished_at: Option<Timestamp>) -> UpgradeStatus {
    let Hosts { done, in_process, failed } = hosts(run);
    UpgradeStatus {
        status: word,
        request_id: run.target.to_string(),
        upgraded: done,
        in_process,
        failed,
        started_at: time(run.started_at),
        finished_at: finished_at.map(time),
    }
}

fn deploy(run: &Run, word: RunStatus, finished_at: Option<Timestamp>) -> DeployStatus {
    let Hosts { done, in_process, failed } = hosts(run);
    DeployStatus {
        status: word,
        request_id: request_of(&run.target).to_owned(),
        version: Line::new(version_of(&run.target)),
        deployed: done,
        in_process,
        failed,
        started_at: time(run.started_at),
        finished_at: finished_at.map(time),
    }
}

fn elasticsearch_deploy(
    run: &Run,
    word: RunStatus,
    finished_at: Option<Timestamp>,
) -> ElasticsearchDeployStatus {
    let Hosts { done, in_process, failed } = hosts(run);
    ElasticsearchDeployStatus {
        status: word,
        version: Line::new(version_of(&run.target)),
        deployed: done,
        in_process,
        failed,
        started_at: time(run.started_at),
        finished_at: finished_at.map(time),
    }
}

/// What is asked of a Cluster without hosts is done at once.
fn tell_idle(status: &mut ClusterStatus, wanted: &Wanted, now: Timestamp) {
    let run = Run {
        id: wanted.id.clone(),
        kind: wanted.kind,
        target: wanted.target.clone(),
        hosts: Vec::new(),
        pause: None,
        passed: 0,
        blocked: BTreeMap::new(),
        told: BTreeSet::new(),
        settled: None,
        well_since: None,
        started_at: now,
    };
    if is_request(wanted.kind) {
        tell(status, &run, RunStatus::Finished, Some(now));
    }
}

fn past(run: &Run, end: End, status: RunStatus, now: Timestamp) -> PastRun {
    let done = run.hosts.iter().filter(|it| it.step == Step::Done).count();
    let rolled_back = run.hosts.iter().find(|it| it.step == Step::RolledBack);
    let rolled_back = rolled_back.and_then(|it| Some((&it.name, it.trouble.as_deref()?)));
    let rolled_back = rolled_back.map(|(name, why)| format!("{name}: {why}"));
    let reason = match end {
        _ if rolled_back.is_some() => rolled_back.as_deref(),
        End::Finished => None,
        End::Superseded if run.kind.swaps() => {
            Some("the spec asked for something else, or for nothing, before all hosts were done")
        }
        End::Superseded => {
            Some("its request was taken away, or another one made, before all hosts were done")
        }
        End::GivenUp => Some("the object is to go, and hosts were not back in time"),
    };
    PastRun {
        run_id: run.id.to_string(),
        kind: record::word_of_kind(run.kind),
        target: run.target.to_string(),
        status,
        done: count(done),
        total: count(run.hosts.len()),
        reason: reason.map(Line::new),
        started_at: time(run.started_at),
        finished_at: time(now),
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// What people should hear of between two statuses.
#[must_use]
pub fn notices(before: Option<&ClusterStatus>, after: &ClusterStatus) -> Vec<Notice> {
    let run_before = before.and_then(|it| it.rollout.as_ref());
    let (was, is) = (run_before, after.rollout.as_ref());
    let mut notices = Vec::new();
    let is_same = |run: &RolloutStatus| was.is_some_and(|it| it.run_id == run.run_id);
    if let Some(was) = was
        && is.is_none_or(|it| it.run_id != was.run_id)
        && let Some(past) = after.history.first().filter(|it| it.run_id == was.run_id)
    {
        notices.push(ended(past));
    }
    let Some(run) = is else { return notices };
    if !is_same(run) {
        let note = format!("{} of {} hosts: {}", word(run.kind), run.hosts.len(), run.target);
        notices.push(Notice::normal("RolloutBegun", "Rollout", note));
    }
    for host in &run.hosts {
        let known = was.filter(|_| is_same(run)).and_then(|it| entry(it, host));
        notices.extend(of_host(known, host));
    }
    // A gate may open and shut from one look to the next: it is told of once for each step.
    let known = |gate: &String| {
        was.is_some_and(|was| {
            let is_shut = was.blocked_by.iter().any(|it| it.gate == *gate);
            is_shut || (places(was) == places(run) && was.told_gates.contains(gate))
        })
    };
    for block in run.blocked_by.iter().filter(|it| !known(&it.gate)) {
        let note = format!("{}: {}", block.gate, block.message);
        notices.push(Notice::normal("RolloutBlocked", "Rollout", note));
    }
    let token =
        |it: Option<&RolloutStatus>| it.and_then(|it| Some(it.pause.as_ref()?.token.clone()));
    if let Some(pause) = run.pause.as_ref().filter(|it| token(was).as_ref() != Some(&it.token)) {
        notices.push(Notice::warning("RolloutPaused", "Rollout", pause.reason.as_str()));
    }
    notices
}

/// How far each host is.
fn places(run: &RolloutStatus) -> Vec<(&str, RolloutStep)> {
    run.hosts.iter().map(|it| (&*it.host_uid, it.step)).collect()
}

fn entry<'a>(run: &'a RolloutStatus, host: &RolloutHost) -> Option<&'a RolloutHost> {
    run.hosts.iter().find(|it| it.host_uid == host.host_uid)
}

fn of_host(was: Option<&RolloutHost>, is: &RolloutHost) -> Option<Notice> {
    let (name, step) = (&is.name, record::step(is.step));
    if let Some(message) = &is.message
        && was.is_none_or(|it| it.message.as_ref() != Some(message))
    {
        let note = format!("{name} at {}: {message}", step.as_str());
        return Some(Notice::warning("HostFailed", "Rollout", note));
    }
    let was = was.map_or(Step::Waiting, |it| record::step(it.step));
    let (reason, what) = match step {
        _ if step == was => return None,
        Step::Stage if is.touched => ("HostBegun", "is down, and gets ready to be started again"),
        Step::Stage => ("HostBegun", "checks itself"),
        Step::Stop => ("HostStopping", "may go down"),
        Step::Rollback => ("HostRollingBack", "starts what ran there before"),
        Step::Rejoin => ("HostStarted", "is up, and its Elasticsearch is waited for"),
        Step::Unprotect if was == Step::Rejoin => ("HostRejoined", "is back in the cluster"),
        // A gate shut, or nobody took the permit, or it was taken back.
        Step::Unprotect if is.withdrawn => ("HostPutOff", "is put off, and has its turn again"),
        Step::Done => ("HostDone", "is done"),
        _ => return None,
    };
    Some(Notice::normal(reason, "Rollout", format!("{name} {what}")))
}

fn ended(past: &PastRun) -> Notice {
    let note =
        format!("{} of {}: {} of {} hosts", word(past.kind), past.target, past.done, past.total);
    match past.status {
        RunStatus::Finished => Notice::normal("RolloutFinished", "Rollout", note),
        RunStatus::InProcess | RunStatus::Failed | RunStatus::RolledBack => {
            let why = past.reason.as_ref().map(|it| format!("; {it}")).unwrap_or_default();
            Notice::warning("RolloutSuperseded", "Rollout", format!("{note}{why}"))
        }
    }
}

fn word(kind: RolloutKind) -> &'static str {
    match kind {
        RolloutKind::ElasticsearchVersion => "change of Elasticsearch's version",
        RolloutKind::ElasticsearchConfig => "change of Elasticsearch's settings",
        RolloutKind::ElasticsearchRestart => "restart of Elasticsearch",
        RolloutKind::HostRestart => "restart of the machines",
        RolloutKind::HostUpgrade => "upgrade of the machines' packages",
        RolloutKind::HostDeploy => "deploy of an image to the machines",
    }
}

/// The steps that hosts have left between two statuses, and how long each took.
#[must_use]
pub fn left(
    before: Option<&RolloutStatus>,
    after: Option<&RolloutStatus>,
    now: Timestamp,
) -> Vec<(Step, Duration)> {
    let Some(before) = before else { return Vec::new() };
    let is_left = |was: &&RolloutHost| {
        let is = after.and_then(|it| entry(it, was));
        record::step(was.step).is_in_hand() && is.is_none_or(|is| is.step != was.step)
    };
    let hosts = before.hosts.iter().filter(is_left);
    hosts.map(|it| (record::step(it.step), since(it.started_at.0, now))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_run_that_was_rolled_back_is_told_so_with_the_host_and_ends_as_failed_for_its_reason() {
        let then = "2026-01-02T03:04:05Z";
        let host = |name: &str, step: &str, message: Option<&str>| {
            json!({
                "name": name, "hostUid": name, "step": step, "attempt": 1, "startedAt": then,
                "message": message,
            })
        };
        let run = |step: &str| {
            let run = json!({
                "runId": "deploy-1", "kind": "ElasticsearchConfig", "target": "8.19.0/a",
                "startedAt": then,
                "hosts": [
                    host("a", "Done", None),
                    host("b", step, Some("Rejoin failed: it does not stay up")),
                    host("c", "Waiting", None),
                ],
            });
            record::run(&serde_json::from_value(run).unwrap())
        };
        assert_eq!(under_way(&run("Rollback")), RunStatus::InProcess);
        let back = run("RolledBack");
        assert_eq!(under_way(&back), RunStatus::RolledBack);
        let told = elasticsearch_deploy(&back, RunStatus::RolledBack, None);
        assert_eq!((told.deployed, told.in_process), (vec!["a".to_owned()], vec![]));
        let failed: Vec<_> = told.failed.iter().map(|it| (&*it.host, it.step)).collect();
        assert_eq!(failed, [("b", RolloutStep::RolledBack)]);
        let past = past(&back, End::Superseded, RunStatus::Failed, Timestamp::UNIX_EPOCH);
        let reason = past.reason.unwrap().to_string();
        assert_eq!(reason, "b: Rejoin failed: it does not stay up");
    }
}
