//! Hosts leave what is deleted, and what does not answer.

use drover::api::{
    cluster::Cluster, condition, container_manager::ContainerManager, host_status::HostState,
};
use serde_json::json;

use super::Yard;
use crate::{common::wait::eventually, hosts::SOON};

#[tokio::test]
async fn hosts_leave_a_container_manager_or_a_cluster_that_is_deleted() {
    let yard = Yard::with_member("leaving").await;
    yard.registered().await;
    yard.delete::<ContainerManager>("nodes").await;
    yard.gone::<ContainerManager>("nodes").await;
    assert_eq!(yard.node(), None, "it waited for its hosts");
    yard.stage.tells("es-1", "Registered", "False", "ContainerManagerNotFound").await;
    yard.cluster_when("misses it", |cluster| {
        let status = cluster.status.clone().unwrap_or_default();
        let refs = condition::find(&status.conditions, "ResolvedRefs");
        match refs.map(|it| it.reason.as_str()) {
            Some("ContainerManagerNotFound") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    yard.cluster_counts(0, "failed").await;

    yard.manager("nodes", &yard.options()).await;
    yard.registered().await;
    yard.cluster_counts(1, "ok").await;
    assert!(yard.node().is_some());
    yard.delete::<Cluster>("es").await;
    yard.gone::<Cluster>("es").await;
    yard.state(HostState::Disassociated).await;
    yard.stage
        .when("es-1", "has left", |host| {
            let record = host.status.as_ref().and_then(|it| it.container_manager.clone());
            if record.is_none() { Ok(()) } else { Err(format!("{record:?}")) }
        })
        .await;
    assert_eq!(yard.node(), None);
}

#[tokio::test]
async fn a_host_that_can_not_leave_goes_after_some_tries_and_says_what_it_left() {
    let yard = Yard::with_member("stuck").await;
    yard.registered().await;
    let mut nowhere = yard.options();
    nowhere["server"] = json!("https://127.0.0.1:9");
    yard.manager("nodes", &nowhere).await;
    yard.manager_tells("nodes", "Reachable", "False", "Unreachable").await;
    yard.stage.tells("es-1", "Registered", "Unknown", "Waiting").await;
    yard.cluster_counts(1, "ok").await;
    yard.stage.delete("es-1").await;
    yard.stage.gone("es-1").await;
    let note = yard.stage.event("es-1", "NodeLeftBehind").await;
    assert!(note.contains(&yard.node_name()) && note.contains("127.0.0.1:9"), "{note}");
    let was = yard.bed.control.kubeconfig().server.clone();
    assert!(note.contains(&was), "where it is: {note}");
    assert!(yard.node().is_some(), "it is left behind");
}

#[tokio::test]
async fn a_node_that_was_made_just_before_a_crash_is_not_forgotten() {
    let mut yard = Yard::with_member("crash").await;
    eventually("the Node is made", SOON, async || yard.node().ok_or("not yet")).await;
    yard.stage.operator.kill();
    // Nothing but the record leads to the Node now.
    yard.stage.host("es-1", yard.machine, &json!({ "nodeName": yard.node_name() })).await;
    yard.stage.operator.restart().await;
    eventually("it is given up", SOON, async || match yard.node() {
        None => Ok(()),
        Some(node) => Err(node.to_string()),
    })
    .await;
    yard.state(HostState::Disassociated).await;
}

#[tokio::test]
async fn a_node_that_a_kubelet_has_joined_stays_when_its_host_goes() {
    let yard = Yard::with_member("joined").await;
    yard.registered().await;
    let machine_id = yard.machine.machine_id().await;
    yard.bed.kubelet_joins(&yard.node_name(), machine_id.trim());
    let before = yard.node().unwrap();
    yard.stage.delete("es-1").await;
    yard.stage.gone("es-1").await;
    let after = yard.node().expect("pods may run there");
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"]);
    assert_eq!(after["metadata"].get("annotations"), None);
    yard.stage.event("es-1", "NodeReleased").await;
}
