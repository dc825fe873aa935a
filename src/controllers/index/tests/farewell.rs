//! What deleting the object does to the index.

use super::{
    super::{
        cluster_gate::ClusterGate,
        decision::{Plan, Stand, Step},
        plan, status,
    },
    fixtures::{Physical, index, live, observed},
    scene::Scene,
};
use crate::{
    api::index::{
        DeletionPolicy::{self, Delete, DeleteIfEmpty, Retain},
        Index, Mode,
    },
    elasticsearch::snapshot::IndexView,
};

fn leaving(policy: DeletionPolicy) -> Index {
    index("books").deletion(policy).remembers("mine").deleted()
}

fn mine() -> Physical {
    live("books", "mine").marked_for(&index("books"))
}

fn next(index: &Index, gate: ClusterGate, live: IndexView) -> Plan {
    plan::next(index, &super::super::observe::Observed { gate, ..observed(live) })
}

fn open() -> ClusterGate {
    observed(IndexView::Missing).gate
}

fn gates() -> [ClusterGate; 4] {
    [open(), ClusterGate::Absent, ClusterGate::Blocked("why".into()), ClusterGate::Pending]
}

fn too_large() -> IndexView {
    let IndexView::Present(live) = mine().view() else { unreachable!() };
    IndexView::TooLarge(std::sync::Arc::new(live.marks.clone()))
}

fn views() -> [IndexView; 7] {
    [
        IndexView::Unread,
        IndexView::Unreadable,
        IndexView::Missing,
        mine().view(),
        too_large(),
        live("books", "theirs").view(),
        live("theirs", "theirs").alias("books", serde_json::json!({})).view(),
    ]
}

#[test]
fn retain_lets_go_at_once_whatever_is_there() {
    for (gate, live) in gates().into_iter().flat_map(|gate| views().map(|it| (gate.clone(), it))) {
        let plan = next(&leaving(Retain), gate, live);
        assert_eq!(plan.stand, Stand::Gone(None));
        assert_eq!(plan.steps, []);
    }
}

#[test]
fn an_index_is_deleted_only_where_the_cluster_is_open_and_the_index_is_drovers() {
    for policy in [Delete, DeleteIfEmpty] {
        for gate in gates() {
            for (place, live) in views().into_iter().enumerate() {
                let is_mine = place == 3 && gate == open();
                let mut object = leaving(policy);
                object.status.as_mut().unwrap().write_block = Some(true);
                let plan = next(&object, gate.clone(), live.clone());
                let expected = match policy {
                    _ if !is_mine => vec![],
                    Delete => vec![Step::Delete],
                    _ => vec![Step::DeleteIfEmpty { unblock: true }],
                };
                assert_eq!(plan.steps, expected, "{policy:?} {gate:?} {live:?}");
                object.status.as_mut().unwrap().write_block = None;
                let plan = next(&object.mode(Mode::Plan), gate.clone(), live);
                assert_eq!(plan.steps, [], "mode Plan deletes nothing");
                assert!(matches!(plan.stand, Stand::Gone(Some(_))), "{:?}", plan.stand);
            }
        }
    }
}

/// What a Delete comes to where it deletes nothing: whether the object may go, and what it says.
#[track_caller]
fn check(gate: ClusterGate, live: IndexView, stand: &Stand) {
    assert_eq!(next(&leaving(Delete), gate, live).stand, *stand);
}

#[test]
fn the_object_waits_only_for_what_may_yet_come() {
    let left = |text: &str| Stand::Gone(Some(text.into()));
    let blocked = || ClusterGate::Blocked("why".into());
    check(blocked(), mine().view(), &Stand::NoCluster);
    check(ClusterGate::Pending, mine().view(), &Stand::Unread);
    check(open(), IndexView::Unread, &Stand::Unread);
    check(open(), IndexView::Unreadable, &Stand::Unreadable);
    check(open(), too_large(), &Stand::TooLarge);
    check(open(), IndexView::Missing, &Stand::Gone(None));
    let gone = left("index 'books' stays if it is there: its Cluster is gone");
    check(ClusterGate::Absent, mine().view(), &gone);
    let theirs = left("index 'books' stays: it is not Drover's");
    check(open(), live("books", "theirs").view(), &theirs);
    // Who keeps it is there to tell, and this one never had it.
    let kept = live("books", "u").marked_for(&index("other")).view();
    let seen =
        super::super::observe::Observed { marked_for: Some("other".into()), ..observed(kept) };
    let object = index("books").deletion(Delete).deleted();
    assert_eq!(plan::next(&object, &seen).stand, Stand::Gone(None));
}

