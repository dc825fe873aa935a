//! What the API server refuses of how hosts are taken out of service.

use serde_json::{Value, json};

use super::{accepts, cluster::cluster, object, refuses};

fn group(spec: Value) -> Value {
    object("Cluster", "es", spec, "", Value::Null)
}

#[tokio::test]
async fn a_rollout_out_of_its_bounds_is_refused() {
    let at = |field: &str, value: Value| cluster(&format!("rollout.{field}"), value);
    let unavailable = "spec.rollout.maxUnavailable";
    let timeout = "spec.rollout.hostTimeout";
    refuses(vec![
        (at("maxUnavailable", json!(0)), unavailable, "from 1 to 1000"),
        (at("maxUnavailable", json!(-1)), unavailable, "from 1 to 1000"),
        (at("maxUnavailable", json!("0%")), unavailable, "'1%' to '100%'"),
        (at("maxUnavailable", json!("101%")), unavailable, "'1%' to '100%'"),
        (at("maxUnavailable", json!("2")), unavailable, "'1%' to '100%'"),
        (at("maxUnavailable", json!(true)), unavailable, "string"),
        (at("pauseAfter", json!("Second")), "spec.rollout.pauseAfter", "supported values"),
        (at("hostTimeout", json!("59s")), timeout, "from '1m' to '24h'"),
        (at("hostTimeout", json!("25h")), timeout, "from '1m' to '24h'"),
        (at("hostTimeout", json!("soon")), timeout, "duration such as"),
        (at("minReadySeconds", json!(-1)), "spec.rollout.minReadySeconds", "than or equal to 0"),
        (at("minReadySeconds", json!(86401)), "spec.rollout.minReadySeconds", "86400"),
        (at("singleCopyIndices", json!("Ask")), "singleCopyIndices", "supported values"),
        (at("protection", json!("None")), "spec.rollout.protection", "supported values"),
        (at("onFailure", json!("Continue")), "onFailure", "supported values"),
        (at("force", json!(true)), "force", "unknown field"),
    ])
    .await;
}

#[tokio::test]
async fn a_request_without_an_id_or_with_nobody_to_ask_is_refused() {
    let restart = |value: Value| cluster("operations.restart", value);
    let id = "spec.operations.restart.requestId";
    refuses(vec![
        (restart(json!({})), id, "Required"),
        (restart(json!({ "requestId": "" })), id, "at least 1"),
        (restart(json!({ "requestId": "-a" })), id, "letters, digits"),
        (restart(json!({ "requestId": "a b" })), id, "letters, digits"),
        (restart(json!({ "requestId": "a".repeat(65) })), id, "than 64"),
        (restart(json!({ "requestId": "a", "target": "All" })), "target", "supported values"),
        (
            group(json!({ "operations": { "restart": { "requestId": "a" } } })),
            "spec.operations.restart",
            "needs `connection`",
        ),
        (cluster("operations.upgrade", json!({})), "spec.operations.upgrade.requestId", "Required"),
        (
            cluster("operations.upgrade", json!({ "requestId": "a b" })),
            "spec.operations.upgrade.requestId",
            "letters, digits",
        ),
        (
            cluster("operations.upgrade", json!({ "requestId": "a", "target": "Host" })),
            "target",
            "unknown field",
        ),
        (
            group(json!({ "operations": { "upgrade": { "requestId": "a" } } })),
            "spec.operations.upgrade",
            "needs `connection`",
        ),
        (
            group(json!({ "operations": { "deploy": { "requestId": "a", "version": "41.1" } } })),
            "spec.operations.deploy",
            "needs `connection`",
        ),
        (
            group(json!({ "elasticsearch": { "unit": "es.service" } })),
            "spec.elasticsearch",
            "needs `connection`",
        ),
    ])
    .await;
}

#[tokio::test]
async fn an_image_without_a_version_or_a_request_is_refused() {
    let deploy = |value: Value| cluster("operations.deploy", value);
    let of = |version: &str| deploy(json!({ "requestId": "a", "version": version }));
    let version = "spec.operations.deploy.version";
    refuses(vec![
        (deploy(json!({ "version": "41.1" })), "spec.operations.deploy.requestId", "Required"),
        (deploy(json!({ "requestId": "a" })), version, "Required"),
        (
            deploy(json!({ "requestId": "a b", "version": "41.1" })),
            "spec.operations.deploy.requestId",
            "letters, digits",
        ),
        (of(""), version, "at least 1"),
        (of("--reboot"), version, "letters, digits"),
        (of("41.1 --reboot"), version, "letters, digits"),
        (of("fedora/41"), version, "letters, digits"),
        (of(&"4".repeat(129)), version, "than 128"),
        (
            deploy(json!({ "requestId": "a", "version": "41.1", "target": "Host" })),
            "target",
            "unknown field",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_unit_that_is_no_service_is_refused() {
    let unit = |value: &str| cluster("elasticsearch.unit", json!(value));
    let path = "spec.elasticsearch.unit";
    refuses(vec![
        (unit("elasticsearch"), path, "systemd service"),
        (unit("-es.service"), path, "systemd service"),
        (unit("es.timer.mount"), path, "systemd service"),
        (unit("a/b.service"), path, "systemd service"),
        (unit("a b.service"), path, "systemd service"),
        (unit("a;reboot.service"), path, "systemd service"),
    ])
    .await;
}

#[tokio::test]
async fn what_a_rollout_may_say_is_accepted() {
    accepts(vec![
        cluster("rollout", json!({})),
        cluster("rollout.maxUnavailable", json!(2)),
        cluster("rollout.maxUnavailable", json!("25%")),
        cluster("rollout.hostTimeout", json!("1h30m")),
        cluster("rollout.protection", json!("NodeShutdown")),
        cluster("elasticsearch", json!({})),
        cluster("elasticsearch.unit", json!("elasticsearch@es-1.service")),
        cluster("operations", json!({})),
        cluster("operations.restart", json!({ "requestId": "2026-01-02T03:04:05Z" })),
        cluster("operations.restart", json!({ "requestId": "1", "target": "Host" })),
        cluster("operations.upgrade", json!({ "requestId": "1" })),
        cluster("operations.deploy", json!({ "requestId": "1", "version": "40.20240519.3.0" })),
        cluster("operations.deploy", json!({ "requestId": "1", "version": "0a".repeat(32) })),
        cluster("paused", json!(true)),
        group(json!({ "operations": {}, "rollout": {}, "paused": true })),
    ])
    .await;
}
