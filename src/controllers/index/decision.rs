//! What is decided about an Index in one reconcile, in words. Pure.

use serde_json::{Map, Value};

use super::changes::Declared;
use crate::elasticsearch::values::{Difference, Problem, settings::SettingChange};

/// The decision of one reconcile.
#[derive(Debug, Default)]
pub struct Plan {
    /// Where the index stands.
    pub stand: Stand,
    /// What to do now, in this order.
    pub steps: Vec<Step>,
    /// What mode Plan holds back.
    pub held: Vec<Step>,
    /// What somebody else changed, or what keeps the index from being adopted.
    pub drift: Vec<Difference>,
    /// What Elasticsearch can't change in place.
    pub reindex: Vec<Difference>,
    /// Settings that could be changed if the index were closed.
    pub closed_only: Vec<String>,
    /// What is to be done after these steps, by a later look: what only a closed index takes.
    pub later: Vec<Step>,
    /// Setting keys and alias names of the spec, for the record of what Drover set.
    pub declared: Option<Declared>,
    /// Whether somebody else made the index, so that only what Drover wrote is Drover's.
    pub adopted: bool,
}

impl Plan {
    /// Nothing to do but to say where the index stands.
    #[must_use]
    pub fn stand(stand: Stand) -> Self {
        Self { stand, ..Self::default() }
    }

    /// Whether the index can't be looked at.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        let blind = [Stand::Unread, Stand::NoCluster, Stand::Unreadable, Stand::TooLarge];
        blind.contains(&self.stand) || matches!(self.stand, Stand::Invalid(_))
    }
}

/// Where an index stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stand {
    /// It has not been read yet: wait.
    #[default]
    Unread,
    /// The spec can't be worked with.
    Invalid(Vec<Problem>),
    /// Another object has the older claim on the same index, or keeps it; the text says which.
    Conflict(String),
    /// The Cluster is absent or can't be worked in.
    NoCluster,
    /// The index is there and Drover's user may not read it.
    Unreadable,
    /// The index is there and is more than Drover reads.
    TooLarge,
    /// There is none, and there never was one of ours.
    ToCreate,
    /// The index with this uuid was deleted behind Drover's back.
    Lost(String),
    /// What bears the name is not Drover's to touch; the text says why.
    NotOwned(String),
    /// It is Drover's.
    Owned,
    /// The object is deleted and nothing is left to do; the text says what was left behind.
    Gone(Option<String>),
    /// The object is deleted and its index is to be deleted.
    Deleting,
    /// The object is deleted; that writes will be blocked is put on record first.
    Announced,
}

/// One call to Elasticsearch.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Make the index, with the mark.
    Create,
    /// Send this to the mapping API.
    Mapping(Map<String, Value>),
    /// Change these settings; a value of null resets one.
    Settings(Vec<SettingChange>),
    /// Change these aliases in one call.
    Aliases(Value),
    /// Open the index.
    Open,
    /// Close the index.
    Close,
    /// Let documents be written again.
    Unblock,
    /// Delete the index.
    Delete,
    /// Delete the index if it holds no document.
    DeleteIfEmpty {
        /// Whether Drover blocks writes for that time, and has to unblock them again.
        unblock: bool,
    },
}
