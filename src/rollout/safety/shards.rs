//! The copies that would be gone with a host.

use std::collections::{BTreeMap, BTreeSet};

use super::{Scene, named};
use crate::{elasticsearch::evidence::NodeId, rollout::hosts::Member};

impl Scene<'_> {
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

    pub(super) fn shard_copies(&self, host: &Member, lost: &BTreeSet<NodeId>) -> Option<String> {
        let bare = self.bare(lost).into_iter().filter(|(_, copies)| 1 < *copies);
        let shards: Vec<String> =
            bare.map(|((index, shard), _)| format!("{index}[{shard}]")).collect();
        if !shards.is_empty() {
            let shards = named(shards.iter().map(String::as_str));
            return Some(format!("{} has the only copy in service of {shards}", host.name));
        }
        let shared = self.shared(host);
        (!shared.is_empty()).then(|| {
            let shards = named(shared.iter().map(String::as_str));
            format!("{} and a host that is down have copies of {shards}", host.name)
        })
    }

    /// The shards of which both the host and one that is away have a copy. Once that is down nobody
    /// tells what it had: any copy that no node has may be one.
    fn shared(&self, host: &Member) -> Vec<String> {
        if !self.is_any_away(Some(host)) {
            return Vec::new();
        }
        let (own, away) = (self.on(host), self.on_away(host));
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

    pub(super) fn single_copies(&self, host: &Member, lost: &BTreeSet<NodeId>) -> Option<String> {
        if self.permitted.single_copies {
            return None;
        }
        let bare = self.bare(lost).into_iter().filter(|(_, copies)| *copies == 1);
        let indices: BTreeSet<&str> = bare.map(|((index, _), _)| index).collect();
        (!indices.is_empty()).then(|| {
            format!(
                "{} has data of indices without replicas: {}. Give them a replica, or set \
                 rollout.singleCopyIndices to Allow",
                host.name,
                named(indices.iter().copied())
            )
        })
    }
}
