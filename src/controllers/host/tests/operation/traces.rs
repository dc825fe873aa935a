//! What a run leaves on a machine is taken away.

use super::*;
use crate::ssh::operation::spent::Spent;

fn of_attempts(last: u32) -> Spent {
    Spent::new("r-1", last).unwrap()
}

/// A machine whose first attempt has failed.
fn failed() -> Scene {
    let mut scene = member();
    permits(&mut scene, RolloutStep::Stop, 1);
    begin(&mut scene);
    scene.machine.outcome = Outcome::Failed("no such heap".into());
    scene.settle();
    scene
}

#[test]
fn what_a_run_has_left_is_taken_away_once_the_answer_is_on_record() {
    let mut scene = member();
    permits(&mut scene, RolloutStep::Stage, 1);
    scene.settle();
    permits(&mut scene, RolloutStep::Stop, 1);
    begin(&mut scene);
    assert_eq!(scene.machine.cleared, [], "it is at work");
    scene.machine.outcome = Outcome::Done;
    scene.settle();
    assert_eq!(scene.machine.cleared, [of_attempts(1)]);
}

#[test]
fn a_failed_attempt_is_kept_as_long_as_it_may_be_mended_and_goes_with_the_next_one() {
    let mut scene = failed();
    assert_eq!(scene.machine.cleared, [], "it tells whether it was begun");
    permits(&mut scene, RolloutStep::Stop, 2);
    scene.errand.as_mut().unwrap().touched = true;
    scene.machine.outcome = Outcome::NotBegun { is_as_before: false };
    for _ in 0..4 {
        scene.turn();
    }
    check(&scene, "Stop", RunStatus::InProcess, true);
    assert_eq!(scene.machine.cleared, [of_attempts(1)]);
    // The run is given up.
    scene.errand = None;
    scene.machine.outcome = Outcome::Failed("no such heap".into());
    scene.settle();
    assert_eq!(scene.status().operation, None);
}

#[test]
fn a_run_that_is_over_is_off_the_record_only_when_its_traces_were_seen_to() {
    let mut scene = failed();
    scene.errand = None;
    let turn = scene.turn();
    assert_eq!(turn.plan.operation, None, "it is not known yet whether any is left");
    scene.settle();
    assert_eq!(scene.status().operation, None);
    assert_eq!(scene.machine.cleared, [of_attempts(1)]);

    // A machine that can't be asked keeps nobody.
    let mut scene = failed();
    scene.errand = None;
    scene.machine.fault = Some(fault("connect"));
    scene.settle();
    assert_eq!((&scene.status().operation, scene.machine.cleared.len()), (&None, 0));
}

#[test]
fn another_run_takes_over_when_the_traces_of_the_last_one_were_seen_to() {
    let mut scene = failed();
    permits(&mut scene, RolloutStep::Stop, 2);
    scene.errand.as_mut().unwrap().run = "r-2".into();
    scene.machine.outcome = not_begun();
    for _ in 0..5 {
        scene.turn();
    }
    assert_eq!(operation(&scene).run_id, "r-2");
    assert_eq!(scene.machine.cleared[0], of_attempts(1));
}
