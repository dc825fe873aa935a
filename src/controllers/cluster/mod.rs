//! Keeps watch over one live Elasticsearch cluster.

pub mod apply;
pub mod decided;
mod diagnostics;
pub mod drain;
mod findings;
pub mod live;
pub mod managed;
pub mod observe;
pub mod plan;
pub mod planned;
pub mod references;
pub mod rollout;
pub mod status;

use std::sync::Arc;

use kube::ResourceExt as _;

use self::rollout::plan::Doubt;
use crate::{
    api::{
        cluster::{Cluster, conditions},
        cluster_status::ClusterStatus,
        condition::{is_true, truth},
        index::Mode,
    },
    context::Context,
    controllers::{Next, Reconciler},
    elasticsearch::link::ObjectKey,
    error::Error,
    kubernetes::{Kind as _, events, known::ObjectName, status as status_writer},
    telemetry::objects::ObjectState,
};

/// The controller of Cluster objects.
pub struct ClusterReconciler;

impl Reconciler for ClusterReconciler {
    type Object = Cluster;

    async fn reconcile(cluster: Arc<Cluster>, ctx: Arc<Context>) -> Result<Next, Error> {
        let mut seen = observe::world(&ctx, &cluster).await?;
        let link = ctx.links.get(&key(&cluster));
        let mut plan = plan::next(&cluster, &seen, (ctx.now)());
        managed::confirm::hold_back(&ctx, &cluster, &seen, &mut plan).await?;
        let outcome = apply::run(&ctx, &key(&cluster), &plan);
        if let (Some(managed), Some(plan)) = (&seen.managed, &plan.managed)
            && let Some(problem) = managed::apply::run(&ctx, &cluster, managed, plan).await?
        {
            seen.connection = Err(problem);
        }
        let set = live::observe::look(&ctx, &cluster, &seen, &plan).await;
        let managed = seen.managed.as_mut();
        let live =
            managed.map(|it| live::plan::next(&cluster, it, set.as_ref())).unwrap_or_default();
        // The status goes by the record that it is about to get.
        let noted = live::plan::noted(&cluster, &live);
        let outdated = live::plan::outdated(&noted, seen.managed.as_ref(), set.as_ref());
        let outdated = outdated.as_ref();
        // A permit is as old as the first of what it rests on.
        let asked = (ctx.now)();
        let look = rollout::observe::look(&ctx, &cluster, &seen, &plan, outdated).await?;
        let doubt = if live::plan::is_unasked(&noted, set.as_ref()) {
            Some(Doubt::Unasked)
        } else {
            managed::is_refused(&seen, &plan).then_some(Doubt::Refused)
        };
        let mut decided = rollout::plan::next(&cluster, look.as_ref(), outdated, doubt, asked);
        let held =
            planned::held(&cluster, (&seen, &plan), look.as_ref(), outdated, &decided, &live.act);
        decided.held = held;
        drain::observe::explain(&ctx, &cluster, look.as_ref(), &mut decided.drain).await;
        let now = (ctx.now)();
        let mut status = status::after(&noted, &seen, &plan, &outcome, &decided, now);
        if let Some(link) = link {
            status::reword(&mut status, |it| link.client().blot(it));
        }
        let before = cluster.status.as_ref();
        let mut notices = status::notices(before, &status);
        notices.extend(rollout::status::notices(before, &status));
        notices.extend(managed::status::notices(before, &status));
        notices.extend(drain::record::notices(before, &status));
        notices.extend(planned::notices(before, &status));
        notices.extend(rollout::farewell(&decided, plan.let_go));
        notices.extend(drain::farewell(&cluster, plan.let_go));
        // What a host, or Elasticsearch, is told next was decided for this very object. And a copy
        // from before a run does not know of it: its status would take the run away.
        let wrote = status_writer::write_as_seen(&ctx, &*cluster, &status).await?;
        let said = |it: &ClusterStatus| {
            let set = (it.drain.clone(), it.live_settings.clone());
            (it.rollout.clone(), it.formation.clone(), it.removal.clone(), set)
        };
        if !wrote && before.map(said).unwrap_or_default() != said(&status) {
            return Ok(Next::AwaitChange);
        }
        if status.rollout.is_none()
            && let Some(link) = ctx.links.get(&key(&cluster)).filter(|_| decided.ended.is_some())
        {
            // What was given up on the way may be carried out yet.
            link.set_examined(false);
        }
        rollout::count(&ctx, &cluster, &status, now);
        for notice in notices {
            events::publish(&ctx, &*cluster, notice).await;
        }
        report(&ctx, &cluster, &status, &seen);
        if plan.let_go {
            return let_go(&ctx, &cluster, &seen).await;
        }
        if status.removal.is_some() {
            // It comes to its end even where no host tells anything.
            return Ok(Next::After(managed::PACE));
        }
        if let Some(act) = &decided.act {
            let run = status.rollout.as_ref();
            let outcome = rollout::apply::run(&ctx, &cluster, &plan, act, run).await?;
            if let Some((notice, next)) = rollout::failed(act, &outcome) {
                events::publish(&ctx, &*cluster, notice).await;
                return Ok(next);
            }
        }
        if let Some(act) = &decided.drain.act {
            let drain = status.drain.as_ref();
            let outcome = drain::apply::run(&ctx, &cluster, &plan, act, drain).await?;
            if let Some((notice, next)) = drain::apply::failed(act, &outcome) {
                events::publish(&ctx, &*cluster, notice).await;
                return Ok(next);
            }
        }
        if !live.act.is_empty() && cluster.spec.mode == Mode::Apply {
            return live::apply::carry_out(&ctx, &cluster, &plan, &live).await;
        }
        if let Some(next) = rollout::next(&decided, look.map(|it| it.took).unwrap_or_default(), now)
        {
            return Ok(next);
        }
        let is_settled = plan.managed.as_ref().is_none_or(managed::plan::Plan::is_settled);
        if !is_settled || drain::is_over(before, &status) {
            // What is waited for may be told by nothing that wakes the object.
            return Ok(Next::After(managed::PACE));
        }
        // The poller, and the watches of what the spec names, say when there is something new.
        let rest = ctx.settings.stats_interval;
        let stalled = is_true(&status.conditions, conditions::STALLED);
        Ok(if stalled { Next::Stalled(rest) } else { Next::After(rest) })
    }