#[test]
fn an_object_that_never_owned_an_index_does_not_wait_for_its_cluster() {
    // Nothing of it can be there: no uuid was ever seen. But a create whose answer was lost may
    // have made one, so an open Cluster is still asked.
    let object = index("books").deletion(Delete).deleted();
    assert_eq!(next(&object, open(), IndexView::Missing).stand, Stand::Gone(None));
    let plan = next(&object, open(), mine().view());
    assert_eq!(plan.steps, [Step::Delete], "known by its mark");
}

#[test]
fn what_is_left_behind_is_told_as_it_goes() {
    let object = leaving(Delete);
    let plan = next(&object, ClusterGate::Absent, IndexView::Unread);
    let outcome = super::super::apply::Outcome::default();
    assert_eq!(status::notices(&object, &plan, &outcome).len(), 1);
    let plan = next(&object, open(), IndexView::Missing);
    assert_eq!(status::notices(&object, &plan, &outcome), []);
}

#[test]
fn delete_takes_one_call_and_tells_of_it() {
    let mut scene = Scene::settled(index("books").deletion(Delete));
    scene.calls();
    scene.edit(Index::deleted);
    let turn = scene.turn();
    assert_eq!(scene.calls(), ["DELETE /books"]);
    assert_eq!(turn.notices.len(), 1);
    assert!(!turn.wrote, "the object goes");
    assert!(scene.model.index.is_none());
    assert_eq!(scene.plan().stand, Stand::Gone(None));
}

#[test]
fn a_full_index_is_kept_by_delete_if_empty_after_its_block_was_put_on_record() {
    let mut scene = Scene::settled(index("books").deletion(DeleteIfEmpty));
    scene.model.index().documents = 1;
    scene.edit(Index::deleted);
    let announced = scene.turn();
    assert_eq!((announced.plan.stand, announced.plan.steps), (Stand::Announced, vec![]));
    assert_eq!(scene.status().write_block, Some(true), "on record before it is set");
    let turn = scene.turn();
    assert_eq!(turn.plan.steps, [Step::DeleteIfEmpty { unblock: true }]);
    assert_eq!(turn.notices.len(), 1);
    assert!(scene.model.index.is_some());
}

#[test]
fn a_block_that_was_there_before_is_not_taken_away() {
    let mut scene = Scene::settled(index("books").deletion(DeleteIfEmpty));
    scene.model.index().settings.insert("index.blocks.write".into(), "true".into());
    scene.edit(Index::deleted);
    scene.turn();
    assert_eq!(scene.status().write_block, Some(false));
    assert_eq!(scene.plan().steps, [Step::DeleteIfEmpty { unblock: false }]);
}

#[test]
fn the_record_of_a_block_outlasts_a_cluster_that_goes_away_and_a_restart() {
    let mut scene = Scene::settled(index("books").deletion(DeleteIfEmpty));
    scene.edit(Index::deleted);
    scene.turn();
    // The block was set, and then the answer was lost.
    scene.model.index().settings.insert("index.blocks.write".into(), "true".into());
    scene.gate = ClusterGate::Blocked("Cluster 'es' does not answer".into());
    scene.turn();
    assert_eq!(scene.status().write_block, Some(true));
    scene.gate = open();
    assert_eq!(scene.plan().steps, [Step::DeleteIfEmpty { unblock: true }]);
}

#[test]
fn a_deletion_that_waits_says_what_for_and_how_to_let_go() {
    let mut scene = Scene::settled(index("books").deletion(Delete));
    scene.gate = ClusterGate::Blocked("Cluster 'es' does not answer".into());
    scene.edit(Index::deleted);
    scene.turn();
    scene.check("Ready", "False", "Deleting");
    assert!(scene.condition("Ready").message.contains("deletionPolicy Retain"));
}

#[test]
fn an_invalid_spec_does_not_hold_back_the_deletion() {
    let mut scene = Scene::settled(index("books").deletion(Delete));
    scene.edit(|it| it.settings(serde_json::json!({ "index.uuid": "x" })).deleted());
    scene.turn();
    assert!(scene.model.index.is_none());
}
