//! Where an index stands, and what the conditions say of it.

use serde_json::json;

use super::{
    super::{
        cluster_gate::ClusterGate,
        decision::{Plan, Stand, Step},
        plan,
    },
    fixtures::{index, live, observed},
    scene::Scene,
};
use crate::{
    api::{RECREATE, fields::IndexName, index::Index},
    elasticsearch::{cluster_reads::HealthStatus, snapshot::IndexView},
};

fn next(index: &Index, live: IndexView) -> Plan {
    plan::next(index, &observed(live))
}

/// The stand of a plan that does nothing.
#[track_caller]
fn idle(plan: Plan) -> Stand {
    assert_eq!((plan.steps, plan.held), (vec![], vec![]));
    plan.stand
}

#[test]
fn an_index_that_was_not_read_is_waited_for_and_no_status_is_written() {
    let mut scene = Scene::new(index("books"), None);
    let turn = scene.turn_with(&observed(IndexView::Unread));
    assert_eq!(idle(turn.plan), Stand::Unread);
    assert!(scene.index.status.is_none());
}

#[test]
fn a_cluster_that_was_not_asked_yet_leaves_the_status_as_it_is() {
    let mut scene = Scene::settled(index("books"));
    let before = scene.status().clone();
    scene.gate = ClusterGate::Pending;
    scene.edit(|it| it.settings(json!({ "number_of_replicas": 0 })));
    let turn = scene.turn();
    assert_eq!(idle(turn.plan), Stand::Unread);
    assert_eq!(*scene.status(), before);
}

#[test]
fn every_problem_of_a_spec_is_told_with_its_path_and_nothing_is_done() {
    let index = index("books")
        .settings(json!({ "index": { "uuid": "x" }, "sort": [{}] }))
        .aliases(json!({ "_bad": {}, "books": {}, "odd": 1, "new": { "colour": "red" } }));
    let mut scene = Scene::new(index, None);
    let turn = scene.turn();
    let Stand::Invalid(problems) = idle(turn.plan) else { panic!("it was accepted") };
    let paths: Vec<&str> = problems.iter().map(|it| it.path.as_str()).collect();
    for path in ["aliases._bad", "aliases.books", "aliases.odd", "aliases.new.colour"] {
        assert!(paths.contains(&path), "{path} is missing from {paths:?}");
    }
    assert!(paths.iter().any(|it| it.ends_with("sort")), "{paths:?}");
    scene.check("Accepted", "False", "InvalidSpec");
    scene.check("Ready", "False", "InvalidSpec");
    scene.check("Stalled", "True", "InvalidSpec");
    for path in paths {
        let message = &scene.condition("Accepted").message;
        assert!(message.contains(&format!("spec.{path}: ")), "{path}: {message}");
    }
}

#[test]
fn a_name_that_came_past_admission_is_told_with_its_path_and_never_waited_for() {
    for name in ["a\u{85}b", "Books", ".kibana"] {
        let mut index = index("books");
        index.spec.name = Some(IndexName(name.into()));
        let mut scene = Scene::new(index, None);
        let turn = scene.turn();
        assert!(matches!(idle(turn.plan), Stand::Invalid(_)), "{name:?}");
        scene.check("Accepted", "False", "InvalidSpec");
        scene.check("Stalled", "True", "InvalidSpec");
        let message = &scene.condition("Accepted").message;
        assert!(message.starts_with("spec.name: must "), "{message}");
    }
}

#[test]
fn what_elasticsearch_makes_itself_is_refused_at_its_full_path() {
    let index = index("books").settings(json!({ "index": { "uuid": "x", "version.created": 1 } }));
    let Stand::Invalid(problems) = next(&index, IndexView::Missing).stand else {
        panic!("it was accepted")
    };
    let paths: Vec<&str> = problems.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(paths, ["settings.index.uuid", "settings.index.version.created"]);
}

