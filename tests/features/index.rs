//! An Index keeps one Elasticsearch index as declared: it is created and changed in place.

use std::collections::BTreeMap;

use drover::transport::segment;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::{
    common::{elasticsearch::Elasticsearch, proxy::Entry, soak},
    world::{Stage, calls, elasticsearch, get, uuid},
};

async fn stage(name: &str) -> (Stage, &'static Elasticsearch) {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new(name, server).await;
    stage.connect().await;
    (stage, server)
}

#[tokio::test]
async fn an_index_is_created_with_all_of_its_spec_in_one_call() {
    let (stage, server) = stage("create").await;
    stage.index(
        "one-call",
        &json!({
            "settings": { "number_of_replicas": 0, "index.refresh_interval": "5s" },
            "mappings": {
                "_meta": { "team": "search" },
                "properties": { "title": { "type": "text" } },
            },
            "aliases": { "one-call-alias": { "is_hidden": true } },
        }),
    );
    let index = stage.index_until("one-call", "Ready", "True").await;
    let writes = stage.index_writes("one-call");
    assert_eq!(calls(&writes), ["PUT /one-call"]);
    let live = server.index("one-call").await.unwrap();
    assert_eq!(live["settings"]["index"]["refresh_interval"], "5s");
    assert_eq!(live["mappings"]["properties"]["title"]["type"], "text");
    assert_eq!(live["aliases"]["one-call-alias"]["is_hidden"], true);
    let meta = &live["mappings"]["_meta"];
    assert_eq!(meta["team"], "search");
    assert_eq!(meta["drover"]["uid"].as_str(), index.metadata.uid.as_deref());
    assert_eq!(meta["drover"]["name"], "one-call");
    let status = index.status.unwrap();
    assert_eq!(status.uuid, Some(uuid(&live)));
    assert_eq!(status.physical_name.as_deref(), Some("one-call"));
    assert_eq!((status.primaries, status.replicas), (Some(1), Some(0)));
    stage.event("one-call", "IndexCreated").await;
    // Long before the next stats interval.
    stage
        .index_when("one-call", "has its figures", |index| {
            let status = index.status.as_ref().ok_or("no status")?;
            match (status.documents, status.store_bytes) {
                (Some(0), Some(_)) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
}

/// The uuids of all indices whose name begins so.
async fn uuids(server: &Elasticsearch, prefix: &str) -> BTreeMap<String, String> {
    let path = "/_all/_settings/index.uuid?expand_wildcards=all";
    let all = server.ok("GET", path, None).await;
    let all = all.as_object().unwrap();
    let ours = all.iter().filter(|(name, _)| name.starts_with(prefix));
    ours.map(|(name, it)| (name.clone(), uuid(it))).collect()
}

#[tokio::test]
async fn a_name_with_odd_letters_touches_its_own_index_alone() {
    let (stage, server) = stage("names").await;
    // What each name would be after one decoding too many, or one too few.
    let decoys =
        ["odd-%41", "odd-A".to_lowercase().as_str(), "odd-größe", "odd-%25", "odd-x+y", "odd-"]
            .map(str::to_owned);
    for name in &decoys {
        server.ok("PUT", &format!("/{}", segment(name)), Some(&json!({}))).await;
    }
    let before = uuids(server, "odd-").await;
    assert_eq!(before.len(), decoys.len());
    let names = [
        "odd-%2541",
        "odd-gr%c3%b6%c3%9fe",
        "odd-gro\u{308}ße",
        "odd-日本",
        "odd-%",
        "odd-x%2by",
        "odd-%2a",
    ];
    for (number, name) in names.iter().enumerate() {
        let spec = json!({
            "name": name,
            "settings": { "number_of_replicas": 0 },
            "deletionPolicy": "Delete",
        });
        stage.index(&format!("odd-{number}"), &spec);
    }
    for (number, name) in names.iter().enumerate() {
        let index = stage.index_until(&format!("odd-{number}"), "Ready", "True").await;
        let physical = index.status.unwrap().physical_name;
        assert_eq!(physical.as_deref(), Some(*name));
    }
    let mut during = uuids(server, "odd-").await;
    for name in names {
        assert!(during.remove(name).is_some(), "{name} is not among {during:?}");
    }
    assert_eq!(during, before);
    for number in 0..names.len() {
        stage.delete_index(&format!("odd-{number}")).await;
    }
    assert_eq!(uuids(server, "odd-").await, before);
}

#[tokio::test]
async fn settings_change_key_by_key_and_only_what_drover_set_goes_back_to_its_default() {
    let (stage, server) = stage("settings").await;
    let spec = |settings: Value| json!({ "settings": settings });
    let first = json!({
        "number_of_replicas": 0,
        "refresh_interval": "5s",
        "max_result_window": 20000,
        "blocks": { "metadata": false },
    });
    stage.ready_index("dynamic", &spec(first)).await;
    let by_hand = json!({ "index.max_regex_length": 500 });
    server.ok("PUT", "/dynamic/_settings", Some(&by_hand)).await;
    stage.rest().await;
    let second = json!({ "number_of_replicas": 0, "refresh_interval": "9s" });
    stage.ready_index("dynamic", &spec(second)).await;
    stage.rest().await;
    let live = server.index("dynamic").await.unwrap();
    let settings = &live["settings"]["index"];
    assert_eq!(settings["refresh_interval"], "9s");
    assert_eq!(settings["max_result_window"], Value::Null);
    assert_eq!(settings["max_regex_length"], "500");
    let writes = stage.index_writes("dynamic");
    assert_eq!(calls(&writes), ["PUT /dynamic", "PUT /dynamic/_settings"]);
    let change = writes[1].json();
    assert_eq!(change["index.refresh_interval"], "9s");
    assert_eq!(change["index.max_result_window"], Value::Null);
    let keys: Vec<&String> = change.as_object().unwrap().keys().collect();
    assert!(!keys.iter().any(|it| it.contains("regex") || it.contains("replicas")), "{keys:?}");
}

#[tokio::test]
async fn a_mapping_grows_and_the_users_meta_changes_beside_the_mark() {
    let (stage, server) = stage("mapping").await;
    let spec =
        |mappings: Value| json!({ "settings": { "number_of_replicas": 0 }, "mappings": mappings });
    let first = json!({
        "_meta": { "team": "search" },
        "properties": { "title": { "type": "text" } },
    });
    let index = stage.ready_index("grows", &spec(first)).await;
    let second = json!({
        "_meta": { "team": "books", "since": 3 },
        "properties": {
            "title": { "type": "text", "fields": { "raw": { "type": "keyword" } } },
            "author": { "properties": { "name": { "type": "keyword" } } },
        },
    });
    stage.ready_index("grows", &spec(second)).await;
    stage.rest().await;
    let live = server.index("grows").await.unwrap();
    let properties = &live["mappings"]["properties"];
    assert_eq!(properties["title"]["fields"]["raw"]["type"], "keyword");
    assert_eq!(properties["author"]["properties"]["name"]["type"], "keyword");
    let mut meta = live["mappings"]["_meta"].clone();
    assert_eq!(meta["drover"]["uid"].as_str(), index.metadata.uid.as_deref());
    meta.as_object_mut().unwrap().remove("drover");
    assert_eq!(meta, json!({ "team": "books", "since": 3 }));
    assert_eq!(calls(&stage.index_writes("grows")), ["PUT /grows", "PUT /grows/_mapping"]);
}

#[tokio::test]
async fn aliases_change_in_one_call_and_those_of_others_stay() {
    let (stage, server) = stage("aliases").await;
    let spec =
        |aliases: Value| json!({ "settings": { "number_of_replicas": 0 }, "aliases": aliases });
    let first = json!({ "al-old": {}, "al-kept": {}, "al-moved": { "routing": "1" } });
    stage.ready_index("aliased", &spec(first)).await;
    server.ok("PUT", "/aliased/_alias/al-foreign", Some(&json!({}))).await;
    let second = json!({
        "al-kept": {},
        "al-moved": { "routing": "2" },
        "al-new": { "filter": { "term": { "genre": "novel" } }, "is_write_index": true },
    });
    stage.ready_index("aliased", &spec(second)).await;
    stage.rest().await;
    let live = server.index("aliased").await.unwrap();
    let names: Vec<&String> = live["aliases"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["al-foreign", "al-kept", "al-moved", "al-new"]);
    assert_eq!(live["aliases"]["al-moved"]["index_routing"], "2");
    assert_eq!(live["aliases"]["al-new"]["is_write_index"], true);
    let writes = stage.index_writes("aliased");
    assert_eq!(calls(&writes), ["PUT /aliased", "POST /_aliases"]);
    assert_eq!(writes[1].json()["actions"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn an_index_is_closed_and_opened_and_takes_static_settings_meanwhile() {
    let (stage, server) = stage("state").await;
    let spec = |state: &str, codec: &str| {
        let settings = json!({ "number_of_replicas": 0, "codec": codec });
        json!({ "settings": settings, "state": state })
    };
    stage.ready_index("door", &spec("Open", "default")).await;
    // Open, it can't have another codec, and says what would help.
    stage.index("door", &spec("Open", "best_compression"));
    let message = stage.index_reason("door", "ReindexRequired", "ImmutableChange").await;
    assert!(message.contains("settings.index.codec"), "{message}");
    assert!(message.contains("state Closed, then Open"), "{message}");
    let index = stage.ready_index("door", &spec("Closed", "best_compression")).await;
    let live = server.ok("GET", "/_cluster/state/metadata/door", None).await;
    assert_eq!(live["metadata"]["indices"]["door"]["state"], "close");
    let conditions = &index.status.as_ref().unwrap().conditions;
    assert_eq!(get(conditions, "ReindexRequired").status, "False");
    let index = stage.ready_index("door", &spec("Open", "best_compression")).await;
    let live = server.index("door").await.unwrap();
    assert_eq!(live["settings"]["index"]["codec"], "best_compression");
    assert_eq!(index.status.unwrap().uuid, Some(uuid(&live)));
    let marks = server.ok("GET", "/_cluster/state/metadata/door", None).await;
    assert_eq!(marks["metadata"]["indices"]["door"]["state"], "open");
}

#[tokio::test]
async fn a_spec_in_another_spelling_writes_nothing() {
    let (stage, _) = stage("spelling").await;
    let spellings = [
        json!({
            "settings": {
                "number_of_shards": 1,
                "number_of_replicas": 0,
                "refresh_interval": "60s",
                "blocks": { "write": true },
                "merge": { "policy": { "max_merged_segment": "1gb" } },
            },
            "mappings": { "properties": { "n": { "type": "long" }, "t": { "type": "text" } } },
            "aliases": { "spelled": { "routing": "7" } },
        }),
        json!({
            "settings": {
                "index": {
                    "number_of_shards": "1",
                    "number_of_replicas": "0",
                    "refresh_interval": "1m",
                    "blocks.write": "true",
                },
                "index.merge.policy.max_merged_segment": "1024mb",
            },
            "mappings": { "properties": {
                "t": { "type": "text", "index": true },
                "n": { "type": "long", "index": "true" },
            } },
            "aliases": { "spelled": { "index_routing": "7", "search_routing": "7" } },
        }),
        json!({
            "settings": {
                "index.number_of_shards": 1.0,
                "index.number_of_replicas": 0,
                "index.refresh_interval": "60000ms",
                "index.blocks": { "write": "true" },
                "index.merge.policy": { "max_merged_segment": "1048576kb" },
                "index.codec": "default",
            },
            "mappings": { "dynamic": true, "properties": {
                "t": { "type": "text" },
                "n": { "type": "long", "doc_values": true },
            } },
            "aliases": { "spelled": { "routing": "7" } },
        }),
    ];
    stage.ready_index("spelt", &spellings[0]).await;
    stage.rest().await;
    let made = stage.index_writes("spelt").len();
    for spec in spellings.iter().cycle().skip(1).take(3) {
        let index = stage.ready_index("spelt", spec).await;
        stage.polls(2).await;
        let bodies: Vec<Value> =
            stage.index_writes("spelt")[made..].iter().map(Entry::json).collect();
        assert_eq!(bodies, [Value::Null; 0], "{spec}");
        assert!(index.status.unwrap().drift.is_empty());
    }
}

#[tokio::test]
async fn of_many_quick_edits_the_last_wins_and_few_reach_elasticsearch() {
    let (stage, server) = stage("edits").await;
    let edits = if soak() { 1000 } else { 100 };
    stage.ready_index("edited", &json!({ "settings": { "number_of_replicas": 0 } })).await;
    stage.rest().await;
    stage.elasticsearch.ledger().clear();
    // Elasticsearch answers nothing meanwhile: what would be queued up shows afterwards.
    stage.elasticsearch.freeze();
    for edit in 1..=edits {
        let patch = json!({ "spec": { "settings": { "max_result_window": 10_000 + edit } } });
        let parameters = PatchParams::default();
        stage.indices().patch("edited", &parameters, &Patch::Merge(&patch)).await.unwrap();
    }
    stage.elasticsearch.thaw();
    stage.index_until("edited", "Ready", "True").await;
    stage.rest().await;
    let live = server.index("edited").await.unwrap();
    let last = (10_000 + edits).to_string();
    assert_eq!(live["settings"]["index"]["max_result_window"], last.as_str());
    let writes = stage.index_writes("edited");
    assert!(writes.len() <= 3, "{:?}", calls(&writes));
}
