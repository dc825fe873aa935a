//! The Network kind: how the hosts of a cluster reach each other.

use std::borrow::Cow;

use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{
    condition::Condition,
    fields::Endpoint,
    line::Line,
    reference::{CertificatesReference, SecretReference},
};

/// Condition types of a Network.
pub mod conditions {
    /// All below is True: the hosts reach each other, or flannel's configuration stands in etcd and
    /// no host is without a way to flanneld. Whether it runs on a host, that Host tells.
    pub const READY: &str = "Ready";
    /// The spec can be worked with, on all hosts that use it.
    pub const ACCEPTED: &str = "Accepted";
    /// Every Secret and `ConfigMap` that the spec names was found and can be used.
    pub const RESOLVED_REFS: &str = "ResolvedRefs";
    /// `HostNetwork`: the hosts of each Cluster that uses it reach each other. `FlannelEtcd`: etcd
    /// answers over a verified connection.
    pub const REACHABLE: &str = "Reachable";
    /// The configuration stands where flannel reads it; of other types there is none.
    pub const CONFIGURED: &str = "Configured";
    /// Work is under way; present only while True.
    pub const RECONCILING: &str = "Reconciling";
    /// A person must act; present only while True.
    pub const STALLED: &str = "Stalled";
}

/// Where flannel looks for its configuration unless told otherwise.
pub const DEFAULT_PREFIX: &str = "/coreos.com/network";

/// Where Elasticsearch listens unless told otherwise: for clients, and for other nodes.
pub const DEFAULT_PORTS: [u16; 2] = [9200, 9300];

/// How the hosts of a cluster reach each other.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "drover.dev",
    version = "v1alpha1",
    kind = "Network",
    plural = "networks",
    shortname = "dne",
    category = "drover",
    namespaced,
    status = "NetworkStatus",
    derive = "PartialEq",
    doc = "How the hosts of a cluster reach each other. A Cluster names it in `networkRef`.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type"),
    printcolumn(name = "Hosts", type_ = "integer", json_path = ".status.hosts"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Why",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason",
        priority = 1
    ),
    validation = Rule::new("self.spec.type == 'FlannelEtcd' ? has(self.spec.options) && has(self.spec.options.endpoints) : !has(self.spec.options) || !has(self.spec.options.endpoints)")
        .message("must be set for type 'FlannelEtcd', and may not be set for another type")
        .field_path(".spec.options.endpoints"),
    validation = Rule::new("self.spec.type == 'FlannelEtcd' ? has(self.spec.options) && has(self.spec.options.config) : !has(self.spec.options) || !has(self.spec.options.config)")
        .message("must be set for type 'FlannelEtcd', and may not be set for another type")
        .field_path(".spec.options.config"),
    validation = Rule::new("self.spec.type == 'FlannelEtcd' || !has(self.spec.options) || !has(self.spec.options.prefix)")
        .message("may not be set for another type than 'FlannelEtcd'")
        .field_path(".spec.options.prefix"),
    validation = Rule::new("self.spec.type == 'FlannelEtcd' || !has(self.spec.options) || !has(self.spec.options.tls)")
        .message("may not be set for another type than 'FlannelEtcd'")
        .field_path(".spec.options.tls"),
    validation = Rule::new("self.spec.type == 'FlannelServer' ? has(self.spec.options) && has(self.spec.options.address) : !has(self.spec.options) || !has(self.spec.options.address)")
        .message("must be set for type 'FlannelServer', and may not be set for another type")
        .field_path(".spec.options.address"),
    validation = Rule::new("self.spec.type == 'HostNetwork' || !has(self.spec.options) || !has(self.spec.options.ports)")
        .message("may not be set for another type than 'HostNetwork'")
        .field_path(".spec.options.ports"),
    validation = Rule::new("(has(self.spec.options) && has(self.spec.options.prefix) ? self.spec.options.prefix : '/coreos.com/network') == (has(oldSelf.spec.options) && has(oldSelf.spec.options.prefix) ? oldSelf.spec.options.prefix : '/coreos.com/network')")
        .message("can't be changed, the leases under the old one would be lost sight of: make another Network")
        .field_path(".spec.options.prefix")
)]
#[serde(rename_all = "camelCase")]
pub struct NetworkSpec {
    /// How the hosts reach each other. Can't be changed.
    #[serde(rename = "type")]
    #[x_kube(
        validation = Rule::new("self == oldSelf")
            .message("the type of a network can't be changed: make another Network")
    )]
    pub kind: NetworkType,
    /// What this type of network needs; the fields of another type may not be set. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<NetworkOptions>,
}

