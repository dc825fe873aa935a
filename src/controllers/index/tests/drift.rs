//! Changes that somebody else made: seen, listed, put back or only reported.

use serde_json::json;

use super::{
    fixtures::{Physical, index},
    scene::{Scene, Turn},
};
use crate::api::index::{
    DriftPolicy::{self, Enforce, Report},
    Index, IndexState,
};

fn declared() -> Index {
    index("books")
        .settings(json!({ "refresh_interval": "60s", "max_result_window": 20_000 }))
        .aliases(json!({ "all": {} }))
}

fn settled(policy: DriftPolicy) -> Scene {
    let mut scene = Scene::settled(declared().on_drift(policy));
    scene.calls();
    scene
}

fn paths(scene: &Scene) -> Vec<&str> {
    scene.status().drift.iter().map(|it| it.path.as_str()).collect()
}

fn set(index: &mut Physical, key: &str, value: &str) {
    index.settings.insert(key.into(), value.into());
}

/// What a hand does, where it shows, and the call that puts it back.
#[track_caller]
fn check(by_hand: impl Fn(&mut Physical), path: &str, call: &str) {
    let mut scene = settled(Enforce);
    let before = scene.model.index().clone();
    by_hand(scene.model.index());
    let turn = scene.turn();
    assert_eq!(paths(&scene), [path]);
    assert_eq!(turn.notices.len(), 2, "found and corrected: {:?}", turn.notices);
    scene.check("Drifted", "True", "DriftFound");
    assert_eq!(scene.calls(), [call]);
    scene.settle();
    assert_eq!(*scene.model.index(), before);
    scene.check("Drifted", "False", "AsExpected");
    assert_eq!(paths(&scene), [""; 0]);

    let mut scene = settled(Report);
    by_hand(scene.model.index());
    let drifted = scene.model.index().clone();
    let turns = scene.settle();
    assert_eq!(scene.calls(), [""; 0]);
    assert_eq!(*scene.model.index(), drifted);
    assert_eq!(paths(&scene), [path]);
    scene.check("Drifted", "True", "DriftFound");
    let told: usize = turns.iter().map(|it| it.notices.len()).sum();
    assert_eq!(told, 1, "found, once");
}

#[test]
fn a_change_by_hand_is_listed_and_put_back_or_only_listed() {
    let refresh = "settings.index.refresh_interval";
    check(|it| set(it, "index.refresh_interval", "5s"), refresh, "PUT /books/_settings");
    check(|it| _ = it.settings.remove("index.refresh_interval"), refresh, "PUT /books/_settings");
    check(|it| _ = it.aliases.remove("all"), "aliases.all", "POST /_aliases");
    let routed = json!({ "index_routing": "1" });
    check(
        |it| _ = it.aliases.insert("all".into(), routed.clone()),
        "aliases.all",
        "POST /_aliases",
    );
    check(|it| it.open = false, "state", "POST /books/_open");
    let mark = "mappings._meta.drover";
    check(|it| _ = it.mappings.remove("_meta"), mark, "PUT /books/_mapping");
}

#[test]
fn what_the_spec_does_not_name_is_no_drift() {
    let mut scene = settled(Enforce);
    set(scene.model.index(), "index.priority", "9");
    scene.model.index().aliases.insert("theirs".into(), json!({}));
    scene.model.index().documents = 1_000_000;
    scene.settle();
    assert_eq!(scene.calls(), [""; 0]);
    scene.check("Drifted", "False", "AsExpected");
}

#[test]
fn another_spelling_of_the_same_value_is_no_drift() {
    let mut scene = settled(Enforce);
    set(scene.model.index(), "index.refresh_interval", "1m");
    let turns = scene.settle();
    assert_eq!(turns.len(), 1);
    assert!(!turns[0].wrote);
}

#[test]
fn a_change_of_the_spec_is_no_drift() {
    for policy in [Enforce, Report] {
        let mut scene = settled(policy);
        scene.edit(|it| it.settings(json!({ "refresh_interval": "90s", "codec": "default" })));
        let turns = scene.settle();
        assert!(turns.iter().all(|it| it.plan.drift.is_empty()));
        assert_eq!(scene.calls(), ["PUT /books/_settings"]);
        let settings = &scene.model.index().settings;
        assert_eq!(settings["index.refresh_interval"], json!("90s"));
        assert!(!settings.contains_key("index.max_result_window"), "taken back");
        scene.check("Ready", "True", "AsExpected");
    }
}

