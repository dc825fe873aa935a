//! A Host's part in a run: what it takes, when it begins, and what it answers.

use jiff::Timestamp;
use serde_json::json;

use super::scene::{OTHER, Scene, fault};
use crate::{
    api::{
        host_status::{Operation, OperationKind, RunStatus},
        rollout_status::{RolloutKind, RolloutStep},
    },
    controllers::host::operation::{errand::Errand, plan::Step},
    kubernetes::events::Notice,
    ssh::{families::Family, operation::Outcome, service::Unit},
};

mod cordon;
mod haste;
mod image;
mod traces;
mod upgrade;

const UNIT: &str = "elasticsearch.service";

fn not_begun() -> Outcome {
    Outcome::NotBegun { is_as_before: true }
}

/// A settled member of a Cluster with Elasticsearch.
fn member() -> Scene {
    member_of(Family::Debian)
}

fn member_of(family: Family) -> Scene {
    let mut scene = Scene::new();
    scene.machine.facts.os.family = Some(family);
    // A permit is not good for long.
    scene.pace = 2;
    scene.unit = Unit::new(UNIT);
    scene.machine.facts.root_disk.as_mut().unwrap().free_bytes = 1 << 30;
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    scene
}

/// The Cluster permits a step.
fn permits(scene: &mut Scene, step: RolloutStep, attempt: u32) {
    let kind = scene.errand.as_ref().map_or(RolloutKind::ElasticsearchRestart, |it| it.kind);
    scene.errand = Some(Errand {
        run: "r-1".into(),
        kind,
        step,
        attempt,
        started_at: Timestamp::from_second(scene.now).unwrap(),
        touched: false,
        image: None,
    });
}

fn operation(scene: &Scene) -> &Operation {
    scene.status().operation.as_ref().expect("it is at a run")
}

/// Step, status, and whether Elasticsearch was touched.
#[track_caller]
fn check(scene: &Scene, step: &str, status: RunStatus, touched: bool) {
    let it = operation(scene);
    assert_eq!((&*it.step, it.status, it.touched), (step, Some(status), touched), "{it:?}");
}

fn message(scene: &Scene) -> &str {
    operation(scene).message.as_ref().map_or("", |it| it.as_str())
}

fn reasons(notices: &[Notice]) -> Vec<&'static str> {
    notices.iter().map(Notice::reason).collect()
}

/// Reconciles until the machine is at the work of `Stop`; how often it took. The permit is new.
fn begin(scene: &mut Scene) -> Vec<Notice> {
    let mut notices = Vec::new();
    for _ in 0..6 {
        notices.extend(scene.turn().notices);
        // In the time that a permit is good for there are more reconciles than a scene has.
        if let Some(errand) = &mut scene.errand {
            errand.started_at = Timestamp::from_second(scene.now).unwrap();
        }
        if scene.machine.outcome == Outcome::UnderWay
            && scene.status().operation.as_ref().is_some_and(|it| it.touched)
        {
            return notices;
        }
    }
    panic!("it does not begin: {:?}", scene.status().operation);
}

#[test]
fn a_member_tells_of_its_elasticsearch_and_stops_to_where_its_cluster_has_none() {
    let mut scene = member();
    let told = scene.status().elasticsearch.clone().unwrap();
    assert_eq!((told.unit.as_str(), told.state.as_str()), (UNIT, "active"));
    assert_eq!((told.processes, told.other_processes), (vec![7, 8], vec![]));
    scene.machine.service.other_processes = [99].into();
    scene.settle();
    assert_eq!(scene.status().elasticsearch.as_ref().unwrap().other_processes, [99]);
    scene.machine.service.unit.load = "not-found".into();
    scene.settle();
    assert_eq!(scene.status().elasticsearch.as_ref().unwrap().state.as_str(), "not-found");
    scene.unit = None;
    scene.settle();
    assert_eq!(scene.status().elasticsearch, None);
}

#[test]
fn a_permit_to_stage_is_answered_after_a_look_that_began_after_it() {
    let mut scene = member();
    permits(&mut scene, RolloutStep::Stage, 1);
    let turn = scene.turn();
    assert!(matches!(turn.plan.operation, Some(Step::Take(_))), "{:?}", turn.plan.operation);
    assert!(turn.plan.step.is_some(), "looked into anew");
    check(&scene, "Stage", RunStatus::InProcess, false);
    scene.settle();
    check(&scene, "Stage", RunStatus::Finished, false);
    assert!(scene.status().history.is_empty(), "nothing was done");
}

