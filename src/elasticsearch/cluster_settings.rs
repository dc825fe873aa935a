//! Settings of the whole cluster that can be changed while it runs.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use serde::Deserialize;
use serde_json::Value;

use super::{answer::EndpointId, calls::Read, client::Client, error::Error, reason::Refusal};

/// Only what somebody has set: neither defaults nor what elasticsearch.yml says.
const SET: &str = "/_cluster/settings?flat_settings=true&filter_path=persistent,transient";

const WHO: &str = "/_cluster/state/version?filter_path=cluster_uuid";

/// The most refusals that are remembered: more than one change of a spec can have.
const MOST_REFUSED: usize = 128;

/// The most that is read of what is set, in bytes.
const LIMIT: usize = 1024 * 1024;

/// What somebody has set in the cluster, as texts by flat key; lists as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterSettings {
    /// Those that outlive a restart of the whole cluster.
    pub persistent: BTreeMap<String, String>,
    /// Those that do not, and win.
    pub transient: BTreeMap<String, String>,
}

/// A value that Elasticsearch has refused to take while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The flat key.
    pub name: Box<str>,
    /// The value, a list as JSON.
    pub value: Box<str>,
    /// Whether nodes take the setting only when they start; else it is the value that is refused.
    pub takes_restart: bool,
    /// Elasticsearch's words.
    pub why: Box<str>,
}

/// What a cluster has refused, as far as this process remembers: one that is forgotten is asked for, and
/// refused, once more.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<Vec<Refused>>);

impl Refusals {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<Refused> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers one; the last word on a setting counts.
    pub fn note(&self, refused: Refused) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|it| it.name != refused.name);
        if known.len() == MOST_REFUSED {
            known.remove(0);
        }
        known.push(refused);
    }
}

impl Client {
    /// What is set in the cluster, in which one, and the endpoint that told it.
    ///
    /// # Errors
    /// Why it can't be read.
    pub async fn cluster_settings(
        &self,
        caller: &str,
    ) -> Result<(ClusterSettings, String, EndpointId), Error> {
        let who = self.read(&Read::from_master("cluster_uuid", WHO, caller)).await?;
        let read = Read::from_master("cluster_settings", SET, caller);
        let read = Read { limit: LIMIT, ..read };
        let answer = self.read_at(who.endpoint, &read).await?;
        let told: Told = answer.json()?;
        let uuid = self.identity(&who, who.json::<Who>()?.cluster_uuid)?;
        let settings = ClusterSettings {
            persistent: told.persistent.iter().map(text).collect(),
            transient: told.transient.iter().map(text).collect(),
        };
        Ok((settings, uuid, who.endpoint))
    }
}

/// Which of the settings in `asked` Elasticsearch has refused by `error`, and why; nothing where it says so
/// of none.
#[must_use]
pub fn refused(error: &Error, asked: &BTreeMap<String, Value>) -> Option<Refused> {
    let Error::Rejected { status: 400, refusal, .. } = error else { return None };
    let names = asked.iter().filter(|(name, value)| !value.is_null() && is_named(refusal, name));
    // One name may be the beginning of another.
    let (name, value) = names.max_by_key(|it| it.0.len())?;
    let (_, value) = text((name, value));
    Some(Refused {
        name: name.as_str().into(),
        value: value.into(),
        takes_restart: takes_restart(refusal),
        why: refusal.reason.clone(),
    })
}

/// Elasticsearch puts names between brackets, alone or with the value.
fn is_named(refusal: &Refusal, name: &str) -> bool {
    let reason = &*refusal.reason;
    reason.contains(&format!("[{name}]")) || reason.contains(&format!("[{name}="))
}

/// Such as `persistent setting [path.repo], not dynamically updateable`.
fn takes_restart(refusal: &Refusal) -> bool {
    ["], not dynamically updateable", "], not updateable", "], not recognized"]
        .iter()
        .any(|it| refusal.reason.contains(it))
}

#[derive(Deserialize)]
struct Who {
    cluster_uuid: String,
}

#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    persistent: BTreeMap<String, Value>,
    #[serde(default)]
    transient: BTreeMap<String, Value>,
}

fn text((name, value): (&String, &Value)) -> (String, String) {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    (name.clone(), text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::scripted::{Server, client, connection, json as answer},
        *,
    };

    fn rejected(reason: &str) -> Error {
        Error::Rejected {
            endpoint: "https://es.example:9200".into(),
            operation: "put_cluster_settings",
            status: 400,
            refusal: Box::new(Refusal {
                kind: "illegal_argument_exception".into(),
                reason: reason.into(),
            }),
        }
    }

    fn asked(pairs: &[(&str, Value)]) -> BTreeMap<String, Value> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn elasticsearch_itself_says_which_setting_takes_a_restart() {
        let all = asked(&[
            ("http.port", json!("9201")),
            ("search.max_buckets", json!("x")),
            ("gone", Value::Null),
        ]);
        for words in ["not dynamically updateable", "not updateable", "not recognized"] {
            let error = rejected(&format!("persistent setting [http.port], {words}"));
            let refused = refused(&error, &all).unwrap();
            assert_eq!((&*refused.name, &*refused.value), ("http.port", "9201"));
            assert!(refused.takes_restart, "{words}");
        }
        let error = rejected("Failed to parse value [x] for setting [search.max_buckets]");
        let refused_value = refused(&error, &all).unwrap();
        assert_eq!(&*refused_value.name, "search.max_buckets");
        assert!(!refused_value.takes_restart);
        let error = rejected("unable to consistently parse [search.max_buckets=x]");
        assert_eq!(&*refused(&error, &all).unwrap().name, "search.max_buckets");
        assert_eq!(refused(&rejected("setting [other], not recognized"), &all), None);
        assert_eq!(refused(&rejected("setting [gone], not recognized"), &all), None);
    }

    #[tokio::test]
    async fn what_is_set_is_told_with_the_cluster_that_it_is_set_in() {
        let server = Server::http(|request| {
            let is_settings = request.contains("/_cluster/settings");
            let body = if is_settings {
                r#"{"persistent":{"a":"1","b":["x"]},"transient":{"c":true}}"#
            } else {
                r#"{"cluster_uuid":"first"}"#
            };
            answer(200, body)
        })
        .await;
        let client = client(connection(&[&server]));
        let (settings, uuid, _) = client.cluster_settings("me").await.unwrap();
        assert_eq!(uuid, "first");
        assert_eq!(settings.persistent["a"], "1");
        assert_eq!(settings.persistent["b"], r#"["x"]"#);
        assert_eq!(settings.transient["c"], "true");
    }
}
