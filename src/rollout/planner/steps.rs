//! What each step of a host waits for, and which comes after it.

use std::time::Duration;

use jiff::Timestamp;

use super::Planner;
use crate::{
    elasticsearch::evidence::Evidence,
    rollout::{
        gate::{Block, Gate},
        hosts::{Answer, Member, Progress},
        order,
        planner::Act,
        run::{HostRun, Step},
        safety::{since, unseen},
    },
};

/// How long after a failure that left the host as it was the step is tried again: doubled with each
/// attempt, up to [`RETRY_LIMIT`].
const RETRY: Duration = Duration::from_secs(30);
const RETRY_LIMIT: Duration = Duration::from_mins(10);

/// After how many attempts at a host that was left as it was a person is asked.
pub(super) const TRIES: u32 = 3;

/// How long after such an attempt the next one is made.
fn pause(attempt: u32) -> Duration {
    RETRY.saturating_mul(1 << attempt.saturating_sub(1).min(8)).min(RETRY_LIMIT)
}

/// Whether the host was left as it was by what went wrong there, so that it is tried again. A Node that
/// stays cordoned for longer than `limit` is for a person to see to.
pub(super) fn is_tried_again(host: &HostRun, limit: Duration, now: Timestamp) -> bool {
    let made = if host.withdrawn { host.attempt } else { host.attempt.saturating_sub(1) };
    let is_left = host.withdrawn || matches!(host.step, Step::Waiting | Step::Withdraw);
    let is_stuck = host.step == Step::Uncordon && limit < since(host.since, now);
    host.trouble.is_some() && is_left && !is_stuck && !host.touched && made < TRIES
}

