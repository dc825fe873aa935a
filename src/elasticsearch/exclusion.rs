//! Nodes that are given no shards, and those that have no vote: how a node is taken out of a cluster.

use super::allocation::Prior;

/// The setting that names the nodes that are given no shards, and lose those that they have.
pub(super) const EXCLUDE: &str = "cluster.routing.allocation.exclude._name";
/// The setting that keeps which nodes Drover has put there. Elasticsearch lets anybody keep anything
/// under `cluster.metadata`.
pub(super) const NODE: &str = "cluster.metadata.drover.drain.node";
/// The setting that keeps what [`EXCLUDE`] was before; absent where that was not touched.
pub(super) const PRIOR: &str = "cluster.metadata.drover.drain.prior";
/// The setting that keeps for whom Drover did: the uid of a Cluster object.
pub(super) const OWNER: &str = "cluster.metadata.drover.drain.owner";

/// Who is taken out of a cluster by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exclusion {
    /// The persistent setting, as one text.
    pub persistent: Option<Box<str>>,
    /// The transient setting, which wins.
    pub transient: Option<Box<str>>,
    /// What Drover keeps beside it as long as a node is drained.
    pub mark: Option<Mark>,
    /// Names of the nodes that have no vote, whoever took it.
    pub voting: Vec<Box<str>>,
}

/// What Drover keeps in the cluster of a node that it drains, and of those that were let go before and
/// run yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The `node.name` of each, joined as the setting has it.
    pub node: Box<str>,
    /// The persistent setting as it was before; absent where the vote of the node alone is taken.
    pub prior: Option<Prior>,
    /// The uid of a Cluster object.
    pub owner: Box<str>,
}

impl Mark {
    /// The nodes that it is about.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.node.split(',').map(str::trim).filter(|it| !it.is_empty())
    }

    /// Whether it is about `node`.
    #[must_use]
    pub fn has(&self, node: &str) -> bool {
        self.names().any(|it| it == node)
    }
}

impl Exclusion {
    /// Whether nobody names a node there, so that a name written there takes no other one away. Even
    /// an empty transient setting would win over what is written.
    #[must_use]
    pub fn is_free(&self) -> bool {
        let is_empty = self.persistent.as_deref().is_none_or(|it| it.trim().is_empty());
        is_empty && self.transient.is_none() && self.mark.is_none()
    }

    /// What taking a node out has to put back one day.
    #[must_use]
    pub fn as_prior(&self) -> Prior {
        self.persistent.clone().map_or(Prior::Unset, Prior::Value)
    }

    /// The nodes that Drover takes out, whoever asked for it, if that is still so.
    #[must_use]
    pub fn marked(&self) -> Option<&Mark> {
        let mark = self.mark.as_ref()?;
        let is_named =
            || self.transient.is_none() && self.persistent.as_deref() == Some(&*mark.node);
        (mark.prior.is_none() || is_named()).then_some(mark)
    }

    /// What Drover keeps for `owner`, if it does.
    #[must_use]
    pub fn mark_of(&self, owner: &str) -> Option<&Mark> {
        self.mark.as_ref().filter(|it| *it.owner == *owner)
    }

    /// Whether Drover, whoever asked for it, keeps shards from the nodes that it takes out.
    #[must_use]
    pub fn keeps_shards_away(&self) -> bool {
        self.marked().is_some_and(|it| it.prior.is_some())
    }

    /// Whether `node` is taken out for `owner`, and nobody has written another value since.
    #[must_use]
    pub fn is_of(&self, owner: &str, node: &str) -> bool {
        self.marked().is_some_and(|it| *it.owner == *owner && it.has(node))
    }

    /// What is put back once `owner` takes nobody out any more; nothing where it keeps nothing. What
    /// somebody has written since is the last word.
    #[must_use]
    pub fn kept_for(&self, owner: &str) -> Option<Prior> {
        let mark = self.mark_of(owner)?;
        let is_overruled = self.persistent.as_deref() != Some(&*mark.node);
        let prior = mark.prior.clone().filter(|_| !is_overruled);
        Some(prior.unwrap_or_else(|| self.as_prior()))
    }

