//! From bare machines to a cluster by one apply, and what is changed in its life.

use drover::api::{cluster::Health, host_status::RunStatus, rollout_status::RolloutKind};
use serde_json::json;

use super::Stage;
use crate::common::{hosts::room, traffic::Traffic};

#[tokio::test]
async fn one_apply_makes_a_secured_cluster_of_bare_machines_which_takes_settings_and_a_version() {
    let _room = room().await;
    let stage = Stage::new("managed", 3).await;
    stage.apply_all(&stage.cluster("8.17.0", &json!({}), &json!({}))).await;
    let status = stage.until("Ready", "True").await;
    let formed = status.elasticsearch.clone().unwrap();
    assert_eq!((formed.nodes, formed.health), (3, Health::Green));
    assert_eq!((formed.version.as_str(), formed.name.as_str()), ("8.17.0", "es"));
    assert_eq!(status.formation, None, "everybody remembers what was formed");
    assert!(status.history.is_empty(), "what was not in service takes no run");
    for kind in ["admin", "ca", "ca-key"] {
        let secret = stage.annotation(&format!("es-{kind}"), "drover.dev/cluster-uuid").await;
        assert_eq!(secret.as_deref(), Some(formed.uuid.as_str()), "{kind}");
    }
    assert_eq!(stage.archives.fetched("8.17.0"), 3);

    // Other settings: each node is started anew, one after the other.
    let first = stage.runs();
    let traffic = Traffic::start(&stage.target().await, "orders").await;
    let attribute = json!({ "node.attr.rack": "r1" });
    stage.apply(&stage.cluster("8.17.0", &attribute, &json!({}))).await;
    let status = stage.deployed("8.17.0", 1).await;
    assert_eq!(status.history[0].kind, RolloutKind::ElasticsearchConfig);
    let second = stage.runs();
    assert!(first.iter().zip(&second).all(|(before, after)| before != after), "{second:?}");

    // Another version, with data in the cluster and people at work.
    stage.apply(&stage.cluster("8.19.0", &attribute, &json!({}))).await;
    let status = stage.deployed("8.19.0", 2).await;
    traffic.goes_on(20).await;
    let counted = traffic.finish().await;
    counted.assert_unharmed();
    assert_eq!(counted.most_down, 1, "{counted:#?}");
    let [version, _] = &status.history[..] else { panic!("{:?}", status.history) };
    assert_eq!(version.kind, RolloutKind::ElasticsearchVersion);
    assert_eq!((version.status, version.done), (RunStatus::Finished, 3));
    let status = stage.until("Ready", "True").await;
    let upgraded = status.elasticsearch.unwrap();
    assert_eq!((upgraded.version.as_str(), &upgraded.uuid), ("8.19.0", &formed.uuid));
    for reason in ["FormationBegun", "Formed", "RolloutFinished"] {
        stage.event("es", reason).await;
    }
}
