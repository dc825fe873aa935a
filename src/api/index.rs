//! The Index kind: one Elasticsearch index, by its public name.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    cluster::Health,
    condition::Condition,
    fields::{IndexName, JsonObject},
    reference::ObjectReference,
};

/// Condition types of an Index.
pub mod conditions {
    /// The index is as declared and serves.
    pub const READY: &str = "Ready";
    /// The spec can be worked with, and no older object claims the same index.
    pub const ACCEPTED: &str = "Accepted";
    /// The Cluster is there and can be worked in.
    pub const RESOLVED_REFS: &str = "ResolvedRefs";
    /// All of the spec that can be applied in place is applied.
    pub const SYNCED: &str = "Synced";
    /// The index serves: its health is not red.
    pub const AVAILABLE: &str = "Available";
    /// The live index differs from the spec, by a change that Drover did not make.
    pub const DRIFTED: &str = "Drifted";
    /// A part of the spec can't be applied in place; the message lists the paths.
    pub const REINDEX_REQUIRED: &str = "ReindexRequired";
    /// Work is under way; present only while True.
    pub const RECONCILING: &str = "Reconciling";
    /// A person must act; present only while True.
    pub const STALLED: &str = "Stalled";
}

/// What the index shall be.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "drover.dev",
    version = "v1alpha1",
    kind = "Index",
    plural = "indices",
    shortname = "dix",
    category = "drover",
    namespaced,
    status = "IndexStatus",
    derive = "PartialEq",
    doc = "One Elasticsearch index, by its public name. Deleting this object keeps the index unless `deletionPolicy` says otherwise.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(name = "Health", type_ = "string", json_path = ".status.health"),
    printcolumn(name = "Cluster", type_ = "string", json_path = ".spec.clusterRef.name"),
    printcolumn(name = "Docs", type_ = "integer", json_path = ".status.documents"),
    printcolumn(name = "Size", type_ = "integer", format = "int64", json_path = ".status.storeBytes"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("(has(self.spec.name) ? self.spec.name : self.metadata.name) == (has(oldSelf.spec.name) ? oldSelf.spec.name : self.metadata.name)")
        .message("the name of an index can't be changed: make another Index object")
        .field_path(".spec.name")
)]
#[serde(rename_all = "camelCase")]
pub struct IndexSpec {
    /// The Cluster that holds the index. Can't be changed.
    #[x_kube(
        validation = Rule::new("self == oldSelf")
            .message("the Cluster of an index can't be changed: make another Index object")
    )]
    pub cluster_ref: ObjectReference,
    /// The public name of the index in Elasticsearch. Can't be changed. Default: the name of this
    /// object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<IndexName>,
    /// Index settings as the create-index API takes them, nested or dotted, with or without
    /// `index.` before. A key that is taken away again goes back to Elasticsearch's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<JsonObject>,
    /// Mappings as the create-index API takes them. Fields are added; Elasticsearch can't take one
    /// away or change its type in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mappings: Option<JsonObject>,
    /// Aliases by name, as the create-index API takes them. Aliases that others made stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aliases: Option<JsonObject>,
    /// Whether the index is open for reads and writes, or closed. Default: Open.
    #[serde(default)]
    pub state: IndexState,
    /// What to do when the index is already there and is not Drover's. Default: IfMatching.
    #[serde(default)]
    pub adoption_policy: AdoptionPolicy,
    /// What deleting this object does to the index. Default: Retain.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// Whether Drover makes the calls, or only publishes them in `status.plan`. Default: Apply.
    #[serde(default)]
    pub mode: Mode,
    /// Whether a change that somebody else made is put back, or only reported in `status.drift`.
    /// Default: Enforce.
    #[serde(default)]
    pub drift_policy: DriftPolicy,
}

impl Index {
    /// The public name of the index in Elasticsearch.
    #[must_use]
    pub fn public_name(&self) -> &str {
        let own = || self.metadata.name.as_deref().unwrap_or_default();
        self.spec.name.as_ref().map_or_else(own, |it| &it.0)
    }
}

