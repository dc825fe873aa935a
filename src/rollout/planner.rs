//! The one next step of a run. It is decided from the world as it is and from what the status says
//! was intended: whoever decides again after a crash, or twice, comes to the same.
//!
//! A step that changes something is in the status before it is taken. One decision takes at most one
//! disruptive step. Whatever can't be known is waited for.

mod steps;

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{
    gate::Gate,
    hosts::Member,
    order,
    run::{Blocked, HostRun, Kind, Pause, Run, RunId, Step},
    safety::{self, Permitted, Scene},
};
use crate::elasticsearch::evidence::{Evidence, Prior};

/// How long a host may take to say that it has begun. After that the gates are judged anew.
pub const PERMIT: Duration = Duration::from_mins(1);

/// What a decision rests on.
#[derive(Clone, Debug)]
pub struct World<'a> {
    /// What Elasticsearch says; why it could not be read in full, in words for people.
    pub evidence: Result<&'a Evidence, &'a str>,
    /// Whose run it is: a uid, by which what protects it is told from what protects another.
    pub owner: &'a str,
    /// All hosts of the cluster.
    pub members: &'a [Member],
    /// What the spec permits.
    pub permitted: &'a Permitted,
    /// What the spec says of the pace.
    pub pace: &'a Pace,
    /// What is wanted of the hosts now, if anything.
    pub wanted: Option<&'a Wanted>,
    /// Why nothing new may be begun, in one word; nothing where it may.
    pub hold: Option<&'a str>,
    /// The token with which a person lets a paused run go on.
    pub resume: Option<&'a str>,
    /// The run that the status tells of.
    pub run: Option<&'a Run>,
    /// When.
    pub now: Timestamp,
}

/// What the spec says of the pace of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// After which hosts a person has to let it go on.
    pub pause_after: PauseAfter,
    /// How long a host may take from the permit to stop until its nodes are back.
    pub host_timeout: Duration,
    /// How long the cluster has to be well before the next host.
    pub min_ready: Duration,
}

/// After which hosts a run waits for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseAfter {
    /// The first.
    First,
    /// Each.
    Each,
    /// None.
    Never,
}

/// Something that is wanted of hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What the run would be called.
    pub id: RunId,
    /// What is to be done.
    pub kind: Kind,
    /// What it leads to.
    pub target: Box<str>,
    /// The uids of the hosts that are not there yet.
    pub hosts: Vec<Box<str>>,
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The run, as the status has to tell it before anything is done.
    pub run: Option<Run>,
    /// What is to be written to Elasticsearch, after the status was.
    pub act: Option<Act>,
    /// How the run that the status told of came to its end, and how it looked then; nothing while
    /// it goes on.
    pub ended: Option<(End, Run)>,
}

/// A change of Elasticsearch's settings, in one persistent request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Only primaries may be allocated; what was there before is kept beside it.
    Protect(Prior),
    /// What was there before comes back, and is kept no longer.
    Unprotect(Prior),
}

/// How a run came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Every host is as it was wanted.
    Finished,
    /// Something else is wanted now.
    Superseded,
}

/// Decides.
#[must_use]
pub fn next(world: &World<'_>) -> Decision {
    let Some(run) = world.run else { return idle(world) };
    let mut planner =
        Planner { world, run: run.clone(), blocks: BTreeMap::new(), act: None, stops: 0 };
    planner.look();
    planner.resume();
    planner.retarget();
    for at in 0..planner.run.hosts.len() {
        planner.advance(at);
    }
    planner.drop_missing();
    let ended = planner.begin_more();
    planner.tidy();
    planner.note_blocks();
    let Planner { run, act, .. } = planner;
    match ended {
        None => Decision { run: Some(run), act, ended: None },
        Some(end) => Decision { run: None, act, ended: Some((end, run)) },
    }
}

/// Nothing is under way: what an earlier run left is put back, and something new may begin.
fn idle(world: &World<'_>) -> Decision {
    let nothing = Decision { run: None, act: None, ended: None };
    if let Ok(evidence) = world.evidence
        && let Some(prior) = evidence.allocation.kept_for(world.owner)
    {
        return Decision { act: Some(Act::Unprotect(prior)), ..nothing };
    }
    let (Some(wanted), None) = (world.wanted, world.hold) else { return nothing };
    Decision { run: begin(world, wanted), ..nothing }
}

