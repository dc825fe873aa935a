//! A node loses a role by a change of settings: what needs it goes first.

use serde_json::{Value, json};

use super::Stage;
use crate::common::{hosts::room, traffic::Traffic};

#[tokio::test]
async fn a_node_is_started_without_its_data_role_once_its_copies_are_on_others() {
    let _room = room().await;
    let stage = Stage::new("roles", 3).await;
    let mut cluster = stage.cluster("8.19.0", &json!({}), &json!({}));
    let mut items = stage.members();
    items[2]["metadata"]["labels"] = json!({ "part": "lead" });
    items.push(cluster.clone());
    stage.apply(&json!({ "apiVersion": "v1", "kind": "List", "items": items })).await;
    stage.formed().await;
    let before = stage.runs();
    let traffic = Traffic::start(&stage.target().await, "orders").await;

    let lead = json!({
        "name": "lead", "heap": "320m", "roles": ["master"],
        "hostSelector": { "matchLabels": { "part": "lead" } },
    });
    let groups = &mut cluster["spec"]["elasticsearch"]["nodeGroups"];
    groups.as_array_mut().expect("a list").push(lead);
    stage.apply(&cluster).await;
    let message = stage.blocked("Roles").await;
    assert!(message.contains("the node of es-3 is to lose roles: data."), "{message}");
    let status = stage.deployed("8.19.0", 1).await;
    assert_eq!((status.history[0].done, status.history[0].total), (1, 1));

    // No copy is lost, the node has its new roles, and nothing is left of what was set.
    stage.is_undrained().await;
    stage.assert_nobody_is_taken_out().await;
    traffic.goes_on(20).await;
    traffic.finish().await.assert_unharmed();
    assert_eq!(stage.copies_on("es-3").await, [""; 0]);
    let nodes = stage.asks(0, "/_nodes?filter_path=nodes.*.name,nodes.*.roles").await.unwrap();
    let nodes = nodes["nodes"].as_object().expect("they are there");
    let roles: Vec<&Value> =
        nodes.values().filter(|it| it["name"] == "es-3").map(|it| &it["roles"]).collect();
    assert_eq!(roles, [&json!(["master"])]);
    let after = stage.runs();
    assert!(before[..2] == after[..2] && before[2] != after[2], "{before:?} {after:?}");
    for reason in ["DrainBegun", "Drained"] {
        stage.event("es", reason).await;
    }
}
