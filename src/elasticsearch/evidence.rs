//! What Elasticsearch says of itself at one moment, as far as it decides whether a host may go down.

use std::collections::{BTreeMap, BTreeSet};

pub use super::{
    allocation::{Allocation, Prior},
    exclusion::{Exclusion, Mark},
    shutdown::{Record, Shutdowns},
};
use super::{cluster_reads::HealthStatus, version::Version};

/// Elasticsearch's own id of a node. It stays with the node's data directory.
pub type NodeId = Box<str>;

/// One look at a cluster. Whoever could not read all of it has no evidence, and nothing is safe.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// The identity of the cluster that says it.
    pub uuid: Box<str>,
    /// The members by id.
    pub nodes: BTreeMap<NodeId, Node>,
    /// The elected master.
    pub master: Option<NodeId>,
    /// The nodes whose majority elects masters: the committed voting configuration.
    pub voters: BTreeSet<NodeId>,
    /// Every copy of every shard, those that no node holds too.
    pub copies: Vec<Copy>,
    /// Which version has made each index, hidden, closed and system ones too; by the index's name.
    pub origins: BTreeMap<Box<str>, Origin>,
    /// What `_cluster/health` counts.
    pub health: Counts,
    /// Who may be given which shards.
    pub allocation: Allocation,
    /// Who is taken out by name.
    pub exclusion: Exclusion,
    /// The indices that have as many copies as there are nodes for them, by their own setting.
    pub expanding: BTreeSet<Box<str>>,
    /// The data tiers that an index goes to, by its own setting: to the first one of them that has
    /// nodes. By the index's name; absent where it says none.
    pub tiers: BTreeMap<Box<str>, Vec<Box<str>>>,
    /// What others hold back or take out, each in a few words: allocation filters, voting
    /// exclusions, shutdown records. What [`Exclusion::marked`] is about is not among them, nor are records
    /// of Drover.
    pub foreign: Vec<Box<str>>,
    /// Which nodes are announced to go down, by whomever.
    pub shutdowns: Shutdowns,
    /// Snapshots that are being taken, by name.
    pub snapshots: Vec<Box<str>>,
    /// Nodes whose data disks are fuller than the high watermark.
    pub full: BTreeSet<NodeId>,
    /// What Elasticsearch calls critical before another major version, each in a few words, or why it
    /// does not tell; absent where that was not asked.
    pub deprecations: Option<Result<Vec<Box<str>>, Box<str>>>,
}

/// One member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// `node.name`.
    pub name: Box<str>,
    /// Another one for each start of the process.
    pub ephemeral_id: Box<str>,
    /// The IP address that it publishes for transport.
    pub address: Box<str>,
    /// In any order.
    pub roles: BTreeSet<Box<str>>,
    /// What it runs.
    pub version: Box<str>,
    /// Whether it answers clients: a node is a member some moments before it does.
    pub serves: bool,
    /// Number of its process on its machine; nothing where it does not tell.
    pub process: Option<u32>,
}

impl Node {
    /// Whether it may have a vote in the election of masters.
    #[must_use]
    pub fn is_master_eligible(&self) -> bool {
        self.roles.contains("master")
    }

    /// Whether it may be elected: one that is there for its vote only never is.
    #[must_use]
    pub fn may_lead(&self) -> bool {
        self.is_master_eligible() && !self.roles.contains("voting_only")
    }

    /// Whether it may be given copies of shards.
    #[must_use]
    pub fn holds_data(&self) -> bool {
        self.roles.iter().any(|it| &**it == "data" || it.starts_with("data_"))
    }

    /// Whether it is of the data tier with this role: with the role `data` it is of each.
    #[must_use]
    pub fn is_of_tier(&self, tier: &str) -> bool {
        self.roles.contains(tier) || self.roles.contains("data")
    }
}

