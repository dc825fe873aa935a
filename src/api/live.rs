//! What Drover tells of settings that it changes in the running cluster.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::line::Line;

/// Settings of Elasticsearch that are changed in the running cluster, without a restart. What is set there
/// stands here before it is set: a new process goes on from it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LiveSettings {
    /// What elasticsearch.yml of every host says of the settings that all node groups have alike, by flat
    /// key; lists as JSON.
    pub files: BTreeMap<String, String>,
    /// The settings that the spec has otherwise, or had; at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub changes: Vec<LiveSetting>,
}

/// One setting that is otherwise than in elasticsearch.yml.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LiveSetting {
    /// Its flat key.
    #[schemars(length(max = 253))]
    pub name: String,
    /// The value that it shall have, or that is to be taken back; a list as JSON.
    #[schemars(length(max = 1024))]
    pub value: String,
    /// The value of Drover's that it has in the running cluster until `value` is set; absent where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub before: Option<String>,
    /// How it stands.
    pub state: LiveState,
    /// Why it is not as declared; absent where that is plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Line<1024>>,
}

/// How a setting stands that is changed in the running cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum LiveState {
    /// It is to be set in the running cluster.
    Pending,
    /// Drover has set it there.
    Live,
    /// It is so in the running cluster, and somebody else has set it: Drover takes nothing back.
    Foreign,
    /// Somebody else has set another value there, or taken it away, and that is left as it is.
    Drifted,
    /// Elasticsearch does not take the value: it comes neither to the running cluster nor to any file.
    Refused,
    /// Elasticsearch has taken the value, and does not show it: nobody knows whether it holds.
    Unseen,
    /// It takes a restart: a run over the hosts brings it.
    Restart,
    /// What Drover has set is to be taken back, once the files say what holds then; by you, where `message` says
    /// so.
    Withdrawn,
}

impl LiveState {
    /// Whether elasticsearch.yml stays as it was, so that no host is restarted for it.
    #[must_use]
    pub fn is_kept_out_of_files(self) -> bool {
        match self {
            Self::Pending
            | Self::Live
            | Self::Foreign
            | Self::Drifted
            | Self::Refused
            | Self::Unseen => true,
            Self::Restart | Self::Withdrawn => false,
        }
    }

    /// Whether it does not come to hold before the spec is changed, or what is set beside it.
    #[must_use]
    pub fn is_refused(self) -> bool {
        matches!(self, Self::Refused | Self::Unseen)
    }
}

impl LiveSetting {
    /// Whether it has left the spec, and nobody but a person can take it back.
    #[must_use]
    pub fn is_left_to_people(&self) -> bool {
        self.state == LiveState::Withdrawn && self.message.is_some()
    }
}
