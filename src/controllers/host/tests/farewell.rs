//! What becomes of the machine of an object that is deleted.

use serde_json::json;

use super::{
    super::{
        deletion::{Farewell, TRIES},
        plan::Step,
    },
    scene::{Scene, fault},
};
use crate::{
    api::condition::Reason, controllers::references::Problem, kubernetes::events::Notice,
    ssh::treatment::Deed,
};

/// An object with a parameter set, that is to be undone when it is deleted.
fn scene() -> Scene {
    let mut scene = Scene::settled();
    scene.spec(&json!({ "deletionPolicy": "Reset", "sysctls": { "vm.swappiness": "1" } }));
    scene.settle();
    scene
}

fn is_resetting(scene: &Scene) -> bool {
    let treatment = scene.watched.as_ref().and_then(|it| it.treatment.as_ref());
    treatment.is_some_and(|it| it.deed == Deed::Reset)
}

/// Reconciles until the object goes; how it ended, and what was told at the end.
fn end(scene: &mut Scene, bound: u32) -> (Farewell, Vec<Notice>) {
    for _ in 0..bound {
        let turn = scene.turn();
        if turn.plan.let_go {
            return (turn.plan.farewell.unwrap(), turn.notices);
        }
    }
    panic!("the object never goes: {:?}", scene.status().operation);
}

fn left_behind(farewell: &Farewell) -> &str {
    match farewell {
        Farewell::LeftBehind(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_drover_did_is_undone_after_it_is_on_record_that_it_will_be() {
    let mut scene = scene();
    scene.delete();
    scene.turn();
    assert!(scene.status().operation.is_some() && !is_resetting(&scene));
    scene.check("Ready", "False", "Deleting");
    scene.turn();
    assert!(is_resetting(&scene));
    let (farewell, notices) = end(&mut scene, 2);
    assert_eq!(farewell, Farewell::Undone);
    assert!(format!("{notices:?}").contains("HostReset"));
}

#[test]
fn what_nobody_knows_the_value_of_before_of_is_told_and_not_said_to_be_undone() {
    let mut scene = scene();
    scene.machine.lost = vec!["vm.swappiness".into()];
    scene.delete();
    let (farewell, notices) = end(&mut scene, 4);
    assert_eq!(farewell, Farewell::Forgotten(vec!["vm.swappiness".into()]));
    let text = format!("{notices:?}");
    assert!(text.contains("LeftBehind") && text.contains("vm.swappiness"), "{text}");
    assert!(!text.contains("HostReset"), "{text}");
}

#[test]
fn a_new_process_goes_on_with_it() {
    let mut scene = scene();
    scene.delete();
    scene.turn();
    scene.restart();
    let (farewell, _) = end(&mut scene, 5);
    assert_eq!(farewell, Farewell::Undone);
}

#[test]
fn a_machine_that_is_dead_is_left_after_a_bounded_number_of_tries_also_over_restarts() {
    for restarts in [false, true] {
        let mut scene = scene();
        scene.machine.fault = Some(fault("connect"));
        scene.settle();
        scene.delete();
        scene.turn();
        if restarts {
            for _ in 0..TRIES {
                scene.turn();
                scene.turn();
                scene.restart();
            }
        }
        let attempt = scene.status().operation.as_ref().unwrap().attempt;
        let (farewell, notices) = end(&mut scene, TRIES + 5);
        assert!(left_behind(&farewell).contains("connect"));
        let text = format!("{notices:?}");
        assert!(text.contains("LeftBehind") && text.contains("vm.swappiness"), "{text}");
        assert!(!restarts || 1 < attempt, "tries of the process before count too");
    }
}

#[test]
fn a_machine_that_comes_back_in_time_is_undone_and_one_that_refuses_is_left() {
    let mut scene = scene();
    scene.delete();
    scene.machine.fault = Some(fault("timeout"));
    for _ in 0..4 {
        assert!(!scene.turn().plan.let_go);
    }
    scene.machine.fault = None;
    assert_eq!(end(&mut scene, 2).0, Farewell::Undone);

    let mut scene = self::scene();
    scene.machine.refuses = Some(fault("failed"));
    scene.delete();
    assert!(!scene.turn().plan.let_go && !scene.turn().plan.let_go && !scene.turn().plan.let_go);
    let (farewell, _) = end(&mut scene, TRIES + 5);
    assert!(left_behind(&farewell).contains("gather facts"));
}

#[test]
fn what_no_try_can_help_is_not_tried() {
    // It was there first, and set a parameter before the older object reached the machine.
    let mut younger = scene();
    younger.claimed_by = Some("shop/older".into());
    younger.settle();
    let mut replaced = scene();
    replaced.replace_machine();
    replaced.settle();
    let mut paused = scene();
    paused.spec(&json!({ "paused": true }));
    paused.settle();
    let mut unauthorized = scene();
    unauthorized.machine.fault = Some(fault("unauthorized"));
    unauthorized.settle();
    for mut scene in [younger, replaced, paused, unauthorized] {
        scene.delete();
        let turn = scene.turn();
        assert!(turn.plan.let_go && matches!(turn.plan.farewell, Some(Farewell::LeftBehind(_))));
        assert!(format!("{:?}", turn.notices).contains("LeftBehind"));
    }
}

#[test]
fn a_machine_on_which_nothing_was_done_holds_nothing_up() {
    let mut unseen = Scene::new();
    unseen.spec(&json!({ "deletionPolicy": "Reset" }));
    unseen.machine.fault = Some(fault("connect"));
    unseen.settle();
    let mut younger = Scene::settled();
    younger.spec(&json!({ "deletionPolicy": "Reset" }));
    younger.claimed_by = Some("shop/older".into());
    younger.settle();
    for mut scene in [unseen, younger] {
        scene.delete();
        let turn = scene.turn();
        assert_eq!((turn.plan.let_go, turn.plan.farewell), (true, Some(Farewell::Nothing)));
    }
}

#[test]
fn the_way_that_was_known_is_taken_once_more_when_its_secret_went_first() {
    let gone = || Problem { reason: Reason::SecretNotFound, message: "no such Secret".into() };
    // After the deletion began, and before.
    let mut late = scene();
    late.delete();
    late.turn();
    late.problem = Some(gone());
    let mut early = scene();
    early.problem = Some(gone());
    let turn = early.turn();
    assert!(matches!(turn.plan.step, Some(Step::SetAside)));
    assert!(early.watched.is_none(), "asks nothing");
    early.settle();
    early.delete();
    early.turn();
    for scene in [&mut late, &mut early] {
        assert_eq!(end(scene, 4).0, Farewell::Undone);
        assert!(scene.watched.is_none() && scene.aside.is_none());
    }
    // A new process knows no way.
    let mut lost = scene();
    lost.problem = Some(gone());
    lost.restart();
    lost.delete();
    assert!(left_behind(&end(&mut lost, 1).0).contains("ResolvedRefs"));
}
