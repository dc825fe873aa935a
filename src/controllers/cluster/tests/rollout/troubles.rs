//! What goes wrong in the middle of a run, or changes.

use super::*;

#[test]
fn what_fails_at_a_host_stops_the_run_until_a_person_lets_it_go_on() {
    let mut roll = Roll::new();
    roll.ask("one");
    roll.turn_until(RolloutStep::Stop);
    let run = roll.scene.status().rollout.clone().unwrap();
    let at = run.hosts.iter().position(|it| it.step == RolloutStep::Stop).unwrap();
    roll.stop(at);
    roll.fail(at, 1);
    roll.scene.turn();
    roll.scene.turn();
    let status = roll.scene.status();
    let failed = &status.restart.as_ref().unwrap().failed;
    assert_eq!(failed[0].host, NAMES[at]);
    assert_eq!(failed[0].step, RolloutStep::Stop);
    assert_eq!(failed[0].reason.as_str(), "the unit fails");
    let token = status.rollout.as_ref().unwrap().pause.as_ref().unwrap().token.clone();
    roll.scene.check("Ready", "False", "RolloutPaused");
    roll.scene.check("Stalled", "True", "RolloutPaused");
    assert!(roll.scene.condition("Ready").message.contains(&token));
    // Good once: the next attempt has another token.
    roll.resume();
    roll.scene.turn();
    let host = roll.scene.status().rollout.as_ref().unwrap().hosts[at].clone();
    assert_eq!((host.attempt, host.step), (2, RolloutStep::Stop));
    roll.fail(at, 2);
    roll.scene.turn();
    roll.scene.turn();
    let pause = roll.scene.status().rollout.as_ref().unwrap().pause.clone().unwrap();
    assert_ne!(pause.token, token);
    // Somebody mends it: it goes on by itself.
    roll.starts[at] += 1;
    roll.start(at);
    roll.finish();
    roll.scene.check("Ready", "True", "AsExpected");
}

#[test]
fn a_host_that_is_up_comes_to_the_gates_again_however_it_was_left() {
    for ask_again in [false, true] {
        let mut roll = Roll::new();
        roll.ask("one");
        roll.turn_until(RolloutStep::Stop);
        let run = roll.scene.status().rollout.clone().unwrap();
        let at = run.hosts.iter().position(|it| it.step == RolloutStep::Stop).unwrap();
        let starts = roll.starts;
        roll.fail(at, 1);
        roll.evidence().snapshots = vec!["nightly".into()];
        roll.scene.turn();
        roll.scene.turn();
        if ask_again {
            roll.ask("two");
        } else {
            roll.resume();
        }
        for _ in 0..20 {
            roll.turn();
            let run = roll.scene.status().rollout.clone();
            let is_stopped =
                run.iter().flat_map(|it| &it.hosts).any(|it| it.step == RolloutStep::Stop);
            assert!(!is_stopped, "a permit in spite of a gate: {run:#?}");
        }
        assert_eq!(roll.starts, starts, "restarted in spite of a gate");
        assert_eq!(roll.evidence().allocation.prior, None);
        roll.evidence().snapshots.clear();
        roll.finish();
        roll.scene.check("Ready", "True", "AsExpected");
    }
}

#[test]
fn a_node_that_is_started_again_and_again_pauses_the_run_until_it_stays() {
    let mut roll = Roll::new();
    roll.ask("one");
    roll.turn_until(RolloutStep::Rejoin);
    let run = roll.scene.status().rollout.clone().unwrap();
    let at = run.hosts.iter().position(|it| it.step == RolloutStep::Rejoin).unwrap();
    roll.stop(at);
    let member = &mut roll.seen().members[at];
    (member.nodes, member.runs) = (Match::Unknown("it is none of the cluster".into()), true);
    member.is_failing = true;
    roll.turn();
    assert_eq!(roll.scene.status().rollout.as_ref().unwrap().pause, None, "asked at once");
    roll.scene.now += 31;
    roll.turn();
    let pause = roll.scene.status().rollout.as_ref().unwrap().pause.clone().unwrap();
    assert!(pause.reason.as_str().contains("does not stay up"), "{pause:?}");
    roll.start(at);
    roll.finish();
    assert_eq!(roll.starts, [2; 3], "and not stopped for that");
}

#[test]
fn what_is_held_back_late_is_let_go_again_in_any_step() {
    let mut roll = Roll::new();
    roll.evidence().snapshots = vec!["nightly".into()];
    roll.ask("one");
    roll.turn();
    roll.turn();
    // A request that was given up is carried out after all.
    let allocation = &mut roll.evidence().allocation;
    (allocation.prior, allocation.owner) = (Some(Prior::Unset), Some("uid-es".into()));
    allocation.persistent = Some("primaries".into());
    let act = roll.turn().decided.act;
    assert_eq!(act, Some(Act::Unprotect(Prior::Unset)));
}

