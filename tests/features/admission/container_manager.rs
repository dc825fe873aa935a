//! What the API server refuses in a `ContainerManager`.

use serde_json::{Value, json};

use super::{accepts, object, refuses};
use crate::world;

pub fn kubernetes(path: &str, value: Value) -> Value {
    let spec = json!({
        "type": "Kubernetes",
        "options": { "server": "https://kubernetes.example:6443" },
    });
    object("ContainerManager", "production", spec, path, value)
}

fn trivial(path: &str, value: Value) -> Value {
    object("ContainerManager", "trivial", json!({ "type": "Trivial" }), path, value)
}

#[tokio::test]
async fn a_container_manager_without_a_usable_server_is_refused() {
    let field = "spec.options.server";
    let set = "must be set for types 'Kubernetes' and 'OpenShift'";
    let at = |value: &str| kubernetes("options.server", json!(value));
    let openshift =
        object("ContainerManager", "openshift", json!({ "type": "OpenShift" }), "", Value::Null);
    refuses(vec![
        (kubernetes("options", Value::Null), field, set),
        (kubernetes("options", json!({})), field, set),
        (openshift, field, set),
        (at(""), field, "at least 1"),
        (at("kubernetes.example:6443"), field, "https URL"),
        (at("http://kubernetes.example:6443"), field, "https URL"),
        (at("HTTP://kubernetes.example:6443"), field, "https URL"),
        (at("https://"), field, "https URL"),
        (at("https://admin:secret@kubernetes.example"), field, "user-info"),
        (at("https://kubernetes.example?x"), field, "query"),
        (at("https://kubernetes.example/#x"), field, "fragment"),
        (at("https://a b"), field, "https URL"),
        (at(&format!("https://{}", "x".repeat(1024))), field, "Too long"),
    ])
    .await;
}

#[tokio::test]
async fn two_kinds_of_credentials_or_none_of_a_kind_are_refused() {
    let secret = json!({ "secretName": "s" });
    let auth = |value: Value| kubernetes("options.auth", value);
    let (field, text) = ("spec.options.auth", "exactly one of");
    refuses(vec![
        (auth(json!({})), field, text),
        (auth(json!({ "token": secret, "clientCertificate": secret })), field, text),
        (auth(json!({ "token": secret, "kubeconfig": secret })), field, text),
        (auth(json!({ "clientCertificate": secret, "kubeconfig": secret })), field, text),
        (
            auth(json!({ "token": secret, "clientCertificate": secret, "kubeconfig": secret })),
            field,
            text,
        ),
        (auth(json!({ "token": {} })), "spec.options.auth.token.secretName", "Required"),
        (auth(json!({ "token": { "secretName": "No!" } })), "auth.token.secretName", "match"),
        (
            auth(json!({ "token": { "secretName": "s", "key": "" } })),
            "spec.options.auth.token.key",
            "at least 1",
        ),
        (
            auth(json!({ "kubeconfig": { "secretName": "s", "namespace": "x" } })),
            "spec.options.auth.kubeconfig.namespace",
            "unknown field",
        ),
        (auth(json!({ "password": "x" })), "spec.options.auth.password", "unknown field"),
    ])
    .await;
}

#[tokio::test]
async fn a_trivial_container_manager_with_options_is_refused() {
    let (field, text) = ("spec.options", "may not be set for type 'Trivial'");
    let secret = json!({ "secretName": "s" });
    refuses(vec![
        (trivial("options", json!({})), field, text),
        (trivial("options", json!({ "server": "https://a" })), field, text),
        (trivial("options", json!({ "ca": secret })), field, text),
        (trivial("options", json!({ "auth": { "token": secret } })), field, text),
    ])
    .await;
}

#[tokio::test]
async fn a_container_manager_with_unknown_words_or_bad_references_is_refused() {
    let kind = |value: Value| kubernetes("type", value);
    let both = json!({ "secretName": "a", "configMapName": "b" });
    refuses(vec![
        (kind(json!("kubernetes")), "spec.type", "supported values"),
        (kind(json!("Nomad")), "spec.type", "supported values"),
        (kind(Value::Null), "spec.type", "Required"),
        (kubernetes("options.ca", both), "spec.options.ca", "exactly one of"),
        (kubernetes("options.ca", json!({})), "spec.options.ca", "exactly one of"),
        (
            kubernetes("options.ca", json!({ "secretName": "a", "namespace": "x" })),
            "spec.options.ca.namespace",
            "unknown field",
        ),
        (kubernetes("options.insecure", json!(true)), "spec.options.insecure", "unknown field"),
        (kubernetes("server", json!("https://a")), "spec.server", "unknown field"),
    ])
    .await;
}

#[tokio::test]
async fn what_a_container_manager_may_say_is_accepted() {
    let secret = json!({ "secretName": "s" });
    let named = json!({ "secretName": "s", "key": "config" });
    let auth = |value: Value| kubernetes("options.auth", value);
    accepts(vec![
        kubernetes("", Value::Null),
        kubernetes("type", json!("OpenShift")),
        trivial("", Value::Null),
        kubernetes("options.server", json!("https://[2001:db8::1]:6443")),
        kubernetes("options.server", json!("https://rancher.example/k8s/clusters/c-1")),
        kubernetes("options.ca", json!({ "configMapName": "ca", "key": "bundle.pem" })),
        auth(json!({ "token": secret })),
        auth(json!({ "clientCertificate": secret })),
        auth(json!({ "kubeconfig": secret })),
        auth(json!({ "kubeconfig": named })),
    ])
    .await;
}

#[tokio::test]
async fn the_type_of_a_container_manager_can_not_be_changed() {
    let control_plane = world::control_plane().await;
    let namespace = control_plane.namespace("admission");
    let apply = |manifest: Value| control_plane.try_apply(&namespace, &manifest.to_string());
    apply(kubernetes("", Value::Null)).unwrap();
    let message = apply(kubernetes("type", json!("OpenShift"))).unwrap_err();
    assert!(message.contains("spec.type") && message.contains("can't be changed"), "{message}");
    apply(kubernetes("options.server", json!("https://other.example:6443"))).unwrap();
    apply(kubernetes("options.auth", json!({ "token": { "secretName": "s" } }))).unwrap();
}