    fn forget(name: &ObjectName, ctx: &Context) {
        let key = ObjectKey { namespace: name.namespace.clone(), name: name.name.clone() };
        ctx.links.disconnect(&key);
    }
}

/// Says what stays where it is, and forgets what Drover alone needs.
async fn let_go(ctx: &Context, cluster: &Cluster, seen: &observe::Observed) -> Result<Next, Error> {
    if let Some(notice) = managed::removal::left_behind(cluster, seen) {
        events::publish(ctx, cluster, notice).await;
    }
    if let Some(managed) = &seen.managed {
        let forgotten = managed::removal::forgotten(cluster, seen);
        managed::apply::forget(ctx, cluster, managed, &forgotten).await?;
    }
    Ok(Next::LetGo)
}

/// Names the link of a Cluster.
#[must_use]
pub fn key(cluster: &Cluster) -> ObjectKey {
    ObjectKey { namespace: cluster.namespace().unwrap_or_default(), name: cluster.name_any() }
}

fn report(ctx: &Context, cluster: &Cluster, status: &ClusterStatus, seen: &observe::Observed) {
    let key = key(cluster);
    let expires = seen.snapshot.cluster.as_ref().and_then(|it| it.certificate_expires);
    let state = ObjectState {
        health: status.elasticsearch.as_ref().map(|it| it.health),
        ready: truth(&status.conditions, conditions::READY),
        certificate_expiry: expires,
        state: None,
    };
    ctx.metrics.objects.show(Cluster::NAME, &key.namespace, &key.name, state);
}

#[cfg(test)]
pub(crate) mod tests;
