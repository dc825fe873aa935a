//! Upgrades of the hosts' packages.

use super::*;
use crate::api::rollout_status::RolloutKind;

fn ask(roll: &mut Roll, request: &str) {
    roll.spec("operations", json!({ "upgrade": { "requestId": request } }));
}

#[test]
fn a_request_upgrades_each_host_once_and_waits_only_for_nodes_that_went_down() {
    let mut roll = Roll::new();
    roll.spared = vec![1];
    ask(&mut roll, "one");
    let reasons = roll.finish();
    assert_eq!(roll.starts, [2, 1, 2]);
    assert_eq!(roll.evidence().allocation.prior, None);
    let status = roll.scene.status();
    let upgrade = status.upgrade.as_ref().unwrap();
    assert_eq!((upgrade.status, upgrade.request_id.as_str()), (RunStatus::Finished, "one"));
    assert_eq!(upgrade.upgraded, NAMES);
    assert!(upgrade.in_process.is_empty() && upgrade.failed.is_empty());
    assert!(upgrade.finished_at.is_some() && status.restart.is_none() && status.deploy.is_none());
    assert_eq!(status.history[0].kind, RolloutKind::HostUpgrade);
    let requests = status.requests.clone().unwrap();
    assert_eq!((requests.upgrade.as_deref(), requests.restart), (Some("one"), None));
    roll.scene.check("Ready", "True", "AsExpected");
    assert_eq!(reasons.iter().filter(|it| **it == "HostRejoined").count(), 2);
    // The same request again is none.
    roll.finish();
    assert_eq!(roll.starts, [2, 1, 2]);
}

#[test]
fn a_host_that_has_to_boot_by_a_permit_of_its_own_comes_to_the_gates_again() {
    let mut roll = Roll::new();
    roll.last_first();
    ask(&mut roll, "one");
    roll.turn_until(RolloutStep::Stop);
    let answer = |roll: &mut Roll, progress: Progress| {
        let run = roll.scene.status().rollout.clone().unwrap();
        let at = run.hosts.iter().position(|it| it.step == RolloutStep::Stop).unwrap();
        let attempt = run.hosts[at].attempt;
        let run = run.run_id.as_str().into();
        roll.seen().members[at].answer = Some(Answer { run, step: Step::Stop, attempt, progress });
        roll.scene.turn();
        at
    };
    let starts = roll.starts;
    let at = answer(&mut roll, Progress::Working { touched: true });
    let reason = "the machine has to boot".into();
    answer(&mut roll, Progress::Failed { reason, touched: false });
    let host = roll.scene.status().rollout.as_ref().unwrap().hosts[at].clone();
    assert_eq!((host.step, host.touched), (RolloutStep::Unprotect, false));
    assert_eq!((host.message, roll.pause()), (None, None));
    roll.finish();
    assert_eq!(roll.scene.status().history[0].done, 3);
    assert_eq!(roll.starts[at], starts[at] + 1, "it booted by its second permit");
}

#[test]
fn an_upgrade_that_fails_waits_for_a_person_with_the_host_and_the_step_named() {
    let mut roll = Roll::new();
    roll.last_first();
    ask(&mut roll, "one");
    roll.turn_until(RolloutStep::Stop);
    let starts = roll.starts;
    roll.fail(2, 1);
    roll.scene.turn();
    roll.scene.turn();
    let failed = roll.scene.status().upgrade.as_ref().unwrap().failed.clone();
    assert_eq!((failed[0].host.as_str(), failed[0].step), ("c", RolloutStep::Stop));
    assert!(roll.pause().unwrap().contains("the unit fails"), "{:?}", roll.pause());
    assert_eq!(roll.starts, starts, "no other is begun");
    roll.resume();
    roll.finish();
    assert_eq!(roll.scene.status().history[0].done, 3);
}

