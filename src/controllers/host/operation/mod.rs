//! A Host's part in a run over the hosts of its Cluster: it takes a permit, says so, looks again, acts,
//! and answers.
//!
//! What it is about to do is in `status.operation` before it is done. Whether it was begun, and whether
//! it is done, the machine is asked: a new process comes to the same.

pub mod apply;
pub mod errand;
pub mod notices;
pub mod plan;
pub mod status;

use std::time::Duration;

use self::{apply::Ending, errand::Errand};
use crate::{
    api::{
        host::Host,
        host_status::{Operation, OperationKind, RunStatus},
        line::Line,
        rollout_status::{RolloutKind, RolloutStep},
    },
    controllers::{
        Next,
        host::{facts::family_of, observe::Observed},
    },
    error::Category,
    ssh::{
        deploy::report::Running,
        families::Name,
        operation::{Deed, Outcome, Work, spent::Spent},
        service::Unit,
    },
};

/// How long until it is asked again whether work that waits for leave may be begun, or came too late.
const SOON: Duration = Duration::from_secs(5);

/// The work for a run that the status tells of.
#[must_use]
pub fn record(host: &Host) -> Option<&Operation> {
    let operation = host.status.as_ref()?.operation.as_ref()?;
    deed(operation).map(|_| operation)
}

/// What a run of this kind is called in a Host.
#[must_use]
pub fn kind(kind: RolloutKind) -> OperationKind {
    match kind {
        RolloutKind::ElasticsearchVersion | RolloutKind::ElasticsearchConfig => {
            OperationKind::DeployElasticsearch
        }
        RolloutKind::ElasticsearchRestart => OperationKind::RestartElasticsearch,
        RolloutKind::HostRestart => OperationKind::RestartHost,
        RolloutKind::HostUpgrade => OperationKind::UpgradeHost,
        RolloutKind::HostDeploy => OperationKind::DeployHost,
    }
}

fn deed(operation: &Operation) -> Option<Deed> {
    match operation.kind {
        OperationKind::RestartElasticsearch => Some(Deed::Restart),
        OperationKind::RestartHost => Some(Deed::Reboot),
        OperationKind::DeployElasticsearch => Some(Deed::Swap),
        kind if is_of_software(kind) && operation.step == STAGE => Some(Deed::Fetch),
        OperationKind::UpgradeHost | OperationKind::DeployHost => Some(Deed::Upgrade),
        OperationKind::Prepare
        | OperationKind::ConfigureNetwork
        | OperationKind::Maintenance
        | OperationKind::InstallElasticsearch
        | OperationKind::Reset => None,
    }
}

/// Whether it changes the packages of the machine, or its image.
fn is_of_software(kind: OperationKind) -> bool {
    matches!(kind, OperationKind::UpgradeHost | OperationKind::DeployHost)
}

/// The word of a step that a host takes as a permit.
#[must_use]
pub fn permit(step: RolloutStep) -> Option<&'static str> {
    match step {
        RolloutStep::Stage => Some(STAGE),
        RolloutStep::Cordon => Some("Cordon"),
        RolloutStep::Stop => Some(STOP),
        RolloutStep::Rollback => Some(ROLLBACK),
        RolloutStep::Uncordon => Some("Uncordon"),
        RolloutStep::Waiting
        | RolloutStep::Gate
        | RolloutStep::Protect
        | RolloutStep::Withdraw
        | RolloutStep::Rejoin
        | RolloutStep::Unprotect
        | RolloutStep::Settle
        | RolloutStep::Done
        | RolloutStep::RolledBack => None,
    }
}

/// What is said of a permit that ran out before anything was done.
const TOO_LATE: &str =
    "the permit was too old when the machine could be told to begin, so nothing was done";
/// The step that takes Elasticsearch down.
const STOP: &str = "Stop";
/// The step that takes it down to start what ran before.
const ROLLBACK: &str = "Rollback";

/// Whether what a run brings into service is to be fetched, and to wait where it is taken from.
#[must_use]
pub fn is_staging(host: &Host) -> bool {
    let is_it = |it: &Operation| deed(it) == Some(Deed::Swap) && it.step == STAGE && is_open(it);
    record(host).is_some_and(is_it)
}

/// Whether that is done, and the run has not gone on from there.
fn is_staged(operation: &Operation) -> bool {
    let is_finished = operation.status == Some(RunStatus::Finished);
    deed(operation) == Some(Deed::Swap) && operation.step == STAGE && is_finished
}

/// Whether a run has brought something else into service there: what was seen before says nothing of
/// what runs.
#[must_use]
pub fn is_swapped(host: &Host) -> bool {
    record(host).is_some_and(has_swapped)
}

fn has_swapped(operation: &Operation) -> bool {
    deed(operation) == Some(Deed::Swap) && is_stop(operation) && is_done(operation)
}

