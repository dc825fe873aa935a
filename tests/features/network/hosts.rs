//! Three machines that reach each other, or do not.

use drover::api::{condition, network::Network};
use serde_json::json;

use crate::{
    common::{
        hosts::{Host, Os, Settings},
        proxy::lines,
        wait::eventually,
    },
    hosts::{SOON, Stage},
    world::control_plane,
};

/// What is amiss with a Network that shall be Ready, and used by so many hosts.
fn is_ready_with(hosts: u32) -> impl Fn(&Network) -> Result<(), String> {
    move |network| {
        let status = network.status.clone().unwrap_or_default();
        let is_ready = condition::is_true(&status.conditions, "Ready");
        let is_it = is_ready && status.hosts == Some(hosts);
        if is_it { Ok(()) } else { Err(format!("{status:#?}")) }
    }
}

#[tokio::test]
async fn machines_that_are_kept_apart_are_told_by_name_until_they_reach_each_other_again() {
    let mut stage = Stage::new("mesh").await;
    let systems = [Os::Debian, Os::Fedora, Os::Rhel];
    let hosts = Host::start_all(systems.map(Settings::new)).await;
    let names = ["es-1", "es-2", "es-3"];
    stage.network("net", &json!({ "type": "HostNetwork" })).await;
    stage.cluster_with("es", "net").await;
    for (name, host) in names.iter().zip(&hosts) {
        stage.host(name, host, &json!({ "clusterRef": { "name": "es" } })).await;
    }
    // Nobody listens at Elasticsearch's ports yet: they answer all the same.
    let network = stage.network_when("net", "three hosts reach each other", is_ready_with(3)).await;
    assert!(network.status.unwrap().unreachable.is_empty());
    let table = ["get", "networks", "net", "-n", &stage.namespace];
    let table = control_plane().await.kubectl(&table, "");
    let words: Vec<&str> = table.split_whitespace().collect();
    assert_eq!(words[..5], ["NAME", "READY", "TYPE", "HOSTS", "AGE"]);
    assert_eq!(words[5..9], ["net", "True", "HostNetwork", "3"]);

    hosts[0].part_from(&hosts[1]);
    let apart = [("es-1", "es-2"), ("es-2", "es-1")];
    let expected: Vec<_> =
        apart.iter().flat_map(|(from, to)| [9200, 9300].map(|it| (*from, *to, it))).collect();
    stage
        .network_when("net", "each of the two tells of the other", |it| {
            let unreachable = it.status.clone().unwrap_or_default().unreachable;
            let seen: Vec<_> = unreachable.iter().map(|it| (&*it.from, &*it.to, it.port)).collect();
            if seen == expected { Ok(()) } else { Err(format!("{seen:?}")) }
        })
        .await;
    let message = stage.network_lacks("net", "Reachable", "Unreachable").await;
    assert!(message.starts_with("es-1 gets no answer from es-2 at port 9200"), "{message}");
    stage.event("net", "HostsApart").await;
    for name in names {
        stage.until(name, "Reachable", "True").await;
    }

    let asked = async |stage: &Stage| {
        let labels = [r#"command="reach peers""#, r#"result="success""#];
        stage.operator.metric("drover_ssh_command_duration_seconds_count", &labels).await
    };
    stage.operator.stop().await;
    stage.kubernetes.ledger().clear();
    stage.operator.restart().await;
    eventually("the hosts were asked anew", SOON, async || {
        let now = asked(&stage).await;
        if 6.0 <= now { Ok(()) } else { Err(format!("{now}")) }
    })
    .await;
    let writes = stage.network_writes();
    assert!(writes.is_empty(), "a restart writes nothing: {}", lines(&writes));

    hosts[0].mend_network();
    let network = stage.network_until("net", "Ready", "True").await;
    assert!(network.status.unwrap().unreachable.is_empty());
    let opened = stage.operator.metric("drover_ssh_connections_total", &["success"]).await;
    assert!((opened - 3.0).abs() < f64::EPSILON, "one kept session each, not {opened}");

    stage.delete("es-3").await;
    stage.network_when("net", "one has left", is_ready_with(2)).await;
    stage.cluster_with("es", "another").await;
    stage.network_when("net", "nobody uses it", is_ready_with(0)).await;
    stage.delete_network("net").await;
}
