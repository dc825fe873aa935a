//! All of it together.

mod checks;
mod drains;
mod people;
mod permits;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use drover::elasticsearch::evidence::Record;
use drover::rollout::{
    drain,
    planner::{Act, End, OnFailure, Pace, PauseAfter, Protection},
    run::{Kind, Run, Step},
    safety::since,
};
use jiff::Timestamp;

use self::people::Theirs;
use super::{
    elasticsearch::Elasticsearch,
    flaws::Flaw,
    hosts::{Host, Life},
    moment,
    operator::{Decided, Look, OWNER, Spec, Status, holds, setting},
    tally::Tally,
};

/// What the operator was told longer ago than that it does not go by.
const TOO_OLD: Duration = Duration::from_secs(10);
/// The most hosts that may be out of service at once, whatever people come to want.
const MOST: usize = 2;

fn kind(rng: &mut fastrand::Rng) -> Kind {
    let all = [
        Kind::ElasticsearchRestart,
        Kind::HostRestart,
        Kind::ElasticsearchConfig,
        Kind::HostUpgrade,
        Kind::HostDeploy,
    ];
    all[rng.usize(0..all.len())]
}

fn protection(rng: &mut fastrand::Rng) -> Protection {
    [Protection::AllocationSettings, Protection::NodeShutdown][rng.usize(0..2)]
}

/// What is written to Elasticsearch, in a word.
fn name(act: &Act) -> &'static str {
    match act {
        Act::Protect(_) => "protect",
        Act::Unprotect(_) => "unprotect",
        Act::Announce { .. } => "announce",
        Act::Retract(_) => "retract",
    }
}

fn word(end: End) -> &'static str {
    match end {
        End::Finished => "finished",
        End::Superseded => "superseded",
        End::GivenUp => "given up",
    }
}

