//! What Drover tells of a Host.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::host_operation::{
    ElasticsearchTarget, Operation, OperationKind, PastOperation, RunStatus,
};
use super::{
    condition::Condition,
    host_fields::{KeyFingerprint, Sysctls},
    index::DriftEntry,
    line::Line,
};

/// What Drover last saw of the machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready sums up the others; each other type tells one thing, with a reason and a way out.
    #[serde(default)]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Where in its life the machine is, in one word for people; derived from the conditions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<HostState>,
    /// What the machine is, as it was when it last answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<HostFacts>,
    /// The key that the machine showed and that was verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_key: Option<SeenKey>,
    /// The keys that the jump hosts showed and that were verified, in the order of
    /// `spec.jumpHosts`; at most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub jump_host_keys: Vec<SeenJumpHostKey>,
    /// When the machine last answered. Written at most once per stats interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_check: Option<Time>,
    /// The Elasticsearch that runs on the machine; absent where its Cluster has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elasticsearch: Option<HostElasticsearch>,
    /// How the machine stands in the Cluster's `ContainerManager`; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_manager: Option<Registration>,
    /// How the machine stands in the Cluster's Network, or in the one that it is leaving; absent
    /// where no Network asks for anything on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkMembership>,
    /// The kernel parameters that Drover has set and keeps, with the values of the spec. What differs
    /// from them, somebody else has changed.
    #[serde(default, skip_serializing_if = "Sysctls::is_empty")]
    pub applied_sysctls: Sysctls,
    /// The work in hand on the machine: written before it is begun, so that a new process can go
    /// on with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// The last works, the newest first; at most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub history: Vec<PastOperation>,
    /// Where the machine differs from the spec; at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub drift: Vec<DriftEntry>,
    /// How many differences more there are than `drift` lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift_omitted: Option<u32>,
}

/// Where in its life a machine is, in one word for people; derived from the conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HostState {
    /// Its facts are being read.
    Investigating,
    /// It is being made what the spec asks for.
    Bootstrapping,
    /// It is as declared, and in no cluster that uses it.
    Disassociated,
    /// It is in service.
    Active,
    /// Something is wrong with it; it comes back by itself once that is mended.
    Failed,
    /// It does not answer.
    Unreachable,
    /// The spec takes it out of service.
    Maintenance,
    /// The object is being deleted.
    Deleting,
}

impl HostState {
    /// The word as it stands in the status.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Investigating => "investigating",
            Self::Bootstrapping => "bootstrapping",
            Self::Disassociated => "disassociated",
            Self::Active => "active",
            Self::Failed => "failed",
            Self::Unreachable => "unreachable",
            Self::Maintenance => "maintenance",
            Self::Deleting => "deleting",
        }
    }
}

/// What a machine is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostFacts {
    /// The operating system.
    pub os: OperatingSystem,
    /// Release of the kernel, as `uname -r` prints it.
    pub kernel: Line<128>,
    /// Architecture as `uname -m` prints it, such as `x86_64` or `aarch64`.
    pub architecture: Line<32>,
    /// The machine's own host name.
    pub hostname: Line<253>,
    /// `/etc/machine-id`: the machine that this object stands for. Another one behind the address
    /// is not touched.
    pub machine_id: Line<64>,
    /// Changes with each boot.
    pub boot_id: Line<64>,
    /// Processors in use.
    pub cpus: u32,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// Room on the disks.
    pub disks: Disks,
    /// The command that installs packages, such as `apt-get`, `dnf` or `rpm-ostree`; absent where
    /// Drover knows none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package_manager: Option<Line<32>>,
    /// The trees of a system that boots from ostree; absent on others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ostree: Option<Ostree>,
    /// Version of the Elasticsearch that is installed; absent where none is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elasticsearch_version: Option<Line<32>>,
    /// How far the machine's clock is ahead of Drover's, in whole seconds; negative when it is
    /// behind. Written when it moved by more than 5 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_skew_seconds: Option<i64>,
}

/// An operating system, as its `os-release` names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperatingSystem {
    /// `ID`, such as `debian`.
    pub id: Line<64>,
    /// `VERSION_ID`, such as `12`; absent on systems that have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Line<64>>,
    /// `VARIANT_ID`, such as `coreos`; absent on systems that have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<Line<64>>,
    /// The family whose commands are used; absent on a system that Drover does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<OsFamily>,
}

/// The family of an operating system: what is installed, upgraded and restarted by the same
/// commands. Absent on a system that Drover does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OsFamily {
    /// Debian, Ubuntu and kin.
    Debian,
    /// Fedora.
    Fedora,
    /// Red Hat Enterprise Linux, `CentOS` and kin.
    Rhel,
    /// SUSE Linux Enterprise, openSUSE.
    Suse,
    /// Any of them that boots from ostree.
    Ostree,
}

/// Room on the disks of a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Disks {
    /// The file system of `/`.
    pub root: Disk,
    /// The file system of Elasticsearch's data, where it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Disk>,
}

/// Room in one file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Disk {
    /// Its size, in bytes.
    pub total: u64,
    /// What is free in it, in bytes. Written when it moved by more than 5 %.
    pub free: u64,
}

/// The trees of a system that boots from ostree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ostree {
    /// Version, or else checksum, of the tree that runs.
    pub booted: Line<128>,
    /// The same of the tree that the next boot takes, where it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staged: Option<Line<128>>,
}

