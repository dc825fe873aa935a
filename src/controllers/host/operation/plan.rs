//! What a Host does next for the run that it is a part of. Pure.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    TOO_LATE, errand::Errand, is_done, is_fetch, is_of_software, is_open, is_staged, is_stop,
    is_work, kind, permit, record,
};
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
    rollout::run::FRESH,
    ssh::{
        deploy::job::Job,
        operation::{Outcome, Work, unit_name},
        remote::{Glanced, Watch},
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
    let over = || {
        let is_over = operation.is_some_and(|it| !is_of_run(it));
        (is_over && is_cleared(host, seen, stand, watch)).then_some(Step::Drop)
    };
    let Some(errand) = seen.errand.as_ref().filter(|it| permit(it.step).is_some()) else {
        return over();
    };
    match operation.filter(|it| errand.is_taken_by(it)) {
        None => take(host, seen, stand, watch, errand, now).map(Step::Take).or_else(over),
        Some(operation) => begin(host, seen, stand, watch, operation),
    }
}

/// Whether it was tried to take away what the run has left on the machine, or can't be.
fn is_cleared(host: &Host, seen: &Observed, stand: &Stand, watch: Option<&Watch>) -> bool {
    let Some(spent) = watch.and_then(|it| it.spent.as_ref()) else { return true };
    let is_tried = seen.view.cleared.as_ref().is_some_and(|it| it.spent == *spent);
    is_tried || seen.view.fault.is_some() || !is_ours(host, stand)
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
    // Once work is under way there is no time for such a look.
    let is_upgrade = is_of_software(kind(errand.kind));
    if is_upgrade && errand.step == RolloutStep::Stage && !is_looked_into(seen, watch) {
        return None;
    }
    let is_of_run = |it: &&Operation| it.run_id == errand.run;
    // Nothing tells any more what another run has left, once its work is off the record.
    if !record(host).as_ref().is_none_or(is_of_run) && !is_cleared(host, seen, stand, watch) {
        return None;
    }
    let before = record(host).filter(is_of_run);
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
        previous: before.and_then(|it| it.previous.clone()),
        image: errand.image.as_deref().map(Line::new),
        cordoned_by_us: before.is_some_and(|it| it.cordoned_by_us),
        invocation_id_before: None,
        status: Some(RunStatus::InProcess),
        message: None,
        touched: false,
        vain: false,
    };
    if is_fetch(&operation) {
        operation.unit = Some(Job::fetch(&errand.run, errand.attempt).unit());
        operation.elasticsearch_unit = seen.unit.as_ref().map(|it| Line::new(it.as_str()));
        let boot = seen.view.identity.as_ref().and_then(|it| it.boot_id.as_deref());
        operation.boot_id_before = boot.map(Line::new);
    }
    if errand.step == RolloutStep::Rollback {
        aim_back(&mut operation, seen)?;
    }
    if errand.step == RolloutStep::Stop {
        operation.unit = unit_name(&errand.run, errand.attempt);
        if let Some(last) = before.filter(|it| is_stop(it) && it.touched) {
            go_on_from(&mut operation, last);
        } else {
            judge_permit(&mut operation, seen, watch, errand, now)?;
        }
        if operation.kind == OperationKind::DeployElasticsearch {
            aim_at(&mut operation, seen)?;
        }
        if is_upgrade {
            operation.unit = Some(Job::upgrade(&errand.run, errand.attempt).unit());
        }
    }
    Some(Box::new(operation))
}

/// A permit that comes late is not taken, but for what the run has taken down before: as long as that
/// is down it can't go down. What has come up since is not stopped, since no gate was asked for it.
/// Nothing as long as the service was not looked at.
fn judge_permit(
    operation: &mut Operation,
    seen: &Observed,
    watch: Option<&Watch>,
    errand: &Errand,
    now: Timestamp,
) -> Option<()> {
    let glanced = glanced(seen, watch);
    if errand.touched && operation.kind == OperationKind::DeployElasticsearch {
        operation.touched = glanced?.service.as_ref().is_some_and(|it| it.unit.is_down());
        operation.touched.then_some(())?;
    }
    let is_late = FRESH < now.duration_since(errand.started_at).unsigned_abs();
    if is_late && !operation.touched {
        // Nobody was let begin before that stands on record.
        operation.status = Some(RunStatus::Failed);
        operation.message = Some(Line::new(TOO_LATE));
    } else {
        // What is so now decides what proves that it is done.
        note_before(operation, glanced?, seen);
    }
    Some(())
}

/// A later attempt is proven by the same as the first: it may have been done since.
fn go_on_from(operation: &mut Operation, last: &Operation) {
    operation.boot_id_before.clone_from(&last.boot_id_before);
    operation.invocation_id_before.clone_from(&last.invocation_id_before);
    operation.elasticsearch_unit.clone_from(&last.elasticsearch_unit);
    operation.touched = true;
}