#[test]
fn report_applies_a_new_spec_beside_known_drift_and_leaves_the_drift() {
    let mut scene = settled(Report);
    set(scene.model.index(), "index.refresh_interval", "5s");
    scene.settle();
    scene.edit(|it| it.settings(json!({ "refresh_interval": "60s", "max_result_window": 30_000 })));
    scene.settle();
    let settings = &scene.model.index().settings;
    assert_eq!(settings["index.refresh_interval"], json!("5s"), "known drift stays");
    assert_eq!(settings["index.max_result_window"], json!("30000"), "the new spec is applied");
    assert_eq!(paths(&scene), ["settings.index.refresh_interval"]);
}

#[test]
fn report_sends_of_a_mapping_only_what_the_new_spec_changes() {
    let fields = |more: serde_json::Value| {
        let mut fields = json!({
            "a": { "type": "keyword", "ignore_above": 100 },
            "b": { "type": "keyword", "ignore_above": 100 },
        });
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "properties": fields, "_meta": { "team": "shop" } })
    };
    let mut scene = Scene::settled(index("books").mappings(fields(json!({}))).on_drift(Report));
    let live = &mut scene.model.index().mappings;
    live["properties"]["a"]["ignore_above"] = json!(5);
    live["properties"]["b"]["ignore_above"] = json!(6);
    live["_meta"]["team"] = json!("theirs");
    scene.settle();
    let drifted = [
        "mappings._meta",
        "mappings.properties.a.ignore_above",
        "mappings.properties.b.ignore_above",
    ];
    assert_eq!(paths(&scene), drifted);
    let more = json!({
        "a": { "type": "keyword", "ignore_above": 100, "meta": { "unit": "m" } },
        "c": { "type": "long" },
    });
    scene.edit(|it| it.mappings(fields(more)));
    scene.settle();
    let live = &scene.model.index().mappings;
    let expected = json!({
        "a": { "type": "keyword", "ignore_above": 5, "meta": { "unit": "m" } },
        "b": { "type": "keyword", "ignore_above": 6 },
        "c": { "type": "long" },
    });
    assert_eq!(live["properties"], expected);
    assert_eq!(live["_meta"]["team"], json!("theirs"));
    assert_eq!(paths(&scene), drifted);
    scene.check("Synced", "True", "AsExpected");
    // The mark alone is to be written: what is theirs in `_meta` stays theirs.
    scene.edit(|it| it.on_drift(Report).settings(json!({ "priority": 1 })));
    scene.model.index().mappings["_meta"] = json!({ "team": "theirs" });
    scene.settle();
    assert_eq!(scene.model.index().mappings["_meta"]["team"], json!("theirs"));
}

#[test]
fn report_puts_nothing_back_after_a_new_spec_however_much_has_drifted() {
    let aliases = |count: usize, routing: &str| -> serde_json::Value {
        (0..count).map(|it| (format!("a{it:03}"), json!({ "routing": routing }))).collect()
    };
    let long = "x".repeat(3_000);
    let declared = index("books").aliases(aliases(120, "1")).on_drift(Report);
    let mut scene = Scene::settled(declared.settings(json!({ "plugin.text": long })));
    scene.calls();
    let index = scene.model.index();
    index.aliases.clear();
    set(index, "index.plugin.text", "short");
    scene.settle();
    assert_eq!(scene.calls(), [""; 0]);
    assert_eq!(scene.status().drift.len(), 50);
    assert_eq!(scene.status().drift_omitted, Some(71));
    // What is not shown, or not whole, and what the spec wants otherwise now.
    scene.edit(|it| it.settings(json!({ "plugin.text": long, "priority": 7 })));
    scene.settle();
    assert_eq!(scene.calls(), ["PUT /books/_settings"]);
    assert!(scene.model.index().aliases.is_empty());
    assert_eq!(scene.model.index().settings["index.plugin.text"], json!("short"));
    assert_eq!(scene.model.index().settings["index.priority"], json!("7"));
    assert_eq!(scene.status().drift_omitted, Some(71));
    scene.check("Synced", "True", "AsExpected");
    let mut changed = aliases(120, "1");
    changed["a119"] = json!({ "routing": "2" });
    scene.edit(|it| it.aliases(changed).settings(json!({ "plugin.text": long.clone() + "y" })));
    scene.settle();
    assert_eq!(scene.model.index().aliases.keys().collect::<Vec<_>>(), ["a119"]);
    let text = scene.model.index().settings["index.plugin.text"].as_str().unwrap().len();
    assert_eq!(text, 3_001, "it differs only behind what the status shows");
    assert_eq!(scene.status().drift_omitted, Some(69));
}

