//! The `ContainerManager` kind: where the hosts of a cluster are registered as nodes.

use std::borrow::Cow;

use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{
    condition::Condition,
    line::Line,
    reference::{CertificatesReference, KubeconfigReference, SecretReference, TokenReference},
};

/// Condition types of a `ContainerManager`.
pub mod conditions {
    /// Hosts can be registered.
    pub const READY: &str = "Ready";
    /// The spec can be worked with.
    pub const ACCEPTED: &str = "Accepted";
    /// Every Secret and `ConfigMap` that the spec names was found and can be used.
    pub const RESOLVED_REFS: &str = "ResolvedRefs";
    /// The API server answers over a verified connection.
    pub const REACHABLE: &str = "Reachable";
    /// The API server takes the credentials.
    pub const AUTHENTICATED: &str = "Authenticated";
    /// The credentials carry every permission that is needed; the message names those that lack.
    pub const PERMITTED: &str = "Permitted";
    /// Work is under way; present only while True.
    pub const RECONCILING: &str = "Reconciling";
    /// A person must act; present only while True.
    pub const STALLED: &str = "Stalled";
}

/// Where the hosts of a cluster are registered as nodes.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "drover.dev",
    version = "v1alpha1",
    kind = "ContainerManager",
    plural = "containermanagers",
    shortname = "dcm",
    category = "drover",
    namespaced,
    status = "ContainerManagerStatus",
    derive = "PartialEq",
    doc = "Where the hosts of a cluster are registered as nodes. A Cluster names it in `containerManagerRef`. Only nodes that Drover made or adopted are ever touched.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version"),
    printcolumn(name = "Nodes", type_ = "integer", json_path = ".status.nodes.registered"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Why",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason",
        priority = 1
    ),
    validation = Rule::new("self.spec.type == 'Trivial' || (has(self.spec.options) && has(self.spec.options.server))")
        .message("must be set for types 'Kubernetes' and 'OpenShift'")
        .field_path(".spec.options.server"),
    validation = Rule::new("self.spec.type != 'Trivial' || !has(self.spec.options)")
        .message("may not be set for type 'Trivial', which asks no server: neither `server` nor `ca` nor `auth`")
        .field_path(".spec.options")
)]
#[serde(rename_all = "camelCase")]
pub struct ContainerManagerSpec {
    /// What the hosts are registered in. Can't be changed.
    #[serde(rename = "type")]
    #[x_kube(
        validation = Rule::new("self == oldSelf")
            .message("the type of a container manager can't be changed: make another ContainerManager")
    )]
    pub kind: ContainerManagerType,
    /// How the API server is reached. Required for Kubernetes and `OpenShift`; may not be set for
    /// Trivial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<ContainerManagerOptions>,
}

/// What the hosts are registered in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ContainerManagerType {
    /// The Nodes of a Kubernetes API server.
    Kubernetes,
    /// The Nodes of an `OpenShift` API server.
    OpenShift,
    /// Status alone: no server is asked.
    Trivial,
}

/// How the API server of a `ContainerManager` is reached. TLS verification can't be switched off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerManagerOptions {
    /// Address of the API server, such as `https://192.0.2.1:6443`. Required for Kubernetes and
    /// `OpenShift`. The nodes of hosts are found again at a new address of the same API server; at
    /// another one they are made anew, and an event on each host names the address where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerUrl>,
    /// The authorities that the API server's certificate must chain to. Absent: those of
    /// `auth.kubeconfig`, else those that the system of the operator trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<CertificatesReference>,
    /// The credentials that Drover sends. Absent: none, the API server sees an anonymous caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<ContainerManagerAuth>,
}

/// The credentials that Drover sends to a `ContainerManager`; exactly one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.token), has(self.clientCertificate), has(self.kubeconfig)].filter(it, it).size() == 1")
        .message("exactly one of `token`, `clientCertificate`, `kubeconfig` must be set")
)]
pub struct ContainerManagerAuth {
    /// A bearer token, such as one of a service account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenReference>,
    /// A client certificate, from the keys `tls.crt` and `tls.key` of a Secret (type
    /// kubernetes.io/tls).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<SecretReference>,
    /// A kubeconfig, of which the user of the current context is taken: token, or certificate and
    /// key. It must hold them itself: no file that it names is read, and no command is run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<KubeconfigReference>,
}

/// The https address of an API server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerUrl(pub String);

impl JsonSchema for ServerUrl {
    fn schema_name() -> Cow<'static, str> {
        "ServerUrl".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "maxLength": 1024,
            "x-kubernetes-validations": [
                {
                    "rule": "isURL(self) && url(self).getScheme() == 'https' && url(self).getHostname() != ''",
                    "message": "must be an https URL with a host, such as 'https://192.0.2.1:6443'"
                },
                {
                    "rule": "!self.contains('@')",
                    "message": "may not carry user-info: name a Secret in `auth` instead"
                },
                {
                    "rule": "!self.contains('?') && !self.contains('#')",
                    "message": "may not carry a query or a fragment"
                }
            ]
        })
    }
}

/// What Drover last saw of the `ContainerManager`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerManagerStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready sums up the others; each other type tells one thing, with a reason and a way out.
    #[serde(default)]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Version that the API server tells, such as `v1.35.4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Line<64>>,
    /// How many hosts are nodes here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<NodeCounts>,
}

/// How many hosts are nodes of a `ContainerManager`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeCounts {
    /// Hosts that are registered as nodes.
    pub registered: u32,
    /// Those of them whose node is Ready.
    pub ready: u32,
}
