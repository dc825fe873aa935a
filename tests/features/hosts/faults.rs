//! What goes wrong between Drover and a machine: told in bounded time, no other machine delayed,
//! and over by itself.

use std::time::Duration;

use drover::api::host_status::HostState;
use serde_json::json;

use super::{SOON, Stage};
use crate::common::{
    hosts::{Host, Os, Settings},
    wait::eventually,
};

#[tokio::test]
async fn a_machine_that_goes_dark_is_told_and_comes_back_by_itself() {
    let stage = Stage::new("dark").await;
    let systems = [Os::Debian, Os::Fedora, Os::Rhel];
    let hosts = Host::start_all(systems.map(Settings::new)).await;
    let [swallowed, frozen, stopped] = &hosts[..] else { unreachable!() };
    let names = ["swallowed", "frozen", "stopped"];
    for (name, host) in names.iter().zip(&hosts) {
        stage.ready(name, host, &json!({})).await;
    }
    swallowed.blackhole();
    frozen.freeze();
    stopped.stop_sshd();
    super::cut_sessions(stopped);
    for name in names {
        stage.tells(name, "Reachable", "False", "Unreachable").await;
        let object = stage.until(name, "Reconciling", "True").await;
        assert_eq!(object.status.unwrap().state, Some(HostState::Unreachable), "{name}");
        stage.event(name, "ConnectionLost").await;
    }
    swallowed.mend_network();
    frozen.thaw();
    stopped.start_sshd();
    for name in names {
        let object = stage.until(name, "Ready", "True").await;
        assert_eq!(object.status.unwrap().state, Some(HostState::Disassociated), "{name}");
    }
}

#[tokio::test]
async fn a_machine_that_is_switched_off_comes_back_with_its_next_boot() {
    let stage = Stage::new("power").await;
    let host = Settings::new(Os::Atomic).start().await;
    stage.ready("es", &host, &json!({})).await;
    host.cut_power();
    stage.tells("es", "Reachable", "False", "Unreachable").await;
    host.power_on();
    stage.until("es", "Ready", "True").await;
    stage.event("es", "HostRebooted").await;
}

#[tokio::test]
async fn machines_that_hang_delay_no_other_and_no_other_is_asked_less() {
    // One reconcile at a time: it must never be a machine that it waits for.
    let stage = Stage::with("hang", |it| it.flag("--max-concurrent-reconciles", "1")).await;
    let systems = [Os::Debian, Os::Fedora, Os::Centos];
    let hosts = Host::start_all(systems.map(Settings::new)).await;
    let [good, frozen, swallowed] = &hosts[..] else { unreachable!() };
    frozen.freeze();
    swallowed.blackhole();
    for at in 0..6 {
        stage.host(&format!("frozen-{at}"), frozen, &json!({})).await;
        stage.host(&format!("swallowed-{at}"), swallowed, &json!({})).await;
    }
    stage.ready("good", good, &json!({})).await;
    let probes = async || {
        let labels = [r#"command="probe""#, r#"result="success""#];
        stage.operator.metric("drover_ssh_command_duration_seconds_count", &labels).await
    };
    let before = probes().await;
    eventually("the good one is asked all the time", SOON, async || {
        let now = probes().await;
        if before + 5.0 <= now { Ok(()) } else { Err(format!("{before} and {now}")) }
    })
    .await;
    for name in ["frozen-5", "swallowed-5"] {
        stage.tells(name, "Reachable", "False", "Unreachable").await;
    }
}

#[tokio::test]
async fn a_bad_line_hinders_and_a_session_that_is_reset_is_opened_anew_without_a_word() {
    let stage = Stage::new("line").await;
    let host = Settings::new(Os::Debian).start().await;
    stage.ready("es", &host, &json!({})).await;
    let opened = async || stage.operator.metric("drover_ssh_connections_total", &["success"]).await;
    let before = opened().await;
    super::cut_sessions(&host);
    eventually("the session is opened anew", SOON, async || {
        let now = opened().await;
        if before < now { Ok(()) } else { Err(format!("{now}")) }
    })
    .await;
    let api = stage.hosts();
    crate::common::wait::holds("nothing is told of it", Duration::from_secs(3), async || {
        let host = api.get("es").await.map_err(|it| it.to_string())?;
        let text = format!("{:?}", host.status);
        if text.contains("Unreachable") { Err(text) } else { Ok(()) }
    })
    .await;
    host.lose_packets(30);
    stage.look_anew("es").await;
    assert!(0 < host.lost_packets());
    stage.until("es", "Ready", "True").await;
    host.mend_network();
    host.reset_connections();
    stage.tells("es", "Reachable", "False", "Unreachable").await;
    host.mend_network();
    stage.until("es", "Ready", "True").await;
}

#[tokio::test]
async fn commands_that_fail_or_never_end_are_told_as_what_they_are() {
    let stage = Stage::new("commands").await;
    let host = Settings::new(Os::Debian).start().await;
    stage.ready("es", &host, &json!({})).await;
    // What is read of a machine does not hang on one program.
    let calls = host.calls().len();
    host.slow_command("df", 600);
    eventually("it is asked how much room there is", SOON, async || {
        let calls = host.calls().split_off(calls);
        if calls.iter().any(|it| it.starts_with("df ")) {
            Ok(())
        } else {
            Err(format!("{calls:?}"))
        }
    })
    .await;
    host.fill_disk();
    stage.look_anew("es").await;
    stage.until("es", "Inspected", "True").await;
    stage.until("es", "Ready", "True").await;
    host.free_disk();
    host.mend_commands();
    host.failing_command("id", 3, "out of order; $(touch /canary)");
    let message = stage.tells("es", "Prepared", "False", "CommandFailed").await;
    assert!(message.contains("status 3: out of order; $(touch /canary)"), "{message}");
    host.mend_commands();
    host.endless_command("id");
    let message = stage.tells("es", "Prepared", "False", "UnexpectedAnswer").await;
    assert!(message.contains("more than"), "{message}");
    let object = stage.until("es", "Reachable", "True").await;
    assert_eq!(object.status.unwrap().state, Some(HostState::Failed));
    host.mend_commands();
    stage.until("es", "Ready", "True").await;
}
