//! Connecting, disconnecting, and when the object may go.

use super::{
    super::{
        managed::observe::Seen,
        observe::Observed,
        plan::{self, Step},
    },
    scene::{Scene, connection},
};
use crate::{
    api::condition::Reason,
    controllers::{deployment::tests::found, references::Problem},
    elasticsearch::{
        connection::ConnectionError,
        fixtures::{snapshot, view},
    },
    tls::Unusable,
};

fn missing() -> Problem {
    Problem { reason: Reason::SecretNotFound, message: "Secret 'a' is not there".into() }
}

fn step(scene: &Scene) -> &'static str {
    match plan::next(&scene.cluster, &scene.seen(), scene.time()).step {
        Some(Step::Connect(_)) => "connect",
        Some(Step::SetAside) => "set aside",
        Some(Step::TakeBack) => "take back",
        Some(Step::Disconnect) => "disconnect",
        None => "nothing",
    }
}

#[test]
fn a_connection_is_made_once_and_anew_when_what_it_is_made_of_changes() {
    let mut scene = Scene::new(snapshot(view("u")));
    assert_eq!(step(&scene), "connect");
    scene.settle();
    assert_eq!(step(&scene), "nothing");
    scene.connection = Ok(Some(connection("https://elsewhere.example:9200")));
    assert_eq!(step(&scene), "connect");
}