    /// Whether the vote of `node` is taken.
    #[must_use]
    pub fn silences(&self, node: &str) -> bool {
        self.voting.iter().any(|it| **it == *node)
    }

    /// Whether each vote that was taken is that of `node`, or of another one that is taken out for
    /// `owner`. Elasticsearch gives all of them back at once, so that others' would go with them.
    #[must_use]
    pub fn silences_only_of(&self, owner: &str, node: &str) -> bool {
        let mark = self.mark_of(owner);
        self.voting.iter().all(|it| **it == *node || mark.is_some_and(|mark| mark.has(it)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exclusion(persistent: Option<&str>, owner: Option<&str>) -> Exclusion {
        let mark = |owner: &str| Mark {
            node: "c".into(),
            prior: Some(Prior::Value("".into())),
            owner: owner.into(),
        };
        Exclusion {
            persistent: persistent.map(Into::into),
            mark: owner.map(mark),
            ..Exclusion::default()
        }
    }

    #[test]
    fn only_where_nobody_names_a_node_is_a_name_written() {
        assert!(exclusion(None, None).is_free() && exclusion(Some(" "), None).is_free());
        assert!(!exclusion(Some("x"), None).is_free());
        assert!(!exclusion(None, Some("us")).is_free());
        let transient = Exclusion { transient: Some("".into()), ..Exclusion::default() };
        assert!(!transient.is_free(), "it would win");
    }

    #[test]
    fn what_was_before_comes_back_to_whom_it_is_kept_for() {
        let ours = exclusion(Some("c"), Some("us"));
        assert!(ours.is_of("us", "c") && !ours.is_of("them", "c") && !ours.is_of("us", "b"));
        assert_eq!(ours.kept_for("us"), Some(Prior::Value("".into())));
        assert_eq!(ours.kept_for("them"), None);
        assert_eq!(exclusion(None, None).kept_for("us"), None);
    }

    #[test]
    fn what_somebody_has_written_since_is_the_last_word() {
        for (now, expected) in [(Some("b"), Prior::Value("b".into())), (None, Prior::Unset)] {
            let overruled = exclusion(now, Some("us"));
            assert!(!overruled.is_of("us", "c") && overruled.marked().is_none());
            assert_eq!(overruled.kept_for("us"), Some(expected));
        }
    }

    #[test]
    fn several_nodes_are_taken_out_together() {
        let mut both = exclusion(Some("x,c"), Some("us"));
        both.mark.as_mut().unwrap().node = "x,c".into();
        assert!(both.is_of("us", "x") && both.is_of("us", "c") && !both.is_of("us", "x,c"));
        assert!(both.keeps_shards_away());
        both.persistent = Some("c".into());
        assert!(!both.is_of("us", "c"), "somebody has changed it");
    }

    #[test]
    fn a_node_whose_vote_alone_is_taken_is_marked_and_keeps_its_shards() {
        let of_shards = exclusion(Some("c"), Some("us"));
        assert!(of_shards.keeps_shards_away());
        let mut of_vote = exclusion(Some(""), Some("us"));
        of_vote.mark.as_mut().unwrap().prior = None;
        assert!(of_vote.is_of("us", "c") && !of_vote.is_of("them", "c"));
        assert!(!of_vote.keeps_shards_away() && !of_vote.is_free());
        assert_eq!(of_vote.kept_for("us"), Some(Prior::Value("".into())), "it stays as it is");
        assert_eq!(of_vote.kept_for("them"), None);
    }

    #[test]
    fn votes_are_given_back_only_where_no_other_was_taken() {
        let voting = |names: &[&str]| Exclusion {
            voting: names.iter().map(|it| (*it).into()).collect(),
            ..Exclusion::default()
        };
        assert!(voting(&["c"]).silences("c") && voting(&["c"]).silences_only_of("us", "c"));
        assert!(!voting(&[]).silences("c") && !voting(&["c", "x"]).silences_only_of("us", "c"));
        let mut both = voting(&["c", "x"]);
        let mark = exclusion(Some("x,c"), Some("us")).mark.unwrap();
        both.mark = Some(Mark { node: "x,c".into(), ..mark });
        assert!(both.silences_only_of("us", "c") && !both.silences_only_of("them", "c"));
    }
}
