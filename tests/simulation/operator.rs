//! The Cluster controller: it looks, decides, writes the status, and acts, and may end in between.

use std::collections::BTreeMap;

use drover::elasticsearch::evidence::{Allocation, Evidence, NodeId, Prior, Record};
use drover::rollout::{
    drain::{self, Cause, Drain},
    hosts::Member,
    planner::{self, Act, End, Pace, Protection, Wanted},
    run::{HostRun, Kind, Run, Step},
    safety::Permitted,
};
use jiff::Timestamp;

use super::{drains, hosts::Known};

/// What people want.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    pub target: u64,
    pub kind: Kind,
    pub unavailable: usize,
    pub paused: bool,
    /// Whether indices with one copy may be unavailable for a while.
    pub alone: bool,
    pub pace: Pace,
    pub protection: Protection,
}

/// Why there is no evidence.
pub const SILENT: &str = "Elasticsearch does not answer";

/// The uid of the object that is reconciled.
pub const OWNER: &str = "uid";

/// What the status tells of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    pub run: Option<Run>,
    pub drain: Option<Drain>,
}

/// What it looked at.
#[derive(Clone)]
pub struct Look {
    pub evidence: Option<Evidence>,
    pub members: Vec<Member>,
    /// The members, those that leave, and those that have a node yet.
    pub known: Vec<Known>,
    /// Whether the Cluster is one whose Elasticsearch Drover runs.
    pub managed: bool,
    pub spec: Spec,
    pub status: Status,
    /// How often the status had been written.
    pub version: u64,
    pub behind: Vec<Box<str>>,
    pub resume: Option<Box<str>>,
    pub now: Timestamp,
}

/// What it decided.
pub struct Decided {
    pub status: Status,
    pub act: Option<Act>,
    pub drain: Option<drain::Act>,
    pub ended: Option<End>,
}

impl Look {
    pub fn decide(&self) -> Decided {
        let wanted = Wanted {
            // No two runs have the same name, whatever they are for.
            id: format!("run-{}", self.version).into(),
            kind: self.spec.kind,
            target: self.spec.target.to_string().into(),
            hosts: self.behind.clone(),
        };
        let permitted = Permitted {
            unavailable: self.spec.unavailable,
            downtime: false,
            single_copies: self.spec.alone,
        };
        let drained = drains::decide(self);
        let world = planner::World {
            evidence: self.evidence.as_ref().ok_or(SILENT),
            owner: OWNER,
            members: &self.members,
            permitted: &permitted,
            pace: &self.spec.pace,
            protection: self.spec.protection,
            wanted: (!self.behind.is_empty()).then_some(&wanted),
            hold: self.hold(drained.drain.as_ref()),
            is_given_up: false,
            drain: drained.drain.as_ref(),
            resume: self.resume.as_deref(),
            run: self.status.run.as_ref(),
            now: self.now,
        };
        let planner::Decision { run, act, ended } = planner::next(&world);
        let status = Status { run, drain: drained.drain };
        Decided { status, act, drain: drained.act, ended: ended.map(|it| it.0) }
    }

    /// Why no host is begun. What is drained for the run itself does not hold it.
    fn hold(&self, drain: Option<&Drain>) -> Option<&'static str> {
        let holds = |it: &Drain| {
            it.is_in_flight() && (self.status.run.is_none() || it.of.cause == Cause::Leaves)
        };
        let is_draining = drain.is_some_and(holds);
        let paused = self.spec.paused.then_some("Paused");
        paused.or_else(|| is_draining.then_some("Draining"))
    }
}

/// Whether `act` still holds where the object is as the API server has it now, and the settings are as
/// Elasticsearch has them.
pub fn holds(
    act: &Act,
    decided: &Status,
    now: &Status,
    allocation: &Allocation,
    announced: &BTreeMap<NodeId, Record>,
) -> bool {
    let needed = || now.run.iter().flat_map(|it| &it.hosts).any(needs_protection);
    let is_own = |node: &NodeId| announced.get(node).map(|it| it.is_of(OWNER));
    match act {
        Act::Protect(prior) => {
            let is_taken = allocation.is_protected() || allocation.is_kept_by_other(OWNER);
            let is_so = !is_taken && allocation.is_free() && allocation.as_prior() == *prior;
            now.run == decided.run && is_so
        }
        Act::Announce { node, .. } => now.run == decided.run && is_own(node) != Some(false),
        Act::Retract(node) => (now.run == decided.run || !needed()) && is_own(node) == Some(true),
        Act::Unprotect(prior) => {
            let is_so = allocation.kept_for(OWNER).as_ref() == Some(prior);
            (now.run == decided.run || !needed()) && is_so
        }
    }
}

fn needs_protection(host: &HostRun) -> bool {
    Step::Protect <= host.step && host.step < Step::Unprotect || host.is_staged_anew()
}

/// The setting that a prior value stands for.
pub fn setting(prior: &Prior) -> Option<Box<str>> {
    match prior {
        Prior::Unset => None,
        Prior::Value(value) => Some(value.clone()),
    }
}
