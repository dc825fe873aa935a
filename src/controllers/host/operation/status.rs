//! What a Host answers to the run that it is a part of. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    TOO_LATE,
    apply::Ending,
    has_swapped, is_fetch, is_open, is_rollback, is_stop,
    plan::{Step, declined},
    record, work_of,
};
use crate::{
    api::{
        condition::whole_second,
        host::Host,
        host_status::{
            HostStatus, NodeMaintenance, Operation, OperationKind, PastOperation, Registration,
            RunStatus,
        },
        line::Line,
    },
    chain::chain,
    controllers::host::{
        elasticsearch::{plan::installation, wish::Wish},
        observe::Observed,
        prepared,
    },
    rollout::{ages::is_built_before, run::FRESH},
    ssh::{
        deploy::{
            installation::Outcome,
            report::{Report, Tree},
        },
        families::Family,
        operation::{DOUBT, Outcome as Worked},
        remote::Checked,
    },
};

/// A file system with less room than this, in bytes, is taken to be full.
const ROOM: u64 = 32 << 20;

/// What is said of a system whose commands are not known.
const UNKNOWN_SYSTEM: &str = "Drover does not know how packages are upgraded there";

/// What is said of a machine to which no image can be deployed.
const NO_IMAGES: &str =
    "it boots from no image that rpm-ostree manages: none can be deployed there";

/// All that bears on the answer.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// The Host.
    pub host: &'a Host,
    /// What was seen.
    pub seen: &'a Observed,
    /// Whether the machine was looked into for the step at hand.
    pub is_looked_into: bool,
    /// What was to be done.
    pub step: Option<&'a Step>,
    /// What came of it.
    pub ending: Ending,
    /// How the machine stands in the `ContainerManager` now.
    pub registration: Option<&'a Registration>,
}

/// An answer to a permit.
struct Answer {
    status: RunStatus,
    message: Option<String>,
    touched: bool,
    /// Whether the machine is as it is to be, so that no unit had to do anything.
    is_needless: bool,
    /// Whether it failed, and nothing is down for it.
    is_vain: bool,
}

impl Answer {
    fn new(status: RunStatus, touched: bool) -> Self {
        Self { status, message: None, touched, is_needless: false, is_vain: false }
    }

    fn finished(touched: bool) -> Self {
        Self::new(RunStatus::Finished, touched)
    }

    fn needless() -> Self {
        Self { is_needless: true, ..Self::finished(false) }
    }

    fn failed(message: impl Into<String>, touched: bool) -> Self {
        Self { message: Some(message.into()), ..Self::new(RunStatus::Failed, touched) }
    }

    fn vain(message: impl Into<String>) -> Self {
        Self { is_vain: true, ..Self::failed(message, false) }
    }
}

/// Puts into `status` what is answered now, and what is over into its history.
pub fn record_answer(status: &mut HostStatus, case: Case<'_>, now: Timestamp) {
    let before = record(case.host);
    match (case.step, case.ending) {
        (Some(Step::Take(operation)), Ending::Taken) => {
            if operation.status == Some(RunStatus::Failed) {
                let past = past(operation, RunStatus::Failed, now);
                prepared::remember(&mut status.history, past);
            }
            status.operation = Some((**operation).clone());
            return;
        }
        (_, Ending::Dropped) => {
            status.operation = None;
            return;
        }
        _ => {}
    }
    let Some(before) = before else { return };
    let mut operation = before.clone();
    operation.cordoned_by_us = is_cordoned_by_us(case, before);
    if let Some(answer) = answer(case, before) {
        operation.status = Some(answer.status);
        operation.message = answer.message.as_deref().map(Line::new);
        (operation.touched, operation.vain) = (answer.touched, answer.is_vain);
        if answer.is_needless {
            operation.unit = None;
        }
        let is_over = answer.status != RunStatus::InProcess && before.status != operation.status;
        if is_over && (is_stop(&operation) || answer.status == RunStatus::Failed) {
            prepared::remember(&mut status.history, past(&operation, answer.status, now));
        }
        if has_swapped(&operation) {
            tell_swapped(status, &operation);
        }
    }
    status.operation = Some(operation);
}

/// What was proven to run stands beside the answer: until all is looked at again, what ran before would.
fn tell_swapped(status: &mut HostStatus, operation: &Operation) {
    let deployed = status.elasticsearch.as_mut().and_then(|it| it.deployed.as_mut());
    if let (Some(deployed), Some(target)) = (deployed, &operation.target) {
        deployed.version = Some(target.version.clone());
        deployed.revision = Some(target.revision.clone());
    }
}

