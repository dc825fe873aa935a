//! Elasticsearch's own report of what is wrong and what to do about it (8.7 and later).

use std::collections::BTreeMap;

use serde::Deserialize;

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

/// Indices are names; nodes are objects.
#[derive(Deserialize)]
#[serde(untagged)]
enum Resource {
    Name(String),
    Node { name: Option<String>, node_id: Option<String> },
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
            Self::Node { name, node_id } => name.or(node_id),
        }
    }
}
