//! A Cluster watches one live Elasticsearch.

use crate::world::{Stage, elasticsearch, get};

#[tokio::test]
async fn a_cluster_goes_from_apply_to_ready_and_shows_what_is_there() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("cluster", server).await;
    let cluster = stage.connect().await;
    let status = cluster.status.unwrap();
    let seen = status.elasticsearch.unwrap();
    assert_eq!(seen.version, "8.19.0");
    assert_eq!(seen.uuid, server.uuid().await);
    assert_eq!((seen.nodes, seen.data_nodes, status.nodes.len()), (1, 1, 1));
    assert_eq!(get(&status.conditions, "Ready").reason, "AsExpected");
    let note = stage.event("es", "Connected").await;
    assert!(note.contains(&seen.name), "{note}");
}
