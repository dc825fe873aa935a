//! Keeps one Elasticsearch index as declared.

pub mod apply;
pub mod changes;
pub mod cluster_gate;
pub mod decision;
pub mod drift;
mod farewell;
mod findings;
pub mod observe;
mod owned;
mod ownership;
pub mod plan;
pub mod status;

use std::sync::Arc;

use kube::ResourceExt as _;

use crate::{
    api::{
        condition::{is_true, truth},
        index::{Index, IndexStatus, conditions},
    },
    context::Context,
    controllers::{Next, Reconciler},
    elasticsearch::{self, link::ObjectKey, snapshot::IndexView},
    error::{Category, Error},
    kubernetes::{Kind as _, events, known::ObjectName, status as status_writer},
    telemetry::objects::ObjectState,
};
use apply::PutOff;
use cluster_gate::ClusterGate;
use decision::{Plan, Stand};

/// The controller of Index objects.
pub struct IndexReconciler;

impl Reconciler for IndexReconciler {
    type Object = Index;

    async fn reconcile(index: Arc<Index>, ctx: Arc<Context>) -> Result<Next, Error> {
        let rest = ctx.settings.stats_interval;
        let sight = observe::world(&ctx, &index);
        let Some(seen) = &sight.news else { return Ok(Next::After(rest)) };
        let plan = plan::next(&index, seen);
        let pinned = match &seen.gate {
            ClusterGate::Open { uuid } => Some(uuid.as_str()),
            _ => None,
        };
        let link = sight.link.as_ref();
        let outcome = apply::run(&ctx.metrics, link, &index, &seen.live, pinned, &plan).await;
        let mut notices = status::notices(&index, &plan, &outcome);
        let now = (ctx.now)();
        let (mut stalled, mut written) = (false, false);
        let blot = |it: &mut String| {
            if let Some(link) = link {
                link.client().blot(it);
            }
        };
        for notice in &mut notices {
            blot(notice.note());
        }
        if let Some(mut status) = status::after(&index, seen, &plan, &outcome, now) {
            status::reword(&mut status, blot);
            written = status_writer::write(&ctx, &*index, &status).await?;
            report(&ctx, &index, &status);
            stalled = is_true(&status.conditions, conditions::STALLED);
        }
        for notice in notices {
            events::publish(&ctx, &*index, notice).await;
        }
        let next = next(&plan, &outcome, stalled, rest);
        if let IndexView::Present(live) = &seen.live
            && plan.stand == Stand::Owned
            && plan.steps.is_empty()
            && !written
            && next == Next::After(rest)
        {
            sight.settle(&index, live);
        }
        Ok(next)
    }

    fn forget(name: &ObjectName, ctx: &Context) {
        let key = ObjectKey { namespace: name.namespace.clone(), name: name.name.clone() };
        ctx.links.forget(&key);
    }
}

/// How long until what was put off is looked at again.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_secs(1);

fn next(plan: &Plan, outcome: &apply::Outcome, stalled: bool, rest: std::time::Duration) -> Next {
    if matches!(plan.stand, Stand::Gone(_))
        || matches!(outcome.fate, Some(apply::Fate::Deleted | apply::Fate::Kept))
    {
        return Next::LetGo;
    }
    if outcome
        .failures
        .iter()
        .any(|it| it.error.category() == elasticsearch::error::Category::Closed)
    {
        // Should the gate open again, nobody else would tell.
        return Next::Hold(LOOK_AGAIN);
    }
    if !outcome.failures.is_empty() || outcome.foreign.is_some() {
        return Next::Again { category: Category::Elasticsearch };
    }
    if plan.stand == Stand::Announced {
        return Next::After(std::time::Duration::from_millis(100));
    }
    match outcome.put_off {
        Some(PutOff::Uncounted) => return Next::Hold(LOOK_AGAIN),
        // A free slot, or the next reading of the index, wakes it sooner.
        Some(PutOff::NoSlot | PutOff::Moved) => return Next::Hold(rest),
        None => {}
    }
    if plan.stand == Stand::Unread {
        // The link, once it is there, or the poller wakes it sooner.
        return Next::Hold(rest);
    }
    // The poller, and the watch of the Cluster, say when there is something new.
    if stalled { Next::Stalled(rest) } else { Next::After(rest) }
}

fn key(index: &Index) -> ObjectKey {
    ObjectKey { namespace: index.namespace().unwrap_or_default(), name: index.name_any() }
}

fn report(ctx: &Context, index: &Index, status: &IndexStatus) {
    let key = key(index);
    let state = ObjectState {
        health: status.health,
        ready: truth(&status.conditions, conditions::READY),
        certificate_expiry: None,
        state: None,
    };
    ctx.metrics.objects.show(Index::NAME, &key.namespace, &key.name, state);
}

#[cfg(test)]
mod tests;