fn begin(world: &World<'_>, wanted: &Wanted) -> Option<Run> {
    let uids = wanted.hosts.iter();
    let members = uids.filter_map(|uid| world.members.iter().find(|it| it.uid == *uid));
    let hosts: Vec<HostRun> = members.map(|it| waiting(it, world.now)).collect();
    (!hosts.is_empty()).then(|| Run {
        id: wanted.id.clone(),
        kind: wanted.kind,
        target: wanted.target.clone(),
        hosts,
        pause: None,
        passed: 0,
        blocked: BTreeMap::new(),
        settled: None,
        well_since: None,
        started_at: world.now,
    })
}

fn waiting(member: &Member, now: Timestamp) -> HostRun {
    HostRun {
        name: member.name.clone(),
        uid: member.uid.clone(),
        step: Step::Waiting,
        attempt: 1,
        since: now,
        before: BTreeMap::new(),
        touched: false,
        withdrawn: false,
        trouble: None,
    }
}

struct Planner<'a> {
    world: &'a World<'a>,
    run: Run,
    blocks: BTreeMap<Gate, String>,
    act: Option<Act>,
    /// How many hosts this decision permits to stop.
    stops: usize,
}

impl<'a> Planner<'a> {
    fn now(&self) -> Timestamp {
        self.world.now
    }

