//! An index that is already there: taken over as the policy says, and never touched otherwise.

use serde_json::{Value, json};

use crate::{
    common::{elasticsearch::Elasticsearch, wait::second_after},
    world::{Stage, calls, elasticsearch, get, uuid},
};

async fn stage(name: &str) -> (Stage, &'static Elasticsearch) {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new(name, server).await;
    stage.connect().await;
    (stage, server)
}

/// What somebody has made by hand.
fn by_hand() -> Value {
    json!({
        "settings": { "number_of_replicas": 0, "refresh_interval": "30s" },
        "mappings": { "_meta": { "team": "books" }, "properties": { "t": { "type": "text" } } },
        "aliases": { },
    })
}

#[tokio::test]
async fn policy_never_leaves_an_index_that_is_there_as_it_is() {
    let (stage, server) = stage("never").await;
    server.ok("PUT", "/never", Some(&by_hand())).await;
    let before = server.index("never").await;
    let mut spec = by_hand();
    spec["adoptionPolicy"] = json!("Never");
    spec["deletionPolicy"] = json!("Delete");
    stage.index("never", &spec);
    let message = stage.index_reason("never", "Synced", "NotOwned").await;
    assert!(message.contains("adoptionPolicy is Never"), "{message}");
    stage.rest().await;
    stage.delete_index("never").await;
    stage.event("never", "LeftBehind").await;
    assert_eq!(server.index("never").await, before);
    assert_eq!(calls(&stage.index_writes("never")), [""; 0]);
}

#[tokio::test]
async fn policy_if_matching_shows_what_differs_and_adopts_once_nothing_does() {
    let (stage, server) = stage("if-matching").await;
    server.ok("PUT", "/matching", Some(&by_hand())).await;
    let before = server.index("matching").await.unwrap();
    let mut spec = by_hand();
    spec["settings"]["refresh_interval"] = json!("5s");
    spec["mappings"]["properties"]["n"] = json!({ "type": "long" });
    spec["aliases"] = json!({ "matching-alias": {} });
    stage.index("matching", &spec);
    let message = stage.index_reason("matching", "Ready", "NotOwned").await;
    assert!(message.contains("adoptionPolicy Always"), "{message}");
    let index = stage.indices().get("matching").await.unwrap();
    let status = index.status.unwrap();
    let drift = status.drift.iter().map(|it| it.path.clone()).collect::<Vec<_>>();
    assert_eq!(drift.len(), 3, "{drift:?}");
    assert!(drift.contains(&"aliases.matching-alias".to_owned()), "{drift:?}");
    assert!(drift.contains(&"settings.index.refresh_interval".to_owned()), "{drift:?}");
    let entry = status.drift.iter().find(|it| it.path.starts_with("settings")).unwrap();
    assert_eq!(
        (entry.desired.as_deref(), entry.live.as_deref()),
        (Some("\"5s\""), Some("\"30s\""))
    );
    assert_eq!(get(&status.conditions, "Stalled").status, "True");
    assert_eq!(status.uuid, None);
    stage.rest().await;
    assert_eq!(server.index("matching").await.unwrap(), before);
    assert_eq!(calls(&stage.index_writes("matching")), [""; 0]);
    // Somebody makes them match: that alone lets it adopt, and the mark is all that it writes.
    let settings = json!({ "index.refresh_interval": "5000ms" });
    server.ok("PUT", "/matching/_settings", Some(&settings)).await;
    let properties = json!({ "properties": { "n": { "type": "long" } } });
    server.ok("PUT", "/matching/_mapping", Some(&properties)).await;
    server.ok("PUT", "/matching/_alias/matching-alias", Some(&json!({}))).await;
    let index = stage.index_until("matching", "Ready", "True").await;
    stage.rest().await;
    assert_eq!(calls(&stage.index_writes("matching")), ["PUT /matching/_mapping"]);
    let live = server.index("matching").await.unwrap();
    assert_eq!(live["mappings"]["_meta"]["team"], "books");
    let mark = &live["mappings"]["_meta"]["drover"];
    assert_eq!(mark["uid"].as_str(), index.metadata.uid.as_deref());
    assert_eq!(uuid(&live), uuid(&before));
    // What was there before Drover stays when it leaves the spec.
    stage.ready_index("matching", &json!({ "settings": { "number_of_replicas": 0 } })).await;
    stage.rest().await;
    let live = server.index("matching").await.unwrap();
    assert_eq!(live["settings"]["index"]["refresh_interval"], "5000ms");
    assert_eq!(live["aliases"], json!({ "matching-alias": {} }));
}

#[tokio::test]
async fn policy_always_takes_over_and_changes_what_can_be_changed() {
    let (stage, server) = stage("always").await;
    server.ok("PUT", "/always", Some(&by_hand())).await;
    let before = server.index("always").await.unwrap();
    let mut spec = json!({
        "settings": { "number_of_shards": 2, "refresh_interval": "5s", "max_result_window": 20000 },
        "adoptionPolicy": "Always",
    });
    stage.index("always", &spec);
    let message = stage.index_reason("always", "ReindexRequired", "ImmutableChange").await;
    assert!(message.contains("settings.index.number_of_shards"), "{message}");
    stage.rest().await;
    let live = server.index("always").await.unwrap();
    assert_eq!(uuid(&live), uuid(&before));
    assert_eq!(live["settings"]["index"]["refresh_interval"], "5s");
    assert_eq!(live["settings"]["index"]["max_result_window"], "20000");
    // A key that Drover set in it goes back when it leaves the spec.
    spec["settings"] = json!({ "refresh_interval": "5s" });
    stage.ready_index("always", &spec).await;
    stage.rest().await;
    let live = server.index("always").await.unwrap();
    assert_eq!(live["settings"]["index"]["max_result_window"], Value::Null);
    assert_eq!(live["settings"]["index"]["number_of_replicas"], "0");
}

