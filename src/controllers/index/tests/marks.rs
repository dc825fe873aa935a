//! The owner mark in `_meta`.

use serde_json::json;

use super::{
    super::decision::{Stand, Step},
    fixtures::{index, live},
    scene::Scene,
};
use crate::api::index::{AdoptionPolicy, DriftPolicy};

#[test]
fn the_mark_joins_what_others_keep_in_meta() {
    let mut theirs = live("books", "theirs");
    theirs.mappings.insert("_meta".into(), json!({ "team": "shop" }));
    let index = index("books").adoption(AdoptionPolicy::Always);
    let mut scene = Scene::new(index, Some(theirs));
    scene.settle();
    assert_eq!(scene.model.index().mappings["_meta"]["team"], json!("shop"));
}

#[test]
fn a_lost_mark_is_put_back_as_the_one_that_it_was() {
    for adopted in [false, true] {
        let index = index("books")
            .settings(json!({ "refresh_interval": "60s" }))
            .adoption(AdoptionPolicy::Always);
        let there = live("books", "theirs").setting("index.refresh_interval", "60s");
        let mut scene = Scene::new(index, adopted.then_some(there));
        scene.settle();
        let mark = scene.model.index().mappings["_meta"].clone();
        assert_eq!(mark["drover"].get("adopted").is_some(), adopted);
        scene.model.index().mappings.remove("_meta");
        scene.settle();
        assert_eq!(scene.model.index().mappings["_meta"], mark);
    }
}

#[test]
fn an_adopted_index_of_which_nothing_is_declared_stays_an_adopted_one_without_its_mark() {
    let there = live("books", "theirs").setting("index.refresh_interval", "60s");
    let mut scene = Scene::new(index("books").adoption(AdoptionPolicy::Always), Some(there));
    scene.settle();
    assert_eq!(scene.status().adopted, Some(true));
    scene.model.index().mappings.remove("_meta");
    scene.settle();
    assert_eq!(scene.model.index().mappings["_meta"]["drover"]["adopted"], json!(true));
    // What was there before is still not Drover's to take away.
    scene.edit(|it| it.settings(json!({ "refresh_interval": "60s" })));
    scene.settle();
    scene.edit(|it| it.settings(json!({})));
    scene.settle();
    assert_eq!(scene.model.index().settings["index.refresh_interval"], json!("60s"));
}

#[test]
fn whether_an_index_was_adopted_is_on_record_and_stays_there() {
    let mut scene = Scene::settled(index("books"));
    assert_eq!(scene.status().adopted, Some(false));
    scene.gate = crate::controllers::index::cluster_gate::ClusterGate::Absent;
    scene.settle();
    assert_eq!(scene.status().adopted, Some(false));
}

#[test]
fn an_index_that_another_object_took_over_is_not_fought_for() {
    let mut scene = Scene::settled(index("books"));
    let foreign = index("books").with_uid("somebody else");
    let there = scene.model.index().clone();
    scene.model.index = Some(there.marked_for(&foreign));
    let plan = scene.plan();
    assert!(matches!(plan.stand, Stand::NotOwned(_)), "{:?}", plan.stand);
    assert_eq!(plan.steps, []);
}

#[test]
fn a_lost_mark_is_only_told_under_report() {
    let mut scene = Scene::settled(index("books").on_drift(DriftPolicy::Report));
    scene.calls();
    scene.model.index().mappings.remove("_meta");
    scene.settle();
    assert_eq!(scene.calls(), [""; 0]);
    assert_eq!(scene.status().drift[0].path, "mappings._meta.drover");
}

#[test]
fn a_mark_that_was_lost_before_the_first_look_is_written_and_no_drift() {
    let mut scene = Scene::new(index("books"), None);
    scene.turn();
    scene.model.index().mappings.remove("_meta");
    // Without mark and without a remembered uuid nobody knows whose it is: the policy decides.
    let steps = scene.plan().steps;
    assert!(matches!(&steps[..], [Step::Mapping(_)]), "{steps:?}");
    scene.settle();
    scene.check("Drifted", "False", "AsExpected");
}