/// How the hosts reach each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum NetworkType {
    /// By their own addresses. Nothing is installed; Drover checks that they do.
    HostNetwork,
    /// By flannel, with its configuration and leases in etcd. Drover keeps the configuration there
    /// and shows the leases. Where a host's distribution has flannel as a package (Fedora, SUSE),
    /// Drover installs it and runs flanneld; on other hosts it is for others to install.
    FlannelEtcd,
    /// By a flannel server: stored for those who migrate and not worked with, since flannel dropped
    /// that mode.
    FlannelServer,
}

/// What a network needs, by its type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkOptions {
    /// `HostNetwork`: the ports at which every host of a Cluster must reach every other one, from 1
    /// to 65535; at most 16. A port that is closed is reached: the host answers, and Elasticsearch
    /// need not run. A firewall that drops packets, or that answers otherwise than a closed port
    /// does, is found. Default: 9200 and 9300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), inner(range(min = 1, max = 65535)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub ports: Option<Vec<u16>>,
    /// `FlannelEtcd`: addresses of etcd, tried in turn, such as `https://etcd.example:2379`; at
    /// most 32. Required for that type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub endpoints: Option<Vec<Endpoint>>,
    /// `FlannelEtcd`: the key under which flannel keeps its configuration and leases. Can't be
    /// changed. Default: `/coreos.com/network`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 253), regex(pattern = r"^(/[A-Za-z0-9_][A-Za-z0-9._-]*)+$"))]
    pub prefix: Option<String>,
    /// `FlannelEtcd`: how etcd's certificate is verified, and which one is shown to it, by Drover
    /// and by flanneld on the hosts, to which they are copied. Absent: by the authorities that the
    /// system trusts, and none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<EtcdTls>,
    /// `FlannelEtcd`: the network that flannel makes. Required for that type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<FlannelConfig>,
    /// `FlannelServer`: host and port of the server, such as `192.0.2.1:8472`. Required for that
    /// type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<HostPort>,
}

impl NetworkSpec {
    /// `HostNetwork`: the ports at which hosts must reach each other, in order.
    #[must_use]
    pub fn ports(&self) -> Vec<u16> {
        let given = self.options.as_ref().and_then(|it| it.ports.clone());
        let mut ports = given.unwrap_or_else(|| DEFAULT_PORTS.into());
        ports.sort_unstable();
        ports
    }

    /// The key under which flannel keeps its configuration and leases.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.options.as_ref().map_or(DEFAULT_PREFIX, NetworkOptions::prefix)
    }
}

impl NetworkOptions {
    /// The key under which flannel keeps its configuration and leases.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.prefix.as_deref().unwrap_or(DEFAULT_PREFIX)
    }
}

/// How etcd's certificate is verified, and which one is shown to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EtcdTls {
    /// The authorities that etcd's certificate must chain to. They replace the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<CertificatesReference>,
    /// The certificate that etcd is shown, from the keys `tls.crt` and `tls.key` of a Secret (type
    /// kubernetes.io/tls). Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<SecretReference>,
}

/// The network that flannel makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    // flannel keeps the first subnet free, so that half a network would serve one host.
    validation = Rule::new("!has(self.subnetLen) || !isCIDR(self.network) || self.subnetLen >= cidr(self.network).prefixLength() + 2")
        .message("must be at least 2 more than the prefix length of `network`, so that four subnets fit in")
        .field_path(".subnetLen")
)]
pub struct FlannelConfig {
    /// The IPv4 range that the hosts get their subnets from, such as `10.5.0.0/16`; /28 or larger.
    /// It can't be moved while a host holds a lease.
    pub network: Ipv4Range,
    /// Prefix length of each host's subnet, up to 30. Default: 24, or 2 more than that of `network`
    /// where that is more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 30))]
    pub subnet_len: Option<u8>,
    /// How packets get from host to host. flannel has a default that its documentation does not
    /// name, so that this must be said.
    pub backend: FlannelBackend,
}