#[test]
fn a_machine_that_can_not_do_what_will_be_asked_says_so_at_once() {
    type Change = fn(&mut Scene);
    let cases: [(Change, &str); 6] = [
        (|it| it.machine.root = Err(fault("sudo")), "sudo"),
        (|it| it.machine.facts.runs_units = false, "systemd-run"),
        (|it| it.machine.facts.is_stopping = true, "shutting down"),
        (|it| it.machine.facts.root_disk.as_mut().unwrap().free_bytes = 1, "are free"),
        (|it| it.machine.service.unit.load = "not-found".into(), "no elasticsearch.service"),
        (|it| it.machine.facts.identity.boot_id = None, "one boot from another"),
    ];
    for (change, words) in cases {
        let mut scene = member();
        change(&mut scene);
        permits(&mut scene, RolloutStep::Stage, 1);
        let notices = scene.settle();
        check(&scene, "Stage", RunStatus::Failed, false);
        assert!(message(&scene).contains(words), "{words}: {}", message(&scene));
        assert!(reasons(&notices).contains(&"StepFailed"), "{notices:?}");
        assert_eq!(scene.status().history.len(), 1);
    }
}

#[test]
fn a_restart_is_on_record_before_it_is_begun_and_is_done_when_it_is_proven() {
    let mut scene = member();
    permits(&mut scene, RolloutStep::Stop, 1);
    let turn = scene.turn();
    assert_eq!(turn.plan.operation, None, "the machine is looked into first");
    let turn = scene.turn();
    assert!(matches!(turn.plan.operation, Some(Step::Take(_))));
    check(&scene, "Stop", RunStatus::InProcess, false);
    let it = operation(&scene).clone();
    assert_eq!(it.invocation_id_before.as_ref().unwrap().as_str(), "run-1");
    assert_eq!(it.boot_id_before.as_ref().unwrap().as_str(), "first-boot");
    assert_eq!(it.elasticsearch_unit.as_ref().unwrap().as_str(), UNIT);
    assert_eq!(it.unit.as_deref(), Some("drover-r-1-1.service"));
    assert_eq!(scene.machine.begun, 0, "nothing is begun before that stands there");
    let mut notices = begin(&mut scene);
    check(&scene, "Stop", RunStatus::InProcess, true);
    scene.machine.outcome = Outcome::Done;
    scene.machine.service.unit.invocation = Some("run-2".into());
    notices.extend(scene.settle());
    check(&scene, "Stop", RunStatus::Finished, true);
    assert_eq!(reasons(&notices), ["RestartBegun", "Restarted"]);
    assert_eq!(scene.machine.begun, 1);
    let told = scene.status().elasticsearch.as_ref().unwrap();
    assert_eq!(told.invocation_id.as_ref().unwrap().as_str(), "run-2", "looked at anew");
    let past = &scene.status().history[0];
    assert_eq!(
        (past.kind, past.status),
        (OperationKind::RestartElasticsearch, RunStatus::Finished)
    );
    // The run is over.
    scene.errand = None;
    scene.settle();
    assert_eq!(scene.status().operation, None);
    assert_eq!(scene.machine.begun, 1);
}

#[test]
fn a_new_process_asks_the_machine_how_far_it_is_and_begins_nothing_twice() {
    for outcome in [Outcome::UnderWay, Outcome::Done] {
        let mut scene = member();
        permits(&mut scene, RolloutStep::Stop, 1);
        begin(&mut scene);
        scene.machine.outcome = outcome;
        scene.restart();
        // By then no permit is fresh.
        scene.now += 1_000;
        scene.turn();
        scene.turn();
        assert_ne!(operation(&scene).status, Some(RunStatus::Failed));
        scene.machine.outcome = Outcome::Done;
        scene.settle();
        check(&scene, "Stop", RunStatus::Finished, true);
        assert_eq!(scene.machine.begun, 1);
    }
}

