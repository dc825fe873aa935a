//! What becomes of Elasticsearch when its objects go, and when they come again: by hand, or from a backup. That a
//! machine which has lost its data forms no second cluster is seen in `life.rs`.

use std::time::Duration;

use drover::api::{cluster::Cluster, host_status::RunStatus, rollout_status::RestartStatus};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{DeleteParams, ListParams},
};
use serde_json::{Value, json};

use super::{LONG, ROLL, Stage};
use crate::{
    common::{
        hosts::room,
        wait::{eventually, holds},
    },
    world::control_plane,
};

const VERSION: &str = "8.19.0";
/// Names each node by its id, and the run of it.
const NODES: &str = "/_nodes/jvm?filter_path=nodes.*.ephemeral_id,nodes.*.jvm.start_time_in_millis";

/// Deletes the Cluster alone, or all its Hosts too, and waits until they are gone.
async fn delete(stage: &Stage, hosts: bool) {
    let clusters: Api<Cluster> = Api::namespaced(stage.client.clone(), &stage.namespace);
    clusters.delete("es", &DeleteParams::default()).await.unwrap();
    let api = stage.hosts();
    if hosts {
        api.delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
    }
    eventually("the objects are gone", LONG, async || {
        let cluster = clusters.get_opt("es").await.map_err(|it| it.to_string())?;
        let left = api.list(&ListParams::default()).await.map_err(|it| it.to_string())?.items;
        if cluster.is_none() && (left.is_empty() || !hosts) {
            Ok(())
        } else {
            Err(format!("{:#?}", (cluster.map(|it| it.status), left)))
        }
    })
    .await;
}

/// What would be otherwise if anything had been restarted, fetched, set or made again.
#[derive(Debug, PartialEq)]
struct Stand {
    /// systemd's ids of the runs of Elasticsearch, machine by machine.
    runs: Vec<String>,
    /// The same of the boots.
    boots: Vec<String>,
    nodes: Value,
    settings: Value,
    /// The uids of the cluster's Secrets, and their versions.
    secrets: Vec<(Option<String>, Option<String>)>,
    fetched: usize,
}

impl Stand {
    async fn of(stage: &Stage) -> Self {
        let mut boots = Vec::new();
        for machine in &stage.machines {
            boots.push(machine.boot_id().await);
        }
        let api: Api<Secret> = Api::namespaced(stage.client.clone(), &stage.namespace);
        let mut secrets = Vec::new();
        for name in ["es-admin", "es-ca", "es-ca-key"] {
            let meta = api.get(name).await.expect("it is kept").metadata;
            // Kubernetes would delete it with its owner.
            assert_eq!(meta.owner_references, None, "{name}");
            secrets.push((meta.uid, meta.resource_version));
        }
        Self {
            runs: stage.runs(),
            boots,
            nodes: stage.asks(0, NODES).await.unwrap(),
            settings: stage.asks(0, "/_cluster/settings?flat_settings=true").await.unwrap(),
            secrets,
            fetched: stage.archives.fetched(VERSION),
        }
    }
}

/// The Cluster and its Hosts as a backup brings them back: without their status, and without what the API server
/// alone says of an object.
async fn backup(stage: &Stage) -> Value {
    let get = ["get", "hosts.drover.dev,clusters.drover.dev", "-n", &stage.namespace, "-o", "json"];
    let told = control_plane().await.kubectl(&get, "");
    let mut list: Value = serde_json::from_str(&told).expect("kubectl prints JSON");
    for item in list["items"].as_array_mut().expect("a list") {
        item.as_object_mut().expect("an object").remove("status").expect("it was seen to");
        let meta = item["metadata"].as_object_mut().expect("each has it");
        for field in ["uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"]
        {
            meta.remove(field);
        }
    }
    list
}