/// How flannel gets packets from host to host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.type == 'Vxlan' || !has(self.vni)")
        .message("may not be set for another type than 'Vxlan'")
        .field_path(".vni"),
    validation = Rule::new("self.type == 'Vxlan' || !has(self.directRouting)")
        .message("may not be set for another type than 'Vxlan'")
        .field_path(".directRouting"),
    validation = Rule::new("self.type != 'HostGw' || !has(self.port)")
        .message("may not be set for type 'HostGw', which has no port")
        .field_path(".port")
)]
pub struct FlannelBackend {
    /// The kind of backend.
    #[serde(rename = "type")]
    pub kind: BackendType,
    /// Vxlan: the network identifier, from 1 to 16777215. Absent: as it stands in etcd, or else
    /// flannel's default, 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16_777_215))]
    pub vni: Option<u32>,
    /// Vxlan, `WireGuard`, Udp: the UDP port, from 1 to 65535. Absent: as it stands in etcd, or else
    /// flannel's default for that backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// Vxlan: whether hosts in one subnet are routed to directly. Absent: as it stands in etcd, or
    /// else flannel's default, false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct_routing: Option<bool>,
}

/// The kinds of backend that flannel has for any machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum BackendType {
    /// `vxlan`: the kernel wraps packets. Recommended.
    Vxlan,
    /// `host-gw`: routes alone; all hosts must be in one layer 2 network.
    HostGw,
    /// `wireguard`: the kernel wraps and encrypts packets.
    WireGuard,
    /// `udp`: flannel itself wraps packets; slow.
    Udp,
}

/// An IPv4 range in CIDR notation, with room for flannel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipv4Range(pub String);

impl JsonSchema for Ipv4Range {
    fn schema_name() -> Cow<'static, str> {
        "Ipv4Range".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "maxLength": 18,
            "x-kubernetes-validations": [
                {
                    "rule": "isCIDR(self) && cidr(self).ip().family() == 4",
                    "message": "must be an IPv4 range in CIDR notation, such as '10.5.0.0/16'"
                },
                {
                    "rule": "!isCIDR(self) || cidr(self) == cidr(self).masked()",
                    "message": "must begin at its first address: no bit may be set after the prefix"
                },
                {
                    "rule": "!isCIDR(self) || cidr(self).prefixLength() <= 28",
                    "message": "must be /28 or larger: flannel needs room for four subnets of four addresses"
                }
            ]
        })
    }
}

/// A host name or IP address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPort(pub String);

impl JsonSchema for HostPort {
    fn schema_name() -> Cow<'static, str> {
        "HostPort".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "maxLength": 261,
            "x-kubernetes-validations": [{
                "rule": r"self.matches(r'^([A-Za-z0-9_][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\]):[1-9][0-9]{0,4}$') && int(self.split(':')[self.split(':').size() - 1]) <= 65535",
                "message": "must be a host and a port from 1 to 65535, such as '192.0.2.1:8472' or '[2001:db8::1]:8472'"
            }]
        })
    }
}

/// What Drover last saw of the Network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready sums up the others; each other type tells one thing, with a reason and a way out.
    #[serde(default)]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// How many hosts use the network: those that are members of a Cluster that names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosts: Option<u32>,
    /// `FlannelEtcd`: the etcd behind the endpoints, as `etcdctl member list -w json` names the
    /// cluster, in hexadecimal. Two Networks keep nothing under one prefix of one etcd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etcd_cluster_id: Option<Line<16>>,
    /// `FlannelEtcd`: tells the endpoints, certificates and prefix with which the configuration was
    /// last found, or put, in etcd. Hosts are given no others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings_revision: Option<Line<32>>,
    /// `FlannelEtcd`: which subnet each host holds, by subnet, as etcd last told; at most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub leases: Vec<Lease>,
    /// How many leases more there are than `leases` lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leases_omitted: Option<u32>,
    /// `HostNetwork`: pairs of hosts of which one gets no answer from the other, by name; at most 50.
    /// A closed port is an answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub unreachable: Vec<UnreachablePair>,
    /// How many pairs more there are than `unreachable` lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreachable_omitted: Option<u32>,
}

/// A subnet that a host holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// The subnet, such as `10.5.34.0/24`.
    pub subnet: Line<64>,
    /// The address that the holder published.
    pub address: Line<64>,
    /// Name of the Host with that address; absent where no Host that uses the network has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub host: Option<String>,
}

/// Two hosts of which one can't connect to the other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnreachablePair {
    /// Name of the Host that tried.
    #[schemars(length(max = 253))]
    pub from: String,
    /// Name of the Host that did not answer.
    #[schemars(length(max = 253))]
    pub to: String,
    /// The port that was tried.
    pub port: u16,
}
