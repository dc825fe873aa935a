//! One Cluster object and its Elasticsearch, from reconcile to reconcile. Each turn holds what must
//! hold of every status, whatever happened.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use super::super::{
    apply::Outcome,
    observe::Observed,
    plan::{self, Plan, Step},
    planned,
    rollout::{
        self,
        observe::Seen,
        plan::{Decided, Doubt},
    },
    status,
};
use crate::{
    api::{
        cluster::Cluster,
        cluster_status::{ClusterStatus, HostCounts},
        condition::{Condition, find},
    },
    controllers::references::Problem,
    elasticsearch::{
        connection::{Auth, Connection, ConnectionError},
        fixtures::{ENDPOINT, error, snapshot, view},
        snapshot::{ClusterView, Snapshot},
    },
    kubernetes::events::Notice,
};

/// The uuid of the Elasticsearch that is there at first.
pub const UUID: &str = "first";

/// What came of one reconcile.
pub struct Turn {
    pub plan: Plan,
    pub decided: Decided,
    pub notices: Vec<Notice>,
    /// Whether the status was written.
    pub wrote: bool,
}

/// The object, the world, and the clock.
pub struct Scene {
    pub cluster: Cluster,
    pub connection: Result<Option<Connection>, Problem>,
    pub connected: Option<[u8; 32]>,
    /// The connection that was set aside.
    pub aside: Option<[u8; 32]>,
    /// What a poll sees, once connected.
    pub poll: Snapshot,
    /// Whether a poll has ended on the connection.
    pub polled: bool,
    /// Why the connection can't be used, where it can't.
    pub unusable: Option<ConnectionError>,
    pub needed_by: Vec<String>,
    pub hosts: HostCounts,
    /// What else the spec names that is not there.
    pub missing: Option<Problem>,
    /// Whether what the Cluster has can't be worked with.
    pub is_refused: bool,
    /// Whether it can't be asked yet if what it asks for takes a run.
    pub is_unasked: bool,
    /// What a run over the hosts goes by, where one is looked for.
    pub look: Option<Seen>,
    /// Seconds.
    pub now: i64,
}

/// A Cluster object as a person would first apply it.
pub fn cluster() -> Cluster {
    let cluster = json!({
        "metadata": { "name": "es", "namespace": "shop", "uid": "uid-es", "generation": 1 },
        "spec": { "connection": { "endpoints": [ENDPOINT] } },
    });
    serde_json::from_value(cluster).unwrap()
}

/// What the spec's references come to.
pub fn connection(endpoint: &str) -> Connection {
    Connection {
        endpoints: vec![endpoint.parse().unwrap()],
        auth: Auth::Anonymous,
        ca: None,
        fingerprint: None,
        server_name: None,
        timeout: Duration::from_secs(10),
    }
}

impl Scene {
    /// The object was just applied, and this is what a poll will see.
    pub fn new(poll: Snapshot) -> Self {
        Self {
            cluster: cluster(),
            connection: Ok(Some(connection(ENDPOINT))),
            connected: None,
            aside: None,
            poll,
            polled: false,
            unusable: None,
            needed_by: Vec::new(),
            hosts: HostCounts::default(),
            missing: None,
            is_refused: false,
            is_unasked: false,
            look: None,
            now: 1_000,
        }
    }

    /// The object was applied and its green Elasticsearch answers.
    pub fn settled() -> Self {
        let mut scene = Self::new(snapshot(view(UUID)));
        scene.settle();
        scene.check("Ready", "True", "AsExpected");
        scene
    }

    /// A person changes the object.
    pub fn edit(&mut self, change: impl FnOnce(&mut Cluster)) {
        change(&mut self.cluster);
        self.cluster.metadata.generation = self.cluster.metadata.generation.map(|it| it + 1);
    }

