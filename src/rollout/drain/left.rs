//! What is left on a node that is drained, and what keeps its drain back.

use std::collections::BTreeSet;

use super::{super::gate::headline, Scene, named};
use crate::elasticsearch::evidence::{Copy, CopyState, Evidence, Node, NodeId};

impl Scene<'_> {
    /// Why Elasticsearch could not be asked, as it was told before: which endpoint failed last, and how, is
    /// no news as long as all of it fails.
    pub(super) fn in_the_same_words(&self, why: String) -> String {
        let before = self.drain.and_then(|it| it.blocked.as_deref());
        let same = before.filter(|it| self.evidence.is_err() && headline(it) == headline(&why));
        same.map_or(why, str::to_owned)
    }
}

pub(super) fn overruled() -> String {
    "somebody has changed cluster.routing.allocation.exclude._name, or the mark of Drover beside it, \
     since the drain began: put it back, or take the leave back"
        .into()
}

pub(super) fn member<'a>(evidence: &'a Evidence, name: &str) -> Option<(&'a NodeId, &'a Node)> {
    evidence.nodes.iter().find(|(_, it)| *it.name == *name)
}

/// What keeps the node from being drained; with a copy that does not move, where nothing does.
pub(super) fn left(
    evidence: &Evidence,
    node: &str,
    member: Option<(&NodeId, &Node)>,
) -> Option<(String, Option<Copy>)> {
    let is_on = |it: &&Copy| it.node.as_ref().is_some_and(|on| member.is_some_and(|m| m.0 == on));
    let is_still = evidence.health.relocating + evidence.health.initializing == 0;
    let stuck = |it: &Copy| is_still.then(|| it.clone());
    let here = evidence.copies.iter().filter(is_on);
    if let Some(first) = here.clone().min_by_key(|it| it.shard()) {
        let indices: BTreeSet<&str> = here.map(|it| &*it.index).collect();
        let why = format!("the node {node} has copies of {}", named(indices));
        return Some((why, stuck(first)));
    }
    let is_nowhere = |it: &&Copy| it.state == CopyState::Unassigned;
    let nowhere = evidence.copies.iter().filter(is_nowhere);
    // Where it is not known what that node had, any of them may be its.
    if let Some(first) = nowhere.clone().min_by_key(|it| it.shard()) {
        let indices: BTreeSet<&str> = nowhere.map(|it| &*it.index).collect();
        let why = format!("no node has a copy that there shall be of {}", named(indices));
        return Some((why, stuck(first)));
    }
    (!is_still).then(|| ("shard copies are being built, or move".into(), None))
}
