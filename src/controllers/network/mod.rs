//! Keeps watch over how the hosts of clusters reach each other, and keeps flannel's configuration in
//! etcd as declared. Hosts are asked by tasks of their own, in the sessions that they have anyway.

pub mod apply;
mod config;
mod findings;
mod mesh;
pub mod observe;
pub mod plan;
pub mod references;
pub mod status;

use std::{collections::BTreeMap, sync::Arc};

use kube::ResourceExt as _;

use crate::{
    api::{
        condition::{is_true, truth},
        network::{Network, NetworkStatus, conditions},
    },
    context::Context,
    controllers::{Next, Reconciler},
    error::{Category, Error},
    kubernetes::{Kind as _, events, known::ObjectName, status as status_writer},
    object_key::ObjectKey,
    telemetry::objects::ObjectState,
};

/// The controller of Network objects.
pub struct NetworkReconciler;

impl Reconciler for NetworkReconciler {
    type Object = Network;

    async fn reconcile(network: Arc<Network>, ctx: Arc<Context>) -> Result<Next, Error> {
        let (seen, etcd) = observe::world(&ctx, &network).await?;
        let plan = plan::next(&network, &seen);
        let outcome = apply::run(&ctx, &network, &plan, etcd.as_ref()).await;
        let now = (ctx.now)();
        let status = status::after(&network, &seen, &plan, &outcome, now);
        let notices = status::notices(&network, &plan, &outcome, &status);
        status_writer::write(&ctx, &*network, &status).await?;
        for notice in notices {
            events::publish(&ctx, &*network, notice).await;
        }
        report(&ctx, &network, &status);
        if plan.let_go {
            return Ok(Next::LetGo);
        }
        if outcome.is_overtaken() {
            return Ok(Next::Again { category: Category::Conflict });
        }
        if seen.is_put_off() || outcome.is_put_off() {
            return Ok(Next::Again { category: Category::Unavailable });
        }
        // The hosts, and the watches of what the spec names, say when there is something new; etcd
        // is looked at now and then.
        let rest = ctx.settings.stats_interval;
        let stalled = is_true(&status.conditions, conditions::STALLED);
        Ok(if stalled { Next::Stalled(rest) } else { Next::After(rest) })
    }

    fn forget(name: &ObjectName, ctx: &Context) {
        let key = ObjectKey { namespace: name.namespace.clone(), name: name.name.clone() };
        ctx.remotes.ask(&key, BTreeMap::new());
    }
}

/// Names the Network to those that it asks.
#[must_use]
pub fn key(network: &Network) -> ObjectKey {
    ObjectKey { namespace: network.namespace().unwrap_or_default(), name: network.name_any() }
}

fn report(ctx: &Context, network: &Network, status: &NetworkStatus) {
    let key = key(network);
    let ready = truth(&status.conditions, conditions::READY);
    let state = ObjectState { ready, ..ObjectState::default() };
    ctx.metrics.objects.show(Network::NAME, &key.namespace, &key.name, state);
}

#[cfg(test)]
mod tests;
