//! Keeps watch over one live Elasticsearch cluster.

pub mod apply;
mod findings;
pub mod observe;
pub mod plan;
pub mod references;
pub mod status;

use std::sync::Arc;

use kube::ResourceExt as _;

use crate::{
    api::{
        cluster::{Cluster, ClusterStatus, conditions},
        condition::{is_true, truth},
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
        let seen = observe::world(&ctx, &cluster).await?;
        let link = ctx.links.get(&key(&cluster));
        let plan = plan::next(&cluster, &seen);
        let outcome = apply::run(&ctx, &key(&cluster), &plan);
        let now = (ctx.now)();
        let mut status = status::after(&cluster, &seen, &plan, &outcome, now);
        if let Some(link) = link {
            status::reword(&mut status, |it| link.client().blot(it));
        }
        let notices = status::notices(cluster.status.as_ref(), &status);
        status_writer::write(&ctx, &*cluster, &status).await?;
        for notice in notices {
            events::publish(&ctx, &*cluster, notice).await;
        }
        report(&ctx, &cluster, &status, &seen);
        if plan.let_go {
            return Ok(Next::LetGo);
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
mod tests;