#[test]
fn a_process_that_dies_before_it_begins_is_followed_by_one_that_begins_if_it_comes_in_time() {
    for (late, status, begun) in [(0, RunStatus::InProcess, 1), (100, RunStatus::Failed, 0)] {
        let mut scene = member();
        permits(&mut scene, RolloutStep::Stop, 1);
        while scene.status().operation.is_none() {
            scene.turn();
        }
        scene.restart();
        scene.now += late;
        for _ in 0..4 {
            if late == 0 {
                let now = Timestamp::from_second(scene.now).unwrap();
                scene.errand.as_mut().unwrap().started_at = now;
            }
            scene.turn();
        }
        assert_eq!((operation(&scene).status, scene.machine.begun), (Some(status), begun));
        assert_eq!(operation(&scene).touched, begun == 1);
    }
}

#[test]
fn a_machine_that_can_not_be_asked_is_not_answered_for_and_begins_nothing_late() {
    let mut scene = member();
    permits(&mut scene, RolloutStep::Stop, 1);
    while scene.status().operation.is_none() {
        scene.turn();
    }
    scene.machine.fault = Some(fault("connect"));
    scene.settle();
    check(&scene, "Stop", RunStatus::InProcess, false);
    // The permit runs out, and is withdrawn, while nobody reaches the machine.
    scene.now += 16;
    permits(&mut scene, RolloutStep::Withdraw, 1);
    scene.settle();
    scene.machine.fault = None;
    scene.settle();
    check(&scene, "Stop", RunStatus::InProcess, false);
    assert_eq!(scene.machine.begun, 0);
    // It comes back, and is too old by the time the machine says that nothing was begun.
    permits(&mut scene, RolloutStep::Stop, 1);
    scene.now += 100;
    scene.settle();
    check(&scene, "Stop", RunStatus::Failed, false);
    assert!(message(&scene).contains("too old"), "{}", message(&scene));
    assert!(operation(&scene).late);
    assert_eq!(scene.machine.begun, 0);
    // Such an answer is for good.
    permits(&mut scene, RolloutStep::Stop, 1);
    scene.settle();
    assert_eq!(scene.machine.begun, 0);
}

#[test]
fn what_was_decided_on_a_copy_from_before_is_not_done() {
    let mut scene = member();
    scene.is_stale = true;
    permits(&mut scene, RolloutStep::Stop, 1);
    for _ in 0..4 {
        scene.turn();
    }
    assert_eq!(scene.status().operation, None);
    scene.is_stale = false;
    while scene.status().operation.is_none() {
        scene.turn();
    }
    scene.is_stale = true;
    for _ in 0..4 {
        scene.turn();
    }
    check(&scene, "Stop", RunStatus::InProcess, false);
    assert_eq!(scene.machine.begun, 0);
    scene.errand = None;
    scene.turn();
    assert!(scene.status().operation.is_some(), "whether the run is over has to be known for sure");
}

#[test]
fn a_restart_that_fails_is_told_in_the_services_own_words_and_is_finished_once_somebody_mends_it() {
    let mut scene = member();
    permits(&mut scene, RolloutStep::Stop, 1);
    begin(&mut scene);
    scene.machine.outcome = Outcome::Failed("it is failed (exit-code): no such heap".into());
    let notices = scene.settle();
    check(&scene, "Stop", RunStatus::Failed, true);
    assert!(message(&scene).contains("no such heap"), "{}", message(&scene));
    assert_eq!(reasons(&notices), ["RestartFailed"]);
    // What it says once more differs, and what is under way may fail again: nothing is written.
    for outcome in [Outcome::Failed("other words".into()), Outcome::UnderWay, not_begun()] {
        scene.machine.outcome = outcome;
        scene.settle();
        check(&scene, "Stop", RunStatus::Failed, true);
        assert!(message(&scene).contains("no such heap"));
    }
    scene.machine.outcome = Outcome::Done;
    assert_eq!(reasons(&scene.settle()), ["Restarted"]);
    check(&scene, "Stop", RunStatus::Finished, true);
    let ends: Vec<_> = scene.status().history.iter().map(|it| it.status).collect();
    assert_eq!(ends, [RunStatus::Finished, RunStatus::Failed]);
    assert_eq!(scene.machine.begun, 1);
}

