//! The main scenarios on every supported major version of Elasticsearch.

use serde_json::{Value, json};

use crate::{
    common::paths::runs_here,
    world::{Stage, calls, elasticsearch, get, uuid},
};

#[tokio::test]
async fn an_index_is_kept_as_declared_on_7_17() {
    from_apply_to_deletion("7.17.29").await;
}

#[tokio::test]
async fn an_index_is_kept_as_declared_on_9_2() {
    if runs_here("9.2.0") {
        from_apply_to_deletion("9.2.0").await;
    }
}

async fn from_apply_to_deletion(version: &'static str) {
    let server = elasticsearch(version).await;
    let stage = Stage::new("versions", server).await;
    stage.connect().await;
    let first = json!({
        "settings": { "number_of_replicas": 0, "refresh_interval": "5s", "max_result_window": 20000 },
        "mappings": {
            "_meta": { "team": "search" },
            "properties": { "title": { "type": "text" }, "year": { "type": "integer" } },
        },
        "aliases": { "main-old": {} },
        "deletionPolicy": "Delete",
    });
    let index = stage.ready_index("main", &first).await;
    assert_eq!(serde_json::to_value(index.status.unwrap().health).unwrap(), "green");
    let made = server.index("main").await.unwrap();
    assert_eq!(calls(&stage.index_writes("main")), ["PUT /main"]);
    let second = json!({
        "settings": { "number_of_replicas": 0, "refresh_interval": "1m" },
        "mappings": {
            "_meta": { "team": "search" },
            "properties": { "title": { "type": "text" }, "author": { "type": "keyword" } },
        },
        "aliases": { "main-new": { "filter": { "term": { "year": 1922 } } } },
        "deletionPolicy": "Delete",
    });
    stage.ready_index("main", &second).await;
    stage.rest().await;
    let live = server.index("main").await.unwrap();
    assert_eq!(uuid(&live), uuid(&made));
    assert_eq!(live["settings"]["index"]["refresh_interval"], "1m");
    assert_eq!(live["settings"]["index"]["max_result_window"], Value::Null);
    assert_eq!(live["mappings"]["properties"]["author"]["type"], "keyword");
    let aliases: Vec<&String> = live["aliases"].as_object().unwrap().keys().collect();
    assert_eq!(aliases, ["main-new"]);
    // The same in another spelling changes nothing.
    let writes = stage.index_writes("main").len();
    let mut spelled = second.clone();
    spelled["settings"] =
        json!({ "index": { "number_of_replicas": "0", "refresh_interval": "60s" } });
    stage.ready_index("main", &spelled).await;
    stage.polls(2).await;
    assert_eq!(stage.index_writes("main").len(), writes);
    // By hand, and put back.
    let settings = json!({ "index.refresh_interval": "1h" });
    server.ok("PUT", "/main/_settings", Some(&settings)).await;
    stage.event("main", "DriftCorrected").await;
    stage.rest().await;
    let live = server.index("main").await.unwrap();
    assert_eq!(live["settings"]["index"]["refresh_interval"], "60s");
    // What needs another index.
    let mut immutable = second.clone();
    immutable["mappings"]["properties"]["title"]["type"] = json!("keyword");
    stage.index("main", &immutable);
    let message = stage.index_reason("main", "Ready", "ImmutableChange").await;
    assert!(message.contains("mappings.properties.title"), "{message}");
    // Closed, and deleted; an empty one and one that only looks empty.
    let mut closed = second.clone();
    closed["state"] = json!("Closed");
    let index = stage.ready_index("main", &closed).await;
    assert_eq!(get(&index.status.unwrap().conditions, "ReindexRequired").status, "False");
    let careful = json!({
        "settings": { "number_of_replicas": 0, "refresh_interval": "-1" },
        "deletionPolicy": "DeleteIfEmpty",
    });
    stage.ready_index("empty", &careful).await;
    stage.ready_index("full", &careful).await;
    server.ok("PUT", "/full/_doc/1", Some(&json!({ "t": 1 }))).await;
    for name in ["main", "empty", "full"] {
        stage.delete_index(name).await;
    }
    assert_eq!(server.index("main").await, None);
    assert_eq!(server.index("empty").await, None);
    let kept = server.index("full").await.unwrap();
    assert_eq!(kept["settings"]["index"]["blocks"]["write"], Value::Null);
    server.ok("PUT", "/full/_doc/2?refresh=true", Some(&json!({ "t": 1 }))).await;
}