#[test]
fn protection_is_taken_back_where_pods_do_not_go_and_a_gate_shuts() {
    let mut roll = Roll::new();
    roll.ask("one");
    roll.turn_until(RolloutStep::Cordon);
    // The host is at it.
    let run = roll.scene.status().rollout.clone().unwrap();
    let at = run.hosts.iter().position(|it| it.step == RolloutStep::Cordon).unwrap();
    roll.seen().members[at].answer = None;
    roll.evidence().snapshots = vec!["nightly".into()];
    roll.scene.turn();
    assert_eq!(roll.steps()[at], RolloutStep::Unprotect);
}

#[test]
fn a_pause_after_the_first_host_comes_too_where_two_are_done_at_once() {
    let mut roll = Roll::new();
    roll.spec("rollout", json!({ "maxUnavailable": 2, "pauseAfter": "First" }));
    roll.ask("one");
    for _ in 0..60 {
        roll.turn();
    }
    let run = roll.scene.status().rollout.clone().expect("it waits for a person");
    assert!(run.pause.is_some(), "{run:#?}");
    assert!(run.hosts.iter().any(|it| it.step == RolloutStep::Waiting), "{run:#?}");
    roll.resume();
    roll.finish();
    assert_eq!(roll.starts, [2; 3]);
}

#[test]
fn a_host_that_does_not_take_its_permit_is_left_and_tried_again_after_a_while() {
    let mut roll = Roll::new();
    roll.ask("one");
    roll.turn_until(RolloutStep::Cordon);
    roll.turn();
    let run = roll.scene.status().rollout.clone().unwrap();
    let at = run.hosts.iter().position(|it| it.step == RolloutStep::Stop).unwrap();
    // It says nothing.
    roll.seen().members[at].answer = None;
    roll.scene.now += 61;
    roll.scene.turn();
    assert_eq!(roll.steps()[at], RolloutStep::Withdraw);
    roll.seen().members[at].answer = None;
    roll.scene.turn();
    let host = roll.scene.status().rollout.clone().unwrap().hosts[at].clone();
    assert!(host.message.is_some_and(|it| it.as_str().contains("has not taken its permit")));
    roll.finish();
}

#[test]
fn people_hear_of_each_host_that_is_put_off_also_of_one_whose_permit_was_taken_back() {
    let mut roll = Roll::new();
    roll.ask("one");
    roll.turn_until(RolloutStep::Cordon);
    roll.turn();
    let at = roll.steps().iter().position(|it| *it == RolloutStep::Stop).unwrap();
    roll.seen().members[at].answer = None;
    roll.evidence().snapshots = vec!["nightly".into()];
    roll.scene.turn();
    assert_eq!(roll.steps()[at], RolloutStep::Withdraw);
    roll.seen().members[at].answer = None;
    let turn = roll.scene.turn();
    assert_eq!(roll.steps()[at], RolloutStep::Unprotect);
    let reasons: Vec<_> = turn.notices.iter().map(Notice::reason).collect();
    assert!(reasons.contains(&"HostPutOff"), "{reasons:?}");
}

#[test]
fn what_left_a_host_as_it_was_is_told_with_its_step_though_the_host_is_back_at_its_turn() {
    let mut roll = Roll::new();
    roll.ask("one");
    roll.turn_until(RolloutStep::Stage);
    let run = roll.scene.status().rollout.clone().unwrap();
    let at = run.hosts.iter().position(|it| it.step == RolloutStep::Stage).unwrap();
    roll.seen().members[at].answer = Some(Answer {
        run: run.run_id.as_str().into(),
        step: Step::Stage,
        attempt: run.hosts[at].attempt,
        progress: Progress::Failed { reason: "the disk is full".into(), touched: false },
    });
    roll.scene.turn();
    let host = roll.scene.status().rollout.as_ref().unwrap().hosts[at].clone();
    assert_eq!(host.step, RolloutStep::Waiting);
    assert_eq!(host.message.unwrap().as_str(), "Stage failed: the disk is full");
}

#[test]
fn a_host_that_stays_away_pauses_the_run_with_why_nobody_reaches_it_until_it_is_back() {
    let mut roll = Roll::new();
    roll.ask("one");
    roll.turn_until(RolloutStep::Stop);
    let run = roll.scene.status().rollout.clone().unwrap();
    let at = run.hosts.iter().position(|it| it.step == RolloutStep::Stop).unwrap();
    let starts = roll.starts;
    roll.stop(at);
    let member = &mut roll.seen().members[at];
    member.fit = Err("Reachable: it refuses".into());
    member.answer.as_mut().unwrap().progress = Progress::Working { touched: true };
    roll.scene.turn();
    assert_eq!(roll.pause(), None, "it has its time");
    roll.scene.now += 1_300;
    roll.scene.turn();
    let why = roll.pause().expect("it waits for a person");
    let words = format!("{} at Stop: it has not come to an end within 1200s", NAMES[at]);
    assert_eq!(why, format!("{words}: Reachable: it refuses"));
    roll.seen().members[at].fit = Err("Reachable: it does not answer".into());
    assert!(!roll.scene.turn().wrote, "the first reason stays");
    assert_eq!(roll.starts, starts, "no other is begun");
    roll.seen().members[at].fit = Ok(());
    roll.start(at);
    roll.finish();
    assert_eq!(roll.starts, [2; 3]);
}
