//! Which machine an object stands for.

use serde_json::json;

use super::Stage;
use crate::common::{
    hosts::{Host, Os, Settings},
    wait::second_after,
};

#[tokio::test]
async fn another_machine_behind_the_address_is_left_alone_until_a_person_names_it() {
    let stage = Stage::new("replaced").await;
    let host = Settings::new(Os::Debian).start().await;
    stage.ready("es", &host, &json!({})).await;
    let (first, second) = (host.machine_id().await, "0123456789abcdef0123456789abcdef");
    host.set_machine_id(second);
    let message = stage.tells("es", "Accepted", "False", "HostReplaced").await;
    assert!(message.contains(&first) && message.contains(second), "{message}");
    stage.event("es", "HostReplaced").await;
    let object = stage.until("es", "Ready", "False").await;
    assert_eq!(object.status.unwrap().facts.unwrap().machine_id.as_str(), first);
    let accept = |id: &str| json!({ "annotations": { "drover.dev/accept-machine-id": id } });
    stage.mark("es", &accept(&first)).await;
    stage.tells("es", "Accepted", "False", "HostReplaced").await;
    stage.mark("es", &accept(second)).await;
    let object = stage.until("es", "Ready", "True").await;
    assert_eq!(object.status.unwrap().facts.unwrap().machine_id.as_str(), second);
}

#[tokio::test]
async fn of_two_objects_for_one_machine_the_younger_stands_back_also_after_a_restart() {
    let mut stage = Stage::new("conflict").await;
    let hosts = Host::start_all([Settings::new(Os::Debian), Settings::new(Os::Fedora)]).await;
    let [one, other] = &hosts[..] else { unreachable!() };
    stage.ready("older", one, &json!({})).await;
    second_after(&stage.hosts().get("older").await.unwrap().metadata).await;
    stage.ready("between", other, &json!({})).await;
    stage.host("younger", one, &json!({})).await;
    let message = stage.tells("younger", "Accepted", "False", "Conflict").await;
    assert!(message.contains("/older"), "{message}");
    // A clone: two machines, and one machine-id.
    other.set_machine_id(&one.machine_id().await);
    let accept = json!({ "drover.dev/accept-machine-id": one.machine_id().await });
    stage.mark("between", &json!({ "annotations": accept })).await;
    stage.tells("between", "Accepted", "False", "Conflict").await;

    let (status, _) = stage.operator.stop().await;
    assert_eq!(status, 0);
    stage.operator.restart().await;
    stage.until("older", "Ready", "True").await;
    stage.tells("younger", "Accepted", "False", "Conflict").await;
    stage.delete("older").await;
    stage.gone("older").await;
    let ready = async |name: &str| stage.until(name, "Accepted", "True").await;
    tokio::select! { _ = ready("younger") => {}, _ = ready("between") => {} }
}
