//! What becomes of the index when its object goes, and of the object when its index does.

use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::{
    common::{
        elasticsearch::Elasticsearch,
        proxy::{Answer, Fault, Moment},
    },
    world::{Stage, calls, elasticsearch, get, uuid},
};

async fn stage(name: &str) -> (Stage, &'static Elasticsearch) {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new(name, server).await;
    stage.connect().await;
    (stage, server)
}

fn spec(policy: &str) -> Value {
    let settings = json!({ "number_of_replicas": 0, "refresh_interval": "-1" });
    json!({ "settings": settings, "deletionPolicy": policy })
}

#[tokio::test]
async fn each_deletion_policy_does_what_it_says() {
    let (stage, server) = stage("deletion").await;
    for (name, policy) in [
        ("del-kept", "Retain"),
        ("del-gone", "Delete"),
        ("del-empty", "DeleteIfEmpty"),
        ("del-full", "DeleteIfEmpty"),
    ] {
        stage.index(name, &spec(policy));
    }
    for name in ["del-kept", "del-gone", "del-empty", "del-full"] {
        stage.index_until(name, "Ready", "True").await;
    }
    // Without a refresh no search and no count sees it.
    for name in ["del-gone", "del-full"] {
        let path = format!("/{name}/_doc/1");
        server.ok("PUT", &path, Some(&json!({ "t": "words" }))).await;
        let count = server.ok("GET", &format!("/{name}/_count"), None).await;
        assert_eq!(count["count"], 0);
    }
    stage.rest().await;
    let kept = server.index("del-kept").await.unwrap();
    let full = server.index("del-full").await.unwrap();
    for name in ["del-kept", "del-gone", "del-empty", "del-full"] {
        stage.indices().delete(name, &DeleteParams::default()).await.unwrap();
    }
    for name in ["del-kept", "del-gone", "del-empty", "del-full"] {
        stage.index_gone(name).await;
    }
    assert_eq!(server.index("del-kept").await.unwrap(), kept);
    assert_eq!(server.index("del-gone").await, None);
    assert_eq!(server.index("del-empty").await, None);
    stage.event("del-gone", "IndexDeleted").await;
    stage.event("del-empty", "IndexDeleted").await;
    stage.event("del-full", "IndexKept").await;
    let mut after = server.index("del-full").await.unwrap();
    let mut before = full;
    assert_eq!(after["settings"]["index"].as_object_mut().unwrap().remove("blocks"), None);
    before["settings"]["index"].as_object_mut().unwrap().remove("blocks");
    assert_eq!(after, before);
    server.ok("PUT", "/del-full/_doc/2?refresh=true", Some(&json!({ "t": "more" }))).await;
    assert_eq!(server.ok("GET", "/del-full/_count", None).await["count"], 2);
    assert_eq!(calls(&stage.index_writes("del-kept")), ["PUT /del-kept"]);
}

#[tokio::test]
async fn a_write_block_that_somebody_else_set_stays() {
    let (stage, server) = stage("block").await;
    stage.ready_index("blocked", &spec("DeleteIfEmpty")).await;
    server.ok("PUT", "/blocked/_doc/1", Some(&json!({ "t": "words" }))).await;
    server.ok("PUT", "/blocked/_block/write", None).await;
    stage.polls(2).await;
    stage.delete_index("blocked").await;
    let live = server.index("blocked").await.unwrap();
    assert_eq!(live["settings"]["index"]["blocks"]["write"], "true");
}

#[tokio::test]
async fn an_index_that_was_swapped_behind_is_not_deleted() {
    let (stage, server) = stage("swap").await;
    stage.ready_index("swapped", &spec("Delete")).await;
    stage.rest().await;
    // The poller hears nothing of the swap: only the look right before the deletion can tell.
    let poll = |it: &crate::common::proxy::Entry| {
        it.opaque_id.as_deref().is_some_and(|it| it.starts_with("drover/poll/"))
    };
    let deaf = stage.elasticsearch.inject(poll, Fault::Hold);
    server.ok("DELETE", "/swapped", None).await;
    let other = json!({ "settings": { "number_of_replicas": 0 } });
    server.ok("PUT", "/swapped", Some(&other)).await;
    let before = server.index("swapped").await.unwrap();
    stage.indices().delete("swapped", &DeleteParams::default()).await.unwrap();
    let guard = format!("drover/index/{}/swapped", stage.namespace);
    crate::common::wait::eventually("a look before", crate::world::SOON, async || {
        let looks = |it: &crate::common::proxy::Entry| it.opaque_id.as_deref() == Some(&guard);
        if stage.elasticsearch.ledger().count(looks) >= 3 { Ok(()) } else { Err("none yet") }
    })
    .await;
    stage.elasticsearch.remove(deaf);
    stage.index_gone("swapped").await;
    stage.event("swapped", "LeftBehind").await;
    assert_eq!(server.index("swapped").await.unwrap(), before);
    assert_eq!(calls(&stage.index_writes("swapped")), ["PUT /swapped"]);
}

