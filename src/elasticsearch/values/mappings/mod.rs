//! Mappings of an index: in one spelling, and what differs.

use serde_json::{Map, Value};

use super::{Difference, Problem};

/// How live mappings differ from declared ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MappingDifference {
    /// What to send by `PUT /index/_mapping`, without `_meta`; absent where nothing is to be sent.
    pub body: Option<Map<String, Value>>,
    /// What the body changes.
    pub additions: Vec<Difference>,
    /// What Elasticsearch can't change in place.
    pub impossible: Vec<Difference>,
}

/// Declared mappings in one spelling.
///
/// # Errors
/// All that can't be worked with.
pub fn normalise(mappings: &Map<String, Value>) -> Result<Map<String, Value>, Vec<Problem>> {
    Ok(mappings.clone())
}

/// What differs; `desired` is what [`normalise`] gave.
#[must_use]
pub fn difference(_desired: &Map<String, Value>, _live: &Map<String, Value>) -> MappingDifference {
    MappingDifference::default()
}