#[test]
fn an_invalid_spec_beside_a_live_index_keeps_its_uuid_and_touches_nothing() {
    let mut scene = Scene::settled(index("books"));
    let uuid = scene.status().uuid.clone();
    scene.calls();
    scene.edit(|it| it.settings(json!({ "index.uuid": "x" })));
    scene.settle();
    assert_eq!(scene.calls(), [""; 0]);
    assert_eq!(scene.status().uuid, uuid);
    scene.check("Accepted", "False", "InvalidSpec");
    scene.edit(|it| it.settings(json!({})));
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn the_younger_of_two_claims_on_a_name_gives_way_until_the_older_is_gone() {
    let mut scene = Scene::new(index("books"), None);
    scene.rival = Some("elder".into());
    let turn = scene.turn();
    assert!(matches!(idle(turn.plan), Stand::Conflict(_)));
    scene.check("Accepted", "False", "Conflict");
    scene.check("Stalled", "True", "Conflict");
    assert!(scene.condition("Accepted").message.contains("'elder'"));
    scene.rival = None;
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn an_index_waits_for_its_cluster_with_the_reason() {
    let cases = [
        (ClusterGate::Absent, "ClusterNotFound"),
        (
            ClusterGate::Blocked("Cluster 'es' is not Reachable: Unreachable".into()),
            "ClusterNotReady",
        ),
    ];
    for (gate, reason) in cases {
        let mut scene = Scene::new(index("books"), None);
        scene.gate = gate.clone();
        let turn = scene.turn();
        assert_eq!(idle(turn.plan), Stand::NoCluster);
        scene.check("ResolvedRefs", "False", reason);
        scene.check("Ready", "False", reason);
        scene.check("Reconciling", "True", reason);
        scene.check("Available", "Unknown", "HealthUnknown");
        if let ClusterGate::Blocked(why) = gate {
            assert_eq!(scene.condition("ResolvedRefs").message, *why);
        }
    }
}

#[test]
fn a_cluster_that_goes_away_leaves_the_last_figures_with_health_unknown() {
    let mut scene = Scene::settled(index("books"));
    let before = scene.status().clone();
    scene.gate = ClusterGate::Blocked("Cluster 'es' does not answer".into());
    scene.settle();
    let after = scene.status();
    let figures = |it: &crate::api::index::IndexStatus| {
        (it.uuid.clone(), it.primaries, it.replicas, it.documents, it.store_bytes)
    };
    assert_eq!(figures(after), figures(&before));
    assert_eq!(after.applied, before.applied);
    assert_eq!(after.health.unwrap().as_str(), "unknown");
    scene.gate = ClusterGate::Open { uuid: super::fixtures::CLUSTER.into() };
    scene.settle();
    assert_eq!(scene.status().health, before.health);
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn an_index_that_may_not_be_read_is_left_and_the_privilege_is_named_missing() {
    let mut scene = Scene::new(index("books"), None);
    scene.turn_with(&observed(IndexView::Unreadable));
    assert_eq!(idle(next(&scene.index, IndexView::Unreadable)), Stand::Unreadable);
    scene.check("Synced", "False", "PrivilegeMissing");
    scene.check("Stalled", "True", "PrivilegeMissing");
}

#[test]
fn an_index_that_is_more_than_drover_reads_is_left_and_said_so() {
    let too_large = || {
        let IndexView::Present(live) = live("books", "u").view() else { unreachable!() };
        IndexView::TooLarge(std::sync::Arc::new(live.marks.clone()))
    };
    let mut scene = Scene::settled(index("books"));
    let before = scene.status().clone();
    scene.turn_with(&observed(too_large()));
    assert_eq!(idle(next(&scene.index, too_large())), Stand::TooLarge);
    scene.check("Synced", "False", "TooLarge");
    scene.check("Stalled", "True", "TooLarge");
    scene.check("Drifted", "Unknown", "Waiting");
    assert!(scene.condition("Ready").message.contains("16 MiB"));
    assert_eq!(scene.status().uuid, before.uuid);
    assert_eq!(scene.status().applied, before.applied);
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn an_index_that_is_not_there_is_made_in_one_call_with_all_of_the_spec_and_the_mark() {
    let index = index("books")
        .settings(json!({ "number_of_shards": 3, "analysis.analyzer.a.type": "keyword" }))
        .mappings(json!({ "_meta": { "team": "shop" }, "properties": { "t": { "type": "text" } } }))
        .aliases(json!({ "all": { "routing": 1 } }));
    let mut scene = Scene::new(index, None);
    let turn = scene.turn();
    assert_eq!(turn.plan.stand, Stand::ToCreate);
    assert_eq!(turn.plan.steps, [Step::Create]);
    assert_eq!(scene.calls(), ["PUT /books"]);
    assert!(!turn.wrote, "the next poll knows the uuid");
    let made = scene.model.index();
    assert_eq!(made.settings["index.number_of_shards"], json!("3"));
    assert_eq!(made.settings["index.analysis.analyzer.a.type"], json!("keyword"));
    assert_eq!(
        made.aliases,
        *json!({ "all": { "index_routing": "1", "search_routing": "1" } }).as_object().unwrap()
    );
    let mark = json!({ "namespace": "shop", "name": "books", "uid": "uid-books" });
    assert_eq!(made.mappings["_meta"], json!({ "team": "shop", "drover": mark }));
    assert_eq!(made.mappings["properties"], json!({ "t": { "type": "text" } }));
    scene.settle();
    assert_eq!(scene.calls(), [""; 0]);
    let status = scene.status();
    assert_eq!(status.uuid.as_deref(), Some("made-1"));
    assert_eq!(status.physical_name.as_deref(), Some("books"));
    assert_eq!((status.primaries, status.replicas), (Some(3), Some(1)));
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn an_index_that_was_deleted_behind_drovers_back_is_not_made_again() {
    let mut scene = Scene::settled(index("books"));
    scene.model.index = None;
    scene.calls();
    scene.settle();
    assert_eq!(idle(scene.plan()), Stand::Lost("made-1".into()));
    assert_eq!(scene.calls(), [""; 0]);
    scene.check("Ready", "False", "IndexMissing");
    scene.check("Drifted", "Unknown", "IndexMissing");
    scene.check("Stalled", "True", "IndexMissing");
    assert!(scene.condition("Ready").message.contains(RECREATE), "tells the way out");
    assert_eq!(scene.status().health, None);
    assert_eq!(scene.status().uuid.as_deref(), Some("made-1"), "still known as lost");
}

#[test]
fn a_lost_index_is_made_again_once_the_annotation_names_it() {
    let mut scene = Scene::settled(index("books"));
    scene.model.index = None;
    scene.edit(|it| it.annotation(RECREATE, "another"));
    assert_eq!(idle(scene.plan()), Stand::Lost("made-1".into()));
    scene.edit(|it| it.annotation(RECREATE, "made-1"));
    scene.settle();
    assert_eq!(scene.status().uuid.as_deref(), Some("made-2"));
    scene.check("Ready", "True", "AsExpected");
    // The annotation stands there still, and the next loss is another one.
    scene.model.index = None;
    assert_eq!(idle(scene.plan()), Stand::Lost("made-2".into()));
}

#[test]
fn a_lost_index_that_comes_back_from_a_snapshot_is_drovers_by_its_mark() {
    let mut scene = Scene::settled(index("books"));
    let mut restored = scene.model.index.take().unwrap();
    scene.settle();
    restored.uuid = "restored".into();
    scene.model.index = Some(restored);
    scene.settle();
    assert_eq!(scene.status().uuid.as_deref(), Some("restored"));
    scene.check("Ready", "True", "AsExpected");
}

/// What bears the name is somebody else's: nothing is done, also with adoptionPolicy Always.
#[track_caller]
fn not_owned(mut scene: Scene, words: &[&str]) {
    scene.edit(|it| it.adoption(crate::api::index::AdoptionPolicy::Always));
    scene.settle();
    let Stand::NotOwned(why) = idle(scene.plan()) else { panic!("{:?}", scene.plan()) };
    for word in words {
        assert!(why.contains(word), "{word}: {why}");
    }
    assert_eq!(scene.calls(), [""; 0]);
    scene.check("Ready", "False", "NotOwned");
    scene.check("Stalled", "True", "NotOwned");
    scene.check("Available", "Unknown", "HealthUnknown");
}

#[test]
fn an_index_that_another_object_keeps_is_a_conflict_that_names_it_until_that_one_goes() {
    let other = index("other");
    let there = live("books", "u").marked_for(&other);
    let mut scene = Scene::new(index("books"), Some(there));
    scene.edit(|it| it.adoption(crate::api::index::AdoptionPolicy::Always));
    scene.marked_for = Some("other".into());
    scene.settle();
    assert!(matches!(idle(scene.plan()), Stand::Conflict(_)), "{:?}", scene.plan());
    assert_eq!(scene.calls(), [""; 0]);
    scene.check("Accepted", "False", "Conflict");
    scene.check("Stalled", "True", "Conflict");
    assert!(scene.condition("Accepted").message.contains("Index shop/other"));
    scene.marked_for = None;
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn an_index_marked_in_another_namespace_is_not_drovers_to_touch_whoever_still_lives() {
    let mut other = index("books").with_uid("uid-else");
    other.metadata.namespace = Some("else".into());
    let scene = Scene::new(index("books"), Some(live("books", "u").marked_for(&other)));
    not_owned(scene, &["Index else/books"]);
}

#[test]
fn an_alias_of_the_name_is_not_drovers_to_touch() {
    let target = live("books-000001", "u").alias("books", json!({}));
    not_owned(Scene::new(index("books"), Some(target)), &["alias of index 'books-000001'"]);
}

#[test]
fn another_index_in_the_place_of_a_known_one_is_not_taken_for_it() {
    let mut scene = Scene::settled(index("books"));
    scene.model.index = Some(live("books", "made by hand"));
    scene.calls();
    not_owned(scene, &["made-1"]);
}

#[test]
fn an_index_whose_mark_is_lost_is_known_by_its_uuid() {
    let mut scene = Scene::settled(index("books"));
    scene.model.index().mappings.remove("_meta");
    assert_eq!(scene.plan().stand, Stand::Owned);
}

#[test]
fn an_owned_index_behind_an_alias_goes_on_under_its_physical_name() {
    let books = index("books").settings(json!({ "number_of_replicas": 2 })).remembers("u");
    let physical = live("books-v2", "u").alias("books", json!({})).marked_for(&books);
    let mut scene = Scene::new(books, Some(physical));
    scene.settle();
    assert_eq!(scene.calls(), ["PUT /books-v2/_settings"]);
    assert_eq!(scene.status().physical_name.as_deref(), Some("books-v2"));
}

#[test]
fn health_decides_available_and_a_yellow_index_is_ready() {
    let cases = [
        (HealthStatus::Green, "True", "AsExpected", true),
        (HealthStatus::Yellow, "True", "AsExpected", true),
        (HealthStatus::Red, "False", "HealthRed", false),
        (HealthStatus::Unknown, "Unknown", "HealthUnknown", false),
    ];
    for (health, status, reason, ready) in cases {
        let mut scene = Scene::settled(index("books"));
        scene.model.index().health = Some(health);
        scene.settle();
        scene.check("Available", status, reason);
        assert_eq!(scene.condition("Ready").status == "True", ready, "{health:?}");
    }
}
