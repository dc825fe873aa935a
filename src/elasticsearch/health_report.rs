//! Elasticsearch's own report of what is wrong and what to do about it (8.7 and later).

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};

use super::{calls::Read, client::Client, cluster_reads::HealthStatus, error::Error};

/// One thing that is wrong, as Elasticsearch sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// Such as `shards_availability`.
    pub indicator: String,
    /// How bad it is.
    pub status: HealthStatus,
    /// What shows.
    pub symptom: String,
    /// Why; absent where Elasticsearch knows none.
    pub cause: Option<String>,
    /// What to do; absent where Elasticsearch knows nothing.
    pub action: Option<String>,
    /// Names of the indices, nodes and policies concerned, sorted; at most ten of each sort.
    pub affected: Vec<String>,
}

impl Client {
    /// Everything in the health report that is not green, by indicator.
    ///
    /// # Errors
    /// Why it can't be read; before 8.7 there is none.
    pub async fn health_report(&self, caller: &str) -> Result<Vec<Diagnosis>, Error> {
        let read = Read::new("health_report", "/_health_report?size=10", caller);
        let report: Report = self.read(&read).await?.json()?;
        Ok(report.diagnoses())
    }
}

#[derive(Deserialize)]
struct Report {
    #[serde(default)]
    indicators: BTreeMap<String, Indicator>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Indicator {
    status: HealthStatus,
    symptom: String,
    diagnosis: Vec<Reason>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reason {
    cause: Option<String>,
    action: Option<String>,
    affected_resources: BTreeMap<String, Vec<Resource>>,
}

/// Indices and policies are names; nodes are objects.
#[derive(Deserialize)]
#[serde(untagged)]
enum Resource {
    Name(String),
    Node { name: Option<String>, id: Option<String> },
    Other(IgnoredAny),
}

impl Report {
    fn diagnoses(self) -> Vec<Diagnosis> {
        let sick = self.indicators.into_iter();
        let sick = sick.filter(|(_, it)| it.status != HealthStatus::Green);
        sick.flat_map(|(name, indicator)| indicator.diagnoses(&name)).collect()
    }
}

impl Indicator {
    fn diagnoses(self, name: &str) -> Vec<Diagnosis> {
        let Self { status, symptom, mut diagnosis } = self;
        if diagnosis.is_empty() {
            diagnosis.push(Reason::default());
        }
        let diagnosis = diagnosis.into_iter().map(|reason| {
            let mut affected: Vec<_> = reason
                .affected_resources
                .into_values()
                .flatten()
                .filter_map(Resource::name)
                .collect();
            affected.sort_unstable();
            Diagnosis {
                indicator: name.to_owned(),
                status,
                symptom: symptom.clone(),
                cause: reason.cause,
                action: reason.action,
                affected,
            }
        });
        diagnosis.collect()
    }
}

impl Resource {
    fn name(self) -> Option<String> {
        match self {
            Self::Name(name) => Some(name),
            Self::Node { name, id } => name.or(id),
            Self::Other(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elasticsearch::scripted::{Server, client, connection, header, json};

    /// As 8.19 answers, without what Drover does not read.
    const REPORT: &str = r#"{"status":"red","cluster_name":"es","indicators":{
        "master_is_stable":{"status":"green","symptom":"The cluster has a stable master node"},
        "disk":{"status":"yellow","symptom":"1 node is running low.","diagnosis":[{
            "id":"elasticsearch:health:disk:diagnosis:add_disk_capacity_data_nodes",
            "cause":"2 indices reside on it.","action":"Add disk capacity.","help_url":"https://x",
            "affected_resources":{"nodes":[{"id":"BsidmKhc","name":"n1"}],"indices":["b","a"]}}]},
        "shards_capacity":{"status":"red","symptom":"Close to the maximum.","diagnosis":[]},
        "new":{"status":"purple","symptom":"?","diagnosis":[{"affected_resources":{"x":[1]}}]}}}"#;

    #[tokio::test]
    async fn what_is_not_green_is_told_with_cause_action_and_what_it_is_about() {
        let server = Server::http(|_| json(200, REPORT)).await;
        let diagnoses = client(connection(&[&server])).health_report("me").await.unwrap();
        assert_eq!(header(&server.requests()[0], "x-opaque-id"), Some("me"));
        let [disk, new, shards] = &diagnoses[..] else { panic!("{diagnoses:?}") };
        assert_eq!(
            *disk,
            Diagnosis {
                indicator: "disk".into(),
                status: HealthStatus::Yellow,
                symptom: "1 node is running low.".into(),
                cause: Some("2 indices reside on it.".into()),
                action: Some("Add disk capacity.".into()),
                affected: vec!["a".into(), "b".into(), "n1".into()],
            }
        );
        assert_eq!((new.status, &new.cause), (HealthStatus::Unknown, &None));
        assert_eq!((shards.status, &*shards.symptom), (HealthStatus::Red, "Close to the maximum."));
    }
}