#[tokio::test]
async fn an_object_whose_cluster_is_gone_lets_go_and_says_what_it_left() {
    let (stage, server) = stage("left").await;
    stage.ready_index("left", &spec("Delete")).await;
    stage.rest().await;
    // The Cluster stays for the sake of the index, unless somebody takes it away by force.
    stage.clusters().delete("es", &DeleteParams::default()).await.unwrap();
    stage.polls(2).await;
    assert!(stage.clusters().get_opt("es").await.unwrap().is_some());
    let force = json!({ "metadata": { "finalizers": null } });
    let parameters = PatchParams::default();
    stage.clusters().patch("es", &parameters, &Patch::Merge(&force)).await.unwrap();
    stage.index_reason("left", "ResolvedRefs", "ClusterNotFound").await;
    stage.delete_index("left").await;
    let note = stage.event("left", "LeftBehind").await;
    assert!(note.contains("its Cluster is gone"), "{note}");
    assert!(server.index("left").await.is_some());
}

#[tokio::test]
async fn a_deletion_waits_for_a_cluster_that_does_not_answer_unless_it_may_retain() {
    let (stage, server) = stage("waiting").await;
    stage.ready_index("patient", &spec("Delete")).await;
    stage.ready_index("waived", &spec("Delete")).await;
    stage.rest().await;
    let down = stage.elasticsearch.inject(|_| true, Fault::Cut(Moment::BeforeForward));
    stage.cluster_until("es", "Reachable", "False").await;
    for name in ["patient", "waived"] {
        stage.indices().delete(name, &DeleteParams::default()).await.unwrap();
        stage
            .index_when(name, "says why it waits", |index| {
                let status = index.status.as_ref().ok_or("no status")?;
                let ready = get(&status.conditions, "Ready");
                let told = ready.reason == "Deleting" && ready.message.contains("Retain");
                if told { Ok(()) } else { Err(format!("{ready:?}")) }
            })
            .await;
    }
    let retain = json!({ "spec": { "deletionPolicy": "Retain" } });
    let parameters = PatchParams::default();
    stage.indices().patch("waived", &parameters, &Patch::Merge(&retain)).await.unwrap();
    stage.index_gone("waived").await;
    stage.elasticsearch.remove(down);
    stage.index_gone("patient").await;
    assert_eq!(server.index("patient").await, None);
    assert!(server.index("waived").await.is_some());
}

#[tokio::test]
async fn a_refused_deletion_is_told_and_tried_again() {
    let (stage, server) = stage("refused").await;
    stage.ready_index("undying", &spec("Delete")).await;
    stage.rest().await;
    let refusal = Answer::elasticsearch_error(
        403,
        "security_exception",
        "action [indices:admin/delete] is unauthorized for user [drover]",
    );
    let refuses = |it: &crate::common::proxy::Entry| it.method == "DELETE";
    let rule = stage.elasticsearch.inject(refuses, Fault::Answer(refusal));
    stage.indices().delete("undying", &DeleteParams::default()).await.unwrap();
    stage
        .index_when("undying", "tells the refusal", |index| {
            let status = index.status.as_ref().ok_or("no status")?;
            let ready = get(&status.conditions, "Ready");
            let told = ready.message.contains("indices:admin/delete");
            if told { Ok(()) } else { Err(format!("{ready:?}")) }
        })
        .await;
    stage.elasticsearch.remove(rule);
    stage.index_gone("undying").await;
    assert_eq!(server.index("undying").await, None);
}

#[tokio::test]
async fn an_index_deleted_by_hand_is_not_made_again_until_a_person_says_so() {
    let (stage, server) = stage("lost").await;
    for name in ["lost", "restored"] {
        stage.ready_index(name, &spec("Retain")).await;
    }
    stage.rest().await;
    let restored = server.index("restored").await.unwrap();
    let lost = uuid(&server.index("lost").await.unwrap());
    server.ok("DELETE", "/lost,restored", None).await;
    for name in ["lost", "restored"] {
        stage.index_reason(name, "Ready", "IndexMissing").await;
    }
    let message = stage.index_reason("lost", "Synced", "IndexMissing").await;
    assert!(message.contains(&lost), "{message}");
    stage.rest().await;
    let annotate = async |uuid: &str| {
        let patch = json!({ "metadata": { "annotations": { drover::api::RECREATE: uuid } } });
        let parameters = PatchParams::default();
        stage.indices().patch("lost", &parameters, &Patch::Merge(&patch)).await.unwrap();
    };
    annotate("another-uuid").await;
    stage.polls(2).await;
    assert!(server.index("lost").await.is_none());
    annotate(&lost).await;
    let index = stage.index_until("lost", "Ready", "True").await;
    assert_ne!(index.status.unwrap().uuid.as_deref(), Some(lost.as_str()));
    assert_eq!(calls(&stage.index_writes("lost")), ["PUT /lost", "PUT /lost"]);
    // A snapshot brings the mark back under a new uuid.
    let body = json!({
        "settings": { "number_of_replicas": 0, "refresh_interval": "-1" },
        "mappings": restored["mappings"],
    });
    server.ok("PUT", "/restored", Some(&body)).await;
    let index = stage.index_until("restored", "Ready", "True").await;
    let live = server.index("restored").await.unwrap();
    assert_eq!(index.status.unwrap().uuid, Some(uuid(&live)));
    assert_eq!(calls(&stage.index_writes("restored")), ["PUT /restored"]);
}