    pub fn delete(&mut self) {
        self.edit(|it| it.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH)));
    }

    /// The spec names the only cluster that may be touched, or no longer does.
    pub fn expect(&mut self, uuid: Option<&str>) {
        let connection = self.cluster.spec.connection.as_mut().expect("it has one");
        connection.expected_uuid = uuid.map(Into::into);
    }

    /// A person takes the connection away: what is left is a group of hosts.
    pub fn take_connection(&mut self) {
        self.edit(|it| it.spec.connection = None);
        self.connection = Ok(None);
    }

    /// A person gives a connection.
    pub fn give_connection(&mut self) {
        self.edit(|it| it.spec.connection = cluster().spec.connection);
        self.connection = Ok(Some(connection(ENDPOINT)));
    }

    /// Elasticsearch goes on, with something changed.
    pub fn change(&mut self, change: impl FnOnce(&mut ClusterView)) {
        let cluster = self.poll.cluster.as_mut().expect("it has answered");
        change(Arc::make_mut(cluster));
    }

    /// From now on every poll fails so; the last good answer stays.
    pub fn fail(&mut self, word: &str) {
        self.poll = self.poll.clone().with_fault(error(word));
    }

    /// Polls go well again.
    pub fn recover(&mut self) {
        self.poll.fault = None;
    }

    /// The operator stops and starts.
    pub fn restart(&mut self) {
        self.connected = None;
        self.aside = None;
        self.polled = false;
    }

    pub fn seen(&self) -> Observed {
        let polled = self.connected.is_some() && self.polled;
        let any = self.connected.is_some() || self.aside.is_some();
        Observed {
            aside: self.aside.is_some(),
            connection: self.connection.clone(),
            connected: self.connected,
            snapshot: if polled { self.poll.clone() } else { Snapshot::default() },
            needed_by: self.needed_by.clone(),
            lasts: self.cluster.metadata.deletion_timestamp.is_some() && any,
            holds: false,
            managed: None,
            hosts: self.hosts,
            missing: self.missing.clone(),
        }
    }

    fn doubt(&self) -> Option<Doubt> {
        let is_refused = self.is_refused.then_some(Doubt::Refused);
        self.is_unasked.then_some(Doubt::Unasked).or(is_refused)
    }

    /// One reconcile; by the next one, a poll has ended.
    pub fn turn(&mut self) -> Turn {
        self.now += 10;
        let seen = self.seen();
        let plan = plan::next(&self.cluster, &seen, self.time());
        let mut decided =
            rollout::plan::next(&self.cluster, self.look.as_ref(), None, self.doubt(), self.time());
        let look = self.look.as_ref();
        decided.held =
            planned::held(&self.cluster, (&seen, &plan), look, None, &decided, &BTreeMap::new());
        let mut outcome = Outcome::default();
        let mut connected = self.connected;
        match &plan.step {
            Some(Step::Connect(connection)) => {
                outcome.unusable = self.unusable.clone();
                outcome.connecting = outcome.unusable.is_none();
                connected = outcome.connecting.then(|| connection.digest());
                self.aside = None;
            }
            Some(Step::SetAside) => self.aside = connected.take(),
            Some(Step::TakeBack) => {
                outcome.connecting = true;
                connected = self.aside.take();
            }
            Some(Step::Disconnect) => (connected, self.aside) = (None, None),
            None => {}
        }
        let after = status::after(&self.cluster, &seen, &plan, &outcome, &decided, self.time());
        let before = self.cluster.status.take();
        let mut notices = status::notices(before.as_ref(), &after);
        notices.extend(rollout::status::notices(before.as_ref(), &after));
        notices.extend(planned::notices(before.as_ref(), &after));
        assert_sound(before.as_ref(), &after, seen.has_elasticsearch());
        let wrote = before.as_ref() != Some(&after);
        // What the API server gives back.
        let stored: ClusterStatus =
            serde_json::from_value(serde_json::to_value(&after).unwrap()).unwrap();
        assert_eq!(after, stored, "comes back as it was written");
        self.cluster.status = Some(stored);
        self.assert_at_rest(&seen, &outcome);
        self.polled = connected.is_some();
        self.connected = connected;
        Turn { plan, decided, notices, wrote }
    }

    /// Reconciles until there is nothing to do and nothing to write; the notices on the way.
    pub fn settle(&mut self) -> Vec<Notice> {
        let mut notices = Vec::new();
        for _ in 0..6 {
            let turn = self.turn();
            notices.extend(turn.notices);
            // A connection that can't be used is tried at each look.
            let rests = turn.plan.step.is_none() || self.unusable.is_some();
            if rests && !turn.wrote {
                return notices;
            }
        }
        panic!("never comes to rest: {:?}", self.cluster.status);
    }

    pub fn status(&self) -> &ClusterStatus {
        self.cluster.status.as_ref().expect("a status was written")
    }

    pub fn condition(&self, kind: &str) -> &Condition {
        find(&self.status().conditions, kind).expect("the condition is there")
    }

    /// Status and reason of a condition.
    #[track_caller]
    pub fn check(&self, kind: &str, status: &str, reason: &str) {
        let found = self.condition(kind);
        let message = &found.message;
        assert_eq!((&*found.status, &*found.reason), (status, reason), "{kind}: {message}");
    }

    pub fn time(&self) -> Timestamp {
        // Finer than what the API server keeps.
        Timestamp::new(self.now, 123_456_789).unwrap()
    }

    /// The same look at the same world, later: nothing to write, nothing to tell.
    fn assert_at_rest(&self, seen: &Observed, outcome: &Outcome) {
        let later = Timestamp::new(self.now + 1_000, 0).unwrap();
        let plan = plan::next(&self.cluster, seen, later);
        let mut decided = rollout::plan::next(&self.cluster, None, None, self.doubt(), later);
        decided.held =
            planned::held(&self.cluster, (seen, &plan), None, None, &decided, &BTreeMap::new());
        let again = status::after(&self.cluster, seen, &plan, outcome, &decided, later);
        assert_eq!(Some(&again), self.cluster.status.as_ref(), "the same world, another status");
        assert_eq!(status::notices(Some(&again), &again), [], "told twice");
        assert_eq!(planned::notices(Some(&again), &again), [], "told twice");
    }
}

