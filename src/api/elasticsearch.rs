//! The Elasticsearch that shall run on the hosts of a Cluster.

use std::{borrow::Cow, collections::BTreeMap};

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{
    elasticsearch_fields::{
        ArchiveUrl, DigestUrl, HeapSize, HostPath, NodeRole, UnitName, VersionText,
    },
    fields::JsonObject,
    selector::HostSelector,
};

/// The Elasticsearch that runs on the hosts of a Cluster: one that Drover installs (`version`), or
/// one that somebody else has installed (`unit`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.version) || !has(self.unit)")
        .message("is for an Elasticsearch that somebody else installed: with `version`, Drover runs it in a unit of its own")
        .field_path(".unit"),
    validation = Rule::new("!has(self.version) || has(self.distribution)")
        .message("needs `distribution`: Drover has to know where hosts get it from")
        .field_path(".version"),
    validation = Rule::new("has(self.version) || !has(self.distribution)")
        .message("has no effect without `version`")
        .field_path(".distribution"),
    validation = Rule::new("has(self.version) || !has(self.nodeGroups)")
        .message("has no effect without `version`")
        .field_path(".nodeGroups"),
    validation = Rule::new("!has(self.nodeGroups) || self.nodeGroups.filter(it, !has(it.hostSelector)).size() <= 1")
        .message("only one group may be without `hostSelector`: it gets the hosts that no other selects")
        .field_path(".nodeGroups")
)]
pub struct ElasticsearchSpec {
    /// The systemd unit that runs Elasticsearch on each host, which somebody else installed. Drover
    /// restarts it, and installs nothing. Default without `version`: `elasticsearch.service`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<UnitName>,
    /// The version that the hosts shall run, such as `8.19.0`. Another one than what runs is an
    /// upgrade, one host after the other. Absent: Drover installs nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionText>,
    /// Where hosts get it from, and how they know that it is the right one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution: Option<Distribution>,
    /// What runs on which hosts; at most 32. Each host of the Cluster has to be in exactly one.
    /// Absent: all hosts are alike, with every role.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub node_groups: Vec<NodeGroup>,
}

impl ElasticsearchSpec {
    /// The unit that somebody else installed; nothing where Drover runs Elasticsearch itself.
    #[must_use]
    pub fn foreign_unit(&self) -> Option<Cow<'_, UnitName>> {
        match (&self.version, &self.unit) {
            (Some(_), _) => None,
            (None, Some(unit)) => Some(Cow::Borrowed(unit)),
            (None, None) => Some(Cow::Owned(UnitName::default())),
        }
    }
}

/// The archive of Elasticsearch that hosts fetch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!self.url.startsWith('http://') || has(self.sha512) || has(self.sha512Url)")
        .message("needs `sha512`, or an https `sha512Url`: what comes over http may be anybody's")
        .field_path(".url")
)]
pub struct Distribution {
    /// Where the archive (.tar.gz) is; `{version}` and `{arch}` stand for the version and for
    /// `x86_64` or `aarch64`. Elastic's own are named
    /// `elasticsearch-{version}-linux-{arch}.tar.gz`. The hosts fetch it, not Drover.
    pub url: ArchiveUrl,
    /// SHA-512 of each archive, in 128 hexadecimal digits, by the name that its URL ends with; at
    /// most 64. A host unpacks nothing else. An archive that is not listed is looked up at
    /// `sha512Url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha512: Option<ArchiveDigests>,
    /// Where the SHA-512 of the archive is, https only, with `{version}` and `{arch}` as in `url`;
    /// a file as `sha512sum` writes it. Drover itself reads it. Default: `url` and `.sha512` after
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha512_url: Option<DigestUrl>,
    /// The folder of the Java that runs it, on each host, such as `/usr/lib/jvm/java-21`. Default:
    /// the one in the archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub java_home: Option<HostPath>,
}

/// Hosts that run Elasticsearch alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeGroup {
    /// Names the group within the Cluster.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Which hosts of the Cluster, by their labels. Absent: those that no other group selects; one
    /// group at most may leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_selector: Option<HostSelector>,
    /// The roles of its nodes, by Elasticsearch's names. Empty: they coordinate only. Absent: every
    /// role, as Elasticsearch has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub roles: Option<Vec<NodeRole>>,
    /// Memory for the heap of Java, such as `4g` or `512m`. Default: half of the host's memory, that
    /// rounded up to whole 1g (below 4g to 256m), at least 512m and at most 31g.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heap: Option<HeapSize>,
    /// Settings for elasticsearch.yml, nested or dotted, without those that Drover writes itself:
    /// `cluster.*` but for `cluster.routing.allocation.disk.*`, `discovery.*`, `path.*`, `node.name`,
    /// `node.roles`, `network.publish_host` and the certificates of `xpack.security`. A change restarts the
    /// nodes in turn, unless it is about settings alone that all groups have alike and that Elasticsearch takes
    /// while it runs: these are changed there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<JsonObject>,
    /// The folder for the data, which can't be changed once it is set. Default:
    /// `/var/lib/drover-elasticsearch`.
    #[serde(default = "NodeGroup::default_data_path")]
    #[x_kube(
        validation = Rule::new("self == oldSelf")
            .message("can't be changed: the data would stay where it is. Drain the hosts, and use a group of another name")
    )]
    pub data_path: HostPath,
}

impl NodeGroup {
    /// Where data is unless a group says otherwise.
    #[must_use]
    pub fn default_data_path() -> HostPath {
        HostPath("/var/lib/drover-elasticsearch".into())
    }

    /// All hosts, with every role: what a Cluster without groups has.
    #[must_use]
    pub fn of_all() -> Self {
        Self {
            name: "default".into(),
            host_selector: None,
            roles: None,
            heap: None,
            config: None,
            data_path: Self::default_data_path(),
        }
    }
}

/// Digests of archives by file name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ArchiveDigests(pub BTreeMap<String, String>);

impl JsonSchema for ArchiveDigests {
    fn schema_name() -> Cow<'static, str> {
        "ArchiveDigests".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "maxProperties": 64,
            "additionalProperties": {
                "type": "string",
                "minLength": 128,
                "maxLength": 128,
                "pattern": "^[0-9A-Fa-f]{128}$"
            },
            "x-kubernetes-validations": [{
                "rule": "self.all(name, size(name) <= 255 && name.matches('^[A-Za-z0-9][A-Za-z0-9._+-]*$'))",
                "message": "must have names of files alone, such as 'elasticsearch-8.19.0-linux-x86_64.tar.gz'"
            }]
        })
    }
}
