//! What Drover tells of runs over the hosts of a Cluster.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{host_status::RunStatus, line::Line, rollout::RestartTarget};

/// The most hosts that one run takes.
pub const HOSTS: usize = 1000;

/// The run over the hosts that is under way. What a host is to do stands here before it is done: a
/// new process goes on from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutStatus {
    /// Names this run; no other has the same.
    #[schemars(length(max = 64))]
    pub run_id: String,
    /// What is done to each host.
    pub kind: RolloutKind,
    /// What it leads to: the id of a request, with the version of an image before it where one is
    /// deployed; or a version with a digest of settings.
    #[schemars(length(max = 255))]
    pub target: String,
    /// The hosts of the run, and how far each is; at most 1000.
    #[schemars(length(max = 1000))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub hosts: Vec<RolloutHost>,
    /// What keeps the next step back; empty where nothing does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub blocked_by: Vec<BlockedBy>,
    /// The gates that were shut since a host last went to another step: each was told of in an Event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(max = 64)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub told_gates: Vec<String>,
    /// Why the run waits for a person; absent while it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<RolloutPause>,
    /// How many hosts were done when a person last let the run go on.
    #[serde(default)]
    pub passed: u32,
    /// Since when a cluster that is not green has looked the same; absent where it is green,
    /// something moves, or no host is to be begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<RolloutSettled>,
    /// Since when the cluster is as well as it can be; absent while it is not, and while no host waits
    /// for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub well_since: Option<Time>,
    /// When the run began.
    pub started_at: Time,
}

/// What a run does to each host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum RolloutKind {
    /// Another version of Elasticsearch takes the place of the one that runs.
    ElasticsearchVersion,
    /// Elasticsearch is started with other settings.
    ElasticsearchConfig,
    /// Elasticsearch is restarted.
    ElasticsearchRestart,
    /// The machine boots.
    HostRestart,
    /// The packages of the machine are upgraded, and it boots where that takes it.
    HostUpgrade,
    /// The machine boots from another image.
    HostDeploy,
}

/// One host in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutHost {
    /// Name of the Host.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Its uid: a Host that is made again under its name is another one.
    #[schemars(length(max = 64))]
    pub host_uid: String,
    /// How far it is.
    pub step: RolloutStep,
    /// The first digits of the revision of the settings that it is to run, as it was wanted when the
    /// run began; absent where the run brings none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub revision: Option<String>,
    /// Which attempt at the host, from 1.
    pub attempt: u32,
    /// When the step, or this attempt at it, began.
    pub started_at: Time,
    /// What went wrong; absent while nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Line<1024>>,
    /// Its nodes before it went down; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub nodes_before: Vec<NodeStart>,
    /// Whether Elasticsearch was stopped there, or may have been, since it was last in the cluster.
    #[serde(default)]
    pub touched: bool,
    /// Whether the host goes back to where it was, since a gate shut before it went down.
    #[serde(default)]
    pub withdrawn: bool,
    /// Why what ran before comes back there, as long as it does; absent else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Line<1024>>,
}

/// What is done with a host on its way through a run, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum RolloutStep {
    /// Its turn has not come.
    Waiting,
    /// The host checks itself, and fetches what will be needed.
    Stage,
    /// Elasticsearch is asked whether the host may go down.
    Gate,
    /// Allocation of replicas is held back.
    Protect,
    /// The host's Node is cordoned and drained.
    Cordon,
    /// The host stops Elasticsearch, does what the run is for, and starts it again.
    Stop,
    /// The permit for that is taken back, if the host has not begun.
    Withdraw,
    /// The host starts what ran before the run again, since what takes its place does not come up.
    Rollback,
    /// Its nodes come back to the cluster.
    Rejoin,
    /// Allocation goes back to what it was.
    Unprotect,
    /// The host's Node is uncordoned.
    Uncordon,
    /// The cluster recovers.
    Settle,
    /// The host is as the run wants it.
    Done,
    /// It is as it was before the run, which has failed there.
    RolledBack,
}

/// One start of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeStart {
    /// Elasticsearch's own id of the node, which stays with its data.
    #[schemars(length(max = 64))]
    pub id: String,
    /// Elasticsearch's id of this start of it: another one after each start.
    #[schemars(length(max = 64))]
    pub ephemeral_id: String,
}

/// One gate that is shut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BlockedBy {
    /// Which.
    #[schemars(length(max = 64))]
    pub gate: String,
    /// What is so, and what would open it.
    pub message: Line<1024>,
    /// Since when it is shut.
    pub since: Time,
}

/// A run that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutPause {
    /// The value that the annotation `drover.dev/resume` must have to let the run go on; good once.
    #[schemars(length(max = 512))]
    pub token: String,
    /// Why it waits.
    pub reason: Line<1024>,
}

