//! What a Host does next for the run that it is a part of. Pure.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{errand::Errand, is_open, is_stop, kind, permit, record};
use crate::{
    api::{
        condition::whole_second,
        host::Host,
        host_status::{ElasticsearchTarget, Operation, OperationKind, RunStatus},
        line::Line,
        rollout_status::RolloutStep,
    },
    controllers::host::{
        elasticsearch::{self, plan::report, wish::Wish},
        observe::{Observed, pinned},
        plan::Stand,
    },
    ssh::{
        deploy::{Deployment, job::Job},
        operation::{Outcome, Work, unit_name},
        remote::Watch,
    },
};

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Put on record that the permit is taken.
    Take(Box<Operation>),
    /// Let the work be begun.
    Begin(Box<Work>),
    /// Take the work off the record: its run is over.
    Drop,
}

/// Decides the next step. `watch` says how the machine is to be watched from now on.
#[must_use]
pub fn next(
    host: &Host,
    seen: &Observed,
    stand: &Stand,
    watch: Option<&Watch>,
    now: Timestamp,
) -> Option<Step> {
    let operation = record(host);
    let is_of_run =
        |it: &Operation| seen.errand.as_ref().is_some_and(|errand| errand.run == it.run_id);
    let Some(errand) = seen.errand.as_ref().filter(|it| permit(it.step).is_some()) else {
        return operation.filter(|it| !is_of_run(it)).map(|_| Step::Drop);
    };
    match operation.filter(|it| errand.is_taken_by(it)) {
        None => take(host, seen, stand, watch, errand, now)
            .map(Step::Take)
            .or_else(|| operation.filter(|it| !is_of_run(it)).map(|_| Step::Drop)),
        Some(operation) => begin(host, seen, stand, watch, operation),
    }
}

/// Why the Host takes no part in a run now by what is declared; nothing where it does.
pub(super) fn declined(host: &Host) -> Option<&'static str> {
    if host.metadata.deletion_timestamp.is_some() {
        Some("the Host is being deleted")
    } else if host.spec.paused {
        Some("spec.paused is set")
    } else if host.spec.maintenance {
        Some("spec.maintenance is set")
    } else {
        None
    }
}

fn is_ours(host: &Host, stand: &Stand) -> bool {
    matches!(stand, Stand::Ours(machine) if pinned(host) == Some(machine))
}

/// Whether the machine was looked into as it is to be watched from now on.
#[must_use]
pub fn is_looked_into(seen: &Observed, watch: Option<&Watch>) -> bool {
    let is_so = seen.watched.as_ref().zip(watch).is_some_and(|(it, watch)| it.is_same(watch));
    is_so && seen.view.fault.is_none() && seen.view.checked.is_some()
}

fn take(
    host: &Host,
    seen: &Observed,
    stand: &Stand,
    watch: Option<&Watch>,
    errand: &Errand,
    now: Timestamp,
) -> Option<Box<Operation>> {
    if !is_ours(host, stand) || seen.view.fault.is_some() {
        return None;
    }
    // What comes to the machine comes there first.
    if elasticsearch::record(host).is_some() {
        return None;
    }
    if errand.step != RolloutStep::Uncordon && declined(host).is_some() {
        return None;
    }
    let before = record(host).filter(|it| it.run_id == errand.run);
    let mut operation = Operation {
        run_id: errand.run.clone(),
        kind: kind(errand.kind),
        step: permit(errand.step)?.to_owned(),
        attempt: errand.attempt,
        started_at: Time(whole_second(now)),
        deadline: None,
        boot_id_before: None,
        unit: None,
        elasticsearch_unit: None,
        target: None,
        cordoned_by_us: before.is_some_and(|it| it.cordoned_by_us),
        invocation_id_before: None,
        status: Some(RunStatus::InProcess),
        message: None,
        touched: false,
    };
    if errand.step == RolloutStep::Stop {
        // What is so now decides what proves that it is done.
        if !is_looked_into(seen, watch) {
            return None;
        }
        operation.unit = unit_name(&errand.run, errand.attempt);
        match before.filter(|it| is_stop(it) && it.touched) {
            Some(last) => go_on_from(&mut operation, last),
            None => note_before(&mut operation, seen)?,
        }
        if operation.kind == OperationKind::DeployElasticsearch {
            aim_at(&mut operation, seen);
        }
    }
    Some(Box::new(operation))
}

