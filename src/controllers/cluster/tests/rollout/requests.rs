//! What people ask for in the middle of a run, of it and of its hosts.

use super::*;

#[test]
fn another_target_under_the_same_id_is_not_followed_and_told() {
    let mut roll = Roll::new();
    roll.ask("one");
    roll.turn_until(RolloutStep::Rejoin);
    roll.spec("operations", json!({ "restart": { "requestId": "one", "target": "Host" } }));
    roll.finish();
    assert_eq!(roll.starts, [2; 3], "the run goes on as it was begun");
    let status = roll.scene.status();
    assert_eq!(status.history.len(), 1);
    assert_eq!(status.history[0].status, RunStatus::Finished);
    let told = |roll: &Roll| {
        let list = &roll.scene.status().diagnostics;
        list.iter().find(|it| it.rule == "operations").map(|it| it.subject.clone())
    };
    assert!(told(&roll).unwrap().contains("another target than when 'one' was asked for"));
    roll.spec("operations", json!({ "restart": { "requestId": "two", "target": "Host" } }));
    roll.turn();
    assert_eq!(told(&roll), None);
    roll.finish();
    assert_eq!(roll.starts, [3; 3]);
}

#[test]
fn a_request_that_is_taken_away_is_over_and_starts_nothing_when_it_is_back() {
    let mut roll = Roll::new();
    roll.ask("one");
    roll.turn_until(RolloutStep::Rejoin);
    roll.spec("operations", json!({}));
    roll.finish();
    let past = roll.scene.status().history[0].clone();
    assert_eq!((past.status, past.done), (RunStatus::Failed, 1));
    assert!(past.reason.unwrap().as_str().contains("its request was taken away"));
    roll.ask("one");
    roll.finish();
    assert_eq!(roll.starts.iter().sum::<u32>(), 3 + 1);
    roll.scene.check("Ready", "True", "AsExpected");
}

#[test]
fn a_host_in_maintenance_is_not_begun_until_that_is_over() {
    let mut roll = Roll::new();
    roll.last_first();
    roll.member(2).unwrap().in_maintenance = true;
    roll.spec("rollout", json!({ "maxUnavailable": 2 }));
    roll.ask("one");
    for _ in 0..60 {
        roll.turn();
        assert_eq!(roll.steps().last(), Some(&RolloutStep::Waiting));
    }
    assert_eq!(roll.starts, [2, 2, 1]);
    let run = roll.scene.status().rollout.clone().unwrap();
    let [block] = &run.blocked_by[..] else { panic!("{:?}", run.blocked_by) };
    assert_eq!(block.gate, Gate::Host.as_str());
    assert!(block.message.as_str().contains("c: spec.maintenance"), "{}", block.message);
    assert!(!roll.turn().wrote);
    roll.member(2).unwrap().in_maintenance = false;
    roll.finish();
    assert_eq!(roll.starts, [2; 3]);
}

#[test]
fn a_host_that_is_taken_into_maintenance_before_it_goes_down_stays_up() {
    let mut roll = Roll::new();
    roll.last_first();
    roll.spec("rollout", json!({ "maxUnavailable": 2 }));
    roll.ask("one");
    roll.turn_until(RolloutStep::Cordon);
    roll.member(2).unwrap().in_maintenance = true;
    for _ in 0..60 {
        roll.turn();
        assert_ne!(roll.steps()[2], RolloutStep::Stop);
    }
    assert_eq!(roll.starts, [2, 2, 1]);
    assert_eq!(roll.evidence().allocation.prior, None);
    roll.member(2).unwrap().in_maintenance = false;
    roll.finish();
    assert_eq!(roll.starts, [2; 3]);
}

#[test]
fn another_request_takes_over_between_hosts() {
    let mut roll = Roll::new();
    roll.ask("one");
    roll.turn_until(RolloutStep::Rejoin);
    roll.ask("two");
    roll.finish();
    let status = roll.scene.status();
    let history: Vec<_> =
        status.history.iter().map(|it| (&*it.target, it.status, it.done)).collect();
    let expected = [("two", RunStatus::Finished, 3), ("one", RunStatus::Failed, 1)];
    assert_eq!(history, expected);
    assert_eq!(roll.starts.iter().sum::<u32>(), 3 + 3 + 1);
}

