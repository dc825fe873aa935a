//! One Host object and its machine, from reconcile to reconcile. Each turn holds what must hold of
//! every status, whatever happened.

mod probe;
mod sound;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use self::sound::assert_sound;
use super::super::{
    apply::Outcome,
    deletion,
    elasticsearch::{self, wish::Wish as Asked},
    network::Wish,
    observe::{ClusterView, Observed},
    operation::{self, apply::Ending, errand::Errand},
    plan::{self, Plan, Step},
    prepared,
    references::tests::target_of,
    registration,
    status::{self, Pace},
};
pub use super::machine::{MACHINE, Machine, print};
use super::nodes::Nodes;
use crate::{
    api::{
        condition::{Condition, find},
        host::Host,
        host_status::HostStatus,
        rollout_status::RolloutStep,
    },
    controllers::{Next, references::Problem},
    kubernetes::events::Notice,
    ssh::{
        error::{Cause, Error},
        remote::{View, Watch, digest},
        service::Unit,
        target::Target,
    },
};

/// Another one.
pub const OTHER: &str = "22222222222222222222222222222222";
/// How often figures are written, in seconds.
pub const STATS: i64 = 300;

/// What came of one reconcile.
pub struct Turn {
    pub plan: Plan,
    pub notices: Vec<Notice>,
    /// When the Node wants to be looked at again.
    pub next: Option<Next>,
    /// Whether the status was written.
    pub wrote: bool,
}

/// The object, the machine, and the clock.
pub struct Scene {
    pub host: Host,
    /// Why what the spec names can't be used, where it can't.
    pub problem: Option<Problem>,
    pub cluster: Option<ClusterView>,
    pub claimed_by: Option<String>,
    /// What the Cluster's Network asks of the machine.
    pub network: Wish,
    /// What the Cluster asks about Elasticsearch that Drover itself runs.
    pub elasticsearch: Asked,
    /// What the Cluster's run has for the Host.
    pub errand: Option<Errand>,
    /// The Cluster whose mode Plan holds back all changes of the machine.
    pub held_by: Option<String>,
    /// The service that runs Elasticsearch on the Cluster's hosts.
    pub unit: Option<Unit>,
    /// Whether what a step of the run is decided on turns out not to be so.
    pub is_stale: bool,
    /// Until when leave to begin was given, where it was not used.
    pub leave: Option<i64>,
    /// The other API servers.
    pub nodes: Nodes,
    pub machine: Machine,
    pub watched: Option<Arc<Watch>>,
    /// What was watched until what the spec names went away.
    pub aside: Option<Arc<Watch>>,
    view: View,
    /// Seconds.
    pub now: i64,
    /// So many seconds lie between two reconciles.
    pub pace: i64,
}

/// A Host object as a person would first apply it.
pub fn host() -> Host {
    let fingerprints = [print('A').to_string()];
    let host = json!({
        "metadata": { "name": "es-1", "namespace": "shop", "uid": "uid-1", "generation": 1 },
        "spec": {
            "address": "h1",
            "credentials": { "secretName": "ssh" },
            "hostKey": { "fingerprints": fingerprints },
        },
    });
    serde_json::from_value(host).unwrap()
}

/// A failure of which `word` is all that differs.
pub fn fault(word: &str) -> Error {
    let host = || "h1:22".into();
    let cause = || Cause::new("its words");
    match word {
        "connect" => Error::Connect { host: host(), cause: cause() },
        "unauthorized" => Error::Unauthorized { host: host(), user: "root".into(), hint: "" },
        "refused" => Error::Refused { host: host(), what: "probe", cause: cause() },
        "busy" => Error::Busy { host: host() },
        "handshake" => Error::Handshake { host: host(), cause: cause() },
        "timeout" => Error::Timeout { host: host(), what: "probe", limit: Duration::from_secs(20) },
        "failed" => Error::Failed {
            host: host(),
            what: "gather facts",
            ending: crate::ssh::error::Ending::Exited(2),
            cause: cause(),
        },
        "not root" => {
            let cause = Cause::new("the user is not root");
            Error::UnexpectedOutput { host: host(), what: "check for root", cause }
        }
        "sudo" => Error::Sudo { host: host(), what: "check for root", cause: cause() },
        "credentials" => {
            let problem = crate::ssh::credentials::CredentialsError::PassphraseMissing;
            Error::Credentials { host: host(), problem }
        }
        other => panic!("what is {other}?"),
    }
}

impl Scene {
    /// The object was just applied.
    pub fn new() -> Self {
        Self {
            host: host(),
            problem: None,
            cluster: None,
            claimed_by: None,
            network: Wish::Nothing,
            elasticsearch: Asked::Nothing,
            errand: None,
            held_by: None,
            unit: None,
            is_stale: false,
            leave: None,
            nodes: Nodes::default(),
            machine: Machine::good(),
            watched: None,
            aside: None,
            view: View::default(),
            now: 1_000,
            pace: 10,
        }
    }

