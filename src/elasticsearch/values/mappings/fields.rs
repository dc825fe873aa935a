//! How live fields differ from declared ones, and what to send for it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{
    MappingDifference,
    form::{flattens, shaped},
    is_object,
    params::{Inherited, holds, may_change},
    type_of,
};
use crate::elasticsearch::values::Difference;

/// Compares fields and notes what it finds.
///
/// What it gives back is what to send. Elasticsearch takes what is not said of a field that is sent
/// for its default and changes it to that, or refuses all of the request if that can't be changed.
/// So a field is sent only if something of it changes, and then whole: as it is, with the changes.
pub(super) struct Comparison<'a> {
    inherited: Inherited,
    leave: &'a BTreeSet<String>,
    pub(super) found: MappingDifference,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(inherited: Inherited, leave: &'a BTreeSet<String>) -> Self {
        Self { inherited, leave, found: MappingDifference::default() }
    }

    /// Notes what can be changed; returns whether it is to be sent.
    #[must_use]
    pub(super) fn add(&mut self, path: String, desired: &Value, live: Option<&Value>) -> bool {
        if self.leave.contains(&path) {
            return false;
        }
        let difference = Difference { path, desired: Some(desired.clone()), live: live.cloned() };
        self.found.additions.push(difference);
        true
    }

    pub(super) fn refuse(&mut self, path: String, desired: &Value, live: Option<&Value>) {
        let difference = Difference { path, desired: Some(desired.clone()), live: live.cloned() };
        self.found.impossible.push(difference);
    }

    /// Fields of an object; `flat` tells whether the live ones have dotted names.
    pub(super) fn fields(
        &mut self,
        desired: &Map<String, Value>,
        live: &Map<String, Value>,
        path: &str,
        flat: bool,
    ) -> Map<String, Value> {
        let mut send = Map::new();
        for (name, field) in shaped(desired, flat).iter() {
            let path = format!("{path}.{name}");
            match (field, live.get(name)) {
                (_, None) => {
                    if self.add(path, field, None) {
                        send.insert(name.clone(), field.clone());
                    }
                }
                (Value::Object(field), Some(Value::Object(live))) => {
                    if let Some(body) = self.field(field, live, &path, flat) {
                        send.insert(name.clone(), body.into());
                    }
                }
                (_, Some(live)) => self.refuse(path, field, Some(live)),
            }
        }
        send
    }

    /// One field that is there.
    fn field(
        &mut self,
        desired: &Map<String, Value>,
        live: &Map<String, Value>,
        path: &str,
        flat: bool,
    ) -> Option<Map<String, Value>> {
        let kind = type_of(live);
        if type_of(desired) != kind {
            let (desired, live) = (type_of(desired).into(), kind.into());
            self.refuse(format!("{path}.type"), &desired, Some(&live));
            return None;
        }
        let below = if is_object(kind) { "properties" } else { "fields" };
        let mut changes = Map::new();
        for (name, value) in desired.iter().filter(|(name, _)| *name != "type" && *name != below) {
            if holds(kind, name, value, live, &self.inherited) {
                continue;
            }
            let path = format!("{path}.{name}");
            if may_change(kind, name, value, live) {
                if self.add(path, value, live.get(name)) {
                    changes.insert(name.clone(), value.clone());
                }
            } else {
                self.refuse(path, value, live.get(name));
            }
        }
        // One that is not shown follows the search analyzer, which is about to change.
        if let Some(quote) = desired.get("search_quote_analyzer")
            && changes.contains_key("search_analyzer")
        {
            changes.insert("search_quote_analyzer".into(), quote.clone());
        }
        if let Some(Value::Object(wanted)) = desired.get(below) {
            let nothing = Map::new();
            let there = live.get(below).and_then(Value::as_object).unwrap_or(&nothing);
            let flat = is_object(kind) && (flat || flattens(live));
            let inner = self.fields(wanted, there, &format!("{path}.{below}"), flat);
            if !inner.is_empty() {
                changes.insert(below.into(), inner.into());
            }
        }
        if changes.is_empty() {
            return None;
        }
        let mut send: Map<_, _> = live.clone();
        send.remove(below);
        send.insert("type".into(), kind.into());
        send.extend(changes);
        Some(send)
    }
}
