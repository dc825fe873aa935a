//! What the poller last saw of one cluster, kept so that reconciles need not ask again.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::{
    cluster_reads::{
        ClusterHealth, ClusterStats, IndexHealth, Node, NodeStats, Root, StateVersion,
    },
    endpoints::EndpointIdentity,
    error::Error,
    health_report::Diagnosis,
    index_reads::{IndexBody, IndexMarks, IndexState, IndexStats},
    values::{
        mark::{self, Mark},
        settings::{self, Flat},
    },
};

/// Everything known of one cluster.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The last good answer; stays while Elasticsearch can't be asked.
    pub cluster: Option<Arc<ClusterView>>,
    /// Why the last poll failed; nothing when it went well.
    pub fault: Option<Arc<Error>>,
    /// Whether a poll has ended yet, well or badly.
    pub polled: bool,
}

/// One cluster as it answered.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterView {
    /// Name, uuid and version.
    pub root: Root,
    /// The cluster state that the rest was read at, or just before.
    pub state: StateVersion,
    /// Health, nodes and shards in figures. That of the single indices is handed on, not kept.
    pub health: ClusterHealth,
    /// How many indices there are, hidden and closed ones too.
    pub indices: usize,
    /// The nodes by id.
    pub nodes: BTreeMap<String, Node>,
    /// Heap and disk by node id, as of the last full check.
    pub node_stats: BTreeMap<String, NodeStats>,
    /// Sizes, as of the last full check.
    pub stats: ClusterStats,
    /// Whether sizes, heap and disk are the first that this connection read: a restart alone is no
    /// reason to write them down anew.
    pub first_figures: bool,
    /// What Elasticsearch's health report says beside green.
    pub report: Vec<Diagnosis>,
    /// How often the report is still asked for, because it does not speak of what health shows.
    pub report_tries: u8,
    /// What each endpoint said of itself at the last full check.
    pub endpoints: Vec<EndpointIdentity>,
    /// When the first of the certificates runs out that the endpoints showed.
    pub certificate_expires: Option<Timestamp>,
}

/// What is known of the index behind a public name.
#[derive(Clone, Debug, Default)]
pub enum IndexView {
    /// Not read yet, or out of date: wait for the poller.
    #[default]
    Unread,
    /// No index or alias has that name.
    Missing,
    /// It is there, and Drover's user may not read it.
    Unreadable,
    /// It is there, and what it is made of is more than Drover reads.
    TooLarge(Arc<IndexMarks>),
    /// It is there.
    Present(Arc<LiveIndex>),
}

/// An index as it answered.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveIndex {
    /// The physical index behind the public name.
    pub physical_name: String,
    /// uuid, state, and the versions that move with each change.
    pub marks: IndexMarks,
    /// Settings, mappings and aliases.
    pub content: Content,
    /// Health and shard numbers.
    pub health: Option<IndexHealth>,
    /// Documents and bytes, as of the last full check.
    pub figures: Option<IndexStats>,
}

impl LiveIndex {
    /// Whether the public name is an alias of this index, not its own name.
    #[must_use]
    pub fn is_behind_alias(&self, public_name: &str) -> bool {
        self.physical_name != public_name
    }

    /// Whether it serves.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.marks.state == IndexState::Open
    }
}

/// What an index is made of, as text: a tree of it costs ten times the memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    settings: Box<str>,
    mappings: Box<str>,
    aliases: Box<str>,
}

impl Content {
    /// Keeps the texts of `body`.
    #[must_use]
    pub fn new(body: IndexBody) -> Self {
        let text = |it: Box<RawValue>| Box::<str>::from(it);
        Self {
            settings: text(body.settings),
            mappings: text(body.mappings),
            aliases: text(body.aliases),
        }
    }

    /// Settings by flat key.
    #[must_use]
    pub fn settings(&self) -> Flat {
        settings::live(&tree(&self.settings))
    }

    /// Mappings.
    #[must_use]
    pub fn mappings(&self) -> Map<String, Value> {
        tree(&self.mappings)
    }

    /// Drover's mark in the mappings, without a tree of all the rest.
    #[must_use]
    pub fn mark(&self) -> Option<Mark> {
        #[derive(Deserialize)]
        struct Marked {
            #[serde(rename = "_meta")]
            meta: Value,
        }
        let marked: Marked = serde_json::from_str(&self.mappings).ok()?;
        mark::of_meta(&marked.meta)
    }

    /// Aliases by name.
    #[must_use]
    pub fn aliases(&self) -> Map<String, Value> {
        tree(&self.aliases)
    }
}

/// Elasticsearch's answer was read as JSON before; what is no object holds nothing for Drover.
fn tree(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_default()
}

/// Whether a figure moved enough to be worth a write: by more than 5 %.
#[must_use]
pub fn moved(before: u64, after: u64) -> bool {
    before.abs_diff(after).saturating_mul(20) > before
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_has_moved_when_it_changed_by_more_than_five_percent() {
        assert!(!moved(1000, 1050));
        assert!(moved(1000, 1051));
        assert!(moved(1000, 949));
        assert!(moved(0, 1));
        assert!(!moved(0, 0));
    }
}
