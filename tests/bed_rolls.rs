//! The promises of the bed for rolls: Elasticsearch on hosts, traffic that counts, and archives to fetch.
#![allow(clippy::unwrap_used)]

#[path = "common/mod.rs"]
mod common;

use std::path::Path;
use std::time::Duration;

use common::archives::Archives;
use common::elasticsearch::Settings;
use common::hosts::{self, Brownfield, Os, SshKey};
use common::leftovers::{is_victim, left_of, tell, victim};
use common::paths;
use common::proxy::Damage;
use common::traffic::{Target, Traffic};
use common::wait::eventually;

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

#[tokio::test]
async fn hosts_fetch_archives_that_run_and_damaged_ones_show() {
    let (archives, host) =
        (Archives::start().await, hosts::Settings::new(Os::Fedora).start().await);
    Archives::trust(&host);
    let versions = ["7.17.29", "8.17.0", "8.19.0", "9.2.0"];
    for version in versions.into_iter().filter(|it| paths::runs_here(it)) {
        let url = archives.url(version);
        host.run(&format!("cd /var/tmp && curl -fsS -O {url} -O {url}.sha512")).await;
        host.run("cd /var/tmp && sha512sum -c *.sha512").await;
        host.run("cd /var/tmp && tar -xzf *.tar.gz && rm *.tar.gz").await;
        let told = host.run("cat /var/tmp/*.sha512").await;
        assert!(told.starts_with(&Archives::digest(version)), "{told}");
        // Without a word about its heap it takes half of this machine's memory.
        let program = format!("/var/tmp/elasticsearch-{version}/bin/elasticsearch");
        let command = format!("ES_JAVA_OPTS='-Xms64m -Xmx64m' {program} --version");
        let told = host.run(&command).await;
        assert!(told.contains(&format!("Version: {version}")), "{told}");
        host.run("rm -rf /var/tmp/elasticsearch-*").await;
        assert_eq!(archives.fetched(version), 1);
    }
    let fetch = async |options: &str| {
        let url = archives.plain_url("7.17.29");
        let command = format!("cd /var/tmp && curl -fsS {options} -O {url}");
        host.ssh("root", SshKey::shared(), &command).await
    };
    let digest = Archives::digest("7.17.29");
    let digested = async || host.run("sha512sum /var/tmp/*.tar.gz").await.starts_with(&digest);
    for (damage, options, status) in [
        (Some(Damage::Short), "", 18),
        (None, "", 22),
        // Of 57 MB, in two seconds.
        (Some(Damage::Slow), "--max-time 2", 28),
        (Some(Damage::WrongByte), "", 0),
    ] {
        archives.damage("7.17.29", damage);
        let fetched = fetch(options).await;
        assert_eq!(fetched.status, status, "{damage:?}: {fetched:?}");
        if status == 0 {
            assert!(!digested().await, "{damage:?}");
        }
    }
    archives.mend();
    assert_eq!(fetch("").await.status, 0);
    assert!(digested().await);
}

/// The test runs itself once more as a process of its own, and kills that.
#[tokio::test]
async fn nothing_is_left_of_elasticsearch_on_hosts_when_its_test_process_is_killed() {
    const NAME: &str = "nothing_is_left_of_elasticsearch_on_hosts_when_its_test_process_is_killed";
    if is_victim() {
        let settings = Settings::new("7.17.29").name("killed").heap_megabytes(256);
        let field = Brownfield::start(settings, vec![hosts::Settings::new(Os::Rhel); 2]).await;
        let told = field.hosts.iter().map(|it| format!("{} {}", it.pid(), it.dir().display()));
        tell(&told.collect::<Vec<_>>().join(" ")).await;
    }
    let (mut victim, words) = victim(NAME);
    let left = || {
        let of = |it: &[String]| left_of(it[0].parse().unwrap(), Path::new(&it[1]));
        let dirs = words.chunks(2).map(|it| Path::new(&it[1]).to_owned()).filter(|it| it.exists());
        words.chunks(2).flat_map(of).chain(dirs).collect::<Vec<_>>()
    };
    let is_java = |it: &Path| {
        std::fs::read_link(it.join("exe")).is_ok_and(|it| it.to_string_lossy().contains("java"))
    };
    assert_eq!(left().iter().filter(|it| is_java(it)).count(), 2, "{:?}", left());
    victim.kill().unwrap();
    victim.wait().unwrap();
    eventually("it is all gone", Duration::from_secs(20), async || {
        let left = left();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
}
