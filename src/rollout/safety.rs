//! Whether a host may go down now: every gate that is shut, with what would open it.

mod hosts;
mod looks;
mod roles;
mod shards;

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;

pub(super) use self::hosts::held_back;
pub use self::looks::looks;
pub(super) use self::roles::unseen;
use super::{
    drain::Drain,
    gate::{Block, Gate},
    hosts::Member,
    run::{Kind, Run},
    versions,
};
use crate::elasticsearch::{
    cluster_reads::HealthStatus,
    evidence::{Evidence, NodeId},
};

/// How long a cluster that is not green has to look the same before that is taken for how it is.
pub const SETTLED: Duration = Duration::from_mins(1);
/// How many names a message holds at most.
const NAMED: usize = 3;

/// What the spec permits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permitted {
    /// Hosts that may be out of service at once; at least 1.
    pub unavailable: usize,
    /// Whether the cluster may be without a majority of masters for a while, where it has no more
    /// than two.
    pub downtime: bool,
    /// Whether indices without a replica may be unavailable for a while.
    pub single_copies: bool,
}

/// What a judgement rests on.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// What Elasticsearch says.
    pub evidence: &'a Evidence,
    /// All hosts of the cluster.
    pub members: &'a [Member],
    /// What the spec permits.
    pub permitted: &'a Permitted,
    /// The run, with the hosts that it has in hand.
    pub run: &'a Run,
    /// The drain that is under way, if any is.
    pub drain: Option<&'a Drain>,
    /// Who keeps the setting of before where this run holds allocation back: a uid.
    pub owner: &'a str,
    /// When.
    pub now: Timestamp,
}

