//! How hosts of a Cluster are taken out of service in turn, and what is asked to be done to them.

use std::borrow::Cow;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::fields::DurationText;

/// How hosts are taken out of service in turn. No host goes down before Elasticsearch itself says
/// that no data is at risk by it, whatever is set here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutSpec {
    /// How many hosts may be out of service at once: a number, or a share of all hosts such as
    /// `20%`, rounded down and at least 1. Hosts that are down anyway, or in maintenance, count.
    /// Default: 1.
    #[serde(default)]
    pub max_unavailable: Unavailable,
    /// After which hosts a run waits until a person lets it go on, by the annotation
    /// `drover.dev/resume` with the value of `status.rollout.pause.token`. Default: `Never`.
    #[serde(default)]
    pub pause_after: PauseAfter,
    /// How long a host may take from the moment it may go down until its Elasticsearch is back in
    /// the cluster, from 1m to 24h; then the run pauses. Default: `20m`.
    #[serde(default = "RolloutSpec::default_host_timeout")]
    #[x_kube(
        validation = Rule::new("!self.matches('^([0-9]{1,9}(h|m|s|ms))+$') || (duration(self) >= duration('1m') && duration(self) <= duration('24h'))")
            .message("must be from '1m' to '24h'")
    )]
    pub host_timeout: DurationText,
    /// How many seconds the cluster has to be well again before the next host, at most 86400.
    /// Default: 0.
    #[serde(default)]
    #[schemars(range(max = 86400))]
    pub min_ready_seconds: u32,
    /// Whether the cluster may be without a majority of masters for a while. Only clusters with one
    /// or two master-eligible nodes need that; with more of them it allows nothing. Default: false.
    #[serde(default)]
    pub allow_downtime: bool,
    /// What to do about indices without a replica on a host that is to go down. Default: `Block`.
    #[serde(default)]
    pub single_copy_indices: SingleCopyIndices,
    /// What keeps Elasticsearch from building the copies of a host anew elsewhere while it is down.
    /// What was done to a host before this is changed is still taken back. Default:
    /// `AllocationSettings`.
    #[serde(default)]
    pub protection: Protection,
    /// What becomes of a host on which another version, or other settings, of an Elasticsearch that
    /// Drover runs do not come up. In either case no other host is begun before a person has seen to it.
    /// Default: `Pause`.
    #[serde(default)]
    pub on_failure: OnFailure,
}

impl RolloutSpec {
    fn default_host_timeout() -> DurationText {
        DurationText(std::time::Duration::from_mins(20))
    }
}

impl Default for RolloutSpec {
    fn default() -> Self {
        Self {
            max_unavailable: Unavailable::default(),
            pause_after: PauseAfter::default(),
            host_timeout: Self::default_host_timeout(),
            min_ready_seconds: 0,
            allow_downtime: false,
            single_copy_indices: SingleCopyIndices::default(),
            protection: Protection::default(),
            on_failure: OnFailure::default(),
        }
    }
}

/// A number of hosts, or a share of all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Unavailable {
    /// So many.
    Number(u32),
    /// Such as `20%`.
    Share(String),
}

impl Default for Unavailable {
    fn default() -> Self {
        Self::Number(1)
    }
}

impl Unavailable {
    /// How many of `hosts` that is: rounded down, and at least 1.
    #[must_use]
    pub fn of(&self, hosts: usize) -> usize {
        let number = match self {
            Self::Number(number) => usize::try_from(*number).unwrap_or(usize::MAX),
            Self::Share(text) => {
                let percent: usize = text.trim_end_matches('%').parse().unwrap_or(0);
                hosts.saturating_mul(percent) / 100
            }
        };
        number.max(1)
    }
}

impl JsonSchema for Unavailable {
    fn schema_name() -> Cow<'static, str> {
        "Unavailable".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "anyOf": [{ "type": "integer" }, { "type": "string" }],
            "x-kubernetes-validations": [{
                "rule": "type(self) == int ? self >= 1 && self <= 1000 : self.size() <= 4 && self.matches('^([1-9][0-9]?|100)%$')",
                "message": "must be a number from 1 to 1000, or a share from '1%' to '100%'"
            }]
        })
    }
}

/// After which hosts a run waits for a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PauseAfter {
    /// The first.
    First,
    /// Each.
    Each,
    /// None.
    #[default]
    Never,
}

