//! The decisions about a `ContainerManager`, tried on what its server could have said.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::{
    apply::Outcome,
    observe::Observed,
    plan::{self, Step},
    status,
};
use crate::{
    api::{
        condition::{Reason, find},
        container_manager::{ContainerManager, ContainerManagerStatus, NodeCounts},
    },
    controllers::references::Problem,
    foreign::Cause,
    kubernetes::events::Notice,
    nodes::{
        connection::{Auth, Connection, ConnectionError},
        error::Error,
        manager::Snapshot,
        probe::{Permission, Probe},
    },
    tls::Unusable,
    transport::Failure,
};

/// One object, its server, and the clock.
struct Scene {
    manager: ContainerManager,
    connection: Result<Option<Connection>, Problem>,
    connected: Option<[u8; 32]>,
    asked: bool,
    probe: Probe,
    unusable: Option<ConnectionError>,
    members: Vec<String>,
    nodes: NodeCounts,
    now: i64,
}

fn manager(spec: &Value) -> ContainerManager {
    let manager = json!({
        "metadata": { "name": "a", "namespace": "shop", "uid": "u", "generation": 1 },
        "spec": spec,
    });
    serde_json::from_value(manager).unwrap()
}

fn connection() -> Connection {
    Connection {
        server: "https://nodes.example".parse().unwrap(),
        ca: None,
        server_name: None,
        auth: Auth::Token("t0ken".into()),
    }
}

impl Scene {
    fn new() -> Self {
        let options = json!({ "server": "https://nodes.example" });
        Self {
            manager: manager(&json!({ "type": "Kubernetes", "options": options })),
            connection: Ok(Some(connection())),
            connected: None,
            asked: false,
            probe: Probe {
                version: Some("v1.35.4".into()),
                user: Some("drover".into()),
                ..Probe::default()
            },
            unusable: None,
            members: Vec::new(),
            nodes: NodeCounts::default(),
            now: 1_000,
        }
    }

    fn settled() -> Self {
        let mut scene = Self::new();
        scene.settle();
        scene.check("Ready", "True", "AsExpected");
        scene
    }

    /// One reconcile; returns what was told, and whether the status was written.
    fn turn(&mut self) -> (Vec<&'static str>, bool) {
        self.now += 10;
        let asked = self.asked && self.connected.is_some();
        let probe = if asked { self.probe.clone() } else { Probe::default() };
        let seen = Observed {
            connection: self.connection.clone(),
            connected: self.connected,
            snapshot: Snapshot { asked, probe: Arc::new(probe), nodes: None },
            nodes: self.nodes,
            members: self.members.clone(),
        };
        let plan = plan::next(&self.manager, &seen);
        let mut outcome = Outcome::default();
        match &plan.step {
            Some(Step::Connect(connection)) => {
                outcome.unusable = self.unusable.clone();
                outcome.connecting = outcome.unusable.is_none();
                self.connected = outcome.connecting.then(|| connection.digest());
                self.asked = false;
            }
            Some(Step::SetAside | Step::Disconnect) => self.connected = None,
            None => self.asked = true,
        }
        let now = Timestamp::new(self.now, 123_456_789).unwrap();
        let after = status::after(&self.manager, &seen, &outcome, now);
        let before = self.manager.status.take();
        let told = status::notices(before.as_ref(), &after);
        let wrote = before.as_ref() != Some(&after);
        self.manager.status = Some(after);
        (told.iter().map(Notice::reason).collect(), wrote)
    }

    fn settle(&mut self) -> Vec<&'static str> {
        let mut told = Vec::new();
        for turn in 0..8 {
            let (news, wrote) = self.turn();
            told.extend(news);
            if turn > 2 && !wrote {
                return told;
            }
        }
        panic!("never comes to rest: {:?}", self.manager.status);
    }

    fn status(&self) -> &ContainerManagerStatus {
        self.manager.status.as_ref().unwrap()
    }

    fn message(&self, kind: &str) -> String {
        find(&self.status().conditions, kind).unwrap().message.to_string()
    }

    #[track_caller]
    fn check(&self, kind: &str, status: &str, reason: &str) {
        let found = find(&self.status().conditions, kind).expect("the condition is there");
        let message = &found.message;
        assert_eq!((&*found.status, &*found.reason), (status, reason), "{kind}: {message}");
    }
}

fn unauthorized() -> Error {
    Error::Unauthorized { server: "https://nodes.example".into(), reason: "who?".into() }
}

fn unreachable() -> Error {
    Error::Failed {
        server: "https://nodes.example".into(),
        attempt: "read the server's version".into(),
        failure: Failure::Connect(Cause::new("refused")),
    }
}

