//! Settings of the whole cluster that can be changed while it runs.

use std::{
    collections::BTreeMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::Value;

use super::{answer::EndpointId, calls::Read, client::Client, error::Error, reason::Refusal};
use crate::lock::locked;

/// Only what somebody has set: neither defaults nor what elasticsearch.yml says.
const SET: &str = "/_cluster/settings?flat_settings=true&filter_path=persistent,transient";

const WHO: &str = "/_cluster/state/version?filter_path=cluster_uuid";

/// The most refusals that are remembered: more than one change of a spec can have.
const MOST_REFUSED: usize = 128;

/// How often a cluster may say that it has set a value that it does not show then.
const MOST_UNSEEN: u32 = 3;
const UNSEEN: &str =
    "Elasticsearch has taken the value and does not show it: whether it holds can't be known";

/// How long until it is asked once more for what it has refused: what somebody else has set may have been the
/// reason.
const AGAIN: Duration = Duration::from_mins(10);

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
    /// What that is about.
    pub cause: Cause,
    /// Elasticsearch's words.
    pub why: Box<str>,
}

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Nodes take the setting only when they start.
    Restart,
    /// This value of this setting.
    Value,
    /// No setting is named: what is set beside it may be the reason.
    Unnamed,
    /// None was refused: the value was taken, and never shown.
    Unseen,
}

/// What a cluster has refused, as far as this process remembers: one that is forgotten is asked for, and
/// refused, once more.
#[derive(Debug, Default)]
pub struct Refusals {
    refused: Mutex<Vec<Refused>>,
    /// Values that it has taken, by name, and how often nothing was to be seen of them before.
    taken: Mutex<BTreeMap<String, (String, u32)>>,
    /// When it was last asked once more for what is refused, or first seen that anything is.
    asked: Mutex<Option<Instant>>,
}

impl Refusals {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<Refused> {
        locked(&self.refused).clone()
    }

    /// Remembers one; the last word on a setting counts.
    pub fn note(&self, refused: Refused) {
        let mut known = locked(&self.refused);
        known.retain(|it| it.name != refused.name);
        if known.len() == MOST_REFUSED {
            known.remove(0);
        }
        known.push(refused);
    }

    /// It has said that it has set what was `asked`. What it has said so of often enough, without a sight of
    /// it ever, is not asked again.
    pub fn took(&self, asked: &BTreeMap<String, Value>) {
        let mut taken = locked(&self.taken);
        taken.retain(|name, _| asked.contains_key(name));
        for (name, value) in asked.iter().filter(|it| !it.1.is_null()).map(text) {
            let known = taken.get(&name).filter(|it| it.0 == value);
            let times = known.map_or(1, |it| it.1 + 1);
            if times == MOST_UNSEEN {
                taken.remove(&name);
                let (name, value) = (name.into(), value.into());
                self.note(Refused { name, value, cause: Cause::Unseen, why: UNSEEN.into() });
            } else {
                taken.insert(name, (value, times));
            }
        }
    }

    /// What was refused of these settings is asked once more.
    pub fn forget(&self, names: &[&str]) {
        locked(&self.refused).retain(|it| !names.contains(&&*it.name));
    }

    /// What is set is seen by now.
    pub fn saw(&self, set: &ClusterSettings) {
        locked(&self.taken).retain(|name, _| !set.persistent.contains_key(name));
    }

