//! Records by which nodes are announced to Elasticsearch as about to go down, and whose they are.

use std::{collections::BTreeMap, time::Duration};

/// How the reason of a record of Drover begins; the uid of a Cluster object and the name of a run come
/// after it.
const MARK: &str = "drover ";

/// What is announced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shutdowns {
    /// The record of each node that has one, be the node there or not.
    pub records: BTreeMap<Box<str>, Record>,
    /// Why nothing can be announced, in words for people; nothing where it can, and where that was not
    /// asked.
    pub unusable: Option<Box<str>>,
}

/// What is announced of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// `restart`, `remove`, `replace` or another word, in lower case.
    pub kind: Box<str>,
    /// Who has announced it, and why, in their own words.
    pub reason: Box<str>,
    /// Whether Elasticsearch says that it can't get ready for that.
    pub is_stalled: bool,
}

/// The reason of a record for `run` of the Cluster object with the uid `owner`: by it the record is
/// known again.
pub(super) fn reason(owner: &str, run: &str) -> String {
    format!("{MARK}{owner} {run}")
}

/// How long Elasticsearch is told to leave the copies of a node where they are. It understands whole
/// seconds in each version.
pub(super) fn delay_text(delay: Duration) -> String {
    format!("{}s", delay.as_secs())
}

impl Record {
    /// For which Cluster object Drover has announced it; nothing where somebody else has. Drover
    /// announces restarts alone.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        let marked = self.reason.strip_prefix(MARK).filter(|_| &*self.kind == "restart")?;
        marked.split(' ').next().filter(|it| !it.is_empty())
    }

    /// Whether Drover has announced it for the Cluster object with the uid `owner`.
    #[must_use]
    pub fn is_of(&self, owner: &str) -> bool {
        self.owner() == Some(owner)
    }
}

impl Shutdowns {
    /// The nodes that are announced for the Cluster object with the uid `owner`.
    pub fn of<'a>(&'a self, owner: &'a str) -> impl Iterator<Item = &'a Box<str>> {
        self.records.iter().filter(move |(_, it)| it.is_of(owner)).map(|(id, _)| id)
    }

    /// The nodes that Drover has announced for other Cluster objects, each with the uid of its own.
    pub fn of_others<'a>(
        &'a self,
        owner: &'a str,
    ) -> impl Iterator<Item = (&'a Box<str>, &'a str)> {
        let records = self.records.iter().filter_map(|(id, it)| Some((id, it.owner()?)));
        records.filter(move |(_, of)| *of != owner)
    }

    /// Whether Drover has announced any node, for whichever Cluster object.
    #[must_use]
    pub fn is_any_of_drover(&self) -> bool {
        self.records.values().any(|it| it.owner().is_some())
    }

    /// Whether the copies of the node wait for it, by what was announced for `owner`.
    #[must_use]
    pub fn protects(&self, node: &str, owner: &str) -> bool {
        self.records.get(node).is_some_and(|it| it.is_of(owner) && !it.is_stalled)
    }

    /// Whether the node is announced for `owner`, and Elasticsearch can't get ready for it.
    #[must_use]
    pub fn is_stalled(&self, node: &str, owner: &str) -> bool {
        self.records.get(node).is_some_and(|it| it.is_of(owner) && it.is_stalled)
    }
}

/// A record that is not Drover's, in a few words.
pub(super) fn text(kind: &str, node: &str) -> String {
    format!("a shutdown record ({kind}) of {node}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: &str, reason: &str) -> Record {
        Record { kind: kind.into(), reason: reason.into(), is_stalled: false }
    }

    #[test]
    fn a_record_is_known_by_its_reason_and_only_a_restart_is_of_drover() {
        assert_eq!(record("restart", &reason("uid", "r-1")).owner(), Some("uid"));
        assert!(record("restart", &reason("uid", "r-1")).is_of("uid"));
        for (kind, reason) in [
            ("restart", "drover"),
            ("restart", "drover "),
            ("restart", "drovers uid r-1"),
            ("restart", "maintenance"),
            ("restart", "drover uid-2 r-1"),
            ("remove", "drover uid r-1"),
        ] {
            assert!(!record(kind, reason).is_of("uid"), "{kind} {reason}");
        }
    }

    #[test]
    fn a_stalled_record_protects_nothing() {
        let of = |is_stalled| Record { is_stalled, ..record("restart", "drover uid r-1") };
        let records = [("a".into(), of(false)), ("b".into(), of(true))].into();
        let all = Shutdowns { records, unusable: None };
        assert!(all.protects("a", "uid") && !all.is_stalled("a", "uid"));
        assert!(!all.protects("b", "uid") && all.is_stalled("b", "uid"));
        assert!(!all.protects("a", "another") && !all.protects("c", "uid"));
        assert_eq!(all.of("uid").count(), 2);
        assert!(all.of_others("another").map(|it| it.1).eq(["uid", "uid"]));
        assert_eq!(all.of_others("uid").count(), 0);
    }
}
