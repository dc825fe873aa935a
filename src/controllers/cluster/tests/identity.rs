//! Which Elasticsearch a Cluster stands for.

use super::{
    super::plan::{self, Identity},
    scene::{Scene, UUID},
};
use crate::{
    api::{ACCEPT_CLUSTER_UUID, cluster_status::ElasticsearchStatus},
    elasticsearch::{
        endpoints::EndpointIdentity,
        fixtures::{snapshot, view},
    },
};

/// What decides, each where there is any.
#[derive(Clone, Copy, Default)]
struct Case {
    found: Option<&'static str>,
    stored: Option<&'static str>,
    expected: Option<&'static str>,
    accepted: Option<&'static str>,
}

#[track_caller]
fn check(case: Case, identity: &Identity) {
    let mut scene = Scene::settled();
    if let Some(found) = case.found {
        scene.poll = snapshot(view(found));
    } else {
        scene.polled = false;
    }
    scene.cluster.status.as_mut().unwrap().elasticsearch =
        case.stored.map(|it| ElasticsearchStatus { uuid: it.into(), ..Default::default() });
    scene.expect(case.expected);
    if let Some(accepted) = case.accepted {
        let annotations = scene.cluster.metadata.annotations.get_or_insert_default();
        annotations.insert(ACCEPT_CLUSTER_UUID.into(), accepted.into());
    }
    assert_eq!(plan::next(&scene.cluster, &scene.seen(), scene.time()).identity, *identity);
}

fn pinned(uuid: &str) -> Identity {
    Identity::Pinned(uuid.into())
}

fn other(pinned: &str, found: &str) -> Identity {
    Identity::Other { pinned: pinned.into(), found: found.into(), endpoint: None }
}

const NOTHING: Case = Case { found: None, stored: None, expected: None, accepted: None };

#[test]
fn before_an_answer_the_pinned_one_is_kept_in_mind() {
    let unseen = |it: Option<&str>| Identity::Unseen(it.map(Into::into));
    check(NOTHING, &unseen(None));
    check(Case { stored: Some("s"), ..NOTHING }, &unseen(Some("s")));
    check(Case { stored: Some(""), ..NOTHING }, &unseen(None));
    check(Case { stored: Some("s"), expected: Some("e"), ..NOTHING }, &unseen(Some("e")));
}

#[test]
fn nodes_that_have_not_formed_a_cluster_are_neither_the_pinned_one_nor_another() {
    let found = Case { found: Some("_na_"), ..NOTHING };
    let unformed = |it: Option<&str>| Identity::NotFormed(it.map(Into::into));
    check(found, &unformed(None));
    check(Case { stored: Some("s"), ..found }, &unformed(Some("s")));
    check(Case { stored: Some("s"), expected: Some("e"), ..found }, &unformed(Some("e")));
    check(Case { accepted: Some("_na_"), stored: Some("s"), ..found }, &unformed(Some("s")));
}

#[test]
fn the_first_contact_pins_and_another_uuid_is_another_cluster() {
    let found = Case { found: Some("f"), ..NOTHING };
    check(found, &pinned("f"));
    check(Case { stored: Some("f"), ..found }, &pinned("f"));
    check(Case { stored: Some("s"), ..found }, &other("s", "f"));
}

#[test]
fn the_expected_uuid_goes_before_all_else() {
    let found = Case { found: Some("f"), expected: Some("e"), ..NOTHING };
    check(found, &other("e", "f"));
    check(Case { stored: Some("f"), ..found }, &other("e", "f"));
    check(Case { accepted: Some("f"), ..found }, &other("e", "f"));
    check(Case { found: Some("e"), stored: Some("s"), ..found }, &pinned("e"));
}

#[test]
fn the_annotation_pins_only_the_cluster_that_it_names() {
    let found = Case { found: Some("f"), stored: Some("s"), ..NOTHING };
    check(Case { accepted: Some("f"), ..found }, &pinned("f"));
    check(Case { accepted: Some("x"), ..found }, &other("s", "f"));
    check(Case { accepted: Some("x"), stored: None, ..found }, &pinned("f"));
    check(Case { accepted: Some("x"), stored: Some("f"), ..found }, &pinned("f"));
}

#[test]
fn one_endpoint_with_another_cluster_behind_it_is_enough() {
    let mut scene = Scene::settled();
    let endpoint = |name: &str, uuid: Option<&str>| EndpointIdentity {
        endpoint: name.into(),
        cluster_uuid: uuid.map(Into::into),
    };
    let good = endpoint("https://a:9200", Some(UUID));
    let quiet = endpoint("https://b:9200", None);
    let unformed = endpoint("https://c:9200", Some("_na_"));
    scene.change(|it| it.endpoints = vec![good.clone(), quiet, unformed]);
    scene.settle();
    scene.check("IdentityMatches", "True", "AsExpected");
    scene.change(|it| it.endpoints = vec![good, endpoint("https://d:9200", Some("stranger"))]);
    scene.settle();
    scene.check("IdentityMatches", "False", "IdentityChanged");
    let message = &scene.condition("IdentityMatches").message;
    for word in ["https://d:9200", "stranger", UUID] {
        assert!(message.contains(word), "{word}: {message}");
    }
}

#[test]
fn another_cluster_is_not_shown_in_the_place_of_the_pinned_one_until_it_is_accepted() {
    let mut scene = Scene::settled();
    let before = scene.status().elasticsearch.clone().unwrap();
    let mut stranger = view("stranger");
    stranger.root.cluster_name = "theirs".into();
    stranger.stats.documents = 5;
    scene.poll = snapshot(stranger);
    scene.settle();
    scene.check("IdentityMatches", "False", "IdentityChanged");
    scene.check("Ready", "False", "IdentityChanged");
    scene.check("Stalled", "True", "IdentityChanged");
    scene.check("Available", "Unknown", "HealthUnknown");
    let shown = scene.status().elasticsearch.clone().unwrap();
    assert_eq!((&shown.uuid, &shown.name, shown.documents), (&before.uuid, &before.name, 1000));
    assert_eq!(shown.health.as_str(), "unknown");
    scene.edit(|it| {
        let annotations = it.metadata.annotations.get_or_insert_default();
        annotations.insert(ACCEPT_CLUSTER_UUID.into(), "stranger".into());
    });
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    assert_eq!(scene.status().elasticsearch.as_ref().unwrap().uuid, "stranger");
    // The way back is not paved by the same consent.
    scene.poll = snapshot(view(UUID));
    scene.settle();
    scene.check("IdentityMatches", "False", "IdentityChanged");
}

#[test]
fn an_expected_uuid_is_pinned_before_anything_answers() {
    let mut scene = Scene::new(snapshot(view(UUID)).clone());
    scene.poll = crate::elasticsearch::snapshot::Snapshot::default();
    scene.fail("connect");
    scene.edit(|_| {});
    scene.expect(Some("expected"));
    scene.settle();
    assert_eq!(scene.status().elasticsearch.as_ref().unwrap().uuid, "expected");
    scene.check("IdentityMatches", "Unknown", "NotChecked");
}

#[test]
fn a_cluster_that_has_not_formed_is_waited_for() {
    let mut scene = Scene::settled();
    scene.poll = snapshot(view("_na_"));
    scene.settle();
    scene.check("IdentityMatches", "Unknown", "NotFormed");
    scene.check("Available", "False", "NotFormed");
    scene.check("Ready", "False", "NotFormed");
    scene.check("Reconciling", "True", "NotFormed");
    assert_eq!(scene.status().elasticsearch.as_ref().unwrap().uuid, UUID);
}
