//! What becomes of a host on which what the run brings does not come up, where the spec has that rolled
//! back: what ran there before is started again, and the run has failed. Hosts that are done stay as they
//! are. What protects the cluster stays until the host is back, or a person has decided.

use std::collections::BTreeSet;

use super::{OnFailure, PERMIT, Planner, absent::is_untouched, stop::is_started_anew};
use crate::{
    elasticsearch::version::Version,
    rollout::{
        gate::Gate,
        hosts::{Member, Progress},
        run::{FRESH, HostRun, Kind, Step, version_of},
        safety::{held_back, since},
    },
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
        // Where the host says that the swap failed and nothing went down, what serves is what ran before:
        // that is left as it is. In another start it may be what the run brings.
        let has_failed = matches!(self.answer(at, member), Some(Progress::Failed { .. }));
        let is_before = has_failed && self.has_stayed(at);
        if self.is_at_work(at, member) || !is_before && self.may_serve(at, member) {
            return;
        }
        // One that can't take its permit now may take it when nobody looks, and be back by then.
        if let Some(why) = held_back(member) {
            let until = "as long as that is so, what ran there before does not come back";
            return self.shut(Gate::Host, format!("{why}; {until}"));
        }
        if let Some(why) = self.shut_out(member).filter(|_| !is_before) {
            return self.shut(Gate::Version, why);
        }
        let why = format!("{} failed: {trouble}", host.step.as_str());
        let host = self.host(at);
        (host.touched, host.rollback) = (true, Some(why.into()));
        self.enter(at, Step::Rollback);
    }

    /// Why the version that ran on the host before may not join the other nodes any more; nothing where it
    /// may. As soon as the last node has left that is older than what the run brings, the cluster takes no
    /// older one in. Those of hosts that may be down by the run are as good as gone.
    fn shut_out(&self, member: &Member) -> Option<String> {
        if self.run.kind != Kind::ElasticsearchVersion {
            return None;
        }
        let doubt = |why: &str| {
            let name = &member.name;
            Some(format!(
                "{name}: nobody can tell whether the version that ran there before may join the other \
                 nodes, so it does not come back: {why}"
            ))
        };
        let Some(evidence) = self.world.evidence.ok().filter(|it| it.check().is_ok()) else {
            return doubt("Elasticsearch can't be asked, or its answers do not agree");
        };
        let target = version_of(&self.run.target);
        let Some(brought) = Version::parse(target) else {
            return doubt("the run leads to no version");
        };
        let lost = self.scene(evidence).lost(member);
        let others = evidence.nodes.iter().filter(|it| !lost.contains(it.0));
        let others = others.map(|it| Version::parse(&it.1.version));
        let Some(others) = others.collect::<Option<BTreeSet<Version>>>() else {
            return doubt("a node does not tell which version it runs");
        };
        let is_mixed = others.first().is_some_and(|it| *it < brought);
        (!is_mixed).then(|| {
            format!(
                "{}: all other nodes run {target} or later, and take in none of an older version: what ran \
                 there before does not come back. See to what keeps {target} from coming up there",
                member.name
            )
        })
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
    pub(super) fn has_stayed(&self, at: usize) -> bool {
        let host = &self.run.hosts[at];
        let evidence = self.world.evidence.ok().filter(|_| !host.before.is_empty());
        evidence.is_some_and(|it| is_untouched(host, it))
    }

    /// Whether it runs what the run brings, and its nodes serve: what did not come up in time has.
    pub(super) fn has_come_after_all(&self, at: usize) -> bool {
        let host = &self.run.hosts[at];
        let is_at_target = self.world.wanted.is_some_and(|it| {
            (it.kind, &it.target) == (self.run.kind, &self.run.target)
                && !it.hosts.contains(&host.uid)
        });
        let evidence = self.world.evidence.ok().filter(|it| it.check().is_ok());
        is_at_target
            && self.member(at).is_some()
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
            Some(Progress::Failed { .. } | Progress::Vain { .. } | Progress::Late { .. })
                if self.has_come_after_all(at) =>
            {
                self.host(at).rollback = None;
                self.enter(at, Step::Rejoin);
            }
            Some(
                Progress::Failed { reason, .. }
                | Progress::Vain { reason }
                | Progress::Late { reason },
            ) => {
                let why = self.run.hosts[at].rollback.as_deref().unwrap_or_default();
                let trouble = format!("{why}; what ran before does not come back: {reason}");
                self.host(at).trouble = Some(trouble.into());
            }
            Some(Progress::Working { .. }) => {
                self.late(at, "what ran before has not been started again");
            }
            // It has come back by itself, and is not stopped again without the gates.
            None if self.is_permit_over(at) && self.may_serve(at, member) => {
                self.enter(at, Step::Rejoin);
            }
            None => {
                self.shut_for_host(member);
                self.late(at, "it has not taken its permit to start what ran before");
            }
        }
    }

    /// Whether what serves there does not count yet, since what ran before may be about to come back. A host
    /// that took its permit at the very moment at which it was no longer waited for goes on with it: by then
    /// it may stop what serves.
    pub(super) fn may_be_recalled(&mut self, at: usize, member: &'a Member) -> bool {
        let host = &self.run.hosts[at];
        if host.rollback.is_none() {
            return false;
        }
        let age = since(host.since, self.now());
        match self.answer_to(at, member, Step::Rollback) {
            Some(Progress::Working { .. }) => {
                self.enter(at, Step::Rollback);
                true
            }
            Some(_) => false,
            None => age <= FRESH * 2,
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