    /// The object was applied and its machine is as it should be.
    pub fn settled() -> Self {
        let mut scene = Self::new();
        scene.settle();
        scene.check("Ready", "True", "AsExpected");
        scene
    }

    /// A person changes the object.
    pub fn edit(&mut self, change: impl FnOnce(&mut Host)) {
        change(&mut self.host);
        self.host.metadata.generation = self.host.metadata.generation.map(|it| it + 1);
    }

    /// A person sets fields of the spec.
    pub fn spec(&mut self, fields: &Value) {
        self.edit(|host| {
            let mut spec = serde_json::to_value(&host.spec).unwrap();
            for (name, value) in fields.as_object().unwrap() {
                spec[name] = value.clone();
            }
            host.spec = serde_json::from_value(spec).unwrap();
        });
    }

    pub fn delete(&mut self) {
        self.edit(|it| it.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH)));
    }

    pub fn label(&mut self, name: &str, value: &str) {
        let labels = self.host.metadata.labels.get_or_insert_default();
        labels.insert(name.into(), value.into());
    }

    pub fn annotate(&mut self, name: &str, value: &str) {
        let annotations = self.host.metadata.annotations.get_or_insert_default();
        annotations.insert(name.into(), value.into());
    }

    /// Another machine stands behind the address.
    pub fn replace_machine(&mut self) {
        self.machine.facts.identity.machine_id = Some(OTHER.into());
    }

    /// The operator stops and starts.
    pub fn restart(&mut self) {
        self.watched = None;
        self.aside = None;
        self.view = View::default();
    }

    fn target(&self) -> Result<Target, Problem> {
        match &self.problem {
            Some(problem) => Err(problem.clone()),
            None => target_of(&self.host),
        }
    }

    pub fn seen(&self) -> Observed {
        let target = self.target();
        let is_deleting = self.host.metadata.deletion_timestamp.is_some();
        let is_same = |it: &Arc<Watch>| match &target {
            Ok(target) => digest(target) == digest(&it.target),
            Err(_) => is_deleting,
        };
        let view = self.watched.as_ref().filter(|it| is_same(it)).map(|_| self.view.clone());
        let mut registration = self.nodes.seen(&self.host);
        let is_cordoned = operation::record(&self.host).is_some_and(|it| it.cordoned_by_us);
        registration.is_held = self.errand.as_ref().is_some_and(|it| it.holds(is_cordoned));
        Observed {
            target,
            cluster: self.cluster,
            watched: self.watched.clone(),
            aside: self.aside.clone(),
            view: view.unwrap_or_default(),
            claimed_by: self.claimed_by.clone(),
            network: self.network.clone(),
            elasticsearch: self.elasticsearch.clone(),
            errand: self.errand.clone(),
            held_by: self.held_by.clone(),
            unit: self.unit.clone(),
            registration,
        }
    }

    /// One reconcile; what was watched before it has been probed by then.
    pub fn turn(&mut self) -> Turn {
        self.now += self.pace;
        self.probe();
        let seen = self.seen();
        let plan = plan::next(&self.host, &seen, self.time());
        let mut outcome = Outcome::default();
        match &plan.step {
            Some(Step::Watch(watch)) => {
                outcome.awaiting = true;
                let is_same = |it: &Arc<Watch>| digest(&watch.target) == digest(&it.target);
                if !self.watched.as_ref().is_some_and(is_same) {
                    self.view = View::default();
                }
                self.forget(watch);
                if self.watched.as_ref().is_none_or(|it| it.work != watch.work) {
                    (self.view.worked, self.leave) = (None, None);
                }
                if self.watched.as_ref().is_none_or(|it| it.installation != watch.installation) {
                    self.view.installed = None;
                }
                self.watched = Some(Arc::new(watch.as_ref().clone()));
            }
            Some(Step::Leave) => (self.watched, self.aside) = (None, None),
            Some(Step::SetAside) => self.aside = self.watched.take(),
            None => {}
        }
        if let Some(step) = &plan.registration {
            outcome.registration = self.nodes.take(&self.host, step);
        }
        outcome.operation = self.take(plan.operation.as_ref());
        outcome.elasticsearch = self.install(plan.elasticsearch.as_ref());
        let pace = Pace { stats: Duration::from_secs(STATS.unsigned_abs()) };
        let after = status::after(&self.host, &seen, &plan, &outcome, pace, self.time());
        let before = self.host.status.take();
        self.host.status.clone_from(&before);
        let mut notices = status::notices(&self.host, &after);
        let (step, ending) = (plan.registration.as_ref(), &outcome.registration);
        let record = after.container_manager.as_ref();
        let next = registration::next(step, ending, record);
        notices.extend(registration::status::notices(&self.host, step, ending, record));
        notices.extend(prepared::notices(&self.host, &seen, &after));
        notices.extend(operation::notices::between(&self.host, &after));
        let of_elasticsearch = (plan.elasticsearch.as_ref(), outcome.elasticsearch);
        notices.extend(elasticsearch::status::notices(&self.host, of_elasticsearch, &after));
        let farewell = plan.farewell.as_ref().filter(|_| plan.let_go);
        notices.extend(farewell.and_then(|it| deletion::notice(&self.host, it, &after)));
        assert_sound(before.as_ref(), &after);
        let wrote = before.as_ref() != Some(&after);
        // What the API server gives back.
        let stored: HostStatus =
            serde_json::from_value(serde_json::to_value(&after).unwrap()).unwrap();
        assert_eq!(after, stored, "comes back as it was written");
        self.host.status = Some(stored);
        self.assert_at_rest(&seen, &plan, &outcome);
        Turn { plan, notices, next, wrote }
    }

    /// What was seen for another reason than `watch` has says nothing of it.
    fn forget(&mut self, watch: &Watch) {
        let Some(before) = &self.watched else { return self.view = View::default() };
        if !before.looks_the_same(watch) {
            self.view.checked = None;
        }
        if !before.glances_the_same(watch) {
            self.view.glanced = None;
        }
        if before.spent != watch.spent {
            self.view.cleared = None;
        }
    }

    /// What comes of a step of the run.
    fn take(&mut self, step: Option<&operation::plan::Step>) -> Ending {
        use operation::plan::Step;
        match step {
            None => Ending::Nothing,
            Some(_) if self.is_stale => Ending::Stale,
            Some(Step::Take(_)) => Ending::Taken,
            Some(Step::Drop) => Ending::Dropped,
            Some(Step::Begin(_)) => {
                let errand = self.errand.as_ref().expect("nobody begins without a permit");
                if errand.step == RolloutStep::Stage {
                    // What takes nothing down is begun whenever it can be.
                    self.leave = Some(self.now + 15);
                    return Ending::Permitted;
                }
                if 15 < self.now - errand.started_at.as_second() && !errand.touched {
                    return Ending::TooLate;
                }
                let since = if errand.touched { self.now } else { errand.started_at.as_second() };
                self.leave = Some(since + 15);
                Ending::Permitted
            }
        }
    }

    /// What comes of a step about its Elasticsearch.
    fn install(&self, step: Option<&elasticsearch::plan::Step>) -> elasticsearch::apply::Ending {
        use elasticsearch::{apply::Ending, plan::Step};
        match step {
            None => Ending::Nothing,
            Some(_) if self.is_stale => Ending::Stale,
            Some(Step::Begin(..)) => Ending::Begun,
            Some(Step::End | Step::Drop) => Ending::Over,
        }
    }

    /// Reconciles until there is nothing to do and nothing to write; the notices on the way.
    pub fn settle(&mut self) -> Vec<Notice> {
        let mut notices = Vec::new();
        for _ in 0..20 {
            let turn = self.turn();
            notices.extend(turn.notices);
            let is_idle = turn.plan.step.is_none()
                && turn.plan.registration.is_none()
                && turn.plan.elasticsearch.is_none()
                && turn.plan.operation.is_none();
            if is_idle && !turn.wrote {
                return notices;
            }
        }
        panic!("never comes to rest: {:?}", self.host.status);
    }

    pub fn status(&self) -> &HostStatus {
        self.host.status.as_ref().expect("a status was written")
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

    fn time(&self) -> Timestamp {
        // Finer than what the API server keeps.
        Timestamp::new(self.now, 123_456_789).unwrap()
    }

    /// The same look at the same world, later: nothing to write, nothing to tell.
    fn assert_at_rest(&self, seen: &Observed, plan: &Plan, outcome: &Outcome) {
        let is_at_work = plan.step.is_some()
            || plan.registration.is_some()
            || plan.operation.is_some()
            || plan.elasticsearch.is_some();
        if is_at_work || !plan.first_keys.is_empty() {
            return;
        }
        let plan = plan::next(&self.host, seen, self.time());
        let later = Timestamp::new(self.now + 1_000, 0).unwrap();
        let pace = Pace { stats: Duration::from_secs(STATS.unsigned_abs()) };
        let again = status::after(&self.host, seen, &plan, outcome, pace, later);
        assert_eq!(Some(&again), self.host.status.as_ref(), "the same world, another status");
        assert_eq!(status::notices(&self.host, &again), [], "told twice");
        assert_eq!(prepared::notices(&self.host, seen, &again), [], "told twice");
    }
}
