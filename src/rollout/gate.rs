//! The gates of a roll: each a reason to wait, by name.

use std::fmt;

/// What has to be so before a host goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Gate {
    /// Elasticsearch tells all that a decision rests on, and its answers agree.
    Evidence,
    /// Every primary is there.
    Red,
    /// The node loses no role that something there needs.
    Roles,
    /// No copy is being built, moves, or waits for its node.
    Recovering,
    /// A cluster that can't be green has been as it is for a while, with all members.
    Unsettled,
    /// Each copy on the host has another one that serves, on another machine.
    ShardCopies,
    /// An index that has no replica is on no host that goes down, unless that is allowed.
    SingleCopy,
    /// A majority of the voting masters stays.
    Quorum,
    /// No more hosts are out of service than the spec allows.
    MaxUnavailable,
    /// No other run holds allocation back in this cluster.
    OtherRun,
    /// Nobody else restricts allocation.
    Allocation,
    /// Nobody else is taking nodes out, and no other host is drained.
    ForeignExclusion,
    /// No snapshot is being taken or restored.
    Snapshot,
    /// The others have room.
    Disk,
    /// The host's Elasticsearch is known in the cluster.
    NodeNotFound,
    /// The host itself can be worked on.
    Host,
    /// The version may follow what runs, and can read what is there.
    Version,
    /// The host can be protected in the way that the spec asks for.
    Protection,
}

impl Gate {
    /// Every gate.
    pub const ALL: [Self; 18] = [
        Self::Evidence,
        Self::Red,
        Self::Roles,
        Self::Recovering,
        Self::Unsettled,
        Self::ShardCopies,
        Self::SingleCopy,
        Self::Quorum,
        Self::MaxUnavailable,
        Self::OtherRun,
        Self::Allocation,
        Self::ForeignExclusion,
        Self::Snapshot,
        Self::Disk,
        Self::NodeNotFound,
        Self::Host,
        Self::Version,
        Self::Protection,
    ];

    /// The word in `rollout.blockedBy`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Evidence => "Evidence",
            Self::Red => "Red",
            Self::Roles => "Roles",
            Self::Recovering => "Recovering",
            Self::Unsettled => "Unsettled",
            Self::ShardCopies => "ShardCopies",
            Self::SingleCopy => "SingleCopy",
            Self::Quorum => "Quorum",
            Self::MaxUnavailable => "MaxUnavailable",
            Self::OtherRun => "OtherRun",
            Self::Allocation => "Allocation",
            Self::ForeignExclusion => "ForeignExclusion",
            Self::Snapshot => "Snapshot",
            Self::Disk => "Disk",
            Self::NodeNotFound => "NodeNotFound",
            Self::Host => "Host",
            Self::Version => "Version",
            Self::Protection => "Protection",
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a message is about, without the particulars: which endpoint failed last, and how, is no news as
/// long as all of it fails.
#[must_use]
pub fn headline(message: &str) -> &str {
    message.split(':').next().unwrap_or_default()
}

/// A gate that is shut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Which.
    pub gate: Gate,
    /// What is so, and what would open it.
    pub message: String,
}

impl Block {
    /// `gate` is shut, because of `message`.
    #[must_use]
    pub fn new(gate: Gate, message: impl Into<String>) -> Self {
        Self { gate, message: message.into() }
    }
}