/// A later attempt is proven by the same as the first: it may have been done since.
fn go_on_from(operation: &mut Operation, last: &Operation) {
    operation.boot_id_before.clone_from(&last.boot_id_before);
    operation.invocation_id_before.clone_from(&last.invocation_id_before);
    operation.elasticsearch_unit.clone_from(&last.elasticsearch_unit);
    operation.touched = true;
}

/// What takes the place of what runs is what is declared now, if all of it waits on the machine: else
/// nothing is begun.
fn aim_at(operation: &mut Operation, seen: &Observed) {
    let wanted = match &seen.elasticsearch {
        Wish::Deploy(wanted) => Some(&wanted.deployment),
        _ => None,
    };
    let is_staged = |it: &&Deployment| report(seen).is_some_and(|report| it.is_staged(report));
    operation.unit = Some(Job::swap(&operation.run_id, operation.attempt).unit());
    let Some(wanted) = wanted.filter(is_staged) else {
        let message = "not begun: what is declared by now does not wait on the machine";
        operation.status = Some(RunStatus::Failed);
        operation.message = Some(Line::new(message));
        return;
    };
    operation.target = Some(ElasticsearchTarget {
        version: Line::new(&wanted.version),
        revision: Line::new(&wanted.revision),
    });
}

fn note_before(operation: &mut Operation, seen: &Observed) -> Option<()> {
    let checked = seen.view.checked.as_deref()?;
    let is_whole = checked.facts.is_ok() && checked.root.is_ok();
    is_whole.then_some(())?;
    let service = checked.service.as_ref().map(|it| it.as_ref().ok());
    // A service that could not be looked at may run.
    if service == Some(None) {
        return None;
    }
    let invocation = service.flatten().and_then(|it| it.unit.invocation.as_deref());
    operation.invocation_id_before = invocation.map(Line::new);
    operation.elasticsearch_unit = seen.unit.as_ref().map(|it| Line::new(it.as_str()));
    operation.boot_id_before = seen.view.identity.as_ref()?.boot_id.as_deref().map(Line::new);
    Some(())
}

fn begin(
    host: &Host,
    seen: &Observed,
    stand: &Stand,
    watch: Option<&Watch>,
    operation: &Operation,
) -> Option<Step> {
    let is_to_begin = is_stop(operation) && operation.status == Some(RunStatus::InProcess);
    if !is_to_begin || !is_open(operation) || !is_ours(host, stand) {
        return None;
    }
    if declined(host).is_some() && !operation.touched {
        return None;
    }
    let work = watch?.work.as_ref()?;
    let is_new = seen.watched.as_ref().and_then(|it| it.work.as_ref()) != Some(work);
    // The machine is asked first in any case; leave that is there already saves a turn.
    let waits = is_new || matches!(seen.view.outcome(work), Some(Outcome::NotBegun { .. }));
    waits.then(|| Step::Begin(work.clone()))
}

/// How often a host is looked into whose node is waited for.
pub const AGAIN: Duration = Duration::from_secs(10);

/// Names the look into the machine that is due for the run: another one at each permit, after each
/// answer, and again and again while its node is waited for.
#[must_use]
pub fn occasion(host: &Host, errand: Option<&Errand>, now: Timestamp) -> Option<String> {
    let operation = record(host);
    let current = errand.filter(|it| permit(it.step).is_some());
    let is_taken = |errand: &Errand| operation.is_some_and(|it| errand.is_taken_by(it));
    if let Some(errand) = current.filter(|it| !is_taken(it)) {
        return Some(format!("{}/{}/{}", errand.run, permit(errand.step)?, errand.attempt));
    }
    let operation = operation?;
    let step = format!("{}/{}/{}", operation.run_id, operation.step, operation.attempt);
    Some(match operation.status {
        // Until its node is back in the cluster it may stop again.
        Some(RunStatus::Finished)
            if is_stop(operation) && errand.is_some_and(Errand::is_awaited) =>
        {
            format!("{step}/finished/{}", now.as_second() / AGAIN.as_secs().cast_signed())
        }
        Some(RunStatus::Finished) => format!("{step}/finished"),
        Some(RunStatus::Failed) => format!("{step}/failed"),
        Some(RunStatus::InProcess) | None => step,
    })
}
