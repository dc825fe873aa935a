//! From bare machines to a cluster by one apply, and what is changed in its life.

use drover::api::{
    cluster_status::Health,
    condition::find,
    host_status::RunStatus,
    rollout_status::{RolloutHost, RolloutKind, RolloutStep},
};
use serde_json::{Value, json};

use super::{LONG, ROLL, Stage, versions};
use crate::common::{
    hosts::{Os, room},
    proxy::Damage,
    soak,
    traffic::Traffic,
    wait::eventually,
};

/// What the cluster runs, one after the other: over a major version, and where there is time each kind of
/// step, a patch among them. None was built before the one that it follows, and none can't read what the first
/// has made: Drover refuses both.
fn upgrades() -> Vec<&'static str> {
    if soak() { versions().split_off(1) } else { vec!["7.17.29", "8.19.0"] }
}

/// A setting that Elasticsearch takes while it runs is changed there, and no node is restarted for it.
async fn changes_live(stage: &Stage, version: &str, config: &Value) {
    const NAME: &str = "search.max_buckets";
    let runs = stage.runs();
    for wanted in [Some("70000"), Some("80000"), None] {
        let mut config = config.clone();
        if let Some(value) = wanted {
            config[NAME] = json!(value);
        }
        stage.apply(&stage.cluster(version, &config, &json!({}))).await;
        eventually(&format!("{NAME} is {wanted:?} in the running cluster"), LONG, async || {
            let set = stage.asks(0, "/_cluster/settings?flat_settings=true").await?;
            if set["persistent"][NAME].as_str() == wanted { Ok(()) } else { Err(set.to_string()) }
        })
        .await;
    }
    stage
        .when("nothing is kept out of files any more", |cluster| {
            let status = cluster.status.clone().unwrap_or_default();
            match &status.live_settings {
                Some(live) if live.changes.is_empty() && status.rollout.is_none() => Ok(()),
                live => Err(format!("{live:?} {:?}", status.rollout)),
            }
        })
        .await;
    assert_eq!(stage.runs(), runs, "a node was restarted");
}

/// What is set in the cluster of who may be given copies, and what Drover keeps beside it.
async fn allocation(stage: &Stage) -> Vec<(String, Value)> {
    let mut set = stage.asks(0, "/_cluster/settings?flat_settings=true").await.unwrap();
    let is_it = |key: &str| key.contains("routing.allocation") || key.contains("drover");
    let set = set["persistent"].as_object_mut().map(std::mem::take).expect("they are there");
    set.into_iter().filter(|(key, _)| is_it(key)).collect()
}

/// An archive that is not what its digest says stops the run before any host is taken down; once it is
/// whole again a word lets the run go on.
async fn is_stopped_by_a_bad_archive(stage: &Stage, version: &str, config: &Value) {
    let runs = stage.runs();
    stage.archives.damage(version, Some(Damage::WrongByte));
    stage.apply(&stage.cluster(version, config, &json!({}))).await;
    let run = stage.paused().await;
    let pause = run.pause.as_ref().expect("checked");
    let why = pause.reason.to_string();
    let is_named = |host: &RolloutHost| why.starts_with(&format!("{} at ", host.name));
    assert!(run.hosts.iter().any(is_named), "{run:#?}");
    assert!(why.contains("Stage failed") && why.contains("SHA-512"), "{why}");
    assert!(run.hosts.iter().all(|it| it.step == RolloutStep::Waiting), "{run:#?}");
    assert_eq!(stage.runs(), runs, "a node went down for what could not be fetched");
    stage.archives.mend();
    stage.resume(&pause.token).await;
}

