//! An Elasticsearch with room for one index, which takes calls and refuses what the real one would.

use serde_json::{Map, Value, json};

use super::fixtures::{Physical, live};
use crate::elasticsearch::{
    calls::Write,
    error::Error,
    fixtures::refused,
    values::settings::{self, Kind, kind},
};

/// What an index has that nobody set.
const DEFAULT_REPLICAS: &str = "1";

/// The one-index Elasticsearch.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub index: Option<Physical>,
    /// Every call that it took, as method and path.
    pub calls: Vec<String>,
    made: u32,
}

impl Model {
    pub fn with(index: Physical) -> Self {
        Self { index: Some(index), ..Self::default() }
    }

    /// The index; there must be one.
    pub fn index(&mut self) -> &mut Physical {
        self.index.as_mut().expect("there is an index")
    }

    /// Does what `call` says, or refuses it whole.
    pub fn answer(&mut self, call: &Write) -> Result<(), Error> {
        let what = format!("{} {}", call.method, call.path);
        let body: Map<String, Value> =
            call.body.as_deref().map(|it| serde_json::from_str(it).unwrap()).unwrap_or_default();
        let result = match what.split_once(' ').unwrap() {
            ("PUT", path) if path.ends_with("/_settings") => self.put_settings(&body),
            ("PUT", path) if path.ends_with("/_mapping") => self.put_mapping(body),
            ("PUT", path) => self.create(&path[1..], &body),
            ("POST", "/_aliases") => self.update_aliases(&body),
            ("POST", path) if path.ends_with("/_open") => self.set_open(true),
            ("POST", path) if path.ends_with("/_close") => self.set_open(false),
            ("DELETE", path) => self.delete(&path[1..]),
            _ => panic!("a call that nobody thought of: {what}"),
        };
        self.calls.push(what);
        result.map_err(|reason| refused(call.operation, 400, "illegal_argument_exception", &reason))
    }

    fn create(&mut self, name: &str, body: &Map<String, Value>) -> Result<(), String> {
        if self.index.is_some() {
            return Err(format!("index [{name}] already exists"));
        }
        self.made += 1;
        let mut index = live(name, &format!("made-{}", self.made));
        let part = |it: &str| body[it].as_object().cloned().unwrap();
        index.settings.extend(settings::live(&part("settings")));
        index.mappings = part("mappings");
        index.aliases = part("aliases");
        self.index = Some(index);
        Ok(())
    }

    fn there(&mut self) -> Result<&mut Physical, String> {
        self.index.as_mut().ok_or_else(|| "no such index".to_owned())
    }

    fn put_settings(&mut self, body: &Map<String, Value>) -> Result<(), String> {
        let index = self.there()?;
        for key in body.keys() {
            match kind(key) {
                Kind::Final => return Err(format!("final setting [{key}], not updateable")),
                Kind::ClosedOnly if index.open => {
                    return Err(format!("Can't update non dynamic settings [[{key}]] for open"));
                }
                _ => {}
            }
        }
        for (key, value) in body {
            match (value, key.as_str()) {
                (Value::Null, "index.number_of_replicas") => {
                    index.settings.insert(key.clone(), DEFAULT_REPLICAS.into());
                }
                (Value::Null, _) => {
                    index.settings.remove(key);
                }
                _ => {
                    index.settings.insert(key.clone(), value.clone());
                }
            }
        }
        Ok(())
    }

    fn put_mapping(&mut self, body: Map<String, Value>) -> Result<(), String> {
        let index = self.there()?;
        for (key, value) in body {
            match (key.as_str(), value) {
                ("properties", Value::Object(fields)) => {
                    let there = index.mappings.entry("properties").or_insert_with(|| json!({}));
                    merge(there.as_object_mut().unwrap(), fields);
                }
                (_, value) => {
                    index.mappings.insert(key, value);
                }
            }
        }
        Ok(())
    }

    fn update_aliases(&mut self, body: &Map<String, Value>) -> Result<(), String> {
        let index = self.there()?;
        for action in body["actions"].as_array().unwrap() {
            let (verb, alias) = action.as_object().unwrap().iter().next().unwrap();
            let mut alias = alias.as_object().cloned().unwrap();
            assert_eq!(alias.remove("index"), Some(json!(index.name)), "another index is named");
            let name = alias.remove("alias").unwrap().as_str().unwrap().to_owned();
            match verb.as_str() {
                "add" => {
                    index.aliases.insert(name, alias.into());
                }
                "remove" if index.aliases.contains_key(&name) => {
                    index.aliases.remove(&name);
                }
                _ => return Err(format!("aliases [{name}] missing")),
            }
        }
        Ok(())
    }

    fn set_open(&mut self, open: bool) -> Result<(), String> {
        self.there()?.open = open;
        Ok(())
    }

    fn delete(&mut self, name: &str) -> Result<(), String> {
        assert_eq!(self.there()?.name, name, "another index is named");
        self.index = None;
        Ok(())
    }
}

fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Object(into)), Value::Object(from)) => merge(into, from),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}
