//! A host leaves a cluster: its shards go first.

use drover::api::{
    cluster::Cluster,
    cluster_status::{ClusterStatus, Health},
    condition::find,
    drain::{DrainPhase, DrainStatus},
    host::Host as HostObject,
};
use kube::api::DeleteParams;
use serde_json::{Value, json};

use super::{LONG, Stage};
use crate::{
    common::{hosts::room, wait::eventually},
    hosts,
};

impl Stage {
    /// Waits until the drain of a host is in a phase.
    async fn drains(&self, host: &str, phase: DrainPhase) -> DrainStatus {
        let status = self
            .when(&format!("{host} is in {phase:?}"), |cluster| {
                let drain = drain_of(cluster);
                match &drain {
                    Some(it) if it.host == host && it.phase == phase => Ok(()),
                    _ => Err(format!("{drain:?}")),
                }
            })
            .await;
        status.drain.expect("checked")
    }

    /// Waits until no drain is there any more, and the cluster is green.
    pub(super) async fn is_undrained(&self) -> ClusterStatus {
        self.when("no drain, and green", |cluster| {
            let status = cluster.status.clone().unwrap_or_default();
            let health = status.elasticsearch.as_ref().map(|it| it.health);
            match (&status.drain, health) {
                (None, Some(Health::Green)) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await
    }

    /// Nothing is left of what takes nodes out.
    pub(super) async fn assert_nobody_is_taken_out(&self) {
        let settings = self.asks(0, "/_cluster/settings?flat_settings=true").await.unwrap();
        let is_ours = |key: &String| key.contains("exclude") || key.contains("drover");
        let set = settings["persistent"].as_object().unwrap();
        assert!(!set.keys().any(is_ours), "{settings}");
        let votes = self.asks(0, VOTES).await.unwrap();
        assert_eq!(votes.pointer(EXCLUSIONS), Some(&json!([])), "{votes}");
    }

    /// Indices with a copy on the node of a host.
    pub(super) async fn copies_on(&self, host: &str) -> Vec<String> {
        let shards = self.asks(0, "/_cat/shards?format=json").await.unwrap();
        let shards = shards.as_array().cloned().unwrap_or_default();
        let is_on = |it: &&Value| it["node"].as_str().is_some_and(|it| it.contains(host));
        shards.iter().filter(is_on).map(|it| it["index"].to_string()).collect()
    }
}

pub const VOTES: &str = "/_cluster/state/metadata?filter_path=metadata.cluster_coordination";
pub const EXCLUSIONS: &str = "/metadata/cluster_coordination/voting_config_exclusions";

fn drain_of(cluster: &Cluster) -> Option<DrainStatus> {
    cluster.status.as_ref()?.drain.clone()
}

#[tokio::test]
async fn a_host_that_leaves_is_let_go_once_no_shard_is_left_on_it() {
    let _room = room().await;
    let stage = Stage::new("leaves", 3).await;
    stage.apply_all(&stage.cluster("8.19.0", &json!({}), &json!({}))).await;
    stage.formed().await;
    let orders = json!({ "settings": { "number_of_shards": 3, "number_of_replicas": 1 } });
    stage.tells("PUT", "/orders", &orders).await;
    stage.tells("PUT", "/orders/_doc/1?refresh=true", &json!({ "n": 1 })).await;

    // A leave that is taken back takes everything back.
    let two = hosts::manifest("es-2", &hosts::spec_of(&stage.machines[1], &json!({})));
    stage.apply(&two).await;
    stage.drains("es-2", DrainPhase::Drained).await;
    assert_eq!(stage.copies_on("es-2").await, [""; 0]);
    stage.apply(&stage.members()[1]).await;
    stage.is_undrained().await;
    stage.assert_nobody_is_taken_out().await;

    // One index can't move: it is waited for, and its decider told.
    let pinned = json!({ "settings": {
        "number_of_shards": 1, "number_of_replicas": 0,
        "index.routing.allocation.require._name": "es-3",
    } });
    stage.tells("PUT", "/pinned", &pinned).await;
    let runs = stage.runs();
    stage.hosts().delete("es-3", &DeleteParams::default()).await.unwrap();
    eventually("the words of the decider", LONG, async || {
        let host: HostObject = stage.hosts().get("es-3").await.map_err(|it| it.to_string())?;
        let conditions = host.status.unwrap_or_default().conditions;
        let ready = find(&conditions, "Ready").ok_or("not judged")?;
        let told = ready.message.to_string();
        let is_it = &*ready.reason == "Draining" && told.contains("pinned[0]");
        if is_it && told.contains("filter:") { Ok(()) } else { Err(told) }
    })
    .await;
    let drain = stage.drains("es-3", DrainPhase::Move).await;
    assert!(drain.blocked_by.is_some_and(|it| it.as_str().contains("filter:")));

    let free = json!({ "index.routing.allocation.require._name": null });
    stage.tells("PUT", "/pinned/_settings", &free).await;
    eventually("the Host is let go", LONG, async || {
        match stage.hosts().get_opt("es-3").await.map_err(|it| it.to_string())? {
            None => Ok(()),
            Some(host) => Err(format!("{:?}", host.status.map(|it| it.conditions))),
        }
    })
    .await;
    assert_eq!(stage.copies_on("es-3").await, [""; 0]);
    assert_eq!(stage.runs(), runs, "under Retain Elasticsearch runs on");

    // Once its node is out of the cluster nothing is left of it.
    stage.machines[2].inside("systemctl stop drover-elasticsearch");
    let status = stage.is_undrained().await;
    assert_eq!(status.elasticsearch.unwrap().nodes, 2);
    stage.assert_nobody_is_taken_out().await;
    for reason in ["DrainBegun", "Drained"] {
        stage.event("es", reason).await;
    }
}
