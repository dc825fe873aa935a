//! Mappings of an index: in one spelling, and what differs.
//!
//! What the spec does not declare is never a difference: fields that documents brought with them,
//! and parameters that a template or a hand has set, which can't be told apart from each other.

mod fields;
mod form;
mod params;
mod top;
mod values;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use self::{fields::Comparison, form::flattens, params::Inherited};
use super::{Difference, settings::Flat};
pub use form::normalise;

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

/// What differs, apart from `_meta`.
///
/// `desired` is what [`normalise`] gave; `settings` are the live settings of the index, since
/// Elasticsearch does not show a parameter that equals what they give to all fields.
#[must_use]
pub fn difference(
    desired: &Map<String, Value>,
    live: &Map<String, Value>,
    settings: &Flat,
) -> MappingDifference {
    difference_but_for(desired, live, settings, &BTreeSet::new())
}

/// The same but for what stands at the paths of `leave`, which stays as it is: it is not sent.
#[must_use]
pub fn difference_but_for(
    desired: &Map<String, Value>,
    live: &Map<String, Value>,
    settings: &Flat,
    leave: &BTreeSet<String>,
) -> MappingDifference {
    let mut comparison = Comparison::new(Inherited::of(settings), leave);
    let mut body = top::differences(&mut comparison, desired, live);
    if let Some(Value::Object(wanted)) = desired.get("properties") {
        let nothing = Map::new();
        let there = live.get("properties").and_then(Value::as_object).unwrap_or(&nothing);
        let flat = flattens(live);
        let send = comparison.fields(wanted, there, "mappings.properties", flat);
        if !send.is_empty() {
            body.insert("properties".into(), send.into());
            // Without it, Elasticsearch would take dotted names for objects again.
            if let Some(scope) = live.get("subobjects").filter(|_| flat) {
                body.insert("subobjects".into(), scope.clone());
            }
        }
    }
    MappingDifference { body: (!body.is_empty()).then_some(body), ..comparison.found }
}

/// The type of a field; one that only has fields below it is an object.
fn type_of(field: &Map<String, Value>) -> &str {
    field.get("type").and_then(Value::as_str).unwrap_or("object")
}

/// Whether fields of the type have fields below them.
fn is_object(kind: &str) -> bool {
    matches!(kind, "object" | "nested" | "passthrough")
}