#[test]
fn another_attempt_goes_on_from_what_was_before_the_first() {
    let mut scene = member();
    permits(&mut scene, RolloutStep::Stop, 1);
    begin(&mut scene);
    scene.machine.outcome = Outcome::Failed("no such heap".into());
    scene.machine.service.unit.invocation = None;
    scene.settle();
    permits(&mut scene, RolloutStep::Stop, 2);
    scene.errand.as_mut().unwrap().touched = true;
    scene.machine.outcome = Outcome::NotBegun { is_as_before: false };
    scene.turn();
    // What was begun goes on whenever it can.
    scene.now += 1_000;
    for _ in 0..4 {
        scene.turn();
    }
    let it = operation(&scene);
    assert_eq!((it.attempt, it.touched), (2, true));
    assert_eq!(it.invocation_id_before.as_ref().unwrap().as_str(), "run-1");
    assert_eq!(it.unit.as_deref(), Some("drover-r-1-2.service"));
    assert_eq!(scene.machine.begun, 2);
    scene.machine.outcome = Outcome::Done;
    scene.settle();
    check(&scene, "Stop", RunStatus::Finished, true);
}

#[test]
fn a_machine_that_refuses_the_work_is_as_it_was() {
    let mut scene = member();
    permits(&mut scene, RolloutStep::Stop, 1);
    while scene.status().operation.is_none() {
        scene.turn();
    }
    scene.machine.outcome = Outcome::Refused("sudo: a password is required".into());
    let notices = scene.settle();
    check(&scene, "Stop", RunStatus::Failed, false);
    assert!(message(&scene).contains("a password is required"));
    assert_eq!(reasons(&notices), ["StepFailed"]);
}

#[test]
fn who_is_held_back_takes_no_new_permit_and_one_that_was_begun_goes_on() {
    for fields in [json!({ "paused": true }), json!({ "maintenance": true })] {
        let mut scene = member();
        scene.spec(&fields);
        scene.settle();
        for step in [RolloutStep::Stage, RolloutStep::Cordon, RolloutStep::Stop] {
            permits(&mut scene, step, 1);
            scene.settle();
            assert_eq!(scene.status().operation, None, "{fields} {step:?}");
        }

        let mut scene = member();
        permits(&mut scene, RolloutStep::Stop, 1);
        while scene.status().operation.is_none() {
            scene.turn();
        }
        scene.spec(&fields);
        scene.settle();
        check(&scene, "Stop", RunStatus::InProcess, false);
        // Nobody who was let begin before can do so by now.
        scene.now += 60;
        scene.settle();
        check(&scene, "Stop", RunStatus::Failed, false);
        assert!(message(&scene).contains("spec."), "{}", message(&scene));
        assert_eq!(scene.machine.begun, 0);

        let mut scene = member();
        permits(&mut scene, RolloutStep::Stop, 1);
        begin(&mut scene);
        scene.spec(&fields);
        scene.machine.outcome = Outcome::Done;
        scene.settle();
        check(&scene, "Stop", RunStatus::Finished, true);
    }
}

#[test]
fn another_machine_behind_the_address_takes_no_permit_and_proves_nothing() {
    let mut scene = member();
    permits(&mut scene, RolloutStep::Stop, 1);
    begin(&mut scene);
    scene.replace_machine();
    scene.machine.outcome = Outcome::Done;
    scene.settle();
    scene.check("Accepted", "False", "HostReplaced");
    check(&scene, "Stop", RunStatus::InProcess, true);
    let mut scene = member();
    scene.machine.facts.identity.machine_id = Some(OTHER.into());
    permits(&mut scene, RolloutStep::Stage, 1);
    scene.settle();
    assert_eq!(scene.status().operation, None);
}

#[test]
fn a_reboot_is_told_by_its_own_words() {
    let mut scene = member();
    permits(&mut scene, RolloutStep::Stop, 1);
    scene.errand.as_mut().unwrap().kind = RolloutKind::HostRestart;
    let mut notices = begin(&mut scene);
    scene.machine.facts.identity.boot_id = Some("second-boot".into());
    scene.machine.outcome = Outcome::Done;
    notices.extend(scene.settle());
    check(&scene, "Stop", RunStatus::Finished, true);
    assert_eq!(operation(&scene).kind, OperationKind::RestartHost);
    let told = reasons(&notices);
    assert!(told.contains(&"RebootBegun") && told.contains(&"Rebooted"), "{told:?}");
    assert_eq!(scene.status().facts.as_ref().unwrap().boot_id.as_str(), "second-boot");
}
