//! What is published of an archive, and what all nodes are asked by: settings of which a fault would leave nobody to
//! ask.

use kube::api::ListParams;
use serde_json::{Value, json};

use super::{LONG, Stage};
use crate::common::{
    hosts::room,
    proxy::{Answer, Fault},
    wait::eventually,
};

const VERSION: &str = "8.19.0";

/// The Cluster with a digest that is published, and nodes with these settings and this heap.
fn cluster(stage: &Stage, config: &Value, heap: &str) -> Value {
    let mut cluster = stage.cluster(VERSION, config, &json!({}));
    let elasticsearch = &mut cluster["spec"]["elasticsearch"];
    let distribution = elasticsearch["distribution"].as_object_mut().expect("an object");
    distribution.remove("sha512");
    let url = stage.archives.secure.url();
    let url = format!("{url}/elasticsearch-{{version}}-linux-{{arch}}.tar.gz.sha512");
    distribution.insert("sha512Url".into(), json!(url));
    elasticsearch["nodeGroups"][0]["heap"] = json!(heap);
    cluster
}

/// Waits until every Host tells of this port.
async fn is_told(stage: &Stage, port: u16) {
    eventually(&format!("all tell of port {port}"), LONG, async || {
        let hosts = stage.hosts().list(&ListParams::default()).await;
        let hosts = hosts.map_err(|it| it.to_string())?.items.into_iter();
        let deployed = hosts.map(|it| it.status?.elasticsearch?.deployed);
        let ports: Vec<_> = deployed.map(|it| it?.http_port).collect();
        if ports == [Some(port); 3] { Ok(()) } else { Err(format!("{ports:?}")) }
    })
    .await;
}

#[tokio::test]
#[ignore = "minutes long: `make soak` runs it"]
async fn a_published_digest_is_read_and_another_port_and_heap_are_taken_by_one_node_after_the_other()
 {
    let _room = room().await;
    let stage = Stage::new("port", 3).await;
    // Nothing comes to a host before it is known what is right.
    let is_digest = |path: &str| path.ends_with(".sha512");
    let gone = Fault::Answer(Answer::empty(404));
    stage.archives.secure.inject(move |it| is_digest(&it.path), gone);
    stage.apply_all(&cluster(&stage, &json!({}), "320m")).await;
    eventually("a host tells that there is no digest", LONG, async || {
        let hosts = stage.hosts().list(&ListParams::default()).await;
        let told = hosts.map_err(|it| it.to_string())?.items.into_iter().map(|it| it.status);
        let told = serde_json::to_string(&told.collect::<Vec<_>>()).expect("plain data");
        if told.contains("answered 404 instead of a digest") { Ok(()) } else { Err(told) }
    })
    .await;
    assert_eq!(stage.archives.fetched(VERSION), 0);
    stage.archives.mend();
    let formed = stage.formed().await;

    let moved = json!({ "http.port": 9210 });
    for (run, port, config, heap) in [(1, 9210, moved, "320m"), (2, 9200, json!({}), "400m")] {
        stage.apply(&cluster(&stage, &config, heap)).await;
        let status = stage.deployed(VERSION, run).await;
        assert_eq!((status.history[0].done, status.history[0].total), (3, 3));
        let status = stage.until("Ready", "True").await;
        assert_eq!(status.elasticsearch.unwrap().uuid, formed.uuid);
        is_told(&stage, port).await;
    }
    let heaps = stage.asks(0, "/_nodes/jvm?filter_path=nodes.*.jvm.mem.heap_max_in_bytes").await;
    let heaps = heaps.unwrap()["nodes"].as_object().cloned().expect("all tell");
    let is_larger = |it: &Value| {
        let bytes = it["jvm"]["mem"]["heap_max_in_bytes"].as_u64();
        bytes.is_some_and(|it| (380 << 20..=400 << 20).contains(&it))
    };
    assert!(heaps.len() == 3 && heaps.values().all(is_larger), "{heaps:?}");
}
