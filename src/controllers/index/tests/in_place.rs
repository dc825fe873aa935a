//! What Elasticsearch can't change in place, or only in a closed index.

use serde_json::json;

use super::{
    super::decision::Step,
    fixtures::{index, live},
    scene::Scene,
};
use crate::api::index::{AdoptionPolicy, DriftPolicy, Index, IndexState};

const SHARDS: &str = "settings.index.number_of_shards";
const CODEC: &str = "settings.index.codec";

fn edited(settings: serde_json::Value) -> Scene {
    let mut scene = Scene::settled(index("books"));
    scene.calls();
    scene.edit(|it| it.settings(settings).aliases(json!({ "all": {} })));
    scene.settle();
    scene
}

fn reindex(scene: &Scene) -> Vec<String> {
    scene.plan().reindex.into_iter().map(|it| it.path).collect()
}

#[test]
fn a_final_setting_is_listed_and_the_rest_of_the_spec_is_applied() {
    let mut scene = edited(json!({ "number_of_shards": 5, "refresh_interval": "60s" }));
    assert_eq!(scene.calls(), ["PUT /books/_settings", "POST /_aliases"]);
    assert_eq!(reindex(&scene), [SHARDS]);
    scene.check("ReindexRequired", "True", "ImmutableChange");
    assert!(scene.condition("ReindexRequired").message.contains(SHARDS));
    scene.check("Synced", "True", "AsExpected");
    scene.check("Ready", "False", "ImmutableChange");
    scene.check("Stalled", "True", "ImmutableChange");
}

#[test]
fn taking_the_change_back_makes_it_ready_again() {
    let mut scene = edited(json!({ "number_of_shards": 5 }));
    scene.edit(|it| it.settings(json!({ "number_of_shards": "1" })));
    scene.settle();
    scene.check("ReindexRequired", "False", "AsExpected");
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn a_setting_for_closed_indices_waits_for_one_and_says_so() {
    let mut scene = edited(json!({ "codec": "best_compression", "number_of_shards": 2 }));
    assert_eq!(scene.calls(), ["POST /_aliases"]);
    assert_eq!(reindex(&scene), [SHARDS, CODEC]);
    assert_eq!(scene.plan().closed_only, [CODEC]);
    let message = &scene.condition("ReindexRequired").message;
    assert!(message.contains(&format!("a closed index takes {CODEC}")), "{message}");
}

#[test]
fn closing_applies_what_only_a_closed_index_takes_and_opening_keeps_it() {
    let mut scene = edited(json!({ "codec": "best_compression" }));
    scene.calls();
    scene.edit(|it| it.state(IndexState::Closed));
    let first = scene.turn();
    assert_eq!(first.plan.steps, [Step::Close]);
    assert!(!first.plan.later.is_empty());
    scene.check("Synced", "False", "InProgress");
    scene.check("Reconciling", "True", "InProgress");
    scene.settle();
    assert_eq!(scene.calls(), ["POST /books/_close", "PUT /books/_settings"]);
    scene.check("Ready", "True", "AsExpected");
    scene.edit(|it| it.state(IndexState::Open));
    scene.settle();
    assert_eq!(scene.calls(), ["POST /books/_open"]);
    scene.check("Ready", "True", "AsExpected");
    assert_eq!(scene.model.index().settings["index.codec"], json!("best_compression"));
}

#[test]
fn an_index_that_shall_be_opened_takes_its_settings_while_it_is_still_closed() {
    let mut scene = Scene::settled(index("books").state(IndexState::Closed));
    scene.calls();
    scene.edit(|it| it.settings(json!({ "codec": "best_compression" })).state(IndexState::Open));
    let steps = scene.plan().steps;
    assert!(matches!(&steps[..], [Step::Settings(_), Step::Open]), "{steps:?}");
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    scene.check("ReindexRequired", "False", "AsExpected");
}

#[test]
fn a_new_closed_index_is_made_open_and_then_closed() {
    let index = index("books").settings(json!({ "codec": "best_compression" }));
    let mut scene = Scene::settled(index.state(IndexState::Closed));
    assert_eq!(scene.calls(), ["PUT /books", "POST /books/_close"]);
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn calls_go_mark_first_and_state_last() {
    let index = index("books")
        .settings(json!({ "refresh_interval": "60s", "codec": "best_compression" }))
        .aliases(json!({ "all": {} }))
        .adoption(AdoptionPolicy::Always);
    let names = |index: &Index, closed: bool| {
        let there = live("books", "theirs");
        let there = if closed { there.closed() } else { there };
        let mut scene = Scene::new(index.clone(), Some(there));
        scene.settle();
        scene.calls()
    };
    let all = ["PUT /books/_mapping", "PUT /books/_settings", "POST /_aliases"];
    assert_eq!(names(&index, false), all);
    assert_eq!(names(&index, true), [&all[..], &["POST /books/_open"]].concat());
    let closed = index.state(IndexState::Closed);
    let last = ["POST /books/_close", "PUT /books/_settings"];
    assert_eq!(names(&closed, false), [&all[..], &last].concat());
    assert_eq!(names(&closed, true), all);
}

#[test]
fn settings_change_key_by_key_and_each_key_is_sent_once() {
    let mut scene = edited(json!({ "index": { "priority": 5, "number_of_replicas": 0 } }));
    scene.calls();
    scene.edit(|it| it.settings(json!({ "index.priority": 6, "number_of_replicas": "0" })));
    let Step::Settings(changes) = &scene.plan().steps[0] else { panic!("{:?}", scene.plan()) };
    let keys: Vec<&str> = changes.iter().map(|it| it.key.as_str()).collect();
    assert_eq!(keys, ["index.priority"]);
}

#[test]
fn under_report_a_change_of_the_spec_that_needs_another_index_is_told_all_the_same() {
    let mut scene = Scene::settled(index("books").on_drift(DriftPolicy::Report));
    scene.edit(|it| it.settings(json!({ "number_of_shards": 5 })));
    for _ in 0..3 {
        scene.settle();
        scene.check("ReindexRequired", "True", "ImmutableChange");
        scene.check("Drifted", "False", "AsExpected");
        scene.check("Ready", "False", "ImmutableChange");
    }
}

#[test]
fn a_change_that_needs_another_index_never_turns_into_drift_by_waiting() {
    let mut scene = edited(json!({ "number_of_shards": 5 }));
    for _ in 0..3 {
        scene.settle();
        assert_eq!(scene.plan().drift, []);
        scene.check("Drifted", "False", "AsExpected");
    }
}
