//! Hosts that are protected by shutdown records of their nodes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::*;

/// The spec asks for records.
fn announced() -> Roll {
    let mut roll = Roll::new();
    roll.spec("rollout", json!({ "protection": "NodeShutdown" }));
    roll
}

impl Roll {
    fn records(&mut self) -> Vec<String> {
        self.evidence().shutdowns.records.keys().map(ToString::to_string).collect()
    }

    fn gates(&self) -> Vec<String> {
        let run = self.scene.status().rollout.as_ref();
        run.iter().flat_map(|it| &it.blocked_by).map(|it| it.gate.clone()).collect()
    }
}

#[test]
fn each_node_is_announced_before_it_goes_and_no_longer_than_until_it_is_back() {
    let mut roll = announced();
    roll.ask("one");
    let mut seen = Vec::new();
    for _ in 0..100 {
        let turn = roll.turn();
        if let Some(Act::Announce { node, run, delay }) = &turn.decided.act {
            assert!(!turn.wrote, "it was in the status already");
            assert_eq!(Some(&**run), roll.scene.status().rollout.as_ref().map(|it| &*it.run_id));
            assert_eq!(*delay, Duration::from_mins(40));
            seen.push(node.to_string());
        }
        assert!(!matches!(turn.decided.act, Some(Act::Protect(_) | Act::Unprotect(_))));
        let records = roll.records();
        assert!(records.len() <= 1, "one host at a time: {records:?}");
        let run = roll.scene.status().rollout.clone();
        let hosts = run.iter().flat_map(|it| &it.hosts);
        for host in hosts.filter(|it| it.step == RolloutStep::Stop) {
            let at = NAMES.iter().position(|it| *it == host.name).unwrap();
            assert_eq!(records, [format!("node-{at}")], "it goes down protected");
        }
        if run.is_none() && !turn.wrote {
            break;
        }
    }
    assert_eq!(roll.starts, [2; 3]);
    seen.sort();
    assert_eq!(seen, ["node-0", "node-1", "node-2"]);
    assert_eq!(roll.records(), [""; 0]);
    roll.scene.check("Ready", "True", "AsExpected");
}

#[test]
fn where_there_is_no_such_api_nothing_goes_down_and_the_field_is_named() {
    let mut roll = announced();
    roll.evidence().shutdowns.unusable = Some("it has no API for node shutdown".into());
    roll.ask("one");
    for _ in 0..30 {
        let turn = roll.turn();
        assert_eq!(turn.decided.act, None);
    }
    assert_eq!((roll.starts, roll.gates()), ([1; 3], vec!["Protection".to_owned()]));
    let blocked = roll.scene.status().rollout.as_ref().unwrap().blocked_by[0].message.clone();
    assert!(blocked.as_str().contains("spec.rollout.protection"), "{blocked:?}");
    // By the setting it goes on.
    roll.spec("rollout", json!({ "protection": "AllocationSettings" }));
    roll.finish();
    assert_eq!(roll.starts, [2; 3]);
}

#[test]
fn a_record_of_somebody_else_keeps_hosts_up_and_stays() {
    for (kind, reason) in
        [("restart", "maintenance"), ("remove", "drover uid r-1"), ("restart", "drover other r-1")]
    {
        let mut roll = announced();
        roll.record("node-2", kind, reason);
        if reason == "maintenance" || kind == "remove" {
            roll.evidence().foreign.push("a shutdown record of b".into());
        }
        roll.ask("one");
        for _ in 0..30 {
            assert_eq!(roll.turn().decided.act, None, "{reason}");
        }
        assert_eq!((roll.starts, roll.gates()), ([1; 3], vec!["ForeignExclusion".to_owned()]));
        assert_eq!(roll.records(), ["node-2"]);
    }
}

