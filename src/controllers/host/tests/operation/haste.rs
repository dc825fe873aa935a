//! What has to be quick, and what must not be believed too soon.

use super::*;

/// It has checked itself, and its Node is out of service.
fn staged() -> Scene {
    let mut scene = member();
    for step in [RolloutStep::Stage, RolloutStep::Cordon] {
        permits(&mut scene, step, 1);
        scene.settle();
        assert_eq!(operation(&scene).status, Some(RunStatus::Finished), "{step:?}");
    }
    scene
}

#[test]
fn a_machine_that_takes_long_to_look_into_is_in_time_for_its_permit() {
    let mut scene = member();
    permits(&mut scene, RolloutStep::Stage, 1);
    scene.settle();
    scene.machine.is_slow = true;
    permits(&mut scene, RolloutStep::Cordon, 1);
    scene.settle();
    check(&scene, "Cordon", RunStatus::Finished, false);
    // It has started anew since all was looked into: that run is the one that has to end.
    scene.machine.service.unit.invocation = Some("run-7".into());
    permits(&mut scene, RolloutStep::Stop, 1);
    for _ in 0..6 {
        scene.turn();
    }
    check(&scene, "Stop", RunStatus::InProcess, true);
    assert_eq!(scene.machine.begun, 1);
    let before = operation(&scene).invocation_id_before.clone();
    assert_eq!(before.as_ref().unwrap().as_str(), "run-7");
}

#[test]
fn between_the_permit_to_stage_and_the_answer_to_that_to_stop_only_the_service_is_looked_at() {
    let mut scene = staged();
    let before = scene.watched.clone().unwrap();
    permits(&mut scene, RolloutStep::Stop, 1);
    begin(&mut scene);
    assert!(scene.watched.as_ref().unwrap().looks_the_same(&before), "another look was asked for");
    scene.machine.outcome = Outcome::Done;
    scene.settle();
    assert!(!scene.watched.as_ref().unwrap().looks_the_same(&before), "it tells how it is after");
}

#[test]
fn a_look_at_the_service_from_before_the_permit_proves_nothing() {
    let mut scene = staged();
    permits(&mut scene, RolloutStep::Stop, 1);
    scene.turn();
    // The permit is another one by now.
    permits(&mut scene, RolloutStep::Stop, 2);
    let turn = scene.turn();
    assert_eq!(turn.plan.operation, None, "taken by an older look");
    let turn = scene.turn();
    assert!(matches!(turn.plan.operation, Some(Step::Take(_))));
    assert_eq!(operation(&scene).boot_id_before.as_ref().unwrap().as_str(), "first-boot");
}

#[test]
fn a_permit_that_is_too_old_when_it_is_first_seen_is_answered_at_once_and_lets_nobody_begin() {
    let mut scene = staged();
    permits(&mut scene, RolloutStep::Stop, 1);
    scene.now += 20;
    scene.turn();
    check(&scene, "Stop", RunStatus::Failed, false);
    assert!(message(&scene).contains("too old"), "{}", message(&scene));
    assert!(operation(&scene).late);
    assert_eq!(scene.status().history.len(), 1);
    scene.settle();
    assert_eq!(scene.machine.begun, 0);
}

#[test]
fn what_may_yet_be_begun_is_not_said_to_be_as_it_was() {
    let mut scene = staged();
    permits(&mut scene, RolloutStep::Stop, 1);
    while operation(&scene).step != "Stop" {
        scene.turn();
    }
    // It was told to begin, and the session broke.
    scene.machine.outcome = Outcome::Open;
    scene.settle();
    check(&scene, "Stop", RunStatus::InProcess, false);
    // It knows of nothing, and the permit runs out: what was sent may still be on its way there.
    scene.machine.outcome = not_begun();
    scene.now += 16;
    scene.turn();
    check(&scene, "Stop", RunStatus::InProcess, false);
    assert_eq!(scene.machine.begun, 0);
    let mut late = scene.machine.clone();
    (late.outcome, late.begun) = (Outcome::UnderWay, 1);
    for (machine, status, touched) in
        [(late, RunStatus::InProcess, true), (scene.machine.clone(), RunStatus::Failed, false)]
    {
        scene.machine = machine;
        scene.now += 30;
        let before = scene.host.clone();
        scene.settle();
        check(&scene, "Stop", status, touched);
        scene.host = before;
    }
}
