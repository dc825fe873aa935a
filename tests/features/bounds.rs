//! How much the operator does at once.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use serde_json::json;

use crate::{
    common::{
        proxy::{Entry, Fault, Proxy},
        wait::eventually,
    },
    world::{SOON, Stage, elasticsearch},
};

#[tokio::test]
async fn no_more_is_worked_on_at_once_than_asked_for_and_one_sick_cluster_slows_no_other() {
    let server = elasticsearch("8.19.0").await;
    let flags = |it: crate::common::operator::Settings| it.flag("--max-concurrent-reconciles", "2");
    let stage = Stage::with("bounds", server, flags).await;
    let healthy = Proxy::before_elasticsearch(server);
    let mut connection = stage.connection();
    // Whatever waits for the sick one waits longer than this test.
    connection["timeout"] = json!("5m");
    stage.cluster("es", &connection);
    connection["endpoints"] = json!([healthy.url()]);
    stage.cluster("healthy", &connection);
    for name in ["es", "healthy"] {
        stage.cluster_until(name, "Ready", "True").await;
    }
    let held = stage.elasticsearch.inject(Entry::is_write, Fault::Hold);
    let done = AtomicBool::new(false);
    let sample = async {
        let mut most = 0.0_f64;
        while !done.load(Ordering::Relaxed) {
            let metrics = stage.operator.metrics().await;
            let now = metrics.get(r#"drover_active_reconciles{controller="index"}"#).copied();
            most = most.max(now.unwrap_or_default());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        most
    };
    let work = async {
        let spec = json!({ "settings": { "number_of_replicas": 0 } });
        let index = |number: usize| {
            json!({
                "apiVersion": "drover.dev/v1alpha1", "kind": "Index",
                "metadata": { "name": format!("bounds-{number}") },
                "spec": { "clusterRef": { "name": "es" }, "settings": spec["settings"] },
            })
        };
        let items: Vec<_> = (0..10).map(index).collect();
        stage.apply(&json!({ "apiVersion": "v1", "kind": "List", "items": items }));
        eventually("a write is held", SOON, async || match stage.elasticsearch.hits(held) {
            0 => Err("not yet"),
            _ => Ok(()),
        })
        .await;
        // The others stand in line behind it, and must not take the rest of the workers.
        stage.polls(2).await;
        let mut spec = spec.clone();
        spec["clusterRef"] = json!({ "name": "healthy" });
        stage.ready_index("bounds-healthy", &spec).await;
        assert!(stage.elasticsearch.ledger().writes().iter().all(|it| it.status().is_none()));
        // What was held stays held: only a new connection asks anew.
        stage.elasticsearch.remove(held);
        stage.elasticsearch.cut_connections();
        for number in 0..10 {
            stage.index_until(&format!("bounds-{number}"), "Ready", "True").await;
        }
        done.store(true, Ordering::Relaxed);
    };
    let (most, ()) = tokio::join!(sample, work);
    assert!((1.0..=2.0).contains(&most), "{most} at once");
}
