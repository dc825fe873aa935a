//! Lists and messages of a status are bounded and stay the same while the world does.

use serde_json::{Map, Value, json};

use super::{fixtures::index, scene::Scene};
use crate::api::{index::DriftPolicy, text::Text};

fn many(count: usize, value: &str) -> Map<String, Value> {
    (0..count).map(|it| (format!("plugin.setting_{it:03}"), Value::from(value))).collect()
}

fn drifted(count: usize) -> Scene {
    let index = index("books").settings(many(count, "a").into()).on_drift(DriftPolicy::Report);
    let mut scene = Scene::settled(index);
    for (key, value) in many(count, "b") {
        scene.model.index().settings.insert(format!("index.{key}"), value);
    }
    scene.settle();
    scene
}

#[test]
fn drift_is_cut_at_fifty_with_the_number_of_the_rest() {
    for (count, listed, omitted) in
        [(49, 49, None), (50, 50, None), (51, 50, Some(1)), (80, 50, Some(30))]
    {
        let scene = drifted(count);
        let status = scene.status();
        assert_eq!((status.drift.len(), status.drift_omitted), (listed, omitted), "{count}");
        assert!(status.drift.is_sorted_by_key(|it| it.path.clone()));
    }
}

#[test]
fn a_message_lists_some_paths_and_says_that_there_are_others() {
    let scene = drifted(80);
    let message = &scene.condition("Drifted").message;
    assert!(message.ends_with("and others"), "{message}");
    assert!(message.len() < 2_000);
}

#[test]
fn a_long_value_is_quoted_in_part_and_known_again() {
    let long = "x".repeat(5_000);
    let spec = json!({ "plugin.text": "short" });
    let mut scene = Scene::settled(index("books").settings(spec).on_drift(DriftPolicy::Report));
    scene.model.index().settings.insert("index.plugin.text".into(), long.into());
    scene.settle();
    assert_eq!(scene.status().drift[0].live.as_ref().unwrap().chars().count(), 1024);
    scene.calls();
    scene.edit(|it| it.settings(json!({ "plugin.text": "short", "priority": 7 })));
    scene.settle();
    assert_eq!(scene.calls(), ["PUT /books/_settings"]);
    assert_eq!(scene.model.index().settings["index.plugin.text"].as_str().unwrap().len(), 5_000);
}

#[test]
fn documents_are_written_when_they_moved_by_more_than_five_percent() {
    let mut scene = Scene::settled(index("books"));
    scene.model.index().documents = 1_000;
    scene.settle();
    for (documents, shown) in [(1_050, 1_000), (1_051, 1_051), (1_000, 1_051), (998, 998), (0, 0)] {
        scene.model.index().documents = documents;
        let turn = scene.turn();
        assert_eq!(turn.wrote, documents == shown, "{documents}");
        assert_eq!(scene.status().documents, Some(shown));
    }
}

#[test]
fn messages_hold_no_figures_that_move() {
    let mut scene = Scene::settled(index("books"));
    let texts = |it: &Scene| -> Vec<Text> {
        it.status().conditions.iter().map(|it| it.message.clone()).collect()
    };
    let before = texts(&scene);
    scene.model.index().documents = 987_654_321;
    scene.now += 100_000;
    scene.settle();
    assert_eq!(scene.status().documents, Some(987_654_321));
    assert_eq!(texts(&scene), before);
}
