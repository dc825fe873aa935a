//! What Elasticsearch refuses, or can't change in place, is told, and holds nothing else back.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    common::proxy::Entry,
    world::{Stage, calls, elasticsearch, get},
};

#[tokio::test]
async fn what_needs_another_index_is_listed_and_the_rest_is_applied() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("reindex", server).await;
    stage.connect().await;
    let good = json!({
        "settings": { "number_of_shards": 1, "number_of_replicas": 0 },
        "mappings": { "properties": {
            "year": { "type": "integer" },
            "title": { "type": "text", "analyzer": "standard" },
        } },
    });
    let index = stage.ready_index("fixed", &good).await;
    let uuid = index.status.unwrap().uuid;
    let bad = json!({
        "settings": { "number_of_shards": 2, "number_of_replicas": 0, "refresh_interval": "7s" },
        "mappings": { "properties": {
            "year": { "type": "keyword" },
            "title": { "type": "text", "analyzer": "english" },
            "author": { "type": "keyword" },
        } },
        "aliases": { "fixed-alias": {} },
    });
    stage.index("fixed", &bad);
    let message = stage.index_reason("fixed", "ReindexRequired", "ImmutableChange").await;
    let paths = [
        "settings.index.number_of_shards",
        "mappings.properties.year.type",
        "mappings.properties.title.analyzer",
    ];
    for path in paths {
        assert!(message.contains(path), "{path} is not in: {message}");
    }
    stage.rest().await;
    let live = server.index("fixed").await.unwrap();
    assert_eq!(live["settings"]["index"]["number_of_shards"], "1");
    assert_eq!(live["settings"]["index"]["refresh_interval"], "7s");
    assert_eq!(live["mappings"]["properties"]["year"]["type"], "integer");
    assert_eq!(live["mappings"]["properties"]["author"]["type"], "keyword");
    assert_eq!(live["aliases"]["fixed-alias"], json!({}));
    let index = stage.index_until("fixed", "Ready", "False").await;
    let status = index.status.unwrap();
    assert_eq!(get(&status.conditions, "Ready").reason, "ImmutableChange");
    assert_eq!(get(&status.conditions, "Stalled").status, "True");
    assert_eq!(get(&status.conditions, "Drifted").status, "False");
    // At rest it asks for nothing again, and the spec that fits ends it.
    let writes = stage.index_writes("fixed").len();
    stage.polls(3).await;
    assert_eq!(stage.index_writes("fixed").len(), writes);
    let index = stage.ready_index("fixed", &good).await;
    let status = index.status.unwrap();
    assert_eq!(get(&status.conditions, "ReindexRequired").status, "False");
    assert_eq!(status.uuid, uuid);
}

/// After about 1, 2, 4, ... seconds, however often the poller looks meanwhile.
pub fn assert_backs_off(tries: &[Entry]) {
    let mut least = Duration::from_millis(500);
    for pair in tries.windows(2) {
        let pause = pair[1].at - pair[0].at;
        assert!(least <= pause, "a try after {pause:?}, not {least:?}: {:?}", calls(tries));
        least *= 2;
    }
}

#[tokio::test]
async fn elasticsearchs_own_reason_is_told_and_is_not_asked_for_in_a_hot_loop() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("refused", server).await;
    stage.connect().await;
    let one_too_many = json!({ "a": { "type": "long" }, "b": { "type": "long" } });
    let cases: [(&str, Value, &str); 3] = [
        (
            "ref-setting",
            json!({ "settings": { "nonsense": 1 } }),
            "unknown setting [index.nonsense]",
        ),
        (
            "ref-analyzer",
            json!({ "mappings": { "properties": { "t": { "type": "text", "analyzer": "no" } } } }),
            "analyzer [no] has not been configured",
        ),
        (
            "ref-limit",
            json!({
                "settings": { "mapping.total_fields.limit": 1 },
                "mappings": { "properties": one_too_many },
            }),
            "Limit of total fields [1] has been exceeded",
        ),
    ];
    for (name, spec, _) in &cases {
        stage.index(name, spec);
    }
    for (name, _, reason) in &cases {
        let message = stage.index_reason(name, "Synced", "Rejected").await;
        assert!(message.contains(reason), "{reason} is not in: {message}");
        let note = stage.event(name, "IndexUpdateRejected").await;
        assert!(note.contains(reason), "{note}");
    }
    stage.polls(4).await;
    for (name, _, _) in &cases {
        assert_backs_off(&stage.index_writes(name));
        let told = stage.index_statuses(name).len();
        assert!(told <= 2, "{name}: {told} statuses");
        assert!(server.index(name).await.is_none());
        stage.ready_index(name, &json!({ "settings": { "number_of_replicas": 0 } })).await;
    }
}

#[tokio::test]
async fn one_bad_key_does_not_hold_back_the_others() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("one-key", server).await;
    stage.connect().await;
    stage.ready_index("one-key", &json!({ "settings": { "number_of_replicas": 0 } })).await;
    let bad = json!({
        "settings": {
            "number_of_replicas": 0,
            "refresh_interval": "7s",
            "max_result_window": 20000,
            "nonsense": 1,
        },
        "aliases": { "one-key-alias": {} },
    });
    stage.index("one-key", &bad);
    let message = stage.index_reason("one-key", "Synced", "Rejected").await;
    assert!(message.contains("unknown setting [index.nonsense]"), "{message}");
    assert!(!message.contains("refresh_interval"), "{message}");
    stage.polls(2).await;
    let live = server.index("one-key").await.unwrap();
    assert_eq!(live["settings"]["index"]["refresh_interval"], "7s");
    assert_eq!(live["settings"]["index"]["max_result_window"], "20000");
    assert_eq!(live["aliases"]["one-key-alias"], json!({}));
    // What is applied is not sent again with what is refused.
    let last = stage.index_writes("one-key").pop().unwrap();
    assert_eq!(calls(std::slice::from_ref(&last)), ["PUT /one-key/_settings"]);
    assert_eq!(last.json(), json!({ "index.nonsense": "1" }));
    let good = json!({ "settings": { "number_of_replicas": 0, "refresh_interval": "7s" } });
    stage.ready_index("one-key", &good).await;
    stage.rest().await;
    let live = server.index("one-key").await.unwrap();
    assert_eq!(live["settings"]["index"]["max_result_window"], Value::Null);
}

#[tokio::test]
async fn a_spec_that_can_not_be_worked_with_is_not_accepted_and_names_its_path() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("invalid", server).await;
    stage.connect().await;
    let cases = [
        ("inv-uuid", json!({ "settings": { "uuid": "x" } }), "spec.settings.uuid"),
        (
            "inv-twice",
            json!({ "settings": { "index.refresh_interval": "1s", "refresh_interval": "2s" } }),
            "refresh_interval",
        ),
    ];
    for (name, spec, path) in &cases {
        stage.index(name, spec);
        let message = stage.index_reason(name, "Accepted", "InvalidSpec").await;
        assert!(message.contains(path), "{message}");
    }
    for (name, _, _) in &cases {
        assert_eq!(calls(&stage.index_writes(name)), [""; 0]);
        stage.ready_index(name, &json!({ "settings": { "number_of_replicas": 0 } })).await;
    }
}
