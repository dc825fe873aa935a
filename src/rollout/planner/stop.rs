//! From the permit to stop until what went down is back.

use std::{collections::BTreeMap, time::Duration};

use super::{
    PERMIT, Planner,
    steps::{TRIES, failed},
};
use crate::{
    elasticsearch::evidence::{Evidence, NodeId},
    rollout::{
        hosts::{Match, Member, Progress},
        run::{FRESH, HostRun, Kind, Step},
        safety::since,
    },
};

/// How long a node that has stopped again may take to be started again by its own systemd, and one
/// that the machine starts until it shows.
const SETTLE: Duration = Duration::from_secs(30);

/// After how many attempts a person is asked about a host that always takes yet another permit.
const PERMITS: u32 = 10;

impl<'a> Planner<'a> {
    pub(super) fn permit_stop(&mut self, at: usize, member: &Member, evidence: &Evidence) {
        let going = member.going(self.run.kind, evidence);
        let starts: BTreeMap<_, _> = going
            .filter_map(|id| Some((id.clone(), evidence.nodes.get(id)?.ephemeral_id.clone())))
            .collect();
        // A host whose nodes were down already shows nothing; what is known from before it went stays.
        if !starts.is_empty() {
            self.host(at).before = starts;
        }
        self.enter(at, Step::Stop);
    }

    pub(super) fn stop(&mut self, at: usize, member: &'a Member) {
        let age = since(self.run.hosts[at].since, self.now());
        match self.answer(at, member) {
            Some(Progress::Spared) if self.is_up(at, member) => {
                self.host(at).touched = false;
                self.enter(at, Step::Unprotect);
            }
            Some(Progress::Done | Progress::Spared) => self.enter(at, Step::Rejoin),
            Some(Progress::Vain { reason }) => self.bring_back(at, reason),
            Some(Progress::Failed { reason, touched: false }) if !self.run.hosts[at].touched => {
                self.take_back(at);
                self.host(at).trouble = Some(failed(Step::Stop, reason));
            }
            // It says by now that nothing was stopped: it waits for another permit, and not for ever.
            Some(Progress::Failed { reason, touched: false })
                if self.run.kind.may_spare() && self.is_up(at, member) =>
            {
                if self.run.hosts[at].attempt < PERMITS {
                    self.begin_anew(at);
                } else {
                    self.bring_back(at, reason);
                }
            }
            // It is up all the same, and something else is wanted of it: that begins with the gates.
            Some(Progress::Failed { .. }) if self.is_overtaken() && self.is_up(at, member) => {
                self.begin_anew(at);
            }
            Some(Progress::Failed { reason, .. }) => {
                self.host(at).touched = true;
                self.host(at).trouble = Some(reason.clone());
            }
            Some(Progress::Working { touched }) => {
                self.host(at).touched |= touched;
                self.late(at, "it has not come to an end");
            }
            // A host that was begun before is beyond asking: only a person's word is waited for.
            None if self.run.hosts[at].touched && !self.is_up(at, member) => {
                self.shut_for_host(member);
                self.late(at, "it has not taken its permit to start what it shall run");
            }
            // It has come up by itself: another stop begins with the gates.
            None if self.run.hosts[at].touched => self.begin_anew(at),
            None if PERMIT < age => {
                self.enter(at, Step::Withdraw);
                let why = format!("it has not taken its permit to stop within {PERMIT:?}");
                self.host(at).trouble = Some(why.into());
            }
            None if self.is_open(member).is_none() => self.enter(at, Step::Withdraw),
            None => self.shut_for_host(member),
        }
    }

    /// What was to be done there failed, and by the host's word nothing is down for it. Once its nodes
    /// serve, nothing is held back for it any longer; a person hears why before it is tried again.
    fn bring_back(&mut self, at: usize, reason: &str) {
        let trouble = failed(Step::Stop, reason);
        let is_back = self.world.evidence.is_ok_and(|evidence| {
            let serves = |id: &NodeId| evidence.nodes.get(id).is_some_and(|it| it.serves);
            evidence.check().is_ok() && self.run.hosts[at].before.keys().all(serves)
        });
        if is_back {
            self.host(at).touched = false;
            let attempt = self.run.hosts[at].attempt.max(TRIES);
            self.host(at).attempt = attempt;
            self.take_back(at);
        } else {
            self.unknown();
            self.host(at).touched = true;
        }
        self.host(at).trouble = Some(trouble);
    }

