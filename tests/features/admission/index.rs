//! What the API server refuses in an Index.

use serde_json::{Value, json};

use super::{accepts, object, refuses};
use crate::world;

pub fn index(path: &str, value: Value) -> Value {
    object("Index", "books", json!({ "clusterRef": { "name": "es" } }), path, value)
}

#[tokio::test]
async fn index_names_that_elasticsearch_forbids_are_refused() {
    let named = |name: &str| index("name", json!(name));
    let field = "spec.name";
    refuses(vec![
        (named(""), field, "at least 1"),
        (named("Books"), field, "lower case"),
        (named("livre-É"), field, "lower case"),
        (named("_x"), field, "begin"),
        (named("-x"), field, "begin"),
        (named("+x"), field, "begin"),
        (named("."), field, "'.'"),
        (named(".."), field, "'.'"),
        (named(".kibana"), field, "'.'"),
        (named("a,b"), field, "contain"),
        (named("*"), field, "contain"),
        (named("a/b"), field, "contain"),
        (named("a\\b"), field, "contain"),
        (named("a b"), field, "contain"),
        (named("a\"b"), field, "contain"),
        (named("a<b"), field, "contain"),
        (named("a|b"), field, "contain"),
        (named("a?b"), field, "contain"),
        (named("a#b"), field, "contain"),
        (named("a:b"), field, "contain"),
        (named("a\nb"), field, "contain"),
        (named(&"é".repeat(128)), field, "255 bytes"),
        (named(&"x".repeat(256)), field, "Too long"),
    ])
    .await;
    accepts(vec![
        named(&"x".repeat(255)),
        named(&"é".repeat(127)),
        named("a.b-c_d+e"),
        named("日本"),
    ])
    .await;
}

#[tokio::test]
async fn an_index_with_unknown_words_is_refused() {
    refuses(vec![
        (index("state", json!("Ajar")), "spec.state", "supported values"),
        (index("adoptionPolicy", json!("Maybe")), "spec.adoptionPolicy", "supported values"),
        (index("deletionPolicy", json!("delete")), "spec.deletionPolicy", "supported values"),
        (index("mode", json!("DryRun")), "spec.mode", "supported values"),
        (index("driftPolicy", json!("Ignore")), "spec.driftPolicy", "supported values"),
        (index("clusterRef", json!({})), "spec.clusterRef.name", "Required"),
        (
            index("clusterRef", json!({"name": "es", "namespace": "x"})),
            "namespace",
            "unknown field",
        ),
        (index("settings", json!("x")), "spec.settings", "object"),
        (index("replicas", json!(1)), "replicas", "unknown field"),
    ])
    .await;
}

#[tokio::test]
async fn the_cluster_and_the_name_of_an_index_can_not_be_changed() {
    let control_plane = world::control_plane().await;
    let namespace = control_plane.namespace("admission");
    let apply = |manifest: Value| control_plane.try_apply(&namespace, &manifest.to_string());
    apply(index("", Value::Null)).unwrap();
    let message = apply(index("clusterRef", json!({ "name": "other" }))).unwrap_err();
    assert!(message.contains("spec.clusterRef"), "{message}");
    let message = apply(index("name", json!("other"))).unwrap_err();
    assert!(message.contains("spec.name") && message.contains("can't be changed"), "{message}");
    // Naming what is already the name changes nothing.
    apply(index("name", json!("books"))).unwrap();
    apply(index("", Value::Null)).unwrap();
    apply(index("mode", json!("Plan"))).unwrap();
}
