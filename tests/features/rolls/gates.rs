//! Whatever keeps a host from going down is told, and opens by itself once it is gone.

use serde_json::{Value, json};

use super::Stage;
use crate::common::proxy::{Answer, Entry, Fault};

fn of_routing_table(entry: &Entry) -> bool {
    entry.path.starts_with("/_cluster/state/") && entry.path.contains("routing_table")
}

async fn put(stage: &Stage, path: &str, body: Value) {
    stage.elasticsearch("PUT", path, Some(&body)).await;
}

async fn set(stage: &Stage, key: &str, value: Value) {
    let mut settings = json!({});
    settings[key] = value;
    put(stage, "/_cluster/settings", json!({ "persistent": settings })).await;
}

#[tokio::test]
async fn no_host_goes_down_while_a_gate_is_shut_and_the_run_goes_on_once_all_are_open() {
    let stage = Stage::brownfield("gates", 3).await;
    let before = stage.runs();
    let settings = stage.settings().await;

    // An index without a replica.
    let one_copy = json!({ "settings": { "number_of_shards": 3, "number_of_replicas": 0 } });
    put(&stage, "/single", one_copy).await;
    stage.ask("one", "Elasticsearch", &json!({}), &json!({})).await;
    let words = stage.blocked_by("SingleCopy").await;
    assert!(words.contains("single") && words.contains("singleCopyIndices"), "{words}");
    let ready = stage.cluster_until("Ready", "False").await;
    assert!(ready.conditions.iter().any(|it| it.reason == "Blocked"), "{:?}", ready.conditions);

    // Elasticsearch does not tell where the copies are: nothing else is known then.
    let faults: Vec<_> = stage
        .doors
        .iter()
        .map(|it| it.inject(of_routing_table, Fault::Answer(Answer::json(500, &json!({})))))
        .collect();
    stage.blocked_by("Evidence").await;

    // Somebody takes a node out: by a name that no node has, so that nothing moves. Each gate is shut
    // before the one before it is opened.
    set(&stage, "cluster.routing.allocation.exclude._name", json!("es-9")).await;
    stage.elasticsearch("DELETE", "/single", None).await;
    for (door, fault) in stage.doors.iter().zip(faults) {
        door.remove(fault);
    }
    let words = stage.blocked_by("ForeignExclusion").await;
    assert!(words.contains("exclude"), "{words}");

    // Somebody restricts allocation.
    set(&stage, "cluster.routing.allocation.enable", json!("new_primaries")).await;
    stage.blocked_by("Allocation").await;
    assert_eq!(stage.runs(), before, "a host went down at a shut gate");
    // A disk is nearly full, as far as the cluster's own watermark says.
    let counts = "cluster.routing.allocation.disk.threshold_enabled";
    let low = "cluster.routing.allocation.disk.watermark.low";
    let high = "cluster.routing.allocation.disk.watermark.high";
    let flood = "cluster.routing.allocation.disk.watermark.flood_stage";
    // So much is free nowhere, and nothing is moved away, since no other disk has more.
    let tight = json!({ counts: true, low: "999tb", high: "999tb", flood: "1b" });
    put(&stage, "/_cluster/settings", json!({ "persistent": tight })).await;
    set(&stage, "cluster.routing.allocation.exclude._name", Value::Null).await;
    set(&stage, "cluster.routing.allocation.enable", Value::Null).await;
    stage.blocked_by("Disk").await;
    assert_eq!(stage.runs(), before, "a host went down at a shut gate");
    let loose = json!({ counts: null, low: null, high: null, flood: null });
    put(&stage, "/_cluster/settings", json!({ "persistent": loose })).await;

    let status = stage.restarted("one").await;
    assert_eq!(status.restart.unwrap().restarted.len(), 3);
    stage.assert_nothing_left(&settings).await;
}

#[tokio::test]
async fn a_host_whose_node_is_not_found_or_whose_masters_are_few_stays_up() {
    let stage = Stage::brownfield("lost", 3).await;
    let before = stage.runs();
    // Two of three voting masters: with one more away there is no majority. The third is not to be
    // started for now.
    stage.field.hosts[2]
        .inside("systemctl stop elasticsearch && systemctl --quiet mask elasticsearch");
    stage.ask("one", "Elasticsearch", &json!({ "maxUnavailable": 3 }), &json!({})).await;
    let words = stage.blocked_by("Quorum").await;
    assert!(words.contains("2 of 3") || words.contains("1 of 3"), "{words}");
    assert_eq!(stage.runs()[..2], before[..2], "a host went down without a majority");
    stage.field.hosts[2].inside("systemctl --quiet unmask elasticsearch");
    // The one that is down has nothing to lose and comes first: held back, it is waited for.
    let run =
        stage.run_when("es-3 is begun", |it| it.hosts.iter().any(|it| it.name == "es-3")).await;
    assert_eq!(run.hosts.len(), 3);
    let status = stage.restarted("one").await;
    assert_eq!(status.restart.unwrap().restarted.len(), 3);
    let after = stage.runs();
    assert!(after.iter().zip(&before).all(|(after, before)| after.0 != before.0));

    // A unit that is not the one that runs Elasticsearch.
    let unit = json!({ "elasticsearch": { "unit": "ssh.service" } });
    stage.ask("two", "Elasticsearch", &json!({}), &unit).await;
    let words = stage.blocked_by("NodeNotFound").await;
    assert!(words.contains("es-"), "{words}");
    assert_eq!(stage.runs(), after, "a host went down though its node was not found");
}
