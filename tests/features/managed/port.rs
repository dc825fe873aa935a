//! What all are asked by moves, and nobody is lost on the way.

use kube::api::ListParams;
use serde_json::json;

use super::{LONG, Stage};
use crate::common::{hosts::room, wait::eventually};

const VERSION: &str = "8.19.0";

#[tokio::test]
#[ignore = "minutes long: `make soak` runs it"]
async fn http_moves_to_another_port_and_back_one_node_after_the_other() {
    let _room = room().await;
    let stage = Stage::new("port", 3).await;
    stage.apply_all(&stage.cluster(VERSION, &json!({}), &json!({}))).await;
    let formed = stage.formed().await;
    for (run, port, config) in [(1, 9210, json!({ "http.port": 9210 })), (2, 9200, json!({}))] {
        stage.apply(&stage.cluster(VERSION, &config, &json!({}))).await;
        let status = stage.deployed(VERSION, run).await;
        assert_eq!((status.history[0].done, status.history[0].total), (3, 3));
        let status = stage.until("Ready", "True").await;
        assert_eq!(status.elasticsearch.unwrap().uuid, formed.uuid);
        eventually(&format!("all tell of port {port}"), LONG, async || {
            let hosts = stage.hosts().list(&ListParams::default()).await;
            let hosts = hosts.map_err(|it| it.to_string())?.items.into_iter();
            let deployed = hosts.map(|it| it.status?.elasticsearch?.deployed);
            let ports: Vec<_> = deployed.map(|it| it?.http_port).collect();
            if ports == [Some(port); 3] { Ok(()) } else { Err(format!("{ports:?}")) }
        })
        .await;
    }
}