/// One copy of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// The physical index.
    pub index: Box<str>,
    /// Number of the shard.
    pub shard: u32,
    /// Whether writes go to it first.
    pub is_primary: bool,
    /// How far it is.
    pub state: CopyState,
    /// Who has it; of a copy that moves, who had it before.
    pub node: Option<NodeId>,
    /// Why no node has it, in Elasticsearch's word, such as `NODE_LEFT`.
    pub unassigned: Option<Box<str>>,
    /// Whether the data stands in a snapshot repository, and the copy is only a cache of it.
    pub is_mounted: bool,
}

impl Copy {
    /// Whether it serves.
    #[must_use]
    pub fn serves(&self) -> bool {
        matches!(self.state, CopyState::Started | CopyState::Relocating)
    }

    /// What it is a copy of.
    #[must_use]
    pub fn shard(&self) -> (&str, u32) {
        (&self.index, self.shard)
    }
}

/// What has made an index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// `index.version.created`: a number whose millions are the major version.
    pub version: u64,
    /// `index.verified_read_only`: Elasticsearch itself has seen that nobody writes to it.
    pub verified_read_only: bool,
}

/// How far a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyState {
    /// It serves.
    Started,
    /// It serves, and moves to another node.
    Relocating,
    /// It is being built.
    Initializing,
    /// No node has it.
    Unassigned,
}

/// What `_cluster/health` counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The worst of all indices.
    pub status: HealthStatus,
    /// Members.
    pub nodes: usize,
    /// Copies that serve, those that move among them.
    pub active: usize,
    /// Copies that move.
    pub relocating: usize,
    /// Copies that are being built.
    pub initializing: usize,
    /// Copies that no node has.
    pub unassigned: usize,
    /// Of these, copies that wait for their node to come back.
    pub delayed: usize,
    /// Questions to nodes what they have on disk, which have no answer yet.
    pub fetches: usize,
}

/// Why what was read can't be taken for one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction(pub String);

impl Evidence {
    /// Whether every node runs an older major version than `version`.
    #[must_use]
    pub fn is_of_older_major(&self, version: Version) -> bool {
        let is_older = |it: &Node| Version::parse(&it.version).is_some_and(|it| it.0 < version.0);
        !self.nodes.is_empty() && self.nodes.values().all(is_older)
    }

    /// The data tier whose nodes are given the copies of an index; nothing where it goes to any.
    #[must_use]
    pub fn tier_of(&self, index: &str) -> Option<&str> {
        let has_nodes = |tier: &&str| self.nodes.values().any(|it| it.is_of_tier(tier));
        self.tiers.get(index)?.iter().map(|it| &**it).find(has_nodes)
    }

    /// Holds the routing table against health: they are two questions, and the cluster may have
    /// moved in between, or have hidden indices from one of them.
    ///
    /// # Errors
    /// Where they differ.
    pub fn check(&self) -> Result<(), Contradiction> {
        let count = |state| self.copies.iter().filter(|it| it.state == state).count();
        let relocating = count(CopyState::Relocating);
        let Counts { nodes, active, initializing, unassigned, .. } = self.health;
        let pairs = [
            ("nodes", self.nodes.len(), nodes),
            ("active copies", count(CopyState::Started) + relocating, active),
            ("relocating copies", relocating, self.health.relocating),
            ("initializing copies", count(CopyState::Initializing), initializing),
            ("unassigned copies", count(CopyState::Unassigned), unassigned),
        ];
        if let Some((what, _, _)) = pairs.iter().find(|(_, table, health)| table != health) {
            return Err(Contradiction(format!(
                "the routing table and _cluster/health differ in the number of {what}"
            )));
        }
        let stranger = self.copies.iter().find(|it| {
            let held = it.state != CopyState::Unassigned;
            held && !it.node.as_ref().is_some_and(|node| self.nodes.contains_key(node))
        });
        if let Some(copy) = stranger {
            let (index, shard) = copy.shard();
            return Err(Contradiction(format!(
                "a copy of shard {shard} of {index} is on a node that is no member"
            )));
        }
        match &self.master {
            Some(master) if self.nodes.contains_key(master) => Ok(()),
            _ => Err(Contradiction("there is no elected master among the nodes".into())),
        }
    }
}
