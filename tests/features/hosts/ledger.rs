//! What hosts cost that are as they should be.

use std::time::Duration;

use serde_json::json;

use super::{SOON, Stage};
use crate::common::{
    hosts::{Host, Os, Settings},
    proxy::lines,
    soak,
    wait::{eventually, holds},
};

#[tokio::test]
async fn hosts_at_rest_keep_one_session_each_and_nothing_is_written_but_the_lease() {
    let count = if soak() { 16 } else { 4 };
    let span = Duration::from_secs(if soak() { 60 } else { 8 });
    let stage = Stage::with("rest", |it| it.flag("--stats-interval", "1h")).await;
    let mut hosts = Vec::new();
    for _ in 0..count / 4 {
        hosts.extend(Host::start_all((0..4).map(|_| Settings::new(Os::Debian))).await);
    }
    let name = |at: usize| format!("es-{at}");
    let spec = json!({ "sysctls": { "vm.swappiness": "7" } });
    for (at, host) in hosts.iter().enumerate() {
        stage.host(&name(at), host, &spec).await;
    }
    for at in 0..hosts.len() {
        stage.until(&name(at), "Ready", "True").await;
    }
    // Probes, and commands beside them, out of one answer.
    let commands = async || {
        let (mut probes, mut others) = (0.0, 0.0);
        for (sample, count) in stage.operator.metrics().await {
            if sample.starts_with("drover_ssh_command_duration_seconds_count{") {
                let is_probe = sample.contains(r#"command="probe""#);
                *(if is_probe { &mut probes } else { &mut others }) += count;
            }
        }
        (probes, others)
    };
    // The last looks of the beginning: after each news the machine is looked into once more.
    let ledger = stage.kubernetes.ledger();
    eventually("the operator comes to rest", SOON, async || {
        ledger.clear();
        let (_, before) = commands().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let more = commands().await.1 - before;
        let written = ledger.find(|it| !it.is_lease() && !it.is_watch());
        let rests = written.is_empty() && more < 1.0;
        if rests { Ok(()) } else { Err(format!("{more} commands, {}", lines(&written))) }
    })
    .await;
    ledger.clear();
    let before = commands().await;
    holds("nothing is read or written but the Lease", span, async || {
        let others = ledger.find(|it| !it.is_lease() && !it.is_watch());
        if others.is_empty() { Ok(()) } else { Err(lines(&others)) }
    })
    .await;
    let after = commands().await;
    let (probes, more) = (after.0 - before.0, after.1 - before.1);
    let number = f64::from(count);
    assert!(2.0 * number <= probes, "{probes} probes of {number} hosts");
    assert!(more < 1.0, "{more} commands beside probes");
    let opened = stage.operator.metric("drover_ssh_connections_total", &["success"]).await;
    assert!((opened - number).abs() < f64::EPSILON, "one session each, not {opened}");
    for host in &hosts {
        let sessions = host
            .inside("journalctl --no-pager -u ssh -o cat | grep -c 'Accepted publickey for root'");
        assert_eq!(sessions, "1");
    }
}
