//! The machines of a cluster are counted, and boot in turn.

use serde_json::json;

use super::{Stage, connected::counts_its_hosts};
use crate::common::traffic::{Target, Traffic};

#[tokio::test]
async fn a_connected_cluster_counts_its_hosts_and_takes_each_back_from_its_boot_before_the_next() {
    let stage = Stage::brownfield("reboot", 3).await;
    counts_its_hosts(&stage).await;
    stage.field.green().await;

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
