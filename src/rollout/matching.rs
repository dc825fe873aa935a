//! Which nodes of a cluster run on a machine: by the process that the machine and the node both tell
//! of, and else by the address.

use std::collections::BTreeSet;

use super::hosts::Match;
use crate::elasticsearch::evidence::{Evidence, Node, NodeId};

/// What a machine says of the Elasticsearch on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Processes of the unit.
    pub processes: BTreeSet<u32>,
    /// Processes of Elasticsearch that are not of the unit.
    pub others: BTreeSet<u32>,
}

/// The nodes on a machine with these `addresses`.
#[must_use]
pub fn nodes_on(report: &Report, addresses: &BTreeSet<Box<str>>, evidence: &Evidence) -> Match {
    if report.processes.is_empty() && report.others.is_empty() {
        return Match::Stopped;
    }
    let here = |node: &Node| addresses.contains(&node.address);
    let by_process = |processes: &BTreeSet<u32>| -> BTreeSet<NodeId> {
        let is_it =
            |node: &Node| here(node) && node.process.is_some_and(|it| processes.contains(&it));
        let nodes = evidence.nodes.iter().filter(|(_, node)| is_it(node));
        nodes.map(|(id, _)| id.clone()).collect()
    };
    let others = by_process(&report.others);
    if others.len() < report.others.len() {
        return Match::Unknown(
            "an Elasticsearch runs there, outside of the unit, that is no node of this cluster at \
             an address of the machine"
                .into(),
        );
    }
    let mut of_unit = by_process(&report.processes);
    if of_unit.is_empty() && !report.processes.is_empty() {
        // It may have been started anew since the machine was asked.
        let at_home =
            evidence.nodes.iter().filter(|(id, node)| here(node) && !others.contains(*id));
        of_unit = at_home.map(|(id, _)| id.clone()).collect();
        if of_unit.len() != 1 {
            return Match::Unknown(
                "the Elasticsearch of its unit is no node of this cluster by its process, nor by \
                 the address: set spec.nodeAddress to the address that the node publishes"
                    .into(),
            );
        }
    }
    Match::Nodes { of_unit, others }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(nodes: &[(&str, &str, u32)]) -> Evidence {
        let node = |(id, address, process): &(&str, &str, u32)| {
            let node =
                Node { address: (*address).into(), process: Some(*process), ..Node::default() };
            ((*id).into(), node)
        };
        Evidence { nodes: nodes.iter().map(node).collect(), ..Evidence::default() }
    }

    fn on(processes: &[u32], others: &[u32], address: &str, evidence: &Evidence) -> Match {
        let set = |it: &[u32]| it.iter().copied().collect();
        let report = Report { processes: set(processes), others: set(others) };
        nodes_on(&report, &[address.into()].into(), evidence)
    }

    fn nodes(of_unit: &[&str], others: &[&str]) -> Match {
        let set = |ids: &[&str]| ids.iter().map(|it| (*it).into()).collect();
        Match::Nodes { of_unit: set(of_unit), others: set(others) }
    }

    #[test]
    fn a_node_is_found_by_its_process_on_the_machine_that_has_its_address() {
        // Every machine may have a process of that number.
        let evidence = evidence(&[("a", "10.0.0.1", 70), ("b", "10.0.0.2", 70)]);
        assert_eq!(on(&[69, 70], &[], "10.0.0.2", &evidence), nodes(&["b"], &[]));
    }

    #[test]
    fn of_two_nodes_on_a_machine_the_process_tells_which_is_of_the_unit() {
        let evidence = evidence(&[("a", "10.0.0.1", 70), ("b", "10.0.0.1", 90)]);
        assert_eq!(on(&[70], &[90], "10.0.0.1", &evidence), nodes(&["a"], &["b"]));
        // What was not told of is on the machine all the same: see `Member::live`.
        assert_eq!(on(&[70], &[], "10.0.0.1", &evidence), nodes(&["a"], &[]));
    }

    #[test]
    fn a_unit_that_was_started_anew_is_found_by_its_address_where_only_one_node_is_there() {
        let one = evidence(&[("a", "10.0.0.1", 70), ("b", "10.0.0.2", 70)]);
        assert_eq!(on(&[12], &[], "10.0.0.1", &one), nodes(&["a"], &[]));
        let two = evidence(&[("a", "10.0.0.1", 70), ("b", "10.0.0.1", 90)]);
        assert!(matches!(on(&[12], &[], "10.0.0.1", &two), Match::Unknown(_)));
    }

    #[test]
    fn an_elasticsearch_that_is_no_node_of_the_cluster_is_not_known() {
        let evidence = evidence(&[("a", "10.0.0.1", 70)]);
        assert!(matches!(on(&[70], &[], "10.0.0.9", &evidence), Match::Unknown(_)));
        assert!(matches!(on(&[70], &[80], "10.0.0.1", &evidence), Match::Unknown(_)));
    }

    #[test]
    fn a_machine_without_elasticsearch_says_so() {
        let evidence = evidence(&[("a", "10.0.0.1", 70)]);
        assert_eq!(on(&[], &[], "10.0.0.1", &evidence), Match::Stopped);
    }
}
