//! What the run leads to, when that is no longer what is wanted, or is so already.

use super::{OnFailure, Planner, Wanted, begin};
use crate::{
    elasticsearch::version::Version,
    rollout::{
        gate::Gate,
        hosts::{Member, Progress},
        run::{HostRun, Kind, Step, version_of},
        versions,
    },
};

impl<'a> Planner<'a> {
    /// Something else is wanted, and hosts that are down by this run can't come back as they are: the
    /// new target may be the cure. It counts for them at once.
    pub(super) fn retarget(&mut self) {
        let (true, Some(wanted)) = (self.is_overtaken(), self.world.wanted) else { return };
        let hosts = self.run.hosts.iter().enumerate();
        let stuck: Vec<usize> =
            hosts.filter(|it| self.is_stuck(it.0, wanted.kind)).map(|it| it.0).collect();
        let hosts = self.run.hosts.iter().enumerate();
        // What may come back yet is waited for.
        let is_any_away = hosts.filter(|it| it.1.may_be_down()).count() != stuck.len();
        if stuck.is_empty() || is_any_away {
            return;
        }
        if let Some(why) = self.barred(wanted) {
            return self.shut(Gate::Version, why);
        }
        let now = self.now();
        let Some(mut run) = begin(self.world, wanted) else { return };
        for (at, before) in self.run.hosts.iter().enumerate().filter(|it| it.1.is_in_hand()) {
            let place = run.hosts.iter_mut().find(|it| it.uid == before.uid);
            let mut after = before.clone();
            match (stuck.contains(&at), wanted.kind.swaps()) {
                // What is wanted now does not wait there yet.
                (true, true) => {
                    (after.step, after.touched) = (Step::Stage, true);
                    after.rollback = None;
                    after.again(now);
                }
                (true, false) if place.is_some() => {
                    (after.step, after.rollback) = (Step::Stop, None);
                    after.again(now);
                }
                // One that is up comes to its turn again.
                (false, _) if place.is_some() => {
                    (after.withdrawn, after.rollback) = (true, None);
                    after.enter(Step::Unprotect, now);
                }
                // What the new target says nothing of comes to its end all the same.
                _ => {}
            }
            match place {
                Some(host) => *host = after,
                None => run.hosts.push(after),
            }
        }
        run.started_at = now;
        self.run = run;
    }

    /// Hosts that have come to run what they shall before anything was changed for them.
    pub(super) fn pass_over(&mut self) {
        let is_same = |it: &&Wanted| (it.kind, &it.target) == (self.run.kind, &self.run.target);
        let Some(wanted) = self.world.wanted.filter(is_same).filter(|it| it.kind.swaps()) else {
            return;
        };
        let now = self.now();
        let is_left = |it: &HostRun| it.step < Step::Protect || it.step == Step::RolledBack;
        for host in self.run.hosts.iter_mut().filter(|it| is_left(it) && !it.touched) {
            if !wanted.hosts.contains(&host.uid) {
                host.enter(Step::Done, now);
            }
        }
    }

    /// Whether a host is down by this run, and does not come back as what this run leads to. What is up
    /// is not stopped without the gates: it is brought to its end first.
    fn is_stuck(&self, at: usize, kind: Kind) -> bool {
        let host = &self.run.hosts[at];
        let Some(member) = self.member(at).filter(|it| !self.is_up_for(kind, at, it)) else {
            return false;
        };
        // It goes back to what ran there before first, which may be what is wanted.
        let goes_back = self.is_set_back() && host.rollback.is_none();
        if goes_back && matches!(host.step, Step::Stop | Step::Rejoin) {
            return false;
        }
        let is_on_its_way = matches!(host.step, Step::Stop | Step::Rollback | Step::Rejoin);
        let has_trouble = host.trouble.is_some() && is_on_its_way;
        host.is_staged_anew() || has_trouble && (!kind.swaps() || !self.is_at_work(at, member))
    }

    /// Whether what is wanted by now is an older version than the run leads to, and the spec has hosts
    /// rolled back: no host that is down by this run may be started as that.
    pub(super) fn is_set_back(&self) -> bool {
        let is_rolled_back = self.world.pace.on_failure == OnFailure::Rollback;
        let wanted = self.world.wanted.filter(|it| it.kind.swaps() && self.run.kind.swaps());
        let is_older = |wanted: &Wanted| {
            let [was, is] =
                [&self.run.target, &wanted.target].map(|it| Version::parse(version_of(it)));
            is.zip(was).is_some_and(|(is, was)| is < was)
        };
        is_rolled_back && wanted.is_some_and(is_older)
    }

    /// Whether the host is at what it was permitted.
    pub(super) fn is_at_work(&self, at: usize, member: &'a Member) -> bool {
        matches!(self.answer(at, member), Some(Progress::Working { .. }))
    }

    /// Why hosts that are down may not be started as `wanted`, where that is another version than the
    /// run led to: that one had passed the gate. Without Elasticsearch's word nothing but a later patch
    /// of the same release may follow.
    fn barred(&self, wanted: &Wanted) -> Option<String> {
        let [was, is] = [&self.run.target, &wanted.target].map(|it| version_of(it));
        if wanted.kind != Kind::ElasticsearchVersion || self.run.kind.swaps() && was == is {
            return None;
        }
        if let Ok(evidence) = self.world.evidence {
            return versions::barred(&wanted.target, evidence);
        }
        let [was, is] = [was, is].map(Version::parse);
        let follows =
            was.zip(is).is_some_and(|(was, is)| (was.0, was.1) == (is.0, is.1) && was <= is);
        (!follows).then(|| {
            format!(
                "nobody can tell whether {} may follow: Elasticsearch can't be asked",
                version_of(&wanted.target)
            )
        })
    }
}
