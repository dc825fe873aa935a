//! When a host counts as back.

use super::*;

fn ask_for_boots(roll: &mut Roll) {
    roll.spec("operations", json!({ "restart": { "requestId": "one", "target": "Host" } }));
}

#[test]
fn a_machine_whose_elasticsearch_was_stopped_before_is_done_without_it() {
    let mut roll = Roll::new();
    roll.stop(2);
    // It is no voter, so that the others may go one by one.
    roll.evidence().voters.remove("node-2");
    roll.spec("rollout", json!({ "maxUnavailable": 2, "allowDowntime": true }));
    ask_for_boots(&mut roll);
    let until = |roll: &mut Roll, step| {
        while roll.steps().last() != Some(&step) {
            assert!(roll.scene.now < 10_000, "it never comes to {step:?}: {:?}", roll.steps());
            roll.turn();
        }
    };
    until(&mut roll, RolloutStep::Stop);
    // The machine starts none.
    roll.starts[2] -= 1;
    roll.stop(2);
    until(&mut roll, RolloutStep::Rejoin);
    roll.turn();
    assert_eq!(roll.steps()[2], RolloutStep::Rejoin, "it may be on its way");
    roll.finish();
    assert_eq!(roll.starts, [2, 2, 1]);
    assert_eq!(roll.scene.status().history[0].done, 3);
}

#[test]
fn a_machine_whose_elasticsearch_ran_before_is_not_done_without_it() {
    let mut roll = Roll::new();
    roll.last_first();
    ask_for_boots(&mut roll);
    roll.turn_until(RolloutStep::Rejoin);
    roll.stop(2);
    for _ in 0..20 {
        roll.turn();
        assert_eq!(roll.steps()[2], RolloutStep::Rejoin);
    }
    let why = roll.pause().expect("it waits for a person");
    assert!(why.contains("does not stay up there"), "{why}");
}

#[test]
fn a_unit_that_was_stopped_before_is_started_and_waited_for() {
    let mut roll = Roll::new();
    roll.stop(2);
    roll.ask("one");
    roll.turn_until(RolloutStep::Rejoin);
    roll.stop(2);
    for _ in 0..20 {
        roll.turn();
        assert_eq!(roll.steps()[2], RolloutStep::Rejoin);
    }
    roll.start(2);
    roll.finish();
    assert_eq!(roll.starts, [2; 3]);
}

#[test]
fn a_node_that_stays_cordoned_is_told_and_the_run_goes_on_once_it_is_not() {
    let mut roll = Roll::new();
    roll.last_first();
    roll.ask("one");
    roll.turn_until(RolloutStep::Uncordon);
    let member = roll.member(2).unwrap();
    (member.is_cordoned, member.answer) = (true, None);
    for _ in 0..10 {
        roll.scene.turn();
        assert_eq!(roll.pause(), None);
    }
    roll.scene.now += 1_300;
    roll.scene.turn();
    let why = roll.pause().expect("it waits for a person");
    assert!(why.contains("its Node could not be uncordoned"), "{why}");
    assert!(!roll.scene.turn().wrote);
    assert_eq!(roll.evidence().allocation.prior, None, "Elasticsearch waits for nothing");
    assert_eq!(roll.starts, [1, 1, 2]);
    roll.member(2).unwrap().is_cordoned = false;
    roll.finish();
    assert_eq!(roll.starts, [2; 3]);
}

#[test]
fn a_node_that_stays_cordoned_is_told_as_well_where_the_host_was_left_as_it_was() {
    let mut roll = Roll::new();
    roll.last_first();
    roll.ask("one");
    roll.turn_until(RolloutStep::Cordon);
    roll.member(2).unwrap().is_cordoned = true;
    roll.evidence().snapshots = vec!["nightly".into()];
    roll.turn_until(RolloutStep::Uncordon);
    roll.member(2).unwrap().answer = None;
    roll.scene.now += 1_300;
    roll.scene.turn();
    let why = roll.pause().expect("it waits for a person");
    assert!(why.contains("its Node could not be uncordoned"), "{why}");
    roll.member(2).unwrap().is_cordoned = false;
    roll.evidence().snapshots.clear();
    roll.finish();
    assert_eq!(roll.starts, [2; 3]);
}
