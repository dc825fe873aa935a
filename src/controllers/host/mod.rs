//! Keeps one Linux machine as declared, over SSH.

pub mod apply;
pub mod deletion;
pub mod elasticsearch;
mod facts;
mod findings;
pub mod held;
pub mod network;
pub mod observe;
pub mod operation;
pub mod plan;
mod prepared;
pub mod references;
pub mod registration;
pub mod status;
pub mod treatment;

use std::{sync::Arc, time::Duration};

use kube::ResourceExt as _;

use self::elasticsearch::wish::Wish;

use crate::{
    api::{
        condition::find,
        host::{Host, conditions},
        host_status::HostStatus,
    },
    context::Context,
    controllers::{Next, Reconciler},
    error::{Category, Error},
    kubernetes::{Kind as _, events, known::ObjectName, status as status_writer},
    object_key::ObjectKey,
    telemetry::objects::ObjectState,
};

/// How long until what was written into the status before it is acted on is acted on.
const AT_ONCE: Duration = Duration::from_millis(100);

/// The controller of Host objects.
pub struct HostReconciler;

impl Reconciler for HostReconciler {
    type Object = Host;

    async fn reconcile(host: Arc<Host>, ctx: Arc<Context>) -> Result<Next, Error> {
        let seen = observe::world(&ctx, &host).await?;
        let now = (ctx.now)();
        let plan = plan::next(&host, &seen, now);
        let mut outcome = apply::run(&ctx, &host, &plan);
        let step = plan.registration.as_ref();
        outcome.registration = registration::apply::run(&ctx, &host, step).await?;
        outcome.operation = operation::apply::run(&ctx, &host, plan.operation.as_ref()).await?;
        let coming = plan.elasticsearch.as_ref();
        outcome.elasticsearch = elasticsearch::apply::run(&ctx, &host, coming).await?;
        let pace = status::Pace { stats: ctx.settings.stats_interval };
        let status = status::after(&host, &seen, &plan, &outcome, pace, now);
        let mut notices = status::notices(&host, &status);
        notices.extend(elasticsearch::status::notices(
            &host,
            (coming, outcome.elasticsearch),
            &status,
        ));
        let (ending, record) = (&outcome.registration, status.container_manager.as_ref());
        notices.extend(registration::status::notices(&host, step, ending, record));
        notices.extend(prepared::notices(&host, &seen, &status));
        notices.extend(operation::notices::between(&host, &status));
        let farewell = plan.farewell.as_ref().filter(|_| plan.let_go);
        notices.extend(farewell.and_then(|it| deletion::notice(&host, it, &status)));
        // What is on record is not lost to a copy of the object from before.
        status_writer::write_as_seen(&ctx, &*host, &status).await?;
        if let Some((step, ending, took)) = operation::notices::ended(&host, &status, now) {
            ctx.metrics.step_taken(Host::NAME, step, ending, took);
        }
        for notice in notices {
            events::publish(&ctx, &*host, notice).await;
        }
        report(&ctx, &host, &status);
        if plan.let_go {
            return Ok(Next::LetGo);
        }
        if !plan.first_keys.is_empty() || is_acted_on(host.status.as_ref(), &status) {
            return Ok(Next::After(AT_ONCE));
        }
        if let Some(next) = operation::next(&host, &seen, outcome.operation) {
            return Ok(next);
        }
        if outcome.elasticsearch == elasticsearch::apply::Ending::Stale {
            return Ok(Next::Again { category: Category::Conflict });
        }
        if let Wish::Deploy(wanted) = &seen.elasticsearch
            && let Some(Err(_)) = wanted.digest
        {
            return Ok(Next::Again { category: Category::Unavailable });
        }
        if seen.errand.as_ref().is_some_and(operation::errand::Errand::is_awaited) {
            return Ok(Next::After(operation::plan::AGAIN));
        }
        let record = status.container_manager.as_ref();
        if let Some(next) = registration::next(step, &outcome.registration, record) {
            return Ok(next);
        }
        // The prober, and the watches of what the spec names, say when there is something new.
        Ok(Next::After(ctx.settings.stats_interval))
    }

    fn forget(name: &ObjectName, ctx: &Context) {
        let key = ObjectKey { namespace: name.namespace.clone(), name: name.name.clone() };
        ctx.remotes.leave(&key);
    }
}

/// Names the remote of a Host.
#[must_use]
pub fn key(host: &Host) -> ObjectKey {
    ObjectKey { namespace: host.namespace().unwrap_or_default(), name: host.name_any() }
}

/// Whether what is done next follows from what the status says now.
fn is_acted_on(before: Option<&HostStatus>, now: &HostStatus) -> bool {
    let of = |it: &HostStatus| {
        let facts = it.facts.as_ref().map(|it| (it.machine_id.clone(), it.os.family));
        let operation = it.operation.clone();
        let network = it.network.as_ref().map(|it| (it.name.clone(), it.revision.clone()));
        (facts, it.applied_sysctls.clone(), operation, network)
    };
    before.map(of).unwrap_or_default() != of(now)
}

fn report(ctx: &Context, host: &Host, status: &HostStatus) {
    let key = key(host);
    let state = ObjectState {
        ready: find(&status.conditions, conditions::READY).map(|it| it.status == "True"),
        state: status.state,
        ..ObjectState::default()
    };
    ctx.metrics.objects.show(Host::NAME, &key.namespace, &key.name, state);
}

#[cfg(test)]
pub(crate) mod tests;
