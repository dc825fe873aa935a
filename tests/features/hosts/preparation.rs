//! Kernel parameters that a Host asks for: set, kept, put back and taken back.

use drover::api::host_status::HostState;
use serde_json::{Value, json};

use super::{SOON, Stage};
use crate::common::{
    hosts::{Host, Os, Settings, Sudo},
    wait::{eventually, holds},
};

const FILE: &str = "/etc/sysctl.d/zz-drover.conf";

/// The live value of a kernel parameter of `vm`; each host has its own.
pub fn live(host: &Host, name: &str) -> String {
    host.inside(&format!("cat /proc/sys/vm/{name}"))
}

/// Waits until a kernel parameter of `vm` has this value.
async fn becomes(host: &Host, name: &str, value: &str) {
    eventually(&format!("vm.{name} is {value}"), SOON, async || {
        let live = live(host, name);
        if live == value { Ok(()) } else { Err(live) }
    })
    .await;
}

fn asking(swappiness: &str) -> Value {
    json!({ "sysctls": { "vm.swappiness": swappiness, "vm.max_map_count": "262144" } })
}

fn with(mut spec: Value, more: &Value) -> Value {
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

#[tokio::test]
async fn what_is_asked_for_is_set_kept_over_a_boot_put_back_and_taken_back() {
    let stage = Stage::new("sysctls").await;
    let host = Settings::new(Os::Fedora).start().await;
    let by_sudo = json!({ "user": host.user(), "sudo": "Passwordless" });
    let ask = |value: &str| with(asking(value), &by_sudo);
    let object = stage.ready("es", &host, &ask("7")).await;
    assert_eq!((&*live(&host, "swappiness"), &*live(&host, "max_map_count")), ("7", "262144"));
    let status = object.status.unwrap();
    assert_eq!(status.applied_sysctls, object.spec.sysctls);
    stage.event("es", "HostPrepared").await;
    let made = host.inside(&format!("stat -c '%i %y' {FILE}"));

    // The system itself sets it at boot, and Drover sees to it.
    host.reboot().await;
    let boot = host.boot_id().await;
    stage
        .when("es", "its new boot is seen", |it| {
            let facts = it.status.as_ref().and_then(|it| it.facts.as_ref());
            if facts.is_some_and(|it| it.boot_id.as_str() == boot) {
                Ok(())
            } else {
                Err("not yet")
            }
            .map_err(str::to_owned)
        })
        .await;
    stage.until("es", "Ready", "True").await;
    assert_eq!((&*live(&host, "swappiness"), &*live(&host, "max_map_count")), ("7", "262144"));
    assert_eq!(host.inside(&format!("stat -c '%i %y' {FILE}")), made, "written a second time");

    // Somebody else changes a value, and the file.
    host.inside("echo 33 >/proc/sys/vm/swappiness");
    becomes(&host, "swappiness", "7").await;
    stage.event("es", "DriftCorrected").await;
    host.inside(&format!("echo vm.swappiness = 34 >>{FILE}"));
    eventually("the file is put back", SOON, async || {
        let text = host.inside(&format!("cat {FILE}"));
        if text.contains("34") { Err(text) } else { Ok(()) }
    })
    .await;
    stage.until("es", "Ready", "True").await;

    // What is no longer asked for goes back to what it was before Drover.
    stage.host("es", &host, &by_sudo).await;
    becomes(&host, "swappiness", "60").await;
    becomes(&host, "max_map_count", "65530").await;
    stage
        .when("es", "nothing is set any more", |it| {
            let set = it.status.as_ref().map(|it| it.applied_sysctls.clone()).unwrap_or_default();
            if set.is_empty() { Ok(()) } else { Err(format!("{set:?}")) }
        })
        .await;
    host.inside(&format!("test ! -e {FILE}"));
    stage.until("es", "Ready", "True").await;
}

#[tokio::test]
async fn what_others_change_is_only_told_under_report_and_nothing_is_changed_while_paused() {
    let stage = Stage::new("drift").await;
    let host = Settings::new(Os::Debian).start().await;
    let paused = |it: bool| with(asking("7"), &json!({ "paused": it }));
    stage.host("es", &host, &paused(true)).await;
    let message = stage.tells("es", "Prepared", "False", "Paused").await;
    assert!(message.contains("vm.swappiness is '60', not '7'"), "{message}");
    let object = stage.until("es", "Ready", "False").await;
    assert_eq!(object.status.unwrap().state, Some(HostState::Bootstrapping));
    assert_eq!(live(&host, "swappiness"), "60");
    host.inside(&format!("test ! -e {FILE}"));

    let report = |value: &str| with(asking(value), &json!({ "driftPolicy": "Report" }));
    stage.ready("es", &host, &report("7")).await;
    assert_eq!(live(&host, "swappiness"), "7", "what is new is set");
    host.inside("echo 33 >/proc/sys/vm/max_map_count");
    let message = stage.tells("es", "Drifted", "True", "DriftFound").await;
    assert!(message.contains("vm.max_map_count is '33'"), "{message}");
    stage.event("es", "DriftFound").await;
    let object = stage.ready("es", &host, &report("8")).await;
    let status = object.status.unwrap();
    assert_eq!((&*live(&host, "swappiness"), &*live(&host, "max_map_count")), ("8", "33"));
    assert_eq!(status.drift[0].path, "sysctls.vm.max_map_count");
    assert_eq!(status.drift[0].live.as_deref(), Some("\"33\""));
    stage.ready("es", &host, &asking("8")).await;
    becomes(&host, "max_map_count", "262144").await;
    stage.tells("es", "Drifted", "False", "AsExpected").await;
}

#[tokio::test]
async fn what_can_not_be_set_is_told_and_is_set_once_it_can() {
    let stage = Stage::new("unset").await;
    let host = Settings::new(Os::Debian).start().await;
    let by_sudo = json!({ "user": host.user(), "sudo": "Passwordless" });
    let ask = |name: &str| with(json!({ "sysctls": { (name): "7" } }), &by_sudo);
    stage.host("es", &host, &ask("vm.no_such_thing")).await;
    let message = stage.tells("es", "Prepared", "False", "CommandFailed").await;
    assert!(message.contains("vm.no_such_thing can't be set to 7"), "{message}");
    stage.until("es", "Stalled", "True").await;
    stage.ready("es", &host, &ask("vm.swappiness")).await;

    // Without room for the file that remembers the value of before, none is set.
    host.fill_disk();
    stage.host("es", &host, &ask("vm.max_map_count")).await;
    let message = stage.tells("es", "Prepared", "False", "CommandFailed").await;
    assert!(message.contains("No space left"), "{message}");
    assert_eq!(live(&host, "max_map_count"), "65530");
    host.free_disk();
    stage.until("es", "Ready", "True").await;
    assert_eq!((&*live(&host, "max_map_count"), &*live(&host, "swappiness")), ("7", "60"));

    // One that can't go back holds up no other, and is no longer set at boot.
    host.inside("mount -o remount,bind,ro /proc/sys/vm/max_map_count");
    stage.host("es", &host, &ask("vm.swappiness")).await;
    let message = stage.tells("es", "Prepared", "False", "CommandFailed").await;
    assert!(message.contains("vm.max_map_count can't be set to 65530"), "{message}");
    assert_eq!(live(&host, "swappiness"), "7");
    let text = host.inside(&format!("cat {FILE}"));
    assert!(text.contains("# before: vm.max_map_count = 65530"), "{text}");
    assert!(!text.contains("\nvm.max_map_count"), "{text}");
    host.inside("mount -o remount,bind,rw /proc/sys/vm/max_map_count");
    stage.until("es", "Ready", "True").await;
    assert_eq!(live(&host, "max_map_count"), "65530");
    let text = host.inside(&format!("cat {FILE}"));
    assert!(!text.contains("max_map_count"), "{text}");

    // sudo lets one command through and not the others.
    host.set_sudo(Sudo::Only("/usr/bin/id"));
    let message = stage.tells("es", "Prepared", "False", "PrivilegeMissing").await;
    assert!(message.contains("sudo"), "{message}");
    host.set_sudo(Sudo::Passwordless);
    stage.until("es", "Ready", "True").await;

    // Somebody else's file in the place of Drover's is theirs.
    host.inside(&format!("echo vm.swappiness=3 >{FILE}"));
    let message = stage.tells("es", "Prepared", "False", "NotOwned").await;
    assert!(message.contains("made by somebody else"), "{message}");
    holds("the file stays", std::time::Duration::from_secs(2), async || {
        let text = host.inside(&format!("cat {FILE}"));
        if text == "vm.swappiness=3" { Ok(()) } else { Err(text) }
    })
    .await;
    host.inside(&format!("rm {FILE}"));
    stage.until("es", "Ready", "True").await;
}
