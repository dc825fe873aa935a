//! Conditions: the only place that moves `lastTransitionTime`.

use std::borrow::Cow;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{self as meta, Time};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::text::Text;

/// A condition as Kubernetes means it (`metav1.Condition`). Every object holds a handful of them,
/// with the same texts: as plain strings they would be the largest part of what memory holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// When the status last changed.
    pub last_transition_time: Time,
    /// What is so, and what a person can do.
    pub message: Text,
    /// The generation of the spec that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Why, in one word.
    pub reason: Text,
    /// `True`, `False` or `Unknown`.
    pub status: Text,
    /// What is judged, such as `Ready`.
    #[serde(rename = "type")]
    pub type_: Text,
}

impl Condition {
    /// Lets `change` at the message.
    pub fn reword(&mut self, change: impl FnOnce(&mut String)) {
        let mut message = self.message.to_string();
        change(&mut message);
        if self.message != *message {
            self.message = message.as_str().into();
        }
    }
}

impl JsonSchema for Condition {
    fn schema_name() -> Cow<'static, str> {
        meta::Condition::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        meta::Condition::json_schema(generator)
    }
}

/// Every reason that a condition of Drover can carry; people and scripts match on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Nothing to report.
    AsExpected,
    /// Not looked at yet.
    NotChecked,
    /// Something else must come first; the message names it.
    Waiting,
    /// The spec can't be accepted as it is; the message names the path.
    InvalidSpec,
    /// Another object has the older claim.
    Conflict,
    /// The named Cluster does not exist in this namespace.
    ClusterNotFound,
    /// The named Cluster is there and can't be used now.
    ClusterNotReady,
    /// The named Network does not exist in this namespace.
    NetworkNotFound,
    /// The named `ContainerManager` does not exist in this namespace.
    ContainerManagerNotFound,
    /// The named Secret does not exist in this namespace.
    SecretNotFound,
    /// The named ConfigMap does not exist in this namespace.
    ConfigMapNotFound,
    /// The Secret or ConfigMap lacks the key.
    KeyNotFound,
    /// The content of a Secret or ConfigMap can't be used.
    InvalidContent,
    /// The API server did not let Drover read what the object refers to.
    Forbidden,
    /// No endpoint could be connected to, or none answered in time.
    Unreachable,
    /// The server's certificate was refused.
    CertificateRefused,
    /// What answers is not Elasticsearch.
    NotElasticsearch,
    /// This version or product is not supported.
    Unsupported,
    /// Drover knows no package for the systems of some hosts, which the message names.
    UnsupportedHosts,
    /// The credentials were refused.
    AuthenticationFailed,
    /// The credentials lack a privilege, which the message names.
    PrivilegeMissing,
    /// Elasticsearch answers that it is too busy.
    TooManyRequests,
    /// Elasticsearch answers, but can't serve now.
    Unavailable,
    /// What answered is no answer of this API.
    UnexpectedAnswer,
    /// The cluster behind the endpoint is another one than the pinned one.
    IdentityChanged,
    /// The cluster has not formed yet.
    NotFormed,
    /// Health is green.
    HealthGreen,
    /// Health is yellow.
    HealthYellow,
    /// Health is red.
    HealthRed,
    /// Health can't be known now.
    HealthUnknown,
    /// The live state differs from the spec.
    DriftFound,
    /// Something of that name exists, such as an index, an alias or a file, and is not Drover's.
    NotOwned,
    /// The index was deleted behind Drover's back.
    IndexMissing,
    /// What is there is more than Drover reads.
    TooLarge,
    /// Elasticsearch refused a change, with its own reason in the message.
    Rejected,
    /// The change can't be made in place.
    ImmutableChange,
    /// Mode Plan: what there is to do is published and not done.
    PlanOnly,
    /// A person has to approve the machine first.
    Unapproved,
    /// Another machine stands behind the address.
    HostReplaced,
    /// Nothing says which key the machine has.
    HostKeyUnknown,
    /// The machine showed a key that nothing vouches for.
    HostKeyMismatch,
    /// A command on the machine did not do what it should.
    CommandFailed,
    /// The machine's Node is not Ready, by what its kubelet says.
    NodeNotReady,
    /// The machine has to boot anew.
    RebootRequired,
    /// `spec.paused` holds back what there is to do.
    Paused,
    /// A gate keeps the next host of a run from going down; the message names it.
    Blocked,
    /// A run over hosts waits for a person.
    RolloutPaused,
    /// The object is being deleted.
    Deleting,
    /// The object is being deleted, and the shards of its node move to others first.
    Draining,
    /// Work is under way.
    InProgress,
    /// A fault of Drover itself.
    InternalError,
}