#[test]
fn a_server_that_answers_and_permits_all_is_ready_with_its_version() {
    let mut scene = Scene::new();
    scene.turn();
    scene.check("Reachable", "Unknown", "NotChecked");
    scene.check("Reconciling", "True", "NotChecked");
    assert_eq!(scene.settle(), ["Connected"]);
    for kind in ["Ready", "Accepted", "ResolvedRefs", "Reachable", "Authenticated", "Permitted"] {
        scene.check(kind, "True", "AsExpected");
    }
    assert_eq!(scene.status().version.as_ref().unwrap().as_str(), "v1.35.4");
    assert!(scene.message("Authenticated").contains("drover"));
}

#[test]
fn what_is_wrong_stands_in_the_condition_that_it_concerns() {
    let missing = vec![Permission::LIST_NODES];
    let faults = [
        (Probe { fault: Some(unreachable()), ..Probe::default() }, "Reachable", "Unreachable"),
        (
            Probe { fault: Some(unauthorized()), ..Probe::default() },
            "Authenticated",
            "AuthenticationFailed",
        ),
        (Probe { missing, ..Probe::default() }, "Permitted", "PrivilegeMissing"),
    ];
    for (probe, kind, reason) in faults {
        let mut scene = Scene::settled();
        let good = std::mem::replace(&mut scene.probe, probe);
        assert_eq!(scene.settle().len(), 1, "told once");
        scene.check(kind, "False", reason);
        scene.check("Ready", "False", reason);
        assert!(scene.status().version.is_some(), "the last one stays");
        scene.probe = good;
        scene.settle();
        scene.check("Ready", "True", "AsExpected");
    }
    let mut scene = Scene::settled();
    scene.probe.missing = vec![Permission::LIST_NODES];
    scene.settle();
    assert!(scene.message("Permitted").contains("list nodes"));
    scene.check("Stalled", "True", "PrivilegeMissing");
}

#[test]
fn a_secret_that_is_missing_is_waited_for_and_one_that_is_no_good_is_told() {
    let mut scene = Scene::new();
    let message = "spec.options.auth.token names Secret 'token'".into();
    scene.connection = Err(Problem { reason: Reason::SecretNotFound, message });
    assert_eq!(scene.settle(), ["ReferenceNotResolved"]);
    scene.check("ResolvedRefs", "False", "SecretNotFound");
    scene.check("Reachable", "Unknown", "Waiting");
    scene.check("Reconciling", "True", "SecretNotFound");
    scene.connection = Ok(Some(connection()));
    scene.settle();
    scene.check("Ready", "True", "AsExpected");

    let problems = [
        (ConnectionError::Tls(Unusable::Ca("no certificate")), "spec.options.ca"),
        (ConnectionError::Token("is empty"), "spec.options.auth"),
    ];
    for (error, path) in problems {
        let mut scene = Scene::new();
        scene.unusable = Some(error);
        scene.settle();
        scene.check("ResolvedRefs", "False", "InvalidContent");
        assert!(scene.message("ResolvedRefs").starts_with(path));
    }
    let mut scene = Scene::new();
    let server = "http://nodes.example".into();
    scene.unusable = Some(ConnectionError::Server { server, problem: "is not https" });
    scene.settle();
    scene.check("Accepted", "False", "InvalidSpec");
    scene.check("Stalled", "True", "InvalidSpec");
}

#[test]
fn a_restart_writes_nothing() {
    let mut scene = Scene::settled();
    scene.connected = None;
    scene.asked = false;
    for _ in 0..4 {
        assert!(!scene.turn().1);
    }
}

#[test]
fn a_trivial_one_is_ready_and_speaks_of_no_server() {
    let mut scene = Scene::new();
    scene.manager = manager(&json!({ "type": "Trivial" }));
    scene.connection = Ok(None);
    scene.settle();
    let kinds: Vec<&str> = scene.status().conditions.iter().map(|it| it.type_.as_str()).collect();
    assert_eq!(kinds, ["Ready", "Accepted", "ResolvedRefs"]);
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn a_deleted_one_stays_connected_until_its_hosts_have_left() {
    let mut scene = Scene::settled();
    scene.members = vec!["es-1".into()];
    scene.nodes = NodeCounts { registered: 1, ready: 0 };
    scene.manager.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
    scene.settle();
    assert!(scene.connected.is_some());
    scene.check("Ready", "False", "Deleting");
    assert!(scene.message("Ready").contains("es-1"));
    assert_eq!(scene.status().nodes.unwrap().registered, 1);
    scene.members.clear();
    scene.turn();
    assert_eq!(scene.connected, None);
}
