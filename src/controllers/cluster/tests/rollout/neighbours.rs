//! Two nodes on one machine, of which one is the unit's.

use super::*;

const BESIDE: &str = "node-beside";

/// The last host, which is the first in its turn, has a second node beside its unit.
fn roll() -> Roll {
    let mut roll = Roll::new();
    roll.last_first();
    let mut node = roll.evidence().nodes["node-2"].clone();
    node.ephemeral_id = "start-beside".into();
    roll.evidence().nodes.insert(BESIDE.into(), node);
    roll.evidence().health.nodes = 4;
    let member = roll.member(2).unwrap();
    member.nodes =
        Match::Nodes { of_unit: ["node-2".into()].into(), others: [BESIDE.into()].into() };
    member.others_run = true;
    roll
}

fn before(roll: &Roll) -> Vec<String> {
    let run = roll.scene.status().rollout.as_ref().unwrap();
    run.hosts[2].nodes_before.iter().map(|it| it.id.clone()).collect()
}

#[test]
fn a_restart_of_the_unit_does_not_wait_for_the_node_beside_it() {
    let mut roll = roll();
    roll.ask("one");
    roll.turn_until(RolloutStep::Rejoin);
    assert_eq!(before(&roll), ["node-2"]);
    roll.finish();
    assert_eq!(roll.starts, [2; 3]);
    assert_eq!(&*roll.evidence().nodes[BESIDE].ephemeral_id, "start-beside");
}

#[test]
fn a_restart_of_the_machine_waits_for_all_that_ran_there() {
    let mut roll = roll();
    roll.spec("operations", json!({ "restart": { "requestId": "one", "target": "Host" } }));
    roll.turn_until(RolloutStep::Rejoin);
    assert_eq!(before(&roll), ["node-2", BESIDE]);
    for _ in 0..5 {
        roll.turn();
        assert_eq!(roll.steps()[2], RolloutStep::Rejoin);
    }
    let beside = roll.evidence().nodes.get_mut(BESIDE).unwrap();
    beside.ephemeral_id = "start-again".into();
    roll.finish();
    assert_eq!(roll.starts, [2; 3]);
}

#[test]
fn a_unit_that_failed_is_started_again_whatever_runs_beside_it() {
    let mut roll = roll();
    roll.ask("one");
    roll.turn_until(RolloutStep::Stop);
    roll.stop(2);
    roll.fail(2, 1);
    roll.scene.turn();
    roll.scene.turn();
    // The gates can't open: they are for hosts whose unit runs.
    roll.evidence().snapshots = vec!["nightly".into()];
    roll.resume();
    roll.scene.turn();
    let host = roll.scene.status().rollout.as_ref().unwrap().hosts[2].clone();
    assert_eq!((host.step, host.attempt), (RolloutStep::Stop, 2));
}

#[test]
fn each_node_of_a_machine_is_announced_before_it_boots_and_the_units_alone_before_a_restart() {
    for (target, expected) in [("Host", vec!["node-2", BESIDE]), ("Elasticsearch", vec!["node-2"])]
    {
        let mut roll = roll();
        roll.spec("rollout", json!({ "protection": "NodeShutdown" }));
        roll.spec("operations", json!({ "restart": { "requestId": "one", "target": target } }));
        roll.turn_until(RolloutStep::Stop);
        let announced = roll.evidence().shutdowns.records.keys().map(|it| &**it);
        assert!(announced.eq(expected), "{target}");
    }
}
