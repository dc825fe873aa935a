//! An Elasticsearch of several nodes: what its Cluster tells of them, and what goes on without one.

use drover::api::{
    cluster::Cluster,
    cluster_status::{ClusterStatus, Health},
};
use serde_json::json;

use crate::{
    common::{elasticsearch::Settings, proxy::Proxy, wait::eventually},
    world::{SOON, Stage, calls},
};

/// Waits until the Cluster `es` tells of so many nodes and this health.
async fn tells(stage: &Stage, nodes: u32, health: Health) -> ClusterStatus {
    let api = stage.clusters();
    eventually(&format!("{nodes} nodes and {health:?}"), SOON, async || {
        let cluster: Cluster = api.get("es").await.map_err(|it| it.to_string())?;
        let status = cluster.status.unwrap_or_default();
        let seen = status.elasticsearch.clone().unwrap_or_default();
        let fits =
            (seen.nodes, seen.health) == (nodes, health) && status.nodes.len() == nodes as usize;
        if fits { Ok(status) } else { Err(format!("{seen:?}")) }
    })
    .await
}

fn names(status: &ClusterStatus) -> Vec<&str> {
    let mut names: Vec<&str> = status.nodes.iter().map(|it| it.name.as_str()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn three_nodes_are_listed_and_a_stopped_one_turns_yellow_and_comes_back() {
    let settings = Settings::new("8.19.0").name("three").nodes(3).heap_megabytes(256);
    let mut server = settings.without_security().start().await;
    let stage = Stage::new("nodes", &server).await;
    let second = Proxy::before_node(&server, 1);
    let endpoints = [stage.elasticsearch.url(), second.url()];
    stage.cluster("es", &json!({ "endpoints": endpoints, "timeout": "5s" }));
    stage.cluster_until("es", "Ready", "True").await;
    // A copy on each node, so that each is missed.
    let spec = |interval: &str| json!({ "settings": { "number_of_replicas": 2, "refresh_interval": interval } });
    stage.ready_index("nodes", &spec("5s")).await;
    let status = tells(&stage, 3, Health::Green).await;
    let all = ["three-1", "three-2", "three-3"];
    assert_eq!(names(&status), all);
    let seen = status.elasticsearch.unwrap();
    assert_eq!((seen.data_nodes, seen.active_shards_percent), (3, 100));
    assert!(seen.master.as_deref().is_some_and(|it| all.contains(&it)), "{seen:?}");

    server.stop(0).await;
    let status = tells(&stage, 2, Health::Yellow).await;
    assert_eq!(names(&status), &all[1..]);
    let seen = status.elasticsearch.unwrap();
    assert_eq!(seen.data_nodes, 2);
    assert!(seen.active_shards_percent < 100, "{seen:?}");
    assert!(seen.master.as_deref().is_some_and(|it| all[1..].contains(&it)), "{seen:?}");
    let before = second.ledger().writes().len();
    stage.ready_index("nodes", &spec("9s")).await;
    let writes = second.ledger().writes().split_off(before);
    assert_eq!(calls(&writes), ["PUT /nodes/_settings"], "not written past the stopped node");
    assert_eq!(writes[0].status(), Some(200));

    server.start_again(0).await;
    let status = tells(&stage, 3, Health::Green).await;
    assert_eq!(names(&status), all);
    assert_eq!(status.elasticsearch.unwrap().active_shards_percent, 100);
}