fn past(operation: &Operation, status: RunStatus, now: Timestamp) -> PastOperation {
    PastOperation {
        run_id: operation.run_id.clone(),
        kind: operation.kind,
        status,
        step: operation.step.clone(),
        reason: operation.message.clone(),
        started_at: operation.started_at.clone(),
        finished_at: Time(whole_second(now)),
    }
}

/// Whether the Node is out of service for the run, and not for a person's sake alone.
fn is_cordoned_by_us(case: Case<'_>, before: &Operation) -> bool {
    let is_out = case.registration.is_some_and(|it| it.maintenance.is_some());
    let is_ours_still = before.cordoned_by_us && !case.host.spec.maintenance;
    is_out && (case.seen.registration.is_held || is_ours_still)
}

fn answer(case: Case<'_>, operation: &Operation) -> Option<Answer> {
    if !is_open(operation) {
        return None;
    }
    if is_stop(operation) {
        return stopped(case, operation);
    }
    // Nobody waits for the answer to a permit that was taken back.
    case.seen.errand.as_ref().filter(|it| it.is_taken_by(operation))?;
    match operation.step.as_str() {
        "Stage" => {
            let checked = case.seen.view.checked.as_deref().filter(|_| case.is_looked_into)?;
            match unfit(case, operation, checked) {
                Some(why) => Some(Answer::failed(why, false)),
                None if operation.kind == OperationKind::DeployElasticsearch => staged(case),
                None if is_fetch(operation) => fetched(case, operation),
                None => Some(Answer::finished(false)),
            }
        }
        "Cordon" => {
            let record = case.registration.filter(|it| it.registered && it.node.is_some());
            let is_out = record.is_none_or(|it| it.maintenance == Some(NodeMaintenance::Drained));
            match declined(case.host) {
                _ if is_out => Some(Answer::finished(false)),
                Some(why) => Some(Answer::failed(why, false)),
                None => None,
            }
        }
        _ => {
            let is_back = case.registration.is_none_or(|it| it.maintenance.is_none());
            (is_back || case.host.spec.maintenance).then(|| Answer::finished(false))
        }
    }
}

/// Why the machine can't do what the run will ask of it.
fn unfit(case: Case<'_>, operation: &Operation, checked: &Checked) -> Option<String> {
    if let Some(why) = declined(case.host) {
        return Some(why.to_owned());
    }
    let facts = match (&checked.facts, &checked.root) {
        (Err(error), _) | (_, Err(error)) => return Some(chain(error)),
        (Ok(facts), Ok(())) => facts,
    };
    if !facts.has_systemd || !facts.runs_units {
        return Some("it is not run by systemd, or lacks systemd-run".into());
    }
    if facts.is_stopping {
        return Some("it is shutting down".into());
    }
    if facts.identity.boot_id.is_none() {
        return Some("it does not tell one boot from another".into());
    }
    let has_images = facts.os.family == Some(Family::Ostree);
    if operation.kind == OperationKind::DeployHost && !has_images {
        return Some(NO_IMAGES.into());
    }
    if facts.root_disk.is_some_and(|it| it.free_bytes < ROOM) {
        return Some(format!("less than {} MiB are free on its root disk", ROOM >> 20));
    }
    let is_restart = operation.kind == OperationKind::RestartElasticsearch;
    match (&checked.service, &case.seen.unit) {
        (Some(Err(error)), _) => Some(chain(error)),
        (Some(Ok(service)), Some(unit)) if is_restart && !service.unit.is_loaded() => {
            let (unit, word) = (unit.as_str(), service.unit.word());
            Some(format!("systemd has no {unit} to restart: it is {word}"))
        }
        (None, _) | (_, None) if is_restart => {
            Some("its Cluster has no connection, so no Elasticsearch to restart".into())
        }
        _ => None,
    }
}

/// Whether what is to take the place of what runs waits on the machine.
fn staged(case: Case<'_>) -> Option<Answer> {
    let failed = |why: String| Some(Answer::failed(why, false));
    let wanted = match &case.seen.elasticsearch {
        Wish::Deploy(wanted) => wanted,
        Wish::Unknown { why } | Wish::NotOwned { why, .. } => return failed(why.clone()),
        Wish::Nothing | Wish::Leaves { .. } | Wish::Drains { .. } | Wish::Remove { .. } => {
            return failed("its Cluster declares no Elasticsearch any more".into());
        }
    };
    if let Some(Err(why)) = &wanted.digest {
        return failed(why.clone());
    }
    // Nothing is fetched to a machine that is not ready for it.
    if let Some(why) = unprepared(case) {
        return failed(why);
    }
    let installation = installation(case.host, &case.seen.elasticsearch)?;
    match case.seen.view.installed(&installation)? {
        Ok(Outcome::Fetching | Outcome::Starting) => None,
        Ok(Outcome::Failed(why) | Outcome::Refused(why)) => failed(why.to_string()),
        Err(error) => failed(chain(error)),
        Ok(Outcome::Done(report)) => match wrong_order(report, &wanted.deployment.version) {
            Some(why) => failed(why),
            None => Some(Answer::finished(false)),
        },
    }
}

