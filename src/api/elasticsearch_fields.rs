//! Types of the fields that say which Elasticsearch runs on hosts, each with the rules that the API
//! server checks at admission. What ends up in a command or a file on a machine is held to the
//! characters it needs.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A text with one rule about what is in it.
macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $min:literal..=$max:literal, $rule:literal, $message:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "minLength": $min,
                    "maxLength": $max,
                    "x-kubernetes-validations": [{ "rule": $rule, "message": $message }]
                })
            }
        }
    };
}

text!(
    /// The name of a systemd service.
    UnitName,
    9..=255,
    "self.matches('^[A-Za-z0-9_][A-Za-z0-9:_.@-]*[.]service$')",
    "must be the name of a systemd service, such as 'elasticsearch.service'"
);

impl Default for UnitName {
    fn default() -> Self {
        Self("elasticsearch.service".into())
    }
}

text!(
    /// A released version of Elasticsearch that Drover knows how to run.
    VersionText,
    5..=16,
    "self.matches('^(7[.]17|[89][.](0|[1-9][0-9]{0,2}))[.](0|[1-9][0-9]{0,2})$')",
    "must be a release from 7.17 to 9.x with all three numbers, such as '8.19.0'"
);

text!(
    /// Where archives are, with `{version}` and `{arch}`.
    ArchiveUrl,
    1..=1024,
    r"self.matches(r'^https?://[A-Za-z0-9._\[\]:-]+/([A-Za-z0-9._~/+=,%-]|[{](version|arch)[}])*[.]tar[.]gz$')",
    "must be an http or https URL of a .tar.gz, such as 'https://mirror.example/elasticsearch-{version}-linux-{arch}.tar.gz', with no user-info, query or fragment"
);

text!(
    /// Where digests are, with `{version}` and `{arch}`.
    DigestUrl,
    1..=1024,
    r"self.matches(r'^https://[A-Za-z0-9._\[\]:-]+/([A-Za-z0-9._~/+=,%-]|[{](version|arch)[}])+$')",
    "must be an https URL, such as 'https://mirror.example/elasticsearch-{version}-linux-{arch}.tar.gz.sha512', with no user-info, query or fragment"
);

text!(
    /// The path of a folder on a host, in its plainest spelling.
    HostPath,
    2..=255,
    "self.matches('^(/[A-Za-z0-9_][A-Za-z0-9._+@-]*)+$')",
    "must be an absolute path with letters, digits and '._+@-' alone, no part of which begins with a dot"
);

text!(
    /// How much memory the heap has.
    HeapSize,
    2..=8,
    "self.matches('^[1-9][0-9]{0,5}[mMgG]$')",
    "must be a number of megabytes or gigabytes, such as '512m' or '4g'"
);

impl HeapSize {
    /// The size in megabytes; nothing where the text is none.
    #[must_use]
    pub fn megabytes(&self) -> Option<u64> {
        let (number, unit) = self.0.split_at_checked(self.0.len().checked_sub(1)?)?;
        let number: u64 = number.parse().ok()?;
        match unit {
            "m" | "M" => Some(number),
            "g" | "G" => number.checked_mul(1024),
            _ => None,
        }
    }
}

/// A role of a node, as Elasticsearch names it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum NodeRole {
    /// May be elected master.
    Master,
    /// Holds data of every tier.
    Data,
    /// Holds what is in no tier.
    DataContent,
    /// Holds what is written and read most.
    DataHot,
    /// Holds what is read less.
    DataWarm,
    /// Holds what is read rarely.
    DataCold,
    /// Holds what lies in snapshots.
    DataFrozen,
    /// Runs ingest pipelines.
    Ingest,
    /// Runs machine learning.
    Ml,
    /// Talks to other clusters.
    RemoteClusterClient,
    /// Runs transforms.
    Transform,
    /// Votes in elections, with `master`, and is never elected.
    VotingOnly,
}

impl NodeRole {
    /// Elasticsearch's name for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Data => "data",
            Self::DataContent => "data_content",
            Self::DataHot => "data_hot",
            Self::DataWarm => "data_warm",
            Self::DataCold => "data_cold",
            Self::DataFrozen => "data_frozen",
            Self::Ingest => "ingest",
            Self::Ml => "ml",
            Self::RemoteClusterClient => "remote_cluster_client",
            Self::Transform => "transform",
            Self::VotingOnly => "voting_only",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_heap_is_read_in_both_units() {
        let megabytes = |text: &str| HeapSize(text.into()).megabytes();
        assert_eq!(megabytes("512m"), Some(512));
        assert_eq!(megabytes("4G"), Some(4096));
        for text in ["", "m", "4", "4k", "é"] {
            assert_eq!(megabytes(text), None, "{text}");
        }
    }

    #[test]
    fn roles_have_the_names_that_elasticsearch_gives_them() {
        for role in [NodeRole::Master, NodeRole::DataFrozen, NodeRole::RemoteClusterClient] {
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
    }
}
