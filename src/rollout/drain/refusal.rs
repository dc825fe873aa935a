//! Why a node can't be taken out of its cluster.

use std::collections::BTreeMap;

use super::{Cause, Leaving, Scene, member, named};
use crate::elasticsearch::{
    cluster_reads::HealthStatus,
    evidence::{Evidence, Node, NodeId},
};

impl Scene<'_> {
    /// What keeps a drain from beginning; nothing where it may.
    pub(super) fn refusal(&self, of: &Leaving, evidence: &Evidence) -> Option<String> {
        if let Some(why) = self.hold.filter(|_| of.cause == Cause::Leaves) {
            return Some(why.to_owned());
        }
        if evidence.health.status == HealthStatus::Red {
            return Some("Elasticsearch is red: a primary is on no node".into());
        }
        let is_beside_kept = self.keeps_only(evidence);
        if let Some(mark) = evidence.exclusion.mark.as_ref().filter(|_| !is_beside_kept) {
            return Some(format!(
                "the node {} is drained for the Cluster object with the uid {}. If that is gone, take \
                 cluster.routing.allocation.exclude._name and cluster.metadata.drover.drain.* away",
                mark.node, mark.owner
            ));
        }
        if is_beside_kept && !self.takes_copies(of) {
            return Some(format!(
                "{} let go, and kept empty as long as they run: stop them, or have them join again",
                named(self.kept(evidence))
            ));
        }
        if !is_beside_kept && !evidence.exclusion.is_free() || !evidence.foreign.is_empty() {
            let what = evidence.foreign.iter().map(|it| &**it);
            let what = if evidence.foreign.is_empty() {
                "a transient cluster.routing.allocation.exclude._name".to_owned()
            } else {
                named(what)
            };
            return Some(format!("somebody takes nodes out of the cluster: {what}"));
        }
        // That may be for a host of the run, too.
        if evidence.shutdowns.is_any_of_drover() {
            return Some("a run of Drover has announced that a node goes down".into());
        }
        if !evidence.allocation.is_free() || evidence.allocation.is_protected() {
            return Some(
                "cluster.routing.allocation.enable keeps copies from being allocated".into(),
            );
        }
        if let Some(why) = self.mistaken(of, evidence) {
            return Some(why);
        }
        let (id, node) = member(evidence, of.node())?;
        let (mut why, kept) = (None, self.kept(evidence));
        if self.takes_vote(of) {
            why = last_master(evidence, id, node, &kept);
        }
        if of.cause == Cause::Roles && self.takes_vote(of) {
            why = why.or_else(|| no_majority(evidence, id, node));
            why = why.or_else(|| self.would_not_start(node));
        }
        if self.takes_copies(of) {
            why = why.or_else(|| too_few(evidence, id, node, &kept));
        }
        why
    }

    /// A node that may be elected keeps what it knows of indices on its disk, though their shards are
    /// gone: Elasticsearch does not start there as a node that has no place for that.
    fn would_not_start(&self, node: &Node) -> Option<String> {
        let is_bare = self.lost.is_some_and(|it| it.is_bare);
        is_bare.then(|| {
            format!(
                "Elasticsearch would not start {} with neither a data role nor master, since what it \
                 knows of indices is left on its disk: leave it one of them, or let the host leave, and \
                 join again without its data",
                node.name
            )
        })
    }
}

/// `kept`: the names of nodes that are out of service as well.
pub(super) fn last_master(
    evidence: &Evidence,
    id: &NodeId,
    node: &Node,
    kept: &[&str],
) -> Option<String> {
    is_last_leader(evidence, id, node, kept).then(|| {
        format!(
            "{} is the last node that may be elected master: add another one, or delete the Cluster",
            node.name
        )
    })
}

/// Whether no other node may be elected, but for those with a name of `kept`: those that are there for their
/// vote only never are.
pub(in crate::rollout) fn is_last_leader(
    evidence: &Evidence,
    id: &NodeId,
    node: &Node,
    kept: &[&str],
) -> bool {
    let others =
        |(other, it): (&NodeId, &Node)| other != id && it.may_lead() && !kept.contains(&&*it.name);
    node.may_lead() && !evidence.nodes.iter().any(others)
}

/// The others have to be a majority among themselves before the host stops for its roles.
fn no_majority(evidence: &Evidence, id: &NodeId, node: &Node) -> Option<String> {
    let others: Vec<_> = evidence.voters.iter().filter(|it| *it != id).collect();
    let there = others.iter().filter(|it| evidence.nodes.contains_key(**it)).count();
    let is_counted = evidence.voters.contains(id) && !others.is_empty();
    (is_counted && 2 * there <= others.len()).then(|| {
        format!(
            "without {} only {there} of {} voting masters would be there, which is no majority: bring \
             the others back",
            node.name,
            others.len()
        )
    })
}

/// Each copy of a shard needs a node of its own, of the tier that its index goes to. Indices whose
/// copies follow the number of nodes need one.
fn too_few(evidence: &Evidence, id: &NodeId, node: &Node, kept: &[&str]) -> Option<String> {
    if !node.holds_data() {
        return None;
    }
    let mut copies: BTreeMap<(&str, u32), usize> = BTreeMap::new();
    for copy in &evidence.copies {
        let expands = evidence.expanding.contains(&copy.index);
        let count = copies.entry(copy.shard()).or_default();
        *count = if expands { 1 } else { *count + 1 };
    }
    let mut most: BTreeMap<&str, usize> = BTreeMap::new();
    for ((index, _), count) in copies {
        let of_index = most.entry(index).or_default();
        *of_index = count.max(*of_index);
    }
    let lacks = |(index, count): (&str, usize)| {
        let tier = evidence.tier_of(index);
        let is_for_it =
            |it: &Node| tier.map_or_else(|| it.holds_data(), |tier| it.is_of_tier(tier));
        let is_other = |(other, it): &(&NodeId, &Node)| {
            *other != id && is_for_it(it) && !kept.contains(&&*it.name)
        };
        let others = evidence.nodes.iter().filter(is_other).count();
        let kind = tier.map_or_else(|| "for data".into(), |it| format!("of the tier {it}"));
        (is_for_it(node) && others < count).then(|| {
            let why = format!(
                "without {} there are {others} nodes {kind}, and {index} shall have {count} copies: \
                 add a node, or take replicas away",
                node.name
            );
            (count, why)
        })
    };
    let lacking = most.into_iter().filter_map(lacks);
    lacking.max_by_key(|(count, _)| *count).map(|(_, why)| why)
}
