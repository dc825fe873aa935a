//! What Drover tells of a Cluster.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    condition::Condition,
    drain::DrainStatus,
    index::PlannedCall,
    live::LiveSettings,
    rollout_status::{
        DeployStatus, ElasticsearchDeployStatus, Formation, PastRun, Removal, Requests,
        RestartStatus, RolloutStatus, UpgradeStatus,
    },
};

/// What Drover last saw of the Cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready sums up the others; each other type tells one thing, with a reason and a way out.
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The cluster as it was when Elasticsearch last answered; `health` is `unknown` while it does
    /// not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elasticsearch: Option<ElasticsearchStatus>,
    /// The nodes of the cluster by name; at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub nodes: Vec<NodeStatus>,
    /// How many nodes more there are than `nodes` lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes_omitted: Option<u32>,
    /// What Elasticsearch's own health report, and Drover, advise to do; at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub diagnostics: Vec<Diagnostic>,
    /// How many diagnostics more there are than `diagnostics` lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnostics_omitted: Option<u32>,
    /// How many hosts are members, and how many of them are in service; absent where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosts: Option<HostCounts>,
    /// How the hosts stand, in one word for people; absent where the Cluster has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ClusterState>,
    /// Which host forms the cluster; absent where one is formed already, and where Drover forms
    /// none. Written before anything is installed, and kept until the cluster answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formation: Option<Formation>,
    /// The object is being deleted under `deletionPolicy` Delete, and nothing needs its
    /// Elasticsearch any more: hosts remove it. Absent before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removal: Option<Removal>,
    /// The host that leaves the Cluster, or whose node is to lose roles; absent while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<DrainStatus>,
    /// The settings of Elasticsearch that are changed in the running cluster; absent before all hosts run
    /// what they shall.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live_settings: Option<LiveSettings>,
    /// The run over the hosts that is under way; absent while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutStatus>,
    /// The last restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartStatus>,
    /// The last upgrade of the packages of the hosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<UpgradeStatus>,
    /// The last deploy of an image to the machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploy: Option<DeployStatus>,
    /// The last change of the version or the settings of Elasticsearch on the hosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elasticsearch_deploy: Option<ElasticsearchDeployStatus>,
    /// The requests of `spec.operations` that have been dealt with, or are under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Requests>,
    /// The last runs that are over, the newest first; at most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub history: Vec<PastRun>,
    /// What mode Plan holds back, in its order; at most 50. A call to Elasticsearch has its HTTP
    /// method and path. Work on a host has the word of the Host's `status.operation.kind`, such as
    /// `RestartHost`, or `FormCluster`, `Prepare` or `Drain`, and the path `hosts/<name>`; a Secret
    /// that is to be made has `CreateSecret` and `secrets/<name>`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub plan: Vec<PlannedCall>,
    /// How many entries more there are than `plan` lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_omitted: Option<u32>,
}

/// The members of a Cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostCounts {
    /// Hosts that name the Cluster, without those that wait for approval.
    pub total: u32,
    /// Those whose state is active.
    pub available: u32,
    /// All others.
    pub unavailable: u32,
}

impl HostCounts {
    /// The word for these counts.
    #[must_use]
    pub fn state(self) -> ClusterState {
        match (self.available, self.unavailable) {
            (_, 0) => ClusterState::Ok,
            (0, _) => ClusterState::Failed,
            _ => ClusterState::Degraded,
        }
    }
}

/// How the hosts of a Cluster stand, in one word for people; absent where it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ClusterState {
    /// Every host is active.
    Ok,
    /// Some hosts are active.
    Degraded,
    /// No host is active.
    Failed,
}

/// Elasticsearch's word for how well its shards are placed.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Health {
    /// Every copy of every shard is placed.
    Green,
    /// Every primary is placed, not every replica.
    Yellow,
    /// A primary is not placed: some data can't be read.
    Red,
    /// Elasticsearch could not be asked.
    #[default]
    Unknown,
}

impl Health {
    /// Elasticsearch's spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Yellow => "yellow",
            Self::Red => "red",
            Self::Unknown => "unknown",
        }
    }
}

/// Figures of the whole cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ElasticsearchStatus {
    /// `cluster.name`.
    pub name: String,
    /// `cluster_uuid`: pinned at first contact; nothing is written to a cluster with another one.
    pub uuid: String,
    /// The lowest version that a node runs.
    pub version: String,
    /// green, yellow, red, or unknown while Elasticsearch can't be asked.
    pub health: Health,
    /// The health when Elasticsearch last told one; only while `health` is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_health: Option<Health>,
    /// How many nodes are in the cluster.
    pub nodes: u32,
    /// How many of them hold data.
    pub data_nodes: u32,
    /// Name of the elected master.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<String>,
    /// Shard copies by state.
    pub shards: Shards,
    /// Share of the shard copies that are active, in whole percent, rounded down.
    pub active_shards_percent: u32,
    /// Cluster-level changes that wait for the master. Rounded; written at most once per stats
    /// interval.
    pub pending_tasks: u32,
    /// How many indices there are, hidden ones too.
    pub indices: u64,
    /// Documents in primary shards. Written when they moved by more than 5 %.
    pub documents: u64,
    /// Bytes of all shard copies. Written when they moved by more than 5 %.
    pub store_bytes: u64,
}

impl ElasticsearchStatus {
    /// The health that Elasticsearch told last.
    #[must_use]
    pub fn known_health(&self) -> Option<Health> {
        if self.health == Health::Unknown { self.last_health } else { Some(self.health) }
    }
}

/// Shard copies by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Shards {
    /// Copies in use, primaries among them.
    pub active: u32,
    /// Primaries in use.
    pub primaries: u32,
    /// Copies that move to another node.
    pub relocating: u32,
    /// Copies that are being built.
    pub initializing: u32,
    /// Copies that no node holds.
    pub unassigned: u32,
}

/// One node of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// `node.name`.
    pub name: String,
    /// Elasticsearch's own id of the node.
    pub id: String,
    /// Address that the node publishes.
    pub host: String,
    /// Roles, sorted.
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub roles: Vec<String>,
    /// Version that the node runs.
    pub version: String,
    /// Heap in use, percent. Written when it moved by more than 5 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heap_percent: Option<u32>,
    /// Data disk in use, percent. Written when it moved by more than 5 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_used_percent: Option<u32>,
}

/// One thing that a person should know or do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Diagnostic {
    /// What was judged, such as `shards_availability`.
    pub rule: String,
    /// How bad it is.
    pub level: DiagnosticLevel,
    /// What it concerns, with the cause where it is known.
    pub subject: String,
    /// What to do.
    pub advice: String,
}

/// How bad a diagnostic is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum DiagnosticLevel {
    /// Data or service is in danger now.
    Danger,
    /// Will hurt when left alone.
    Warning,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_failed_only_when_it_has_hosts_and_none_is_active() {
        let state = |available, unavailable| {
            HostCounts { total: available + unavailable, available, unavailable }.state()
        };
        assert_eq!(state(0, 0), ClusterState::Ok);
        assert_eq!(state(3, 0), ClusterState::Ok);
        assert_eq!(state(2, 1), ClusterState::Degraded);
        assert_eq!(state(0, 3), ClusterState::Failed);
    }
}
