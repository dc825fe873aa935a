//! What becomes of a host on which what the run brings does not come up, where the spec has that rolled
//! back: what ran there before is started again, and the run has failed. Hosts that are done stay as they
//! are. What protects the cluster stays until the host is back, or a person has decided.

use super::{OnFailure, PERMIT, Planner, absent::is_untouched, stop::is_started_anew};
use crate::rollout::{
    hosts::{Member, Progress},
    run::{HostRun, Step},
    safety::since,
};

impl<'a> Planner<'a> {
    /// Whether what ran before comes back to a host. As long as it does, no other is begun.
    pub(super) fn is_rolling_back(&self) -> bool {
        self.run.hosts.iter().any(|it| it.rollback.is_some())
    }

    /// Has what ran before come back to a host on which the run has come to no good end. What a person
    /// wants instead by now may be the cure, and comes first; an older version is none.
    pub(super) fn fall_back(&mut self, at: usize) {
        let host = &self.run.hosts[at];
        let is_due = self.world.pace.on_failure == OnFailure::Rollback
            && self.run.kind.swaps()
            && matches!(host.step, Step::Stop | Step::Rejoin)
            && host.rollback.is_none();
        let is_cured = self.is_overtaken() && !self.is_set_back();
        let Some(trouble) = host.trouble.as_deref().filter(|_| is_due && !is_cured) else {
            return;
        };
        let Some(member) = self.member(at) else { return };
        // One that can't take its permit now may take it when nobody looks, and be back by then.
        if member.fit.is_err() || member.in_maintenance {
            return;
        }
        // Where the host says that the swap failed and nothing went down, what serves is what ran before:
        // that is left as it is. In another start it may be what the run brings.
        let has_failed = matches!(self.answer(at, member), Some(Progress::Failed { .. }));
        let is_before = has_failed && self.has_stayed(at);
        if self.is_at_work(at, member) || !is_before && self.may_serve(at, member) {
            return;
        }
        let why = format!("{} failed: {trouble}", host.step.as_str());
        let host = self.host(at);
        (host.touched, host.rollback) = (true, Some(why.into()));
        self.enter(at, Step::Rollback);
    }

    /// Whether the host's node is in the cluster, or may be: it is not stopped without the gates.
    fn may_serve(&self, at: usize, member: &Member) -> bool {
        let Ok(evidence) = self.world.evidence else { return member.runs && !member.is_failing };
        let mut before = self.run.hosts[at].before.keys();
        before.any(|it| evidence.nodes.contains_key(it))
            || !member.others_run && !member.is_down(evidence)
    }

    /// Whether a host that has begun by its permit has said so by now.
    fn is_permit_over(&self, at: usize) -> bool {
        PERMIT < since(self.run.hosts[at].since, self.now())
    }

    /// Whether its nodes never went down.
    fn has_stayed(&self, at: usize) -> bool {
        let host = &self.run.hosts[at];
        let evidence = self.world.evidence.ok().filter(|_| !host.before.is_empty());
        evidence.is_some_and(|it| is_untouched(host, it))
    }

    /// Whether it runs what the run brings, and its nodes serve: what did not come up in time has.
    fn has_come_after_all(&self, at: usize) -> bool {
        let host = &self.run.hosts[at];
        let is_at_target = self.world.wanted.is_some_and(|it| {
            (it.kind, &it.target) == (self.run.kind, &self.run.target)
                && !it.hosts.contains(&host.uid)
        });
        let evidence = self.world.evidence.ok().filter(|it| it.check().is_ok());
        is_at_target
            && !host.before.is_empty()
            && evidence.is_some_and(|it| is_started_anew(host, it))
    }

    /// Brings a host on which what ran before is started again a step further.
    pub(super) fn roll_back(&mut self, at: usize, member: &'a Member) {
        match self.answer(at, member) {
            Some(Progress::Done | Progress::Spared) if self.has_stayed(at) => {
                self.host(at).touched = false;
                self.enter(at, Step::Unprotect);
            }
            Some(Progress::Done | Progress::Spared) => self.enter(at, Step::Rejoin),
            Some(Progress::Failed { .. } | Progress::Vain { .. })
                if self.has_come_after_all(at) =>
            {
                self.host(at).rollback = None;
                self.enter(at, Step::Rejoin);
            }
            Some(Progress::Failed { reason, .. } | Progress::Vain { reason }) => {
                let why = self.run.hosts[at].rollback.as_deref().unwrap_or_default();
                let trouble = format!("{why}; what ran before does not come back: {reason}");
                self.host(at).trouble = Some(trouble.into());
            }
            Some(Progress::Working { .. }) => {
                self.late(at, "what ran before has not been started again");
            }
            // It has come back by itself, and is not stopped again without the gates. Whoever comes late
            // finds another attempt, for which that permit is none.
            None if self.is_permit_over(at) && self.may_serve(at, member) => {
                let now = self.now();
                let host = self.host(at);
                host.rollback = None;
                host.again(now);
                self.enter(at, Step::Rejoin);
            }
            None => {
                self.shut_for_host(member);
                self.late(at, "it has not taken its permit to start what ran before");
            }
        }
    }

    /// The host is in the cluster again as it was before the run. A person says whether it is tried
    /// once more.
    pub(super) fn rest_rolled_back(&mut self, at: usize) {
        let why = self.host(at).rollback.take().unwrap_or_default();
        self.enter(at, Step::RolledBack);
        let others = match self.done() {
            0 => "",
            _ => ", and the hosts that are done stay as they are",
        };
        let host = self.host(at);
        (host.withdrawn, host.touched) = (false, false);
        host.trouble = Some(format!("{why}; what ran there before runs again{others}").into());
    }

    /// The pause of a run as long as what ran before comes back to a host.
    pub(super) fn going_back(&self) -> Option<(String, String)> {
        let host = self.run.hosts.iter().find(|it| it.rollback.is_some())?;
        let HostRun { name, step, attempt, .. } = host;
        let why = host.rollback.as_deref().unwrap_or_default();
        Some((
            // Whoever lets it go on now has not heard yet that it did not come back.
            format!("{}/{name}/{}/{attempt}/back", self.run.id, step.as_str()),
            format!("{name}: {why}; what ran there before comes back"),
        ))
    }
}
