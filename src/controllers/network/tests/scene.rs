//! One Network object, the hosts that use it and its etcd, from reconcile to reconcile. Each turn
//! holds what must hold of every status, whatever happened.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::super::{
    apply::Outcome,
    config::config,
    observe::{Found, Member, Observed, Trouble},
    plan::{self, Plan},
    status,
};
use crate::{
    api::{
        condition::{Condition, find},
        network::{Network, NetworkStatus},
    },
    controllers::references::Problem,
    flannel::{
        client::ClusterId,
        config::{Decision, Stored},
        error::Error as EtcdError,
        leases::{Lease, Leases},
        network::Written,
    },
    kubernetes::events::Notice,
    object_key::ObjectKey,
    ssh::{
        error::{Cause, Error},
        reach::{Answer, Outcome as Try, Peer},
    },
};

/// The object, what it would see, and the clock.
pub struct Scene {
    pub network: Network,
    pub members: Vec<Member>,
    pub claimed_by: Option<String>,
    /// Why what the spec names can't be used, where it can't.
    pub problem: Option<Problem>,
    /// Why etcd does not answer, where it does not.
    pub fault: Option<EtcdError>,
    pub stored: Option<Stored>,
    pub leases: Leases,
    /// Tells the way to etcd from others.
    pub revision: &'static str,
    /// What becomes of the next write, where it is not done.
    pub write: Option<Result<Written, EtcdError>>,
    now: i64,
}

/// What came of one reconcile.
pub struct Turn {
    pub plan: Plan,
    pub notices: Vec<Notice>,
    /// Whether the status was written.
    pub wrote: bool,
    /// Whether something was written into etcd.
    pub configured: bool,
}

fn network(spec: &Value) -> Network {
    let network = json!({
        "metadata": { "name": "net", "namespace": "shop", "uid": "uid-1", "generation": 1 },
        "spec": spec,
    });
    serde_json::from_value(network).unwrap()
}

/// A host of the Cluster `es` that is in service and answers.
pub fn member(name: &str) -> Member {
    Member {
        key: ObjectKey { namespace: "shop".into(), name: name.into() },
        cluster: "es".into(),
        address: format!("{name}.example"),
        without_flannel: None,
        serves: true,
        answers: true,
        reached: None,
    }
}

/// A host's part of the network.
pub fn lease(host: [u8; 4], subnet: &str) -> Lease {
    Lease { host: host.into(), subnet: subnet.parse().unwrap(), backend: "vxlan".into() }
}

/// A failure to talk to etcd.
pub fn fault() -> EtcdError {
    let endpoint = "https://etcd.example:2379".into();
    let after = std::time::Duration::from_secs(10);
    EtcdError::Timeout { endpoint, attempt: "read the network's configuration", after }
}

impl Scene {
    pub fn new(spec: &Value) -> Self {
        Self {
            network: network(spec),
            members: Vec::new(),
            claimed_by: None,
            problem: None,
            fault: None,
            stored: None,
            leases: Leases::default(),
            revision: "first",
            write: None,
            now: 1_000,
        }
    }

    /// A network of the hosts' own addresses, with three hosts that have told nothing yet.
    pub fn of_hosts() -> Self {
        let mut scene = Self::new(&json!({ "type": "HostNetwork" }));
        scene.members = ["es-1", "es-2", "es-3"].map(member).into();
        scene
    }

    /// A network of flannel in an etcd that holds nothing yet.
    pub fn of_flannel() -> Self {
        let config = json!({ "network": "10.5.0.0/16", "backend": { "type": "Vxlan", "vni": 7 } });
        let endpoints = ["https://etcd.example:2379"];
        let options = json!({ "endpoints": endpoints, "config": config });
        Self::new(&json!({ "type": "FlannelEtcd", "options": options }))
    }

    /// All hosts tell what they are asked now, and reach each other but for these, by name.
    pub fn tell(&mut self, apart: &[(&str, &str, u16)]) {
        let questions = plan::next(&self.network, &self.seen()).questions;
        let names: BTreeMap<String, String> =
            self.members.iter().map(|it| (it.address.clone(), it.key.name.clone())).collect();
        for member in &mut self.members {
            let Some(peers) = questions.get(&member.key) else { continue };
            let tried = peers.iter().map(|peer| {
                let pair = (&*member.key.name, &*names[peer.address()], peer.port());
                let outcome = if apart.contains(&pair) { Try::Silent } else { Try::Closed };
                (peer.clone(), outcome)
            });
            member.reached = Some(Arc::new(Answer { result: Ok(tried.collect()) }));
        }
    }