    fn member(&self, at: usize) -> Option<&'a Member> {
        let uid = &self.run.hosts[at].uid;
        self.world.members.iter().find(|it| it.uid == *uid)
    }

    fn host(&mut self, at: usize) -> &mut HostRun {
        &mut self.run.hosts[at]
    }

    fn enter(&mut self, at: usize, step: Step) {
        let now = self.now();
        self.host(at).enter(step, now);
    }

    /// Takes note of how the cluster looks.
    fn look(&mut self) {
        let Ok(evidence) = self.world.evidence else {
            (self.run.settled, self.run.well_since) = (None, None);
            return;
        };
        self.run.settled = safety::looks(evidence, self.run.settled.as_ref(), self.now());
        let scene = self.scene(evidence);
        let is_well = scene.recovered().is_empty();
        self.run.well_since = is_well.then(|| self.run.well_since.unwrap_or_else(|| self.now()));
    }

    fn scene<'s>(&'s self, evidence: &'s Evidence) -> Scene<'s> {
        let World { members, permitted, owner, .. } = *self.world;
        Scene { evidence, members, permitted, run: &self.run, owner, now: self.now() }
    }

    /// A person lets the run go on.
    fn resume(&mut self) {
        let Some(pause) = &self.run.pause else { return };
        if self.world.resume != Some(&*pause.token) {
            return;
        }
        self.run.pause = None;
        self.run.passed = self.done();
        for at in 0..self.run.hosts.len() {
            if self.run.hosts[at].trouble.is_some() {
                self.try_again(at);
            }
        }
    }

    /// A host that is down gets another permit to be started; one that is up comes to the gates first.
    fn try_again(&mut self, at: usize) {
        let now = self.now();
        let step = self.run.hosts[at].step;
        let is_up = self.member(at).is_none_or(|it| self.is_up(it));
        match step {
            Step::Stop if is_up => self.begin_anew(at),
            Step::Rejoin if !is_up => {
                self.enter(at, Step::Stop);
                self.host(at).again(now);
            }
            _ => self.host(at).again(now),
        }
    }

    fn done(&self) -> usize {
        self.run.hosts.iter().filter(|it| it.step == Step::Done).count()
    }

    /// Whether the run no longer is what is wanted.
    fn is_overtaken(&self) -> bool {
        let is_same = |it: &Wanted| (it.kind, &it.target) == (self.run.kind, &self.run.target);
        self.world.hold.is_none() && self.world.wanted.is_some_and(|it| !is_same(it))
    }

    /// Something else is wanted, and a host that is down by this run can't come back as it is: the new
    /// target may be the cure. It counts for that host at once.
    fn retarget(&mut self) {
        let (true, Some(wanted)) = (self.is_overtaken(), self.world.wanted) else { return };
        let is_stuck =
            |it: &HostRun| it.trouble.is_some() && matches!(it.step, Step::Stop | Step::Rejoin);
        // What is up is not stopped without the gates: it is brought to its end first.
        let is_down = |it: &HostRun| {
            let member = self.world.members.iter().find(|member| member.uid == it.uid);
            member.is_some_and(|it| !self.is_up(it))
        };
        let is_stuck = |it: &HostRun| is_stuck(it) && is_down(it);
        let stuck = self.run.hosts.iter().any(is_stuck);
        let in_hand = self.run.hosts.iter().filter(|it| it.step.is_in_hand()).count();
        if !stuck || in_hand != 1 {
            return;
        }
        let now = self.now();
        let Some(mut run) = begin(self.world, wanted) else { return };
        for before in self.run.hosts.iter().filter(|it| is_stuck(it)) {
            let place = run.hosts.iter_mut().find(|it| it.uid == before.uid);
            // A host that the new target says nothing of has to come back all the same.
            let Some(host) = place else {
                run.hosts.push(before.clone());
                continue;
            };
            *host = HostRun { attempt: before.attempt, ..before.clone() };
            host.step = Step::Stop;
            host.again(now);
        }
        run.started_at = now;
        self.run = run;
    }

    /// Hosts that are gone, and that nothing has to be put right for.
    fn drop_missing(&mut self) {
        let members = self.world.members;
        self.run
            .hosts
            .retain(|it| it.step.is_in_hand() || members.iter().any(|member| member.uid == it.uid));
    }

    /// Begins the next host, if one may be begun; or tells how the run has come to its end.
    fn begin_more(&mut self) -> Option<End> {
        let busy = |it: &HostRun| it.step != Step::Waiting && it.step != Step::Done;
        let is_idle = !self.run.hosts.iter().any(busy);
        if is_idle && self.run.hosts.iter().all(|it| it.step == Step::Done) {
            return Some(End::Finished);
        }
        if is_idle && self.is_overtaken() {
            return Some(End::Superseded);
        }
        self.note_pause();
        if self.run.pause.is_some() || self.world.hold.is_some() || self.is_overtaken() {
            return None;
        }
        let has_room =
            self.run.hosts.iter().filter(|it| busy(it)).count() < self.world.permitted.unavailable;
        // The next batch begins when the last one is over.
        let is_closing =
            self.run.hosts.iter().any(|it| Step::Stop <= it.step && it.step.is_in_hand());
        if !has_room || is_closing {
            return None;
        }
        match self.world.evidence {
            Err(why) => self.shut(Gate::Evidence, why.to_owned()),
            Ok(evidence) => {
                // What went wrong before anything was touched is tried again after a while.
                let is_due = |it: &HostRun| steps::is_due(it, self.now());
                if let Some(next) = order::next(&self.run, self.world.members, evidence, is_due) {
                    let at = self.run.hosts.iter().position(|it| it.uid == next.uid);
                    if let Some(at) = at {
                        self.enter(at, Step::Stage);
                    }
                }
            }
        }
        None
    }

    /// Allocation is held back for hosts in hand alone. A request that was given up may have been
    /// carried out after all.
    fn tidy(&mut self) {
        let needs = |it: &HostRun| Step::Protect <= it.step && it.step <= Step::Unprotect;
        if self.act.is_some() || self.run.hosts.iter().any(needs) {
            return;
        }
        let kept = self.world.evidence.ok().and_then(|it| it.allocation.kept_for(self.world.owner));
        self.act = kept.map(Act::Unprotect);
    }

    /// A run pauses where a host has trouble, and where the spec says so; what has passed by itself
    /// is no longer waited for.
    fn note_pause(&mut self) {
        let is_for_person = |it: &&HostRun| it.trouble.is_some() && !steps::is_tried_again(it);
        let trouble = self.run.hosts.iter().find(is_for_person);
        let done = self.done();
        let reason = match (trouble, self.world.pace.pause_after) {
            (Some(host), _) => {
                let trouble = host.trouble.as_deref().unwrap_or_default();
                Some((
                    format!(
                        "{}/{}/{}/{}",
                        self.run.id,
                        host.name,
                        host.step.as_str(),
                        host.attempt
                    ),
                    format!("{} at {}: {trouble}", host.name, host.step.as_str()),
                ))
            }
            (None, PauseAfter::First) if done == 1 && self.run.passed == 0 => {
                Some(self.after(done))
            }
            (None, PauseAfter::Each) if self.run.passed < done => Some(self.after(done)),
            _ => None,
        };
        self.run.pause =
            reason.map(|(token, reason)| Pause { token: token.into(), reason: reason.into() });
    }

    fn after(&self, done: usize) -> (String, String) {
        (format!("{}/{done}", self.run.id), format!("{done} hosts are done: rollout.pauseAfter"))
    }

    /// Keeps since when a gate is shut.
    fn note_blocks(&mut self) {
        let before = std::mem::take(&mut self.run.blocked);
        let now = self.now();
        let blocked = std::mem::take(&mut self.blocks).into_iter().map(|(gate, message)| {
            let since = before.get(&gate).map_or(now, |it| it.since);
            (gate, Blocked { message, since })
        });
        self.run.blocked = blocked.collect();
    }
}
