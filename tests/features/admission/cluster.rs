//! What the API server refuses in a Cluster.

use serde_json::{Value, json};

use super::{accepts, object, refuses, set};

pub fn cluster(path: &str, value: Value) -> Value {
    let spec = json!({ "connection": { "endpoints": ["https://es.example:9200"] } });
    object("Cluster", "es", spec, path, value)
}

#[tokio::test]
async fn a_cluster_with_no_usable_endpoint_is_refused() {
    let endpoints = "spec.connection.endpoints";
    let at = |value: &str| cluster("connection.endpoints", json!([value]));
    refuses(vec![
        (cluster("connection.endpoints", json!([])), endpoints, "at least 1"),
        (cluster("connection", json!({})), endpoints, "Required"),
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
async fn a_cluster_that_names_no_object_of_its_namespace_is_refused() {
    for field in ["networkRef", "containerManagerRef"] {
        let path = format!("spec.{field}");
        let at = |value: Value| cluster(field, value);
        refuses(vec![
            (at(json!({})), &format!("{path}.name"), "Required"),
            (at(json!({ "name": "" })), &format!("{path}.name"), "at least 1"),
            (at(json!({ "name": "No!" })), &format!("{path}.name"), "match"),
            (at(json!({ "name": "n", "namespace": "x" })), "namespace", "unknown field"),
        ])
        .await;
    }
}

#[tokio::test]
async fn what_a_cluster_may_say_is_accepted() {
    let secret = json!({ "secretName": "s" });
    accepts(vec![
        cluster("", Value::Null),
        object("Cluster", "hosts", json!({}), "", Value::Null),
        cluster("networkRef", json!({ "name": "n" })),
        cluster("containerManagerRef", json!({ "name": "m" })),
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

const ARCHIVE: &str = "https://m.example/es-{version}-{arch}.tar.gz";

/// A Cluster for which Drover installs Elasticsearch.
fn managed(path: &str, value: Value) -> Value {
    let mut spec = json!({ "version": "8.19.0", "distribution": { "url": ARCHIVE } });
    set(&mut spec, path, value);
    cluster("elasticsearch", spec)
}

/// One with a group of nodes.
fn group(path: &str, value: Value) -> Value {
    let mut group = json!({ "name": "hot" });
    set(&mut group, path, value);
    managed("nodeGroups", json!([group]))
}

#[tokio::test]
async fn an_elasticsearch_that_could_not_be_installed_is_refused() {
    let url = |value: &str| managed("distribution.url", json!(value));
    let digests =
        |name: &str, digest: &str| managed("distribution.sha512", json!({ name: digest }));
    let digest = "aB".repeat(64);
    let place = "spec.elasticsearch";
    refuses(vec![
        (managed("unit", json!("es.service")), "elasticsearch.unit", "somebody else installed"),
        (cluster("elasticsearch", json!({ "version": "8.19.0" })), place, "needs `distribution`"),
        (
            cluster("elasticsearch", json!({ "distribution": { "url": ARCHIVE } })),
            "elasticsearch.distribution",
            "no effect without `version`",
        ),
        (managed("version", json!("8.19")), "elasticsearch.version", "all three numbers"),
        (managed("version", json!("7.16.3")), "elasticsearch.version", "from 7.17"),
        (managed("version", json!("8.19.0-SNAPSHOT")), "elasticsearch.version", "8.19.0"),
        (url("http://m.example/a.tar.gz"), "distribution.url", "needs `sha512`"),
        (url("ftp://m.example/a.tar.gz"), "distribution.url", "http or https"),
        (url("https://u:p@m.example/a.tar.gz"), "distribution.url", "no user-info"),
        (url("https://m.example/a.tar.gz?x=1"), "distribution.url", "query"),
        (url("https://m.example/$(id).tar.gz"), "distribution.url", "http or https"),
        (url("https://m.example/{other}.tar.gz"), "distribution.url", "http or https"),
        (
            managed("distribution.sha512Url", json!("http://m.example/a")),
            "distribution.sha512Url",
            "https URL",
        ),
        (digests("a.tar.gz", "abc"), "distribution.sha512", "128"),
        (digests("../a", &digest), "distribution.sha512", "names of files"),
        (managed("distribution.javaHome", json!("/a b")), "javaHome", "absolute path"),
        (managed("distribution.javaHome", json!("/a/../b")), "javaHome", "absolute path"),
        (cluster("deleteData", json!(true)), "spec.deleteData", "only with `deletionPolicy`"),
        (cluster("deletionPolicy", json!("Orphan")), "spec.deletionPolicy", "Unsupported value"),
        (cluster("mode", json!("Try")), "spec.mode", "Unsupported value"),
    ])
    .await;
    // Without a connection: it will be at the hosts.
    let mut alone = managed("", Value::Null);
    alone["spec"].as_object_mut().unwrap().remove("connection");
    let mut restarted = alone.clone();
    let restart = json!({ "requestId": "1", "target": "Elasticsearch" });
    set(&mut restarted, "spec.operations.restart", restart);
    let mut open = url("http://[::1]:8080/a/{version}/es-{version}-{arch}.tar.gz");
    let digest_url = json!("https://m.example/{version}.sha512");
    set(&mut open, "spec.elasticsearch.distribution.sha512Url", digest_url);
    let mut deleted = cluster("deletionPolicy", json!("Delete"));
    set(&mut deleted, "spec.deleteData", json!(true));
    let java = managed("distribution.javaHome", json!("/usr/lib/jvm/java-21"));
    accepts(vec![alone, restarted, open, deleted, digests("es-8.19.0.tar.gz", &digest), java])
        .await;
}

#[tokio::test]
async fn groups_of_nodes_that_could_not_be_are_refused() {
    let selector = |value: Value| group("hostSelector", value);
    let expression = |operator: &str, values: Value| {
        let one = json!({ "key": "k", "operator": operator, "values": values });
        selector(json!({ "matchExpressions": [one] }))
    };
    refuses(vec![
        (
            cluster("elasticsearch", json!({ "nodeGroups": [{ "name": "a" }] })),
            "elasticsearch.nodeGroups",
            "no effect without `version`",
        ),
        (group("name", json!("Hot!")), "nodeGroups[0].name", "match"),
        (group("roles", json!(["king"])), "nodeGroups[0].roles", "Unsupported value"),
        (group("roles", json!(["data", "data"])), "nodeGroups[0].roles", "Duplicate"),
        (group("heap", json!("4 GB")), "nodeGroups[0].heap", "megabytes or gigabytes"),
        (group("dataPath", json!("data")), "nodeGroups[0].dataPath", "absolute path"),
        (group("dataPath", json!("/")), "nodeGroups[0].dataPath", "at least 2"),
        (group("config", json!("text")), "nodeGroups[0].config", "object"),
        (selector(json!({})), "hostSelector", "must say something"),
        (expression("In", json!([])), "values", "must be set for In"),
        (expression("Exists", json!(["x"])), "values", "and for nothing else"),
        (
            managed("nodeGroups", json!([{ "name": "a" }, { "name": "b" }])),
            "elasticsearch.nodeGroups",
            "only one group",
        ),
        (
            managed("nodeGroups", json!([{ "name": "a" }, { "name": "a" }])),
            "nodeGroups[1]",
            "Duplicate",
        ),
    ])
    .await;
    accepts(vec![
        expression("NotIn", json!(["x"])),
        group("config", json!({ "node.attr": { "zone": "a" }, "a.b": [1] })),
        group("roles", json!([])),
        group("heap", json!("512m")),
    ])
    .await;
}

#[tokio::test]
async fn where_data_is_can_not_be_changed() {
    let control_plane = crate::world::control_plane().await;
    let namespace = control_plane.namespace("data-path");
    let with = |path: &str| {
        let groups = json!([{ "name": "a", "dataPath": path }]);
        let distribution = json!({ "url": "https://m.example/a.tar.gz" });
        let spec =
            json!({ "version": "8.19.0", "distribution": distribution, "nodeGroups": groups });
        cluster("elasticsearch", spec).to_string()
    };
    control_plane.apply(&namespace, &with("/srv/a"));
    control_plane.apply(&namespace, &with("/srv/a"));
    let refused = control_plane.try_apply(&namespace, &with("/srv/b")).unwrap_err();
    assert!(refused.contains("dataPath") && refused.contains("can't be changed"), "{refused}");
}
