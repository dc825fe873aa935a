//! An adopted Node goes out of service and comes back, and stays when its Host goes.

use serde_json::{Value, json};

use super::Yard;
use crate::registration::evictions::{budget, pod};

#[tokio::test]
async fn maintenance_drains_an_adopted_node_under_its_budgets_and_brings_it_back() {
    let yard = Yard::new("service").await;
    let machine_id = yard.machine.machine_id().await;
    yard.bed.foreign_node(&yard.node_name(), &machine_id, &json!({ "zone": "a" }));
    let before = yard.node().unwrap();
    let pods = yard.bed.control.namespace("pods");
    pod(yard.bed, &pods, "web", &yard.node_name(), Some("StatefulSet"));
    pod(yard.bed, &pods, "daemon", &yard.node_name(), Some("DaemonSet"));
    budget(yard.bed, &pods, "web", 0);
    yard.begin().await;
    yard.registered().await;
    yard.stage.event("es-1", "NodeAdopted").await;
    yard.stage.until("es-1", "Ready", "True").await;

    yard.member(&json!({ "maintenance": true })).await;
    let is_named = |message: &str| message.contains(&format!("{pods}/web"));
    yard.stage
        .when("es-1", "the pod that holds it up is named", |host| {
            let conditions = &host.status.as_ref().ok_or("no status")?.conditions;
            let ready = drover::api::condition::find(conditions, "Ready").ok_or("no Ready")?;
            let fits = ready.status == "False" && is_named(&ready.message);
            if fits { Ok(()) } else { Err(format!("{ready:?}")) }
        })
        .await;
    let cordoned = yard.node().unwrap();
    assert_eq!(cordoned["spec"]["unschedulable"], true);
    assert_eq!(cordoned["metadata"]["annotations"]["drover.dev/cordoned-by"], "maintenance");
    yard.cluster_counts(0, "failed").await;

    budget(yard.bed, &pods, "web", 1);
    crate::common::wait::eventually("the pod is evicted", crate::hosts::SOON, async || {
        let pod = yard.bed.control.get(&pods, "pod", "web").ok_or("gone")?;
        if pod["metadata"]["deletionTimestamp"].is_string() { Ok(()) } else { Err("not yet") }
    })
    .await;
    // As the kubelet does once the containers have ended.
    let force = ["delete", "pod", "web", "-n", &pods, "--force", "--grace-period=0"];
    yard.bed.control.kubectl(&force, "");
    yard.stage.event("es-1", "NodeDrained").await;
    yard.stage.until("es-1", "Ready", "True").await;
    let daemon = yard.bed.control.get(&pods, "pod", "daemon").unwrap();
    assert_eq!(daemon["metadata"]["deletionTimestamp"], Value::Null);

    yard.member(&json!({})).await;
    yard.stage.event("es-1", "NodeUncordoned").await;
    yard.cluster_counts(1, "ok").await;
    assert_eq!(yard.node().unwrap()["spec"]["unschedulable"], Value::Null);

    // A cordon of somebody else's outlasts the maintenance.
    yard.bed.control.kubectl(&["cordon", &yard.node_name()], "");
    yard.member(&json!({ "maintenance": true })).await;
    yard.stage.until("es-1", "Ready", "True").await;
    yard.member(&json!({})).await;
    yard.cluster_counts(1, "ok").await;
    yard.stage
        .when("es-1", "it is back", |host| {
            let record = host.status.as_ref().and_then(|it| it.container_manager.as_ref());
            match record.map(|it| it.maintenance) {
                Some(None) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    assert_eq!(yard.node().unwrap()["spec"]["unschedulable"], true);

    yard.stage.delete("es-1").await;
    yard.stage.gone("es-1").await;
    let after = yard.node().unwrap();
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"]);
    assert_eq!(after["metadata"]["labels"], before["metadata"]["labels"]);
    assert_eq!(after["metadata"].get("annotations"), None);
    yard.stage.event("es-1", "NodeReleased").await;
    for step in ["adopt", "cordon", "drain", "uncordon", "leave"] {
        assert!(0.0 < yard.steps(step, "success").await, "{step}");
    }
    assert!(yard.steps("register", "success").await < 1.0, "the Node was there");
}
