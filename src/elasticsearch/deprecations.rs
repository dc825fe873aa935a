//! What Elasticsearch says has to be changed before another major version.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

use super::{
    answer::EndpointId,
    calls::Read,
    client::Client,
    error::{Category, Error},
};
use crate::foreign::capped;

/// Of lists that belong to the cluster, and of lists by the name of an index, template or policy.
const PATH: &str = "/_migration/deprecations?filter_path=*.level,*.message,\
    *.resolve_during_rolling_upgrade,*.*.level,*.*.message,*.*.resolve_during_rolling_upgrade";

/// How long it is waited for: it looks into every index, and nothing but another major version depends
/// on it.
pub const LIMIT: Duration = Duration::from_secs(3);

impl Client {
    /// What is critical before another major version, each in a few words; or why that can't be told, in
    /// words that stay the same as long as it can't.
    pub(super) async fn what_is_critical(
        &self,
        caller: &str,
        endpoint: EndpointId,
    ) -> Result<Vec<Box<str>>, Box<str>> {
        let asked = tokio::time::timeout(LIMIT, self.deprecations(caller, endpoint)).await;
        let error = match asked {
            Ok(Ok(critical)) => return Ok(critical),
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        let forbidden = error.filter(|it| it.category() == Category::Forbidden);
        let Some(error) = forbidden else {
            return Err(format!("it fails, or takes longer than {LIMIT:?}").into());
        };
        let mut why = error.told();
        self.blot(&mut why);
        Err(why.into())
    }

    /// What is critical before another major version, each in a few words. It takes the privilege
    /// `manage`. Of a cluster that has no such API, nothing is. Nothing but that `endpoint` may tell it.
    ///
    /// # Errors
    /// Why it can't be read.
    async fn deprecations(
        &self,
        caller: &str,
        endpoint: EndpointId,
    ) -> Result<Vec<Box<str>>, Error> {
        let read = Read::new("deprecations", PATH, caller);
        let answer = match self.read(&read).await {
            Err(Error::Rejected { status: 400 | 404 | 405, .. }) => return Ok(Vec::new()),
            answer => answer?,
        };
        if answer.endpoint != endpoint {
            return Err(answer.unexpected("another endpoint answered what was asked beside it"));
        }
        Ok(critical(&answer.json()?))
    }
}

/// The parts of the answer by name.
type Parts = BTreeMap<String, Part>;

#[derive(Deserialize)]
#[serde(untagged)]
enum Part {
    OfCluster(Vec<Warning>),
    ByName(BTreeMap<String, Vec<Warning>>),
}

/// Anything but a known lesser level is critical.
#[derive(Deserialize)]
struct Warning {
    level: String,
    message: String,
    #[serde(default)]
    resolve_during_rolling_upgrade: bool,
}

impl Warning {
    /// Whether it stands in the way: some are settled by the upgrade itself.
    fn is_critical(&self) -> bool {
        let is_less = matches!(self.level.as_str(), "none" | "info" | "warning");
        !is_less && !self.resolve_during_rolling_upgrade
    }
}

fn critical(parts: &Parts) -> Vec<Box<str>> {
    let mut found = Vec::new();
    for part in parts.values() {
        match part {
            Part::OfCluster(all) => {
                let all = all.iter().filter(|it| it.is_critical());
                found.extend(all.map(|it| capped(&it.message)));
            }
            Part::ByName(all) => {
                let all = all.iter().flat_map(|(name, all)| all.iter().map(move |it| (name, it)));
                let all = all.filter(|it| it.1.is_critical());
                found.extend(all.map(|(name, it)| capped(&format!("{name}: {}", it.message))));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::elasticsearch::{
        error::Category,
        scripted::{Server, client, connection, json as answer},
    };

    #[tokio::test]
    async fn where_there_is_no_such_api_nothing_is_critical_and_any_other_failure_is_one() {
        for (status, is_known) in [(404, true), (405, true), (403, false), (500, false)] {
            let server = Server::http(move |_| answer(status, "{}")).await;
            let told = client(connection(&[&server])).deprecations("me", EndpointId(0)).await;
            assert_eq!(told.is_ok(), is_known, "{status}: {told:?}");
            let is_forbidden = told.is_err_and(|it| it.category() == Category::Forbidden);
            assert_eq!(is_forbidden, status == 403);
        }
        let server = Server::http(move |_| answer(200, "{}")).await;
        let client = client(connection(&[&server]));
        assert_eq!(client.deprecations("me", EndpointId(0)).await, Ok(Vec::new()));
        assert!(client.deprecations("me", EndpointId(1)).await.is_err(), "of another endpoint");
    }

    #[tokio::test]
    async fn why_it_is_not_told_is_said_in_words_that_stay() {
        let told = async |status: u16| {
            let server = Server::http(move |_| answer(status, "{}")).await;
            client(connection(&[&server])).what_is_critical("me", EndpointId(0)).await
        };
        assert_eq!(told(200).await, Ok(Vec::new()));
        let (failed, other) = (told(500).await.unwrap_err(), told(503).await.unwrap_err());
        assert!(failed.contains("it fails") && failed == other, "{failed} {other}");
        assert!(told(403).await.unwrap_err().contains("does not allow deprecations"));
    }

    fn found(answer: Value) -> Vec<Box<str>> {
        critical(&serde_json::from_value(answer).unwrap())
    }

    #[test]
    fn what_is_critical_is_found_wherever_it_stands_and_nothing_less() {
        let warning = |level: &str, message: &str| json!({ "level": level, "message": message });
        let answer = json!({
            "cluster_settings": [warning("critical", "a setting"), warning("warning", "later")],
            "node_settings": [{
                "level": "critical", "message": "goes by itself",
                "resolve_during_rolling_upgrade": true,
            }],
            "index_settings": { "old.index": [warning("critical", "an old index")] },
            "ml_settings": [warning("unheard of", "a word of tomorrow")],
        });
        let expected = ["a setting", "old.index: an old index", "a word of tomorrow"];
        assert_eq!(found(answer).iter().map(|it| &**it).collect::<Vec<_>>(), expected);
        assert!(found(json!({})).is_empty());
    }
}
