//! What a Cluster tells of Elasticsearch's health, and of an Elasticsearch that hangs, stops and
//! comes back.

use std::sync::Arc;

use drover::api::{
    cluster::Cluster,
    cluster_status::{
        DiagnosticLevel::{self, Warning},
        ElasticsearchStatus, Health,
    },
};
use serde_json::json;

use crate::{
    common::{
        elasticsearch::Elasticsearch,
        proxy::{Answer, Entry, Fault},
        wait::eventually,
    },
    world::{SOON, Stage, get, own_elasticsearch},
};

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
    let last_health = Some(figures(before).health);
    let expected = ElasticsearchStatus { health: Health::Unknown, last_health, ..figures(before) };
    assert_eq!(figures(now), expected);
    let nodes = |it: &Cluster| it.status.clone().unwrap_or_default().nodes;
    assert_eq!(nodes(now), nodes(before));
    let conditions = &now.status.as_ref().unwrap().conditions;
    assert_eq!(get(conditions, "Healthy").reason, "HealthUnknown");
    assert_eq!(get(conditions, "Ready").status, "False");
}

/// What 8.19 reports of one replica too many. The distribution of the test bed lacks the module
/// that judges shards; the real one is silent, too, for the first seconds.
fn report(_: &Entry) -> Answer {
    let cause = "Elasticsearch isn't allowed to allocate some shards from these indices because \
                 there are not enough nodes.";
    let action = "Increase the number of nodes or decrease the number of replica shards.";
    let diagnosis = json!({
        "cause": cause, "action": action, "affected_resources": { "indices": ["lonely"] },
    });
    let shards = json!({
        "status": "yellow",
        "symptom": "This cluster has 1 unavailable replica shard.",
        "diagnosis": [diagnosis],
    });
    Answer::json(200, &json!({ "indicators": { "shards_availability": shards } }))
        .header("x-elastic-product", "Elasticsearch")
}

#[tokio::test]
async fn a_yellow_index_is_told_with_cause_and_advice_and_the_cluster_stays_ready() {
    let server = own_elasticsearch().await;
    let stage = stage("yellow", &server).await;
    stage.cluster_tells("es", "Healthy", "True", "HealthGreen").await;
    let is_report = |it: &Entry| it.path == "/_health_report";
    let rule = stage.elasticsearch.inject(is_report, Fault::Respond(Arc::new(report)));
    let silent = Answer::json(200, &json!({ "indicators": {} }));
    stage.elasticsearch.inject_times(2, is_report, Fault::Answer(silent));
    let settings = json!({ "settings": { "number_of_replicas": 1 } });
    server.ok("PUT", "/lonely", Some(&settings)).await;

    stage.cluster_tells("es", "Healthy", "False", "HealthYellow").await;
    let status = eventually("the health report is told", SOON, async || {
        let cluster = stage.clusters().get("es").await.map_err(|it| it.to_string())?;
        let status = cluster.status.unwrap_or_default();
        if status.diagnostics.is_empty() { Err("no diagnostics".to_owned()) } else { Ok(status) }
    })
    .await;
    assert_eq!(get(&status.conditions, "Ready").status, "True");
    let seen = status.elasticsearch.unwrap();
    assert_eq!((seen.health, seen.shards.unassigned), (Health::Yellow, 1));
    let [advice] = status.diagnostics.as_slice() else { panic!("{:?}", status.diagnostics) };
    assert_eq!((advice.rule.as_str(), advice.level), ("shards_availability", Warning));
    assert!(advice.subject.contains("not enough nodes"), "{advice:?}");
    assert!(advice.subject.contains("lonely"), "{advice:?}");
    assert!(advice.advice.contains("decrease the number of replica"), "{advice:?}");
    let note = stage.event("es", "HealthChanged").await;
    assert_eq!(note, "health changed from green to yellow");

    stage.elasticsearch.remove(rule);
    server.ok("DELETE", "/lonely", None).await;
    let cluster = stage.cluster_tells("es", "Healthy", "True", "HealthGreen").await;
    assert_eq!(cluster.status.unwrap().diagnostics, []);
}

#[tokio::test]
async fn a_danger_that_only_the_health_report_knows_is_told_at_the_next_full_check() {
    let server = own_elasticsearch().await;
    let stage = Stage::with("report", &server, |it| it.flag("--stats-interval", "1s")).await;
    let full = json!({ "persistent": { "cluster.max_shards_per_node": 1 } });
    server.ok("PUT", "/_cluster/settings", Some(&full)).await;
    stage.cluster("es", &json!({ "endpoints": [stage.elasticsearch.url()] }));
    let told = async |danger: bool| {
        eventually("the room for shards is judged", SOON, async || {
            let cluster = stage.clusters().get("es").await.map_err(|it| it.to_string())?;
            let status = cluster.status.unwrap_or_default();
            let found = status.diagnostics.iter().find(|it| it.rule == "shards_capacity");
            match found {
                Some(it) if danger => Ok(Some(it.clone())),
                None if !danger && status.elasticsearch.is_some() => Ok(None),
                _ => Err(format!("{:?}", status.diagnostics)),
            }
        })
        .await
    };
    let danger = told(true).await.expect("asked for");
    assert_eq!(danger.level, DiagnosticLevel::Danger);
    assert!(!danger.subject.is_empty() && !danger.advice.is_empty(), "{danger:?}");
    let back = json!({ "persistent": { "cluster.max_shards_per_node": null } });
    server.ok("PUT", "/_cluster/settings", Some(&back)).await;
    told(false).await;
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
