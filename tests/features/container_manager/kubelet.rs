//! A Node that a real kubelet keeps, on the machine of its Host.

use drover::api::{cluster::Cluster, container_manager::ContainerManager, host_status::HostState};
use serde_json::{Value, json};

use super::Yard;
use crate::{
    common::{kubernetes_node::KubernetesNode, wait::eventually},
    hosts::SOON,
    registration::Bed,
};

/// The Node's condition Ready.
fn ready(node: &Value) -> &Value {
    let conditions = node["status"]["conditions"].as_array().unwrap();
    conditions.iter().find(|it| it["type"] == "Ready").unwrap()
}

/// Without the marks of Drover.
fn foreign(map: &Value) -> Value {
    let mut map = map.as_object().cloned().unwrap_or_default();
    map.retain(|key, _| !key.starts_with("drover.dev/"));
    map.into()
}

#[tokio::test]
async fn a_machine_serves_while_its_own_kubelet_keeps_its_node_ready() {
    let bed = Bed::start().await;
    let yard = Yard::before(&bed, "kubelet").await;
    let machine_id = yard.machine.machine_id().await;
    let mut node = KubernetesNode::start(&bed.control, &yard.node_name(), &machine_id).await;
    let made =
        eventually("the kubelet registers", SOON, async || yard.node().ok_or("not yet")).await;
    assert_eq!(made["status"]["nodeInfo"]["machineID"], machine_id);

    // It is there, and waits for a network.
    yard.begin().await;
    yard.registered().await;
    yard.stage.event("es-1", "NodeAdopted").await;
    let message = yard.stage.tells("es-1", "Healthy", "False", "NodeNotReady").await;
    assert!(
        message.contains(&yard.node_name()) && message.contains("KubeletNotReady"),
        "{message}"
    );
    yard.state(HostState::Failed).await;
    yard.cluster_counts(0, "failed").await;
    node.connect();
    yard.stage.until("es-1", "Ready", "True").await;
    yard.state(HostState::Active).await;
    yard.cluster_counts(1, "ok").await;

    it_leaves_service_and_comes_back(&yard, &node).await;

    node.stop_kubelet();
    let message = yard.stage.tells("es-1", "Healthy", "False", "NodeNotReady").await;
    let is_told = message.contains(&yard.node_name()) && message.contains("not heard");
    assert!(is_told, "{message}");
    yard.state(HostState::Failed).await;
    yard.cluster_counts(0, "failed").await;
    assert_eq!(ready(&yard.node().unwrap())["status"], "Unknown");
    node.start_kubelet();
    yard.stage.until("es-1", "Ready", "True").await;
    yard.state(HostState::Active).await;
    yard.cluster_counts(1, "ok").await;

    // Whatever goes, the Node is its kubelet's.
    yard.stage.delete("es-1").await;
    yard.stage.gone("es-1").await;
    yard.stage.event("es-1", "NodeReleased").await;
    yard.delete::<Cluster>("es").await;
    yard.gone::<Cluster>("es").await;
    yard.delete::<ContainerManager>("nodes").await;
    yard.gone::<ContainerManager>("nodes").await;
    let after = yard.node().unwrap();
    assert_eq!(after["metadata"]["uid"], made["metadata"]["uid"]);
    for marks in ["labels", "annotations"] {
        let marks = &after["metadata"][marks];
        assert_eq!(foreign(marks), *marks, "Drover's are gone");
    }
    assert_eq!(ready(&after)["status"], "True");
}

/// Maintenance, with a pod that really runs.
async fn it_leaves_service_and_comes_back(yard: &Yard<'_>, node: &KubernetesNode) {
    let control = &yard.bed.control;
    let pods = control.namespace("pods");
    control.apply(&pods, &node.pod("web").to_string());
    eventually("the pod runs", SOON, async || {
        let status = control.get(&pods, "pod", "web").ok_or("no pod")?["status"].clone();
        let runs = status["containerStatuses"][0]["state"]["running"].is_object();
        if runs { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    yard.member(&json!({ "maintenance": true })).await;
    yard.stage.event("es-1", "NodeDrained").await;
    assert_eq!(control.get(&pods, "pod", "web"), None, "the kubelet has ended it");
    yard.stage.until("es-1", "Ready", "True").await;
    assert_eq!(yard.node().unwrap()["spec"]["unschedulable"], true);
    yard.cluster_counts(0, "failed").await;
    yard.member(&json!({})).await;
    yard.stage.event("es-1", "NodeUncordoned").await;
    yard.cluster_counts(1, "ok").await;
    assert_eq!(yard.node().unwrap()["spec"]["unschedulable"], Value::Null);
}
