//! An Index waits for what it needs, says for what, and goes on by itself.

use drover::api::cluster::Cluster;
use serde_json::{Value, json};

use crate::{
    common::proxy::{Fault, Moment},
    refusals::assert_backs_off,
    world::{Stage, calls, elasticsearch, get},
};

fn spec() -> Value {
    json!({ "settings": { "number_of_replicas": 0, "refresh_interval": "5s" } })
}

#[tokio::test]
async fn an_index_that_comes_before_its_cluster_waits_for_it() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("before", server).await;
    stage.index("early", &spec());
    let message = stage.index_reason("early", "ResolvedRefs", "ClusterNotFound").await;
    assert!(message.contains("Cluster 'es'"), "{message}");
    // A Cluster that can't be used yet is no way in either.
    let mut connection = stage.connection();
    connection["auth"]["basic"]["secretName"] = json!("not-yet");
    stage.cluster("es", &connection);
    stage
        .index_when("early", "names what its Cluster lacks", |index| {
            let status = index.status.as_ref().ok_or("no status")?;
            let refs = get(&status.conditions, "ResolvedRefs");
            let told = refs.reason == "ClusterNotReady" && refs.message.contains("ResolvedRefs");
            if told { Ok(()) } else { Err(format!("{refs:?}")) }
        })
        .await;
    stage.secret(
        "not-yet",
        &json!({
            "username": crate::world::USER,
            "password": crate::world::PASSWORD,
        }),
    );
    stage.index_until("early", "Ready", "True").await;
    // A second Index, of a Cluster that is there already.
    stage.ready_index("later", &spec()).await;
}

#[tokio::test]
async fn an_index_in_a_group_of_hosts_waits_until_the_group_has_an_elasticsearch() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("group", server).await;
    let group = json!({
        "apiVersion": "drover.dev/v1alpha1",
        "kind": "Cluster",
        "metadata": { "name": "es" },
        "spec": {},
    });
    let kinds = |cluster: &Cluster| -> Vec<String> {
        let conditions = &cluster.status.as_ref().unwrap().conditions;
        conditions.iter().map(|it| it.type_.to_string()).collect()
    };
    let told = ["Ready", "Accepted", "ResolvedRefs"];
    stage.apply(&group);
    let cluster = stage.cluster_until("es", "Ready", "True").await;
    assert_eq!(kinds(&cluster), told);
    stage.index("grouped", &spec());
    let message = stage.index_reason("grouped", "ResolvedRefs", "ClusterNotReady").await;
    assert!(message.contains("'es' is a group of hosts"), "{message}");
    stage.connect().await;
    stage.index_until("grouped", "Ready", "True").await;
    // Without its connection it is a group again, and the index is left as it is.
    stage.apply(&group);
    stage.index_reason("grouped", "ResolvedRefs", "ClusterNotReady").await;
    let cluster = stage.cluster_until("es", "Ready", "True").await;
    assert_eq!(kinds(&cluster), told);
    let status = cluster.status.unwrap();
    assert_eq!(status.elasticsearch.unwrap().uuid, server.uuid().await, "the pin stays");
    assert!(server.index("grouped").await.is_some());
}

#[tokio::test]
async fn an_index_outlasts_a_cluster_that_does_not_answer_for_a_while() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("outage", server).await;
    stage.connect().await;
    stage.ready_index("outlasts", &spec()).await;
    stage.rest().await;
    let down = stage.elasticsearch.inject(|_| true, Fault::Cut(Moment::BeforeForward));
    let index = stage
        .index_when("outlasts", "waits for its Cluster", |index| {
            let status = index.status.as_ref().ok_or("no status")?;
            let refs = get(&status.conditions, "ResolvedRefs");
            if refs.reason == "ClusterNotReady" { Ok(()) } else { Err(format!("{refs:?}")) }
        })
        .await;
    // The last figures stay, and health is not claimed to be known.
    let status = index.status.unwrap();
    assert_eq!(serde_json::to_value(status.health).unwrap(), "unknown");
    assert_eq!((status.primaries, status.replicas), (Some(1), Some(0)));
    assert!(status.uuid.is_some());
    let mut changed = spec();
    changed["settings"]["refresh_interval"] = json!("9s");
    stage.index("outlasts", &changed);
    stage.index("newcomer", &spec());
    stage.index_reason("newcomer", "ResolvedRefs", "ClusterNotReady").await;
    stage.elasticsearch.remove(down);
    let index = stage.index_until("outlasts", "Ready", "True").await;
    assert_eq!(serde_json::to_value(index.status.unwrap().health).unwrap(), "green");
    stage.index_until("newcomer", "Ready", "True").await;
    let live = server.index("outlasts").await.unwrap();
    assert_eq!(live["settings"]["index"]["refresh_interval"], "9s");
    let writes = stage.index_writes("outlasts");
    assert_eq!(calls(&writes), ["PUT /outlasts", "PUT /outlasts/_settings"]);
}

