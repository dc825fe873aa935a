//! The vote of a node is taken before the others have to do without it, and nothing but the vote where that is all
//! that goes.

use kube::api::DeleteParams;
use serde_json::{Value, json};

use super::{
    LONG, Stage,
    drain::{EXCLUSIONS, VOTES},
};
use crate::common::{hosts::room, wait::eventually};

impl Stage {
    /// Waits until the vote of the node of a host is taken, and does not count any more.
    async fn is_silenced(&self, host: &str) {
        eventually(&format!("the vote of {host} is taken"), LONG, async || {
            let votes = self.asks(0, VOTES).await?;
            let taken = votes.pointer(EXCLUSIONS).and_then(Value::as_array);
            let taken = taken.into_iter().flatten().find(|it| it["node_name"] == host);
            let taken = taken.ok_or_else(|| votes.to_string())?;
            let counts = &votes["metadata"]["cluster_coordination"]["last_committed_config"];
            let counts = counts.as_array().ok_or_else(|| votes.to_string())?;
            if counts.contains(&taken["node_id"]) { Err(votes.to_string()) } else { Ok(()) }
        })
        .await;
    }
}

fn group(name: &str, roles: &[&str]) -> Value {
    json!({
        "name": name, "heap": "320m", "roles": roles,
        "hostSelector": { "matchLabels": { "part": name } },
    })
}

#[tokio::test]
#[ignore = "minutes long: `make soak` runs it"]
async fn a_node_that_is_no_master_any_more_or_was_nothing_else_gives_its_vote_back_first() {
    let _room = room().await;
    let stage = Stage::new("votes", 3).await;
    let mut cluster = stage.cluster("8.19.0", &json!({}), &json!({}));
    cluster["spec"]["elasticsearch"]["nodeGroups"]
        .as_array_mut()
        .expect("a list")
        .extend([group("store", &["data", "master"]), group("lead", &["master"])]);
    let mut items = stage.members();
    items[1]["metadata"]["labels"] = json!({ "part": "store" });
    items[2]["metadata"]["labels"] = json!({ "part": "lead" });
    items.push(cluster.clone());
    stage.apply(&json!({ "apiVersion": "v1", "kind": "List", "items": items })).await;
    stage.formed().await;
    let orders = json!({ "settings": { "number_of_shards": 3, "number_of_replicas": 1 } });
    stage.tells("PUT", "/orders", &orders).await;
    stage.is_undrained().await;
    let before = stage.runs();

    // One of those with data is to be no master any more: its copies stay where they are.
    cluster["spec"]["elasticsearch"]["nodeGroups"][1] = group("store", &["data"]);
    stage.apply(&cluster).await;
    let message = stage.blocked("Roles").await;
    assert!(message.contains("the node of es-2 is to lose roles: master."), "{message}");
    stage.is_silenced("es-2").await;
    let settings = stage.asks(0, "/_cluster/settings?flat_settings=true").await.unwrap();
    let set = settings["persistent"].as_object().expect("they are there");
    assert!(!set.keys().any(|it| it.contains("exclude")), "{settings}");
    let status = stage.deployed("8.19.0", 1).await;
    assert_eq!((status.history[0].done, status.history[0].total), (1, 1));
    stage.is_undrained().await;
    stage.assert_nobody_is_taken_out().await;
    let copies = stage.copies_on("es-2").await;
    assert_eq!(copies.iter().filter(|it| it.contains("orders")).count(), 3, "{copies:?}");
    let after = stage.runs();
    let is_same: Vec<bool> = before.iter().zip(&after).map(|it| it.0 == it.1).collect();
    assert_eq!(is_same, [true, false, true], "{before:?} {after:?}");

    // One that is a master alone leaves, and has no vote for as long as it runs.
    stage.hosts().delete("es-3", &DeleteParams::default()).await.unwrap();
    stage.gone("es-3").await;
    stage.is_silenced("es-3").await;
    assert_eq!(stage.runs(), after, "under Retain Elasticsearch runs on");
    stage.machines[2].inside("systemctl stop drover-elasticsearch");
    let status = stage.is_undrained().await;
    assert_eq!(status.elasticsearch.unwrap().nodes, 2);
    stage.assert_nobody_is_taken_out().await;
    for reason in ["DrainBegun", "Drained"] {
        stage.event("es", reason).await;
    }
}
