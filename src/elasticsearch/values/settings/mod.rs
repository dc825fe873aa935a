//! Settings of an index: in one spelling, and what differs.

mod kinds;
mod table;
mod value;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{MAX_DEPTH, Problem, number::scalar_text, too_deep};
pub use kinds::{Kind, kind, same};
pub use value::alike;
pub(in crate::elasticsearch) use value::bytes;

/// Settings by flat key with `index.` before; each value is a text or a list of texts.
pub type Flat = BTreeMap<String, Value>;

const REPLICAS: &str = "index.number_of_replicas";
const EXPAND: &str = "index.auto_expand_replicas";
const ROUTING_SHARDS: &str = "index.number_of_routing_shards";

/// One setting to change.
#[derive(Clone, Debug, PartialEq)]
pub struct SettingChange {
    /// The flat key.
    pub key: String,
    /// The declared value; absent to go back to the default.
    pub desired: Option<Value>,
    /// The live value; absent where the default holds.
    pub live: Option<Value>,
    /// When Elasticsearch lets it change.
    pub kind: Kind,
}

impl SettingChange {
    /// Where in the spec, such as `settings.index.refresh_interval`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("settings.{}", self.key)
    }
}

/// Declared settings, nested, dotted or mixed, in one spelling.
///
/// A null is the same as nothing said.
///
/// # Errors
/// All that can't be worked with: a key said twice with two values, a key that Elasticsearch alone
/// makes, a value that is no setting.
pub fn flatten(settings: &Map<String, Value>) -> Result<Flat, Vec<Problem>> {
    let mut flattening = Flattening::default();
    flattening.object(settings, "", 0);
    flattening.join_numbered();
    let Flattening { found, mut problems } = flattening;
    for (key, (_, path)) in found.iter().filter(|(key, _)| kinds::server_made(key)) {
        let message = format!("may not be specified: Elasticsearch makes `{key}` itself");
        problems.push(Problem::new(format!("settings.{path}"), message));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(found.into_iter().map(|(key, (value, _))| (key, value)).collect())
}

/// Live settings, as `GET /index?flat_settings=true` gives them, in the same spelling. What can't
/// be read is left out.
#[must_use]
pub fn live(settings: &Map<String, Value>) -> Flat {
    let mut flattening = Flattening::default();
    flattening.object(settings, "", 0);
    flattening.found.into_iter().map(|(key, (value, _))| (key, value)).collect()
}

/// What is to be changed, sorted by key: declared settings that are not so, and settings that
/// Drover set before (`applied`), that the spec declares no more and that are still there. Nobody
/// else's setting is ever among them.
///
/// A setting that can't change once the index is there and that leaves the spec is let be: the spec
/// no longer asks for anything.
#[must_use]
pub fn difference(desired: &Flat, live: &Flat, applied: &[String]) -> Vec<SettingChange> {
    let gone: BTreeSet<&String> = applied
        .iter()
        .filter(|key| !desired.contains_key(*key) && live.contains_key(*key))
        .collect();
    let expands = expands(desired, live, &gone);
    let unseen = |key: &str| {
        // Elasticsearch keeps the number of replicas itself while it expands them, and never tells
        // the number of routing shards.
        (expands && key == REPLICAS) || (key == ROUTING_SHARDS && !live.contains_key(key))
    };
    let changed = desired.iter().filter(|(key, value)| {
        let same = match live.get(*key) {
            Some(live) => same(key, value, live),
            None => kinds::is_default(key, value, live),
        };
        !same && !unseen(key)
    });
    let reset = gone.into_iter().filter(|key| !unseen(key) && resets(key, live));
    let change = |key: &str, value: Option<&Value>| {
        let change = SettingChange {
            key: key.to_owned(),
            desired: value.cloned(),
            live: live.get(key).cloned(),
            kind: kind(key),
        };
        (change.key.clone(), change)
    };
    let all: BTreeMap<_, _> = changed
        .map(|(key, value)| change(key, Some(value)))
        .chain(reset.map(|key| change(key, None)))
        .collect();
    all.into_values().collect()
}

/// The body of `PUT /index/_settings` that makes the changes.
#[must_use]
pub fn body<'a>(changes: impl IntoIterator<Item = &'a SettingChange>) -> Value {
    let value = |change: &SettingChange| change.desired.clone().unwrap_or(Value::Null);
    changes
        .into_iter()
        .map(|change| (change.key.clone(), value(change)))
        .collect::<Map<_, _>>()
        .into()
}

