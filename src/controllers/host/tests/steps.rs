//! When the machine is watched, and how.

use serde_json::json;

use super::{super::plan::Step, scene::Scene};

#[test]
fn another_way_to_the_machine_is_taken_at_once_and_nothing_flaps() {
    let mut scene = Scene::settled();
    scene.spec(&json!({ "port": 2222 }));
    let turn = scene.turn();
    assert!(matches!(turn.plan.step, Some(Step::Watch(_))));
    assert!(!turn.wrote, "nothing is known of it yet");
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    assert_eq!(scene.status().observed_generation, Some(2));
}

#[test]
fn whether_sudo_is_used_is_seen_to_anew() {
    let mut scene = Scene::settled();
    assert!(!scene.watched.as_ref().unwrap().sudo);
    scene.spec(&json!({ "sudo": "Passwordless" }));
    scene.settle();
    assert!(scene.watched.as_ref().unwrap().sudo);
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn an_annotation_asks_for_one_more_look() {
    let mut scene = Scene::settled();
    scene.annotate("drover.dev/reconcile-at", "now");
    assert!(matches!(scene.turn().plan.step, Some(Step::Watch(_))));
    scene.settle();
    assert!(scene.turn().plan.step.is_none());
}

#[test]
fn an_object_that_is_deleted_lets_go_of_its_machine() {
    let mut scene = Scene::settled();
    scene.delete();
    let turn = scene.turn();
    assert!(turn.plan.let_go);
    assert!(matches!(turn.plan.step, Some(Step::Leave)));
    scene.check("Ready", "False", "Deleting");
}
