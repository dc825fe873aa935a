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
    chain::chain,
    context::Context,
    error::{Category, Error},
    kubernetes::{Kind, finalizer},
    shutdown::Stop,
    telemetry::metrics::Ending,
};

/// How long until a copy that is older than our own last write is looked at again.
const CATCH_UP: Duration = Duration::from_millis(100);

/// How long until a process that may not write looks whether it may again.
const SHUT: Duration = Duration::from_secs(1);

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
        // Not `name`: in JSON that is the name of the span.
        object = meta.name,
        generation = meta.generation,
    );
    if stop.is_requested() {
        return Ok(Action::await_change());
    }
    // Either the process is about to end, or the Lease is about to be renewed.
    if ctx.gate.check().is_err() {
        return Ok(Action::requeue(SHUT));
    }
    // An object that is not in its store yet is not absent: nothing is decided on half a world.
    if !*ctx.stores.filled.borrow() || ctx.freshness.is_stale(meta) {
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
            // A look that had nothing to go by says nothing of whether the last failure is over.
            if !matches!(next, Next::Hold(_)) {
                backoff.reset(&key);
            }
            tracing::debug!(?next, "reconciled");
            let action = match next {
                Next::After(delay) | Next::Stalled(delay) | Next::Hold(delay) => {
                    Action::requeue(jittered(*delay))
                }
                _ => Action::await_change(),
            };
            let stalled = matches!(next, Next::Stalled(_));
            (if stalled { Ending::Terminal } else { Ending::Success }, action)
        }
        Err(error) => {
            let category = error.category();
            let delay = retry(category);
            let error = chain(error);
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

#[cfg(test)]
mod tests {
    use http::Method;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        api::{FINALIZER, index::Index},
        gate::WriteGate,
        kubernetes::scripted::{Script, api_server},
        shutdown,
    };

    /// Does what the annotation `does` of the object says.
    struct Obedient;

    impl Reconciler for Obedient {
        type Object = Index;

        async fn reconcile(index: Arc<Index>, _: Arc<Context>) -> Result<Next, Error> {
            assert!(finalizer::is_on(index.as_ref()), "held before it is worked on");
            let does = index.metadata.annotations.iter().flatten().next();
            match does.map_or("", |(_, does)| does) {
                "let go" => Ok(Next::LetGo),
                "hang" => std::future::pending().await,
                "stall" => Ok(Next::Stalled(Duration::from_mins(5))),
                "wait" => Ok(Next::Again { category: Category::Unavailable }),
                _ => Ok(Next::AwaitChange),
            }
        }
    }

    fn index(does: &str, finalizers: &[&str]) -> Index {
        let index = json!({
            "metadata": {
                "name": "a", "namespace": "ns", "uid": "u", "resourceVersion": "5",
                "annotations": { "does": does }, "finalizers": finalizers,
            },
            "spec": { "clusterRef": { "name": "es" } },
        });
        serde_json::from_value(index).unwrap()
    }

    fn deleting(does: &str, finalizers: &[&str]) -> Index {
        let mut index = index(does, finalizers);
        let then = k8s_openapi::jiff::Timestamp::UNIX_EPOCH;
        index.metadata.deletion_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(then));
        index
    }

    struct Bed {
        ctx: Arc<Context>,
        script: Script,
    }

    fn bed() -> Bed {
        let (client, script) = api_server();
        Bed { ctx: Arc::new(Context::for_tests(client)), script }
    }

    async fn reconcile(ctx: &Arc<Context>, index: Index) -> Action {
        let (_stopper, stop) = shutdown::channel();
        let result = once::<Obedient>(Arc::new(index), Arc::clone(ctx), Arc::default(), stop).await;
        result.unwrap()
    }

    /// Everything but waiting for a change is a time.
    fn is_retry(action: &Action) -> bool {
        *action != Action::await_change()
    }

    fn metadata(finalizers: &[&str], version: &str) -> Value {
        json!({
            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
            "metadata": {
                "name": "a", "namespace": "ns", "uid": "u", "resourceVersion": version,
                "finalizers": finalizers, "deletionTimestamp": "2026-01-01T00:00:00Z",
            },
        })
    }

    #[tokio::test]
    async fn a_new_object_is_held_before_it_is_worked_on_and_the_marks_of_others_stay() {
        let Bed { ctx, mut script } = bed();
        let (action, ()) = tokio::join!(reconcile(&ctx, index("", &["other"])), async {
            let asked = script.next().await;
            assert_eq!(asked.method, Method::PATCH);
            assert_eq!(asked.content_type, "application/merge-patch+json");
            assert_eq!(
                asked.body["metadata"],
                json!({"uid": "u", "resourceVersion": "5", "finalizers": ["other", FINALIZER]})
            );
            asked.answer(&metadata(&["other", FINALIZER], "6"));
        });
        assert_eq!(action, Action::await_change());
    }

    #[tokio::test]
    async fn an_object_that_changed_meanwhile_is_not_worked_on_but_tried_again() {
        let Bed { ctx, mut script } = bed();
        let (action, ()) = tokio::join!(reconcile(&ctx, index("", &[])), async {
            script.next().await.refuse(409, "Conflict");
        });
        assert!(is_retry(&action));
    }

    #[tokio::test]
    async fn an_object_that_went_before_it_was_held_is_left() {
        let Bed { ctx, mut script } = bed();
        let (action, ()) = tokio::join!(reconcile(&ctx, index("", &[])), async {
            script.next().await.refuse(404, "NotFound");
        });
        assert_eq!(action, Action::await_change());
    }

    #[tokio::test]
    async fn letting_go_takes_our_mark_off_a_fresh_copy_until_nobody_wrote_meanwhile() {
        let Bed { ctx, mut script } = bed();
        let (action, ()) = tokio::join!(reconcile(&ctx, deleting("let go", &[FINALIZER])), async {
            for version in ["7", "8"] {
                let asked = script.next().await;
                assert_eq!(asked.method, Method::GET);
                asked.answer(&metadata(&["late", FINALIZER], version));
                let asked = script.next().await;
                assert_eq!(
                    asked.body["metadata"],
                    json!({"uid": "u", "resourceVersion": version, "finalizers": ["late"]})
                );
                match version {
                    "7" => asked.refuse(409, "Conflict"),
                    _ => asked.answer(&metadata(&["late"], "9")),
                }
            }
        });
        assert_eq!(action, Action::await_change());
    }

    #[tokio::test]
    async fn an_object_of_another_life_is_not_let_go() {
        let Bed { ctx, mut script } = bed();
        let (action, ()) = tokio::join!(reconcile(&ctx, deleting("let go", &[FINALIZER])), async {
            let mut other = metadata(&[FINALIZER], "7");
            other["metadata"]["uid"] = json!("v");
            script.next().await.answer(&other);
        });
        assert_eq!(action, Action::await_change());
    }

    #[tokio::test]
    async fn an_object_that_goes_without_our_mark_is_none_of_ours() {
        let Bed { ctx, script } = bed();
        drop(script);
        let action = reconcile(&ctx, deleting("let go", &["other"])).await;
        assert_eq!(action, Action::await_change());
    }

    #[tokio::test]
    async fn nothing_is_done_by_a_process_that_may_not_write_or_shall_stop() {
        let (client, script) = api_server();
        drop(script);
        let mut ctx = Context::for_tests(client);
        ctx.gate = WriteGate::shut();
        assert_eq!(reconcile(&Arc::new(ctx), index("", &[])).await, Action::requeue(SHUT));

        let (stopper, stop) = shutdown::channel();
        stopper.stop();
        let Bed { ctx, script } = bed();
        drop(script);
        let action = once::<Obedient>(Arc::new(index("", &[])), ctx, Arc::default(), stop).await;
        assert_eq!(action.unwrap(), Action::await_change());
    }

    #[tokio::test(start_paused = true)]
    async fn a_reconcile_that_hangs_gives_its_place_back_at_the_deadline() {
        let Bed { ctx, script: _script } = bed();
        let start = tokio::time::Instant::now();
        let action = reconcile(&ctx, index("hang", &[FINALIZER])).await;
        assert_eq!(start.elapsed(), ctx.settings.reconcile_deadline);
        assert!(is_retry(&action));
        let text = ctx.metrics.encode();
        assert!(
            text.contains(r#"errors_total{controller="index",category="Timeout"} 1"#),
            "{text}"
        );
        assert!(text.contains(r#"drover_active_reconciles{controller="index"} 0"#), "{text}");
    }

    #[tokio::test]
    async fn what_has_to_come_right_outside_is_tried_again_and_counted() {
        let Bed { ctx, script: _script } = bed();
        assert!(is_retry(&reconcile(&ctx, index("wait", &[FINALIZER])).await));
        let text = ctx.metrics.encode();
        assert!(text.contains(r#"{controller="index",result="requeue"} 1"#), "{text}");
        assert!(text.contains(r#"{controller="index",category="Unavailable"} 1"#), "{text}");
    }

    #[tokio::test]
    async fn what_a_person_must_act_on_is_counted_apart_and_looked_at_again_all_the_same() {
        let Bed { ctx, script: _script } = bed();
        assert!(is_retry(&reconcile(&ctx, index("stall", &[FINALIZER])).await));
        let text = ctx.metrics.encode();
        assert!(text.contains(r#"{controller="index",result="terminal"} 1"#), "{text}");
        assert!(!text.contains("result=\"success\""), "{text}");
    }

    #[tokio::test]
    async fn a_copy_from_before_our_own_write_is_waited_out() {
        let Bed { ctx, script } = bed();
        drop(script);
        let mut newer = index("", &[FINALIZER]);
        newer.metadata.resource_version = Some("6".into());
        ctx.freshness.wrote(&newer.metadata);
        let action = reconcile(&ctx, index("", &[FINALIZER])).await;
        assert_eq!(action, Action::requeue(CATCH_UP));
        assert_eq!(reconcile(&ctx, newer).await, Action::await_change());
    }
}
