//! Mode Plan: what is wanted of the hosts is shown, and nothing is done.

use super::*;

fn shown(roll: &Roll) -> Vec<String> {
    roll.scene.status().plan.iter().map(|it| format!("{} {}", it.method, it.path)).collect()
}

fn mode(roll: &mut Roll, mode: &str) {
    roll.spec("mode", json!(mode));
}

/// What is shown of work of this name on these hosts.
fn guarded(word: &str, hosts: &[&str]) -> Vec<String> {
    let entries = hosts.iter().map(|it| format!("{word} hosts/{it}"));
    let settings = || ["PUT /_cluster/settings".to_owned()];
    settings().into_iter().chain(entries).chain(settings()).collect()
}

#[test]
fn a_request_is_shown_host_by_host_and_followed_once_the_mode_is_apply() {
    let mut roll = Roll::new();
    mode(&mut roll, "Plan");
    roll.ask("one");
    let mut told = Vec::new();
    for _ in 0..10 {
        let turn = roll.turn();
        assert_eq!((turn.decided.act, turn.decided.run), (None, None));
        told.extend(turn.notices.iter().map(Notice::reason));
    }
    assert_eq!(told, ["Planned"], "once");
    assert_eq!(shown(&roll), guarded("RestartElasticsearch", &NAMES));
    let plan = roll.scene.status().plan.clone();
    assert!(plan[0].body.as_ref().unwrap().contains(r#""primaries""#), "{:?}", plan[0]);
    assert_eq!(plan[1].reason, "it is asked for by the requestId 'one'");
    assert!(plan[4].body.as_ref().unwrap().contains("null"), "{:?}", plan[4]);
    assert_eq!(roll.scene.status().requests, None, "it was not dealt with");
    roll.scene.check("Ready", "False", "PlanOnly");
    roll.scene.check("Stalled", "True", "PlanOnly");
    assert!(!roll.turn().wrote);
    mode(&mut roll, "Apply");
    roll.finish();
    assert_eq!(roll.starts, [2; 3]);
    assert_eq!(roll.scene.status().plan, []);
    roll.scene.check("Ready", "True", "AsExpected");
}

#[test]
fn a_request_that_is_taken_back_while_it_is_only_shown_leaves_no_trace() {
    let mut roll = Roll::new();
    mode(&mut roll, "Plan");
    roll.ask("one");
    roll.turn();
    roll.spec("operations", json!({}));
    roll.turn();
    assert_eq!(roll.scene.status().plan, []);
    roll.scene.check("Ready", "True", "AsExpected");
    assert!(roll.scene.condition("Ready").message.contains("mode is Plan"));
    mode(&mut roll, "Apply");
    roll.finish();
    assert_eq!(roll.starts, [1; 3]);
    assert_eq!(roll.scene.status().history, []);
}

#[test]
fn the_host_in_hand_is_brought_back_and_the_others_are_shown() {
    let mut roll = Roll::new();
    roll.ask("one");
    roll.turn_until(RolloutStep::Rejoin);
    mode(&mut roll, "Plan");
    roll.turn();
    assert_ne!(&*roll.scene.condition("Ready").reason, "PlanOnly", "it is at work");
    for _ in 0..60 {
        roll.turn();
    }
    assert_eq!(roll.starts.iter().sum::<u32>(), 3 + 1);
    assert_eq!(roll.evidence().allocation.prior, None);
    let steps = roll.steps();
    let waiting = steps.iter().filter(|it| **it == RolloutStep::Waiting).count();
    assert_eq!((waiting, steps.contains(&RolloutStep::Done)), (2, true), "{steps:?}");
    assert_eq!(shown(&roll).len(), 2 + 2, "{:?}", shown(&roll));
    assert!(roll.scene.status().plan[1].reason.contains("has not come to it"));
    roll.scene.check("Ready", "False", "PlanOnly");
    mode(&mut roll, "Apply");
    roll.finish();
    assert_eq!(roll.starts, [2; 3]);
    assert_eq!(roll.scene.status().history.len(), 1, "it is the same run");
}

#[test]
fn a_host_that_is_up_yet_stays_so_and_what_protects_it_is_taken_back() {
    for step in [RolloutStep::Stage, RolloutStep::Gate, RolloutStep::Protect, RolloutStep::Cordon] {
        let mut roll = Roll::new();
        roll.ask("one");
        roll.turn_until(step);
        mode(&mut roll, "Plan");
        for _ in 0..30 {
            roll.turn();
            assert!(!roll.steps().contains(&RolloutStep::Stop), "{step:?}");
        }
        assert_eq!(roll.starts, [1; 3], "{step:?}");
        assert_eq!(roll.evidence().allocation.prior, None, "{step:?}");
        assert_eq!(roll.steps(), [RolloutStep::Waiting; 3], "{step:?}");
        assert_eq!(shown(&roll), guarded("RestartElasticsearch", &NAMES), "{step:?}");
    }
}

#[test]
fn all_requests_are_shown_in_the_order_in_which_they_are_followed() {
    let mut roll = Roll::new();
    mode(&mut roll, "Plan");
    roll.spec(
        "operations",
        json!({
            "deploy": { "requestId": "three", "version": "41.1" },
            "upgrade": { "requestId": "two" },
            "restart": { "requestId": "one", "target": "Host" },
        }),
    );
    roll.turn();
    let plan = &roll.scene.status().plan;
    let methods: Vec<&str> = plan.iter().map(|it| &*it.method).collect();
    let words = ["RestartHost", "UpgradeHost", "DeployHost"].map(|it| [it; 3]);
    assert_eq!(methods[1..10], *words.as_flattened());
    assert_eq!(plan[9].body.as_deref(), Some(r#"{"version":"41.1"}"#));
    assert_eq!((plan[1].body.as_deref(), plan.len()), (None, 11));
}

#[test]
fn a_long_plan_says_how_much_of_it_is_left_out() {
    let mut roll = Roll::new();
    let member = roll.member(0).unwrap().clone();
    let more = (0..60).map(|at| Member {
        name: format!("h{at}").into(),
        uid: format!("uid-h{at}").into(),
        ..member.clone()
    });
    roll.seen().members.extend(more);
    mode(&mut roll, "Plan");
    roll.ask("one");
    roll.turn();
    let status = roll.scene.status();
    assert_eq!((status.plan.len(), status.plan_omitted), (50, Some(63 + 2 - 50)));
    assert!(!roll.turn().wrote);
}

#[test]
fn no_setting_is_shown_where_it_is_not_known_or_somebody_elses() {
    type Change = fn(&mut Roll);
    let changes: [Change; 2] = [
        |it| it.seen().evidence = Err("Elasticsearch can't be asked".into()),
        |it| it.evidence().allocation.persistent = Some("none".into()),
    ];
    for change in changes {
        let mut roll = Roll::new();
        mode(&mut roll, "Plan");
        roll.ask("one");
        change(&mut roll);
        roll.turn();
        assert!(shown(&roll).iter().all(|it| it.starts_with("Restart")), "{:?}", shown(&roll));
    }
}

#[test]
fn what_an_object_has_at_its_creation_is_put_on_record_under_plan_too() {
    let mut roll = Roll::new();
    mode(&mut roll, "Plan");
    roll.ask("one");
    roll.scene.cluster.status = None;
    roll.turn();
    roll.turn();
    assert_eq!(roll.scene.status().requests.as_ref().unwrap().restart.as_deref(), Some("one"));
    assert_eq!(roll.scene.status().plan, []);
    mode(&mut roll, "Apply");
    roll.finish();
    assert_eq!(roll.starts, [1; 3]);
}

#[test]
fn a_paused_cluster_shows_its_plan_and_one_that_goes_has_none() {
    let mut roll = Roll::new();
    mode(&mut roll, "Plan");
    roll.spec("paused", json!(true));
    roll.ask("one");
    roll.turn();
    assert_eq!(shown(&roll), guarded("RestartElasticsearch", &NAMES));
    roll.scene.check("Ready", "False", "PlanOnly");
    roll.scene.check("Paused", "True", "Paused");
    roll.scene.delete();
    roll.turn();
    assert_eq!(roll.scene.status().plan, []);
}

#[test]
fn a_request_to_a_cluster_without_hosts_is_not_dealt_with_under_plan() {
    let mut roll = Roll::new();
    roll.seen().members.clear();
    mode(&mut roll, "Plan");
    roll.ask("one");
    roll.turn();
    assert_eq!(roll.scene.status().restart, None);
    roll.scene.check("Ready", "False", "PlanOnly");
    mode(&mut roll, "Apply");
    roll.finish();
    assert_eq!(roll.scene.status().restart.as_ref().unwrap().status, RunStatus::Finished);
}

#[test]
fn the_plan_stands_while_a_new_process_waits_for_the_first_answer() {
    let mut roll = Roll::new();
    mode(&mut roll, "Plan");
    roll.ask("one");
    roll.turn();
    let look = roll.scene.look.take();
    roll.scene.restart();
    for _ in 0..3 {
        assert!(!roll.scene.turn().wrote);
    }
    roll.scene.look = look;
    assert!(!roll.turn().wrote);
    assert_eq!(shown(&roll), guarded("RestartElasticsearch", &NAMES));
}
