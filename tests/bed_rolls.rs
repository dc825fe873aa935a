//! The promises of the bed for rolls: Elasticsearch on hosts, traffic that counts, and archives to fetch.
#![allow(clippy::unwrap_used)]

#[path = "common/mod.rs"]
mod common;

use common::elasticsearch::Settings;
use common::hosts::{self, Brownfield, Os};
use common::traffic::{Target, Traffic};

#[tokio::test]
async fn nothing_is_lost_while_one_of_three_hosts_is_rebooted() {
    let settings = Settings::new("8.19.0").name("field").heap_megabytes(320);
    let machines = [Os::Debian, Os::Fedora, Os::Rhel].map(hosts::Settings::new);
    let field = Brownfield::start(settings, machines).await;
    let traffic = Traffic::start(&Target::of(&field.elasticsearch), "traffic").await;
    let host = &field.hosts[1];
    let node = host.inside("systemctl show -p MainPID --value elasticsearch");
    assert_ne!(node, "0");
    host.reboot().await;
    // It comes back by itself.
    field.green().await;
    traffic.goes_on(50).await;
    let counted = traffic.finish().await;
    counted.assert_unharmed();
    assert_eq!(counted.most_down, 1, "{counted:#?}");
    assert!(counted.retried > 0, "{counted:#?}");
}
