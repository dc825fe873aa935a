//! Which host comes next.

use super::{
    hosts::Member,
    run::{HostRun, Kind, Run, Step},
};
use crate::elasticsearch::evidence::{Evidence, Node};

/// Where a host stands in the order: the lower, the sooner. Data tiers from the coldest to the
/// hottest as Elastic's upgrade guide has it, then what holds no data, then masters, the elected one
/// last. A host that is down is first: nothing can get worse there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Down,
    Frozen,
    Cold,
    Warm,
    Hot,
    Data,
    Other,
    Master,
    Elected,
}

/// The host of `run` that is to be begun next, of those that have not been and are due.
#[must_use]
pub fn next<'a>(
    run: &Run,
    members: &'a [Member],
    evidence: &Evidence,
    is_due: impl Fn(&HostRun) -> bool,
) -> Option<&'a Member> {
    let due = due(run, members, is_due);
    let members = due.iter().copied();
    members.min_by_key(|it| {
        (yields(it, run.kind, &due, evidence), rank(it, evidence), it.name.clone())
    })
}

/// Whether another host of `run` that is due goes before `member`, which is begun: it comes to have roles
/// that the node of this one loses, and that may have nowhere else to go to.
#[must_use]
pub fn is_preceded(
    member: &Member,
    run: &Run,
    members: &[Member],
    evidence: &Evidence,
    is_due: impl Fn(&HostRun) -> bool,
) -> bool {
    let mut due = due(run, members, is_due);
    due.push(member);
    let is_before = |it: &&Member| {
        takes_over(it, member, run.kind, evidence) && !yields(it, run.kind, &due, evidence)
    };
    due.iter().any(is_before)
}

fn due<'a>(run: &Run, members: &'a [Member], is_due: impl Fn(&HostRun) -> bool) -> Vec<&'a Member> {
    let waiting = run.hosts.iter().filter(|it| it.step == Step::Waiting && is_due(it));
    waiting.filter_map(|host| members.iter().find(|it| it.uid == host.uid)).collect()
}

/// Whether any of `others` is to have its roles before `member` loses them.
fn yields(member: &Member, kind: Kind, others: &[&Member], evidence: &Evidence) -> bool {
    others.iter().any(|it| takes_over(it, member, kind, evidence))
}

/// Whether the node of `one` comes to have roles that the node of `other` loses.
fn takes_over(one: &Member, other: &Member, kind: Kind, evidence: &Evidence) -> bool {
    let node =
        |it: &Member| it.going(kind, evidence).find_map(|id| evidence.nodes.get(id)).cloned();
    if !kind.swaps() || one.uid == other.uid {
        return false;
    }
    let (Some(gains), Some(loses)) = (node(one), node(other)) else { return false };
    other.roles.lost(&loses).is_some_and(|lost| one.roles.take_over(&gains, &lost))
}

fn rank(member: &Member, evidence: &Evidence) -> Rank {
    let nodes = member.live(evidence).filter_map(|id| Some((id, evidence.nodes.get(id)?)));
    let of_node = |(id, node)| {
        if evidence.master.as_ref() == Some(id) { Rank::Elected } else { tier(node) }
    };
    nodes.map(of_node).max().unwrap_or(Rank::Down)
}

/// A node with the roles of several tiers counts as the last of them.
fn tier(node: &Node) -> Rank {
    let roles = node.roles.iter().map(|role| match &**role {
        "data_frozen" => Rank::Frozen,
        "data_cold" => Rank::Cold,
        "data_warm" => Rank::Warm,
        "data_hot" => Rank::Hot,
        "data" | "data_content" => Rank::Data,
        "master" => Rank::Master,
        _ => Rank::Down,
    });
    match roles.max() {
        None | Some(Rank::Down) => Rank::Other,
        Some(rank) => rank,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_counts_as_the_last_of_its_tiers() {
        let node = |roles: &[&str]| Node {
            roles: roles.iter().map(|it| (*it).into()).collect(),
            ..Node::default()
        };
        for (roles, expected) in [
            (&["data_frozen"][..], Rank::Frozen),
            (&["data_hot", "data_warm", "ingest"], Rank::Hot),
            (&["data_hot", "data_content"], Rank::Data),
            (&["ingest", "ml"], Rank::Other),
            (&[], Rank::Other),
            (&["master", "data_frozen"], Rank::Master),
        ] {
            assert_eq!(tier(&node(roles)), expected, "{roles:?}");
        }
    }
}