#[tokio::test]
async fn an_alias_and_a_foreign_mark_are_never_touched() {
    let (stage, server) = stage("foreign").await;
    let mut body = by_hand();
    body["aliases"] = json!({ "for-alias": {} });
    server.ok("PUT", "/for-behind", Some(&body)).await;
    let mut marked = by_hand();
    let mark = json!({ "namespace": "elsewhere", "name": "theirs", "uid": "1-2-3" });
    marked["mappings"]["_meta"]["drover"] = mark;
    server.ok("PUT", "/for-marked", Some(&marked)).await;
    let names = ["for-behind", "for-marked"];
    let before = [server.index(names[0]).await, server.index(names[1]).await];
    let spec = json!({
        "settings": { "refresh_interval": "5s" },
        "adoptionPolicy": "Always",
        "deletionPolicy": "Delete",
    });
    stage.index("for-alias", &spec);
    stage.index("for-marked", &spec);
    let message = stage.index_reason("for-alias", "Synced", "NotOwned").await;
    assert!(message.contains("alias of index 'for-behind'"), "{message}");
    let message = stage.index_reason("for-marked", "Synced", "NotOwned").await;
    assert!(message.contains("elsewhere/theirs"), "{message}");
    stage.rest().await;
    for name in ["for-alias", "for-marked"] {
        stage.delete_index(name).await;
        stage.event(name, "LeftBehind").await;
        assert_eq!(calls(&stage.index_writes(name)), [""; 0]);
    }
    assert_eq!([server.index(names[0]).await, server.index(names[1]).await], before);
}

#[tokio::test]
async fn an_index_object_that_was_made_anew_takes_its_index_back() {
    let (stage, server) = stage("again").await;
    let spec = json!({ "settings": { "number_of_replicas": 0, "refresh_interval": "5s" } });
    let first = stage.ready_index("again", &spec).await;
    stage.delete_index("again").await;
    let live = server.index("again").await.unwrap();
    let second = stage.ready_index("again", &spec).await;
    stage.rest().await;
    assert_ne!(first.metadata.uid, second.metadata.uid);
    assert_eq!(second.status.unwrap().uuid, Some(uuid(&live)));
    let live = server.index("again").await.unwrap();
    let mark = &live["mappings"]["_meta"]["drover"];
    assert_eq!(mark["uid"].as_str(), second.metadata.uid.as_deref());
}

#[tokio::test]
async fn two_clusters_that_are_one_elasticsearch_do_not_fight_for_an_index() {
    let (stage, server) = stage("twice").await;
    stage.cluster("same", &stage.connection());
    stage.cluster_until("same", "Ready", "True").await;
    let spec = |cluster: &str| {
        json!({
            "clusterRef": { "name": cluster }, "name": "shared-name", "adoptionPolicy": "Always",
            "settings": { "number_of_replicas": 0 },
        })
    };
    stage.ready_index("keeper", &spec("es")).await;
    stage.index("late", &spec("same"));
    let message = stage.index_reason("late", "Accepted", "Conflict").await;
    let keeper = format!("Index {}/keeper", stage.namespace);
    assert!(message.contains(&keeper) && message.contains("one Elasticsearch"), "{message}");
    let before = uuid(&server.index("shared-name").await.unwrap());
    stage.rest().await;
    assert_eq!(calls(&stage.index_writes("late")), [""; 0]);
    let labels = [r#"controller="index""#, r#"result="terminal""#];
    assert!(stage.operator.metric("drover_reconcile_total", &labels).await > 0.0);
    stage.delete_index("keeper").await;
    stage.index_until("late", "Ready", "True").await;
    assert_eq!(uuid(&server.index("shared-name").await.unwrap()), before);
}

#[tokio::test]
async fn of_two_objects_for_one_index_the_older_keeps_it_until_it_goes() {
    let (mut stage, server) = stage("conflict").await;
    let spec = |interval: &str| {
        let settings = json!({ "number_of_replicas": 0, "refresh_interval": interval });
        json!({ "name": "contested", "settings": settings, "adoptionPolicy": "Always" })
    };
    let older = stage.ready_index("older", &spec("5s")).await;
    second_after(&older.metadata).await;
    stage.index("younger", &spec("9s"));
    let message = stage.index_reason("younger", "Accepted", "Conflict").await;
    assert!(message.contains("'older'"), "{message}");
    stage.rest().await;
    stage.operator.restart().await;
    stage.rest().await;
    stage.index_until("older", "Ready", "True").await;
    stage.index_until("younger", "Accepted", "False").await;
    let live = server.index("contested").await.unwrap();
    assert_eq!(live["settings"]["index"]["refresh_interval"], "5s");
    assert_eq!(calls(&stage.index_writes("younger")), [""; 0]);
    stage.delete_index("older").await;
    stage.index_until("younger", "Ready", "True").await;
    let taken = server.index("contested").await.unwrap();
    assert_eq!(uuid(&taken), uuid(&live));
    assert_eq!(taken["settings"]["index"]["refresh_interval"], "9s");
}
