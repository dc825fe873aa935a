//! What Drover tells of a host that is drained.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::line::Line;

/// A host that leaves the Cluster, or whose node is to lose roles: its shards move to others first. What
/// is set in Elasticsearch for that stands here before it is set: a new process goes on from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrainStatus {
    /// Name of the Host.
    #[schemars(length(max = 253))]
    pub host: String,
    /// Its uid: a Host that is made again under its name is another one.
    #[schemars(length(max = 64))]
    pub host_uid: String,
    /// `node.name` of its node in Elasticsearch.
    #[schemars(length(max = 253))]
    pub node: String,
    /// How far it is.
    pub phase: DrainPhase,
    /// Why it is drained: its host leaves, or a run is to start it with fewer roles.
    #[serde(default)]
    pub reason: DrainReason,
    /// When it began, or was first kept back.
    pub started_at: Time,
    /// Since when nothing is left on the node; absent while something is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clear_since: Option<Time>,
    /// What keeps it back, with Elasticsearch's own words where copies do not move; absent where nothing
    /// does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_by: Option<Line<1024>>,
}

/// How far a drain is, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DrainPhase {
    /// It can't begin yet: `blockedBy` tells why.
    Waiting,
    /// The node is to be given no shards any more.
    Exclude,
    /// Its shards move to other nodes.
    Move,
    /// Its vote in the election of masters is taken.
    Vote,
    /// Nothing is left on it: the Host is let go, or the run goes on. The node is kept empty as long as it
    /// runs as it does.
    Drained,
    /// All that was set is taken back.
    Withdraw,
}

/// Why a host is drained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DrainReason {
    /// It leaves the Cluster.
    #[default]
    Leaves,
    /// A run is to start its node with fewer roles: without its data roles, or some of them, or without
    /// its vote in the election of masters.
    Roles,
}
