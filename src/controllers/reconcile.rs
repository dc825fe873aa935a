//! What happens around one reconcile, for every kind the same.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use kube::{
    Resource as _,
    runtime::{controller::Action, reflector::ObjectRef},
};
use tracing::Instrument as _;

use super::{
    Next, Reconciler,
    backoff::{Backoff, jittered},
};
use crate::{
    context::Context,
    error::{Category, Error},
    kubernetes::{Kind, finalizer},
    shutdown::Stop,
    telemetry::metrics::Ending,
};

/// How long until a copy that is older than our own last write is looked at again.
const CATCH_UP: Duration = Duration::from_millis(100);

/// The failures in a row of each object of a kind.
pub(super) type Failures<R> = Backoff<ObjectRef<<R as Reconciler>::Object>>;

/// Reconciles `object` once and says when to come back.
pub(super) async fn once<R: Reconciler>(
    object: Arc<R::Object>,
    ctx: Arc<Context>,
    backoff: Arc<Failures<R>>,
    stop: Stop,
) -> Result<Action, Infallible> {
    let meta = object.meta();
    let span = tracing::info_span!(
        "reconcile",
        controller = R::Object::NAME,
        namespace = meta.namespace,
        name = meta.name,
        generation = meta.generation,
    );
    // Whoever may not write reconciles nothing; the process is about to end.
    if stop.is_requested() || ctx.gate.check().is_err() {
        return Ok(Action::await_change());
    }
    if ctx.freshness.is_stale(meta) {
        return Ok(Action::requeue(CATCH_UP));
    }
    if meta.deletion_timestamp.is_some() && !finalizer::is_on(object.as_ref()) {
        return Ok(Action::await_change());
    }
    Ok(measured::<R>(object, ctx, &backoff).instrument(span).await)
}

async fn measured<R: Reconciler>(
    object: Arc<R::Object>,
    ctx: Arc<Context>,
    backoff: &Failures<R>,
) -> Action {
    let controller = R::Object::NAME;
    let key = ObjectRef::from_obj(object.as_ref());
    let generation = object.meta().generation;
    let active = ctx.metrics.reconcile_started(controller);
    let start = Instant::now();
    let deadline = ctx.settings.reconcile_deadline;
    let work = attempt::<R>(object, Arc::clone(&ctx));
    let result = match tokio::time::timeout(deadline, work).await {
        Ok(result) => result,
        Err(_) => Err(Error::Deadline(deadline)),
    };
    drop(active);
    let retry = |category: Category| {
        ctx.metrics.reconcile_failed(controller, category);
        backoff.fail(key.clone(), generation)
    };
    let (ending, action) = match &result {
        Ok(Next::Again { category }) => {
            let delay = retry(*category);
            tracing::debug!(category = category.as_str(), ?delay, "not there yet");
            (Ending::Requeue, Action::requeue(delay))
        }
        Ok(next) => {
            backoff.reset(&key);
            tracing::debug!(?next, "reconciled");
            let action = match next {
                Next::After(delay) => Action::requeue(jittered(*delay)),
                _ => Action::await_change(),
            };
            (Ending::Success, action)
        }
        Err(error) => {
            let category = error.category();
            let delay = retry(category);
            let error = error as &dyn std::error::Error;
            if category == Category::Conflict {
                tracing::debug!(error, ?delay, "somebody else wrote meanwhile, trying again");
            } else {
                tracing::warn!(error, ?delay, "reconcile failed, trying again");
            }
            (Ending::Error, Action::requeue(delay))
        }
    };
    ctx.metrics.reconciled(controller, ending, start.elapsed());
    action
}

/// The finalizer first, so that nothing is done outside that would be forgotten.
async fn attempt<R: Reconciler>(object: Arc<R::Object>, ctx: Arc<Context>) -> Result<Next, Error> {
    let deleting = object.meta().deletion_timestamp.is_some();
    let object = if deleting || finalizer::is_on(object.as_ref()) {
        object
    } else {
        match finalizer::add(&ctx, object.as_ref()).await? {
            Some(object) => Arc::new(object),
            None => return Ok(Next::AwaitChange),
        }
    };
    let next = R::reconcile(Arc::clone(&object), Arc::clone(&ctx)).await?;
    if next == Next::LetGo && deleting {
        finalizer::remove(&ctx, object.as_ref()).await?;
    }
    Ok(next)
}