#[tokio::test]
async fn one_apply_makes_a_secured_cluster_of_bare_machines_which_takes_settings_and_a_version() {
    let _room = room().await;
    let mut stage = Stage::new("managed", 3).await;
    let versions = upgrades();
    let (old, new) = (versions[0], *versions.last().unwrap());
    stage.apply_all(&stage.cluster(old, &json!({}), &json!({}))).await;
    let formed = stage.formed().await;
    assert_eq!((formed.version.as_str(), formed.name.as_str()), (old, "es"));
    assert_eq!(stage.archives.fetched(old), 3);

    // What a person has set there stays as it is, whatever Drover does in between.
    let all = json!({ "persistent": { "cluster.routing.allocation.enable": "all" } });
    stage.tells("PUT", "/_cluster/settings", &all).await;
    let set = allocation(&stage).await;
    assert_eq!(set.len(), 1, "{set:?}");

    // Settings that no node starts with take down the first alone, and the next ones cure it.
    let first = stage.runs();
    let traffic = Traffic::start(&stage.target().await, "orders").await;
    let broken = json!({ "no.such.setting": "1" });
    stage.apply(&stage.cluster(old, &broken, &json!({}))).await;
    let run = stage.paused().await;
    assert_eq!(run.kind, RolloutKind::ElasticsearchConfig);
    let is_untouched = |step: RolloutStep| step == RolloutStep::Waiting;
    assert_eq!(run.hosts.iter().filter(|it| is_untouched(it.step)).count(), 2, "{run:#?}");
    stage.apply(&stage.cluster(old, &json!({}), &json!({}))).await;
    stage.deployed(old, 2).await;
    let second = stage.runs();
    let same = first.iter().zip(&second).filter(|(before, after)| before == after).count();
    assert_eq!(same, 2, "{first:?} {second:?}");

    // Another version and other settings in one, with data in the cluster and people at work; and others after it.
    let attribute = json!({ "node.attr.rack": "r1" });
    stage.apply(&stage.cluster(versions[1], &attribute, &json!({}))).await;
    let mut status = stage.deployed(versions[1], 3).await;
    for (at, version) in versions.iter().enumerate().skip(2) {
        if at == 2 {
            is_stopped_by_a_bad_archive(&stage, version, &attribute).await;
        }
        stage.apply(&stage.cluster(version, &attribute, &json!({}))).await;
        status = stage.deployed(version, 2 + at).await;
    }
    traffic.goes_on(20).await;
    let counted = traffic.finish().await;
    counted.assert_unharmed();
    assert_eq!(counted.most_down, 1, "{counted:#?}");
    let version = &status.history[0];
    assert_eq!(version.kind, RolloutKind::ElasticsearchVersion);
    assert_eq!((version.status, version.done), (RunStatus::Finished, 3));
    let status = stage.until("Ready", "True").await;
    let nodes = stage.asks(0, "/_nodes?filter_path=nodes.*.attributes.rack").await.unwrap();
    let nodes = nodes["nodes"].as_object().expect("each has one");
    assert!(
        nodes.len() == 3 && nodes.values().all(|it| it["attributes"]["rack"] == "r1"),
        "{nodes:?}"
    );
    let upgraded = status.elasticsearch.unwrap();
    assert_eq!((upgraded.version.as_str(), &upgraded.uuid), (new, &formed.uuid));

    // A machine that has lost its data waits for a word, and then joins the same cluster; so does one more.
    stage.machines[1].inside(
        "systemctl stop drover-elasticsearch; find /var/lib/drover-elasticsearch -mindepth 1 -delete",
    );
    let status = stage.until("Accepted", "False").await;
    let message = &find(&status.conditions, "Accepted").unwrap().message;
    assert!(message.contains("host 'es-2'"), "{message}");
    stage.machines[1].inside("rm /etc/drover-elasticsearch/cluster-uuid");
    eventually("the machine without data is back", LONG, async || {
        match stage.asks(1, "/").await? {
            root if root["cluster_uuid"] == *formed.uuid => Ok(()),
            root => Err(root.to_string()),
        }
    })
    .await;
    stage.join(Os::Debian).await;
    let status = stage
        .when("four nodes", |cluster| {
            let seen = cluster.status.clone().and_then(|it| it.elasticsearch).unwrap_or_default();
            if seen.nodes == 4 { Ok(()) } else { Err(format!("{seen:?}")) }
        })
        .await;
    assert_eq!(status.elasticsearch.unwrap().uuid, formed.uuid);
    let status = stage.until("Ready", "True").await;
    assert_eq!(status.history.len(), 1 + versions.len(), "none of that takes a run");
    changes_live(&stage, new, &attribute).await;
    if soak() {
        is_rolled_back(&stage, new, &attribute).await;
    }
    assert_eq!(allocation(&stage).await, set);
    stage.assert_rights_suffice();
    for reason in ["FormationBegun", "Formed", "RolloutPaused", "RolloutFinished"] {
        stage.event("es", reason).await;
    }
}

/// Settings that no node starts with are taken back on the one host that got them, and are not tried again
/// before the spec changes.
async fn is_rolled_back(stage: &Stage, version: &str, config: &Value) {
    let first = stage.runs();
    let mut broken = config.clone();
    broken["no.such.setting"] = json!("1");
    let rollback = json!({ "rollout": { "onFailure": "Rollback" } });
    stage.apply(&stage.cluster(version, &broken, &rollback)).await;
    let is_back = |it: &RolloutHost| it.step == RolloutStep::RolledBack;
    let status = stage
        .when_within(ROLL, "a host is rolled back, and the cluster green", |cluster| {
            let status = cluster.status.clone().unwrap_or_default();
            let health = status.elasticsearch.as_ref().map(|it| it.health);
            match &status.rollout {
                Some(run) if run.hosts.iter().any(is_back) && health == Some(Health::Green) => {
                    Ok(())
                }
                run => Err(format!("{health:?} {run:#?}")),
            }
        })
        .await;
    let deploy = status.elasticsearch_deploy.expect("it was told");
    assert_eq!(deploy.status, RunStatus::RolledBack, "{deploy:#?}");
    assert_eq!((deploy.failed.len(), deploy.deployed.len()), (1, 0), "{deploy:#?}");
    let reason = deploy.failed[0].reason.to_string();
    assert!(reason.ends_with("what ran there before runs again"), "{reason}");
    let second = stage.runs();
    let same = first.iter().zip(&second).filter(|(before, after)| before == after).count();
    assert_eq!(same, first.len() - 1, "one host was taken down alone");
    tokio::time::sleep(std::time::Duration::from_secs(20)).await;
    assert_eq!(stage.runs(), second, "it is not tried again by itself");
    stage.apply(&stage.cluster(version, config, &rollback)).await;
    let status = stage.until("Ready", "True").await;
    assert_eq!((status.rollout, status.history[0].status), (None, RunStatus::Failed));
    assert_eq!(stage.runs(), second, "all run what is asked for by now");
    for reason in ["HostRollingBack", "RolloutPaused"] {
        stage.event("es", reason).await;
    }
}
