//! The one way in which a status is written.

use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde::Serialize;
use serde_json::json;

use super::{Kind, call, title};
use crate::{api::FIELD_MANAGER, context::Context, error::Error};

/// How often a write is tried on a fresh version, when others write to the object meanwhile.
const TRIES: u32 = 3;

/// Writes `status` by server-side apply, unless `object` carries it already. Returns whether it was
/// written: an object that is gone, or was made again under its name, is left alone.
///
/// # Errors
/// When this process may not write, the API server does not take it, or others wrote to the object
/// at each try.
pub async fn write<K: Kind>(ctx: &Context, object: &K, status: &K::Status) -> Result<bool, Error> {
    // Nobody else writes it, so our own last write is what it goes on from.
    let version = ctx.freshness.newest(object.meta());
    write_within(ctx, object, status, version, TRIES).await
}

/// The same, but only to the version of the object that `status` was decided on: for a status that
/// says what is about to be done, and what was begun, which must not be lost to an older copy.
///
/// # Errors
/// As [`write()`]; a conflict also when anybody wrote to the object since.
pub async fn write_as_seen<K: Kind>(
    ctx: &Context,
    object: &K,
    status: &K::Status,
) -> Result<bool, Error> {
    write_within(ctx, object, status, object.meta().resource_version.clone(), 1).await
}

async fn write_within<K: Kind>(
    ctx: &Context,
    object: &K,
    status: &K::Status,
    version: Option<String>,
    tries: u32,
) -> Result<bool, Error> {
    if object.status().is_some_and(|it| same(it, status)) {
        return Ok(false);
    }
    let result = put(ctx, object, status, version, tries).await;
    let word = match &result {
        Ok(true) => "success",
        Ok(false) => "gone",
        Err(_) => "error",
    };
    ctx.metrics.status_written(K::NAME, word);
    result
}

async fn put<K: Kind>(
    ctx: &Context,
    object: &K,
    status: &K::Status,
    mut version: Option<String>,
    limit: u32,
) -> Result<bool, Error> {
    let meta = object.meta();
    let name = meta.name.as_deref().unwrap_or_default();
    let namespace = meta.namespace.as_deref().unwrap_or_default();
    let api: Api<K> = Api::namespaced(ctx.client.clone(), namespace);
    // Force: the status is ours, whoever else wrote to it.
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    // The API server does not compare the uid of a status that is applied. What keeps the status of
    // one object from another of its name is the version.
    let mut tries = 1;
    loop {
        ctx.gate.check()?;
        let patch = json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": { "name": name, "namespace": namespace, "resourceVersion": version },
            "status": status,
        });
        let answer = call(
            || format!("write the status of {}", title(object)),
            api.patch_status(name, &parameters, &Patch::Apply(&patch)),
        )
        .await;
        match answer {
            Ok(written) => {
                ctx.freshness.wrote(written.meta());
                return Ok(true);
            }
            Err(error) if error.is_not_found() => return Ok(false),
            Err(error) if error.is_conflict() && tries < limit => tries += 1,
            Err(error) => return Err(error.into()),
        }
        let read = call(|| format!("read {}", title(object)), api.get_metadata(name)).await;
        version = match read {
            Ok(fresh) if fresh.metadata.uid == meta.uid => fresh.metadata.resource_version,
            Ok(_) => return Ok(false),
            Err(error) if error.is_not_found() => return Ok(false),
            Err(error) => return Err(error.into()),
        };
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
    use kube::api::ObjectMeta;
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
            assert_eq!(
                asked.body["metadata"],
                json!({"name": "a", "namespace": "ns", "resourceVersion": "5"})
            );
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
    async fn an_object_that_others_changed_meanwhile_is_written_at_its_new_version() {
        let (ctx, mut script) = context();
        let (index, status) = (index(), status("two"));
        let (written, ()) = tokio::join!(write(&ctx, &index, &status), async {
            script.next().await.refuse(409, "Conflict");
            let asked = script.next().await;
            assert_eq!(asked.method, Method::GET);
            let mut fresh = serde_json::to_value(&index).unwrap();
            fresh["metadata"]["resourceVersion"] = json!("7");
            asked.answer(&fresh);
            let asked = script.next().await;
            assert_eq!(asked.body["metadata"]["resourceVersion"], "7");
            asked.answer(&fresh);
        });
        assert!(written.unwrap());
    }

    #[tokio::test]
    async fn a_status_that_says_what_is_to_be_done_is_not_written_to_another_version() {
        let (ctx, mut script) = context();
        let (index, status) = (index(), status("two"));
        let (written, ()) = tokio::join!(write_as_seen(&ctx, &index, &status), async {
            script.next().await.refuse(409, "Conflict");
        });
        assert_eq!(written.unwrap_err().category(), Category::Conflict);
    }

    #[tokio::test]
    async fn such_a_status_is_not_written_over_a_later_write_of_our_own_either() {
        let (ctx, mut script) = context();
        let (index, status) = (index(), status("two"));
        let later = ObjectMeta { resource_version: Some("9".into()), ..index.metadata.clone() };
        ctx.freshness.wrote(&later);
        let (written, ()) = tokio::join!(write_as_seen(&ctx, &index, &status), async {
            let asked = script.next().await;
            assert_eq!(asked.body["metadata"]["resourceVersion"], "5");
            asked.refuse(409, "Conflict");
        });
        assert_eq!(written.unwrap_err().category(), Category::Conflict);
    }

    #[tokio::test]
    async fn an_object_that_was_made_again_gets_no_status_of_its_former_life() {
        let (ctx, mut script) = context();
        let (index, status) = (index(), status("two"));
        let (written, ()) = tokio::join!(write(&ctx, &index, &status), async {
            script.next().await.refuse(409, "Conflict");
            let mut other = serde_json::to_value(&index).unwrap();
            other["metadata"]["uid"] = json!("v");
            script.next().await.answer(&other);
        });
        assert!(!written.unwrap());
    }

    #[tokio::test]
    async fn a_second_write_goes_on_from_our_own_first() {
        let (ctx, mut script) = context();
        let index = index();
        let first = ObjectMeta { resource_version: Some("6".into()), ..index.metadata.clone() };
        ctx.freshness.wrote(&first);
        let status = status("two");
        let (written, ()) = tokio::join!(write(&ctx, &index, &status), async {
            let asked = script.next().await;
            assert_eq!(asked.body["metadata"]["resourceVersion"], "6");
            asked.answer(&serde_json::to_value(&index).unwrap());
        });
        assert!(written.unwrap());
    }

    #[tokio::test]
    async fn an_object_that_is_gone_needs_no_status_and_a_refusal_is_told() {
        for (code, category) in [(404, None), (422, Some(Category::Invalid))] {
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
