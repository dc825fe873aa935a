//! Why a node can't be taken out of its cluster.

use std::collections::BTreeMap;

use super::{Scene, member, named};
use crate::elasticsearch::{
    cluster_reads::HealthStatus,
    evidence::{Evidence, Node, NodeId},
};

impl Scene<'_> {
    /// What keeps a drain of the node of this name from beginning; nothing where it may.
    pub(super) fn refusal(&self, node: &str, evidence: &Evidence) -> Option<String> {
        if let Some(why) = self.hold {
            return Some(why.to_owned());
        }
        if evidence.health.status == HealthStatus::Red {
            return Some("Elasticsearch is red: a primary is on no node".into());
        }
        if let Some(mark) = evidence.exclusion.mark.as_ref() {
            return Some(format!(
                "the node {} is drained for the Cluster object with the uid {}. If that is gone, take \
                 cluster.routing.allocation.exclude._name and cluster.metadata.drover.drain.* away",
                mark.node, mark.owner
            ));
        }
        if !evidence.exclusion.is_free() || !evidence.foreign.is_empty() {
            let what = evidence.foreign.iter().map(|it| &**it);
            let what = if evidence.foreign.is_empty() {
                "a transient cluster.routing.allocation.exclude._name".to_owned()
            } else {
                named(what)
            };
            return Some(format!("somebody takes nodes out of the cluster: {what}"));
        }
        if !evidence.allocation.is_free() {
            return Some(
                "cluster.routing.allocation.enable keeps copies from being allocated".into(),
            );
        }
        let (id, leaves) = member(evidence, node)?;
        last_master(evidence, id, leaves).or_else(|| too_few(evidence, id, leaves))
    }
}

fn last_master(evidence: &Evidence, id: &NodeId, node: &Node) -> Option<String> {
    let others = |(other, it): (&NodeId, &Node)| other != id && it.is_master_eligible();
    let is_last = node.is_master_eligible() && !evidence.nodes.iter().any(others);
    is_last.then(|| {
        format!(
            "{} is the last node that may be elected master: add another one, or delete the Cluster",
            node.name
        )
    })
}

/// Each copy of a shard needs a node of its own. Indices whose copies follow the number of nodes need
/// one.
fn too_few(evidence: &Evidence, id: &NodeId, node: &Node) -> Option<String> {
    if !node.holds_data() {
        return None;
    }
    let others =
        evidence.nodes.iter().filter(|(other, it)| *other != id && it.holds_data()).count();
    let mut copies: BTreeMap<(&str, u32), usize> = BTreeMap::new();
    for copy in &evidence.copies {
        let expands = evidence.expanding.contains(&copy.index);
        let count = copies.entry(copy.shard()).or_default();
        *count = if expands { 1 } else { *count + 1 };
    }
    let (shard, count) = copies.into_iter().max_by_key(|(_, count)| *count)?;
    (others < count).then(|| {
        format!(
            "without {} there are {others} nodes for data, and {} shall have {count} copies: add a \
             node, or take replicas away",
            node.name, shard.0
        )
    })
}
