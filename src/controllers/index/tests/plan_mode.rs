//! Mode Plan: the calls are shown and none is made.

use serde_json::json;

use super::{
    fixtures::{index, live},
    scene::Scene,
};
use crate::api::index::{Index, Mode};

fn calls(scene: &Scene) -> Vec<String> {
    scene.status().plan.iter().map(|it| format!("{} {}", it.method, it.path)).collect()
}

#[test]
fn a_create_is_shown_with_its_body_and_not_made() {
    let index = index("books").settings(json!({ "number_of_replicas": 0 })).mode(Mode::Plan);
    let mut scene = Scene::new(index, None);
    let turns = scene.settle();
    assert!(turns.iter().all(|it| it.notices.is_empty()));
    assert_eq!(scene.calls(), [""; 0]);
    assert_eq!(calls(&scene), ["PUT /books"]);
    let call = &scene.status().plan[0];
    assert!(call.body.as_ref().unwrap().contains(r#""index.number_of_replicas":"0""#));
    assert_eq!(call.reason, "create the index");
    assert_eq!(scene.status().uuid, None);
    scene.check("Synced", "False", "PlanOnly");
    scene.check("Ready", "False", "PlanOnly");
    scene.check("Stalled", "True", "PlanOnly");
}

#[test]
fn the_shown_calls_are_the_very_ones_that_mode_apply_makes() {
    let declared =
        |it: Index| it.settings(json!({ "refresh_interval": "60s" })).aliases(json!({ "all": {} }));
    let mut scene = Scene::settled(index("books"));
    scene.calls();
    scene.edit(|it| declared(it).mode(Mode::Plan));
    scene.settle();
    assert_eq!(scene.calls(), [""; 0]);
    let shown = calls(&scene);
    scene.edit(|it| it.mode(Mode::Apply));
    scene.settle();
    assert_eq!(scene.calls(), shown);
    assert_eq!(scene.status().plan, []);
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn a_plan_without_calls_is_ready() {
    let mut scene = Scene::settled(index("books"));
    scene.edit(|it| it.mode(Mode::Plan));
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    assert!(scene.condition("Ready").message.contains("mode is Plan"));
}

#[test]
fn drift_is_listed_in_mode_plan_beside_the_call_that_would_put_it_back() {
    let mut scene = Scene::settled(index("books").settings(json!({ "refresh_interval": "60s" })));
    scene.edit(|it| it.mode(Mode::Plan));
    scene.settle();
    scene.calls();
    scene.model.index().settings.insert("index.refresh_interval".into(), "5s".into());
    let turns = scene.settle();
    assert_eq!(scene.calls(), [""; 0]);
    assert_eq!(calls(&scene), ["PUT /books/_settings"]);
    scene.check("Drifted", "True", "DriftFound");
    assert_eq!(turns.iter().map(|it| it.notices.len()).sum::<usize>(), 1, "told once");
}

#[test]
fn a_spec_change_in_mode_plan_that_is_reverted_leaves_no_trace() {
    let mut scene = Scene::settled(index("books"));
    let applied = scene.status().applied.clone();
    scene.edit(|it| it.settings(json!({ "priority": 7 })).mode(Mode::Plan));
    scene.settle();
    scene.edit(|it| it.settings(json!({})).mode(Mode::Apply));
    // Somebody else sets the same key by hand: it was never Drover's.
    scene.model.index().settings.insert("index.priority".into(), "7".into());
    scene.calls();
    scene.settle();
    assert_eq!(scene.calls(), [""; 0]);
    assert_eq!(scene.status().applied, applied);
}

#[test]
fn a_key_that_leaves_the_spec_in_mode_plan_is_taken_back_when_it_is_applied() {
    let mut scene = Scene::settled(index("books").settings(json!({ "priority": 7 })));
    scene.edit(|it| it.settings(json!({})).mode(Mode::Plan));
    scene.settle();
    assert_eq!(calls(&scene), ["PUT /books/_settings"]);
    scene.edit(|it| it.mode(Mode::Apply));
    scene.settle();
    assert!(!scene.model.index().settings.contains_key("index.priority"));
}

#[test]
fn an_index_of_somebody_else_has_no_plan() {
    let mut scene = Scene::new(
        index("books").mode(Mode::Plan),
        Some(live("books-1", "u").alias("books", json!({}))),
    );
    scene.settle();
    assert_eq!(scene.status().plan, []);
    scene.check("Ready", "False", "NotOwned");
}