#[test]
fn a_host_whose_elasticsearch_is_down_is_not_done_without_it() {
    let mut roll = Roll::new();
    roll.last_first();
    roll.spared = vec![2];
    ask(&mut roll, "one");
    roll.turn_until(RolloutStep::Cordon);
    roll.scene.turn();
    assert_eq!(roll.steps()[2], RolloutStep::Stop);
    // It goes down by itself after it has said that nothing was stopped.
    roll.obey();
    roll.stop(2);
    for _ in 0..3 {
        roll.turn();
    }
    assert_eq!(roll.steps()[2], RolloutStep::Rejoin);
    roll.starts[2] += 1;
    roll.start(2);
    roll.finish();
    assert_eq!(roll.scene.status().history[0].done, 3);
}

#[test]
fn a_host_where_the_upgrade_failed_and_elasticsearch_runs_is_let_go_and_a_person_is_asked() {
    let mut roll = Roll::new();
    roll.last_first();
    ask(&mut roll, "one");
    roll.turn_until(RolloutStep::Stop);
    let run = roll.scene.status().rollout.clone().unwrap();
    let at = run.hosts.iter().position(|it| it.step == RolloutStep::Stop).unwrap();
    let answer = |roll: &mut Roll, progress: Progress| {
        let (run, attempt) = (run.run_id.as_str().into(), run.hosts[at].attempt);
        roll.seen().members[at].answer = Some(Answer { run, step: Step::Stop, attempt, progress });
        roll.scene.turn();
    };
    let starts = roll.starts;
    answer(&mut roll, Progress::Working { touched: true });
    let reason: Box<str> = "the upgrade failed: no space left".into();
    answer(&mut roll, Progress::Vain { reason: reason.clone() });
    let host = roll.scene.status().rollout.as_ref().unwrap().hosts[at].clone();
    assert_eq!((host.step, host.touched), (RolloutStep::Unprotect, false));
    for _ in 0..6 {
        roll.turn();
    }
    assert_eq!(roll.evidence().allocation.prior, None, "nothing is held back any longer");
    assert_eq!(roll.steps()[at], RolloutStep::Waiting);
    assert!(roll.pause().unwrap().contains(&*reason), "{:?}", roll.pause());
    assert_eq!(roll.starts, starts, "nothing is begun before a person has seen it");
    let failed = roll.scene.status().upgrade.as_ref().unwrap().failed.clone();
    assert!(failed[0].reason.as_str().contains(&*reason));
    roll.resume();
    roll.finish();
    assert_eq!(roll.scene.status().history[0].done, 3);
}

#[test]
fn a_host_whose_node_is_not_back_after_a_failed_upgrade_stays_protected() {
    let mut roll = Roll::new();
    roll.last_first();
    ask(&mut roll, "one");
    roll.turn_until(RolloutStep::Stop);
    let run = roll.scene.status().rollout.clone().unwrap();
    let at = run.hosts.iter().position(|it| it.step == RolloutStep::Stop).unwrap();
    roll.stop(at);
    let (id, attempt) = (run.run_id.as_str().into(), run.hosts[at].attempt);
    let progress = Progress::Vain { reason: "no space left".into() };
    roll.seen().members[at].answer = Some(Answer { run: id, step: Step::Stop, attempt, progress });
    roll.scene.turn();
    roll.scene.turn();
    assert_eq!(roll.steps()[at], RolloutStep::Stop);
    assert!(roll.evidence().allocation.prior.is_some());
    assert!(roll.pause().unwrap().contains("no space left"));
}

#[test]
fn a_host_that_always_takes_another_permit_is_for_a_person_to_see_to_in_the_end() {
    let mut roll = Roll::new();
    roll.last_first();
    ask(&mut roll, "one");
    for _ in 0..12 {
        if roll.pause().is_some() {
            break;
        }
        roll.turn_until(RolloutStep::Stop);
        let run = roll.scene.status().rollout.clone().unwrap();
        let at = run.hosts.iter().position(|it| it.step == RolloutStep::Stop).unwrap();
        let reason: Box<str> = "the machine has to boot".into();
        for progress in
            [Progress::Working { touched: true }, Progress::Failed { reason, touched: false }]
        {
            let (id, attempt) = (run.run_id.as_str().into(), run.hosts[at].attempt);
            let answer = Answer { run: id, step: Step::Stop, attempt, progress };
            roll.seen().members[at].answer = Some(answer);
            roll.scene.turn();
        }
    }
    assert!(roll.pause().unwrap().contains("the machine has to boot"), "{:?}", roll.pause());
}
