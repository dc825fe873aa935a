//! Networks that are not worked with.

use serde_json::{Value, json};

use crate::{common::wait::second_after, hosts::Stage};

/// A network in an etcd that is nowhere.
fn nowhere(prefix: &str) -> Value {
    json!({
        "type": "FlannelEtcd",
        "options": {
            "endpoints": ["http://127.0.0.1:1"],
            "prefix": prefix,
            "config": { "network": "10.5.0.0/16", "backend": { "type": "HostGw" } },
        },
    })
}

#[tokio::test]
async fn a_flannel_server_and_a_second_network_in_one_place_are_not_worked_with() {
    let stage = Stage::new("place").await;
    let server = json!({ "type": "FlannelServer", "options": { "address": "192.0.2.1:8472" } });
    stage.network("server", &server).await;
    let message = stage.network_lacks("server", "Accepted", "Unsupported").await;
    assert!(message.contains("FlannelEtcd"), "{message}");
    stage.network_until("server", "Stalled", "True").await;
    stage.event("server", "NotAccepted").await;

    stage.network("older", &nowhere("/one")).await;
    stage.network_lacks("older", "Reachable", "Unreachable").await;
    second_after(&stage.networks().get("older").await.unwrap().metadata).await;
    stage.network("younger", &nowhere("/one")).await;
    let message = stage.network_lacks("younger", "Accepted", "Conflict").await;
    assert!(message.contains(&format!("{}/older", stage.namespace)), "{message}");
    stage.network("other", &nowhere("/other")).await;
    stage.network_lacks("other", "Reachable", "Unreachable").await;
    stage.network_until("older", "Accepted", "True").await;
    stage.delete_network("older").await;
    stage.network_until("younger", "Accepted", "True").await;
    for name in ["server", "younger", "other"] {
        stage.delete_network(name).await;
    }
}
