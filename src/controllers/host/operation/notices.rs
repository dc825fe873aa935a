//! What people hear of a Host's part in a run, and how long its steps took. Pure.

use std::time::Duration;

use jiff::Timestamp;

use super::{is_done, is_rollback, is_stop, record};
use crate::{
    api::{
        host::Host,
        host_status::{HostStatus, Operation, OperationKind, RunStatus},
    },
    kubernetes::events::Notice,
    telemetry::metrics::StepEnding,
};

/// Words for an operation that takes Elasticsearch down: it began, it is done, it failed.
fn words(operation: &Operation) -> [&'static str; 3] {
    match operation.kind {
        _ if is_rollback(operation) => ["RollbackBegun", "RolledBack", "RollbackFailed"],
        OperationKind::RestartHost => ["RebootBegun", "Rebooted", "RebootFailed"],
        OperationKind::UpgradeHost => ["UpgradeBegun", "Upgraded", "UpgradeFailed"],
        OperationKind::DeployHost => ["ImageBegun", "ImageDeployed", "ImageFailed"],
        OperationKind::DeployElasticsearch => ["DeployBegun", "Deployed", "DeployFailed"],
        _ => ["RestartBegun", "Restarted", "RestartFailed"],
    }
}

/// What people should hear of between two statuses.
#[must_use]
pub fn between(host: &Host, after: &HostStatus) -> Vec<Notice> {
    let (Some(before), Some(now)) = (record(host), after.operation.as_ref()) else {
        return Vec::new();
    };
    if before.run_id != now.run_id || before.step != now.step || before.attempt != now.attempt {
        return Vec::new();
    }
    let [begun, done, failed] = words(now);
    let run = format!("run {}", now.run_id);
    let message = now.message.as_ref().map_or("", |it| it.as_str());
    let notice = match now.status {
        status if status != before.status => match status {
            _ if is_stop(now) && is_done(now) => {
                Notice::normal(done, "Roll", format!("{run}: proven by {}", proof(now)))
            }
            Some(RunStatus::Failed) if is_stop(now) && (now.touched || now.vain) => {
                Notice::warning(failed, "Roll", format!("{run}: {message}"))
            }
            Some(RunStatus::Failed) => {
                Notice::warning("StepFailed", "Roll", format!("{run}, {}: {message}", now.step))
            }
            _ => return Vec::new(),
        },
        Some(RunStatus::InProcess) if now.touched && !before.touched => {
            Notice::normal(begun, "Roll", format!("{run}: begun on the machine"))
        }
        _ => return Vec::new(),
    };
    vec![notice]
}

fn proof(operation: &Operation) -> &'static str {
    match operation.kind {
        OperationKind::RestartHost => "another boot id of the same machine",
        OperationKind::UpgradeHost if operation.touched => {
            "its package manager's end, and another run of what had to be restarted"
        }
        OperationKind::UpgradeHost => "its package manager's end; nothing had to be restarted",
        OperationKind::DeployHost if operation.touched => {
            "another boot id of the same machine, which has booted the image"
        }
        OperationKind::DeployHost => "the image that it had booted already",
        _ if is_rollback(operation) => "another run of the service, as before the run",
        OperationKind::DeployElasticsearch => "another run of the service, as declared",
        _ => "another run of the service",
    }
}

/// The step that came to its end between two statuses, how, and how long it took.
#[must_use]
pub fn ended(
    host: &Host,
    after: &HostStatus,
    now: Timestamp,
) -> Option<(&'static str, StepEnding, Duration)> {
    let (before, after) = (record(host)?, after.operation.as_ref()?);
    let is_same = before.run_id == after.run_id
        && before.step == after.step
        && before.attempt == after.attempt;
    if !is_same || before.status == after.status {
        return None;
    }
    let label = match (after.step.as_str(), after.kind) {
        ("Stage", _) => "stage",
        ("Stop", OperationKind::RestartHost) => "restart_host",
        ("Stop", OperationKind::UpgradeHost) => "upgrade_host",
        ("Stop", OperationKind::DeployHost) => "deploy_host",
        ("Rollback", _) => "rollback_elasticsearch",
        ("Stop", OperationKind::DeployElasticsearch) => "deploy_elasticsearch",
        ("Stop", _) => "restart_elasticsearch",
        // The Node's own steps are counted as they are taken.
        _ => return None,
    };
    let ending = match after.status {
        Some(RunStatus::Finished | RunStatus::RolledBack) => StepEnding::Success,
        Some(RunStatus::Failed) if is_stop(after) && !after.touched && !after.vain => {
            StepEnding::PutOff
        }
        Some(RunStatus::Failed) => StepEnding::Error,
        Some(RunStatus::InProcess) | None => return None,
    };
    let took = Duration::try_from(now.duration_since(after.started_at.0)).unwrap_or_default();
    Some((label, ending, took))
}
