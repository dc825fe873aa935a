//! What becomes of an index that is already there.

use serde_json::json;

use super::{
    super::decision::{Stand, Step},
    fixtures::{Physical, index, live},
    scene::Scene,
};
use crate::api::index::{
    AdoptionPolicy::{self, Always, IfMatching, Never},
    Index, IndexState, Mode,
};

fn declared() -> Index {
    index("books")
        .settings(json!({ "refresh_interval": "60s" }))
        .aliases(json!({ "all": { "filter": { "term": { "a": 1 } } } }))
}

/// All that is declared, in other words, and more that is not.
fn matching() -> Physical {
    live("books", "theirs")
        .setting("index.refresh_interval", "1m")
        .setting("index.priority", "7")
        .alias("all", json!({ "filter": { "term": { "a": { "value": 1 } } } }))
        .alias("theirs", json!({}))
}

fn differing() -> Physical {
    matching().setting("index.refresh_interval", "5s")
}

/// Whether the index is taken over, and at which paths it is said to differ when it is not.
#[track_caller]
fn check(policy: AdoptionPolicy, live: Physical, adopted: bool, drift: &[&str]) {
    let before = live.clone();
    let mut scene = Scene::new(declared().adoption(policy), Some(live));
    scene.settle();
    let paths: Vec<&str> = scene.status().drift.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(paths, drift);
    if adopted {
        scene.check("Ready", "True", "AsExpected");
        assert_eq!(scene.status().uuid.as_deref(), Some("theirs"));
        let index = scene.model.index();
        assert_eq!(index.settings["index.priority"], json!("7"), "not declared, so not touched");
        assert_eq!(index.aliases["theirs"], json!({}));
        assert_eq!(index.mappings["_meta"]["drover"]["adopted"], json!(true));
    } else {
        scene.check("Ready", "False", "NotOwned");
        scene.check("Stalled", "True", "NotOwned");
        assert_eq!(scene.status().uuid, None, "not Drover's");
        assert_eq!(*scene.model.index(), before, "left as it is");
    }
}

#[test]
fn what_is_there_is_taken_over_by_policy_and_match() {
    let path = "settings.index.refresh_interval";
    check(Always, matching(), true, &[]);
    check(Always, differing(), true, &[]);
    check(IfMatching, matching(), true, &[]);
    check(IfMatching, differing(), false, &[path]);
    check(Never, matching(), false, &[]);
    check(Never, differing(), false, &[path]);
}

#[test]
fn every_part_of_a_spec_counts_for_a_match() {
    check(IfMatching, matching().alias("all", json!({})), false, &["aliases.all"]);
    check(IfMatching, matching().closed(), false, &["state"]);
    let shards = declared().settings(json!({ "number_of_shards": 2 })).aliases(json!({}));
    let mut scene = Scene::new(shards, Some(matching()));
    scene.settle();
    assert_eq!(scene.status().drift[0].path, "settings.index.number_of_shards");
}

#[test]
fn adoption_of_a_match_writes_the_mark_and_nothing_else() {
    let mut scene = Scene::new(declared(), Some(matching()));
    let turns = scene.settle();
    assert_eq!(scene.calls(), ["PUT /books/_mapping"]);
    let mark = json!({ "namespace": "shop", "name": "books", "uid": "uid-books", "adopted": true });
    let Step::Mapping(body) = &turns[0].plan.steps[0] else { panic!("{:?}", turns[0].plan) };
    assert_eq!(body["_meta"], json!({ "drover": mark }));
}

#[test]
fn the_mark_of_an_adopted_index_comes_before_all_other_changes() {
    let scene = Scene::new(declared().adoption(Always), Some(differing()));
    let steps = scene.plan().steps;
    assert!(matches!(&steps[..], [Step::Mapping(_), Step::Settings(_)]), "{steps:?}");
}

#[test]
fn a_refusal_shows_desired_and_live_value() {
    let mut scene = Scene::new(declared(), Some(differing()));
    scene.settle();
    let entry = &scene.status().drift[0];
    assert_eq!(
        (entry.desired.as_deref(), entry.live.as_deref()),
        (Some("\"60s\""), Some("\"5s\""))
    );
    // Once it matches, it is taken over.
    scene.model.index().settings.insert("index.refresh_interval".into(), "60000ms".into());
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    assert_eq!(scene.status().drift, []);
}

#[test]
fn an_index_left_behind_by_an_earlier_object_of_the_namespace_is_free_to_adopt() {
    for policy in [Always, IfMatching] {
        let earlier = index("books").with_uid("an earlier life");
        let mut scene =
            Scene::new(declared().adoption(policy), Some(matching().marked_for(&earlier)));
        scene.settle();
        scene.check("Ready", "True", "AsExpected");
        let mark = &scene.model.index().mappings["_meta"]["drover"];
        assert_eq!(mark["uid"], json!("uid-books"));
        assert_eq!(mark["adopted"], json!(true));
    }
}

#[test]
fn adoption_reports_what_needs_another_index_and_changes_the_rest() {
    let index = index("books")
        .settings(json!({ "number_of_shards": 3, "number_of_replicas": 0 }))
        .adoption(Always);
    let mut scene = Scene::new(index, Some(live("books", "theirs")));
    scene.settle();
    scene.check("ReindexRequired", "True", "ImmutableChange");
    assert_eq!(scene.model.index().settings["index.number_of_replicas"], json!("0"));
}

#[test]
fn mode_plan_shows_the_adoption_and_does_not_do_it() {
    let index = declared().adoption(Always).mode(Mode::Plan);
    let mut scene = Scene::new(index, Some(differing()));
    scene.settle();
    assert_eq!(scene.plan().stand, Stand::Owned);
    assert_eq!(scene.calls(), [""; 0]);
    scene.check("Synced", "False", "PlanOnly");
    let paths: Vec<&str> = scene.status().plan.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(paths, ["/books/_mapping", "/books/_settings"]);
}

#[test]
fn mode_plan_does_not_claim_an_index_that_it_did_not_take_over() {
    let index = declared().adoption(Always).mode(Mode::Plan);
    let mut scene = Scene::new(index, Some(differing()));
    scene.settle();
    // Without the mark, somebody else may have taken it by now; a remembered uuid would outweigh
    // the policy, should it change.
    scene.edit(|it| it.adoption(Never).mode(Mode::Apply));
    scene.settle();
    assert_eq!(scene.calls(), [""; 0]);
    scene.check("Ready", "False", "NotOwned");
}

#[test]
fn a_closed_index_can_be_adopted_as_closed() {
    let index = index("books").state(IndexState::Closed);
    let mut scene = Scene::new(index, Some(live("books", "theirs").closed()));
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    assert!(!scene.model.index().open);
}
