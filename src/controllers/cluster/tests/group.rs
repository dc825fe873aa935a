//! A Cluster without a connection: a group of hosts, with no Elasticsearch to speak of.

use super::{
    super::plan,
    scene::{Scene, UUID},
};
use crate::{
    api::{
        cluster_status::{ClusterState, HostCounts},
        condition::Reason,
    },
    controllers::references::Problem,
    elasticsearch::fixtures::{snapshot, view},
};

/// A group of hosts that was looked at.
fn group() -> Scene {
    let mut scene = Scene::new(snapshot(view(UUID)));
    scene.take_connection();
    assert_eq!(scene.settle(), [], "there is nothing to tell");
    scene
}

#[track_caller]
fn check_kinds(scene: &Scene, expected: &[&str]) {
    let conditions = &scene.status().conditions;
    let kinds: Vec<&str> = conditions.iter().map(|it| it.type_.as_str()).collect();
    assert_eq!(kinds, expected);
}

#[test]
fn a_group_of_hosts_is_ready_by_what_it_names_alone() {
    let scene = group();
    check_kinds(&scene, &["Ready", "Accepted", "ResolvedRefs"]);
    scene.check("Ready", "True", "AsExpected");
    assert!(scene.condition("Ready").message.contains("group of hosts"));
    assert!(scene.status().elasticsearch.is_none());
    assert_eq!(scene.status().observed_generation, scene.cluster.metadata.generation);
    assert_eq!(scene.connected, None);
}

#[test]
fn a_connection_that_is_taken_away_ends_and_leaves_the_pin_and_no_judgement() {
    let mut scene = Scene::settled();
    scene.take_connection();
    assert_eq!(scene.settle(), [], "a person did it, so nobody needs to be told");
    assert_eq!(scene.connected, None);
    check_kinds(&scene, &["Ready", "Accepted", "ResolvedRefs"]);
    scene.check("Ready", "True", "AsExpected");
    let last = scene.status().elasticsearch.as_ref().unwrap();
    assert_eq!((last.uuid.as_str(), last.health.as_str()), (UUID, "unknown"));
    assert!(scene.status().diagnostics.is_empty());
}

#[test]
fn a_connection_that_is_taken_away_before_its_first_answer_leaves_no_judgement() {
    let mut scene = Scene::settled();
    scene.restart();
    scene.turn();
    scene.polled = false;
    scene.take_connection();
    assert!(scene.connected.is_some() && scene.turn().wrote);
    check_kinds(&scene, &["Ready", "Accepted", "ResolvedRefs"]);
}

#[test]
fn a_connection_that_is_given_is_awaited_and_then_judged() {
    let mut scene = group();
    scene.give_connection();
    scene.turn();
    scene.check("Reachable", "Unknown", "NotChecked");
    scene.check("Ready", "False", "NotChecked");
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn a_pin_outlives_the_time_without_a_connection() {
    let mut scene = Scene::settled();
    scene.take_connection();
    scene.settle();
    scene.poll = snapshot(view("stranger"));
    scene.give_connection();
    scene.settle();
    scene.check("IdentityMatches", "False", "IdentityChanged");
    scene.check("Ready", "False", "IdentityChanged");
}

#[test]
fn a_deleted_group_goes_at_once() {
    let mut scene = group();
    scene.delete();
    assert!(plan::next(&scene.cluster, &scene.seen(), scene.time()).let_go);
    scene.settle();
    scene.check("Ready", "False", "Deleting");
}

#[test]
fn a_connection_taken_away_on_deletion_stays_up_while_indices_need_it() {
    let mut scene = Scene::settled();
    scene.needed_by = vec!["books".into()];
    scene.delete();
    scene.take_connection();
    scene.settle();
    assert!(scene.connected.is_some());
    scene.check("Reachable", "True", "AsExpected");
    scene.check("Ready", "False", "Deleting");
}

#[test]
fn the_members_are_counted_and_told_in_one_word_also_before_elasticsearch_answers() {
    let counts = |total, available| HostCounts { total, available, unavailable: total - available };
    let mut scene = group();
    assert_eq!((scene.status().hosts, scene.status().state), (None, None));
    let cases = [
        (counts(2, 2), ClusterState::Ok),
        (counts(2, 1), ClusterState::Degraded),
        (counts(2, 0), ClusterState::Failed),
    ];
    for (hosts, state) in cases {
        scene.hosts = hosts;
        scene.settle();
        assert_eq!((scene.status().hosts, scene.status().state), (Some(hosts), Some(state)));
    }
    scene.hosts = HostCounts::default();
    scene.settle();
    assert_eq!((scene.status().hosts, scene.status().state), (None, None));

    let mut scene = Scene::settled();
    scene.restart();
    scene.hosts = counts(1, 1);
    scene.turn();
    assert_eq!(scene.status().state, Some(ClusterState::Ok));
}

#[test]
fn what_the_hosts_shall_use_and_is_not_there_is_named() {
    for reason in [Reason::NetworkNotFound, Reason::ContainerManagerNotFound] {
        let mut scene = Scene::settled();
        let message = "spec names something 'a', which is not in this namespace".into();
        scene.missing = Some(Problem { reason, message });
        scene.settle();
        scene.check("ResolvedRefs", "False", reason.as_str());
        scene.check("Ready", "False", reason.as_str());
        scene.check("Reachable", "True", "AsExpected");
        scene.missing = None;
        scene.settle();
        scene.check("Ready", "True", "AsExpected");
    }
}