/// What takes the place of what runs is what is declared now, if all of it waits on the machine: else
/// nothing is begun. Nothing while it is not known whether it does, and there is time to see.
fn aim_at(operation: &mut Operation, seen: &Observed) -> Option<()> {
    operation.unit = Some(Job::swap(&operation.run_id, operation.attempt).unit());
    if operation.status == Some(RunStatus::Failed) {
        return Some(());
    }
    let report = report(seen)?;
    let wanted = match &seen.elasticsearch {
        Wish::Deploy(wanted) => Some(&wanted.deployment),
        _ => None,
    };
    let Some(wanted) = wanted.filter(|it| it.is_staged(report)) else {
        let message = "not begun: what is declared by now does not wait on the machine";
        operation.status = Some(RunStatus::Failed);
        operation.message = Some(Line::new(message));
        return Some(());
    };
    let of = |version: &str, revision: &str| ElasticsearchTarget {
        version: Line::new(version),
        revision: Line::new(revision),
    };
    let running = report.running.as_ref().map(|it| of(&it.version, &it.revision));
    let target = of(&wanted.version, &wanted.revision);
    let previous = operation.previous.take().or(running);
    operation.previous = previous.filter(|it| *it != target);
    operation.target = Some(target);
    Some(())
}

/// What ran before the run is to run again. Nothing while the machine has not told which boot it is in.
fn aim_back(operation: &mut Operation, seen: &Observed) -> Option<()> {
    operation.unit = Some(Job::recall(&operation.run_id, operation.attempt).unit());
    operation.elasticsearch_unit = seen.unit.as_ref().map(|it| Line::new(it.as_str()));
    operation.target.clone_from(&operation.previous);
    if operation.target.is_none() {
        operation.status = Some(RunStatus::Failed);
        operation.message = Some(Line::new("nothing is known to have run there before the run"));
        return Some(());
    }
    let boot = seen.view.identity.as_ref().and_then(|it| it.boot_id.as_deref());
    operation.boot_id_before = Some(Line::new(boot?));
    // Elasticsearch was taken down for what does not come up.
    operation.touched = true;
    Some(())
}

/// The look at the service that was asked for at the permit.
fn glanced<'a>(seen: &'a Observed, watch: Option<&Watch>) -> Option<&'a Glanced> {
    let is_asked = seen.watched.as_ref().zip(watch).is_some_and(|(it, to)| it.glances_the_same(to));
    let glanced = seen.view.glanced.as_deref().filter(|_| is_asked)?;
    (watch?.glance.as_deref() == Some(&*glanced.glance)).then_some(glanced)
}

fn note_before(operation: &mut Operation, glanced: &Glanced, seen: &Observed) {
    let service = glanced.service.as_ref();
    let invocation = service.and_then(|it| it.unit.invocation.as_deref());
    operation.invocation_id_before = invocation.map(Line::new);
    operation.elasticsearch_unit = seen.unit.as_ref().map(|it| Line::new(it.as_str()));
    operation.boot_id_before = glanced.identity.boot_id.as_deref().map(Line::new);
}

fn begin(
    host: &Host,
    seen: &Observed,
    stand: &Stand,
    watch: Option<&Watch>,
    operation: &Operation,
) -> Option<Step> {
    let is_to_begin = is_work(operation) && operation.status == Some(RunStatus::InProcess);
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

/// Names the look into everything that is due for the run; nothing where the last one will do. There
/// is another one at the permit to stage and after each answer to that to stop, and again and again
/// while the node is waited for. In between there is none: it may take longer than a permit is good
/// for.
#[must_use]
pub fn occasion(host: &Host, errand: Option<&Errand>, now: Timestamp) -> Option<String> {
    let operation = record(host);
    let name = |errand: &Errand| {
        Some(format!("{}/{}/{}", errand.run, permit(errand.step)?, errand.attempt))
    };
    let current = errand.filter(|it| permit(it.step).is_some());
    if let Some(errand) = current.filter(|it| operation.is_none_or(|known| !it.is_taken_by(known)))
    {
        return name(errand).filter(|_| errand.step == RolloutStep::Stage);
    }
    let seen = seen_after(operation?)?;
    let is_finished = operation.is_some_and(|it| is_stop(it) && is_done(it));
    if is_finished && errand.is_some_and(Errand::is_awaited) {
        // Until its node is back in the cluster it may stop again.
        return Some(format!("{seen}/{}", now.as_second() / AGAIN.as_secs().cast_signed()));
    }
    Some(seen)
}

/// Names the look that is due after `operation`: what was brought to the machine on the way is seen
/// before it takes the place of what runs, and what came of a stop.
fn seen_after(operation: &Operation) -> Option<String> {
    let word = match operation.status {
        Some(RunStatus::Finished) if is_stop(operation) || is_staged(operation) => "finished",
        Some(RunStatus::RolledBack) => "finished",
        Some(RunStatus::Failed) if is_stop(operation) => "failed",
        _ => return None,
    };
    Some(format!("{}/{}/{}/{word}", operation.run_id, operation.step, operation.attempt))
}

/// Names the look at the service alone that is due before the permit to stop is taken. What the run has
/// taken down may be tried again by systemd just then, and be down for good a moment later: so it is
/// looked at again when the machine is told to be in another state.
#[must_use]
pub fn glance(host: &Host, errand: Option<&Errand>) -> Option<String> {
    let errand = errand.filter(|it| it.step == RolloutStep::Stop)?;
    let is_taken = record(host).is_some_and(|it| errand.is_taken_by(it));
    let told = host.status.as_ref().and_then(|it| it.elasticsearch.as_ref());
    let state = told.filter(|_| errand.touched).map_or("", |it| it.state.as_str());
    (!is_taken).then(|| format!("{}/{}/{state}", errand.run, errand.attempt))
}
