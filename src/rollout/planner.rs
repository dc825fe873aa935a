//! The one next step of a run. It is decided from the world as it is and from what the status says
//! was intended: whoever decides again after a crash, or twice, comes to the same.
//!
//! A step that changes something is in the status before it is taken. One decision takes at most one
//! disruptive step. Whatever can't be known is waited for.

mod absent;
mod notes;
mod protection;
mod rollback;
mod steps;
mod stop;
mod target;
mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;

pub use self::protection::Protection;
pub use self::world::{Act, Decision, End, OnFailure, Pace, PauseAfter, Wanted, World};
use super::{
    gate::Gate,
    hosts::Member,
    order,
    run::{HostRun, Kind, Run, Step},
    safety::{self, Scene},
};
use crate::elasticsearch::evidence::Evidence;

/// How long a host may take to say that it has begun. After that the gates are judged anew.
pub const PERMIT: Duration = Duration::from_mins(1);

/// Decides.
#[must_use]
pub fn next(world: &World<'_>) -> Decision {
    let Some(run) = world.run else { return idle(world) };
    if world.is_given_up {
        return give_up(world, run);
    }
    let mut planner =
        Planner { world, run: run.clone(), blocks: BTreeMap::new(), act: None, stops: 0 };
    planner.look();
    planner.resume();
    planner.retarget();
    planner.pass_over();
    for at in 0..planner.run.hosts.len() {
        planner.advance(at);
        planner.fall_back(at);
    }
    planner.drop_missing();
    let ended = planner.begin_more();
    planner.tidy();
    planner.note_blocks(run);
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
        && let Some(act) = protection::left(evidence, world.owner)
    {
        return Decision { act: Some(act), ..nothing };
    }
    let (Some(wanted), None) = (world.wanted, world.hold) else { return nothing };
    Decision { run: begin(world, wanted), ..nothing }
}

/// Hosts that are not back by now are left as they are. What holds allocation back goes in any case.
fn give_up(world: &World<'_>, run: &Run) -> Decision {
    let Ok(evidence) = world.evidence else {
        return Decision { run: Some(run.clone()), act: None, ended: None };
    };
    match protection::left(evidence, world.owner) {
        None => Decision { run: None, act: None, ended: Some((End::GivenUp, run.clone())) },
        act => Decision { run: Some(run.clone()), act, ended: None },
    }
}

fn begin(world: &World<'_>, wanted: &Wanted) -> Option<Run> {
    let uids = wanted.hosts.iter();
    let members = uids.filter_map(|uid| world.member(uid));
    let hosts: Vec<HostRun> = members.map(|it| waiting(it, world.now)).collect();
    (!hosts.is_empty()).then(|| Run {
        id: wanted.id.clone(),
        kind: wanted.kind,
        target: wanted.target.clone(),
        hosts,
        pause: None,
        passed: 0,
        blocked: BTreeMap::new(),
        told: BTreeSet::new(),
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
        revision: None,
        attempt: 1,
        since: now,
        before: BTreeMap::new(),
        touched: false,
        withdrawn: false,
        rollback: None,
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
        self.world.member(&self.run.hosts[at].uid)
    }

    fn host(&mut self, at: usize) -> &mut HostRun {
        &mut self.run.hosts[at]
    }

    fn enter(&mut self, at: usize, step: Step) {
        let now = self.now();
        self.host(at).enter(step, now);
    }

    fn scene<'s>(&'s self, evidence: &'s Evidence) -> Scene<'s> {
        let World { members, permitted, owner, drain, .. } = *self.world;
        Scene { evidence, members, permitted, run: &self.run, drain, owner, now: self.now() }
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
        let Some(member) = self.member(at) else { return self.give_up_absent(at) };
        let is_up = self.is_up(at, member);
        match step {
            Step::Stop | Step::Rollback if is_up => self.begin_anew(at),
            Step::RolledBack => {
                self.enter(at, Step::Waiting);
                self.host(at).again(now);
            }
            // What it takes over may have been used up half-way.
            Step::Stop | Step::Rollback | Step::Rejoin
                if !is_up && self.run.kind.swaps() && !self.is_at_work(at, member) =>
            {
                (self.host(at).touched, self.host(at).rollback) = (true, None);
                self.enter(at, Step::Stage);
                self.host(at).again(now);
            }
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

    /// Hosts that are gone, and that nothing has to be put right for.
    fn drop_missing(&mut self) {
        let world = self.world;
        self.run.hosts.retain(|it| it.is_in_hand() || world.member(&it.uid).is_some());
    }

    /// Whether a host may be begun as far as it is concerned. What went wrong before anything was
    /// touched is tried again after a while.
    fn is_free(&self, host: &HostRun) -> bool {
        let member = self.world.member(&host.uid);
        member.is_some_and(|it| !it.in_maintenance) && steps::is_due(host, self.now())
    }

    /// Where nothing else is left to begin, it is told what keeps the rest.
    fn shut_for_maintenance(&mut self) {
        let is_waiting = |it: &&Member| {
            it.in_maintenance
                && self.run.hosts.iter().any(|at| at.uid == it.uid && at.step == Step::Waiting)
        };
        let held = self.world.members.iter().find(is_waiting).and_then(safety::held_back);
        if let Some(why) = held {
            self.shut(Gate::Host, why);
        }
    }

    /// Why no image is deployed to any host of the run: some of them have none, and a run that could not
    /// come to its end is not begun.
    fn without_images(&self) -> Option<String> {
        let is_without = |it: &&Member| {
            it.has_images == Some(false)
                && self.run.hosts.iter().any(|at| at.uid == it.uid && at.step == Step::Waiting)
        };
        let without = self.world.members.iter().filter(is_without).map(|it| &*it.name);
        let names = safety::named(without);
        (self.run.kind == Kind::HostDeploy && !names.is_empty()).then(|| {
            format!(
                "{names}: it boots from no image of (rpm-)ostree, so none can be deployed there; take it \
                 out of the Cluster, or the request away"
            )
        })
    }

    /// Begins the next host, if one may be begun; or tells how the run has come to its end.
    fn begin_more(&mut self) -> Option<End> {
        let is_idle = !self.run.is_busy();
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
        let begun = self.run.hosts.iter().filter(|it| it.step.is_begun()).count();
        let has_room = begun < self.world.permitted.unavailable;
        // The next batch begins when the last one is over.
        let is_closing = self.run.hosts.iter().any(HostRun::is_out);
        if !has_room || is_closing {
            return None;
        }
        if let Some(why) = self.without_images() {
            self.shut(Gate::Host, why);
            return None;
        }
        match self.world.evidence {
            Err(why) => self.shut(Gate::Evidence, why.to_owned()),
            Ok(evidence) => {
                let next =
                    order::next(&self.run, self.world.members, evidence, |it| self.is_free(it));
                match next.and_then(|it| self.run.hosts.iter().position(|at| at.uid == it.uid)) {
                    Some(at) => self.enter(at, Step::Stage),
                    None => self.shut_for_maintenance(),
                }
            }
        }
        None
    }

    /// Allocation is held back for hosts in hand alone. A request that was given up may have been
    /// carried out after all.
    fn tidy(&mut self) {
        let needs = |it: &HostRun| {
            it.is_staged_anew() || Step::Protect <= it.step && it.step <= Step::Unprotect
        };
        self.tidy_announced();
        if self.act.is_some() || self.run.hosts.iter().any(needs) {
            return;
        }
        let kept = self.world.evidence.ok().and_then(|it| it.allocation.kept_for(self.world.owner));
        self.act = kept.map(Act::Unprotect);
    }
}

#[cfg(test)]
mod tests;
