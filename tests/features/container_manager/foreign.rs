//! A Node that Drover neither made nor adopted, whatever is deleted around it.

use drover::api::{cluster::Cluster, container_manager::ContainerManager, host_status::HostState};
use serde_json::json;

use super::Yard;

#[tokio::test]
async fn a_node_of_somebody_else_is_never_touched_by_what_comes_and_goes() {
    let yard = Yard::new("foreign").await;
    yard.bed.foreign_node(&yard.node_name(), "", &json!({ "zone": "a" }));
    let before = yard.node().unwrap();
    yard.manager("nodes", &yard.options()).await;
    yard.cluster(&json!({ "containerManagerRef": { "name": "nodes" } })).await;
    yard.member(&json!({ "maintenance": true })).await;
    let message = yard.stage.tells("es-1", "Registered", "False", "NotOwned").await;
    assert!(message.contains("left alone") && message.contains("nodeName"), "{message}");
    yard.stage.until("es-1", "Stalled", "True").await;
    yard.stage.event("es-1", "RegistrationFailed").await;
    assert!(0.0 < yard.steps("register", "error").await, "a refusal is no success");
    yard.member(&json!({ "maintenance": false })).await;
    yard.state(HostState::Disassociated).await;
    assert_eq!(yard.node().unwrap(), before);

    yard.delete::<Cluster>("es").await;
    yard.gone::<Cluster>("es").await;
    yard.stage.until("es-1", "Registered", "False").await;
    yard.cluster(&json!({ "containerManagerRef": { "name": "nodes" } })).await;
    yard.stage.tells("es-1", "Registered", "False", "NotOwned").await;
    yard.delete::<ContainerManager>("nodes").await;
    yard.gone::<ContainerManager>("nodes").await;
    assert_eq!(yard.node().unwrap(), before);
    yard.manager("nodes", &yard.options()).await;
    yard.stage.tells("es-1", "Registered", "False", "NotOwned").await;
    yard.stage.delete("es-1").await;
    yard.stage.gone("es-1").await;
    assert_eq!(yard.node().unwrap(), before, "not even read into another version");
}