#[test]
fn credentials_that_are_gone_end_the_connection() {
    let mut scene = Scene::settled();
    scene.connection = Err(missing());
    assert_eq!(step(&scene), "set aside");
    scene.settle();
    assert_eq!(step(&scene), "nothing");
    scene.check("ResolvedRefs", "False", "SecretNotFound");
    scene.check("Reachable", "Unknown", "Waiting");
    scene.check("Authenticated", "Unknown", "Waiting");
    scene.check("Ready", "False", "SecretNotFound");
    scene.check("Reconciling", "True", "SecretNotFound");
    assert_eq!(scene.condition("ResolvedRefs").message, "Secret 'a' is not there");
    let shown = scene.status().elasticsearch.as_ref().unwrap();
    assert_eq!((shown.health.as_str(), shown.documents), ("unknown", 1000));
    scene.connection = Ok(Some(connection("https://es.example:9200")));
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn a_connection_that_cannot_be_used_is_told_with_the_reason() {
    let mut scene = Scene::new(snapshot(view("u")));
    scene.unusable = Some(ConnectionError::Tls(Unusable::Ca("it is empty")));
    scene.settle();
    scene.check("Accepted", "True", "AsExpected");
    scene.check("ResolvedRefs", "False", "InvalidContent");
    scene.check("Stalled", "True", "InvalidContent");
    assert!(scene.condition("ResolvedRefs").message.contains("it is empty"));
    scene.unusable = None;
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn a_value_of_the_spec_that_no_connection_can_use_is_told_with_its_path() {
    let endpoint = ConnectionError::Endpoint { endpoint: "ftp://a".into(), problem: "is odd" };
    let cases = [
        (ConnectionError::NoEndpoint, "spec.connection.endpoints: no endpoint is given"),
        (endpoint, "spec.connection.endpoints: the endpoint 'ftp://a' is odd"),
        (
            ConnectionError::Tls(Unusable::ServerName("a..b".into())),
            "spec.connection.tls.serverName: ",
        ),
    ];
    for (error, message) in cases {
        let mut scene = Scene::new(snapshot(view("u")));
        scene.unusable = Some(error);
        scene.settle();
        scene.check("Accepted", "False", "InvalidSpec");
        scene.check("ResolvedRefs", "Unknown", "Waiting");
        scene.check("Ready", "False", "InvalidSpec");
        scene.check("Stalled", "True", "InvalidSpec");
        let told = &scene.condition("Accepted").message;
        assert!(told.starts_with(message), "{told}");
    }
}

#[test]
fn a_deleted_object_disconnects_and_goes() {
    let mut scene = Scene::settled();
    scene.delete();
    let plan = plan::next(&scene.cluster, &scene.seen(), scene.time());
    assert!(plan.let_go);
    assert_eq!(step(&scene), "disconnect");
    scene.connected = None;
    assert_eq!(step(&scene), "nothing");
}

#[test]
fn a_deleted_object_goes_though_nothing_of_it_can_be_reached() {
    let mut scene = Scene::settled();
    scene.connection = Err(missing());
    scene.fail("connect");
    scene.delete();
    assert!(plan::next(&scene.cluster, &scene.seen(), scene.time()).let_go);
}

#[test]
fn a_deleted_object_stays_connected_while_indices_need_it() {
    let mut scene = Scene::settled();
    scene.needed_by = (0..9).map(|it| format!("index-{it}")).collect();
    scene.delete();
    scene.settle();
    assert!(!plan::next(&scene.cluster, &scene.seen(), scene.time()).let_go);
    assert_eq!(step(&scene), "nothing");
    scene.check("Ready", "False", "Deleting");
    let message = &scene.condition("Ready").message;
    assert!(message.contains("index-0") && message.contains("index-4"), "{message}");
    assert!(!message.contains("index-5"), "cut: {message}");
    // The conditions that the indices wait for are still told.
    scene.check("Reachable", "True", "AsExpected");
    scene.needed_by.clear();
    assert!(plan::next(&scene.cluster, &scene.seen(), scene.time()).let_go);
}

#[test]
fn a_managed_cluster_is_asked_until_its_object_goes_though_secrets_or_hosts_went_first() {
    let mut scene = Scene::settled();
    let step = |scene: &Scene| {
        let managed = Some(Seen::new(&scene.cluster, found(), Vec::new()));
        let seen = Observed { managed, ..scene.seen() };
        plan::next(&scene.cluster, &seen, scene.time()).step
    };
    scene.connection = Ok(None);
    assert!(matches!(step(&scene), Some(Step::SetAside)));
    scene.aside = scene.connected.take();
    assert!(step(&scene).is_none(), "it is kept");
    scene.needed_by = vec!["orders".into()];
    scene.delete();
    assert!(matches!(step(&scene), Some(Step::TakeBack)));
    scene.needed_by.clear();
    assert!(matches!(step(&scene), Some(Step::Disconnect)));
}

#[test]
fn a_restart_writes_nothing() {
    let mut scene = Scene::settled();
    let before = scene.status().clone();
    scene.restart();
    for _ in 0..4 {
        let turn = scene.turn();
        assert!(!turn.wrote && turn.notices.is_empty());
    }
    assert_eq!(*scene.status(), before);
}

#[test]
fn a_restart_while_elasticsearch_is_away_writes_nothing_that_was_known() {
    let mut scene = Scene::settled();
    scene.fail("connect");
    scene.settle();
    let before = scene.status().clone();
    scene.restart();
    // A new process has no last good answer of its own.
    scene.poll.cluster = None;
    scene.settle();
    let after = scene.status();
    assert_eq!(after.elasticsearch, before.elasticsearch);
    assert_eq!(after.nodes, before.nodes);
    scene.check("Reachable", "False", "Unreachable");
    scene.check("Ready", "False", "Unreachable");
}

#[test]
fn a_new_object_says_that_it_waits_for_the_first_answer() {
    let mut scene = Scene::new(snapshot(view("u")));
    scene.turn();
    scene.check("Reachable", "Unknown", "NotChecked");
    scene.check("Ready", "False", "NotChecked");
    scene.check("Reconciling", "True", "NotChecked");
    assert!(scene.status().elasticsearch.is_none());
}

#[test]
fn a_deletion_goes_on_with_the_credentials_whose_secret_went_before_it_began() {
    let mut scene = Scene::settled();
    scene.connection = Err(missing());
    scene.settle();
    assert_eq!(step(&scene), "nothing");
    scene.delete();
    scene.needed_by = vec!["books".into()];
    assert_eq!(step(&scene), "take back");
    scene.settle();
    scene.check("ResolvedRefs", "True", "Deleting");
    scene.check("Reachable", "True", "AsExpected");
    scene.needed_by.clear();
    assert_eq!(step(&scene), "disconnect");
}
