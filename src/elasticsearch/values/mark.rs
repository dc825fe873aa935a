//! The mark that says whose index it is, kept in the index's own mapping.
//!
//! A change of the mapping replaces `_meta` whole, so the mark is always written together with what
//! else is in it.

use serde_json::{Map, Value, json};

use super::Difference;

const META: &str = "_meta";
pub(super) const KEY: &str = "drover";

/// Which object in Kubernetes an index belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The object's namespace.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// The object's uid, which tells it from a later one of the same name.
    pub uid: String,
    /// Whether somebody else made the index: then what was in it before is not Drover's.
    pub adopted: bool,
}

impl Mark {
    /// The whole `_meta` to write: the declared one, else the live one, with this mark in it.
    #[must_use]
    pub fn merged_into(
        &self,
        desired: &Map<String, Value>,
        live: &Map<String, Value>,
    ) -> Map<String, Value> {
        let base = desired.get(META).or_else(|| live.get(META)).and_then(Value::as_object);
        let mut meta = base.cloned().unwrap_or_default();
        let mut mark = json!({ "namespace": self.namespace, "name": self.name, "uid": self.uid });
        if self.adopted {
            mark["adopted"] = Value::Bool(true);
        }
        meta.insert(KEY.into(), mark);
        meta
    }
}

/// The mark in live mappings; `None` where there is none, or one that can't be read.
#[must_use]
pub fn read(live: &Map<String, Value>) -> Option<Mark> {
    of_meta(live.get(META)?)
}

/// The mark in the `_meta` of live mappings.
#[must_use]
pub fn of_meta(meta: &Value) -> Option<Mark> {
    let mark = meta.get(KEY)?;
    let text = |key: &str| mark.get(key)?.as_str().map(str::to_owned);
    let adopted = mark.get("adopted").and_then(Value::as_bool).unwrap_or_default();
    Some(Mark { namespace: text("namespace")?, name: text("name")?, uid: text("uid")?, adopted })
}

/// Where the user's part of `_meta` differs, if the spec declares one.
#[must_use]
pub fn difference(desired: &Map<String, Value>, live: &Map<String, Value>) -> Option<Difference> {
    let desired = desired.get(META)?;
    let live = live.get(META).and_then(Value::as_object).map(|it| {
        let mut users = it.clone();
        users.remove(KEY);
        Value::Object(users)
    });
    let nothing = Value::Object(Map::new());
    if desired == live.as_ref().unwrap_or(&nothing) {
        return None;
    }
    Some(Difference { path: "mappings._meta".into(), desired: Some(desired.clone()), live })
}
