//! What people do, and what breaks.

use std::{collections::BTreeSet, time::Duration};

use drover::elasticsearch::evidence::Exclusion;
use jiff::Timestamp;

use super::{
    super::elasticsearch::Duties, Host, Kind, Life, MOST, World, kind, protection, setting,
};

/// What others say of which nodes are taken out.
#[derive(Debug)]
pub struct Theirs {
    /// The persistent setting, where Drover does not take its place.
    pub named: Option<Box<str>>,
    pub transient: Option<Box<str>>,
    pub votes: BTreeSet<Box<str>>,
    /// When somebody last wrote over what Drover had set.
    pub overruled_at: Timestamp,
}

impl Theirs {
    pub fn of(excluded: &Exclusion) -> Self {
        Self {
            named: excluded.persistent.clone(),
            transient: None,
            votes: BTreeSet::new(),
            overruled_at: Timestamp::MIN,
        }
    }

    pub fn is_overruled_since(&self, drained: Timestamp) -> bool {
        self.overruled_at != Timestamp::MIN && drained <= self.overruled_at
    }
}

impl World {
    pub(super) fn person(&mut self, troubled: bool) {
        let pause = self.status.run.as_ref().and_then(|it| it.pause.as_ref());
        match self.rng.u8(0..12) {
            0..4 => {
                self.resume = pause.map(|it| it.token.clone());
                if self.resume.is_some() {
                    self.tally.add(("people", "resume"));
                    self.down.retain(|it, _| self.hosts[*it].is_member());
                }
            }
            4 if troubled => {
                self.spec.paused = !self.spec.paused;
                self.tally.add(("people", "pause, or go on"));
            }
            5 if troubled && self.spec.target < 3 => {
                let kind = kind(&mut self.rng);
                self.want(kind);
            }
            6 if troubled && self.spec.target < 4 && self.managed => self.change_duties(),
            7 | 8 => self.see_to(troubled),
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

    fn want(&mut self, kind: Kind) {
        self.spec.target += 1;
        self.spec.kind = kind;
        let target = self.spec.target;
        // What did not start may start with what is wanted now.
        self.hosts.iter_mut().for_each(|it| it.broken = false);
        self.tell(format!("now {target} is wanted: {kind:?}"));
        self.tally
            .add(("people", if self.status.run.is_some() { "edit in mid-run" } else { "edit" }));
    }

    /// The node of some host is to do more or less than it did.
    fn change_duties(&mut self) {
        let at = self.rng.usize(0..self.hosts.len());
        let all = [(true, true), (true, false), (false, true)];
        let (data, master) = all[self.rng.usize(0..3)];
        if !master && !self.is_enough_without(at) {
            return;
        }
        self.set_duties(at, Duties { data, master });
    }

    fn set_duties(&mut self, at: usize, duties: Duties) {
        self.hosts[at].wanted = duties;
        self.tally.add(("people", "other roles"));
        self.tell(format!("host {at} is to be {duties:?}"));
        self.want(Kind::ElasticsearchConfig);
    }

    /// Hosts that have left are brought to their end; what can't be is given up.
    fn see_to(&mut self, troubled: bool) {
        if !troubled {
            self.leave_be();
        }
        let at = self.rng.usize(0..self.hosts.len());
        let host = &self.hosts[at];
        if let Some(drained) = self.let_go.get(&at).copied() {
            self.tell(format!("host {at} is taken out of service"));
            self.remove(at, drained);
            return;
        }
        if troubled || self.elasticsearch.keeps(at).is_none() {
            return;
        }
        let leaves = host.known(&self.elasticsearch).is_some_and(|it| it.leaves);
        let loses = host.loses(&self.elasticsearch);
        if leaves && host.life == Life::Moved {
            self.come_back(at);
        } else if leaves {
            self.skip(at);
        } else if loses && host.is_member() {
            let duties = self.elasticsearch.configured[at];
            self.set_duties(at, duties);
        }
    }

    fn enter(&mut self, at: usize, life: Life) {
        self.not_let_go(at);
        self.hosts[at].life = life;
        self.tell(format!("host {at}: {life:?}"));
    }

    fn skip(&mut self, at: usize) {
        self.hosts[at].skips = true;
        self.tell(format!("host {at} may go without a drain"));
    }

    /// Whether three hosts or more are masters without this one: where two are, one of them alone has
    /// a vote, and goes down only where people accept that the whole cluster does.
    fn is_enough_without(&self, at: usize) -> bool {
        let is_master = |it: &&Host| {
            let duties = self.elasticsearch.configured[it.number];
            let is_home = !self.elasticsearch.removed.contains(&it.number);
            it.life == Life::Member && is_home && it.wanted.master && duties.master
        };
        self.hosts.iter().filter(|it| it.number != at).filter(is_master).count() >= 3
    }

    /// A host leaves, or comes back.
    fn come_and_go(&mut self, at: usize) {
        match self.hosts[at].life {
            Life::Member if !self.is_enough_without(at) => {}
            Life::Member if self.managed && self.rng.bool() => {
                let reset = self.rng.u8(0..3) != 0;
                self.enter(at, Life::Deleted { reset });
            }
            Life::Member => self.enter(at, Life::Moved),
            Life::Moved => self.come_back(at),
            Life::Deleted { .. } if self.rng.u8(0..4) == 0 => self.skip(at),
            Life::Deleted { .. } => {}
            Life::Gone => self.make_anew(at),
        }
    }

    /// One of which nothing is left on its machine joins as a new one does.
    fn come_back(&mut self, at: usize) {
        if self.elasticsearch.removed.contains(&at) {
            self.make_anew(at);
        } else {
            self.enter(at, Life::Member);
        }
    }

    fn make_anew(&mut self, at: usize) {
        self.not_let_go(at);
        self.hosts[at].make_anew(self.spec.target, &mut self.elasticsearch);
        self.tell(format!("host {at} is made anew"));
    }

    pub(super) fn fault(&mut self) {
        let at = self.rng.usize(0..self.hosts.len());
        let what = match self.rng.u8(0..22) {
            // One at a time, as data would be gone by no doing of Drover's otherwise.
            0 | 12 if self.may_crash(at) => {
                self.hosts[at].disabled = self.rng.u8(0..3) == 0;
                self.tell(format!("the unit of host {at} crashes, or is stopped"));
                self.elasticsearch.stop(at);
                self.fault_at = self.now;
                "a node crashes"
            }
            1..4 => return self.recover(at),
            4 => {
                self.elasticsearch.answers = !self.elasticsearch.answers;
                "Elasticsearch does not answer"
            }
            5 => {
                self.elasticsearch.answers = true;
                return;
            }
            6 => {
                self.elasticsearch.snapshot = !self.elasticsearch.snapshot;
                "a snapshot"
            }
            7 => {
                self.elasticsearch.filtered = !self.elasticsearch.filtered;
                "a filter"
            }
            8 => {
                self.hosts[at].fit = !self.hosts[at].fit;
                "a host can't be reached"
            }
            9 => {
                self.hosts[at].fit = true;
                return;
            }
            10 if self.rng.u8(0..4) == 0 => {
                self.hosts[at].broken = true;
                "a host does not start Elasticsearch"
            }
            0 | 10 | 12 => return,
            11 => {
                self.spec.protection = protection(&mut self.rng);
                "other protection"
            }
            13 | 14 => {
                // One that is down matters most.
                let down = self.down.keys().next().copied().filter(|_| self.rng.bool());
                self.come_and_go(down.unwrap_or(at));
                "a host comes or goes"
            }
            15 => {
                self.hosts[at].in_maintenance = !self.hosts[at].in_maintenance;
                "maintenance"
            }
            16 => {
                let full = &mut self.elasticsearch.full;
                if !full.insert(at) {
                    full.clear();
                }
                "a full disk"
            }
            17 | 18 => {
                self.meddle(at);
                "somebody meddles"
            }
            20 => {
                let until = self.now + self.a_while();
                self.asleep.insert(at, until);
                "nobody sees to a host"
            }
            21 => {
                // Neither hosts nor operators do anything meanwhile, and nothing that they wait for.
                let length = self.a_while();
                self.now += length;
                "all stands still"
            }
            _ => {
                self.spec.unavailable = self.rng.usize(1..=MOST);
                "another maxUnavailable"
            }
        };
        self.tally.add(("fault", what));
    }

    fn may_crash(&self, at: usize) -> bool {
        self.elasticsearch.is_green() && self.elasticsearch.can_spare(&[at], false).is_ok()
    }

    /// For how long a machine that is busy may come to nothing.
    fn a_while(&mut self) -> Duration {
        Duration::from_secs(self.rng.u64(5..600))
    }

    /// A machine that crashed, and not one that a run has in hand, starts again by itself.
    fn recover(&mut self, at: usize) {
        let uid = self.hosts[at].uid();
        let in_hand = self
            .status
            .run
            .iter()
            .flat_map(|it| &it.hosts)
            .any(|it| it.uid == uid && it.may_be_down());
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
        self.elasticsearch.filtered = false;
        self.elasticsearch.full.clear();
        self.asleep.clear();
        self.leave_be();
        self.spec.paused = false;
        // Roles are drained beside no node that was let go and runs on: people heed that.
        let is_in_the_way = self.hosts.iter().any(|it| it.loses(&self.elasticsearch));
        for at in 0..self.hosts.len() {
            let host = &mut self.hosts[at];
            (host.broken, host.disabled, host.in_maintenance) = (false, false, false);
            host.fit = true;
            // Some have left for good.
            if host.life == Life::Moved && (self.rng.bool() || is_in_the_way) {
                self.come_back(at);
            }
            self.recover(at);
        }
    }

    /// Somebody takes a node out by hand, or takes that back.
    fn meddle(&mut self, at: usize) {
        let name = self.elasticsearch.name(at);
        let excluded = &mut self.elasticsearch.excluded;
        match self.rng.u8(0..8) {
            0 => {
                // What is on its way would write over it, and nobody could tell.
                if self.late.is_empty() && excluded.persistent.as_ref() != Some(&name) {
                    if excluded.mark.is_some() {
                        self.theirs.overruled_at = self.now;
                    }
                    excluded.persistent = Some(name.clone());
                    self.theirs.named = Some(name);
                    self.tell(format!("somebody excludes the node of host {at}"));
                }
            }
            1 => {
                self.theirs.transient = Some([name, "".into()][self.rng.usize(0..2)].clone());
                self.theirs.overruled_at = self.now;
                excluded.transient.clone_from(&self.theirs.transient);
            }
            2 => {
                // A vote that Drover is about to take is nobody else's: whose it was can't be told.
                let drain = self.status.drain.as_ref();
                let is_own = drain.is_some_and(|it| it.of.host == name)
                    || excluded.mark.as_ref().is_some_and(|it| it.has(&name));
                if self.late.is_empty() && !is_own && !excluded.voting.contains(&name) {
                    excluded.voting.push(name.clone());
                    self.theirs.votes.insert(name);
                    self.theirs.overruled_at = self.now;
                }
            }
            _ => self.leave_be(),
        }
    }

    /// What somebody has taken out is put back as it was, or as the drain that is under way has it.
    fn leave_be(&mut self) {
        // What is on its way may put back what they have taken back.
        if !self.late.is_empty() {
            return;
        }
        let excluded = &mut self.elasticsearch.excluded;
        (self.theirs.transient, excluded.transient) = (None, None);
        let theirs = std::mem::take(&mut self.theirs.votes);
        excluded.voting.retain(|it| !theirs.contains(it));
        let kept = excluded.mark.as_ref().and_then(|it| Some((&it.node, it.prior.as_ref()?)));
        if let Some((node, prior)) = kept {
            excluded.persistent = Some(node.clone());
            self.theirs.named = setting(prior);
        } else if self.theirs.named.as_deref().is_some_and(|it| !it.is_empty()) {
            (self.theirs.named, excluded.persistent) = (None, None);
        }
    }
}
