//! What each step of a host waits for, and which comes after it.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{PERMIT, Planner};
use crate::{
    elasticsearch::evidence::Evidence,
    rollout::{
        gate::{Block, Gate},
        hosts::{Answer, Match, Member, Progress},
        planner::Act,
        run::{FRESH, HostRun, Step},
        safety::since,
    },
};

/// How long after a failure that left the host as it was the step is tried again: doubled with each
/// attempt, up to [`RETRY_LIMIT`].
const RETRY: Duration = Duration::from_secs(30);
const RETRY_LIMIT: Duration = Duration::from_mins(10);

/// How long a node that has stopped again may take to be started again by its own systemd.
const SETTLE: Duration = Duration::from_secs(30);
/// After how many attempts at a host that was left as it was a person is asked.
const TRIES: u32 = 3;

/// How long after such an attempt the next one is made.
fn pause(attempt: u32) -> Duration {
    RETRY.saturating_mul(1 << attempt.saturating_sub(1).min(8)).min(RETRY_LIMIT)
}

/// Whether the host was left as it was by what went wrong there, so that it is tried again.
pub(super) fn is_tried_again(host: &HostRun) -> bool {
    let made = if host.withdrawn { host.attempt } else { host.attempt.saturating_sub(1) };
    let is_left = host.withdrawn || host.step == Step::Waiting;
    host.trouble.is_some() && is_left && !host.touched && made < TRIES
}

/// Whether the host may be begun now.
pub(super) fn is_due(host: &HostRun, now: Timestamp) -> bool {
    host.trouble.is_none() || pause(host.attempt.saturating_sub(1)) <= since(host.since, now)
}

impl<'a> Planner<'a> {
    /// Brings one host a step further.
    pub(super) fn advance(&mut self, at: usize) {
        let Some(member) = self.member(at) else { return self.without_host(at) };
        match self.run.hosts[at].step {
            Step::Waiting | Step::Done => {}
            Step::Stage => self.stage(at, member),
            Step::Gate => self.gate(at, member),
            Step::Protect => self.protect(at, member),
            Step::Cordon => self.cordon(at, member),
            Step::Stop => self.stop(at, member),
            Step::Withdraw => self.withdraw(at, member),
            Step::Rejoin => self.rejoin(at, member),
            Step::Unprotect => self.unprotect(at),
            Step::Uncordon => self.uncordon(at, member),
            Step::Settle => self.settle(at),
        }
    }

    /// What the host says of the permit that it has.
    fn answer(&self, at: usize, member: &'a Member) -> Option<&'a Progress> {
        let host = &self.run.hosts[at];
        let is_of_permit = |it: &&Answer| {
            (&it.run, it.step, it.attempt) == (&self.run.id, host.step, host.attempt)
        };
        member.answer.as_ref().filter(is_of_permit).map(|it| &it.progress)
    }

    fn stage(&mut self, at: usize, member: &'a Member) {
        if self.world.hold.is_some() || self.is_overtaken() {
            return self.enter(at, Step::Waiting);
        }
        match self.answer(at, member) {
            Some(Progress::Done) => self.enter(at, Step::Gate),
            Some(Progress::Failed { reason, .. }) => self.retry(at, reason),
            Some(Progress::Working { .. }) | None => self.shut_for_host(member),
        }
    }

    /// The host was left as it is: the step is tried again after a while.
    fn retry(&mut self, at: usize, reason: &str) {
        let now = self.now();
        let host = self.host(at);
        if pause(host.attempt) <= since(host.since, now) {
            host.again(now);
        } else if host.trouble.as_deref() != Some(reason) {
            host.trouble = Some(reason.into());
        }
    }

    fn shut_for_host(&mut self, member: &Member) {
        if let Err(why) = &member.fit {
            self.shut(Gate::Host, format!("{}: {why}", member.name));
        }
    }

    fn gate(&mut self, at: usize, member: &Member) {
        if self.world.hold.is_some() || self.is_overtaken() {
            return self.enter(at, Step::Waiting);
        }
        if self.is_open(member).is_some() {
            self.enter(at, Step::Protect);
        } else if self.gives_way(member) {
            self.enter(at, Step::Waiting);
        }
    }

    /// Whether a host that is down waits for its turn while this one is up: as long as that one is out
    /// of service, no other may be.
    fn gives_way(&self, member: &Member) -> bool {
        let Ok(evidence) = self.world.evidence else { return false };
        let is_before = |it: &HostRun| {
            let other = self.world.members.iter().find(|member| member.uid == it.uid);
            let is_down = other.is_some_and(|it| it.is_down(evidence));
            it.step == Step::Waiting && is_due(it, self.now()) && is_down
        };
        !member.is_down(evidence) && self.run.hosts.iter().any(is_before)
    }

    /// The evidence, where every gate is open for `member`; else what is shut is noted.
    fn is_open(&mut self, member: &Member) -> Option<&'a Evidence> {
        match self.world.evidence {
            Err(why) => {
                self.shut(Gate::Evidence, why.to_owned());
                None
            }
            Ok(evidence) => {
                let blocks = self.scene(evidence).judge(member);
                let is_open = blocks.is_empty();
                for Block { gate, message } in blocks {
                    self.shut(gate, message);
                }
                is_open.then_some(evidence)
            }
        }
    }