    /// One host could not try.
    pub fn fail(&mut self, name: &str) {
        let member = self.members.iter_mut().find(|it| it.key.name == name).unwrap();
        let cause = Cause::new("it has no bash");
        let host = "h1:22".into();
        let error = Error::UnexpectedOutput { host, what: "reach peers", cause };
        member.reached = Some(Arc::new(Answer { result: Err(error) }));
    }

    /// The operator stops and starts.
    pub fn restart(&mut self) {
        for member in &mut self.members {
            member.reached = None;
        }
    }

    pub fn spec(&mut self, spec: &Value) {
        self.network.spec = serde_json::from_value(spec.clone()).unwrap();
        self.edited();
    }

    pub fn delete(&mut self) {
        self.network.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        self.edited();
    }

    fn edited(&mut self) {
        self.network.metadata.generation = self.network.metadata.generation.map(|it| it + 1);
    }

    pub fn seen(&self) -> Observed {
        let declared = self.network.spec.options.as_ref().and_then(|it| it.config.as_ref());
        let found = |declared| match (&self.problem, &self.fault) {
            (Some(problem), _) => Err(Trouble::Unusable(problem.clone())),
            (None, Some(fault)) => Err(Trouble::Failed(fault.clone())),
            (None, None) => match config(declared) {
                Err(problem) => Err(Trouble::Unusable(problem)),
                Ok(declared) => {
                    let (stored, leases) = (self.stored.clone(), self.leases.clone());
                    let (cluster, revision) = (ClusterId(0xcdf8), self.revision.to_owned());
                    Ok(Found { declared, stored, leases, cluster, revision })
                }
            },
        };
        let is_asked =
            self.network.metadata.deletion_timestamp.is_none() && self.claimed_by.is_none();
        Observed {
            members: self.members.clone(),
            claimed_by: self.claimed_by.clone(),
            etcd: declared.filter(|_| is_asked).map(found),
        }
    }

    /// One reconcile.
    pub fn turn(&mut self) -> Turn {
        self.now += 10;
        let seen = self.seen();
        let plan = plan::next(&self.network, &seen);
        let mut outcome = Outcome::default();
        let mut configured = false;
        if let Some(Decision::Write(change)) = &plan.config {
            let written = self.write.clone().unwrap_or(Ok(Written::Done));
            if written == Ok(Written::Done) {
                configured = true;
                let revision = self.stored.as_ref().map_or(1, |it| it.revision + 1);
                self.stored = Some(Stored { text: change.text.clone(), revision });
            }
            outcome.written = Some(written);
        }
        let now = Timestamp::new(self.now, 123_456_789).unwrap();
        let after = status::after(&self.network, &seen, &plan, &outcome, now);
        let notices = status::notices(&self.network, &plan, &outcome, &after);
        assert_sound(&after);
        let stored: NetworkStatus =
            serde_json::from_value(serde_json::to_value(&after).unwrap()).unwrap();
        assert_eq!(after, stored, "comes back as it was written");
        let wrote = self.network.status.as_ref() != Some(&after);
        self.network.status = Some(stored);
        Turn { plan, notices, wrote, configured }
    }

    /// Reconciles until there is nothing to write; the reasons of all events on the way.
    pub fn settle(&mut self) -> Vec<Notice> {
        let mut notices = Vec::new();
        for _ in 0..6 {
            let turn = self.turn();
            notices.extend(turn.notices);
            if !turn.wrote && !turn.configured {
                return notices;
            }
        }
        panic!("never comes to rest: {:?}", self.network.status);
    }

    pub fn status(&self) -> &NetworkStatus {
        self.network.status.as_ref().expect("a status was written")
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
}

/// The peer that a host is asked for.
pub fn peer(name: &str, port: u16) -> Peer {
    Peer::new(&format!("{name}.example"), port).unwrap()
}

/// What holds of every status.
fn assert_sound(after: &NetworkStatus) {
    let is = |kind: &str| find(&after.conditions, kind).map(|it| it.status.as_str());
    let kinds: Vec<&str> = after.conditions.iter().map(|it| it.type_.as_str()).collect();
    let always = ["Ready", "Accepted", "ResolvedRefs", "Reachable", "Configured"];
    assert_eq!(kinds[..always.len()], always, "all conditions are there from the first status on");
    let ready = is("Ready") == Some("True");
    match (is("Reconciling"), is("Stalled")) {
        (None, None) => assert!(ready, "not Ready, and neither at work nor stalled"),
        (Some("True"), None) | (None, Some("True")) => assert!(!ready, "Ready and still at work"),
        other => panic!("{other:?}"),
    }
    let all = always[1..].iter().all(|it| is(it) == Some("True"));
    assert!(all || !ready, "Ready while something else is not True");
    assert!(after.leases.len() <= 256 && after.unreachable.len() <= 50);
    assert!(after.conditions.iter().all(|it| !it.reason.is_empty() && !it.message.is_empty()));
}
