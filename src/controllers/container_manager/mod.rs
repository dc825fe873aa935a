//! Keeps watch over one other Kubernetes, in which hosts are registered as Nodes. The Nodes
//! themselves are each Host's own matter.

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
        condition::{is_true, truth},
        container_manager::{ContainerManager, ContainerManagerStatus, conditions},
    },
    context::Context,
    controllers::{Next, Reconciler},
    error::Error,
    kubernetes::{Kind as _, events, known::ObjectName, status as status_writer},
    object_key::ObjectKey,
    telemetry::objects::ObjectState,
};

/// The controller of `ContainerManager` objects.
pub struct ContainerManagerReconciler;

impl Reconciler for ContainerManagerReconciler {
    type Object = ContainerManager;

    async fn reconcile(manager: Arc<ContainerManager>, ctx: Arc<Context>) -> Result<Next, Error> {
        let seen = observe::world(&ctx, &manager).await?;
        let plan = plan::next(&manager, &seen);
        let outcome = apply::run(&ctx, &key(&manager), &plan);
        let status = status::after(&manager, &seen, &outcome, (ctx.now)());
        let notices = status::notices(manager.status.as_ref(), &status);
        status_writer::write(&ctx, &*manager, &status).await?;
        for notice in notices {
            events::publish(&ctx, &*manager, notice).await;
        }
        report(&ctx, &manager, &status);
        if plan.let_go {
            return Ok(Next::LetGo);
        }
        // Its server is asked by a task of its own, which says when there is something new, as do
        // the watches of what the spec names and of the Hosts.
        let rest = ctx.settings.stats_interval;
        let stalled = is_true(&status.conditions, conditions::STALLED);
        Ok(if stalled { Next::Stalled(rest) } else { Next::After(rest) })
    }

    fn forget(name: &ObjectName, ctx: &Context) {
        let key = ObjectKey { namespace: name.namespace.clone(), name: name.name.clone() };
        ctx.managers.disconnect(&key);
    }
}

/// Names the connection of a `ContainerManager`.
#[must_use]
pub fn key(manager: &ContainerManager) -> ObjectKey {
    ObjectKey { namespace: manager.namespace().unwrap_or_default(), name: manager.name_any() }
}

fn report(ctx: &Context, manager: &ContainerManager, status: &ContainerManagerStatus) {
    let key = key(manager);
    let ready = truth(&status.conditions, conditions::READY);
    let state = ObjectState { ready, ..ObjectState::default() };
    ctx.metrics.objects.show(ContainerManager::NAME, &key.namespace, &key.name, state);
}

#[cfg(test)]
mod tests;