impl Reason {
    /// The word as it stands in a condition.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AsExpected => "AsExpected",
            Self::NotChecked => "NotChecked",
            Self::Waiting => "Waiting",
            Self::InvalidSpec => "InvalidSpec",
            Self::Conflict => "Conflict",
            Self::ClusterNotFound => "ClusterNotFound",
            Self::ClusterNotReady => "ClusterNotReady",
            Self::NetworkNotFound => "NetworkNotFound",
            Self::ContainerManagerNotFound => "ContainerManagerNotFound",
            Self::SecretNotFound => "SecretNotFound",
            Self::ConfigMapNotFound => "ConfigMapNotFound",
            Self::KeyNotFound => "KeyNotFound",
            Self::InvalidContent => "InvalidContent",
            Self::Forbidden => "Forbidden",
            Self::Unreachable => "Unreachable",
            Self::CertificateRefused => "CertificateRefused",
            Self::NotElasticsearch => "NotElasticsearch",
            Self::Unsupported => "Unsupported",
            Self::UnsupportedHosts => "UnsupportedHosts",
            Self::AuthenticationFailed => "AuthenticationFailed",
            Self::PrivilegeMissing => "PrivilegeMissing",
            Self::TooManyRequests => "TooManyRequests",
            Self::Unavailable => "Unavailable",
            Self::UnexpectedAnswer => "UnexpectedAnswer",
            Self::IdentityChanged => "IdentityChanged",
            Self::NotFormed => "NotFormed",
            Self::HealthGreen => "HealthGreen",
            Self::HealthYellow => "HealthYellow",
            Self::HealthRed => "HealthRed",
            Self::HealthUnknown => "HealthUnknown",
            Self::DriftFound => "DriftFound",
            Self::NotOwned => "NotOwned",
            Self::IndexMissing => "IndexMissing",
            Self::TooLarge => "TooLarge",
            Self::Rejected => "Rejected",
            Self::ImmutableChange => "ImmutableChange",
            Self::PlanOnly => "PlanOnly",
            Self::Unapproved => "Unapproved",
            Self::HostReplaced => "HostReplaced",
            Self::HostKeyUnknown => "HostKeyUnknown",
            Self::HostKeyMismatch => "HostKeyMismatch",
            Self::CommandFailed => "CommandFailed",
            Self::NodeNotReady => "NodeNotReady",
            Self::RebootRequired => "RebootRequired",
            Self::Paused => "Paused",
            Self::Blocked => "Blocked",
            Self::RolloutPaused => "RolloutPaused",
            Self::Deleting => "Deleting",
            Self::Draining => "Draining",
            Self::InProgress => "InProgress",
            Self::InternalError => "InternalError",
        }
    }
}

/// One judgement about an object, before it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Condition type, such as `Ready`.
    pub kind: &'static str,
    /// `True`, `False`, or nothing for `Unknown`.
    pub status: Option<bool>,
    /// Why.
    pub reason: Reason,
    /// What is wrong now and what a person can do. No counters and no times: a text that moves by
    /// itself would be written again for ever.
    pub message: String,
}

