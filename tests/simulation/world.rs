//! All of it together, and what must never be so.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use drover::rollout::{
    planner::{Act, OnFailure, Pace, PauseAfter},
    run::{HostRun, Kind, Run, Step},
};
use jiff::Timestamp;

use super::{
    elasticsearch::Elasticsearch,
    hosts::Host,
    moment,
    operator::{Decided, Look, Spec, setting},
};

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

pub struct World {
    seed: u64,
    rng: fastrand::Rng,
    now: Timestamp,
    hosts: Vec<Host>,
    elasticsearch: Elasticsearch,
    /// The setting as it was before Drover.
    original: Option<Box<str>>,
    spec: Spec,
    /// The status, and how often it was written.
    run: Option<Run>,
    version: u64,
    /// Older states of it, as a cache may show them.
    before: VecDeque<(Option<Run>, u64)>,
    /// The hosts that a run has taken down and that have not been back since, with the nodes that went
    /// with them. Those that a person has let it go on without are not among them.
    down: BTreeMap<usize, Vec<usize>>,
    /// So many hosts may be out of service at once, by what people have wanted since a run last had
    /// none in hand.
    allowed: usize,
    /// When something last broke by itself.
    fault_at: Timestamp,
    resume: Option<Box<str>>,
    story: VecDeque<String>,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let count = rng.usize(3..=6);
        let elasticsearch = Elasticsearch::new(count, &mut rng);
        let pause_after =
            [PauseAfter::Never, PauseAfter::Never, PauseAfter::First, PauseAfter::Each];
        let spec = Spec {
            target: 1,
            kind: kind(&mut rng),
            unavailable: rng.usize(1..=MOST),
            paused: false,
            pace: Pace {
                pause_after: pause_after[rng.usize(0..4)],
                host_timeout: Duration::from_mins(10),
                min_ready: Duration::from_secs(rng.u64(0..30)),
                on_failure: if rng.bool() { OnFailure::Pause } else { OnFailure::Rollback },
            },
        };
        Self {
            seed,
            rng,
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
            hosts: (0..count).map(Host::new).collect(),
            original: elasticsearch.persistent.clone(),
            elasticsearch,
            spec,
            run: None,
            version: 0,
            before: VecDeque::new(),
            down: BTreeMap::new(),
            allowed: 0,
            fault_at: Timestamp::MIN,
            resume: None,
            story: VecDeque::new(),
        }
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
            self.run,
            self.spec,
            self.elasticsearch,
            self.hosts
        )
    }

    /// Something happens.
    pub fn event(&mut self, troubled: bool) {
        self.now += moment(&mut self.rng);
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
        self.hosts.iter().filter(|it| it.is_member)
    }

    fn reconcile(&mut self, troubled: bool) {
        // A cache may be behind.
        let behind = troubled && self.rng.u8(..) < 20;
        let seen = match self.before.front() {
            Some(old) if behind => old.clone(),
            _ => (self.run.clone(), self.version),
        };
        let look = Look {
            evidence: self.elasticsearch.evidence(),
            members: self.members().map(|it| it.member(&self.elasticsearch)).collect(),
            spec: self.spec.clone(),
            run: seen.0.clone(),
            version: seen.1,
            behind: self
                .members()
                .filter(|it| it.reached != self.spec.target)
                .map(Host::uid)
                .collect(),
            resume: self.resume.clone(),
            now: self.now,
        };
        let Decided { run, act, ended } = look.decide();
        let crash = if troubled { self.rng.u8(0..12) } else { 12 };
        if crash == 0 {
            return self.tell("the operator ends before it writes");
        }
        if run != seen.0 {
            // Written with the version that it was decided on.
            if seen.1 != self.version {
                return self.tell("the status has moved on");
            }
            self.keep(run);
        }
        if let Some(end) = ended {
            self.tell(format!("the run has ended: {end:?}"));
        }
        if crash == 1 {
            return self.tell("the operator ends after the status");
        }
        // Right before it acts it looks at the object itself.
        if seen.1 != self.version && act.is_some() && seen.0 == self.run {
            return;
        }
        if let Some(act) = act {
            self.act(&act, crash == 2);
        }
    }

    fn keep(&mut self, run: Option<Run>) {
        let steps = |run: &Option<Run>| -> Vec<Step> {
            run.iter().flat_map(|it| it.hosts.iter().map(|it| it.step)).collect()
        };
        if steps(&run) != steps(&self.run) {
            let text = format!("{:?} {:?}", run.as_ref().map(|it| &it.id), steps(&run));
            self.tell(text);
        }
        self.before.push_back((self.run.clone(), self.version));
        if 3 < self.before.len() {
            self.before.pop_front();
        }
        self.run = run;
        self.version += 1;
    }

    fn act(&mut self, act: &Act, answer_lost: bool) {
        if !self.elasticsearch.answers {
            return;
        }
        self.tell(format!("{act:?}{}", if answer_lost { ", and the answer is lost" } else { "" }));
        match act {
            Act::Protect(prior) => {
                self.elasticsearch.persistent = Some("primaries".into());
                self.elasticsearch.prior = Some(prior.clone());
            }
            Act::Unprotect(prior) => {
                self.elasticsearch.persistent = setting(prior);
                self.elasticsearch.prior = None;
            }
            // Here nothing is protected by records.
            Act::Announce { .. } | Act::Retract(_) => {}
        }
    }

    fn host(&mut self, troubled: bool) {
        // One whose Cluster tells it something is woken by that.
        let told = self.run.iter().flat_map(|it| &it.hosts).find(|it| it.step.is_permit());
        let woken = told.and_then(|told| self.hosts.iter().position(|it| it.uid() == told.uid));
        let at = match woken {
            Some(at) if self.rng.u8(0..4) < 3 => at,
            _ => self.rng.usize(0..self.hosts.len()),
        };
        // A cache may be behind.
        let seen = match self.before.back() {
            Some((old, _)) if troubled && self.rng.u8(..) < 40 => old.clone(),
            _ => self.run.clone(),
        };
        let host = &mut self.hosts[at];
        let (seen, run) = (seen.as_ref(), (self.run.as_ref(), self.spec.target));
        let stopped =
            host.reconcile(seen, run, &mut self.elasticsearch, &mut self.rng, troubled, self.now);
        if let Some(id) = stopped {
            self.stopped(at, &id);
        }
    }

    /// A host stops Elasticsearch by a permit: nothing may be lost by that.
    fn stopped(&mut self, at: usize, id: &str) {
        self.tell(format!("host {at} stops for {id}"));
        let run = self.run.as_ref().unwrap();
        let permit = run.hosts.iter().find(|it| it.uid == self.hosts[at].uid()).unwrap();
        if self.fault_at < permit.since
            && let Err(why) = self.elasticsearch.can_spare(at)
        {
            panic!("seed {}: {why}\n{}", self.seed, self.story());
        }
        assert!(
            self.elasticsearch.prior.is_some(),
            "seed {}: stopped without protection\n{}",
            self.seed,
            self.story()
        );
        let stops = self.hosts[at].stops.entry(id.into()).or_default();
        *stops += 1;
        let stops = *stops;
        let run = self.run.as_ref().unwrap();
        let host = run.hosts.iter().find(|it| it.uid == self.hosts[at].uid()).unwrap();
        assert!(
            stops <= host.attempt as usize,
            "seed {}: host {at} stopped {stops} times in {} attempts\n{}",
            self.seed,
            host.attempt,
            self.story()
        );
        let others = self.down.keys().filter(|it| **it != at).count();
        assert!(
            others < self.allowed,
            "seed {}: host {at} goes down beside {:?}\n{}",
            self.seed,
            self.down,
            self.story()
        );
        let kind = self.run.as_ref().unwrap().kind;
        let mut going = self.hosts[at].going(kind, &self.elasticsearch);
        going.retain(|it| self.elasticsearch.running[*it].is_some());
        for node in &going {
            self.elasticsearch.stop(*node);
        }
        self.down.insert(at, going);
    }

    fn person(&mut self, troubled: bool) {
        let pause = self.run.as_ref().and_then(|it| it.pause.as_ref());
        match self.rng.u8(0..8) {
            0..4 => {
                self.resume = pause.map(|it| it.token.clone());
                if self.resume.is_some() {
                    self.down.retain(|it, _| self.hosts[*it].is_member);
                }
            }
            4 if troubled => self.spec.paused = !self.spec.paused,
            5 if troubled && self.spec.target < 3 => {
                self.spec.target += 1;
                self.spec.kind = kind(&mut self.rng);
                let target = self.spec.target;
                // What did not start may start with what is wanted now.
                self.hosts.iter_mut().for_each(|it| it.broken = false);
                self.tell(format!("now {target} is wanted"));
            }
            _ => {
                let at = self.rng.usize(0..self.hosts.len());
                self.hosts[at].broken = false;
                self.hosts[at].fit = true;
                if !troubled {
                    self.start(at);
                }
            }
        }
    }

    fn fault(&mut self) {
        let at = self.rng.usize(0..self.hosts.len());
        match self.rng.u8(0..16) {
            0 | 12 => {
                // One at a time, as data would be gone by no doing of Drover's otherwise.
                if self.elasticsearch.is_green() && self.elasticsearch.can_spare(at).is_ok() {
                    self.hosts[at].disabled = self.rng.u8(0..3) == 0;
                    self.tell(format!("the unit of host {at} crashes, or is stopped"));
                    self.elasticsearch.stop(at);
                    self.fault_at = self.now;
                }
            }
            1..4 => self.recover(at),
            4 => self.elasticsearch.answers = !self.elasticsearch.answers,
            5 => self.elasticsearch.answers = true,
            6 => self.elasticsearch.snapshot = !self.elasticsearch.snapshot,
            7 => self.elasticsearch.exclusion = !self.elasticsearch.exclusion,
            8 => self.hosts[at].fit = !self.hosts[at].fit,
            9 => self.hosts[at].fit = true,
            13 | 14 => {
                // One that is down matters most.
                let down = self.down.keys().next().copied().filter(|_| self.rng.bool());
                let at = down.unwrap_or(at);
                self.hosts[at].is_member = !self.hosts[at].is_member;
                self.tell(format!("host {at} is a member: {}", self.hosts[at].is_member));
            }
            15 => self.hosts[at].in_maintenance = !self.hosts[at].in_maintenance,
            10 => self.hosts[at].broken = self.hosts[at].broken || self.rng.u8(0..4) == 0,
            _ => self.spec.unavailable = self.rng.usize(1..=MOST),
        }
    }

    /// A machine that crashed, and not one that a run has in hand, starts again by itself.
    fn recover(&mut self, at: usize) {
        let uid = self.hosts[at].uid();
        let in_hand =
            self.run.iter().flat_map(|it| &it.hosts).any(|it| it.uid == uid && it.may_be_down());
        let is_awaited = self.down.contains_key(&at);
        if !in_hand && !is_awaited && !self.hosts[at].disabled {
            self.start(at);
        }
    }

    /// All that is on a machine runs.
    fn start(&mut self, at: usize) {
        for node in self.elasticsearch.nodes_of(at) {
            self.elasticsearch.start(node);
        }
    }

    /// Nothing goes wrong any more, and people mend what is broken.
    pub fn calm(&mut self) {
        self.tell("nothing goes wrong any more");
        self.elasticsearch.answers = true;
        self.elasticsearch.snapshot = false;
        self.elasticsearch.exclusion = false;
        self.spec.paused = false;
        for at in 0..self.hosts.len() {
            let host = &mut self.hosts[at];
            (host.broken, host.disabled, host.in_maintenance) = (false, false, false);
            host.fit = true;
            // Some have left for good.
            host.is_member |= self.rng.bool();
            self.recover(at);
        }
    }

    /// Whether all is as it is wanted, and nothing is left of the way there.
    pub fn is_at_rest(&self) -> bool {
        self.run.is_none()
            && self.members().all(|it| it.reached == self.spec.target && !it.cordoned)
            && self.elasticsearch.prior.is_none()
            && self.elasticsearch.is_green()
    }

    /// What must never be so.
    pub fn check(&mut self) {
        let mut hosts = self.run.iter().flat_map(|it| &it.hosts);
        let before = if hosts.any(HostRun::is_in_hand) { self.allowed } else { 0 };
        self.allowed = self.spec.unavailable.max(before);
        let running = &self.elasticsearch.running;
        self.down.retain(|_, nodes| nodes.iter().any(|it| running[*it].is_none()));
        if let Some(index) = self.elasticsearch.lost() {
            panic!("seed {}: index {index} is lost\n{}", self.seed, self.story());
        }
        let is_back = self.elasticsearch.persistent == self.original;
        assert!(
            self.elasticsearch.prior.is_some() || is_back,
            "seed {}: the setting did not come back\n{}",
            self.seed,
            self.story()
        );
        let Some(run) = &self.run else { return };
        let away = run.hosts.iter().filter(|it| it.may_be_down()).count();
        assert!(away <= MOST, "seed {}: {away} hosts at once\n{}", self.seed, self.story());
    }
}