    /// Whether what the run takes down there runs, or may.
    pub(super) fn is_up(&self, at: usize, member: &Member) -> bool {
        self.is_up_for(self.run.kind, at, member)
    }

    /// Whether anything runs there, or may, that stops where `kind` is done: what is up is not stopped
    /// without the gates.
    pub(super) fn is_up_for(&self, kind: Kind, at: usize, member: &Member) -> bool {
        let is_of_machine = kind.is_of_machine();
        let Ok(evidence) = self.world.evidence else {
            return member.runs || is_of_machine && member.others_run || !member.is_home;
        };
        // A node that nobody tells apart from the unit's may be the unit's.
        let may_be_it = is_of_machine || !member.others_run;
        let is_there = |id: &NodeId| evidence.nodes.contains_key(id);
        member.runs
            || self.run.hosts[at].before.keys().any(is_there)
            || may_be_it && (member.others_run || !member.is_down(evidence))
    }

    /// Whatever was tried there, the host comes to the gates again before it goes down.
    pub(super) fn begin_anew(&mut self, at: usize) {
        // Nobody can say what would be let go again, and whether the host is up at all.
        if self.world.evidence.is_err() {
            return self.unknown();
        }
        (self.host(at).touched, self.host(at).rollback) = (false, None);
        self.take_back(at);
    }

    /// The status has said for a while that there is no permit. A host that had begun has said so
    /// by now: it says so first, and looks whether the permit is still there before it acts.
    pub(super) fn withdraw(&mut self, at: usize, member: &'a Member) {
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
            let trouble = self.host(at).trouble.take();
            self.take_back(at);
            self.host(at).trouble = trouble;
        }
    }

    pub(super) fn rejoin(&mut self, at: usize, member: &Member) {
        let Ok(evidence) = self.world.evidence else {
            return self.late(at, "Elasticsearch can't be asked");
        };
        if evidence.check().is_err() {
            return self.late(at, "Elasticsearch's answers do not agree");
        }
        let (kind, host) = (self.run.kind, &self.run.hosts[at]);
        let age = since(host.since, self.now());
        let is_anew = |id: &NodeId| {
            let start = evidence.nodes.get(id).map(|it| &it.ephemeral_id);
            start.is_some_and(|it| host.before.get(id) != Some(it))
        };
        let is_back = match &member.nodes {
            // None ran there before, and none does now. What the machine itself starts may be on its
            // way for a while.
            Match::Stopped => {
                let is_quiet = kind.is_of_machine() && SETTLE < age;
                host.before.is_empty() && (!member.is_home || is_quiet)
            }
            Match::Unknown(_) => false,
            Match::Nodes { of_unit, others } if kind.is_of_machine() => {
                of_unit.union(others).all(is_anew)
            }
            Match::Nodes { of_unit, .. } => !of_unit.is_empty() && of_unit.iter().all(is_anew),
        };
        let has_stopped = match &member.nodes {
            Match::Stopped => true,
            Match::Nodes { of_unit, .. } => !kind.is_of_machine() && of_unit.is_empty(),
            Match::Unknown(_) => false,
        };
        if is_back && is_started_anew(host, evidence) {
            self.host(at).touched = false;
            self.enter(at, Step::Unprotect);
        } else if (has_stopped || member.is_failing) && !host.before.is_empty() && member.is_home {
            // It may be on its way up again: for a while the host's word is not the last one.
            if SETTLE < age {
                let why = "Elasticsearch does not stay up there: see the journal of its unit";
                self.host(at).trouble = Some(why.into());
            }
        } else {
            self.late(at, "its Elasticsearch has not come back to the cluster");
        }
    }

    /// What has lasted for too long is trouble, and why nobody can work on the host says more of it than
    /// that. Why it does may change with each look: the first reason stays.
    pub(super) fn late(&mut self, at: usize, why: &str) {
        let limit = self.world.pace.host_timeout;
        let is_late = limit < since(self.run.hosts[at].since, self.now());
        if is_late && self.run.hosts[at].trouble.is_none() {
            let unfit = self.member(at).and_then(|it| it.fit.as_ref().err());
            let cause = unfit.map(|it| format!(": {it}")).unwrap_or_default();
            self.host(at).trouble = Some(format!("{why} within {limit:?}{cause}").into());
        }
    }
}

/// Whether each node that went down with the host serves again, in another start.
pub(super) fn is_started_anew(host: &HostRun, evidence: &Evidence) -> bool {
    host.before.iter().all(|(id, start)| {
        evidence.nodes.get(id).is_some_and(|it| it.serves && it.ephemeral_id != *start)
    })
}
