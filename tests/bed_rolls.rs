//! The promises of the bed for rolls: Elasticsearch on hosts, traffic that counts, and archives to fetch.
#![allow(clippy::unwrap_used)]

#[path = "common/mod.rs"]
mod common;

use common::elasticsearch::Settings;
use common::hosts::{self, Brownfield, Os};

#[tokio::test]
async fn a_cluster_on_three_hosts_is_green_and_comes_back_after_a_reboot() {
    let settings = Settings::new("8.19.0").name("field").heap_megabytes(320);
    let machines = [Os::Debian, Os::Fedora, Os::Rhel].map(hosts::Settings::new);
    let field = Brownfield::start(settings, machines).await;
    field.hosts[1].reboot().await;
    field.green().await;
}