/// Whether Elasticsearch will choose the number of replicas, once the changes are made.
fn expands(desired: &Flat, live: &Flat, gone: &BTreeSet<&String>) -> bool {
    let value = desired.get(EXPAND).or_else(|| live.get(EXPAND));
    let reset = gone.iter().any(|key| *key == EXPAND);
    value.is_some_and(|it| !reset && !same(EXPAND, it, &Value::from("false")))
}

/// Whether a null would change the live setting. The number of replicas goes back to a number, so
/// it is always there.
fn resets(key: &str, live: &Flat) -> bool {
    let stays =
        key == REPLICAS && live.get(key).is_some_and(|value| kinds::is_default(key, value, live));
    kind(key) != Kind::Final && !kinds::server_made(key) && !stays
}

/// Settings on the way to one spelling: by flat key the value and the path it was found at.
#[derive(Default)]
struct Flattening {
    found: BTreeMap<String, (Value, String)>,
    problems: Vec<Problem>,
}

impl Flattening {
    fn object(&mut self, object: &Map<String, Value>, path: &str, depth: usize) {
        for (key, value) in object {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match value {
                _ if key.is_empty() => self.problem(&path, "must not have an empty key"),
                Value::Null => {}
                Value::Object(_) if depth >= MAX_DEPTH => {
                    self.problem(&path, too_deep());
                }
                Value::Object(inner) => self.object(inner, &path, depth + 1),
                Value::Array(items) => match items.iter().map(scalar_text).collect::<Option<_>>() {
                    Some(texts) => self.setting(path, Value::Array(texts_of(texts))),
                    None => self.problem(&path, "must be a list of texts, numbers and booleans"),
                },
                scalar => {
                    if let Some(text) = scalar_text(scalar) {
                        self.setting(path, Value::String(text));
                    }
                }
            }
        }
    }

    fn setting(&mut self, path: String, value: Value) {
        let key = if path.starts_with("index.") { path.clone() } else { format!("index.{path}") };
        match self.found.get(&key) {
            Some((other, at)) if !same(&key, other, &value) => {
                let message =
                    format!("says `{key}` a second time, with another value than `settings.{at}`");
                self.problem(&path, message);
            }
            Some(_) => {}
            None => {
                self.found.insert(key, (value, path));
            }
        }
    }

    /// Joins `a.0`, `a.1` to the list `a`, as Elasticsearch does.
    fn join_numbered(&mut self) {
        let firsts: Vec<String> =
            self.found.keys().filter(|it| it.ends_with(".0")).cloned().collect();
        for first in firsts {
            let Some(base) = first.strip_suffix(".0") else { continue };
            let mut items = Vec::new();
            let mut path = None;
            while let Some((value, at)) = self.found.remove(&format!("{base}.{}", items.len())) {
                path.get_or_insert(at);
                items.push(value);
            }
            let Some(path) = path else { continue };
            let path = path.strip_suffix(".0").unwrap_or(&path).to_owned();
            if items.iter().all(Value::is_string) {
                self.setting(path, Value::Array(items));
            } else {
                self.problem(&path, "must not hold lists in a list");
            }
        }
    }

    fn problem(&mut self, path: &str, message: impl Into<String>) {
        self.problems.push(Problem::new(format!("settings.{path}"), message));
    }
}

fn texts_of(texts: Vec<String>) -> Vec<Value> {
    texts.into_iter().map(Value::String).collect()
}
