//! The machines of a cluster boot in turn.

use serde_json::json;

use super::Stage;
use crate::common::traffic::{Target, Traffic};

#[tokio::test]
async fn machines_boot_in_turn_and_the_cluster_takes_each_back_before_the_next() {
    let stage = Stage::brownfield("reboot", 3).await;
    let before = stage.runs();
    let settings = stage.settings().await;
    let traffic = Traffic::start(&Target::of(&stage.field.elasticsearch), "orders").await;
    stage.field.green().await;
    stage.ask("one", "Host", &json!({}), &json!({})).await;
    let status = stage.restarted("one").await;
    traffic.goes_on(20).await;
    traffic.finish().await.assert_unharmed();
    for (at, (_, boot)) in stage.runs().into_iter().enumerate() {
        assert_ne!(boot, before[at].1, "es-{} has not booted", at + 1);
    }
    assert_eq!(status.restart.unwrap().restarted, ["es-1", "es-2", "es-3"]);
    stage.assert_nothing_left(&settings).await;
    stage.assert_nothing_installed();
}
