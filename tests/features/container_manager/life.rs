//! From apply to a Node, what its kubelet's word does, and what a restart writes.

use std::time::Duration;

use drover::api::{condition, container_manager::ContainerManager, host_status::HostState};
use serde_json::Value;

use super::Yard;
use crate::{
    common::{
        proxy::{Entry, lines},
        wait::{eventually, holds},
    },
    hosts::SOON,
};

/// That nothing was written to the API server but the Lease, and when the machine last answered.
fn news(yard: &Yard<'_>, settled: &Value) -> Result<(), String> {
    let is_the_same = |it: &Entry| {
        let parts = ["conditions", "containerManager", "facts", "state"];
        let status = it.json()["status"].clone();
        it.path.ends_with("/hosts/es-1/status")
            && parts.into_iter().all(|part| status[part] == settled[part])
    };
    let mut writes = yard.stage.kubernetes.ledger().writes();
    writes.retain(|it| !is_the_same(it));
    if writes.is_empty() { Ok(()) } else { Err(lines(&writes)) }
}

#[tokio::test]
async fn a_member_becomes_a_node_and_counts_by_its_kubelet_s_word_until_it_goes() {
    let mut yard = Yard::with_member("member").await;
    let record = yard.registered().await;
    assert_eq!(record.node.as_deref(), Some(yard.node_name().as_str()));
    assert!(!record.ready, "no kubelet says so");
    let node = yard.node().unwrap();
    let uid = yard.stage.hosts().get("es-1").await.unwrap().metadata.uid.unwrap();
    assert_eq!(node["metadata"]["labels"]["drover.dev/host-uid"], uid);
    assert_eq!(node["metadata"]["annotations"]["drover.dev/node-origin"], "Made");
    yard.stage.event("es-1", "NodeMade").await;
    assert!(0.0 < yard.steps("register", "success").await);
    yard.state(HostState::Active).await;
    yard.cluster_counts(1, "ok").await;

    yard.says("False");
    let message = yard.stage.tells("es-1", "Healthy", "False", "NodeNotReady").await;
    assert!(message.contains("ByHand"), "{message}");
    yard.state(HostState::Failed).await;
    yard.cluster_counts(0, "failed").await;
    yard.says("True");
    yard.stage.until("es-1", "Ready", "True").await;
    yard.cluster_counts(1, "ok").await;
    yard.bed.control.kubectl(&["delete", "node", &yard.node_name()], "");
    eventually("the Node that somebody deleted is made again", SOON, async || {
        let is_again =
            yard.node().is_some_and(|it| it["metadata"]["uid"] != node["metadata"]["uid"]);
        if is_again { Ok(()) } else { Err("not yet") }
    })
    .await;
    yard.says("True");
    yard.stage
        .when("es-1", "its new Node is Ready", |host| {
            let record = host.status.as_ref().and_then(|it| it.container_manager.as_ref());
            let is_whole = record.is_some_and(|it| it.registered && it.ready);
            if is_whole { Ok(()) } else { Err(format!("{record:?}")) }
        })
        .await;
    yard.stage.until("es-1", "Ready", "True").await;
    yard.when("nodes", "one Node, Ready", |manager: &ContainerManager| {
        let status = manager.status.clone().unwrap_or_default();
        let nodes = status.nodes.unwrap_or_default();
        let version = status.version.is_some_and(|it| it.as_str().starts_with("v1."));
        let is_ready = condition::is_true(&status.conditions, "Ready");
        let fits = (nodes.registered, nodes.ready, version, is_ready) == (1, 1, true, true);
        if fits { Ok(()) } else { Err(format!("{nodes:?}, {:?}", status.conditions)) }
    })
    .await;
    yard.cluster_counts(1, "ok").await;

    let settled = yard.stage.hosts().get("es-1").await.unwrap().status.unwrap();
    let settled = serde_json::to_value(settled).unwrap();
    yard.stage.kubernetes.ledger().clear();
    holds("everything is at rest", Duration::from_secs(3), async || news(&yard, &settled)).await;
    let before = yard.node().unwrap();
    yard.stage.kubernetes.ledger().clear();
    yard.stage.operator.restart().await;
    let asked = |it: &Entry| it.method == "GET" && it.path.ends_with("/secrets/token");
    eventually("the new process has looked", SOON, async || {
        let count = yard.stage.kubernetes.ledger().count(asked);
        if 0 < count { Ok(()) } else { Err("not yet") }
    })
    .await;
    holds("a restart writes nothing", Duration::from_secs(4), async || news(&yard, &settled)).await;
    assert_eq!(yard.node().unwrap(), before, "nor to the Node");
    assert_eq!(yard.events("NodeMade").await, 1, "the second time is counted up");

    yard.stage.delete("es-1").await;
    yard.stage.gone("es-1").await;
    assert_eq!(yard.node(), None);
    yard.stage.event("es-1", "NodeDeleted").await;
    yard.cluster_when("has no host", |cluster| {
        let hosts = cluster.status.as_ref().and_then(|it| it.hosts);
        if hosts.is_none() { Ok(()) } else { Err(format!("{hosts:?}")) }
    })
    .await;
}
