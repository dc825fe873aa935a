//! What the planner goes by, and what it says.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    elasticsearch::evidence::{Evidence, NodeId, Prior},
    rollout::{
        drain::Drain,
        hosts::Member,
        planner::Protection,
        run::{Kind, Run, RunId},
        safety::Permitted,
    },
};

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
    /// How the spec wants hosts protected that go down.
    pub protection: Protection,
    /// What is wanted of the hosts now, if anything.
    pub wanted: Option<&'a Wanted>,
    /// Why nothing new may be begun, in one word; nothing where it may.
    pub hold: Option<&'a str>,
    /// Whether the time is over in which hosts in hand had to be brought back: the object is to go.
    pub is_given_up: bool,
    /// The drain of a host that is under way, as it was decided from the same look.
    pub drain: Option<&'a Drain>,
    /// The token with which a person lets a paused run go on.
    pub resume: Option<&'a str>,
    /// The run that the status tells of.
    pub run: Option<&'a Run>,
    /// When.
    pub now: Timestamp,
}

impl<'a> World<'a> {
    /// The host with this uid; nothing where it is none of the cluster's any more.
    #[must_use]
    pub fn member(&self, uid: &str) -> Option<&'a Member> {
        self.members.iter().find(|it| *it.uid == *uid)
    }
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
    /// What becomes of a host on which what the run brings does not come up.
    pub on_failure: OnFailure,
}

/// What becomes of a host on which what a run brings does not come up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// It stays as it is until a person has seen to it.
    Pause,
    /// What ran there before comes back, where that is safe.
    Rollback,
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

/// What protects hosts, or takes that back, in one request to Elasticsearch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Only primaries may be allocated; what was there before is kept beside it.
    Protect(Prior),
    /// What was there before comes back, and is kept no longer.
    Unprotect(Prior),
    /// A node is announced to go down and to come back.
    Announce {
        /// Which.
        node: NodeId,
        /// For which run.
        run: RunId,
        /// How long the copies that it has wait for it, from when it goes.
        delay: Duration,
    },
    /// What Drover has announced of this node is taken back.
    Retract(NodeId),
}

/// How a run came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Every host is as it was wanted.
    Finished,
    /// Something else is wanted now.
    Superseded,
    /// The object is to go, and hosts were not brought back in time.
    GivenUp,
}
