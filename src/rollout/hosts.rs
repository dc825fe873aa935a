//! The hosts of a cluster as a roll sees them, and which nodes run on which machine.

use std::collections::BTreeSet;

use super::{
    roles::Roles,
    run::{Kind, RunId, Step},
};
use crate::elasticsearch::evidence::{Evidence, NodeId};

/// One member host.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // Each is a fact of its own.
pub struct Member {
    /// Name of the Host.
    pub name: Box<str>,
    /// Its uid: one that is made again under its name is another.
    pub uid: Box<str>,
    /// Addresses of the machine, by which nodes that nobody matched are still known to be on it.
    pub addresses: BTreeSet<Box<str>>,
    /// Which nodes of the cluster run on it.
    pub nodes: Match,
    /// Whether Elasticsearch is installed there, whether it runs or not.
    pub is_home: bool,
    /// Whether Elasticsearch ran in the unit when the host was last looked at.
    pub runs: bool,
    /// Whether one ran beside the unit then.
    pub others_run: bool,
    /// Whether systemd has started the unit again by itself, and more than once.
    pub is_failing: bool,
    /// The roles that its node is to have.
    pub roles: Roles,
    /// Whether shards may be on its disk, though its node is not in the cluster.
    pub may_hold_shards: bool,
    /// Whether it can be worked on; why not, in words for people.
    pub fit: Result<(), Box<str>>,
    /// Whether it boots from images, so that one can be deployed there; nothing where nobody knows.
    pub has_images: Option<bool>,
    /// Whether a person has taken it out of service.
    pub in_maintenance: bool,
    /// Whether its Node is cordoned by Drover for a roll.
    pub is_cordoned: bool,
    /// What it says of the permit that it acts on.
    pub answer: Option<Answer>,
}

/// The nodes of the cluster that run on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// These, and no other Elasticsearch runs there.
    Nodes {
        /// Those of the unit: where that is restarted, they alone stop.
        of_unit: BTreeSet<NodeId>,
        /// Those beside it.
        others: BTreeSet<NodeId>,
    },
    /// No Elasticsearch runs there: the host says so itself.
    Stopped,
    /// Nobody knows; why, in words for people.
    Unknown(Box<str>),
}

impl Match {
    /// These nodes of the unit, and no other Elasticsearch.
    #[must_use]
    pub fn unit(nodes: impl IntoIterator<Item = NodeId>) -> Self {
        Self::Nodes { of_unit: nodes.into_iter().collect(), others: BTreeSet::new() }
    }

    /// Whether a node is of the unit.
    #[must_use]
    pub fn is_of_unit(&self, id: &NodeId) -> bool {
        matches!(self, Self::Nodes { of_unit, .. } if of_unit.contains(id))
    }

    /// Whether a node is on the host, of the unit or beside it.
    #[must_use]
    pub fn has(&self, id: &NodeId) -> bool {
        self.is_of_unit(id) || matches!(self, Self::Nodes { others, .. } if others.contains(id))
    }
}

impl Member {
    /// The ids of its nodes that are members of the cluster now.
    pub fn live<'a>(&'a self, evidence: &'a Evidence) -> impl Iterator<Item = &'a NodeId> {
        let is_here = move |id: &NodeId, address: &str| {
            self.nodes.has(id) || self.addresses.contains(address)
        };
        evidence.nodes.iter().filter(move |(id, it)| is_here(id, &it.address)).map(|(id, _)| id)
    }

    /// Of these, the ones that stop where `kind` is done to the host.
    pub fn going<'a>(
        &'a self,
        kind: Kind,
        evidence: &'a Evidence,
    ) -> impl Iterator<Item = &'a NodeId> {
        self.live(evidence).filter(move |id| kind.is_of_machine() || self.nodes.is_of_unit(id))
    }

    /// Whether none of its nodes is in the cluster.
    #[must_use]
    pub fn is_down(&self, evidence: &Evidence) -> bool {
        self.live(evidence).next().is_none()
    }
}

/// What a host says of the last permit that it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Of which run.
    pub run: RunId,
    /// Which step.
    pub step: Step,
    /// Which attempt at it.
    pub attempt: u32,
    /// How far it is.
    pub progress: Progress,
}

/// How far a host is with a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// At it.
    Working {
        /// Whether Elasticsearch was stopped, or may have been. As long as it was not, the host may
        /// have begun all the same, and not have said so yet.
        touched: bool,
    },
    /// Done, and verified by reading back.
    Done,
    /// The same, and nothing was stopped for it: no node has to come back.
    Spared,
    /// It did not go, and nothing is down for it: what ran there runs on, or again.
    Vain {
        /// Why, in words for people.
        reason: Box<str>,
    },
    /// It did not go; why, in words for people.
    Failed {
        /// Why.
        reason: Box<str>,
        /// Whether Elasticsearch was stopped, or may have been.
        touched: bool,
    },
}
