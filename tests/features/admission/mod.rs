//! What the API server refuses before Drover ever sees it, with the field in the message.

mod cluster;
mod container_manager;
mod host;
mod host_key;
mod index;
mod network;
mod rollout;
mod status;

use std::{fmt::Write as _, fs, path::Path};

use serde_json::{Value, json};

use crate::world;

/// An object whose spec is another at a dotted path; an empty path leaves it as it is.
fn object(kind: &str, name: &str, mut spec: Value, path: &str, value: Value) -> Value {
    set(&mut spec, path, value);
    let metadata = json!({ "name": name });
    json!({ "apiVersion": "drover.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec })
}

/// Puts a value at a dotted path, unless that is empty.
fn set(spec: &mut Value, path: &str, value: Value) {
    let mut place = spec;
    for key in path.split('.').filter(|it| !it.is_empty()) {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[key];
    }
    if !path.is_empty() {
        *place = value;
    }
}

/// Each manifest is refused, with its field and its text in the message.
async fn refuses(cases: Vec<(Value, &str, &str)>) {
    let control_plane = world::control_plane().await;
    let namespace = control_plane.namespace("admission");
    let all = documents(cases.iter().map(|it| it.0.clone()).collect());
    let answer = control_plane.try_apply(&namespace, &all);
    let Err(told) = answer else { panic!("all were accepted:\n{all}") };
    // kubectl goes on after a refusal, and tells of each at the end, in their order.
    let told = told.replace("\nThe ", "\0The ").replace("\nError ", "\0Error ");
    let told: Vec<&str> = told.split('\0').collect();
    assert_eq!(told.len(), cases.len(), "refused of\n{all}\n{told:#?}");
    for (told, (manifest, field, text)) in told.iter().zip(cases) {
        assert!(told.contains(field), "the field '{field}' is not in: {told}\n{manifest}");
        assert!(told.contains(text), "'{text}' is not in: {told}\n{manifest}");
    }
}

/// Each manifest is taken.
async fn accepts(manifests: Vec<Value>) {
    let control_plane = world::control_plane().await;
    let namespace = control_plane.namespace("admission");
    let all = documents(manifests);
    let answer = control_plane.try_apply(&namespace, &all);
    assert!(answer.is_ok(), "{answer:?} of\n{all}");
}

/// One document after the other, each object under a name of its own.
fn documents(mut manifests: Vec<Value>) -> String {
    for (at, manifest) in manifests.iter_mut().enumerate() {
        manifest["metadata"]["name"] = json!(format!("number-{at}"));
    }
    let documents: Vec<String> = manifests.iter().map(|it| ascii(&it.to_string())).collect();
    documents.join("\n---\n")
}

/// JSON in ASCII alone: YAML takes fewer characters than JSON does.
fn ascii(json: &str) -> String {
    json.chars().fold(String::new(), |mut text, it| {
        if (' '..='~').contains(&it) {
            text.push(it);
            return text;
        }
        for unit in it.encode_utf16(&mut [0; 2]) {
            // Writing to a string can't fail.
            let _ = write!(text, "\\u{unit:04x}");
        }
        text
    })
}

#[tokio::test]
async fn every_field_is_explained_and_every_kind_is_listed_by_the_category() {
    let control_plane = world::control_plane().await;
    let namespace = control_plane.namespace("explain");
    let explained = [
        "clusters.spec.connection",
        "clusters.status",
        "hosts.spec.hostKey",
        "hosts.spec.jumpHosts",
        "hosts.status.facts",
        "hosts.status.operation",
        "networks.spec.options.config.backend",
        "networks.status",
        "containermanagers.spec.options.auth",
        "containermanagers.status",
        "indices.spec",
        "indices.status",
    ];
    for path in explained {
        let text = control_plane.kubectl(&["explain", path], "");
        assert!(!text.contains("<no description>"), "{text}");
    }
    let kinds = [
        ("dcl", cluster::cluster("", Value::Null), "NAME READY HEALTH NODES VERSION HOSTS AGE"),
        ("dho", host::host("", Value::Null), "NAME READY STATE ADDRESS OS CLUSTER AGE"),
        ("dne", network::flannel("", Value::Null), "NAME READY TYPE HOSTS AGE"),
        (
            "dcm",
            container_manager::kubernetes("", Value::Null),
            "NAME READY TYPE VERSION NODES AGE",
        ),
        ("dix", index::index("", Value::Null), "NAME READY HEALTH CLUSTER DOCS SIZE AGE"),
    ];
    for (short, manifest, columns) in &kinds {
        control_plane.apply(&namespace, &manifest.to_string());
        let list = control_plane.kubectl(&["get", short, "-n", &namespace], "");
        let head: Vec<&str> = list.lines().next().unwrap_or_default().split_whitespace().collect();
        assert_eq!(head.join(" "), *columns);
    }
    let list = control_plane.kubectl(&["get", "drover", "-n", &namespace, "-o", "name"], "");
    assert_eq!(list.lines().count(), kinds.len(), "{list}");
}

#[tokio::test]
async fn every_example_is_taken() {
    let control_plane = world::control_plane().await;
    let namespace = control_plane.namespace("examples");
    let mut kinds = Vec::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "yaml") {
            let taken = control_plane.apply(&namespace, &fs::read_to_string(path).unwrap());
            let lines = taken.lines();
            kinds.extend(lines.map(|it| it.split('/').next().unwrap_or_default().to_owned()));
        }
    }
    for crd in drover::api::all_crds() {
        let kind = format!("{}.drover.dev", crd.spec.names.singular.unwrap());
        assert!(kinds.contains(&kind), "no example of {kind} among {kinds:?}");
    }
}