/// What to do about indices without a replica on a host that is to go down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SingleCopyIndices {
    /// The host stays up.
    #[default]
    Block,
    /// It goes down, and they can't be used until it is back.
    Allow,
}

/// What keeps Elasticsearch from building the copies of a host anew elsewhere while it is down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Protection {
    /// The setting `cluster.routing.allocation.enable`: no replica of the cluster is allocated anew
    /// until the host is back.
    #[default]
    AllocationSettings,
    /// A shutdown record of type `restart` for each node of the host: its copies wait for it for twice
    /// `hostTimeout`, and the rest of the cluster goes on. Elasticsearch has to have the API for node
    /// shutdown; else no host goes down.
    NodeShutdown,
}

/// What becomes of a host on which what a run brings does not come up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnFailure {
    /// It stays as it is, and so does what protects the data, until a person has seen to it.
    #[default]
    Pause,
    /// What ran there before comes back, and the run has failed: it is not tried again before the spec
    /// changes, or a person lets it go on. An older version comes back only where the newer one has not
    /// opened the data; else this is as `Pause`. Hosts that are done stay as they are.
    Rollback,
}

/// What is asked to be done to the hosts of a Cluster, once for each request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Operations {
    /// Restarts Elasticsearch, or the machines, one host after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartRequest>,
    /// Upgrades the packages of the machines, one host after the other, but for Elasticsearch and the
    /// Java that it uses. A machine boots where its distribution says that it has to; else nothing is
    /// restarted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<UpgradeRequest>,
    /// Boots the machines from a version of their image or tree, as (rpm-)ostree has it, one host after
    /// the other. A machine that has booted it already is left as it is. Where a host has no images,
    /// none is begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploy: Option<DeployRequest>,
}

/// Restarts all hosts of a Cluster in turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestartRequest {
    /// Any text; another one than before starts one run. What an object has at its creation is put
    /// on record, and starts none: what is restored from a backup restarts nothing.
    pub request_id: RequestId,
    /// What is restarted. Default: `Elasticsearch`.
    #[serde(default)]
    pub target: RestartTarget,
}

/// Upgrades the packages of all hosts of a Cluster in turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeRequest {
    /// Any text; another one than before starts one run. What an object has at its creation is put
    /// on record, and starts none: what is restored from a backup upgrades nothing.
    pub request_id: RequestId,
}

/// Boots all hosts of a Cluster in turn from a version of their image or tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeployRequest {
    /// Any text; another one than before starts one run. What an object has at its creation is put
    /// on record, and starts none: what is restored from a backup deploys nothing.
    pub request_id: RequestId,
    /// The version of the image or tree, or its checksum, as `rpm-ostree deploy` takes it.
    pub version: ImageVersion,
}

/// Names a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub String);

impl JsonSchema for RequestId {
    fn schema_name() -> Cow<'static, str> {
        "RequestId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "maxLength": 64,
            "x-kubernetes-validations": [{
                "rule": "self.matches('^[A-Za-z0-9][A-Za-z0-9:._+-]*$')",
                "message": "may have letters, digits and '.', ':', '_', '+', '-' after the first letter or digit"
            }]
        })
    }
}

/// The version of an image, or its checksum.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ImageVersion(pub String);

impl JsonSchema for ImageVersion {
    fn schema_name() -> Cow<'static, str> {
        "ImageVersion".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "maxLength": 128,
            "x-kubernetes-validations": [{
                "rule": "self.matches('^[A-Za-z0-9][A-Za-z0-9:._+~-]*$')",
                "message": "may have letters, digits and '.', ':', '_', '+', '~', '-' after the first letter or digit"
            }]
        })
    }
}

/// What is restarted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RestartTarget {
    /// The unit that runs Elasticsearch.
    #[default]
    Elasticsearch,
    /// The machine.
    Host,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_hosts_is_rounded_down_and_never_none() {
        let share = |text: &str| Unavailable::Share(text.into());
        let cases = [
            (Unavailable::Number(2), 10, 2),
            (share("20%"), 10, 2),
            (share("20%"), 9, 1),
            (share("20%"), 3, 1),
            (share("100%"), 3, 3),
            (Unavailable::default(), 0, 1),
        ];
        for (unavailable, hosts, expected) in cases {
            assert_eq!(unavailable.of(hosts), expected, "{unavailable:?} of {hosts}");
        }
    }
}