/// Whether what an upgrade will install waits on the machine, and is nothing that Elasticsearch needs.
fn fetched(case: Case<'_>, operation: &Operation) -> Option<Answer> {
    let failed = |why: String| Some(Answer::failed(why, false));
    let Some(work) = work_of(case.host, operation) else {
        return failed(unworkable(operation).into());
    };
    match case.seen.view.outcome(&work)? {
        Worked::Done => Some(Answer::finished(false)),
        Worked::Spared => Some(Answer::needless()),
        Worked::Failed(why) | Worked::Due(why) | Worked::Vain(why) => failed(why.to_string()),
        Worked::Refused(why) => failed(format!("not begun: {why}")),
        Worked::NotBegun { .. } | Worked::UnderWay | Worked::Open => None,
    }
}

/// What could not be done that has to be first.
fn unprepared(case: Case<'_>) -> Option<String> {
    match case.seen.treated()? {
        Err(error) => Some(chain(error)),
        Ok(treated) => treated.failures.first().map(|it| chain(it)),
    }
}

/// Why `version` can't follow what runs, or what was last started there, by when both were built.
fn wrong_order(report: &Report, version: &str) -> Option<String> {
    let running = report.running.as_ref().map(|it| &it.version);
    let before = running.or(report.current.as_ref())?;
    if **before == *version {
        return None;
    }
    let built = |it: &str| report.trees.get(it).and_then(Tree::built).unwrap_or_default();
    is_built_before(built(version), built(before)).then(|| {
        let what = if running.is_some() { "runs" } else { "was started there last" };
        format!(
            "{version} was built before {before}, which {what}: it may not read what that writes"
        )
    })
}

/// Why nothing can be done there for the run.
fn unworkable(operation: &Operation) -> &'static str {
    match operation.kind {
        OperationKind::UpgradeHost => UNKNOWN_SYSTEM,
        OperationKind::DeployHost => NO_IMAGES,
        _ => "there is no service to restart",
    }
}

fn stopped(case: Case<'_>, operation: &Operation) -> Option<Answer> {
    let Some(work) = work_of(case.host, operation) else {
        return Some(Answer::failed(unworkable(operation), operation.touched));
    };
    let is_in_process = operation.status != Some(RunStatus::Failed);
    match case.seen.view.outcome(&work)? {
        Worked::Done if is_rollback(operation) => {
            let message = "what ran before the run runs again".to_owned();
            Some(Answer { message: Some(message), ..Answer::new(RunStatus::RolledBack, true) })
        }
        Worked::Done => Some(Answer::finished(true)),
        Worked::Spared => Some(Answer::finished(false)),
        // Also where what was down by it has come back.
        Worked::Vain(words) => Some(Answer::vain(&**words)),
        _ if !is_in_process => None,
        Worked::Failed(words) => Some(Answer::failed(&**words, true)),
        Worked::Due(words) => Some(Answer::failed(&**words, false)),
        Worked::Refused(words) => {
            Some(Answer::failed(format!("not begun: {words}"), operation.touched))
        }
        Worked::UnderWay => Some(Answer::new(RunStatus::InProcess, true)),
        Worked::NotBegun { is_as_before } => {
            let touched = operation.touched || !is_as_before;
            let why = declined(case.host).filter(|_| !operation.touched);
            match why {
                // Somebody may have been told to begin, and be about to.
                _ if !touched && !is_beyond_doubt(case, operation) => None,
                _ if case.ending == Ending::TooLate => Some(Answer::failed(TOO_LATE, touched)),
                Some(why) => Some(Answer::failed(format!("not begun: {why}"), touched)),
                None => None,
            }
        }
        Worked::Open => None,
    }
}

/// Whether what was not begun when the machine was last asked is not begun later by what it was told
/// before: no leave lasts longer than a permit, and none was given before the operation was on record.
fn is_beyond_doubt(case: Case<'_>, operation: &Operation) -> bool {
    let asked = case.seen.view.answered;
    let told = operation.started_at.0;
    asked.is_some_and(|it| it.duration_since(told).unsigned_abs() > FRESH + DOUBT && told < it)
}
