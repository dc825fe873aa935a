//! The roles of nodes, as far as something has to go before a node is started without them. One without
//! data roles does not start where shards are left on its disk, the copies of a tier have no place
//! outside of it, and a vote that nobody casts any more counts against the others.

use std::collections::BTreeSet;

use crate::elasticsearch::evidence::Node;

/// The roles by which nodes are given shards; `data` stands for all of them.
const TIERS: [&str; 5] = ["data_cold", "data_content", "data_frozen", "data_hot", "data_warm"];

/// The roles that the node of a host is to have once a run has brought it what it shall run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Roles {
    /// Nobody can say.
    #[default]
    Unknown,
    /// Every one, as Elasticsearch has it where none are named.
    Every,
    /// These, by Elasticsearch's names.
    Named(BTreeSet<Box<str>>),
}

/// What a node loses with its roles that has to go somewhere else first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// The data roles, by Elasticsearch's names.
    pub data: BTreeSet<&'static str>,
    /// Whether it loses its vote in the election of masters.
    pub vote: bool,
    /// Whether it may no longer be elected, be it that it keeps its vote.
    pub lead: bool,
    /// Whether it would have neither a data role nor a vote any more.
    pub is_bare: bool,
}

impl Roles {
    /// A node with these; absent where nobody can say which they are.
    fn node(&self) -> Option<Node> {
        let roles = match self {
            Self::Unknown => return None,
            Self::Every => ["data".into(), "master".into()].into(),
            Self::Named(roles) => roles.clone(),
        };
        Some(Node { roles, ..Node::default() })
    }

    /// Whether a node with these can't hold shards at all.
    #[must_use]
    pub fn hold_nothing(&self) -> bool {
        self.node().is_some_and(|it| !it.holds_data())
    }

    /// Whether `node`, once it has these, has a role that it has not yet, and that is among the `lost` ones of
    /// another.
    #[must_use]
    pub fn take_over(&self, node: &Node, lost: &Lost) -> bool {
        let Some(after) = self.node() else { return false };
        let is_tier = |it: &&'static str| !node.is_of_tier(it) && after.is_of_tier(it);
        let votes = !node.is_master_eligible() && after.is_master_eligible();
        let leads = !node.may_lead() && after.may_lead();
        lost.data.iter().any(is_tier) || lost.vote && votes || lost.lead && leads
    }

    /// What `node` loses once it has these; absent where nobody can say.
    #[must_use]
    pub fn lost(&self, node: &Node) -> Option<Lost> {
        if *self == Self::Every {
            return Some(Lost::default());
        }
        let after = self.node()?;
        let is_lost = |it: &&str| node.is_of_tier(it) && !after.is_of_tier(it);
        Some(Lost {
            data: TIERS.into_iter().filter(is_lost).collect(),
            vote: node.is_master_eligible() && !after.is_master_eligible(),
            lead: node.may_lead() && !after.may_lead(),
            is_bare: !after.holds_data() && !after.is_master_eligible(),
        })
    }
}

impl Lost {
    /// Whether nothing has to go first.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.data.is_empty() && !self.vote
    }

    /// The roles, by Elasticsearch's names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let data = if self.data.len() == TIERS.len() { ["data"].into() } else { self.data.clone() };
        data.into_iter().chain(self.vote.then_some("master"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(roles: &[&str]) -> BTreeSet<Box<str>> {
        roles.iter().map(|it| (*it).into()).collect()
    }

    fn lost(before: &[&str], after: &[&str]) -> Vec<&'static str> {
        let node = Node { roles: named(before), ..Node::default() };
        Roles::Named(named(after)).lost(&node).unwrap().names().collect()
    }

    #[test]
    fn a_node_loses_the_tiers_that_it_has_and_is_not_to_have_and_its_vote() {
        let all = [
            "data",
            "data_cold",
            "data_content",
            "data_frozen",
            "data_hot",
            "data_warm",
            "ingest",
            "master",
        ];
        for (before, after, expected) in [
            (&["data", "master"][..], &["master"][..], &["data"][..]),
            (&["data", "master"], &["data"], &["master"]),
            (&["data_hot", "data_warm"], &["data_warm"], &["data_hot"]),
            (&all, &["ingest"], &["data", "master"]),
            (&["data"], &["data_hot", "data_content"], &["data_cold", "data_frozen", "data_warm"]),
        ] {
            assert_eq!(lost(before, after), expected, "{before:?} {after:?}");
        }
    }

    #[test]
    fn what_it_has_under_another_name_or_what_holds_nothing_is_not_lost() {
        let tiers = ["data_cold", "data_content", "data_frozen", "data_hot", "data_warm"];
        assert_eq!(lost(&["data"], &tiers), [""; 0]);
        assert_eq!(lost(&tiers, &["data"]), [""; 0]);
        assert_eq!(lost(&["master", "ingest", "ml"], &["master", "voting_only"]), [""; 0]);
        assert_eq!(lost(&["ingest"], &["data", "master"]), [""; 0], "what it gets");
    }

    #[test]
    fn a_node_that_keeps_its_vote_only_may_no_longer_be_elected() {
        let lead = |before: &[&str], after: &[&str]| {
            let node = Node { roles: named(before), ..Node::default() };
            let lost = Roles::Named(named(after)).lost(&node).unwrap();
            (lost.lead, lost.is_nothing())
        };
        assert_eq!(lead(&["master"], &["master", "voting_only"]), (true, true));
        assert_eq!(lead(&["master"], &["master", "ingest"]), (false, true));
        assert_eq!(lead(&["master", "voting_only"], &["data"]), (false, false));
    }

    #[test]
    fn what_one_loses_another_takes_over_that_comes_to_have_it() {
        let node = |roles: &[&str]| Node { roles: named(roles), ..Node::default() };
        let lost = |before: &[&str], after: &[&str]| {
            Roles::Named(named(after)).lost(&node(before)).unwrap()
        };
        let of_data = lost(&["data", "master"], &["master"]);
        let of_vote = lost(&["data", "master"], &["data"]);
        let takes = |after: &[&str], before: &[&str], lost: &Lost| {
            Roles::Named(named(after)).take_over(&node(before), lost)
        };
        assert!(takes(&["data_hot"], &["ingest"], &of_data));
        assert!(!takes(&["data_hot"], &["data"], &of_data), "it has it already");
        assert!(!takes(&["master"], &["ingest"], &of_data));
        assert!(takes(&["master"], &["ingest"], &of_vote));
        assert!(Roles::Every.take_over(&node(&[]), &of_data));
        assert!(!Roles::Unknown.take_over(&node(&[]), &of_data));
        assert!(!Roles::Every.take_over(&node(&[]), &Lost::default()));
    }

    #[test]
    fn a_node_with_neither_a_data_role_nor_a_vote_is_bare() {
        let node = Node { roles: named(&["data", "master"]), ..Node::default() };
        let is_bare = |after: &[&str]| Roles::Named(named(after)).lost(&node).unwrap().is_bare;
        assert!(is_bare(&[]) && is_bare(&["ingest"]));
        assert!(!is_bare(&["master"]) && !is_bare(&["data_frozen"]));
    }

    #[test]
    fn with_every_role_nothing_is_lost_and_nobody_knows_what_is_where_none_are_known() {
        let node = Node { roles: named(&["data", "master"]), ..Node::default() };
        assert!(Roles::Every.lost(&node).unwrap().is_nothing());
        assert_eq!(Roles::Unknown.lost(&node), None);
    }
}
