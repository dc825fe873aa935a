//! What the API server refuses before Drover ever sees it, with the field in the message.

use drover::elasticsearch::names::new_index_problem;
use serde_json::{Value, json};

use crate::world;

/// Sets the value at a dotted path, making objects on the way.
fn set(object: &mut Value, path: &str, value: Value) {
    let mut place = object;
    for key in path.split('.') {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[key];
    }
    *place = value;
}

fn cluster(path: &str, value: Value) -> Value {
    let mut object = json!({
        "apiVersion": "drover.dev/v1alpha1",
        "kind": "Cluster",
        "metadata": { "name": "es" },
        "spec": { "connection": { "endpoints": ["https://es.example:9200"] } },
    });
    if !path.is_empty() {
        set(&mut object["spec"], path, value);
    }
    object
}

fn index(path: &str, value: Value) -> Value {
    let mut object = json!({
        "apiVersion": "drover.dev/v1alpha1",
        "kind": "Index",
        "metadata": { "name": "books" },
        "spec": { "clusterRef": { "name": "es" } },
    });
    if !path.is_empty() {
        set(&mut object["spec"], path, value);
    }
    object
}

async fn refuses(cases: Vec<(Value, &str, &str)>) {
    let control_plane = world::control_plane().await;
    let namespace = control_plane.namespace("admission");
    for (manifest, field, text) in cases {
        let answer = control_plane.try_apply(&namespace, &manifest.to_string());
        let Err(message) = answer else { panic!("accepted: {manifest}") };
        assert!(message.contains(field), "the field '{field}' is not in: {message}");
        assert!(message.contains(text), "'{text}' is not in: {message}");
    }
}

async fn accepts(manifests: Vec<Value>) {
    let control_plane = world::control_plane().await;
    for manifest in manifests {
        let namespace = control_plane.namespace("admission");
        let answer = control_plane.try_apply(&namespace, &manifest.to_string());
        assert!(answer.is_ok(), "{manifest}: {answer:?}");
    }
}

#[tokio::test]
async fn a_cluster_with_no_usable_endpoint_is_refused() {
    let endpoints = "spec.connection.endpoints";
    let at = |value: &str| cluster("connection.endpoints", json!([value]));
    refuses(vec![
        (cluster("connection.endpoints", json!([])), endpoints, "at least 1"),
        (cluster("connection", json!({})), endpoints, "Required"),
        (cluster("connection", Value::Null), "spec.connection", "Required"),
        (at(""), endpoints, "at least 1"),
        (at("es.example:9200"), endpoints, "http or https"),
        (at("ftp://es.example"), endpoints, "http or https"),
        (at("https://"), endpoints, "http or https"),
        (at("https://user:secret@es.example:9200"), endpoints, "user-info"),
        (at("https://es.example:9200/prefix"), endpoints, "path"),
        (at("https://es.example:99999"), endpoints, "port from 1 to 65535"),
        (at("https://es.example:0"), endpoints, "port from 1 to 65535"),
        (at("https://es.example:99999999999999999999"), endpoints, "port from 1 to 65535"),
        (at("https://es.example:9200?pretty"), endpoints, "query"),
        (at("https://es.example:9200/#x"), endpoints, "fragment"),
        (cluster("connection.endpoints", json!(vec!["https://es"; 33])), endpoints, "at most 32"),
    ])
    .await;
}

