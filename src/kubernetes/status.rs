//! The one way in which a status is written.

use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde::Serialize;
use serde_json::json;

use super::{Kind, call, title};
use crate::{api::FIELD_MANAGER, context::Context, error::Error};

/// Writes `status` by server-side apply, unless `object` carries it already. Returns whether it was
/// written: an object that is gone needs none.
///
/// # Errors
/// When this process may not write, or the API server does not take it; with a conflict where
/// another object bears the name by now.
pub async fn write<K: Kind>(ctx: &Context, object: &K, status: &K::Status) -> Result<bool, Error> {
    if object.status().is_some_and(|it| same(it, status)) {
        return Ok(false);
    }
    ctx.gate.check()?;
    let meta = object.meta();
    let name = meta.name.as_deref().unwrap_or_default();
    let namespace = meta.namespace.as_deref().unwrap_or_default();
    // The uid makes the API server refuse when another object bears the name by now.
    let patch = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": { "name": name, "namespace": namespace, "uid": meta.uid },
        "status": status,
    });
    let api: Api<K> = Api::namespaced(ctx.client.clone(), namespace);
    // Force: the conditions are ours, whoever else wrote one under this status.
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    let answer = call(
        || format!("write the status of {}", title(object)),
        api.patch_status(name, &parameters, &Patch::Apply(&patch)),
    )
    .await;
    match answer {
        Ok(written) => {
            ctx.freshness.wrote(written.meta());
            ctx.metrics.status_written(K::NAME, "success");
            Ok(true)
        }
        Err(error) if error.is_not_found() => {
            ctx.metrics.status_written(K::NAME, "gone");
            Ok(false)
        }
        Err(error) => {
            ctx.metrics.status_written(K::NAME, "error");
            Err(error.into())
        }
    }
}

/// Compared as they are sent: what is left out and what is empty may be one and the same.
fn same(stored: &impl Serialize, wanted: &impl Serialize) -> bool {
    match (serde_json::to_vec(stored), serde_json::to_vec(wanted)) {
        (Ok(stored), Ok(wanted)) => stored == wanted,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        api::index::{Index, IndexStatus},
        error::Category,
        gate::WriteGate,
        kubernetes::scripted::{Script, api_server},
    };

    fn index() -> Index {
        let index = json!({
            "metadata": { "name": "a", "namespace": "ns", "uid": "u", "resourceVersion": "5" },
            "spec": { "clusterRef": { "name": "es" } },
            "status": { "uuid": "one" },
        });
        serde_json::from_value(index).unwrap()
    }

    fn status(uuid: &str) -> IndexStatus {
        IndexStatus { uuid: Some(uuid.into()), ..IndexStatus::default() }
    }

    fn context() -> (Context, Script) {
        let (client, script) = api_server();
        (Context::for_tests(client), script)
    }

    #[tokio::test]
    async fn a_status_that_the_object_carries_already_is_not_written() {
        let (ctx, script) = context();
        drop(script);
        assert!(!write(&ctx, &index(), &status("one")).await.unwrap());
    }

    #[tokio::test]
    async fn a_new_status_is_applied_to_this_very_object_and_makes_older_copies_stale() {
        let (ctx, mut script) = context();
        let (index, status) = (index(), status("two"));
        let (written, ()) = tokio::join!(write(&ctx, &index, &status), async {
            let asked = script.next().await;
            assert_eq!(asked.method, Method::PATCH);
            let path = "/apis/drover.dev/v1alpha1/namespaces/ns/indices/a/status";
            assert_eq!(asked.target, format!("{path}?&force=true&fieldManager=drover"));
            assert_eq!(asked.content_type, "application/apply-patch+yaml");
            assert_eq!(asked.body["metadata"], json!({"name": "a", "namespace": "ns", "uid": "u"}));
            assert_eq!(asked.body["status"], json!({"conditions": [], "uuid": "two"}));
            assert_eq!(asked.body["spec"], Value::Null);
            let mut answer = serde_json::to_value(&index).unwrap();
            answer["metadata"]["resourceVersion"] = json!("6");
            asked.answer(&answer);
        });
        assert!(written.unwrap());
        assert!(ctx.freshness.is_stale(&index.metadata));
    }

    #[tokio::test]
    async fn an_object_that_is_gone_needs_no_status_and_a_refusal_is_told() {
        for (code, category) in [(404, None), (409, Some(Category::Conflict))] {
            let (ctx, mut script) = context();
            let (index, status) = (index(), status("two"));
            let (written, ()) = tokio::join!(write(&ctx, &index, &status), async {
                script.next().await.refuse(code, "Reason");
            });
            assert_eq!(written.as_ref().err().map(Error::category), category);
            assert!(!written.unwrap_or_default());
        }
    }

    #[tokio::test]
    async fn nothing_is_sent_when_this_process_may_not_write() {
        let (mut ctx, script) = context();
        drop(script);
        ctx.gate = WriteGate::shut();
        let error = write(&ctx, &index(), &status("two")).await.unwrap_err();
        assert_eq!(error.category(), Category::NotLeader);
    }
}
