//! The packages of the machines are upgraded in turn, with people at work in the cluster. The package manager is the bed's
//! stand-in, which has dpkg keep what it does.

use drover::api::{
    cluster_status::ClusterStatus,
    host_status::RunStatus,
    rollout_status::{RolloutHost, RolloutKind, RolloutStatus, RolloutStep},
};
use serde_json::{Value, json};

use super::{LONG, Stage, WHOLE, at};
use crate::common::{
    hosts::Host,
    traffic::{Target, Traffic},
    wait::eventually,
};

/// What takes a boot, and what does not.
const UPDATES: [&str; 2] = ["linux-image-amd64", "openssl"];
/// What an upgrade has to leave alone: by Drover's word, and by somebody's own.
const NEEDED: [&str; 2] = ["elasticsearch", "java-of-bed"];
const FOREIGN: &str = "sudo";

/// The machine has these packages; Elasticsearch and its Java are of packages, and one is held by somebody.
fn furnish(host: &Host) {
    host.inside(&format!("apt-get install {} {}", UPDATES.join(" "), NEEDED.join(" ")));
    let home = host.inside(". /etc/default/elasticsearch && echo \"$ES_JAVA_HOME\"");
    host.write("/var/lib/dpkg/info/java-of-bed.list", &format!("/.\n{home}/bin/java"));
    host.inside(&format!("apt-mark hold {FOREIGN}"));
}

fn version(host: &Host, package: &str) -> String {
    host.inside(&format!("dpkg-query -W -f '${{Version}}' {package}"))
}

/// The lines of a text, in their order by letters.
fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

/// What is new is there, what Elasticsearch needs is as it was, and was held for as long as that took alone.
fn assert_upgraded(host: &Host, new: &[&str]) {
    for package in new {
        assert_eq!(version(host, package), "1.1-1", "{package}");
    }
    for package in NEEDED {
        assert_eq!(version(host, package), "1.0-1", "{package}");
    }
    let held = host.inside("cat /var/lib/bed/held");
    assert_eq!(sorted(&held), ["elasticsearch", "java-of-bed", FOREIGN], "when it was upgraded");
    assert_eq!(host.inside("apt-mark showhold"), FOREIGN, "after that");
    assert_eq!(host.inside("cat /var/lib/bed/updates"), "");
}

impl Stage {
    async fn upgrade(&self, request: &str, rollout: &Value) {
        let operations = json!({ "upgrade": { "requestId": request } });
        self.cluster(&json!({ "operations": operations, "rollout": rollout })).await;
    }

    /// Waits until the upgrade of this id has come to its end, and returns the status.
    async fn upgraded(&self, request: &str) -> ClusterStatus {
        self.cluster_within(WHOLE, &format!("upgrade {request} is finished"), |cluster| {
            let status = cluster.status.clone().unwrap_or_default();
            let last = status.upgrade.as_ref();
            let is_over =
                last.is_some_and(|it| it.request_id == request && it.status == RunStatus::Finished);
            if is_over && status.rollout.is_none() {
                Ok(())
            } else {
                Err(format!("{:#?}", (status.rollout, status.upgrade)))
            }
        })
        .await
    }
}

#[tokio::test]
#[ignore = "minutes long: `make soak` runs it"]
async fn packages_are_upgraded_in_turn_and_only_machines_that_have_to_boot_go_down() {
    let mut stage = Stage::brownfield("upgrade", 3).await;
    let prior = json!({ "persistent": { "cluster.routing.allocation.enable": "all" } });
    stage.elasticsearch("PUT", "/_cluster/settings", Some(&prior)).await;
    let (settings, before) = (stage.settings().await, stage.runs());
    stage.field.hosts.iter().for_each(furnish);
    // The last one has nothing new that would take a boot.
    stage.field.hosts[2].offer_updates(&["openssl"]);
    let kernel = version(&stage.field.hosts[2], "linux-image-amd64");
    let traffic = Traffic::start(&Target::of(&stage.field.elasticsearch), "orders").await;
    stage.field.green().await;

    stage.upgrade("one", &json!({})).await;
    let status = stage
        .cluster_within(WHOLE, "some are upgraded", |cluster| {
            let told = cluster.status.as_ref().and_then(|it| it.upgrade.clone());
            let is_so = told.as_ref().is_some_and(|it| (1..3).contains(&it.upgraded.len()));
            if is_so { Ok(()) } else { Err(format!("{told:?}")) }
        })
        .await;
    let told = status.upgrade.unwrap();
    assert_eq!((told.status, &*told.request_id), (RunStatus::InProcess, "one"));
    assert!(told.in_process.len() <= 1 && told.finished_at.is_none(), "{told:?}");
    let status = stage.upgraded("one").await;
    traffic.goes_on(20).await;
    let counted = traffic.finish().await;
    counted.assert_unharmed();
    assert_eq!(counted.most_down, 1, "{counted:#?}");

    let runs = stage.runs();
    for at in [0, 1] {
        assert_ne!(runs[at].1, before[at].1, "es-{} has not booted", at + 1);
        assert_upgraded(&stage.field.hosts[at], &UPDATES);
        stage.event(&format!("es-{}", at + 1), "Upgraded").await;
    }
    assert_eq!(runs[2], before[2], "es-3 went down for nothing");
    assert_upgraded(&stage.field.hosts[2], &["openssl"]);
    assert_eq!(version(&stage.field.hosts[2], "linux-image-amd64"), kernel);
    stage.assert_nothing_left(&settings).await;
    let upgrade = status.upgrade.clone().unwrap();
    assert_eq!(upgrade.upgraded, ["es-1", "es-2", "es-3"]);
    assert!(upgrade.in_process.is_empty() && upgrade.failed.is_empty(), "{upgrade:?}");
    assert_eq!(upgrade.started_at, told.started_at);
    assert!(upgrade.finished_at.is_some_and(|it| upgrade.started_at.0 < it.0));
    let [past] = &status.history[..] else { panic!("{:?}", status.history) };
    assert_eq!((past.kind, past.status), (RolloutKind::HostUpgrade, RunStatus::Finished));
    assert_eq!((past.done, past.total), (3, 3));
    stage.event("es", "RolloutFinished").await;
    stage.cluster_until("Ready", "True").await;

    // The same request is none, even to another process, and whatever is new by then.
    for host in &stage.field.hosts {
        host.offer_updates(&UPDATES);
    }
    stage.operator.kill();
    stage.around.operator.restart().await;
    stage.upgrade("one", &json!({ "minReadySeconds": 1 })).await;
    let again = stage.cluster_until("Ready", "True").await;
    assert_eq!((stage.runs(), again.history.len()), (runs, 1));
    for host in &stage.field.hosts {
        assert_eq!(host.inside("cat /var/lib/bed/updates"), UPDATES.join("\n"));
    }
}