#[tokio::test]
async fn a_cluster_with_two_kinds_of_credentials_or_none_of_a_kind_is_refused() {
    let secret = json!({ "secretName": "s" });
    let auth = "spec.connection.auth";
    let text = "exactly one of";
    refuses(vec![
        (cluster("connection.auth", json!({"basic": secret, "apiKey": secret})), auth, text),
        (
            cluster("connection.auth", json!({"bearer": secret, "clientCertificate": secret})),
            auth,
            text,
        ),
        (cluster("connection.auth", json!({})), auth, text),
        (cluster("connection.auth", json!({"basic": null})), auth, text),
        (cluster("connection.auth", json!({"basic": {}})), "auth.basic.secretName", "Required"),
        (
            cluster("connection.auth", json!({"basic": {"secretName": "No!"}})),
            "secretName",
            "match",
        ),
        (
            cluster("connection.auth", json!({"basic": {"secretName": "s", "namespace": "other"}})),
            "namespace",
            "unknown field",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_cluster_with_bad_tls_timeout_or_uuid_is_refused() {
    let timeout = "spec.connection.timeout";
    let tls = "spec.connection.tls";
    let at = |value: &str| cluster("connection.timeout", json!(value));
    let fingerprint = |value: &str| cluster("connection.tls", json!({ "fingerprint": value }));
    refuses(vec![
        (at(""), timeout, "duration"),
        (at("soon"), timeout, "duration"),
        (at("10"), timeout, "duration"),
        (at("-5s"), timeout, "duration"),
        (at("1.5s"), timeout, "duration"),
        (at("10ms"), timeout, "from '100ms' to '5m'"),
        (at("1h"), timeout, "from '100ms' to '5m'"),
        (cluster("connection.timeout", json!(10)), timeout, "string"),
        (fingerprint("abc"), "tls.fingerprint", "SHA-256"),
        (fingerprint(&"zz".repeat(32)), "tls.fingerprint", "SHA-256"),
        (fingerprint(&"ab".repeat(20)), "tls.fingerprint", "SHA-256"),
        (cluster("connection.tls", json!({"ca": {}})), "tls.ca", "exactly one of"),
        (
            cluster("connection.tls", json!({"ca": {"secretName": "a", "configMapName": "b"}})),
            "tls.ca",
            "exactly one of",
        ),
        (cluster("connection.tls", json!({"serverName": "a b"})), tls, "DNS name"),
        (cluster("connection.tls", json!({"serverName": "a..b"})), tls, "DNS name"),
        (cluster("connection.tls", json!({"serverName": "-a"})), tls, "DNS name"),
        (cluster("connection.tls", json!({"serverName": ":1"})), tls, "DNS name"),
        (cluster("connection.tls", json!({"insecure": true})), "insecure", "unknown field"),
        (cluster("connection.expectedUuid", json!("")), "expectedUuid", "at least 1"),
    ])
    .await;
}

/// A Cluster with these endpoints, and one thing more.
fn at(endpoints: &[&str], path: &str, value: &Value) -> Value {
    let mut object = cluster("connection.endpoints", json!(endpoints));
    set(&mut object["spec"], path, value.clone());
    object
}

#[tokio::test]
async fn what_plain_http_would_ignore_is_refused() {
    let tls = json!({ "ca": { "configMapName": "c" } });
    let certificate = json!({ "clientCertificate": { "secretName": "s" } });
    let (plain, mixed) = (["http://a:9200", "HTTP://b"], ["https://a", "http://b:9200"]);
    let no_effect = "has no effect, since every endpoint is http";
    let every = "every endpoint must be https";
    let client = "spec.connection.auth.clientCertificate";
    refuses(vec![
        (at(&plain, "connection.tls", &tls), "spec.connection.tls", no_effect),
        (at(&plain, "connection.tls", &json!({})), "spec.connection.tls", no_effect),
        (at(&plain, "connection.auth", &certificate), client, every),
        (at(&mixed, "connection.auth", &certificate), client, every),
    ])
    .await;
    accepts(vec![
        at(&mixed, "connection.tls", &tls),
        at(&plain, "connection.auth", &json!({ "basic": { "secretName": "s" } })),
        at(&["https://a", "HTTPS://b"], "connection.auth", &certificate),
    ])
    .await;
}

#[tokio::test]
async fn what_a_cluster_may_say_is_accepted() {
    let secret = json!({ "secretName": "s" });
    accepts(vec![
        cluster("", Value::Null),
        cluster("connection.endpoints", json!(["http://127.0.0.1:9200", "https://[::1]:9200/"])),
        cluster("connection.auth", json!({ "apiKey": secret })),
        cluster("connection.auth", json!({ "bearer": secret })),
        cluster("connection.timeout", json!("1m30s")),
        cluster("connection.tls", json!({ "fingerprint": "AB:".repeat(31) + "ab" })),
        cluster("connection.tls", json!({ "ca": { "configMapName": "c" }, "serverName": "es" })),
        cluster("connection.tls", json!({ "serverName": "es-1.example" })),
        cluster("connection.tls", json!({ "serverName": "2001:db8::1" })),
        cluster("connection.endpoints", json!(["https://es:65535", "https://[::1]:1"])),
    ])
    .await;
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
        let answer = control_plane.try_apply(&namespace, &object.to_string());
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

#[tokio::test]
async fn every_field_is_explained_and_every_kind_is_listed_by_the_category() {
    let control_plane = world::control_plane().await;
    let namespace = control_plane.namespace("explain");
    for path in ["clusters.spec.connection", "indices.spec", "indices.status", "clusters.status"] {
        let text = control_plane.kubectl(&["explain", path], "");
        assert!(!text.contains("<no description>"), "{text}");
    }
    control_plane.apply(&namespace, &cluster("", Value::Null).to_string());
    control_plane.apply(&namespace, &index("", Value::Null).to_string());
    let list = control_plane.kubectl(&["get", "drover", "-n", &namespace], "");
    for word in ["READY", "HEALTH", "NODES", "VERSION", "AGE", "CLUSTER", "DOCS", "SIZE"] {
        assert!(list.contains(word), "{word} is not in: {list}");
    }
    for short in ["dcl", "dix"] {
        control_plane.kubectl(&["get", short, "-n", &namespace], "");
    }
}
