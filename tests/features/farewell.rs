//! Deletions under way when something else goes wrong: nothing that holds a document is lost, and
//! no object stays for ever.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    common::{
        elasticsearch::Elasticsearch,
        proxy::{Answer, Entry, Fault, Moment},
        wait::eventually,
    },
    world::{SOON, Stage, calls, elasticsearch},
};

async fn stage(name: &str) -> (Stage, &'static Elasticsearch) {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new(name, server).await;
    stage.connect().await;
    (stage, server)
}

fn spec(policy: &str) -> Value {
    json!({ "settings": { "number_of_replicas": 0 }, "deletionPolicy": policy })
}

/// Waits until the proxy has done it so often.
async fn hits(stage: &Stage, rule: crate::common::proxy::RuleId, count: usize) {
    eventually("the operator tries", SOON, async || {
        let hits = stage.elasticsearch.hits(rule);
        if hits >= count { Ok(()) } else { Err(format!("{hits} times")) }
    })
    .await;
}

/// What asks for the number of documents before a deletion.
fn counts(entry: &Entry) -> bool {
    let caller = entry.opaque_id.as_deref().unwrap_or_default();
    entry.path.contains("/_stats") && caller.starts_with("drover/index/")
}

async fn delete(stage: &Stage, name: &str) {
    stage.indices().delete(name, &DeleteParams::default()).await.unwrap();
}

#[tokio::test]
async fn a_count_that_lacks_a_shard_does_not_pass_for_an_empty_index() {
    let (stage, server) = stage("shardless").await;
    stage.ready_index("shardless", &spec("DeleteIfEmpty")).await;
    server.ok("PUT", "/shardless/_doc/1?refresh=true", Some(&json!({ "t": 1 }))).await;
    stage.rest().await;
    // As if the shard that holds the document were not there: the others hold none.
    let without_a_shard = |body: Vec<u8>| {
        let mut body: Value = serde_json::from_slice(&body).expect("statistics");
        body["_shards"]["failed"] = json!(1);
        body["indices"]["shardless"]["primaries"]["docs"]["count"] = json!(0);
        body.to_string().into_bytes()
    };
    let rule = stage.elasticsearch.inject(counts, Fault::Rewrite(Arc::new(without_a_shard)));
    delete(&stage, "shardless").await;
    hits(&stage, rule, 2).await;
    assert!(server.index("shardless").await.is_some());
    assert!(stage.indices().get_opt("shardless").await.unwrap().is_some());
    stage.elasticsearch.remove(rule);
    stage.index_gone("shardless").await;
    stage.event("shardless", "IndexKept").await;
    let live = server.index("shardless").await.unwrap();
    assert_eq!(live["settings"]["index"].get("blocks"), None);
    let deletions = stage.index_writes("shardless");
    assert!(deletions.iter().all(|it| it.method != "DELETE"), "{:?}", calls(&deletions));
}

#[tokio::test]
async fn a_block_that_an_unfinished_deletion_left_is_taken_away_when_the_index_is_kept() {
    let server = elasticsearch("8.19.0").await;
    let mut stage = Stage::with("unblock", server, |it| it.switch("--leader-elect=false")).await;
    stage.connect().await;
    stage.ready_index("unblock", &spec("DeleteIfEmpty")).await;
    server.ok("PUT", "/unblock/_doc/1?refresh=true", Some(&json!({ "t": 1 }))).await;
    stage.rest().await;
    let rule = stage.elasticsearch.inject(counts, Fault::Cut(Moment::BeforeForward));
    delete(&stage, "unblock").await;
    hits(&stage, rule, 1).await;
    let blocked = |live: &Value| live["settings"]["index"]["blocks"]["write"] == "true";
    assert!(blocked(&server.index("unblock").await.unwrap()));
    // Nothing but the objects remembers it.
    stage.operator.kill();
    let retain = json!({ "spec": { "deletionPolicy": "Retain" } });
    let parameters = PatchParams::default();
    stage.indices().patch("unblock", &parameters, &Patch::Merge(&retain)).await.unwrap();
    stage.operator.restart().await;
    stage.index_gone("unblock").await;
    stage.elasticsearch.remove(rule);
    assert!(!blocked(&server.index("unblock").await.unwrap()));
    server.ok("PUT", "/unblock/_doc/2?refresh=true", Some(&json!({ "t": 2 }))).await;
    assert_eq!(server.ok("GET", "/unblock/_count", None).await["count"], 2);
}