/// A cluster that is not green, and has looked the same for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutSettled {
    /// Tells one set of unassigned copies from another.
    #[schemars(length(max = 16))]
    pub digest: String,
    /// Since when it looks so.
    pub since: Time,
}

/// The requests of `spec.operations` that have been dealt with, or are under way: another one
/// starts a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Requests {
    /// `restart.requestId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub restart: Option<String>,
    /// `upgrade.requestId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub upgrade: Option<String>,
    /// `deploy.requestId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub deploy: Option<String>,
}

/// The last restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestartStatus {
    /// How it stands.
    pub status: RunStatus,
    /// The request that asked for it.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub request_id: String,
    /// What is restarted.
    pub target: RestartTarget,
    /// Names of the hosts that are done; at most 1000.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub restarted: Vec<String>,
    /// Names of the hosts that are being worked at; at most 1000.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub in_process: Vec<String>,
    /// The hosts at which something went wrong; at most 50.
    #[serde(default)]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub failed: Vec<FailedHost>,
    /// When it began.
    pub started_at: Time,
    /// When it ended; absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
}

/// The last upgrade of the packages of the hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeStatus {
    /// How it stands.
    pub status: RunStatus,
    /// The request that asked for it.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub request_id: String,
    /// Names of the hosts that are done; at most 1000.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub upgraded: Vec<String>,
    /// Names of the hosts that are being worked at; at most 1000.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub in_process: Vec<String>,
    /// The hosts at which something went wrong; at most 50.
    #[serde(default)]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub failed: Vec<FailedHost>,
    /// When it began.
    pub started_at: Time,
    /// When it ended; absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
}

/// The last deploy of an image to the machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeployStatus {
    /// How it stands.
    pub status: RunStatus,
    /// The request that asked for it.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub request_id: String,
    /// The version of the image, or its checksum.
    pub version: Line<128>,
    /// Names of the hosts that are done; at most 1000.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub deployed: Vec<String>,
    /// Names of the hosts that are being worked at; at most 1000.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub in_process: Vec<String>,
    /// The hosts at which something went wrong; at most 50.
    #[serde(default)]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub failed: Vec<FailedHost>,
    /// When it began.
    pub started_at: Time,
    /// When it ended; absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
}

/// The host that forms a cluster of Elasticsearch. It is chosen once: a second one would form
/// another cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Formation {
    /// Name of the Host.
    #[schemars(length(max = 253))]
    pub host: String,
    /// Its uid: a Host that is made again under its name is another one.
    #[schemars(length(max = 64))]
    pub host_uid: String,
    /// When it was chosen.
    pub started_at: Time,
}

/// Drover's Elasticsearch goes from the hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Removal {
    /// When it began.
    pub started_at: Time,
}

/// The last change of the version or the settings of Elasticsearch on the hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ElasticsearchDeployStatus {
    /// How it stands.
    pub status: RunStatus,
    /// The version that it leads to.
    pub version: Line<32>,
    /// Names of the hosts that are done; at most 1000.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub deployed: Vec<String>,
    /// Names of the hosts that are being worked at; at most 1000.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub in_process: Vec<String>,
    /// The hosts at which something went wrong; at most 50.
    #[serde(default)]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub failed: Vec<FailedHost>,
    /// When it began.
    pub started_at: Time,
    /// When it ended; absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
}

/// A host at which something went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailedHost {
    /// Name of the Host.
    #[schemars(length(max = 253))]
    pub host: String,
    /// At which step.
    pub step: RolloutStep,
    /// What went wrong.
    pub reason: Line<1024>,
}

/// A run that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PastRun {
    /// Named the run.
    #[schemars(length(max = 64))]
    pub run_id: String,
    /// What was done to each host.
    pub kind: RolloutKind,
    /// What it led to.
    #[schemars(length(max = 255))]
    pub target: String,
    /// How it ended.
    pub status: RunStatus,
    /// How many hosts were done.
    pub done: u32,
    /// How many hosts it was about.
    pub total: u32,
    /// Why it did not come to its end; absent where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Line<1024>>,
    /// When it began.
    pub started_at: Time,
    /// When it ended.
    pub finished_at: Time,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn runs_that_were_stored_without_a_request_are_read() {
        let then = "2026-01-02T03:04:05Z";
        let of = |more: Value| {
            let mut status = json!({ "status": "finished", "startedAt": then });
            status.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
            status
        };
        let restart: RestartStatus =
            serde_json::from_value(of(json!({ "target": "Host" }))).unwrap();
        let upgrade: UpgradeStatus = serde_json::from_value(of(json!({}))).unwrap();
        let deploy: DeployStatus =
            serde_json::from_value(of(json!({ "version": "41.1" }))).unwrap();
        assert_eq!([restart.request_id, upgrade.request_id, deploy.request_id], ["", "", ""]);
    }
}
