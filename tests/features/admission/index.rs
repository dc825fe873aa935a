//! What the API server refuses in an Index.

use drover::elasticsearch::names::new_index_problem;
use serde_json::{Value, json};

use super::{accepts, ascii, object, refuses};
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
        (named("a\u{7f}"), field, "contain"),
        (named("a\u{80}b"), field, "contain"),
        (named("a\u{9f}"), field, "contain"),
        (named(&"é".repeat(128)), field, "255 bytes"),
        (named(&"x".repeat(256)), field, "Too long"),
    ])
    .await;
    accepts(vec![
        named(&"x".repeat(255)),
        named(&"é".repeat(127)),
        named("a.b-c_d+e"),
        named("日本"),
        named("a\u{a0}b"),
    ])
    .await;
}

#[tokio::test]
async fn admission_and_drover_refuse_the_same_names() {
    let control_plane = world::control_plane().await;
    let namespace = control_plane.namespace("admission");
    let odd = "\\/*?\"<>|,#:@%&='é~^ \t\u{1f}\u{20}\u{7e}\u{7f}\u{80}\u{85}\u{9f}\u{a0}\u{ad}";
    let mut names: Vec<String> = odd.chars().map(|it| format!("a{it}b")).collect();
    names.extend(["_a", "-a", "+a", ".a", "A", "a.", "a-"].map(str::to_owned));
    for name in names {
        // Under another name each time, since that of an index can't be changed.
        let mut object = index("name", json!(name));
        object["metadata"]["name"] = json!(escaped(&name));
        let answer = control_plane.try_apply(&namespace, &ascii(&object.to_string()));
        let ours = new_index_problem(&name);
        assert_eq!(answer.is_err(), ours.is_some(), "{name:?}: {answer:?}, {ours:?}");
    }
}

fn escaped(name: &str) -> String {
    let bytes: Vec<String> = name.bytes().map(|it| format!("{it:02x}")).collect();
    bytes.join("-")
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
