//! What deleting an object does to its machine.

use serde_json::json;

use super::Stage;
use crate::common::hosts::{Os, Settings};

#[tokio::test]
async fn an_object_is_deleted_at_once_whether_its_machine_lives_or_not() {
    let stage = Stage::new("retain").await;
    let host = Settings::new(Os::Debian).start().await;
    stage.ready("alive", &host, &json!({})).await;
    stage.delete("alive").await;
    stage.gone("alive").await;
    stage.ready("dead", &host, &json!({})).await;
    host.blackhole();
    stage.tells("dead", "Reachable", "False", "Unreachable").await;
    stage.delete("dead").await;
    stage.gone("dead").await;
}
