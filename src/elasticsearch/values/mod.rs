//! What differs between a declared index and a live one, as Elasticsearch means the values.
//!
//! Elasticsearch answers with other words than it was told: every setting as a string, mappings
//! without what equals a default, an alias's routing as two. Compared as text, a spec would differ
//! from its own index for ever. Here each part is first brought to one form and then compared by
//! its meaning, so that applying a spec a second time changes nothing.
//!
//! Everything here is pure, and none of it panics or recurses without bound on any JSON.

pub mod aliases;
mod filter;
pub mod mappings;
pub mod mark;
pub(crate) mod number;
pub mod settings;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use self::{mark::Mark, settings::Flat};

/// The deepest nesting that is read; Elasticsearch itself allows fields 20 deep by default.
pub const MAX_DEPTH: usize = 64;

/// Something in a spec that can't be worked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, as the user wrote it, such as `settings.index.uuid`.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
}

impl Problem {
    pub(crate) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

/// One place where the live index is not as declared.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Where, such as `mappings.properties.title.type`.
    pub path: String,
    /// The declared value; absent where the spec declares none.
    pub desired: Option<Value>,
    /// The live value; absent where there is none.
    pub live: Option<Value>,
}

/// The deepest nesting of JSON that is read: a field takes two levels, itself and `properties`.
const JSON_DEPTH: usize = 2 * MAX_DEPTH;

/// Whether the value is nested too deep to be read. What passes may be walked by recursion.
fn is_deep(value: &Value) -> bool {
    fn within(value: &Value, left: usize) -> bool {
        match value {
            Value::Array(_) | Value::Object(_) if left == 0 => false,
            Value::Array(items) => items.iter().all(|it| within(it, left - 1)),
            Value::Object(map) => map.values().all(|it| within(it, left - 1)),
            _ => true,
        }
    }
    !within(value, JSON_DEPTH)
}

fn too_deep() -> String {
    format!("must not be nested deeper than {MAX_DEPTH}")
}

/// The body that creates the index with all of its spec and Drover's mark in one call.
///
/// `mappings` and `aliases` are what [`mappings::normalise`] and [`aliases::normalise`] gave.
#[must_use]
pub fn create_body(
    settings: &Flat,
    mappings: &Map<String, Value>,
    aliases: &Map<String, Value>,
    mark: &Mark,
) -> Value {
    let mut mappings = mappings.clone();
    let meta = mark.merged_into(&mappings, &Map::new());
    mappings.insert("_meta".into(), Value::Object(meta));
    json!({ "settings": settings, "mappings": mappings, "aliases": aliases })
}