/// What holds of every status that follows another.
fn assert_sound(before: Option<&ClusterStatus>, after: &ClusterStatus, has_elasticsearch: bool) {
    let is = |kind: &str| find(&after.conditions, kind).map(|it| it.status.as_str());
    let kinds: Vec<&str> = after.conditions.iter().map(|it| it.type_.as_str()).collect();
    let always = [
        "Ready",
        "Accepted",
        "ResolvedRefs",
        "Reachable",
        "Authenticated",
        "IdentityMatches",
        "Available",
        "Healthy",
    ];
    let always = if has_elasticsearch { &always[..] } else { &always[..3] };
    assert_eq!(kinds[..always.len()], *always, "all conditions are there from the first status on");
    assert!(!kinds[always.len()..].contains(&"Reachable"), "nothing is there to be reached");
    let ready = is("Ready") == Some("True");
    match (is("Reconciling"), is("Stalled")) {
        (None, None) => assert!(ready, "not Ready, and neither at work nor stalled"),
        (Some("True"), None) | (None, Some("True")) => assert!(!ready, "Ready and still at work"),
        both => panic!("Reconciling and Stalled are {both:?}"),
    }
    let needed = always[1..].iter().filter(|it| **it != "Healthy");
    let deleting = find(&after.conditions, "Ready").is_some_and(|it| it.reason == "Deleting");
    // Of the hosts something may be wanted while all else is well.
    let of_hosts = ["Paused", "InProgress", "Blocked", "RolloutPaused", "PlanOnly", "Waiting"];
    let is_wanted =
        find(&after.conditions, "Ready").is_some_and(|it| of_hosts.contains(&&*it.reason));
    if !deleting {
        let is_well = needed.clone().all(|it| is(it) == Some("True"));
        assert_eq!(ready, is_well && !is_wanted, "what Ready means");
    }
    assert!(!(ready && after.rollout.is_some()), "Ready in the middle of a run");
    for condition in &after.conditions {
        assert!(!condition.reason.is_empty() && !condition.message.is_empty(), "{condition:?}");
        let earlier = before.and_then(|it| find(&it.conditions, &condition.type_));
        if let Some(earlier) = earlier {
            let moved = earlier.last_transition_time != condition.last_transition_time;
            let flipped = earlier.status != condition.status;
            assert_eq!(moved, flipped, "{}: the transition time", condition.type_);
        }
    }
    assert!(after.nodes.len() <= 64 && after.diagnostics.len() <= 50 && after.plan.len() <= 50);
    let generation = before.and_then(|it| it.observed_generation);
    assert!(generation <= after.observed_generation, "the observed generation went back");
}
