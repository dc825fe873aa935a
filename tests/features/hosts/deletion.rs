//! What deleting an object does to its machine.

use drover::api::host_status::HostState;
use serde_json::json;

use super::{Stage, preparation::live};
use crate::common::hosts::{Os, Settings, SshKey};

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

#[tokio::test]
async fn a_reset_undoes_what_drover_wrote_and_a_dead_machine_holds_its_object_up_for_some_tries() {
    let stage = Stage::new("reset").await;
    let host = Settings::new(Os::Debian).start().await;
    let spec =
        |policy: &str| json!({ "deletionPolicy": policy, "sysctls": { "vm.swappiness": "7" } });
    let file = "/etc/sysctl.d/zz-drover.conf";
    stage.ready("kept", &host, &spec("Retain")).await;
    stage.delete("kept").await;
    stage.gone("kept").await;
    assert_eq!(live(&host, "swappiness"), "7");
    host.inside(&format!("test -e {file}"));

    // The next object takes over what the last one left, the value of before with it.
    stage.ready("undone", &host, &spec("Reset")).await;
    host.inside("mkdir -p /var/lib/elasticsearch && touch /var/lib/elasticsearch/data");
    stage.delete("undone").await;
    stage.gone("undone").await;
    assert_eq!(live(&host, "swappiness"), "60");
    host.inside(&format!("test ! -e {file} && test -e /var/lib/elasticsearch/data"));
    stage.event("undone", "HostReset").await;

    stage.ready("dead", &host, &spec("Reset")).await;
    host.reset_connections();
    stage.delete("dead").await;
    let object = stage.when("dead", "it is tried again", |it| {
        let operation = it.status.as_ref().and_then(|it| it.operation.clone());
        if operation.as_ref().is_some_and(|it| 2 <= it.attempt) {
            Ok(())
        } else {
            Err(format!("{operation:?}"))
        }
    });
    assert_eq!(object.await.status.unwrap().state, Some(HostState::Deleting));
    stage.gone("dead").await;
    let note = stage.event("dead", "LeftBehind").await;
    assert!(note.contains("vm.swappiness") && note.contains(file), "{note}");
    host.mend_network();
    assert_eq!(live(&host, "swappiness"), "7");
}

#[tokio::test]
async fn a_machine_is_reset_also_where_its_secret_goes_first_but_not_by_guessing() {
    let stage = Stage::new("secret-first").await;
    let host = Settings::new(Os::Debian).start().await;
    let spec = json!({ "deletionPolicy": "Reset", "sysctls": { "vm.swappiness": "7" } });
    stage.ready("es", &host, &spec).await;
    stage.unmake_secret("key").await;
    stage.tells("es", "ResolvedRefs", "False", "SecretNotFound").await;
    stage.delete("es").await;
    stage.gone("es").await;
    assert_eq!(live(&host, "swappiness"), "60");

    // Where the file that remembers goes first, nothing is said to be undone.
    stage.key("key", SshKey::shared()).await;
    stage.ready("bare", &host, &spec).await;
    host.inside("rm /etc/sysctl.d/zz-drover.conf");
    stage.delete("bare").await;
    stage.gone("bare").await;
    let note = stage.event("bare", "LeftBehind").await;
    assert!(note.contains("vm.swappiness") && note.contains("somebody removed"), "{note}");
    assert_eq!(live(&host, "swappiness"), "7");
}