#[test]
fn report_applies_a_new_value_for_a_drifted_key_itself() {
    let mut scene = settled(Report);
    set(scene.model.index(), "index.refresh_interval", "5s");
    scene.settle();
    scene.edit(|it| it.settings(json!({ "refresh_interval": "90s", "max_result_window": 20_000 })));
    scene.settle();
    assert_eq!(scene.model.index().settings["index.refresh_interval"], json!("90s"));
    scene.check("Drifted", "False", "AsExpected");
}

#[test]
fn a_further_change_by_hand_stays_drift_under_report() {
    let mut scene = settled(Report);
    set(scene.model.index(), "index.refresh_interval", "5s");
    scene.settle();
    set(scene.model.index(), "index.refresh_interval", "6s");
    scene.settle();
    assert_eq!(scene.calls(), [""; 0]);
    assert_eq!(scene.status().drift[0].live.as_deref(), Some("\"6s\""));
}

#[test]
fn drift_keeps_the_time_of_its_first_sight() {
    let mut scene = settled(Report);
    set(scene.model.index(), "index.refresh_interval", "5s");
    scene.settle();
    let since = scene.status().drift[0].since.clone();
    scene.now += 3_600;
    scene.model.index().aliases.remove("all");
    scene.settle();
    assert_eq!(paths(&scene), ["aliases.all", "settings.index.refresh_interval"]);
    assert_eq!(scene.status().drift[1].since, since);
    assert!(scene.status().drift[0].since.0 > since.0);
}

#[test]
fn switching_from_report_to_enforce_puts_the_drift_back() {
    let mut scene = settled(Report);
    set(scene.model.index(), "index.refresh_interval", "5s");
    scene.settle();
    scene.edit(|it| it.on_drift(Enforce));
    scene.settle();
    assert_eq!(scene.calls(), ["PUT /books/_settings"]);
    scene.check("Drifted", "False", "AsExpected");
}

#[test]
fn report_puts_back_nothing_though_everything_was_changed_at_once() {
    let mut scene = settled(Report);
    let index = scene.model.index();
    set(index, "index.refresh_interval", "5s");
    index.aliases.clear();
    index.mappings.remove("_meta");
    index.open = false;
    scene.settle();
    assert_eq!(scene.calls(), [""; 0]);
    assert_eq!(
        paths(&scene),
        ["aliases.all", "mappings._meta.drover", "settings.index.refresh_interval", "state"]
    );
    scene.check("Drifted", "True", "DriftFound");
}

#[test]
fn a_state_by_hand_is_no_drift_where_the_spec_moved_to_it_as_well() {
    let mut scene = settled(Enforce);
    scene.model.index().open = false;
    scene.edit(|it| it.state(IndexState::Closed));
    scene.settle();
    assert_eq!(scene.calls(), [""; 0]);
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn every_text_that_came_from_the_server_can_be_blotted_out() {
    const SECRET: &str = "s3cret-pa55word";
    let mut scene = settled(Enforce);
    scene.edit(|it| it.mode(crate::api::index::Mode::Plan));
    scene.settle();
    let index = scene.model.index();
    set(index, "index.refresh_interval", SECRET);
    index.aliases.insert("all".into(), json!({ "index_routing": SECRET }));
    index.mappings.insert("_meta".into(), json!({ "theirs": SECRET }));
    scene.settle();
    let mut status = scene.status().clone();
    let text = |it: &crate::api::index::IndexStatus| serde_json::to_string(it).unwrap();
    assert!(text(&status).matches(SECRET).count() > 2, "{status:#?}");
    super::super::status::reword(&mut status, |it| *it = it.replace(SECRET, ""));
    assert!(!text(&status).contains(SECRET), "{status:#?}");
}

#[test]
fn drift_that_comes_again_is_told_again() {
    let mut scene = settled(Enforce);
    let found = |turn: &Turn| {
        turn.notices.iter().filter(|it| format!("{it:?}").contains("DriftFound")).count()
    };
    for _ in 0..3 {
        set(scene.model.index(), "index.refresh_interval", "5s");
        let turns = scene.settle();
        assert_eq!(turns.iter().map(found).sum::<usize>(), 1);
    }
}
