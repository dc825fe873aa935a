//! What may befall the machine that a run has in hand; and what becomes of it when all objects go at once.

use drover::api::{cluster::Cluster, rollout_status::RolloutStep};
use kube::Api;
use serde_json::json;

use super::{LONG, Stage, at};
use crate::{
    common::{hosts::KeyType, wait::eventually},
    world::expect,
};

/// Everything of the stage; what the others name goes first.
const ALL: &str = "secrets,configmaps,hosts.drover.dev,clusters.drover.dev";

#[tokio::test]
#[ignore = "minutes long: `make soak` runs it"]
async fn a_run_waits_for_a_machine_that_is_away_or_unknown_and_so_does_its_deletion() {
    let stage = Stage::brownfield("befallen", 3).await;
    let before = stage.runs();
    let settings = stage.settings().await;
    let rollout = |limit: &str| json!({ "hostTimeout": limit });
    // Kept back, so that it is known which machine is the first.
    let orders = json!({ "settings": { "number_of_shards": 3, "number_of_replicas": 0 } });
    stage.elasticsearch("PUT", "/orders", Some(&orders)).await;
    stage.ask("one", "Host", &rollout("1m"), &json!({})).await;
    stage.blocked_by("SingleCopy").await;
    let at_gate = stage.host_when("one is at its gate", |it| it.step == RolloutStep::Gate).await;
    let first = at_gate.name;
    let machine = &stage.field.hosts[at(&first)];
    machine.never_returns();
    machine.new_host_key_at_boot(KeyType::Ed25519);
    let copies = json!({ "number_of_replicas": 1 });
    stage.elasticsearch("PUT", "/orders/_settings", Some(&copies)).await;

    // It does not come back from its reboot.
    let run = stage.run_when("it waits for a person", |it| it.pause.is_some()).await;
    let why = run.pause.expect("checked").reason.to_string();
    assert!(why.contains(&format!("{first} at Stop: ")) && why.contains("Reachable"), "{why}");
    let others: Vec<usize> = (0..3).filter(|it| *it != at(&first)).collect();
    let assert_others_untouched = || {
        for other in &others {
            assert_eq!(stage.run_at(*other), before[*other], "es-{} was touched", other + 1);
        }
    };
    let is_begun = |step: RolloutStep| step != RolloutStep::Waiting;
    assert_eq!(run.hosts.iter().filter(|it| is_begun(it.step)).count(), 1, "{:#?}", run.hosts);
    assert_others_untouched();
    stage.cluster_until("Stalled", "True").await;

    // It does, as a machine that may be any: its word is not taken, though its node is back.
    machine.mend_reboots();
    let words = stage.tells(&first, "HostKeyVerified", "False", "HostKeyMismatch").await;
    assert!(words.contains(&machine.fingerprint()), "{words}");
    let run = stage.run_when("it waits still", |it| it.pause.is_some()).await;
    assert!(run.hosts.iter().any(|it| it.name == first && it.step == RolloutStep::Stop));
    assert_others_untouched();

    // A person has compared the key: the run goes on by itself.
    stage.host(&first, machine, &json!({ "clusterRef": { "name": "es" } })).await;
    stage.ask("one", "Host", &rollout("10m"), &json!({})).await;
    let is_done = |step: RolloutStep| step == RolloutStep::Done;
    stage.host_when("the first is done", |it| it.name == first && is_done(it.step)).await;
    assert_ne!(stage.run_at(at(&first)).1, before[at(&first)].1, "it has not booted");

    // The next one has booted, and loses its power before its node is back.
    let back = stage.host_when("the next has booted", |it| it.step == RolloutStep::Rejoin).await;
    let second = back.name;
    assert_ne!(second, first);
    let machine = &stage.field.hosts[at(&second)];
    machine.cut_power();

    // All objects are deleted meanwhile: nobody holds a Host, and the Cluster has to bring it back first.
    stage.delete_all(ALL).await;
    for (name, _) in stage.machines() {
        stage.gone(&name).await;
    }
    let clusters: Api<Cluster> = Api::namespaced(stage.client.clone(), &stage.namespace);
    assert!(clusters.get_opt("es").await.unwrap().is_some(), "it went without its host");
    assert_ne!(stage.settings().await, settings, "nothing protects the host that is down");
    machine.power_on();
    eventually("the Cluster goes", LONG, async || {
        match clusters.get_opt("es").await.map_err(|it| it.to_string())? {
            None => Ok(()),
            Some(cluster) => Err(format!("{:#?}", cluster.status.map(|it| it.rollout))),
        }
    })
    .await;
    stage.field.green().await;
    assert_eq!(stage.settings().await, settings);
    assert_ne!(stage.run_at(at(&second)).1, before[at(&second)].1);
    let third = others.iter().find(|it| **it != at(&second)).expect("there are three");
    assert_eq!(stage.run_at(*third), before[*third], "es-{} was touched", third + 1);
    let left = expect::events(&stage.client, &stage.namespace, "es", "LeftBehind").await;
    assert_eq!(left, 0, "something is left");
}
