//! The Cluster kind: one live Elasticsearch cluster.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    condition::Condition,
    drain::DrainStatus,
    elasticsearch::ElasticsearchSpec,
    fields::{DurationText, Endpoint, Fingerprint},
    index::{DriftPolicy, Mode, PlannedCall},
    live::LiveSettings,
    reference::{
        ApiKeyReference, CertificatesReference, ObjectReference, SecretReference, TokenReference,
    },
    rollout::{Operations, RolloutSpec},
    rollout_status::{
        DeployStatus, ElasticsearchDeployStatus, Formation, PastRun, Removal, Requests,
        RestartStatus, RolloutStatus, UpgradeStatus,
    },
};

/// Condition types of a Cluster.
pub mod conditions {
    /// Everything that the spec asks for is so, and Elasticsearch serves.
    pub const READY: &str = "Ready";
    /// The spec can be worked with.
    pub const ACCEPTED: &str = "Accepted";
    /// Every Secret and ConfigMap that the spec names was found and can be used.
    pub const RESOLVED_REFS: &str = "ResolvedRefs";
    /// Elasticsearch answers over a verified connection.
    pub const REACHABLE: &str = "Reachable";
    /// Elasticsearch takes the credentials, and they carry the privileges to observe.
    pub const AUTHENTICATED: &str = "Authenticated";
    /// The cluster behind the endpoints is the pinned one.
    pub const IDENTITY_MATCHES: &str = "IdentityMatches";
    /// Elasticsearch serves: its health is not red.
    pub const AVAILABLE: &str = "Available";
    /// Elasticsearch's health is green.
    pub const HEALTHY: &str = "Healthy";
    /// `spec.paused` holds back what is wanted; present only while True.
    pub const PAUSED: &str = "Paused";
    /// Work is under way; present only while True.
    pub const RECONCILING: &str = "Reconciling";
    /// A person must act; present only while True.
    pub const STALLED: &str = "Stalled";
}

/// What the Cluster shall be: the Elasticsearch that this object stands for, or a group of hosts.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "drover.dev",
    version = "v1alpha1",
    kind = "Cluster",
    plural = "clusters",
    shortname = "dcl",
    category = "drover",
    namespaced,
    status = "ClusterStatus",
    derive = "PartialEq",
    doc = "One live Elasticsearch cluster that Drover watches and works in. Deleting this object touches nothing in Elasticsearch, unless deletionPolicy says otherwise.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(name = "Health", type_ = "string", json_path = ".status.elasticsearch.health"),
    printcolumn(name = "Nodes", type_ = "integer", json_path = ".status.elasticsearch.nodes"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.elasticsearch.version"),
    printcolumn(name = "Hosts", type_ = "integer", json_path = ".status.hosts.total"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.elasticsearch) || has(self.connection) || has(self.elasticsearch.version)")
        .message("needs `connection`: without it nobody could ask Elasticsearch before a host goes down")
        .field_path(".elasticsearch"),
    validation = Rule::new("!has(self.deleteData) || !self.deleteData || (has(self.deletionPolicy) && self.deletionPolicy == 'Delete')")
        .message("may be true only with `deletionPolicy` Delete")
        .field_path(".deleteData"),
    validation = Rule::new("!has(self.operations) || !has(self.operations.restart) || has(self.connection) || (has(self.elasticsearch) && has(self.elasticsearch.version))")
        .message("needs `connection`: without it nobody could ask Elasticsearch before a host goes down")
        .field_path(".operations.restart"),
    validation = Rule::new("!has(self.operations) || !has(self.operations.upgrade) || has(self.connection) || (has(self.elasticsearch) && has(self.elasticsearch.version))")
        .message("needs `connection`: without it nobody could ask Elasticsearch before a host goes down")
        .field_path(".operations.upgrade"),
    validation = Rule::new("!has(self.operations) || !has(self.operations.deploy) || has(self.connection) || (has(self.elasticsearch) && has(self.elasticsearch.version))")
        .message("needs `connection`: without it nobody could ask Elasticsearch before a host goes down")
        .field_path(".operations.deploy")
)]
pub struct ClusterSpec {
    /// How Drover reaches Elasticsearch. TLS verification can't be switched off. Absent: the object
    /// is a group of hosts, and stands for no Elasticsearch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<Connection>,
    /// The Network that the hosts of this Cluster reach each other by. Absent: by their own
    /// addresses, which Drover does not check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_ref: Option<ObjectReference>,
    /// The `ContainerManager` that the hosts of this Cluster are registered in. Absent: in none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_manager_ref: Option<ObjectReference>,
    /// The Elasticsearch that runs on the hosts of this Cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elasticsearch: Option<ElasticsearchSpec>,
    /// How hosts are taken out of service in turn. Absent: one at a time, each gated on what
    /// Elasticsearch says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutSpec>,
    /// What is asked to be done to the hosts, once for each request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations: Option<Operations>,
    /// Nothing new is begun while this is true: a host that a run has in hand is brought back first.
    /// Default: false.
    #[serde(default)]
    pub paused: bool,
    /// Whether Drover does what the spec asks for, or only publishes it in `status.plan`. Under Plan
    /// nothing new is begun in Elasticsearch or on any host: a host that a run has in hand is brought
    /// back first. Default: Apply.
    #[serde(default)]
    pub mode: Mode,
    /// What becomes of an Elasticsearch that Drover installed when this object is deleted. One that
    /// somebody else installed is never touched. Default: `Retain`.
    #[serde(default)]
    pub deletion_policy: ClusterDeletionPolicy,
    /// Whether `deletionPolicy` Delete removes the data of Elasticsearch from the hosts too. It can't
    /// be had back. Default: false.
    #[serde(default)]
    pub delete_data: bool,
    /// Whether a value that somebody else gave a setting in the running cluster is replaced by the declared
    /// one where that is changed there, or only told of in `status.liveSettings`. Default: Enforce.
    #[serde(default)]
    pub drift_policy: DriftPolicy,
}