    pub(super) fn shut(&mut self, gate: Gate, message: String) {
        self.blocks.entry(gate).or_insert(message);
    }

    fn protect(&mut self, at: usize, member: &Member) {
        if self.world.hold.is_some() || self.is_overtaken() {
            return self.take_back(at);
        }
        let Some(evidence) = self.is_open(member) else { return self.take_back(at) };
        if evidence.allocation.is_protected() {
            self.enter(at, Step::Cordon);
        } else if self.act.is_none() {
            self.act = Some(Act::Protect(evidence.allocation.as_prior()));
        }
    }

    /// Goes back to before the host was touched.
    fn take_back(&mut self, at: usize) {
        self.host(at).withdrawn = true;
        self.enter(at, Step::Unprotect);
    }

    fn cordon(&mut self, at: usize, member: &'a Member) {
        if self.world.hold.is_some() || self.is_overtaken() {
            return self.take_back(at);
        }
        match self.answer(at, member) {
            Some(Progress::Done) => {}
            Some(Progress::Failed { reason, .. }) => return self.retry(at, reason),
            Some(Progress::Working { .. }) | None => return self.draining(at, member),
        }
        // Once more, with what is so now, and protection in place.
        let Some(evidence) = self.is_open(member) else { return self.take_back(at) };
        if !evidence.allocation.is_protected() {
            return self.enter(at, Step::Protect);
        }
        if self.stops == 0 {
            self.stops += 1;
            self.permit_stop(at, member, evidence);
        }
    }

    /// Nothing is held back for long while pods do not go, and not while the host may not go down.
    fn draining(&mut self, at: usize, member: &Member) {
        self.shut_for_host(member);
        let limit = self.world.pace.host_timeout;
        let is_late = limit < since(self.run.hosts[at].since, self.now());
        if self.is_open(member).is_none() || is_late {
            self.take_back(at);
        }
        if is_late {
            let why = format!("its Node could not be drained within {limit:?}");
            self.host(at).trouble = Some(why.into());
        }
    }

    fn permit_stop(&mut self, at: usize, member: &Member, evidence: &Evidence) {
        let live = member.live(evidence);
        let starts: BTreeMap<_, _> = live
            .filter_map(|id| Some((id.clone(), evidence.nodes.get(id)?.ephemeral_id.clone())))
            .collect();
        // A host that was down already shows nothing; what is known from before it went stays.
        if !starts.is_empty() {
            self.host(at).before = starts;
        }
        self.enter(at, Step::Stop);
    }

    fn stop(&mut self, at: usize, member: &'a Member) {
        let age = since(self.run.hosts[at].since, self.now());
        match self.answer(at, member) {
            Some(Progress::Done) => self.enter(at, Step::Rejoin),
            Some(Progress::Failed { reason, touched: false }) if !self.run.hosts[at].touched => {
                self.take_back(at);
                self.host(at).trouble = Some(reason.clone());
            }
            // It is up all the same, and something else is wanted of it: that begins with the gates.
            Some(Progress::Failed { .. }) if self.is_overtaken() && self.is_up(member) => {
                self.begin_anew(at);
            }
            Some(Progress::Failed { reason, .. }) => {
                self.host(at).touched = true;
                self.host(at).trouble = Some(reason.clone());
            }
            Some(Progress::Working { touched }) => {
                self.host(at).touched |= touched;
                let limit = self.world.pace.host_timeout;
                if limit < age {
                    let reason = format!("it has not come to an end within {limit:?}");
                    self.host(at).trouble = Some(reason.into());
                }
            }
            // A host that was begun before is beyond asking: only a person's word is waited for.
            None if self.run.hosts[at].touched && !self.is_up(member) => {
                self.shut_for_host(member);
            }
            // It has come up by itself: another stop begins with the gates.
            None if self.run.hosts[at].touched => self.begin_anew(at),
            None if PERMIT < age || self.is_open(member).is_none() => {
                self.enter(at, Step::Withdraw);
            }
            None => self.shut_for_host(member),
        }
    }

    /// Whether Elasticsearch runs there, or may: what is up is not stopped without the gates.
    pub(super) fn is_up(&self, member: &Member) -> bool {
        match self.world.evidence {
            Ok(evidence) => member.runs || !member.is_down(evidence),
            Err(_) => member.runs || !member.is_home,
        }
    }

    /// Whatever was tried there, the host comes to the gates again before it goes down.
    pub(super) fn begin_anew(&mut self, at: usize) {
        self.host(at).touched = false;
        self.take_back(at);
    }

