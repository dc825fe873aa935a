//! Which host is in which group of nodes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Member, Problem};
use crate::api::{elasticsearch::NodeGroup, elasticsearch_fields::NodeRole};

/// Where in the spec groups are.
pub(super) const PATH: &str = "elasticsearch.nodeGroups";

/// The group of each host, and what can't be about bare hosts, by the host's name.
pub type Assigned<'a> = (BTreeMap<&'a str, &'a NodeGroup>, BTreeMap<Box<str>, Problem>);

/// The group of each host.
///
/// # Errors
/// All that can't be: hosts in two groups or in none, unless they are bare and there are others, groups
/// that can't be told apart, no host that may be master.
pub fn assign<'a>(
    groups: &'a [NodeGroup],
    members: &'a [Member],
) -> Result<Assigned<'a>, Vec<Problem>> {
    let mut problems = impossible(groups);
    let (mut assigned, mut aside) = (BTreeMap::new(), BTreeMap::new());
    let mut lacks = |member: &Member, problem: Problem| {
        if member.is_bare {
            aside.insert(member.name.clone(), problem);
        } else {
            problems.push(problem);
        }
    };
    let rest: Vec<&NodeGroup> = groups.iter().filter(|it| it.host_selector.is_none()).collect();
    for member in members {
        let selects = |group: &&NodeGroup| {
            group.host_selector.as_ref().is_some_and(|it| it.matches(&member.labels))
        };
        let selected: Vec<&NodeGroup> = groups.iter().filter(selects).collect();
        match (&selected[..], &rest[..]) {
            ([group], _) | ([], [group, ..]) => {
                assigned.insert(&*member.name, *group);
            }
            ([], []) => {
                let message = format!(
                    "no group selects host '{}': label it for one, or take `hostSelector` away \
                     from the group that gets the rest",
                    member.name
                );
                lacks(member, Problem::new(PATH, message));
            }
            (several, _) => {
                let names: Vec<_> = several.iter().map(|it| format!("'{}'", it.name)).collect();
                let message = format!(
                    "host '{}' is in the groups {}: it can only be in one",
                    member.name,
                    names.join(" and ")
                );
                lacks(member, Problem::new(PATH, message));
            }
        }
    }
    if assigned.is_empty() {
        problems.extend(std::mem::take(&mut aside).into_values());
    }
    if problems.is_empty() && !members.is_empty() && !assigned.values().any(|it| is_master(it)) {
        let message = "no host is in a group with the role master: no cluster could be formed";
        problems.push(Problem::new(PATH, message));
    }
    if problems.is_empty() { Ok((assigned, aside)) } else { Err(problems) }
}

/// Whether nodes of the group may be elected master.
#[must_use]
pub fn is_master(group: &NodeGroup) -> bool {
    has(group, &[NodeRole::Master]) && !names(group, NodeRole::VotingOnly)
}

/// Whether nodes of the group vote in elections.
#[must_use]
pub fn votes(group: &NodeGroup) -> bool {
    has(group, &[NodeRole::Master])
}

/// Whether nodes of the group hold data of any tier.
#[must_use]
pub fn holds_data(group: &NodeGroup) -> bool {
    has(
        group,
        &[
            NodeRole::Data,
            NodeRole::DataContent,
            NodeRole::DataHot,
            NodeRole::DataWarm,
            NodeRole::DataCold,
            NodeRole::DataFrozen,
        ],
    )
}

/// The roles of its nodes, by Elasticsearch's names; absent where they have every one.
pub(super) fn names_of(group: &NodeGroup) -> Option<BTreeSet<Box<str>>> {
    let roles = group.roles.as_ref()?;
    Some(roles.iter().map(|it| it.as_str().into()).collect())
}

/// Whether its nodes have one of these roles; without a list they have all but `voting_only`.
fn has(group: &NodeGroup, roles: &[NodeRole]) -> bool {
    group.roles.as_ref().is_none_or(|it| roles.iter().any(|role| it.contains(role)))
}

fn names(group: &NodeGroup, role: NodeRole) -> bool {
    group.roles.as_ref().is_some_and(|it| it.contains(&role))
}

/// What no host could run.
fn impossible(groups: &[NodeGroup]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let without: Vec<_> = groups.iter().filter(|it| it.host_selector.is_none()).collect();
    if let [first, second, ..] = &without[..] {
        let message = format!(
            "the groups '{}' and '{}' are both without `hostSelector`: only one can get the rest",
            first.name, second.name
        );
        problems.push(Problem::new(PATH, message));
    }
    for group in groups {
        if names(group, NodeRole::VotingOnly) && !names(group, NodeRole::Master) {
            let message = "has `voting_only` without `master`, which Elasticsearch does not take";
            problems.push(Problem::new(format!("{PATH}[{}].roles", group.name), message));
        }
    }
    problems
}