#[tokio::test]
#[ignore = "minutes long: `make soak` runs it"]
async fn an_upgrade_that_fails_on_the_second_host_waits_there_with_the_third_untouched() {
    let stage = Stage::brownfield("upgrade-fails", 3).await;
    let (settings, before) = (stage.settings().await, stage.runs());
    stage.field.hosts.iter().for_each(furnish);
    let traffic = Traffic::start(&Target::of(&stage.field.elasticsearch), "orders").await;
    stage.field.green().await;
    // It waits after the first, so that it is known which come after that.
    let rollout = json!({ "pauseAfter": "First" });
    stage.upgrade("one", &rollout).await;
    let is_first_done = |it: &RolloutStatus| it.pause.is_some();
    let run = stage.run_when("it waits after the first", is_first_done).await;
    let is_done = |step: RolloutStep| step == RolloutStep::Done;
    let first = run.hosts.iter().find(|it| is_done(it.step)).unwrap_or_else(|| panic!("{run:#?}"));
    let rest: Vec<usize> = (0..3).filter(|it| *it != at(&first.name)).collect();
    assert_upgraded(&stage.field.hosts[at(&first.name)], &UPDATES);
    for other in &rest {
        let broken = ["broken-thing", UPDATES[0], UPDATES[1]];
        stage.field.hosts[*other].offer_updates(&broken);
    }
    stage.resume(&run.pause.unwrap().token).await;

    let run = stage
        .run_when("it waits for a person", |it| {
            let is_told =
                |it: &RolloutHost| it.step == RolloutStep::Waiting && it.message.is_some();
            it.pause.is_some() && it.hosts.iter().any(is_told)
        })
        .await;
    let failed = run.hosts.iter().find(|it| it.message.is_some()).expect("checked");
    let second = at(&failed.name);
    let pause = run.pause.clone().expect("checked");
    let why = pause.reason.to_string();
    let words = "Stop failed: the upgrade failed: E: Sub-process /usr/bin/dpkg returned";
    assert!(why.contains(&format!("{} at ", failed.name)) && why.contains(words), "{why}");
    let status = stage.cluster_until("Stalled", "True").await;
    let told = status.upgrade.expect("it was asked for");
    assert_eq!((told.status, &*told.upgraded), (RunStatus::InProcess, &[first.name.clone()][..]));
    assert_eq!(told.failed.iter().map(|it| &*it.host).collect::<Vec<_>>(), [&*failed.name]);
    stage.event("es", "RolloutPaused").await;
    stage.event(&failed.name, "UpgradeFailed").await;
    // Nothing went down for it, nothing stays held, and the third was not even asked what is new.
    for other in &rest {
        assert_eq!(stage.run_at(*other), before[*other], "es-{} went down", other + 1);
        assert_eq!(stage.field.hosts[*other].inside("apt-mark showhold"), FOREIGN);
    }
    stage.assert_nothing_left(&settings).await;
    let third = *rest.iter().find(|it| **it != second).expect("there are three");
    let calls = stage.field.hosts[third].calls();
    assert!(!calls.iter().any(|it| it.contains("upgrade")), "{calls:?}");

    // Mended by hand: it goes on at a word.
    for other in &rest {
        stage.field.hosts[*other].offer_updates(&UPDATES);
    }
    stage.resume(&pause.token).await;
    let status = stage.upgraded("one").await;
    traffic.goes_on(20).await;
    let counted = traffic.finish().await;
    counted.assert_unharmed();
    let upgrade = status.upgrade.unwrap();
    assert_eq!(upgrade.upgraded, ["es-1", "es-2", "es-3"]);
    assert!(upgrade.failed.is_empty(), "{upgrade:?}");
    for (at, (_, boot)) in stage.runs().into_iter().enumerate() {
        assert_ne!(boot, before[at].1, "es-{} has not booted", at + 1);
        assert_upgraded(&stage.field.hosts[at], &UPDATES);
    }
    stage.assert_nothing_left(&settings).await;
    eventually("nothing of the run stays on the machines", LONG, async || {
        let list = "systemctl list-units --all --plain --no-legend 'drover-upgrade-*'";
        let left: String = stage.field.hosts.iter().map(|it| it.inside(list)).collect();
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
}
