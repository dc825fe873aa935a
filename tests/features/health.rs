//! What a Cluster tells of Elasticsearch's health, and of an Elasticsearch that hangs, stops and
//! comes back.

use serde_json::json;

use crate::{
    common::{elasticsearch::Elasticsearch, wait::eventually},
    world::{SOON, Stage, get, own_elasticsearch},
};
use drover::api::cluster::{Cluster, ElasticsearchStatus, Health};

/// A stage whose Cluster `es` needs no credentials, and hears soon that nobody answers.
async fn stage(name: &str, server: &Elasticsearch) -> Stage {
    let stage = Stage::new(name, server).await;
    let connection = json!({ "endpoints": [stage.elasticsearch.url()], "timeout": "2s" });
    stage.cluster("es", &connection);
    stage.cluster_until("es", "Ready", "True").await;
    stage
}

fn figures(cluster: &Cluster) -> ElasticsearchStatus {
    cluster.status.clone().unwrap_or_default().elasticsearch.expect("it was seen")
}

/// The last good figures are there, and the health is not known.
fn check_last_good(before: &Cluster, now: &Cluster) {
    let expected = ElasticsearchStatus { health: Health::Unknown, ..figures(before) };
    assert_eq!(figures(now), expected);
    let nodes = |it: &Cluster| it.status.clone().unwrap_or_default().nodes;
    assert_eq!(nodes(now), nodes(before));
    let conditions = &now.status.as_ref().unwrap().conditions;
    assert_eq!(get(conditions, "Healthy").reason, "HealthUnknown");
    assert_eq!(get(conditions, "Ready").status, "False");
}

#[tokio::test]
async fn a_yellow_index_is_told_with_cause_and_advice_and_the_cluster_stays_ready() {
    let server = own_elasticsearch().await;
    let stage = stage("yellow", &server).await;
    stage.cluster_tells("es", "Healthy", "True", "HealthGreen").await;
    let settings = json!({ "settings": { "number_of_replicas": 1 } });
    server.ok("PUT", "/lonely", Some(&settings)).await;

    let cluster = stage.cluster_tells("es", "Healthy", "False", "HealthYellow").await;
    let status = cluster.status.unwrap();
    assert_eq!(get(&status.conditions, "Ready").status, "True");
    let seen = status.elasticsearch.unwrap();
    assert_eq!((seen.health, seen.shards.unassigned), (Health::Yellow, 1));
    let advice = status.diagnostics.iter().find(|it| it.rule == "shards_availability");
    let advice = advice.unwrap_or_else(|| panic!("{:?}", status.diagnostics));
    assert!(advice.subject.contains("lonely"), "{advice:?}");
    assert!(advice.subject.contains("replica"), "{advice:?}");
    assert!(!advice.advice.is_empty(), "{advice:?}");
    let note = stage.event("es", "HealthChanged").await;
    assert_eq!(note, "health changed from green to yellow");

    server.ok("DELETE", "/lonely", None).await;
    let cluster = stage.cluster_tells("es", "Healthy", "True", "HealthGreen").await;
    let left = cluster.status.unwrap().diagnostics;
    assert!(left.iter().all(|it| it.rule != "shards_availability"), "{left:?}");
}

#[tokio::test]
async fn an_elasticsearch_that_hangs_is_unreachable_and_is_found_again_when_it_goes_on() {
    let server = own_elasticsearch().await;
    let stage = stage("hung", &server).await;
    let before = stage.cluster_until("es", "Ready", "True").await;
    server.freeze(0);
    let cluster = stage.cluster_tells("es", "Reachable", "False", "Unreachable").await;
    server.thaw(0);
    check_last_good(&before, &cluster);
    stage.event("es", "ConnectionLost").await;
    stage.cluster_until("es", "Ready", "True").await;
}

#[tokio::test]
async fn a_stopped_elasticsearch_keeps_its_last_figures_even_over_a_restart_of_drover() {
    let mut server = own_elasticsearch().await;
    let mut stage = stage("stopped", &server).await;
    let before = stage.cluster_until("es", "Ready", "True").await;
    server.stop(0).await;
    let cluster = stage.cluster_tells("es", "Reachable", "False", "Unreachable").await;
    check_last_good(&before, &cluster);

    stage.operator.restart().await;
    let ledger = stage.elasticsearch.ledger();
    ledger.clear();
    eventually("the new process has asked in vain", SOON, async || match ledger.all().len() {
        0 | 1 => Err("not yet"),
        _ => Ok(()),
    })
    .await;
    let cluster = stage.cluster_tells("es", "Reachable", "False", "Unreachable").await;
    check_last_good(&before, &cluster);

    server.start_again(0).await;
    let cluster = stage.cluster_until("es", "Ready", "True").await;
    assert_eq!(figures(&cluster).uuid, figures(&before).uuid);
}