/// A key that a machine showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeenKey {
    /// Its fingerprint, as `ssh-keygen -lf` prints it. Under `TrustOnFirstUse` no other is taken.
    pub fingerprint: KeyFingerprint,
    /// When it was first seen.
    pub first_seen: Time,
}

/// A key that a jump host showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeenJumpHostKey {
    /// Address of the jump host, as in the spec.
    #[schemars(length(max = 253))]
    pub address: String,
    /// Port of the jump host.
    pub port: u16,
    /// Its fingerprint, as `ssh-keygen -lf` prints it. Under `TrustOnFirstUse` no other is taken.
    pub fingerprint: KeyFingerprint,
    /// When it was first seen.
    pub first_seen: Time,
}

/// How a machine stands in a `ContainerManager`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Registration {
    /// Name of the `ContainerManager` object, so that the machine leaves it when its Cluster names
    /// another one.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Name of the Node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub node: Option<String>,
    /// Address of the API server that this is so at; absent where none is asked. Where the
    /// `ContainerManager` names another one and the Node is not found there, an event says that it was
    /// left behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Line<1024>>,
    /// Whether the machine is a Node.
    pub registered: bool,
    /// Whether that Node is Ready.
    pub ready: bool,
    /// Why not, in the `ContainerManager`'s words; absent where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Line<1024>>,
    /// How far the Node is out of service for maintenance; absent while it is in service. Written
    /// before the Node is touched, so that a new process brings it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<NodeMaintenance>,
    /// How often the machine tried in vain to leave the `ContainerManager`; absent where it shall
    /// not leave. Counted while the Host or the `ContainerManager` is being deleted, and 1 else:
    /// after 7 times the machine is let go, and an event says what was left behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_leaves: Option<u32>,
}

/// How far a Node is out of service for maintenance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum NodeMaintenance {
    /// New pods are about to be kept off it.
    Cordoning,
    /// New pods are kept off it, and those that are there are evicted.
    Draining,
    /// No pod is left that a drain takes away.
    Drained,
}

/// How a machine stands in a Network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkMembership {
    /// Name of the Network object.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Whether all that the Network needs on the machine is there and runs.
    pub configured: bool,
    /// Why not; absent where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Line<1024>>,
    /// Names the settings with which Drover runs flanneld there; absent while it does not. What
    /// differs from them, somebody else has changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub revision: Option<String>,
    /// Members that this machine can't connect to; at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub unreachable: Vec<UnreachablePeer>,
    /// How many more there are than `unreachable` lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreachable_omitted: Option<u32>,
}

/// A member that another one can't connect to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnreachablePeer {
    /// Name of the other Host.
    #[schemars(length(max = 253))]
    pub host: String,
    /// The port that was tried.
    pub port: u16,
}

/// The Elasticsearch that runs on a machine, by which its nodes are found in the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostElasticsearch {
    /// The systemd unit that was looked at.
    pub unit: Line<255>,
    /// systemd's word for it, such as `active`, `inactive` or `failed`.
    pub state: Line<32>,
    /// systemd's id of this run of the unit; absent where it does not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation_id: Option<Line<64>>,
    /// How often systemd has started the unit again by itself since somebody last started it; absent
    /// where it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarts: Option<u32>,
    /// Numbers of the processes of the unit; at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub processes: Vec<u32>,
    /// Numbers of the Elasticsearch processes that are not of the unit; at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub other_processes: Vec<u32>,
    /// IP addresses of the machine, without loopback and link-local ones; at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub addresses: Vec<Line<64>>,
    /// What Drover has installed there; absent where it installs nothing, or has not looked yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployed: Option<DeployedElasticsearch>,
}

/// The Elasticsearch that Drover runs on a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeployedElasticsearch {
    /// The version that runs; absent where none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Line<32>>,
    /// Names the settings that it was started with; absent where none runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Line<64>>,
    /// The port on which its node serves HTTP, by the settings that it was started with last; absent where it
    /// has none. Drover asks there as long as it is another one than the spec says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_port: Option<u16>,
    /// The versions that are unpacked; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub staged: Vec<Line<32>>,
    /// The cluster that the machine was noted to be a member of; absent before it is of any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_uuid: Option<Line<64>>,
    /// What is in the folder for the data.
    #[serde(default)]
    pub data: DataDirectory,
    /// Whether shards may be in that folder: it was started with a data role, or is about to be, and not
    /// seen to run without one since. Absent where nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_hold_shards: Option<bool>,
    /// Whether its node may have a vote in the election of masters: it was started with the role master, or
    /// is about to be, and not seen to run without it since. Absent where nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_vote: Option<bool>,
    /// Names the settings by which mayHoldShards and mayVote are known, also while none runs; absent where
    /// they are not known by any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_hold_shards_revision: Option<Line<64>>,
    /// When the certificate of its node expires; absent where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_expires: Option<Time>,
    /// The SHA-256 of the authority that has signed that certificate; absent where it has none, or does not
    /// say whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<Line<64>>,
    /// The SHA-256 of each authority that its node trusts; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub trusts: Vec<Line<64>>,
    /// Names the files that need no restart, as Drover last wrote them. What differs from them,
    /// somebody else has changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Line<64>>,
}

/// What is in a folder for data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DataDirectory {
    /// Nobody knows.
    #[default]
    Unknown,
    /// There is no such folder.
    Missing,
    /// Nothing.
    Empty,
    /// Something.
    Used,
}