/// What is kept of a step that went wrong and left the host as it was: by the time that people read it,
/// the host is back at its turn.
pub(super) fn failed(step: Step, reason: &str) -> Box<str> {
    format!("{} failed: {reason}", step.as_str()).into()
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
            Step::Waiting | Step::Done | Step::RolledBack => {}
            Step::Stage => self.stage(at, member),
            Step::Gate => self.gate(at, member),
            Step::Protect => self.protect(at, member),
            Step::Cordon => self.cordon(at, member),
            Step::Stop => self.stop(at, member),
            Step::Withdraw => self.withdraw(at, member),
            Step::Rollback => self.roll_back(at, member),
            Step::Rejoin => self.rejoin(at, member),
            Step::Unprotect => self.unprotect(at),
            Step::Uncordon => self.uncordon(at, member),
            Step::Settle => self.settle(at),
        }
    }

    /// What the host says of the permit that it has.
    pub(super) fn answer(&self, at: usize, member: &'a Member) -> Option<&'a Progress> {
        let host = &self.run.hosts[at];
        let is_of_permit = |it: &&Answer| {
            (&it.run, it.step, it.attempt) == (&self.run.id, host.step, host.attempt)
        };
        member.answer.as_ref().filter(is_of_permit).map(|it| &it.progress)
    }

    fn stage(&mut self, at: usize, member: &'a Member) {
        if self.run.hosts[at].touched {
            return self.stage_anew(at, member);
        }
        if self.is_put_off(member) {
            return self.enter(at, Step::Waiting);
        }
        match self.answer(at, member) {
            Some(Progress::Done) => self.enter(at, Step::Gate),
            // It is as it is to be already: nothing goes down for it.
            Some(Progress::Spared) => self.enter(at, Step::Done),
            Some(Progress::Failed { reason, .. } | Progress::Vain { reason }) => {
                self.leave(at, Some(failed(Step::Stage, reason)));
            }
            Some(Progress::Working { .. }) | None => {
                self.shut_for_host(member);
                self.late(at, "it has not checked itself");
            }
        }
    }

    /// The host is down by this run: once it has what is to run now it is started, and no gate that
    /// keeps hosts from going down is asked. What it got ready for another target is not for this one.
    fn stage_anew(&mut self, at: usize, member: &'a Member) {
        if self.is_up(at, member) {
            return self.begin_anew(at);
        }
        match self.answer(at, member) {
            _ if self.is_overtaken() => {}
            Some(Progress::Done | Progress::Spared) => {
                match unseen(member, self.run.kind, self.world.drain) {
                    Some(why) => self.shut(Gate::Roles, why),
                    None => self.enter(at, Step::Stop),
                }
            }
            Some(Progress::Failed { reason, .. } | Progress::Vain { reason }) => {
                self.host(at).trouble = Some(reason.clone());
            }
            Some(Progress::Working { .. }) | None => {
                self.shut_for_host(member);
                self.late(at, "it has not got ready to be started again");
            }
        }
    }

    /// Whether a host that is up stays so, whatever the gates say. What went wrong at another one is
    /// for a person to see first.
    fn is_put_off(&self, member: &Member) -> bool {
        let is_held = self.world.hold.is_some() || self.run.pause.is_some();
        is_held || self.is_rolling_back() || self.is_overtaken() || member.in_maintenance
    }

    /// The host was left as it is, and comes to its turn again. What went wrong is waited out from
    /// the start.
    fn leave(&mut self, at: usize, trouble: Option<Box<str>>) {
        self.enter(at, Step::Waiting);
        let host = self.host(at);
        host.withdrawn = false;
        host.attempt = host.attempt.saturating_add(1);
        host.trouble = trouble;
    }

    pub(super) fn shut_for_host(&mut self, member: &Member) {
        if let Err(why) = &member.fit {
            self.shut(Gate::Host, format!("{}: {why}", member.name));
        }
    }

    fn gate(&mut self, at: usize, member: &Member) {
        if self.is_put_off(member) {
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
            let is_down = self.world.member(&it.uid).is_some_and(|it| it.is_down(evidence));
            it.step == Step::Waiting && self.is_free(it) && is_down
        };
        !member.is_down(evidence) && self.run.hosts.iter().any(is_before)
            || self.awaits_roles(member, evidence)
    }

    /// Whether the node of `member` is to lose roles that another host comes to have in its turn: where its
    /// drain can't begin it would wait for that one for ever.
    fn awaits_roles(&self, member: &Member, evidence: &Evidence) -> bool {
        let is_set = self.world.drain.is_some_and(|it| it.of.uid == member.uid && it.is_set());
        let (run, members) = (&self.run, self.world.members);
        !is_set && order::is_preceded(member, run, members, evidence, |it| self.is_free(it))
    }

    /// The evidence, where every gate is open for `member`; else what is shut is noted.
    pub(super) fn is_open(&mut self, member: &Member) -> Option<&'a Evidence> {
        match self.world.evidence {
            Err(why) => {
                self.shut(Gate::Evidence, why.to_owned());
                None
            }
            Ok(evidence) => {
                let mut blocks = self.scene(evidence).judge(member);
                blocks.extend(self.unprotectable(member, evidence));
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
        if self.is_put_off(member) {
            return self.take_back(at);
        }
        let Some(evidence) = self.is_open(member) else { return self.take_back(at) };
        if self.is_protected(member, evidence) {
            self.enter(at, Step::Cordon);
        } else if let Some(why) = self.stalled(member, evidence) {
            self.take_back(at);
            self.host(at).trouble = Some(failed(Step::Protect, &why));
        } else if self.act.is_none() {
            self.act = Some(self.protecting(member, evidence));
        }
    }

    /// Goes back to before the host was touched.
    pub(super) fn take_back(&mut self, at: usize) {
        self.host(at).withdrawn = true;
        self.enter(at, Step::Unprotect);
    }

    fn cordon(&mut self, at: usize, member: &'a Member) {
        if self.is_put_off(member) {
            return self.take_back(at);
        }
        match self.answer(at, member) {
            Some(Progress::Done | Progress::Spared) => {}
            Some(Progress::Failed { reason, .. } | Progress::Vain { reason }) => {
                self.take_back(at);
                self.host(at).trouble = Some(failed(Step::Cordon, reason));
                return;
            }
            Some(Progress::Working { .. }) | None => return self.draining(at, member),
        }
        // Once more, with what is so now, and protection in place.
        let Some(evidence) = self.is_open(member) else { return self.take_back(at) };
        if !self.is_protected(member, evidence) {
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

    pub(super) fn unprotect(&mut self, at: usize) {
        if self.tidy_announced() {
            return;
        }
        // As long as any host may be down, or is about to go, protection stays.
        let needs = |it: &HostRun| it.may_be_down() || it.step == Step::Cordon;
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

    pub(super) fn unknown(&mut self) {
        if let Err(why) = self.world.evidence {
            self.shut(Gate::Evidence, why.to_owned());
        }
    }

    fn uncordon(&mut self, at: usize, member: &'a Member) {
        let limit = self.world.pace.host_timeout;
        let is_late = limit < since(self.run.hosts[at].since, self.now());
        if member.is_cordoned
            && !matches!(self.answer(at, member), Some(Progress::Done | Progress::Spared))
        {
            self.shut_for_host(member);
            if is_late {
                let why = format!("its Node could not be uncordoned within {limit:?}");
                self.host(at).trouble = Some(why.into());
            }
            return;
        }
        if is_late {
            self.host(at).trouble = None;
        }
        self.finish(at);
    }

    /// Whatever was held back for the host is let go again.
    pub(super) fn finish(&mut self, at: usize) {
        if self.run.hosts[at].rollback.is_some() {
            self.rest_rolled_back(at);
        } else if self.run.hosts[at].withdrawn {
            let trouble = self.host(at).trouble.take();
            self.leave(at, trouble);
        } else {
            self.enter(at, Step::Settle);
        }
    }

    pub(super) fn settle(&mut self, at: usize) {
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
}
