//! What a host's node loses by its new roles, and what is drained meanwhile.

use super::{Scene, named};
use crate::rollout::{
    drain::{Cause, Drain, Phase, is_last_leader},
    hosts::Member,
    roles::Roles,
    run::Kind,
};

/// Why `host`, which is down, may not be started with the roles that it is to have: shards on its disk would
/// be lost to the cluster. What was drained for that before it went down has none.
pub(in crate::rollout) fn unseen(
    host: &Member,
    kind: Kind,
    drain: Option<&Drain>,
) -> Option<String> {
    let is_of_it = |it: &Drain| it.of.uid == host.uid && it.of.cause == Cause::Roles;
    let is_drained = drain.is_some_and(|it| is_of_it(it) && it.phase == Phase::Drained);
    let would_lose = kind.swaps() && host.may_hold_shards && host.roles.hold_nothing();
    (would_lose && !is_drained).then(|| {
        format!(
            "{} is down, may have shards on its disk, and is to have no data role any more: give it the data \
             role back until it runs and its shards have moved",
            host.name
        )
    })
}

impl Scene<'_> {
    /// Why `host` may not be started with the roles that it is to have: something needs those that its
    /// node has.
    pub(super) fn roles(&self, host: &Member) -> Option<String> {
        if !self.run.kind.swaps() {
            return None;
        }
        if host.roles == Roles::Unknown {
            return Some(format!(
                "it is not known which roles the node of {} is to have",
                host.name
            ));
        }
        let mut going = host.going(self.run.kind, self.evidence);
        let (id, node) = going.find_map(|id| Some((id, self.evidence.nodes.get(id)?)))?;
        let lost = host.roles.lost(node)?;
        if lost.lead && is_last_leader(self.evidence, id, node, &[]) {
            return Some(format!(
                "{} is the last node that may be elected master, and is to be so no longer: add another \
                 one first",
                node.name
            ));
        }
        if lost.is_nothing() {
            return None;
        }
        let is_it = |it: &&Drain| it.of.uid == host.uid && *it.of.node() == *node.name;
        let drain = self.drain.filter(is_it);
        drain.is_none_or(|it| it.phase != Phase::Drained).then(|| {
            format!(
                "the node of {} is to lose roles: {}. What needs them goes to other nodes first, see \
                 status.drain",
                host.name,
                named(lost.names())
            )
        })
    }

    /// Why `host` stays up as long as another one is drained: its restart would hold that up.
    pub(super) fn another_drain(&self, host: &Member) -> Option<String> {
        let drain = self.drain.filter(|it| it.is_in_flight() && it.of.uid != host.uid)?;
        Some(format!("{} is drained, see status.drain: that comes to its end first", drain.of.host))
    }
}