/// Whether an index is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum IndexState {
    /// Reads and writes are served.
    #[default]
    Open,
    /// The index is kept and serves nothing.
    Closed,
}

/// What to do with an index that is already there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AdoptionPolicy {
    /// Take it over when it matches the spec in all that the spec declares; else leave it alone and
    /// show the differences in `status.drift`.
    #[default]
    IfMatching,
    /// Take it over as it is and change what can be changed.
    Always,
    /// Leave it alone and say so.
    Never,
}

/// What deleting the object does to the index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// The index stays, as it is.
    #[default]
    Retain,
    /// The index is deleted with its data, after its uuid was compared.
    Delete,
    /// The index is deleted if it holds no document, else it stays.
    DeleteIfEmpty,
}

/// Whether what the spec asks for is done or published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// Do it.
    #[default]
    Apply,
    /// Publish it in `status.plan` and do nothing.
    Plan,
}

/// What to do about a change that somebody else made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DriftPolicy {
    /// Put the declared value back.
    #[default]
    Enforce,
    /// Report it and leave it.
    Report,
}

/// What Drover last saw of the index.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct IndexStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready sums up the others; each other type tells one thing, with a reason and a way out.
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Elasticsearch's uuid of the index that Drover made or adopted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// The physical index that bears the public name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub physical_name: Option<String>,
    /// Whether somebody else made the index and Drover took it over: then what was in it before is
    /// never taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted: Option<bool>,
    /// green, yellow, red, or unknown while Elasticsearch can't be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Number of primary shards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primaries: Option<u32>,
    /// Number of replicas of each primary shard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    /// Documents in primary shards. Written when they moved by more than 5 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub documents: Option<u64>,
    /// Bytes of all shard copies. Written when they moved by more than 5 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_bytes: Option<u64>,
    /// The last generation of the spec that was applied in full: what differs from it since then
    /// was changed by somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synced_generation: Option<i64>,
    /// What Drover set, so that what leaves the spec can be taken back, and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<AppliedStatus>,
    /// Set while the object is deleted under `DeleteIfEmpty`: whether Drover itself blocks writes to
    /// the index while it counts, and so has to unblock them if the index stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_block: Option<bool>,
    /// Where the live index differs from the spec; at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub drift: Vec<DriftEntry>,
    /// How many differences more there are than `drift` lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift_omitted: Option<u32>,
    /// Digests of the differences that `drift` leaves out or cuts short, so that a change of the
    /// spec does not put them back under `driftPolicy: Report`; at most 4096.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4096))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub drift_digests: Vec<String>,
    /// The calls that mode Plan holds back, in their order; at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub plan: Vec<PlannedCall>,
    /// How many calls more there are than `plan` lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_omitted: Option<u32>,
}

/// What Drover set in the index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppliedStatus {
    /// Setting keys, flat, with `index.` before; sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub settings: Vec<String>,
    /// Alias names; sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub aliases: Vec<String>,
}

/// One place where the live index differs from the spec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DriftEntry {
    /// Where, such as `settings.index.refresh_interval`.
    pub path: String,
    /// The declared value as JSON; absent where the spec declares none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<String>,
    /// The live value as JSON; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<String>,
    /// When Drover first saw it.
    pub since: Time,
}

/// One thing that would be done: a call to Elasticsearch, or work on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedCall {
    /// HTTP method; or a word for work on a host.
    pub method: String,
    /// Path, with its query; or whom the work is on.
    pub path: String,
    /// Body as JSON; absent where there is none. At most 32 KiB of one and 128 KiB of all together,
    /// in their order: see `bodyOmitted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// How many bytes of the body are left out at its end, so that what is shown is no JSON;
    /// absent where it is whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_omitted: Option<u32>,
    /// Why.
    pub reason: String,
}
