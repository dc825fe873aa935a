//! Secrets that Drover makes. They belong to nobody: they outlive what they were made for.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api,
    api::{ObjectMeta, Patch, PatchParams, PostParams},
};
use secrecy::{ExposeSecret as _, SecretSlice};
use serde_json::json;

use super::call;
use crate::{api::FIELD_MANAGER, context::Context, error::Error};

/// A Secret that is to be made.
#[derive(Debug)]
pub struct NewSecret {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// What is in it.
    pub data: BTreeMap<String, SecretSlice<u8>>,
}

/// Makes a Secret, and never overwrites one. Returns whether it was made: where another one is there
/// by now, that is the one to use.
///
/// # Errors
/// When this process may not write, or the API server does not take it.
pub async fn create(ctx: &Context, new: NewSecret) -> Result<bool, Error> {
    let NewSecret { namespace, name, labels, annotations, data } = new;
    let api: Api<Secret> = Api::namespaced(ctx.client.clone(), &namespace);
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            labels: Some(labels),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        },
        data: Some(
            data.into_iter()
                .map(|(key, value)| (key, ByteString(value.expose_secret().to_vec())))
                .collect(),
        ),
        ..Secret::default()
    };
    ctx.gate.check()?;
    let parameters =
        PostParams { field_manager: Some(FIELD_MANAGER.into()), ..PostParams::default() };
    let attempt = || format!("make Secret {namespace}/{name}");
    match call(attempt, api.create(&parameters, &secret)).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_conflict() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Sets an annotation of the Secret with this `uid`, or takes it away where there is no `value`, and leaves
/// all else of it alone; one that is gone, or another one by now, is left so.
///
/// # Errors
/// When this process may not write, or the API server does not take it.
pub async fn annotate(
    ctx: &Context,
    (namespace, name, uid): (&str, &str, &str),
    (annotation, value): (&str, Option<&str>),
) -> Result<(), Error> {
    let api: Api<Secret> = Api::namespaced(ctx.client.clone(), namespace);
    ctx.gate.check()?;
    // What was judged is what is written to: another uid is not taken.
    let patch = json!({ "metadata": { "uid": uid, "annotations": { annotation: value } } });
    let parameters =
        PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
    let attempt = || format!("annotate Secret {namespace}/{name}");
    match call(attempt, api.patch_metadata(name, &parameters, &Patch::Merge(&patch))).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_not_found() || error.is_conflict() => Ok(()),
        // The API server's word for another uid.
        Err(error) if error.code() == Some(422) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::kubernetes::scripted::api_server;

    fn new() -> NewSecret {
        let pair = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        NewSecret {
            namespace: "ns".into(),
            name: "logs-admin".into(),
            labels: pair("label", "drover"),
            annotations: pair("annotation", "logs"),
            data: [("password".to_owned(), SecretSlice::from(b"foo".to_vec()))].into(),
        }
    }

    #[tokio::test]
    async fn a_secret_is_made_without_an_owner_and_never_over_another_one() {
        let (client, mut script) = api_server();
        let ctx = Context::for_tests(client);
        let (made, ()) = tokio::join!(create(&ctx, new()), async {
            let asked = script.next().await;
            assert_eq!(asked.method, Method::POST);
            assert!(asked.target.starts_with("/api/v1/namespaces/ns/secrets?"), "{}", asked.target);
            assert_eq!(asked.body["metadata"]["annotations"]["annotation"], "logs");
            assert!(asked.body["metadata"]["ownerReferences"].is_null());
            assert_eq!(asked.body["data"]["password"], "Zm9v");
            let stored = asked.body.clone();
            asked.answer(&stored);
        });
        assert!(made.unwrap());
        let (made, ()) = tokio::join!(create(&ctx, new()), async {
            script.next().await.refuse(409, "AlreadyExists");
        });
        assert!(!made.unwrap(), "the other one is the one to use");
    }

    #[tokio::test]
    async fn only_the_annotation_is_written_and_only_to_the_secret_that_was_judged() {
        let (client, mut script) = api_server();
        let ctx = Context::for_tests(client);
        let place = ("ns", "logs-ca", "uid-1");
        for (value, refusal) in [(Some("b"), (404, "NotFound")), (None, (422, "Invalid"))] {
            let (done, ()) = tokio::join!(annotate(&ctx, place, ("a", value)), async {
                let asked = script.next().await;
                assert_eq!(asked.method, Method::PATCH);
                let metadata = json!({ "uid": "uid-1", "annotations": { "a": value } });
                assert_eq!(asked.body, json!({ "metadata": metadata }));
                asked.refuse(refusal.0, refusal.1);
            });
            done.unwrap();
        }
    }

    #[tokio::test]
    async fn a_process_that_may_not_write_makes_nothing() {
        let (client, script) = api_server();
        drop(script);
        let ctx = Context::for_tests(client);
        ctx.gate.close();
        create(&ctx, new()).await.unwrap_err();
        annotate(&ctx, ("ns", "logs-ca", "uid-1"), ("a", Some("b"))).await.unwrap_err();
    }
}
