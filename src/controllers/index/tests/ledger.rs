//! The record of what Drover set: only that is ever taken back.

use serde_json::json;

use super::{
    fixtures::{index, live},
    scene::Scene,
};
use crate::{
    api::index::{AdoptionPolicy, Index},
    elasticsearch::fixtures::refused,
};

fn ledger(scene: &Scene) -> (Vec<&str>, Vec<&str>) {
    let applied = scene.status().applied.as_ref().expect("a record");
    (
        applied.settings.iter().map(String::as_str).collect(),
        applied.aliases.iter().map(String::as_str).collect(),
    )
}

fn declared() -> Index {
    index("books")
        .settings(json!({ "refresh_interval": "60s", "priority": 5 }))
        .aliases(json!({ "all": {}, "now": {} }))
        .adoption(AdoptionPolicy::Always)
}

#[test]
fn all_that_a_created_index_declares_is_drovers() {
    let scene = Scene::settled(declared());
    let settings = vec!["index.priority", "index.refresh_interval"];
    assert_eq!(ledger(&scene), (settings, vec!["all", "now"]));
}

#[test]
fn what_leaves_the_spec_of_a_created_index_goes_back_to_the_default() {
    let mut scene = Scene::settled(declared());
    scene.model.index().settings.insert("index.max_regex_length".into(), "9".into());
    scene.model.index().aliases.insert("theirs".into(), json!({}));
    scene.edit(|it| it.settings(json!({ "priority": 5 })).aliases(json!({ "now": {} })));
    scene.settle();
    assert_eq!(ledger(&scene), (vec!["index.priority"], vec!["now"]));
    let index = scene.model.index();
    assert!(!index.settings.contains_key("index.refresh_interval"));
    assert_eq!(index.settings["index.max_regex_length"], json!("9"));
    assert_eq!(index.aliases.keys().collect::<Vec<_>>(), ["now", "theirs"]);
}

#[test]
fn in_an_adopted_index_only_what_drover_wrote_is_its_own() {
    let there = live("books", "theirs")
        .setting("index.refresh_interval", "60s")
        .setting("index.priority", "1");
    let mut scene = Scene::new(declared(), Some(there));
    scene.settle();
    assert_eq!(ledger(&scene).0, ["index.priority"]);
    scene.edit(|it| it.settings(json!({})));
    scene.settle();
    let settings = &scene.model.index().settings;
    assert!(!settings.contains_key("index.priority"), "written, so taken back");
    assert_eq!(settings["index.refresh_interval"], json!("60s"), "found, so left");
}

#[test]
fn in_an_adopted_index_an_alias_that_was_there_is_left_when_it_leaves_the_spec() {
    let there = live("books", "theirs").alias("all", json!({}));
    let mut scene = Scene::new(declared(), Some(there));
    scene.settle();
    assert_eq!(ledger(&scene).1, ["now"]);
    scene.edit(|it| it.aliases(json!({})));
    scene.settle();
    assert_eq!(scene.model.index().aliases.keys().collect::<Vec<_>>(), ["all"]);
}

#[test]
fn a_crash_before_the_record_leaves_a_key_behind_and_takes_nothing_of_others() {
    for by_hand in [false, true] {
        let mut scene = Scene::settled(index("books"));
        scene.edit(|it| it.settings(json!({ "priority": 7 })));
        if by_hand {
            // Stopped before the call: the value is somebody else's.
            scene.model.index().settings.insert("index.priority".into(), "9".into());
        } else {
            // Stopped after it.
            let status = scene.index.status.clone();
            scene.turn();
            scene.index.status = status;
        }
        scene.edit(|it| it.settings(json!({})));
        scene.settle();
        let left = if by_hand { "9" } else { "7" };
        assert_eq!(scene.model.index().settings["index.priority"], json!(left));
        // Declared once more it is on record, and goes with the spec.
        scene.edit(|it| it.settings(json!({ "priority": 7 })));
        scene.settle();
        scene.edit(|it| it.settings(json!({})));
        scene.settle();
        assert!(!scene.model.index().settings.contains_key("index.priority"));
    }
}

#[test]
fn what_could_not_be_taken_back_stays_on_record_until_it_is() {
    let mut scene = Scene::settled(declared());
    let busy = refused("put_settings", 503, "process_cluster_event_timeout_exception", "busy");
    scene.refusal = Some((|_| true, busy));
    scene.edit(|it| it.settings(json!({})).aliases(json!({})));
    scene.turn();
    assert_eq!(ledger(&scene).0, ["index.priority", "index.refresh_interval"]);
    assert_eq!(ledger(&scene).1, ["all", "now"]);
    scene.refusal = None;
    scene.settle();
    assert_eq!(ledger(&scene), (vec![], vec![]));
    assert!(!scene.model.index().settings.contains_key("index.priority"));
    assert!(scene.model.index().aliases.is_empty());
}

#[test]
fn the_record_outlasts_a_refused_spec_and_a_lost_cluster() {
    let mut scene = Scene::settled(declared());
    let before = scene.status().applied.clone();
    scene.edit(|it| it.settings(json!({ "index.uuid": "x" })));
    scene.settle();
    assert_eq!(scene.status().applied, before);
}

#[test]
fn a_value_that_was_refused_is_not_drovers() {
    let mut scene = Scene::settled(index("books"));
    scene.model.index().settings.insert("index.priority".into(), "1000".into());
    let refusal = refused("put_settings", 400, "illegal_argument_exception", "not this one");
    scene.refusal = Some((|_| true, refusal));
    scene.edit(|it| it.settings(json!({ "priority": -1 })));
    scene.turn();
    scene.check("Synced", "False", "Rejected");
    scene.refusal = None;
    scene.edit(|it| it.settings(json!({})));
    scene.settle();
    assert_eq!(scene.model.index().settings["index.priority"], json!("1000"));
}

#[test]
fn a_setting_for_closed_indices_that_leaves_the_spec_is_taken_back_once_the_index_is_closed() {
    let codec = json!({ "codec": "best_compression" });
    let mut scene = Scene::settled(index("books").settings(codec));
    scene.edit(|it| it.settings(json!({})));
    scene.settle();
    assert_eq!(ledger(&scene).0, ["index.codec"]);
    scene.check("ReindexRequired", "True", "ImmutableChange");
    scene.edit(|it| it.state(crate::api::index::IndexState::Closed));
    scene.settle();
    assert_eq!(ledger(&scene).0, [""; 0]);
    assert!(!scene.model.index().settings.contains_key("index.codec"));
    scene.check("Ready", "True", "AsExpected");
}