impl Scene<'_> {
    /// The gates that keep `host` from going down, in the order of [`Gate`]; none where it may.
    #[must_use]
    pub fn judge(&self, host: &Member) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut shut = |gate, message: Option<String>| {
            blocks.extend(message.map(|it| Block::new(gate, it)));
        };
        if let Some(block) = self.contradiction() {
            // Nothing else can be told from it.
            return vec![block];
        }
        shut(Gate::MaxUnavailable, self.unavailable(host));
        shut(Gate::NodeNotFound, hosts::unmatched(host, self.evidence));
        shut(Gate::Host, held_back(host));
        shut(Gate::OtherRun, self.other_run());
        shut(Gate::Allocation, self.allocation());
        if self.run.kind == Kind::ElasticsearchVersion {
            shut(Gate::Version, versions::barred(&self.run.target, self.evidence));
        }
        if host.is_down(self.evidence) {
            shut(Gate::Roles, unseen(host, self.run.kind, self.drain));
        } else {
            let lost = self.lost(host);
            shut(Gate::Red, self.red());
            shut(Gate::Roles, self.roles(host));
            shut(Gate::Recovering, self.recovering());
            shut(Gate::Unsettled, self.unsettled());
            shut(Gate::ShardCopies, self.shard_copies(host, &lost));
            shut(Gate::SingleCopy, self.single_copies(host, &lost));
            shut(Gate::Quorum, self.quorum(host, &lost));
            shut(Gate::ForeignExclusion, self.foreign(host));
            shut(Gate::Snapshot, self.snapshots());
            shut(Gate::Disk, self.disk(&lost));
        }
        blocks.sort_by_key(|it| it.gate);
        blocks
    }

    /// Whether the cluster is as well as it can be: what keeps it from that.
    #[must_use]
    pub fn recovered(&self) -> Vec<Block> {
        if let Some(block) = self.contradiction() {
            return vec![block];
        }
        let judged = [
            (Gate::Red, self.red()),
            (Gate::Recovering, self.recovering()),
            (Gate::Unsettled, self.unsettled()),
        ];
        let shut = judged.into_iter().filter_map(|(gate, it)| Some(Block::new(gate, it?)));
        shut.collect()
    }

    fn contradiction(&self) -> Option<Block> {
        let why = self.evidence.check().err()?;
        let message = format!("Elasticsearch's answers do not agree: {}", why.0);
        Some(Block::new(Gate::Evidence, message))
    }

    fn red(&self) -> Option<String> {
        let why = match self.evidence.health.status {
            HealthStatus::Green | HealthStatus::Yellow => return None,
            HealthStatus::Red => "Elasticsearch is red: a primary is on no node",
            HealthStatus::Unknown => "Elasticsearch tells no health",
        };
        Some(why.into())
    }

    fn recovering(&self) -> Option<String> {
        let health = &self.evidence.health;
        // Copies of hosts that are away by this run's doing wait for them.
        let delayed = if self.is_any_away(None) { 0 } else { health.delayed };
        // Which of these it is changes from one look to the next.
        (0 < health.initializing + health.relocating + delayed + health.fetches).then(|| {
            "shard copies are being built, move, or wait for their node: this ends by itself".into()
        })
    }

    fn unsettled(&self) -> Option<String> {
        if self.evidence.health.status != HealthStatus::Yellow || self.is_any_away(None) {
            return None;
        }
        let missing = self.members.iter().filter(|it| !it.in_maintenance && self.is_missing(it));
        let missing: Vec<&str> = missing.map(|it| &*it.name).collect();
        if !missing.is_empty() {
            return Some(format!("Elasticsearch is yellow, and has no node on {}", named(missing)));
        }
        let still =
            self.run.settled.as_ref().filter(|it| it.digest == looks::unassigned(self.evidence));
        let waited = still.is_some_and(|it| SETTLED <= since(it.since, self.now));
        (!waited).then(|| {
            "Elasticsearch is yellow; that is taken for how it is once the same replicas have been \
             unassigned for a minute, with nothing moving"
                .into()
        })
    }

    fn quorum(&self, host: &Member, lost: &BTreeSet<NodeId>) -> Option<String> {
        let voters = &self.evidence.voters;
        let live = voters.iter().filter(|it| self.evidence.nodes.contains_key(*it));
        let (going, staying): (Vec<_>, Vec<_>) = live.partition(|it| lost.contains(*it));
        let is_small = voters.len() <= 2 && self.permitted.downtime;
        if going.is_empty() || voters.len() < 2 * staying.len() || is_small {
            return None;
        }
        Some(format!(
            "without {} only {} of {} voting masters would be there, which is no majority{}",
            host.name,
            staying.len(),
            voters.len(),
            if voters.len() <= 2 { "; set rollout.allowDowntime to accept that" } else { "" }
        ))
    }

    fn other_run(&self) -> Option<String> {
        let allocation = &self.evidence.allocation;
        allocation.is_kept_by_other(self.owner).then(|| {
            let owner = allocation.owner.as_deref().unwrap_or("unknown");
            format!(
                "another run of Drover holds allocation back in this cluster, for the Cluster object \
                 with the uid {owner}. If that object is gone, put cluster.routing.allocation.enable \
                 right and take cluster.metadata.drover.* away"
            )
        })
    }

    fn allocation(&self) -> Option<String> {
        (!self.evidence.allocation.is_free()).then(|| {
            "somebody restricts cluster.routing.allocation.enable, so that copies would not come \
             back: take the setting away"
                .into()
        })
    }

    fn foreign(&self, host: &Member) -> Option<String> {
        if let Some(why) = self.another_drain(host) {
            return Some(why);
        }
        // What this Cluster has drained is empty.
        let mark = self.evidence.exclusion.mark.as_ref().filter(|it| *it.owner != *self.owner);
        let other = mark.map(|it| format!("a drain of {} for another Cluster object", it.node));
        let announced: Vec<String> = self.announced_for_others().collect();
        let all = self.evidence.foreign.iter().map(|it| &**it).chain(other.as_deref());
        let all: BTreeSet<&str> = all.chain(announced.iter().map(String::as_str)).collect();
        (!all.is_empty())
            .then(|| format!("somebody takes nodes out of the cluster: {}", named(all)))
    }

    /// The nodes that a run for another Cluster object takes down, or has left announced.
    fn announced_for_others(&self) -> impl Iterator<Item = String> {
        self.evidence.shutdowns.of_others(self.owner).map(|(id, owner)| {
            format!(
                "a shutdown record of {id} for the Cluster object with the uid {owner} (if that is \
                 gone, DELETE _nodes/{id}/shutdown)"
            )
        })
    }

    fn snapshots(&self) -> Option<String> {
        let all: BTreeSet<&str> = self.evidence.snapshots.iter().map(|it| &**it).collect();
        (!all.is_empty()).then(|| format!("a snapshot is being taken or restored: {}", named(all)))
    }

    fn disk(&self, lost: &BTreeSet<NodeId>) -> Option<String> {
        let full = self.evidence.full.iter().filter(|it| !lost.contains(*it));
        let names: BTreeSet<&str> =
            full.filter_map(|it| Some(&*self.evidence.nodes.get(it)?.name)).collect();
        (!names.is_empty()).then(|| {
            format!(
                "disks are above the high watermark, so that no copy could go to {}",
                named(names)
            )
        })
    }
}

/// How long ago, nothing where that lies ahead.
#[must_use]
pub fn since(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}

/// Some names, in their order. How many more there are changes while one waits.
pub(super) fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names = names.into_iter();
    let first = names.by_ref().take(NAMED).collect::<Vec<_>>().join(", ");
    if names.next().is_some() { format!("{first} and more") } else { first }
}

#[cfg(test)]
mod tests;