#[test]
fn what_was_announced_is_taken_back_though_the_spec_asks_for_the_setting_by_then() {
    let mut roll = announced();
    roll.ask("one");
    roll.turn_until(RolloutStep::Stop);
    assert_eq!(roll.records().len(), 1);
    roll.spec("rollout", json!({ "protection": "AllocationSettings" }));
    roll.finish();
    assert_eq!(roll.records(), [""; 0]);
    assert_eq!((roll.starts, roll.evidence().allocation.prior.clone()), ([2; 3], None));
}

#[test]
fn the_setting_is_put_right_though_the_spec_asks_for_records_by_then() {
    let mut roll = Roll::new();
    roll.ask("one");
    roll.turn_until(RolloutStep::Stop);
    assert!(roll.evidence().allocation.prior.is_some());
    roll.spec("rollout", json!({ "protection": "NodeShutdown" }));
    roll.finish();
    assert_eq!(roll.records(), [""; 0]);
    assert_eq!((roll.starts, roll.evidence().allocation.prior.clone()), ([2; 3], None));
}

#[test]
fn a_gate_that_shuts_under_protection_takes_the_record_back() {
    let mut roll = announced();
    roll.ask("one");
    roll.turn_until(RolloutStep::Protect);
    roll.turn();
    assert_eq!(roll.records().len(), 1);
    roll.evidence().snapshots = vec!["nightly".into()];
    for _ in 0..6 {
        roll.turn();
    }
    assert_eq!((roll.records(), roll.starts), (vec![], [1; 3]));
    roll.evidence().snapshots.clear();
    roll.finish();
    assert_eq!(roll.starts, [2; 3]);
}

#[test]
fn a_stalled_record_protects_nothing_and_is_taken_back() {
    let mut roll = announced();
    roll.ask("one");
    roll.turn_until(RolloutStep::Protect);
    roll.turn();
    for record in roll.evidence().shutdowns.records.values_mut() {
        record.is_stalled = true;
    }
    for _ in 0..3 {
        roll.turn();
    }
    assert_eq!((roll.records(), roll.starts), (vec![], [1; 3]));
}

#[test]
fn a_record_that_an_earlier_process_left_goes_though_its_node_is_gone() {
    let mut roll = Roll::new();
    let owner = roll.scene.cluster.metadata.uid.clone().unwrap();
    roll.record("wiped", "restart", &format!("drover {owner} r-0"));
    roll.record("another", "restart", "drover another-uid r-0");
    assert_eq!(roll.turn().decided.act, Some(Act::Retract("wiped".into())));
    assert_eq!(roll.turn().decided.act, None);
    assert_eq!(roll.records(), ["another"]);
}

#[test]
fn a_record_is_taken_back_before_the_object_goes_without_the_host() {
    let mut roll = announced();
    roll.last_first();
    roll.ask("one");
    roll.turn_until(RolloutStep::Stop);
    roll.stop(2);
    roll.fail(2, 1);
    let now = roll.scene.time();
    roll.scene.edit(|it| it.metadata.deletion_timestamp = Some(Time(now)));
    roll.scene.now += 1_000;
    assert_eq!(roll.turn().decided.act, None, "the host may come back");
    assert_eq!(roll.records(), ["node-2"]);
    roll.scene.now += 200;
    let turn = roll.turn();
    assert!(!turn.plan.let_go);
    assert_eq!(turn.decided.act, Some(Act::Retract("node-2".into())));
    roll.turn();
    assert_eq!(roll.records(), [""; 0]);
}

#[test]
fn a_record_of_a_node_that_has_come_back_without_its_data_is_taken_back() {
    let mut roll = announced();
    roll.last_first();
    roll.ask("one");
    roll.turn_until(RolloutStep::Stop);
    assert_eq!(roll.records(), ["node-2"]);
    let node = roll.evidence().nodes.remove("node-2").unwrap();
    roll.evidence().nodes.insert("node-new".into(), node);
    roll.member(2).unwrap().nodes = Match::unit(["node-new".into()]);
    for _ in 0..3 {
        roll.turn();
    }
    assert!(roll.steps().contains(&RolloutStep::Rejoin), "{:?}", roll.steps());
    assert_eq!(roll.records(), [""; 0]);
}