/// What becomes of an Elasticsearch that Drover installed when its Cluster is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ClusterDeletionPolicy {
    /// It goes on running; nothing on any host is touched.
    #[default]
    Retain,
    /// It is stopped and removed, but for its data.
    Delete,
}

/// How Drover reaches Elasticsearch over HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.tls) || self.endpoints.exists(it, isURL(it) && url(it).getScheme() == 'https')")
        .message("has no effect, since every endpoint is http: use https endpoints, or take it away")
        .field_path(".tls"),
    validation = Rule::new("!has(self.auth) || !has(self.auth.clientCertificate) || self.endpoints.all(it, isURL(it) && url(it).getScheme() == 'https')")
        .message("is shown in TLS handshakes only: every endpoint must be https")
        .field_path(".auth.clientCertificate")
)]
pub struct Connection {
    /// Addresses of Elasticsearch, tried in turn until one answers, such as
    /// `https://es.example:9200`. All must belong to one cluster. No user-info, path or query.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub endpoints: Vec<Endpoint>,
    /// The credentials that Drover sends. Absent: none, Elasticsearch sees an anonymous caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// How the certificate of https endpoints is verified. Absent: by the authorities that the
    /// system of the operator trusts, and by the host name of the endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// The longest that one request may take, from 100ms to 5m. Default: `10s`.
    #[serde(default = "Connection::default_timeout")]
    #[x_kube(
        validation = Rule::new("!self.matches('^([0-9]{1,9}(h|m|s|ms))+$') || (duration(self) >= duration('100ms') && duration(self) <= duration('5m'))")
            .message("must be from '100ms' to '5m'")
    )]
    pub timeout: DurationText,
    /// The `cluster_uuid` of the only Elasticsearch cluster that this object may ever touch.
    /// Absent: the first one that answers is pinned in `status.elasticsearch.uuid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9_-]+$"))]
    pub expected_uuid: Option<String>,
}

impl Connection {
    fn default_timeout() -> DurationText {
        DurationText(std::time::Duration::from_secs(10))
    }
}

/// The credentials that Drover sends; exactly one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.basic), has(self.apiKey), has(self.bearer), has(self.clientCertificate)].filter(it, it).size() == 1")
        .message("exactly one of `basic`, `apiKey`, `bearer`, `clientCertificate` must be set")
)]
pub struct Auth {
    /// User name and password, from the keys `username` and `password` of a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<SecretReference>,
    /// An Elasticsearch API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<ApiKeyReference>,
    /// A bearer token: a service account token of Elasticsearch, or one that a realm of it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer: Option<TokenReference>,
    /// A client certificate, from the keys `tls.crt` and `tls.key` of a Secret (type
    /// kubernetes.io/tls). Every endpoint must be https.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<SecretReference>,
}

/// How the server's certificate is verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// The authorities that the server's certificate must chain to. They replace the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<CertificatesReference>,
    /// SHA-256 of the server's own certificate, or of an authority in the chain that the server
    /// sends. With the server's own, the host name is not compared: the certificate is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
    /// The name that the server's certificate must carry, where it is not the endpoint's host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(
        validation = Rule::new("self.matches('^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?([.][A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$') || isIP(self)")
            .message("must be a DNS name or an IP address")
    )]
    pub server_name: Option<String>,
}

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
