//! What becomes of a host on which what the run brings does not come up, where the spec has that rolled
//! back: what ran there before is started again, and the run has failed. Hosts that are done stay as they
//! are. What protects the cluster stays until the host is back, or a person has decided.

use super::{OnFailure, Planner, absent::is_untouched};
use crate::rollout::{
    hosts::{Member, Progress},
    run::{HostRun, Step},
};

impl<'a> Planner<'a> {
    /// Whether what ran before comes back to a host. As long as it does, no other is begun.
    pub(super) fn is_rolling_back(&self) -> bool {
        self.run.hosts.iter().any(|it| it.rollback.is_some())
    }

    /// Has what ran before come back to a host on which the run has come to no good end. What a person
    /// wants instead by now may be the cure, and comes first.
    pub(super) fn fall_back(&mut self, at: usize) {
        let host = &self.run.hosts[at];
        let is_due = self.world.pace.on_failure == OnFailure::Rollback
            && self.run.kind.swaps()
            && matches!(host.step, Step::Stop | Step::Rejoin)
            && host.rollback.is_none();
        let Some(trouble) = host.trouble.as_deref().filter(|_| is_due && !self.is_overtaken())
        else {
            return;
        };
        let Some(member) = self.member(at) else { return };
        // Where the host says that the swap failed, what serves is what ran before: that is left as it is.
        let has_failed = matches!(self.answer(at, member), Some(Progress::Failed { .. }));
        if self.is_at_work(at, member) || !has_failed && self.may_serve(at, member) {
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

    /// Whether its nodes never went down.
    fn has_stayed(&self, at: usize) -> bool {
        let host = &self.run.hosts[at];
        let evidence = self.world.evidence.ok().filter(|_| !host.before.is_empty());
        evidence.is_some_and(|it| is_untouched(host, it))
    }

    pub(super) fn roll_back(&mut self, at: usize, member: &'a Member) {
        match self.answer(at, member) {
            Some(Progress::Done | Progress::Spared) if self.has_stayed(at) => {
                self.host(at).touched = false;
                self.enter(at, Step::Unprotect);
            }
            Some(Progress::Done | Progress::Spared) => self.enter(at, Step::Rejoin),
            Some(Progress::Failed { reason, .. } | Progress::Vain { reason }) => {
                let why = self.run.hosts[at].rollback.as_deref().unwrap_or_default();
                let trouble = format!("{why}; what ran before does not come back: {reason}");
                self.host(at).trouble = Some(trouble.into());
            }
            Some(Progress::Working { .. }) => {
                self.late(at, "what ran before has not been started again");
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
            format!("{}/{name}/{}/{attempt}", self.run.id, step.as_str()),
            format!("{name}: {why}; what ran there before comes back"),
        ))
    }
}
