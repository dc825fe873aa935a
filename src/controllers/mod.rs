//! One generic start for the controllers of all kinds.

pub mod backoff;
pub mod cluster;
mod connecting;
pub mod container_manager;
pub mod deployment;
pub mod flannel;
mod health;
pub mod host;
pub mod index;
mod lists;
pub mod network;
mod node_faults;
mod reconcile;
mod references;
pub mod stream;

use std::{convert::Infallible, future::Future, sync::Arc, time::Duration};

use futures::StreamExt as _;
use kube::runtime::{Controller, controller, reflector::ObjectRef};

use self::{backoff::Backoff, stream::Reflector};
use crate::{
    chain::chain,
    context::Context,
    error::{Category, Error},
    kubernetes::{Kind, known::ObjectName},
    shutdown::Stop,
};

/// Brings the objects of one kind nearer to their spec.
pub trait Reconciler: Send + Sync + 'static {
    /// The kind.
    type Object: Kind;

    /// Brings `object` a step nearer to its spec, and writes its status. The object carries our
    /// finalizer; where it has a deletionTimestamp, what lies outside is to be let go of.
    ///
    /// Runs once at a time for one object. May be dropped at any point where it waits: at its
    /// deadline, and when the process ends.
    fn reconcile(
        object: Arc<Self::Object>,
        ctx: Arc<Context>,
    ) -> impl Future<Output = Result<Next, Error>> + Send;

    /// The object is gone, or can't be decoded any more: what memory holds about it may go too.
    fn forget(_name: &ObjectName, _ctx: &Context) {}
}

/// When to look at an object again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// When it, or something that it depends on, changes.
    AwaitChange,
    /// After this time, give or take a fifth, or at a change.
    After(Duration),
    /// The same, where nothing gets on before a person acts.
    Stalled(Duration),
    /// The same, where nothing could be done or judged: failures in a row go on being counted.
    Hold(Duration),
    /// After 1 s, doubling with each time in a row to 5 min, or at a change.
    Again {
        /// What has to come right first.
        category: Category,
    },
    /// Never: the object is being deleted and nothing of it is left outside Kubernetes. The
    /// finalizer is taken off.
    LetGo,
}

/// Runs the controller of one kind until `stop` asks to end; what is in hand then is finished.
///
/// `wire` adds what else wakes objects: `reconcile_on` for pollers and for
/// [`Reflector::touched`] of other kinds, mapped to this one. A stream that fails must be kept from
/// the controller: an error would hold back all its other streams.
pub fn start<R: Reconciler>(
    ctx: Arc<Context>,
    reflector: Reflector<R::Object>,
    stop: Stop,
    wire: impl FnOnce(Controller<R::Object>) -> Controller<R::Object>,
) -> impl Future<Output = ()> + Send + 'static {
    let name = R::Object::NAME;
    let limit = ctx.settings.max_concurrent_reconciles.get();
    ctx.metrics.controller_started(name, limit);
    let backoff = Arc::new(Backoff::default());
    let store = reflector.store();
    let changes = reflector.changes(Arc::clone(&ctx), {
        let (ctx, backoff) = (Arc::clone(&ctx), Arc::clone(&backoff));
        move |name: &ObjectName| {
            backoff.reset(&object_ref(name));
            R::forget(name, &ctx);
        }
    });
    let controller = Controller::for_stream(futures::stream::empty(), store)
        .with_config(controller::Config::default().concurrency(limit))
        .reconcile_on(changes)
        .graceful_shutdown_on(stop.requested());
    let reconcile =
        move |object, ctx| reconcile::once::<R>(object, ctx, Arc::clone(&backoff), stop.clone());
    wire(controller).run(reconcile, |_, error: &Infallible, _| match *error {}, ctx).for_each(
        move |result| {
            if let Err(error) = result {
                // Woken by name for an object that is not, or no longer, there.
                let error = chain(&error);
                tracing::debug!(controller = name, error, "nothing to reconcile");
            }
            std::future::ready(())
        },
    )
}

/// The key that the controller of a kind knows an object by.
#[must_use]
pub fn object_ref<K: Kind>(name: &ObjectName) -> ObjectRef<K> {
    ObjectRef::new(&name.name).within(&name.namespace)
}

#[cfg(test)]
mod tests;
