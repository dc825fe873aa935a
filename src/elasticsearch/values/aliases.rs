//! Aliases of an index: in one spelling, and what differs.

use serde_json::{Map, Value};

use super::Problem;

/// One alias to set or to take away.
#[derive(Clone, Debug, PartialEq)]
pub struct AliasChange {
    /// The alias.
    pub name: String,
    /// What it shall be; absent to take it away.
    pub desired: Option<Value>,
    /// What it is; absent where there is none.
    pub live: Option<Value>,
}

impl AliasChange {
    /// Where in the spec, such as `aliases.logs`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("aliases.{}", self.name)
    }
}

/// Declared aliases of the index `index`, in one spelling.
///
/// # Errors
/// All that can't be worked with.
pub fn normalise(
    _index: &str,
    aliases: &Map<String, Value>,
) -> Result<Map<String, Value>, Vec<Problem>> {
    Ok(aliases.clone())
}

/// What is to be changed.
#[must_use]
pub fn difference(
    _desired: &Map<String, Value>,
    _live: &Map<String, Value>,
    _applied: &[String],
) -> Vec<AliasChange> {
    Vec::new()
}

/// The body of one `POST /_aliases` that makes all changes at once.
#[must_use]
pub fn actions(_index: &str, _changes: &[AliasChange]) -> Value {
    Value::Null
}
