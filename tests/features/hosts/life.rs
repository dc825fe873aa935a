//! From apply to Ready, and what a status tells of a machine.

use drover::api::host_status::{HostState, OsFamily};
use serde_json::json;

use super::{Stage, families};
use crate::common::hosts::{Host, Os, Settings, Sudo};

#[tokio::test]
async fn hosts_of_six_distributions_go_from_apply_to_ready_with_their_facts_and_commands() {
    let systems = [
        ("debian", Os::Debian, OsFamily::Debian, "apt-get"),
        ("fedora", Os::Fedora, OsFamily::Fedora, "dnf"),
        ("rhel", Os::Rhel, OsFamily::Rhel, "dnf"),
        ("centos", Os::Centos, OsFamily::Rhel, "dnf"),
        ("sles", Os::Sles, OsFamily::Suse, "zypper"),
        ("atomic", Os::Atomic, OsFamily::Ostree, "rpm-ostree"),
    ];
    let stage = Stage::new("six").await;
    let hosts = Host::start_all(systems.map(|(name, os, ..)| Settings::new(os).name(name))).await;
    for ((name, ..), host) in systems.iter().zip(&hosts) {
        stage.host(name, host, &json!({})).await;
    }
    for ((name, _, family, manager), host) in systems.into_iter().zip(&hosts) {
        let object = stage.until(name, "Ready", "True").await;
        let status = object.status.unwrap();
        assert_eq!(status.state, Some(HostState::Disassociated));
        assert!(status.last_check.is_some());
        assert_eq!(status.host_key.unwrap().fingerprint.0, host.fingerprint());
        let facts = status.facts.unwrap();
        assert_eq!(facts.os.family, Some(family), "{name}");
        assert_eq!(facts.package_manager.unwrap().as_str(), manager, "{name}");
        assert_eq!(facts.hostname.as_str(), name);
        assert_eq!(facts.machine_id.as_str(), host.machine_id().await);
        assert_eq!(facts.boot_id.as_str(), host.boot_id().await);
        assert_eq!(facts.kernel.as_str(), host.run("uname -r").await);
        assert_eq!(facts.architecture.as_str(), host.run("uname -m").await);
        assert_eq!(facts.cpus.to_string(), host.run("nproc").await);
        let memory = host.run("sed -n 's/MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo").await;
        assert_eq!(facts.memory_bytes, 1024 * memory.parse::<u64>().unwrap());
        assert_eq!(facts.disks.root.total, 400 << 20, "{name}");
        assert!(0 < facts.disks.root.free && facts.disks.root.free <= facts.disks.root.total);
        assert_eq!(facts.ostree.is_some(), family == OsFamily::Ostree, "{name}");
        let release = host.run(". /etc/os-release; echo $ID $VERSION_ID").await;
        let told = [facts.os.id.as_str(), facts.os.version.as_ref().map_or("", |it| it.as_str())];
        assert_eq!(release, told.join(" "));
        stage.event(name, "Connected").await;
    }
    let states = stage.operator.metric("drover_host_state", &[r#"state="disassociated""#]).await;
    assert!((states - 6.0).abs() < f64::EPSILON, "{states}");
    let opened = stage.operator.metric("drover_ssh_connections_total", &["success"]).await;
    assert!((opened - 6.0).abs() < f64::EPSILON, "one kept session each, not {opened}");

    let one_of_each = systems.into_iter().zip(&hosts).filter(|it| it.0.0 != "centos");
    for ((_, _, family, _), host) in one_of_each {
        families::assert_commands_work(host, drover::controllers::flannel::family(family));
    }
    let atomic = hosts.last().expect("as above");
    families::assert_restarts_into_the_new_image(&stage, "atomic", atomic).await;
}

#[tokio::test]
async fn a_user_with_sudo_is_as_good_as_root_and_one_without_is_told() {
    let stage = Stage::new("sudo").await;
    let host = Settings::new(Os::Debian).start().await;
    let by_sudo = json!({ "user": host.user(), "sudo": "Passwordless" });
    stage.ready("es", &host, &by_sudo).await;
    host.set_sudo(Sudo::AsksPassword);
    let message = stage.tells("es", "Prepared", "False", "PrivilegeMissing").await;
    assert!(message.contains("sudo"), "{message}");
    let object = stage.until("es", "Stalled", "True").await;
    assert_eq!(object.status.unwrap().state, Some(HostState::Failed));
    host.set_sudo(Sudo::Passwordless);
    stage.until("es", "Ready", "True").await;
    // One that does not end is given up, and the machine is there all the same.
    host.slow_command("id", 600);
    let message = stage.tells("es", "Prepared", "False", "CommandFailed").await;
    assert!(message.contains("did not end within 20s"), "{message}");
    stage.until("es", "Reachable", "True").await;
    host.mend_commands();
    stage.until("es", "Ready", "True").await;
    stage.host("es", &host, &json!({ "user": host.user() })).await;
    let message = stage.tells("es", "Prepared", "False", "PrivilegeMissing").await;
    assert!(message.contains("root"), "{message}");
}

#[tokio::test]
async fn a_reboot_is_seen_by_the_boot_id_and_a_reboot_that_is_due_is_told() {
    let stage = Stage::new("reboot").await;
    let host = Settings::new(Os::Fedora).start().await;
    let before = stage.ready("es", &host, &json!({})).await.status.unwrap().facts.unwrap();
    host.offer_updates(&["kernel"]);
    host.run("dnf -y upgrade").await;
    stage.tells("es", "RebootRequired", "True", "RebootRequired").await;
    host.reboot().await;
    let boot = host.boot_id().await;
    let object = stage
        .when("es", "its new boot is seen", |it| {
            let facts = it.status.as_ref().and_then(|it| it.facts.as_ref());
            let seen = facts.map(|it| it.boot_id.as_str()).unwrap_or_default();
            if seen == boot { Ok(()) } else { Err(format!("{seen}, not {boot}")) }
        })
        .await;
    assert_eq!(object.status.unwrap().facts.unwrap().machine_id, before.machine_id);
    stage.event("es", "HostRebooted").await;
    stage.tells("es", "RebootRequired", "False", "AsExpected").await;
    stage.until("es", "Ready", "True").await;
}

#[tokio::test]
async fn nothing_is_sent_before_a_person_approves_and_a_system_that_is_unknown_is_told() {
    let stage = Stage::new("approval").await;
    let host = Settings::new(Os::Debian).start().await;
    let before = super::attempts(&host);
    stage.host("es", &host, &json!({ "approval": "Required" })).await;
    stage.tells("es", "Accepted", "False", "Unapproved").await;
    stage.until("es", "Stalled", "True").await;
    assert_eq!(super::attempts(&host), before);
    host.inside("sed -i 's/^ID=.*/ID=haiku/; /^ID_LIKE/d' /etc/os-release");
    stage.mark("es", &json!({ "labels": { "drover.dev/approved": "true" } })).await;
    let message = stage.tells("es", "Accepted", "False", "Unsupported").await;
    assert!(message.contains("haiku") && message.contains("Fedora"), "{message}");
    host.inside("sed -i 's/^ID=.*/ID=debian/' /etc/os-release");
    stage.until("es", "Ready", "True").await;
}

#[tokio::test]
async fn a_machine_in_maintenance_is_looked_after_and_out_of_service() {
    let stage = Stage::new("maintenance").await;
    let host = Settings::new(Os::Debian).start().await;
    let object = stage.ready("es", &host, &json!({ "maintenance": true })).await;
    assert_eq!(object.status.unwrap().state, Some(HostState::Maintenance));
    host.reset_connections();
    stage.tells("es", "Reachable", "False", "Unreachable").await;
    host.mend_network();
    stage.until("es", "Ready", "True").await;
    let object = stage.ready("es", &host, &json!({})).await;
    assert_eq!(object.status.unwrap().state, Some(HostState::Disassociated));
}
