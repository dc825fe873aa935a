//! What people hear of: each change once.

use serde_json::{Value, json};

use super::scene::{Scene, UUID};
use crate::{
    api::{
        cluster_status::{ClusterStatus, ElasticsearchStatus},
        condition::Reason,
    },
    controllers::{cluster::status, references::Problem},
    elasticsearch::{
        cluster_reads::HealthStatus,
        fixtures::{snapshot, view},
        snapshot::Snapshot,
    },
    kubernetes::events::Notice,
};

fn reasons(notices: &[Notice]) -> Vec<String> {
    let reason = |it: &Notice| {
        let text = format!("{it:?}");
        let (_, rest) = text.split_once("reason: \"").unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    notices.iter().map(reason).collect()
}

/// What is told on the way through a change, and that nothing is told of it again.
#[track_caller]
fn check(scene: &mut Scene, told: &[&str]) {
    let notices = scene.settle();
    assert_eq!(reasons(&notices), told);
    assert_eq!(scene.settle(), []);
}

#[test]
fn the_first_answer_is_told_once_and_not_again_after_a_restart() {
    let mut scene = Scene::new(snapshot(view(UUID)));
    check(&mut scene, &["Connected"]);
    scene.restart();
    check(&mut scene, &[]);
}

#[test]
fn a_lost_connection_is_told_once_and_so_is_its_return() {
    let mut scene = Scene::settled();
    scene.fail("connect");
    check(&mut scene, &["ConnectionLost"]);
    scene.fail("timeout");
    check(&mut scene, &[]);
    scene.fail("certificate");
    check(&mut scene, &["ConnectionLost"]);
    scene.recover();
    check(&mut scene, &["Connected"]);
}

#[test]
fn a_connection_that_never_came_about_is_told() {
    let mut scene = Scene::new(Snapshot::default());
    scene.fail("connect");
    check(&mut scene, &["ConnectionLost"]);
}

#[test]
fn nothing_is_told_of_connections_before_the_first_nodes_are_a_cluster() {
    let told_so = |reachable: &str, more: Value| -> ClusterStatus {
        let is = |kind: &str, status: &str| {
            json!({
                "type": kind, "status": status, "reason": "R", "message": "",
                "lastTransitionTime": "2026-01-02T03:04:05Z",
            })
        };
        let conditions = [is("Reachable", reachable), is("Authenticated", reachable)];
        let mut status = json!({ "conditions": conditions });
        status.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(status).unwrap()
    };
    let formation = json!({ "formation": {
        "host": "a", "hostUid": "uid-a", "startedAt": "2026-01-02T03:04:05Z",
    } });
    let before = told_so("Unknown", formation.clone());
    let refused = told_so("False", formation.clone());
    let told = |before, after| reasons(&status::notices(Some(before), after)).join(" ");
    assert_eq!(told(&before, &refused), "AuthenticationFailed", "of the connection nothing");
    let answers = told_so("True", formation);
    assert_eq!(told(&refused, &answers), "");
    let known = ElasticsearchStatus { name: "logs".into(), ..ElasticsearchStatus::default() };
    let formed = told_so("True", json!({ "elasticsearch": known }));
    assert_eq!(told(&answers, &formed), "Connected");
    assert_eq!(told(&formed, &formed), "");
    assert_eq!(
        told(&formed, &told_so("False", json!({ "elasticsearch": known }))),
        "ConnectionLost AuthenticationFailed"
    );
}

#[test]
fn refused_credentials_are_told_once_and_so_is_their_acceptance() {
    let mut scene = Scene::settled();
    scene.fail("401");
    check(&mut scene, &["AuthenticationFailed"]);
    scene.fail("403");
    check(&mut scene, &["AuthenticationFailed"]);
    scene.recover();
    check(&mut scene, &["Connected"]);
}

#[test]
fn another_identity_is_told_once() {
    let mut scene = Scene::settled();
    scene.poll = snapshot(view("stranger"));
    check(&mut scene, &["IdentityChanged"]);
    scene.poll = snapshot(view(UUID));
    check(&mut scene, &[]);
}

#[test]
fn health_is_told_of_at_each_change_and_not_for_being_unknown() {
    let mut scene = Scene::settled();
    for health in [HealthStatus::Yellow, HealthStatus::Red, HealthStatus::Green] {
        scene.change(|it| it.health.status = health);
        check(&mut scene, &["HealthChanged"]);
    }
    scene.fail("503");
    check(&mut scene, &[]);
    scene.recover();
    check(&mut scene, &[]);
}

#[test]
fn health_that_changed_while_nobody_could_ask_is_told_too() {
    let mut scene = Scene::settled();
    for (away, back) in
        [("503", &["HealthChanged"][..]), ("connect", &["Connected", "HealthChanged"])]
    {
        scene.change(|it| it.health.status = HealthStatus::Green);
        scene.settle();
        scene.fail(away);
        scene.settle();
        let figures = scene.status().elasticsearch.as_ref().unwrap();
        assert_eq!(
            (figures.health.as_str(), figures.last_health.unwrap().as_str()),
            ("unknown", "green")
        );
        scene.restart();
        scene.settle();
        scene.change(|it| it.health.status = HealthStatus::Yellow);
        scene.recover();
        check(&mut scene, back);
        assert_eq!(scene.status().elasticsearch.as_ref().unwrap().last_health, None);
    }
}

#[test]
fn another_cluster_that_was_accepted_has_no_health_to_have_changed_from() {
    let mut scene = Scene::settled();
    let mut other = view("other");
    other.health.status = HealthStatus::Yellow;
    scene.expect(Some("other"));
    scene.poll = snapshot(other);
    let told = reasons(&scene.settle());
    assert!(!told.contains(&"HealthChanged".to_owned()), "{told:?}");
}

#[test]
fn a_missing_secret_is_told_once() {
    let mut scene = Scene::settled();
    let connection = scene.connection.clone();
    scene.connection = Err(Problem { reason: Reason::SecretNotFound, message: "gone".into() });
    check(&mut scene, &["ReferenceNotResolved"]);
    scene.connection = connection;
    check(&mut scene, &["Connected"]);
}

#[test]
fn a_server_that_is_busy_is_no_event() {
    for word in ["429", "503", "500"] {
        let mut scene = Scene::settled();
        scene.fail(word);
        check(&mut scene, &[]);
    }
}