/// Whether a run has taken its Elasticsearch down, or is about to.
#[must_use]
pub fn is_stopping(host: &Host) -> bool {
    record(host).is_some_and(|it| is_stop(it) && it.status == Some(RunStatus::InProcess))
}

/// The step that gets all ready.
const STAGE: &str = "Stage";

/// Whether the work is one that takes Elasticsearch down.
fn is_stop(operation: &Operation) -> bool {
    operation.step == STOP || is_rollback(operation)
}

/// Whether it starts what ran before the run.
fn is_rollback(operation: &Operation) -> bool {
    operation.step == ROLLBACK
}

/// Whether it did what it was for.
fn is_done(operation: &Operation) -> bool {
    matches!(operation.status, Some(RunStatus::Finished | RunStatus::RolledBack))
}

/// Whether it is work that a unit on the machine does.
fn is_work(operation: &Operation) -> bool {
    is_stop(operation) || is_fetch(operation)
}

/// Whether it fetches what an upgrade will install.
fn is_fetch(operation: &Operation) -> bool {
    deed(operation) == Some(Deed::Fetch)
}

/// Whether it is looked on how far it is: also after it failed half-way, since a person may mend it.
fn is_open(operation: &Operation) -> bool {
    match operation.status {
        None | Some(RunStatus::InProcess) => true,
        Some(RunStatus::Failed) => is_stop(operation) && operation.touched,
        Some(RunStatus::Finished | RunStatus::RolledBack) => false,
    }
}

/// What there is to do on the machine, or to look at how far it is; nothing where the step at hand
/// needs nothing done there.
#[must_use]
pub fn work(host: &Host) -> Option<Work> {
    let operation = record(host).filter(|it| is_work(it) && is_open(it))?;
    work_of(host, operation)
}

fn work_of(host: &Host, operation: &Operation) -> Option<Work> {
    let unit = operation.elasticsearch_unit.as_ref().and_then(|it| Unit::new(it.as_str()));
    let before = operation.invocation_id_before.as_ref().map(Line::as_str);
    let boot = operation.boot_id_before.as_ref().map_or("", Line::as_str);
    let attempt = (operation.run_id.as_str(), operation.attempt);
    let family = || Some(family_of(host.status.as_ref()?.facts.as_ref()?.os.family?));
    let deed = deed(operation)?;
    if is_of_software(operation.kind) {
        let work = if deed == Deed::Fetch {
            Work::fetch(attempt, family()?, unit, boot)?
        } else {
            Work::upgrade(attempt, family()?, unit, before, boot)?
        };
        if operation.kind == OperationKind::DeployHost {
            return work.with_image(Name::new(operation.image.as_ref()?.as_str())?);
        }
        return Some(work);
    }
    if deed == Deed::Swap {
        let target = operation.target.as_ref()?;
        let (version, revision) = (target.version.as_str().into(), target.revision.as_str().into());
        let running = Running { version, revision };
        if is_rollback(operation) {
            return Work::recall(attempt, running, boot);
        }
        return Work::swap(attempt, running, before, boot);
    }
    Work::new(attempt, deed, unit, before, boot)
}

/// The units that the run has left on the machine, and that nobody needs any more: those of attempts
/// whose answer is on record for good.
#[must_use]
pub fn spent(host: &Host, errand: Option<&Errand>) -> Option<Spent> {
    let operation = record(host)?;
    let is_of_run = errand.is_some_and(|it| it.run == operation.run_id);
    let is_needed = match (operation.step.as_str(), operation.status) {
        // It is about to come.
        ("Stage" | "Cordon", _) | (STOP | ROLLBACK, None | Some(RunStatus::InProcess)) => true,
        (STOP | ROLLBACK, Some(RunStatus::Failed)) => is_of_run && is_open(operation),
        _ => false,
    };
    let last = operation.attempt.saturating_sub(u32::from(is_needed));
    let spent = Spent::new(&operation.run_id, last)?;
    let has_jobs = deed(operation) == Some(Deed::Swap) && operation.step != STAGE;
    Some(match operation.kind {
        _ if has_jobs => spent.with_jobs(&operation.run_id, last),
        kind if is_of_software(kind) => spent.with_upgrades(&operation.run_id, last),
        _ => spent,
    })
}

/// When to look again, where the step wants that.
#[must_use]
pub fn next(host: &Host, seen: &Observed, ending: Ending) -> Option<Next> {
    let outcome = || seen.view.outcome(&work(host)?);
    let is_in_process = record(host).is_some_and(|it| it.status == Some(RunStatus::InProcess));
    match ending {
        Ending::Stale => Some(Next::Again { category: Category::Conflict }),
        Ending::Nothing | Ending::Taken | Ending::Dropped | Ending::Permitted | Ending::TooLate => {
            // Its prober wakes nobody when it finds the same again.
            let waits = is_in_process && matches!(outcome(), Some(Outcome::NotBegun { .. }));
            waits.then_some(Next::After(SOON))
        }
    }
}