impl Finding {
    /// A condition that holds.
    #[must_use]
    pub fn yes(kind: &'static str, reason: Reason, message: impl Into<String>) -> Self {
        Self { kind, status: Some(true), reason, message: message.into() }
    }

    /// A condition that does not hold.
    #[must_use]
    pub fn no(kind: &'static str, reason: Reason, message: impl Into<String>) -> Self {
        Self { kind, status: Some(false), reason, message: message.into() }
    }

    /// A condition that can't be judged.
    #[must_use]
    pub fn unknown(kind: &'static str, reason: Reason, message: impl Into<String>) -> Self {
        Self { kind, status: None, reason, message: message.into() }
    }
}

/// The longest message that the API server takes in a condition, in characters
/// (`metav1.Condition`).
const MESSAGE_LIMIT: usize = 32_768;

/// The conditions for `findings`, in their order; a condition whose status stays keeps its
/// transition time, one that is not found again goes.
#[must_use]
pub fn conditions(
    before: &[Condition],
    findings: Vec<Finding>,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    findings
        .into_iter()
        .map(|finding| {
            let status = match finding.status {
                Some(true) => "True",
                Some(false) => "False",
                None => "Unknown",
            };
            let last_transition_time = before
                .iter()
                .find(|it| it.type_ == finding.kind && it.status == status)
                .map_or_else(|| Time(whole_second(now)), |it| it.last_transition_time.clone());
            Condition {
                type_: finding.kind.into(),
                status: status.into(),
                reason: finding.reason.as_str().into(),
                message: capped(&finding.message).into(),
                observed_generation: generation,
                last_transition_time,
            }
        })
        .collect()
}

fn capped(message: &str) -> &str {
    let end = message.char_indices().nth(MESSAGE_LIMIT).map_or(message.len(), |(at, _)| at);
    &message[..end]
}

/// The condition of type `kind`.
#[must_use]
pub fn find<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|it| it.type_ == kind)
}

/// What the condition of type `kind` says; nothing where it is Unknown or not there.
#[must_use]
pub fn truth(conditions: &[Condition], kind: &str) -> Option<bool> {
    match find(conditions, kind)?.status.as_str() {
        "True" => Some(true),
        "False" => Some(false),
        _ => None,
    }
}

/// Whether the condition of type `kind` is there and True.
#[must_use]
pub fn is_true(conditions: &[Condition], kind: &str) -> bool {
    truth(conditions, kind) == Some(true)
}

/// The API server keeps whole seconds: a finer time would differ from what comes back.
#[must_use]
pub fn whole_second(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn ready(status: bool) -> Vec<Finding> {
        let reason = if status { Reason::AsExpected } else { Reason::Waiting };
        vec![Finding { kind: "Ready", status: Some(status), reason, message: String::new() }]
    }

    #[test]
    fn the_transition_time_moves_only_when_the_status_flips() {
        let first = conditions(&[], ready(false), Some(1), at(10));
        let same = conditions(&first, ready(false), Some(2), at(20));
        assert_eq!(same[0].last_transition_time, first[0].last_transition_time);
        assert_eq!(same[0].observed_generation, Some(2));
        let flipped = conditions(&same, ready(true), Some(2), at(30));
        assert_eq!(flipped[0].last_transition_time.0, at(30));
    }

    #[test]
    fn a_condition_that_is_unknown_is_neither_true_nor_false() {
        let unknown = vec![Finding::unknown("Ready", Reason::NotChecked, "")];
        let of = |it| truth(&conditions(&[], it, None, at(10)), "Ready");
        assert_eq!(of(ready(true)), Some(true));
        assert_eq!(of(ready(false)), Some(false));
        assert_eq!(of(unknown), None);
        assert_eq!(of(vec![]), None);
    }

    #[test]
    fn a_condition_that_is_not_found_again_goes() {
        let first = conditions(&[], ready(true), None, at(10));
        assert!(conditions(&first, vec![], None, at(20)).is_empty());
    }
}
