//! A `ContainerManager` that comes to name another address: of the same API server, or of another.

use serde_json::json;

use super::Yard;
use crate::{
    common::{certificates::Authority, wait::eventually},
    hosts::SOON,
    registration::rules,
    world::control_plane,
};

#[tokio::test]
async fn a_new_address_changes_nothing_and_a_node_at_another_server_is_told_to_be_left_behind() {
    let yard = Yard::with_member("moving").await;
    yard.registered().await;
    let before = yard.node().unwrap();
    let mut options = yard.options();
    let by_name = options["server"].as_str().unwrap().replace("127.0.0.1", "localhost");
    options["server"] = json!(by_name);
    yard.manager("nodes", &options).await;
    yard.stage
        .when("es-1", "the new address is on record", |host| {
            let record = host.status.as_ref().and_then(|it| it.container_manager.as_ref());
            let server = record.and_then(|it| it.server.as_ref()).map(ToString::to_string);
            if server == Some(format!("{by_name}/")) { Ok(()) } else { Err(format!("{record:?}")) }
        })
        .await;
    yard.registered().await;
    assert_eq!(yard.node().unwrap(), before, "not even read into another version");
    assert_eq!(yard.events("NodeLeftBehind").await, 0);

    // The other one is that of Drover's own objects.
    let other = control_plane().await;
    let token = other.service_account(&yard.stage.namespace, "nodes", &rules(|_| true));
    yard.secret("other", &json!({ "token": token })).await;
    let ca = json!({ "ca.crt": Authority::shared().pem() });
    let ca = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "other-ca" }, "data": ca,
    });
    yard.stage.apply(&ca).await;
    let options = json!({
        "server": other.kubeconfig().server,
        "ca": { "configMapName": "other-ca" },
        "auth": { "token": { "secretName": "other" } },
    });
    yard.manager("nodes", &options).await;
    let note = yard.stage.event("es-1", "NodeLeftBehind").await;
    assert!(note.contains(&yard.node_name()) && note.contains(&by_name), "{note}");
    let there = || other.get("default", "node", &yard.node_name());
    eventually("it is made there", SOON, async || there().ok_or("not yet")).await;
    assert_eq!(yard.node().unwrap(), before, "nobody is asked there any more");

    yard.stage.delete("es-1").await;
    yard.stage.gone("es-1").await;
    assert_eq!(there(), None);
}