#[tokio::test]
async fn a_closed_index_can_not_be_counted_and_stays() {
    let (stage, server) = stage("shut").await;
    let mut closed = spec("DeleteIfEmpty");
    closed["state"] = json!("Closed");
    stage.ready_index("shut", &closed).await;
    stage.rest().await;
    stage.delete_index("shut").await;
    let note = stage.event("shut", "LeftBehind").await;
    assert!(note.contains("closed"), "{note}");
    assert!(server.index("shut").await.is_some());
}

#[tokio::test]
async fn an_index_is_deleted_as_asked_though_its_secret_and_its_cluster_went_first() {
    let (stage, server) = stage("first").await;
    stage.ready_index("first-gone", &spec("Delete")).await;
    stage.ready_index("first-kept", &spec("Retain")).await;
    stage.rest().await;
    let secrets: Api<Secret> = Api::namespaced(stage.client.clone(), &stage.namespace);
    stage.clusters().delete("es", &DeleteParams::default()).await.unwrap();
    secrets.delete("credentials", &DeleteParams::default()).await.unwrap();
    stage.polls(2).await;
    for name in ["first-gone", "first-kept"] {
        stage.delete_index(name).await;
    }
    stage.cluster_gone("es").await;
    assert!(server.index("first-gone").await.is_none());
    assert!(server.index("first-kept").await.is_some());
}

#[tokio::test]
async fn a_namespace_that_goes_takes_its_objects_and_what_they_say_shall_go() {
    let (stage, server) = stage("leaving").await;
    stage.ready_index("leaving-gone", &spec("Delete")).await;
    stage.ready_index("leaving-kept", &spec("Retain")).await;
    stage.rest().await;
    let namespaces: Api<Namespace> = Api::all(stage.client.clone());
    namespaces.delete(&stage.namespace, &DeleteParams::default()).await.unwrap();
    // In a namespace that ends nothing can be made any more, not even an event. Kubernetes itself
    // deletes what is in it, in no order.
    let secrets: Api<Secret> = Api::namespaced(stage.client.clone(), &stage.namespace);
    let all = kube::api::ListParams::default();
    let at_once = DeleteParams::default();
    secrets.delete_collection(&at_once, &all).await.unwrap();
    stage.cluster_tells("es", "ResolvedRefs", "False", "SecretNotFound").await;
    stage.clusters().delete_collection(&at_once, &all).await.unwrap();
    stage.indices().delete_collection(&at_once, &all).await.unwrap();
    for name in ["leaving-gone", "leaving-kept"] {
        stage.index_gone(name).await;
    }
    stage.cluster_gone("es").await;
    assert!(server.index("leaving-gone").await.is_none());
    assert!(server.index("leaving-kept").await.is_some());
}

#[tokio::test]
async fn an_object_taken_away_by_force_leaves_no_write_behind() {
    let (stage, server) = stage("forced").await;
    stage.ready_index("forced", &spec("Delete")).await;
    stage.rest().await;
    // Its deletion has begun, and hangs; somebody takes the finalizer away meanwhile.
    let deletes = |it: &Entry| it.method == "DELETE";
    let refusal = Answer::elasticsearch_error(403, "security_exception", "not now");
    let rule = stage.elasticsearch.inject(deletes, Fault::Answer(refusal));
    delete(&stage, "forced").await;
    hits(&stage, rule, 1).await;
    let force = json!({ "metadata": { "finalizers": null } });
    let parameters = PatchParams::default();
    stage.indices().patch("forced", &parameters, &Patch::Merge(&force)).await.unwrap();
    stage.index_gone("forced").await;
    stage.rest().await;
    let tried = stage.elasticsearch.hits(rule);
    stage.elasticsearch.remove(rule);
    stage.polls(3).await;
    assert_eq!(stage.elasticsearch.ledger().count(|it| it.method == "DELETE"), tried);
    assert!(server.index("forced").await.is_some());
}
