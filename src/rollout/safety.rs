//! Whether a host may go down now: every gate that is shut, with what would open it.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use jiff::Timestamp;

use super::{
    gate::{Block, Gate},
    hosts::{Match, Member},
    run::{Kind, Run, Settled, Step},
    versions,
};
use crate::elasticsearch::{
    cluster_reads::HealthStatus,
    evidence::{CopyState, Evidence, NodeId},
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
        if let Err(contradiction) = self.evidence.check() {
            // Nothing else can be told from it.
            return vec![Block::new(Gate::Evidence, contradiction.0)];
        }
        shut(Gate::MaxUnavailable, self.unavailable(host));
        shut(Gate::NodeNotFound, unmatched(host, self.evidence));
        shut(Gate::Host, host.fit.as_ref().err().map(|it| format!("{}: {it}", host.name)));
        shut(Gate::OtherRun, self.other_run());
        if self.run.kind == Kind::ElasticsearchVersion {
            shut(Gate::Version, versions::barred(&self.run.target, self.evidence));
        }
        if !host.is_down(self.evidence) {
            let lost = self.lost(host);
            shut(Gate::Red, self.red());
            shut(Gate::Recovering, self.recovering());
            shut(Gate::Unsettled, self.unsettled());
            shut(Gate::ShardCopies, self.shard_copies(host, &lost));
            shut(Gate::SingleCopy, self.single_copies(host, &lost));
            shut(Gate::Quorum, self.quorum(host, &lost));
            shut(Gate::Allocation, self.allocation());
            shut(Gate::ForeignExclusion, self.foreign());
            shut(Gate::Snapshot, self.snapshots());
            shut(Gate::Disk, self.disk(&lost));
        }
        blocks.sort_by_key(|it| it.gate);
        blocks
    }

    /// Whether the cluster is as well as it can be: what keeps it from that.
    #[must_use]
    pub fn recovered(&self) -> Vec<Block> {
        if let Err(contradiction) = self.evidence.check() {
            return vec![Block::new(Gate::Evidence, contradiction.0)];
        }
        let judged = [
            (Gate::Red, self.red()),
            (Gate::Recovering, self.recovering()),
            (Gate::Unsettled, self.unsettled()),
        ];
        let shut = judged.into_iter().filter_map(|(gate, it)| Some(Block::new(gate, it?)));
        shut.collect()
    }

    /// The hosts of the run that may be down by its doing, besides `host`.
    fn away<'a>(&'a self, host: Option<&'a Member>) -> impl Iterator<Item = &'a Member> {
        let away = move |it: &&Member| {
            let is_other = host.is_none_or(|host| host.uid != it.uid);
            is_other && step_of(self.run, it).is_some_and(Step::may_be_down)
        };
        self.members.iter().filter(away)
    }

    /// The nodes that would be gone: those on the host's machine, and those that are away already.
    fn lost(&self, host: &Member) -> BTreeSet<NodeId> {
        self.on(self.away(Some(host)).chain([host]))
    }

    /// The nodes on the machines of `hosts`.
    fn on<'a>(&self, hosts: impl Iterator<Item = &'a Member>) -> BTreeSet<NodeId> {
        let told: BTreeSet<NodeId> = hosts.flat_map(|it| it.live(self.evidence)).cloned().collect();
        let addresses: BTreeSet<&str> =
            told.iter().map(|it| &*self.evidence.nodes[it].address).collect();
        // A second node on the machine that nobody told of goes down with it.
        let is_here = |id: &NodeId, address: &str| told.contains(id) || addresses.contains(address);
        let nodes = self.evidence.nodes.iter().filter(|(id, it)| is_here(id, &it.address));
        nodes.map(|(id, _)| id.clone()).collect()
    }

    fn unavailable(&self, host: &Member) -> Option<String> {
        let is_out = |it: &&Member| {
            let in_hand =
                step_of(self.run, it).is_some_and(|it| Step::Stop <= it && it.is_in_hand());
            it.uid != host.uid && (it.in_maintenance || in_hand || self.is_missing(it))
        };
        let out: Vec<&str> = self.members.iter().filter(is_out).map(|it| &*it.name).collect();
        (self.permitted.unavailable <= out.len()).then(|| {
            format!(
                "{} of at most {} hosts are out of service already: {}. Bring them back, or raise \
                 rollout.maxUnavailable",
                out.len(),
                self.permitted.unavailable,
                named(&out)
            )
        })
    }

    /// Whether the cluster counts on nodes of the host that are not there. Where none runs, by what
    /// the host says, they are those that ran there in this run, or are installed there.
    fn is_missing(&self, member: &Member) -> bool {
        let of_run = self.run.hosts.iter().find(|it| it.uid == member.uid);
        let ran_here = of_run.is_some_and(|it| !it.before.is_empty());
        let belongs = ran_here || member.is_home || !matches!(member.nodes, Match::Stopped);
        belongs && member.is_down(self.evidence)
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
        let delayed = if self.away(None).next().is_some() { 0 } else { health.delayed };
        let moving = [
            ("are being built", health.initializing),
            ("move", health.relocating),
            ("wait for their node", delayed),
            ("are being looked for", health.fetches),
        ];
        let words: Vec<&str> = moving.iter().filter(|(_, it)| 0 < *it).map(|it| it.0).collect();
        (!words.is_empty())
            .then(|| format!("shard copies {}: this ends by itself", words.join(", ")))
    }

    fn unsettled(&self) -> Option<String> {
        if self.evidence.health.status != HealthStatus::Yellow || self.away(None).next().is_some() {
            return None;
        }
        let missing = self.members.iter().filter(|it| !it.in_maintenance && self.is_missing(it));
        let missing: Vec<&str> = missing.map(|it| &*it.name).collect();
        if !missing.is_empty() {
            return Some(format!(
                "Elasticsearch is yellow, and has no node on {}",
                named(&missing)
            ));
        }
        let still = self.run.settled.as_ref().filter(|it| it.digest == unassigned(self.evidence));
        let waited = still.is_some_and(|it| SETTLED <= since(it.since, self.now));
        (!waited).then(|| {
            "Elasticsearch is yellow; that is taken for how it is once the same replicas have been \
             unassigned for a minute, with nothing moving"
                .into()
        })
    }

    /// Of the shards with a copy on `lost`, those without one that serves elsewhere.
    fn bare<'a>(&'a self, lost: &BTreeSet<NodeId>) -> BTreeMap<(&'a str, u32), usize> {
        let mut shards: BTreeMap<(&str, u32), (bool, bool, usize)> = BTreeMap::new();
        for copy in self.evidence.copies.iter().filter(|it| !it.is_mounted) {
            let (is_hit, is_safe, count) = shards.entry(copy.shard()).or_default();
            let is_lost = copy.node.as_ref().is_some_and(|it| lost.contains(it));
            *is_hit |= is_lost;
            *is_safe |= !is_lost && copy.serves();
            *count += 1;
        }
        let bare = shards.into_iter().filter(|(_, (is_hit, is_safe, _))| *is_hit && !*is_safe);
        bare.map(|(shard, (_, _, count))| (shard, count)).collect()
    }

    fn shard_copies(&self, host: &Member, lost: &BTreeSet<NodeId>) -> Option<String> {
        let bare = self.bare(lost).into_iter().filter(|(_, copies)| 1 < *copies);
        let shards: Vec<String> =
            bare.map(|((index, shard), _)| format!("{index}[{shard}]")).collect();
        let shards: Vec<&str> = shards.iter().map(String::as_str).collect();
        if !shards.is_empty() {
            let shards = named(&shards);
            return Some(format!("{} has the only copy in service of {shards}", host.name));
        }
        let shared = self.shared(host);
        let shared: Vec<&str> = shared.iter().map(String::as_str).collect();
        (!shared.is_empty()).then(|| {
            format!("{} and a host that is down have copies of {}", host.name, named(&shared))
        })
    }

    /// The shards of which both the host and one that is away have a copy. Once that is down nobody
    /// tells what it had: any copy that no node has may be one.
    fn shared(&self, host: &Member) -> Vec<String> {
        if self.away(Some(host)).next().is_none() {
            return Vec::new();
        }
        let (own, away) = (self.on([host].into_iter()), self.on(self.away(Some(host))));
        let mut shards: BTreeMap<(&str, u32), (bool, bool)> = BTreeMap::new();
        for copy in self.evidence.copies.iter().filter(|it| !it.is_mounted) {
            let (is_own, is_away) = shards.entry(copy.shard()).or_default();
            match &copy.node {
                Some(node) => {
                    *is_own |= own.contains(node);
                    *is_away |= away.contains(node);
                }
                None => *is_away = true,
            }
        }
        let shared = shards.into_iter().filter(|(_, (is_own, is_away))| *is_own && *is_away);
        shared.map(|((index, shard), _)| format!("{index}[{shard}]")).collect()
    }

    fn single_copies(&self, host: &Member, lost: &BTreeSet<NodeId>) -> Option<String> {
        if self.permitted.single_copies {
            return None;
        }
        let bare = self.bare(lost).into_iter().filter(|(_, copies)| *copies == 1);
        let indices: BTreeSet<&str> = bare.map(|((index, _), _)| index).collect();
        let indices: Vec<&str> = indices.into_iter().collect();
        (!indices.is_empty()).then(|| {
            format!(
                "{} has data of indices without replicas: {}. Give them a replica, or set \
                 rollout.singleCopyIndices to Allow",
                host.name,
                named(&indices)
            )
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

    fn foreign(&self) -> Option<String> {
        let all: Vec<&str> = self.evidence.foreign.iter().map(|it| &**it).collect();
        (!all.is_empty())
            .then(|| format!("somebody takes nodes out of the cluster: {}", named(&all)))
    }

    fn snapshots(&self) -> Option<String> {
        let all: Vec<&str> = self.evidence.snapshots.iter().map(|it| &**it).collect();
        (!all.is_empty()).then(|| format!("a snapshot is being taken or restored: {}", named(&all)))
    }

    fn disk(&self, lost: &BTreeSet<NodeId>) -> Option<String> {
        let full = self.evidence.full.iter().filter(|it| !lost.contains(*it));
        let names: Vec<&str> =
            full.filter_map(|it| Some(&*self.evidence.nodes.get(it)?.name)).collect();
        (!names.is_empty()).then(|| {
            format!(
                "disks are above the high watermark, so that no copy could go to {}",
                named(&names)
            )
        })
    }
}

/// Why it is not known which nodes are on a host.
fn unmatched(host: &Member, evidence: &Evidence) -> Option<String> {
    match &host.nodes {
        Match::Unknown(why) => Some(format!("{}: {why}", host.name)),
        Match::Stopped if !host.is_down(evidence) => Some(format!(
            "{} says that no Elasticsearch runs there, and the cluster has a node at its address",
            host.name
        )),
        Match::Nodes(nodes) => {
            let gone = nodes.iter().any(|it| !evidence.nodes.contains_key(it));
            gone.then(|| format!("Elasticsearch on {} is not in the cluster", host.name))
        }
        Match::Stopped => None,
    }
}

fn step_of(run: &Run, member: &Member) -> Option<Step> {
    run.hosts.iter().find(|it| it.uid == member.uid).map(|it| it.step)
}

/// How long ago, nothing where that lies ahead.
#[must_use]
pub fn since(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}

/// What the cluster looks like, as far as it is not green. While replicas are held back nothing new
/// is taken for how the cluster is, but what was stays so as long as it looks the same.
#[must_use]
pub fn looks(evidence: &Evidence, before: Option<&Settled>, now: Timestamp) -> Option<Settled> {
    let health = &evidence.health;
    let moves = 0 < health.initializing + health.relocating + health.delayed + health.fetches;
    if moves || health.status != HealthStatus::Yellow {
        return None;
    }
    let digest = unassigned(evidence);
    let same = before.filter(|it| it.digest == digest).cloned();
    if evidence.allocation.is_protected() {
        return same;
    }
    Some(same.unwrap_or(Settled { digest, since: now }))
}

/// A digest of the copies that no node has.
fn unassigned(evidence: &Evidence) -> u64 {
    let mut hasher = DefaultHasher::new();
    let none = evidence.copies.iter().filter(|it| it.state == CopyState::Unassigned);
    let mut all: Vec<_> = none.map(|it| (it.shard(), it.is_primary, &it.unassigned)).collect();
    all.sort();
    all.hash(&mut hasher);
    hasher.finish()
}

/// Some names, and how many more there are.
pub(super) fn named(names: &[&str]) -> String {
    let first = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

#[cfg(test)]
mod tests;
