//! Mode Plan: the calls are shown and none is made.

use serde_json::{Map, Value, json};

use super::{
    super::{apply, decision::Step},
    fixtures::{index, live},
    scene::Scene,
};
use crate::{
    api::index::{Index, IndexState, Mode},
    elasticsearch::names::OneIndex,
};

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
    scene.check("Drifted", "Unknown", "IndexMissing");
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
fn what_waits_for_the_index_to_be_closed_is_shown_behind_the_close() {
    let closed = |it: Index| {
        it.settings(json!({ "codec": "best_compression", "refresh_interval": "9s" }))
            .state(IndexState::Closed)
    };
    let mut scene = Scene::settled(index("books"));
    scene.calls();
    scene.edit(|it| closed(it).mode(Mode::Plan));
    scene.settle();
    let shown = calls(&scene);
    assert_eq!(shown.len(), 3, "{shown:?}");
    assert!(shown[1].ends_with("/_close"), "{shown:?}");
    scene.check("Synced", "False", "PlanOnly");
    scene.edit(|it| it.mode(Mode::Apply));
    scene.settle();
    assert_eq!(scene.calls(), shown);

    let mut fresh = Scene::new(closed(index("books")).mode(Mode::Plan), None);
    fresh.settle();
    let shown = calls(&fresh);
    fresh.edit(|it| it.mode(Mode::Apply));
    fresh.settle();
    assert_eq!(fresh.calls(), shown);
}

#[test]
fn a_long_body_is_shown_whole_and_a_very_long_one_says_how_much_of_it_is_left_out() {
    let mapping = |fields: usize| {
        let fields = (0..fields).map(|it| (format!("größe_{it:04}"), json!({ "type": "keyword" })));
        json!({ "properties": fields.collect::<Map<_, _>>() })
    };
    for (fields, is_cut) in [(500, false), (5_000, true)] {
        let mut scene = Scene::new(index("books").mappings(mapping(fields)), None);
        scene.edit(|it| it.mode(Mode::Plan));
        scene.settle();
        let call = &scene.status().plan[0];
        let body = call.body.as_ref().unwrap();
        assert_eq!(call.body_omitted.is_some(), is_cut);
        if !is_cut {
            let body: Value = serde_json::from_str(body).unwrap();
            assert_eq!(body["mappings"]["properties"], mapping(fields)["properties"]);
            continue;
        }
        assert!((32 << 10) - 4 < body.len() && body.len() <= 32 << 10, "{}", body.len());
        let shown = body.len();
        let omitted = call.body_omitted.unwrap() as usize;
        scene.edit(|it| it.mode(Mode::Apply));
        let turn = scene.turn();
        assert_eq!(turn.plan.steps, [Step::Create]);
        let name = OneIndex::new("books").unwrap();
        let whole = apply::call(&Step::Create, &scene.index, &name, "").body.unwrap();
        assert_eq!(shown + omitted, whole.len());
    }
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