    /// The status has said for a while that there is no permit. A host that had begun has said so
    /// by now: it says so first, and looks whether the permit is still there before it acts.
    fn withdraw(&mut self, at: usize, member: &'a Member) {
        let host = &self.run.hosts[at];
        let began = member.answer.as_ref().is_some_and(|it| {
            it.run == self.run.id && it.step == Step::Stop && it.attempt == host.attempt
        });
        if began {
            self.enter(at, Step::Stop);
            // It is no permit to begin: only what was begun goes on.
            let now = self.now();
            self.host(at).since = now.checked_sub(FRESH * 2).unwrap_or(now);
        } else {
            self.take_back(at);
        }
    }

    fn rejoin(&mut self, at: usize, member: &Member) {
        let Ok(evidence) = self.world.evidence else {
            return self.late(at, "Elasticsearch can't be asked");
        };
        if evidence.check().is_err() {
            return self.late(at, "Elasticsearch's answers do not agree");
        }
        let before = &self.run.hosts[at].before;
        let is_back = match &member.nodes {
            // None ran there before, none does now, and none is installed.
            Match::Stopped => before.is_empty() && !member.is_home,
            Match::Unknown(_) => false,
            Match::Nodes(nodes) => nodes.iter().all(|id| {
                let start = evidence.nodes.get(id).map(|it| &it.ephemeral_id);
                start.is_some_and(|it| before.get(id) != Some(it))
            }),
        };
        let are_all = before.keys().all(|id| evidence.nodes.get(id).is_some_and(|it| it.serves));
        if is_back && are_all {
            self.host(at).touched = false;
            self.enter(at, Step::Unprotect);
        } else if !before.is_empty() && member.is_home && !member.stays_up() {
            // It may be on its way up again: for a while the host's word is not the last one.
            let age = since(self.run.hosts[at].since, self.now());
            if SETTLE < age {
                let why = "Elasticsearch does not stay up there: see the journal of its unit";
                self.host(at).trouble = Some(why.into());
            }
        } else {
            self.late(at, "its Elasticsearch has not come back to the cluster");
        }
    }

    fn late(&mut self, at: usize, why: &str) {
        let limit = self.world.pace.host_timeout;
        if limit < since(self.run.hosts[at].since, self.now()) {
            self.host(at).trouble = Some(format!("{why} within {limit:?}").into());
        }
    }

    fn unprotect(&mut self, at: usize) {
        // As long as any host may be down, or is about to go, protection stays.
        let needs = |it: &HostRun| it.step.may_be_down() || it.step == Step::Cordon;
        if self.run.hosts.iter().any(needs) {
            return;
        }
        let Ok(evidence) = self.world.evidence else { return self.unknown() };
        if let Some(prior) = evidence.allocation.kept_for(self.world.owner) {
            self.act = Some(Act::Unprotect(prior));
        } else {
            let trouble = self.host(at).trouble.take();
            self.enter(at, Step::Uncordon);
            self.host(at).trouble = trouble;
        }
    }

    fn unknown(&mut self) {
        if let Err(why) = self.world.evidence {
            self.shut(Gate::Evidence, why.to_owned());
        }
    }

    fn uncordon(&mut self, at: usize, member: &'a Member) {
        if member.is_cordoned && !matches!(self.answer(at, member), Some(Progress::Done)) {
            return self.shut_for_host(member);
        }
        if !self.run.hosts[at].withdrawn {
            return self.enter(at, Step::Settle);
        }
        let trouble = self.host(at).trouble.take();
        self.host(at).withdrawn = false;
        self.host(at).attempt += 1;
        // What went wrong before anything was touched is waited out from the start.
        self.enter(at, Step::Waiting);
        if let Some(trouble) = trouble {
            self.host(at).trouble = Some(trouble);
        }
    }

    fn settle(&mut self, at: usize) {
        let Ok(evidence) = self.world.evidence else { return self.unknown() };
        let blocks = self.scene(evidence).recovered();
        for Block { gate, message } in blocks {
            self.shut(gate, message);
        }
        let well = self.run.well_since.map(|it| since(it, self.now()));
        if well.is_some_and(|it| self.world.pace.min_ready <= it) {
            self.enter(at, Step::Done);
        }
    }

    /// The Host is gone, and with it the way to its machine. What it left in Elasticsearch is put
    /// right.
    fn without_host(&mut self, at: usize) {
        match self.run.hosts[at].step {
            Step::Protect | Step::Cordon | Step::Stop | Step::Withdraw | Step::Rejoin => {
                self.enter(at, Step::Unprotect);
            }
            Step::Unprotect => self.unprotect(at),
            Step::Uncordon => self.enter(at, Step::Settle),
            Step::Settle => self.settle(at),
            Step::Waiting | Step::Stage | Step::Gate | Step::Done => {}
        }
    }
}
