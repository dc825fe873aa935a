//! Index objects and indices to try the decisions on.
#![allow(clippy::needless_pass_by_value)] // A test says `json!(...)`.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Map, Value, json, value::RawValue};

use super::super::{changes::mark_of, cluster_gate::ClusterGate, observe::Observed};
use crate::{
    api::{
        fields::JsonObject,
        index::{AdoptionPolicy, DeletionPolicy, DriftPolicy, Index, IndexState, Mode},
    },
    elasticsearch::{
        cluster_reads::{HealthStatus, IndexHealth},
        index_reads::{IndexBody, IndexMarks, IndexState as LiveState, IndexStats},
        snapshot::{Content, IndexView, LiveIndex},
    },
};

/// The uuid of the cluster in which all this happens.
pub const CLUSTER: &str = "cluster-1";

/// An Index object as a person would first apply it.
pub fn index(name: &str) -> Index {
    let index = json!({
        "metadata": {
            "name": name, "namespace": "shop", "uid": format!("uid-{name}"), "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": { "clusterRef": { "name": "es" } },
    });
    serde_json::from_value(index).unwrap()
}

fn free_form(value: &Value) -> JsonObject {
    JsonObject::new(value.as_object().expect("an object"))
}

impl Index {
    pub(super) fn settings(mut self, settings: Value) -> Self {
        self.spec.settings = Some(free_form(&settings));
        self
    }

    pub(super) fn mappings(mut self, mappings: Value) -> Self {
        self.spec.mappings = Some(free_form(&mappings));
        self
    }

    pub(super) fn aliases(mut self, aliases: Value) -> Self {
        self.spec.aliases = Some(free_form(&aliases));
        self
    }

    pub(super) fn state(mut self, state: IndexState) -> Self {
        self.spec.state = state;
        self
    }

    pub(super) fn adoption(mut self, policy: AdoptionPolicy) -> Self {
        self.spec.adoption_policy = policy;
        self
    }

    pub(super) fn deletion(mut self, policy: DeletionPolicy) -> Self {
        self.spec.deletion_policy = policy;
        self
    }

    pub(super) fn mode(mut self, mode: Mode) -> Self {
        self.spec.mode = mode;
        self
    }

    pub(super) fn on_drift(mut self, policy: DriftPolicy) -> Self {
        self.spec.drift_policy = policy;
        self
    }

    pub(super) fn annotation(mut self, key: &str, value: &str) -> Self {
        let annotations = self.metadata.annotations.get_or_insert_default();
        annotations.insert(key.into(), value.into());
        self
    }

    pub(super) fn with_uid(mut self, uid: &str) -> Self {
        self.metadata.uid = Some(uid.into());
        self
    }

    pub(super) fn deleted(mut self) -> Self {
        self.metadata.deletion_timestamp = Some(Time(jiff::Timestamp::UNIX_EPOCH));
        self
    }

    /// Remembers the index with this uuid as its own.
    pub(super) fn remembers(mut self, uuid: &str) -> Self {
        self.status.get_or_insert_default().uuid = Some(uuid.into());
        self
    }
}

/// An index in Elasticsearch.
#[derive(Clone, Debug, PartialEq)]
pub struct Physical {
    pub name: String,
    pub uuid: String,
    /// Flat, as Elasticsearch answers.
    pub settings: Map<String, Value>,
    pub mappings: Map<String, Value>,
    pub aliases: Map<String, Value>,
    pub open: bool,
    pub health: Option<HealthStatus>,
    pub documents: u64,
}

/// An open, green and empty index that nobody has marked.
pub fn live(name: &str, uuid: &str) -> Physical {
    let settings = json!({
        "index.creation_date": "1767225600000",
        "index.number_of_replicas": "1",
        "index.number_of_shards": "1",
        "index.provided_name": name,
        "index.routing.allocation.include._tier_preference": "data_content",
        "index.uuid": uuid,
        "index.version.created": "8536000",
    });
    Physical {
        name: name.into(),
        uuid: uuid.into(),
        settings: settings.as_object().cloned().unwrap(),
        mappings: Map::new(),
        aliases: Map::new(),
        open: true,
        health: Some(HealthStatus::Green),
        documents: 0,
    }
}

impl Physical {
    pub fn setting(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.settings.insert(key.into(), value.into());
        self
    }

    pub fn alias(mut self, name: &str, alias: Value) -> Self {
        self.aliases.insert(name.into(), alias);
        self
    }

    /// Bears the mark of `index`.
    pub fn marked_for(mut self, index: &Index) -> Self {
        let meta = mark_of(index).merged_into(&Map::new(), &self.mappings);
        self.mappings.insert("_meta".into(), meta.into());
        self
    }

    pub fn closed(mut self) -> Self {
        self.open = false;
        self
    }

    /// What a poll makes of it.
    pub fn view(&self) -> IndexView {
        let raw = |it: &Map<String, Value>| {
            RawValue::from_string(Value::Object(it.clone()).to_string()).unwrap()
        };
        let number = |key: &str| {
            let text = self.settings.get(key).and_then(Value::as_str);
            text.and_then(|it| it.parse().ok()).unwrap_or_default()
        };
        let health = self.health.map(|status| IndexHealth {
            status,
            primaries: number("index.number_of_shards"),
            replicas: number("index.number_of_replicas"),
        });
        IndexView::Present(Arc::new(LiveIndex {
            physical_name: self.name.clone(),
            marks: IndexMarks {
                uuid: self.uuid.clone(),
                state: if self.open { LiveState::Open } else { LiveState::Closed },
                settings_version: 1,
                mapping_version: 1,
                aliases_version: 1,
                aliases: self.aliases.keys().cloned().collect(),
            },
            content: Content::new(IndexBody {
                settings: raw(&self.settings),
                mappings: raw(&self.mappings),
                aliases: raw(&self.aliases),
            }),
            health,
            figures: Some(IndexStats { documents: self.documents, store_bytes: 250 }),
        }))
    }
}

/// The Cluster can be worked in, nobody else claims the index, and this is what is there.
pub fn observed(live: IndexView) -> Observed {
    Observed {
        gate: ClusterGate::Open { uuid: CLUSTER.into() },
        rival: None,
        live,
        marked_for: None,
        rechecked: true,
    }
}