pub struct World {
    pub seed: u64,
    /// What the operator does not care for.
    flaw: Option<Flaw>,
    rng: fastrand::Rng,
    now: Timestamp,
    hosts: Vec<Host>,
    elasticsearch: Elasticsearch,
    /// The setting as it was before Drover.
    original: Option<Box<str>>,
    spec: Spec,
    /// Whether Drover runs the Elasticsearch.
    managed: bool,
    /// The status, and how often it was written.
    status: Status,
    version: u64,
    /// Older states of it, as a cache may show them.
    before: VecDeque<(Status, u64)>,
    /// What the operator has looked at, and not decided on yet.
    slow: Option<Look>,
    /// What others have set.
    theirs: Theirs,
    /// Requests for drains that the operator has given up, and when they are carried out all the same.
    late: Vec<(Timestamp, drain::Act)>,
    /// The nodes that such requests have taken out since.
    stray: BTreeSet<Box<str>>,
    /// The hosts that have left, and of which people were told that nothing is left on their nodes.
    let_go: BTreeMap<usize, Timestamp>,
    /// Since when a host is drained, and its uid, until nothing is left there; and since when nothing is.
    moving: Option<(Timestamp, Box<str>)>,
    drained_at: Timestamp,
    /// The hosts that a run has taken down and that have not been back since, with the nodes that went
    /// with them. Those that a person has let it go on without are not among them.
    down: BTreeMap<usize, Vec<usize>>,
    /// So many hosts may be out of service at once, by what people have wanted since a run last had
    /// none in hand.
    allowed: usize,
    /// When something last broke by itself.
    fault_at: Timestamp,
    resume: Option<Box<str>>,
    /// The hosts that nobody sees to, and until when.
    asleep: BTreeMap<usize, Timestamp>,
    pub tally: Tally,
    story: VecDeque<String>,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let count = rng.usize(3..=7);
        let alone = rng.u8(0..4) == 0;
        let elasticsearch = Elasticsearch::new(count, alone, &mut rng);
        let mut hosts: Vec<Host> = (0..count).map(|it| Host::new(it, &elasticsearch)).collect();
        // Some have been brought to what is wanted already.
        let reached = u64::from(rng.u8(0..3) == 0);
        for it in &mut hosts {
            it.reached = reached;
        }
        let pause_after =
            [PauseAfter::Never, PauseAfter::Never, PauseAfter::First, PauseAfter::Each];
        let spec = Spec {
            target: 1,
            kind: kind(&mut rng),
            unavailable: rng.usize(1..=MOST),
            paused: false,
            alone,
            pace: Pace {
                pause_after: pause_after[rng.usize(0..4)],
                host_timeout: Duration::from_mins(10),
                min_ready: Duration::from_secs(rng.u64(0..30)),
                on_failure: if rng.bool() { OnFailure::Pause } else { OnFailure::Rollback },
            },
            protection: protection(&mut rng),
        };
        let managed = rng.u8(0..4) != 0;
        Self {
            seed,
            flaw: None,
            rng,
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
            hosts,
            original: elasticsearch.persistent.clone(),
            theirs: Theirs::of(&elasticsearch.excluded),
            elasticsearch,
            spec,
            managed,
            status: Status::default(),
            version: 0,
            before: VecDeque::new(),
            slow: None,
            late: Vec::new(),
            stray: BTreeSet::new(),
            let_go: BTreeMap::new(),
            moving: None,
            drained_at: Timestamp::MIN,
            down: BTreeMap::new(),
            allowed: 0,
            fault_at: Timestamp::MIN,
            resume: None,
            asleep: BTreeMap::new(),
            tally: Tally::default(),
            story: VecDeque::new(),
        }
    }

    /// The same world with a careless operator.
    pub fn flawed(seed: u64, flaw: Flaw) -> Self {
        Self { flaw: Some(flaw), ..Self::new(seed) }
    }

    fn tell(&mut self, text: impl Into<String>) {
        if 200 <= self.story.len() {
            self.story.pop_front();
        }
        let text = text.into();
        self.story.push_back(format!("{} {text}", self.now));
    }

    /// What happened last, for whoever has to find out why.
    pub fn story(&self) -> String {
        let lines: Vec<&str> = self.story.iter().map(String::as_str).collect();
        format!(
            "{}\n{:#?}\n{:?}\n{:?}\n{:?}",
            lines.join("\n"),
            self.status,
            self.spec,
            self.elasticsearch,
            self.hosts
        )
    }

    /// Something happens.
    pub fn event(&mut self, troubled: bool) {
        self.now += moment(&mut self.rng);
        self.tally.add(("all", "events"));
        self.land();
        match self.rng.u8(0..100) {
            0..40 => self.reconcile(troubled),
            40..65 => self.host(troubled),
            65..90 => {
                let rng = &mut self.rng;
                self.elasticsearch.work(rng);
            }
            90..96 => self.person(troubled),
            _ if troubled => self.fault(),
            _ => {}
        }
    }

    fn members(&self) -> impl Iterator<Item = &Host> {
        self.hosts.iter().filter(|it| it.is_member())
    }

    fn look(&mut self, troubled: bool) -> Look {
        // A cache may be behind.
        let behind = troubled && self.rng.u8(..) < 20;
        let (status, version) = match self.before.front() {
            Some(old) if behind => old.clone(),
            _ => (self.status.clone(), self.version),
        };
        Look {
            evidence: self.elasticsearch.evidence(),
            members: self.members().map(|it| it.member(&self.elasticsearch)).collect(),
            known: self.hosts.iter().filter_map(|it| it.known(&self.elasticsearch)).collect(),
            managed: self.managed,
            spec: self.spec.clone(),
            status,
            version,
            behind: self
                .members()
                .filter(|it| it.reached != self.spec.target)
                .map(Host::uid)
                .collect(),
            resume: self.resume.clone(),
            now: self.now,
        }
    }

    fn reconcile(&mut self, troubled: bool) {
        let look = match self.slow.take() {
            Some(look) if since(look.now, self.now) < TOO_OLD => look,
            _ => self.look(troubled),
        };
        if troubled && look.now == self.now && self.rng.u8(0..12) == 0 {
            // Other things happen before it has decided.
            self.slow = Some(look);
            return;
        }
        let decided = self.flaw.map_or_else(|| look.decide(), |it| it.decide(&look));
        // What is seldom written goes wrong the more often.
        let most = if decided.drain.is_some() { 10 } else { 20 };
        let crash = if troubled { self.rng.u8(0..most) } else { most };
        let Decided { status, act, drain, ended } = decided;
        let writes = status != look.status;
        if crash == 0 {
            if writes {
                self.tally.add(("ends before", "status"));
            }
            return self.tell("the operator ends before it writes");
        }
        if writes {
            // Written with the version that it was decided on, which any change of the object ends.
            let is_same = look.spec == self.spec && look.resume == self.resume;
            if look.version != self.version || !is_same {
                self.tally.add(("all", "conflicts"));
                return self.tell("the object has moved on");
            }
            self.check_drained(&look, &status);
            self.check_pace(&status);
            self.keep(status.clone(), look.now);
        }
        self.tally.add(("all", "steps"));
        if let Some(end) = ended {
            self.tally.add(("run", word(end)));
            self.tell(format!("the run has ended: {end:?}"));
        }
        if crash == 1 {
            if writes {
                self.tally.add(("ends after", "status"));
            }
            for write in act.iter().map(name).chain(drain.iter().map(drains::name)) {
                self.tally.add(("ends before", write));
            }
            return self.tell("the operator ends after the status");
        }
        if let Some(act) = act
            && self.act(&act, &look.spec, &status, crash)
            && crash == 3
        {
            return self.tell("the operator ends after it has written");
        }
        if let Some(act) = drain {
            self.take_out(act, &look.spec, &status, crash);
        }
    }

    fn keep(&mut self, status: Status, looked: Timestamp) {
        let steps = |run: &Option<Run>| -> Vec<Step> {
            run.iter().flat_map(|it| it.hosts.iter().map(|it| it.step)).collect()
        };
        if steps(&status.run) != steps(&self.status.run) {
            let run = &status.run;
            let text = format!("{:?} {:?}", run.as_ref().map(|it| &it.id), steps(run));
            self.tell(text);
        }
        if status.drain != self.status.drain {
            self.tell(format!("{:?}", status.drain));
        }
        self.note_drain(&status, looked);
        let name = |it: &Status| it.run.as_ref().map(|it| it.id.clone());
        let is_new = status.run.is_some() && name(&status) != name(&self.status);
        if is_new {
            self.tally.add(("run", "begun"));
        }
        let is_drained =
            |it: &Status| it.drain.as_ref().is_some_and(|it| it.phase == drain::Phase::Drained);
        let is_over = is_drained(&status) && !is_drained(&self.status);
        if is_over {
            self.tally.add(("all", "drains"));
        }
        self.before.push_back((self.status.clone(), self.version));
        if 3 < self.before.len() {
            self.before.pop_front();
        }
        self.status = status;
        self.version += 1;
    }

    /// Says whether it is written. `crash` says what becomes of the answer, and of the operator.
    fn act(&mut self, act: &Act, spec: &Spec, decided: &Status, crash: u8) -> bool {
        // Right before it acts it looks at the object itself, and at the settings.
        let allocation = self.elasticsearch.allocation();
        let is_same = *spec == self.spec || matches!(act, Act::Unprotect(_) | Act::Retract(_));
        if !self.elasticsearch.is_there()
            || !is_same
            || !holds(act, decided, &self.status, &allocation, &self.elasticsearch.announced)
        {
            return false;
        }
        let is_lost = crash == 2;
        self.tell(format!("{act:?}{}", if is_lost { ", and the answer is lost" } else { "" }));
        self.tally.add(("written", name(act)));
        if is_lost {
            self.tally.add(("answer lost", name(act)));
        }
        if crash == 3 {
            self.tally.add(("ends after", name(act)));
        }
        match act {
            Act::Protect(prior) => {
                self.elasticsearch.persistent = Some("primaries".into());
                self.elasticsearch.prior = Some(prior.clone());
            }
            Act::Unprotect(prior) => {
                let is_wrong = self.flaw == Some(Flaw::WrongPrior);
                self.elasticsearch.persistent =
                    if is_wrong { Some("none".into()) } else { setting(prior) };
                self.elasticsearch.prior = None;
            }
            Act::Announce { node, run, .. } => {
                let reason = format!("drover {OWNER} {run}").into();
                let record = Record { kind: "restart".into(), reason, is_stalled: false };
                self.elasticsearch.announced.insert(node.clone(), record);
            }
            Act::Retract(node) => {
                self.elasticsearch.announced.remove(node);
            }
        }
        true
    }
}
