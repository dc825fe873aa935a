//! The Cluster controller: it looks, decides, writes the status, and acts, and may end in between.

use drover::elasticsearch::evidence::{Evidence, Prior};
use drover::rollout::{
    hosts::Member,
    planner::{self, Act, End, Pace, Wanted},
    run::{Kind, Run},
    safety::Permitted,
};
use jiff::Timestamp;

/// What people want.
#[derive(Clone, Debug)]
pub struct Spec {
    pub target: u64,
    pub kind: Kind,
    pub unavailable: usize,
    pub paused: bool,
    pub pace: Pace,
}

/// The uid of the object that is reconciled.
pub const OWNER: &str = "uid";

/// What it looked at.
pub struct Look {
    pub evidence: Option<Evidence>,
    pub members: Vec<Member>,
    pub spec: Spec,
    pub run: Option<Run>,
    /// How often the status had been written.
    pub version: u64,
    pub behind: Vec<Box<str>>,
    pub resume: Option<Box<str>>,
    pub now: Timestamp,
}

/// What it decided.
pub struct Decided {
    pub run: Option<Run>,
    pub act: Option<Act>,
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
        let permitted =
            Permitted { unavailable: self.spec.unavailable, downtime: false, single_copies: false };
        let world = planner::World {
            evidence: self.evidence.as_ref().ok_or("Elasticsearch does not answer"),
            owner: OWNER,
            members: &self.members,
            permitted: &permitted,
            pace: &self.spec.pace,
            protection: planner::Protection::AllocationSettings,
            wanted: (!self.behind.is_empty()).then_some(&wanted),
            hold: self.spec.paused.then_some("Paused"),
            is_given_up: false,
            drain: None,
            resume: self.resume.as_deref(),
            run: self.run.as_ref(),
            now: self.now,
        };
        let planner::Decision { run, act, ended } = planner::next(&world);
        Decided { run, act, ended: ended.map(|it| it.0) }
    }
}

/// The setting that a prior value stands for.
pub fn setting(prior: &Prior) -> Option<Box<str>> {
    match prior {
        Prior::Unset => None,
        Prior::Value(value) => Some(value.clone()),
    }
}