    /// Whether it is time to ask once more for what is refused, where `is_any`: seldom, whatever came of it the
    /// last time.
    pub fn is_time(&self, is_any: bool, now: Instant) -> bool {
        let mut asked = locked(&self.asked);
        if !is_any {
            *asked = None;
            return false;
        }
        let before = *asked.get_or_insert(now);
        let is_time = AGAIN <= now.saturating_duration_since(before);
        if is_time {
            *asked = Some(now);
        }
        is_time
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

/// Which of the settings in `asked` Elasticsearch has refused by `error`, and why: the one that it names, or
/// all where it names none, as where values do not go together. Nothing where it has refused nothing.
#[must_use]
pub fn refused(error: &Error, asked: &BTreeMap<String, Value>) -> Vec<Refused> {
    let Error::Rejected { status: 400, refusal, .. } = error else { return Vec::new() };
    let names = asked.iter().filter(|it| is_named(refusal, it.0));
    // One name may be the beginning of another.
    let culprit = names.max_by_key(|it| it.0.len());
    let cause = match culprit {
        Some(_) if takes_restart(refusal) => Cause::Restart,
        Some(_) => Cause::Value,
        None => Cause::Unnamed,
    };
    let why =
        if refusal.reason.is_empty() { refusal.to_string() } else { refusal.reason.to_string() };
    let meant = asked
        .iter()
        .filter(|it| !it.1.is_null() && culprit.is_none_or(|culprit| culprit.0 == it.0));
    let refused = meant.map(text).map(|(name, value)| Refused {
        name: name.into(),
        value: value.into(),
        cause,
        why: why.as_str().into(),
    });
    refused.collect()
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

    fn one(error: &Error, asked: &BTreeMap<String, Value>) -> Refused {
        let [one] = <[_; 1]>::try_from(refused(error, asked)).unwrap();
        one
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
            let refused = one(&error, &all);
            assert_eq!((&*refused.name, &*refused.value), ("http.port", "9201"));
            assert_eq!(refused.cause, Cause::Restart, "{words}");
        }
        let error = rejected("Failed to parse value [x] for setting [search.max_buckets]");
        let refused_value = one(&error, &all);
        assert_eq!(&*refused_value.name, "search.max_buckets");
        assert_eq!(refused_value.cause, Cause::Value);
        let error = rejected("unable to consistently parse [search.max_buckets=x]");
        assert_eq!(&*one(&error, &all).name, "search.max_buckets");
        assert_eq!(refused(&rejected("setting [gone], not recognized"), &all), []);
    }

    #[test]
    fn what_is_refused_without_a_name_is_all_that_was_asked() {
        let all = asked(&[("high", json!("1")), ("low", json!("2")), ("gone", Value::Null)]);
        for words in ["low is more than high", "setting [other], not recognized", ""] {
            let refused = refused(&rejected(words), &all);
            let names: Vec<&str> = refused.iter().map(|it| &*it.name).collect();
            assert_eq!(names, ["high", "low"], "{words}");
            assert!(refused.iter().all(|it| it.cause == Cause::Unnamed && !it.why.is_empty()));
        }
        let busy = Error::Timeout { endpoint: "e".into(), operation: "put_cluster_settings" };
        assert_eq!(refused(&busy, &all), []);
    }

    #[test]
    fn what_is_taken_and_never_seen_is_not_asked_for_ever() {
        let (refusals, all) =
            (Refusals::default(), asked(&[("a", json!("1")), ("b", Value::Null)]));
        let shown = ClusterSettings {
            persistent: [("a".into(), "1".into())].into(),
            ..ClusterSettings::default()
        };
        for _ in 0..MOST_UNSEEN {
            refusals.took(&all);
            refusals.saw(&shown);
        }
        assert_eq!(refusals.all(), []);
        for _ in 1..MOST_UNSEEN {
            refusals.took(&all);
            refusals.saw(&ClusterSettings::default());
        }
        refusals.took(&asked(&[("a", json!("2"))]));
        assert_eq!(refusals.all(), [], "another value");
        for _ in 1..MOST_UNSEEN {
            refusals.took(&asked(&[("a", json!("2"))]));
        }
        let refused = refusals.all();
        assert_eq!((refused.len(), &*refused[0].name, &*refused[0].value), (1, "a", "2"));
        assert_eq!(refused[0].cause, Cause::Unseen);
        refusals.forget(&["b"]);
        assert_eq!(refusals.all(), refused);
        refusals.forget(&["a"]);
        assert_eq!(refusals.all(), []);
    }

    #[test]
    fn what_is_refused_is_asked_once_more_seldom() {
        let (refusals, begin) = (Refusals::default(), Instant::now());
        let is_time = |is_any, after| refusals.is_time(is_any, begin + after);
        assert!(!is_time(true, Duration::ZERO), "it was refused just now");
        assert!(!is_time(true, AGAIN / 2) && is_time(true, AGAIN));
        assert!(!is_time(true, AGAIN + AGAIN / 2) && is_time(true, AGAIN * 2));
        assert!(!is_time(false, AGAIN * 9) && !is_time(true, AGAIN * 9), "another one");
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
