//! elasticsearch.yml: what Drover says in it, what a person may add, and how it is written.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::{Map, Value};

use super::Problem;
use crate::{elasticsearch::values::number::scalar_text, ssh::steps::HEADER};

/// Settings by flat key.
pub type Settings = BTreeMap<String, Value>;

/// Settings that a person may not give, and what to do instead. One that ends with a dot stands for
/// all below it.
const OWN: [(&str, &str); 15] = [
    ("cluster.", "Drover writes it; set what can be changed live in the running cluster"),
    ("discovery.", "Drover writes it from the hosts of the Cluster"),
    ("path.", "Drover writes it; `dataPath` says where the data is"),
    ("node.name", "nodes are named as their Hosts are"),
    ("node.roles", "use `roles`"),
    ("node.master", "use `roles`"),
    ("node.data", "use `roles`"),
    ("node.ingest", "use `roles`"),
    ("node.voting_only", "use `roles`"),
    ("network.publish_host", "use `nodeAddress` of the Host"),
    ("http.publish_host", "use `nodeAddress` of the Host"),
    ("transport.publish_host", "use `nodeAddress` of the Host"),
    ("xpack.security.enabled", "Elasticsearch that Drover runs is always secured"),
    ("xpack.security.autoconfiguration.", "Drover makes the certificates"),
    ("index.", "Elasticsearch takes settings of indices in indices and templates alone"),
];

/// What is a person's all the same: it holds for every node, and no run and no drain touches it.
const DISKS: &str = "cluster.routing.allocation.disk.";

/// Drover makes the certificates; below these only [`TLS_CHOICES`] is a person's.
const TLS: [&str; 2] = ["xpack.security.http.ssl.", "xpack.security.transport.ssl."];
const TLS_CHOICES: [&str; 3] = ["supported_protocols", "cipher_suites", "client_authentication"];

/// Settings that a person gives, nested, dotted or mixed, in one spelling. `path` is where they are
/// in the spec.
///
/// # Errors
/// All that can't be, each with its path.
pub fn flatten(config: &Map<String, Value>, path: &str) -> Result<Settings, Vec<Problem>> {
    let mut flat = Settings::new();
    let mut problems = Vec::new();
    walk(config, "", &mut |key, value| {
        let found = own(key).map_or_else(|| taken(key, value), Err);
        match found {
            Ok(value) if flat.get(key).is_some_and(|it| *it != value) => {
                let message = "is said twice, with two values";
                problems.push(Problem::new(format!("{path}.{key}"), message));
            }
            Ok(value) => {
                flat.insert(key.to_owned(), value);
            }
            Err(message) => problems.push(Problem::new(format!("{path}.{key}"), message)),
        }
    });
    if problems.is_empty() { Ok(flat) } else { Err(problems) }
}

/// Tells of each value by its flat key. The API server takes nothing that is nested too deep for it.
fn walk(object: &Map<String, Value>, before: &str, tell: &mut impl FnMut(&str, &Value)) {
    for (key, value) in object {
        let key = if before.is_empty() { key.clone() } else { format!("{before}.{key}") };
        match value {
            Value::Object(inner) => walk(inner, &key, tell),
            value => tell(&key, value),
        }
    }
}

/// Why a person may not give this setting.
fn own(key: &str) -> Option<String> {
    let covers = |name: &str| match name.strip_suffix('.') {
        Some(stem) => key == stem || key.starts_with(name),
        None => key == name,
    };
    if key.starts_with(DISKS) {
        return None;
    }
    if let Some((_, instead)) = OWN.iter().find(|(name, _)| covers(name)) {
        return Some(format!("may not be specified: {instead}"));
    }
    let below = TLS.iter().find(|it| covers(it))?;
    let choice = key.strip_prefix(below).unwrap_or_default();
    let message = "may not be specified: Drover makes the certificates";
    (!TLS_CHOICES.contains(&choice)).then(|| message.to_owned())
}

/// A value as it will be written; texts, numbers and booleans alone, or lists of them.
fn taken(key: &str, value: &Value) -> Result<Value, String> {
    let plain = |it: u8| it.is_ascii_alphanumeric() || b"._-*@/".contains(&it);
    if key.is_empty() || key.split('.').any(str::is_empty) || !key.bytes().all(plain) {
        return Err("is not the name of a setting".into());
    }
    let unlike = || "must be a text, a number, a boolean, or a list of these".to_owned();
    match value {
        Value::Array(items) => {
            let texts: Option<Vec<_>> = items.iter().map(scalar_text).collect();
            Ok(texts.ok_or_else(unlike)?.into())
        }
        value => Ok(scalar_text(value).ok_or_else(unlike)?.into()),
    }
}

/// A port, as a person may set it.
///
/// # Errors
/// Why it is none.
pub(super) fn port(
    settings: &Settings,
    key: &str,
    default: u16,
    path: &str,
) -> Result<u16, Problem> {
    let Some(value) = settings.get(key) else { return Ok(default) };
    let number = value.as_str().and_then(|it| it.parse().ok()).filter(|it| *it != 0);
    let message = "must be one port from 1 to 65535: Drover has to know it";
    number.ok_or_else(|| Problem::new(format!("{path}.{key}"), message))
}

/// The file: a setting a line, in alphabetical order. What JSON has for a text is YAML too.
#[must_use]
pub fn render(settings: &Settings) -> String {
    let mut text = format!("{HEADER}\n");
    for (key, value) in settings {
        // Writing to a String can't fail.
        let _ = writeln!(text, "{key}: {value}");
    }
    text
}