#[tokio::test]
async fn a_yellow_or_red_cluster_does_not_hold_an_index_back() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("colours", server).await;
    stage.connect().await;
    // A replica that has no second node to be on.
    let yellow = json!({ "settings": { "number_of_replicas": 1 } });
    let index = stage.ready_index("yellow", &yellow).await;
    let status = index.status.unwrap();
    assert_eq!(serde_json::to_value(status.health).unwrap(), "yellow");
    assert_eq!(get(&status.conditions, "Available").status, "True");
    // The shared server is to stay well, so its health alone is said to be worse than it is.
    let reads_health = |it: &crate::common::proxy::Entry| it.path.starts_with("/_cluster/health");
    let worse = |body: Vec<u8>| {
        let mut health: Value = serde_json::from_slice(&body).unwrap();
        health["status"] = json!("red");
        health.to_string().into_bytes()
    };
    stage.elasticsearch.inject(reads_health, Fault::Rewrite(std::sync::Arc::new(worse)));
    server.ok("PUT", "/colours-nudge", Some(&json!({}))).await;
    stage.cluster_until("es", "Available", "False").await;
    stage.ready_index("cure", &spec()).await;
    // The cure for yellow is itself a change.
    stage.ready_index("yellow", &spec()).await;
    stage
        .index_when("yellow", "has no replica any more", |index| {
            let replicas = index.status.as_ref().and_then(|it| it.replicas);
            if replicas == Some(0) { Ok(()) } else { Err(format!("{replicas:?}")) }
        })
        .await;
}

#[tokio::test]
async fn a_missing_index_privilege_is_named_in_the_object_that_needs_it() {
    let server = elasticsearch("8.19.0").await;
    let role = json!({
        "cluster": ["monitor"],
        "indices": [{ "names": ["priv-yes*"], "privileges": ["manage"] }],
    });
    server.ok("PUT", "/_security/role/narrow", Some(&role)).await;
    let user = json!({ "password": "narrow-password", "roles": ["narrow"] });
    server.ok("PUT", "/_security/user/narrow", Some(&user)).await;
    server.ok("PUT", "/priv-no-there", Some(&json!({}))).await;
    let stage = Stage::new("privileges", server).await;
    stage.secret("credentials", &json!({ "username": "narrow", "password": "narrow-password" }));
    stage.connect().await;
    stage.index("priv-no-there", &spec());
    stage.index("priv-no-new", &spec());
    stage.ready_index("priv-yes", &spec()).await;
    let message = stage.index_reason("priv-no-there", "Ready", "PrivilegeMissing").await;
    assert!(message.contains("priv-no-there") && message.contains("manage"), "{message}");
    let message = stage.index_reason("priv-no-new", "Ready", "PrivilegeMissing").await;
    assert!(message.contains("create_index") && message.contains("priv-no-new"), "{message}");
    stage.polls(4).await;
    assert_backs_off(&stage.index_writes("priv-no-new"));
    assert!(stage.index_writes("priv-no-there").is_empty());
    // The right is given: it goes on by itself.
    let role = json!({
        "cluster": ["monitor"],
        "indices": [{ "names": ["priv-*"], "privileges": ["manage"] }],
    });
    server.ok("PUT", "/_security/role/narrow", Some(&role)).await;
    stage.index_until("priv-no-new", "Ready", "True").await;
}