/// All objects go, and come again from a backup that names requests which were followed long ago: nothing of that
/// is done once more, and the cluster is the one that it was.
async fn goes_and_comes_again(stage: &Stage, uuid: &str) {
    let (before, backup) = (Stand::of(stage).await, backup(stage).await);
    assert_eq!(backup["items"].as_array().map(Vec::len), Some(stage.machines.len() + 1));
    delete(stage, true).await;
    assert_eq!(Stand::of(stage).await, before, "under Retain nobody is touched");
    let create = ["create", "-n", &stage.namespace, "-f", "-"];
    control_plane().await.kubectl(&create, &backup.to_string());
    let status = stage.until("Ready", "True").await;
    assert_eq!(status.elasticsearch.map(|it| it.uuid).as_deref(), Some(uuid));
    let requests = status.requests.expect("they are put on record");
    let dealt_with = (requests.restart.as_deref(), requests.upgrade.as_deref());
    assert_eq!(dealt_with, (Some("one"), Some("one")));
    let clusters: Api<Cluster> = Api::namespaced(stage.client.clone(), &stage.namespace);
    holds("nothing is begun", Duration::from_secs(5), async || {
        let status = clusters.get("es").await.map_err(|it| it.to_string())?;
        let status = status.status.unwrap_or_default();
        let is_idle = status.rollout.is_none() && status.formation.is_none();
        let is_new = status.restart.is_none() && status.upgrade.is_none();
        let has_run = !status.history.is_empty() || status.elasticsearch_deploy.is_some();
        if is_idle && is_new && !has_run { Ok(()) } else { Err(format!("{status:#?}")) }
    })
    .await;
    assert_eq!(Stand::of(stage).await, before, "something was done once more");
}

/// Requests that are there when the object is made, which is no reason to follow them.
fn requests(restart: &str) -> Value {
    json!({ "operations": {
        "restart": { "requestId": restart },
        "upgrade": { "requestId": "one" },
    } })
}

#[tokio::test]
async fn objects_that_come_again_take_up_the_same_cluster_and_delete_takes_it_from_the_host() {
    let _room = room().await;
    let stage = Stage::new("comes-again", 1).await;
    let cluster = |more| stage.cluster(VERSION, &json!({}), &more);
    stage.apply_all(&cluster(requests("one"))).await;
    let formed = stage.formed().await;

    // Retain: nobody is touched, and what comes again is the same.
    goes_and_comes_again(&stage, &formed.uuid).await;

    // Delete: it goes, with its data where that is said.
    let delete_all = json!({ "deletionPolicy": "Delete", "deleteData": true });
    stage.apply(&cluster(delete_all)).await;
    stage.until("Ready", "True").await;
    delete(&stage, false).await;
    let host = &stage.machines[0];
    host.inside("test ! -e /opt/drover/elasticsearch && test ! -e /etc/drover-elasticsearch");
    host.inside("test -z \"$(ls -A /var/lib/drover-elasticsearch 2>/dev/null)\"");
    assert_eq!(host.inside("pgrep -u elasticsearch java || echo none").trim(), "none");

    // What was deleted with its data comes again as another cluster.
    stage.apply_all(&cluster(json!({}))).await;
    let again = stage.formed().await;
    assert_ne!(again.uuid, formed.uuid);
}

#[tokio::test]
#[ignore = "minutes long: `make soak` runs it"]
async fn what_comes_back_from_a_backup_on_three_hosts_follows_no_request_of_before() {
    let _room = room().await;
    let stage = Stage::new("backup", 3).await;
    let cluster = |restart| stage.cluster(VERSION, &json!({}), &requests(restart));
    stage.apply_all(&cluster("none")).await;
    let formed = stage.formed().await;
    let settings = json!({ "settings": { "number_of_shards": 3, "number_of_replicas": 1 } });
    stage.tells("PUT", "/orders", &settings).await;
    stage.tells("PUT", "/orders/_doc/1?refresh=true", &json!({ "n": 1 })).await;

    // One that was followed in the life of the object is as little a reason in the next one.
    let runs = stage.runs();
    stage.apply(&cluster("one")).await;
    stage
        .when_within(ROLL, "the restart is over", |cluster| {
            let status = cluster.status.clone().unwrap_or_default();
            let is_it =
                |it: &RestartStatus| it.request_id == "one" && it.status == RunStatus::Finished;
            let is_over = status.rollout.is_none() && status.restart.as_ref().is_some_and(is_it);
            if is_over { Ok(()) } else { Err(format!("{:#?}", (status.rollout, status.restart))) }
        })
        .await;
    stage.until("Ready", "True").await;
    let same = runs.iter().zip(stage.runs()).filter(|(before, after)| **before == *after).count();
    assert_eq!(same, 0, "all were restarted once");
    goes_and_comes_again(&stage, &formed.uuid).await;
    let found = stage.asks(0, "/orders/_count").await.unwrap();
    assert_eq!(found["count"], 1, "{found}");
}