#[test]
fn a_request_that_is_taken_back_ends_the_run_between_hosts() {
    let mut roll = Roll::new();
    roll.ask("one");
    roll.turn_until(RolloutStep::Rejoin);
    roll.spec("operations", json!({}));
    roll.finish();
    assert_eq!(roll.starts.iter().sum::<u32>(), 3 + 1);
    assert_eq!(roll.evidence().allocation.prior, None);
    assert_eq!(roll.scene.status().history[0].status, RunStatus::Failed);
}

/// The status tells of a run that brings settings to the hosts, and has not begun with any.
fn settings() -> Roll {
    let mut roll = Roll::new();
    let then = "2026-01-02T03:04:05Z";
    let hosts = (0..3).map(|at| {
        json!({
            "name": NAMES[at], "hostUid": format!("uid-{at}"), "step": "Waiting", "attempt": 1,
            "startedAt": then,
        })
    });
    let run = json!({
        "runId": "deploy-1", "kind": "ElasticsearchConfig", "target": "8.19.0/a",
        "hosts": hosts.collect::<Vec<_>>(), "startedAt": then,
    });
    let status = roll.scene.cluster.status.as_mut().unwrap();
    status.rollout = Some(serde_json::from_value(run).unwrap());
    roll
}

#[test]
fn a_cluster_that_can_not_be_worked_with_brings_hosts_nothing_and_restarts_them_all_the_same() {
    let mut roll = settings();
    roll.scene.is_refused = true;
    for _ in 0..5 {
        let turn = roll.turn();
        assert_eq!(turn.decided.hold, Some("Refused"));
        assert_eq!(roll.steps(), [RolloutStep::Waiting; 3]);
    }
    roll.scene.check("Ready", "False", "Blocked");
    assert!(roll.scene.condition("Ready").message.contains("Accepted"));
    let mut roll = Roll::new();
    roll.scene.is_refused = true;
    roll.ask("one");
    roll.finish();
    assert_eq!(roll.starts, [2; 3]);
}

#[test]
fn nothing_is_begun_before_it_is_known_whether_the_spec_takes_a_run_and_a_run_in_hand_goes_on() {
    let mut roll = Roll::new();
    roll.turn();
    roll.scene.is_unasked = true;
    roll.ask("one");
    for _ in 0..3 {
        let turn = roll.turn();
        assert_eq!((turn.decided.hold, turn.decided.run), (Some("Unasked"), None));
    }
    roll.scene.check("Ready", "False", "Waiting");
    assert_eq!(roll.scene.status().requests, None, "it is not dealt with");
    roll.scene.is_unasked = false;
    while roll.steps().iter().all(|it| *it == RolloutStep::Waiting) {
        roll.turn();
    }
    roll.scene.is_unasked = true;
    roll.finish();
    assert_eq!(roll.starts, [2; 3]);
}

#[test]
fn what_became_of_settings_that_nobody_wants_any_more_is_told_in_its_own_words() {
    let mut roll = settings();
    roll.finish();
    let past = roll.scene.status().history[0].clone();
    assert_eq!((past.status, past.done), (RunStatus::Failed, 0));
    let reason = past.reason.unwrap();
    assert!(reason.as_str().contains("the spec asked for something else"), "{reason:?}");
}

#[test]
fn an_object_that_comes_back_from_a_backup_restarts_nothing() {
    let mut roll = Roll::new();
    roll.ask("one");
    roll.scene.cluster.status = None;
    roll.finish();
    assert_eq!(roll.starts, [1; 3]);
    assert_eq!(roll.scene.status().requests.as_ref().unwrap().restart.as_deref(), Some("one"));
    assert_eq!(roll.scene.status().restart, None);
}

#[test]
fn a_request_to_a_cluster_without_hosts_is_dealt_with_at_once() {
    let mut roll = Roll::new();
    roll.seen().members.clear();
    roll.ask("one");
    roll.finish();
    assert_eq!(roll.scene.status().restart.as_ref().unwrap().status, RunStatus::Finished);
    roll.scene.check("Ready", "True", "AsExpected");
}
