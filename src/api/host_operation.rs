//! What Drover tells of its work on a machine.

// Each flag of a work is a fact of its own; the lint sees what is derived, too.
#![allow(clippy::struct_excessive_bools)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::line::Line;

/// What is done on a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum OperationKind {
    /// Making it fit for Elasticsearch, and what the spec asks for.
    Prepare,
    /// Installing and configuring what its Network needs.
    ConfigureNetwork,
    /// Taking it out of service, and back.
    Maintenance,
    /// Installing Elasticsearch where it was not in service.
    InstallElasticsearch,
    /// Changing the version or the settings of Elasticsearch, as a step of a run over the hosts of
    /// a Cluster.
    DeployElasticsearch,
    /// Restarting Elasticsearch, as a step of a run over the hosts of a Cluster.
    RestartElasticsearch,
    /// Booting the machine, as a step of such a run.
    RestartHost,
    /// Upgrading the packages of the machine, and booting it where that takes it, as a step of such a
    /// run.
    UpgradeHost,
    /// Booting the machine from another image, as a step of such a run.
    DeployHost,
    /// Undoing what Drover wrote.
    Reset,
}

/// Work in hand on a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// Names this run; part of the names of what runs on the machine for it.
    #[schemars(length(max = 64))]
    pub run_id: String,
    /// What is done.
    pub kind: OperationKind,
    /// The step that is under way.
    #[schemars(length(max = 64))]
    pub step: String,
    /// How often the step was begun, from 1.
    pub attempt: u32,
    /// When the step was begun.
    pub started_at: Time,
    /// When the step counts as failed; absent where it may take as long as it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Time>,
    /// The `bootId` before a reboot: it came back when this differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_id_before: Option<Line<64>>,
    /// The systemd unit that does the step on the machine; absent for steps that need none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub unit: Option<String>,
    /// The systemd unit that runs Elasticsearch, where the step takes it down; absent where the
    /// machine has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elasticsearch_unit: Option<Line<255>>,
    /// What Elasticsearch is to run as after the step; absent where the step changes nothing about
    /// that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<ElasticsearchTarget>,
    /// What Elasticsearch ran as before a run changed that: what comes back where the run has that rolled
    /// back; absent where nothing is known to have run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<ElasticsearchTarget>,
    /// The version of the image that the machine is to boot, or its checksum; absent where the step is
    /// about no image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Line<128>>,
    /// Whether Drover cordoned the Node, and so has to uncordon it.
    #[serde(default)]
    pub cordoned_by_us: bool,
    /// systemd's id of the run of Elasticsearch's unit before the step: it was restarted when this
    /// differs. Absent where it did not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation_id_before: Option<Line<64>>,
    /// How the step stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<RunStatus>,
    /// Why it failed; absent where it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Line<1024>>,
    /// Whether Elasticsearch was stopped for it, or may have been.
    #[serde(default)]
    pub touched: bool,
    /// Whether the work failed and nothing is down for it: Elasticsearch runs on, or again.
    #[serde(default)]
    pub vain: bool,
    /// Whether the permit was too old by the time that the machine could begin: nothing was done, and
    /// another permit is waited for.
    #[serde(default)]
    pub late: bool,
}

/// What Elasticsearch is to run as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ElasticsearchTarget {
    /// Which version.
    pub version: Line<32>,
    /// Names what it is started with.
    pub revision: Line<64>,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RunStatus {
    /// It goes on.
    InProcess,
    /// It did what it was for.
    Finished,
    /// It did not.
    Failed,
    /// It did not, and what was before is so again.
    RolledBack,
}

/// Work that was done on a machine, or failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PastOperation {
    /// Names the run.
    #[schemars(length(max = 64))]
    pub run_id: String,
    /// What was done.
    pub kind: OperationKind,
    /// How it ended.
    pub status: RunStatus,
    /// The last step.
    #[schemars(length(max = 64))]
    pub step: String,
    /// Why it failed; absent where it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Line<1024>>,
    /// When it began.
    pub started_at: Time,
    /// When it ended.
    pub finished_at: Time,
}
