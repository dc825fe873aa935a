//! The Host kind: one Linux machine, reached over SSH.

use kube::{CustomResource, KubeSchema, ResourceExt as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    host_fields::{Address, KeyFingerprint, PublicKeyLine, Sysctls, UserName},
    host_status::HostStatus,
    index::DriftPolicy,
    reference::{ObjectReference, SecretReference},
};

/// Condition types of a Host.
pub mod conditions {
    /// The machine is as declared, and in service unless the spec takes it out.
    pub const READY: &str = "Ready";
    /// The spec can be worked with, the machine is approved and still the same, and no older object
    /// stands for it.
    pub const ACCEPTED: &str = "Accepted";
    /// Every Secret and every object of Drover that the spec names was found and can be used.
    pub const RESOLVED_REFS: &str = "ResolvedRefs";
    /// A session is up and commands are answered.
    pub const REACHABLE: &str = "Reachable";
    /// The machine, and each jump host, showed a key that the spec vouches for.
    pub const HOST_KEY_VERIFIED: &str = "HostKeyVerified";
    /// What `status.facts` tells was read, and the system is one that Drover knows.
    pub const INSPECTED: &str = "Inspected";
    /// What the spec, its Cluster and its Network ask of the machine is so.
    pub const PREPARED: &str = "Prepared";
    /// The Elasticsearch that its Cluster declares is on the machine and runs; absent where the Cluster
    /// declares none.
    pub const ELASTICSEARCH_INSTALLED: &str = "ElasticsearchInstalled";
    /// The machine is a Node of the Cluster's `ContainerManager`.
    pub const REGISTERED: &str = "Registered";
    /// The machine serves: where it is a Node, the Node is Ready.
    pub const HEALTHY: &str = "Healthy";
    /// The system wants a reboot.
    pub const REBOOT_REQUIRED: &str = "RebootRequired";
    /// The machine differs from the spec, by a change that Drover did not make.
    pub const DRIFTED: &str = "Drifted";
    /// Work is under way; present only while True.
    pub const RECONCILING: &str = "Reconciling";
    /// A person must act; present only while True.
    pub const STALLED: &str = "Stalled";
}

/// What the machine shall be, and how it is reached.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "drover.dev",
    version = "v1alpha1",
    kind = "Host",
    plural = "hosts",
    shortname = "dho",
    category = "drover",
    namespaced,
    status = "HostStatus",
    derive = "PartialEq",
    doc = "One Linux machine, reached over SSH. Deleting this object leaves the machine as it is unless `deletionPolicy` says otherwise.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Address", type_ = "string", json_path = ".spec.address"),
    printcolumn(name = "OS", type_ = "string", json_path = ".status.facts.os.id"),
    printcolumn(name = "Cluster", type_ = "string", json_path = ".spec.clusterRef.name"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "OS Version",
        type_ = "string",
        json_path = ".status.facts.os.version",
        priority = 1
    ),
    printcolumn(
        name = "Kernel",
        type_ = "string",
        json_path = ".status.facts.kernel",
        priority = 1
    ),
    printcolumn(
        name = "Why",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
pub struct HostSpec {
    /// Host name or IP address at which sshd answers. May change: the machine is known by its
    /// machine-id.
    pub address: Address,
    /// Port of sshd, from 1 to 65535. Default: 22.
    #[serde(default = "default_port")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
    /// The user to log in as. Default: root.
    #[serde(default = "UserName::root")]
    pub user: UserName,
    /// The address that other members of the cluster reach the machine at, where it is not
    /// `address`. Default: `address`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_address: Option<Address>,
    /// The key to log in with: a Secret of type kubernetes.io/ssh-auth with the key
    /// `ssh-privatekey`, and where needed `passphrase` and `ssh-user-certificate`.
    pub credentials: SecretReference,
    /// How the machine's own key is verified, which can't be switched off. Default: Strict with no
    /// known key: nothing is sent, and `HostKeyVerified` shows the fingerprint to compare and pin.
    #[serde(default)]
    pub host_key: HostKey,
    /// Machines to pass on the way, the first one first; at most 8. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub jump_hosts: Vec<JumpHost>,
    /// The Cluster that the machine is a member of. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_ref: Option<ObjectReference>,
    /// Name of the machine's Node in the Cluster's `ContainerManager`. Default: the name of this
    /// object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub node_name: Option<String>,
    /// Whether a person must approve the machine, by the label `drover.dev/approved=true`, before
    /// anything is done to it. Default: `NotRequired`.
    #[serde(default)]
    pub approval: Approval,
    /// How commands get the rights of root. Default: None, the user has them.
    #[serde(default)]
    pub sudo: Sudo,
    /// Takes the machine out of service: its Node is cordoned and drained, and comes back when this
    /// is unset. Until then no run over the hosts takes it down; Elasticsearch on it goes on.
    /// Default: false.
    #[serde(default)]
    pub maintenance: bool,
    /// Stops all changes to the machine; it is still looked at. Default: false.
    #[serde(default)]
    pub paused: bool,
    /// Whether a change that somebody else made is put back, or only reported in `status.drift`.
    /// Default: Enforce.
    #[serde(default)]
    pub drift_policy: DriftPolicy,
    /// Kernel parameters by their dotted name, with the value as text, such as
    /// `vm.swappiness: "1"`; at most 64. Kept over reboots. Default: none.
    #[serde(default, skip_serializing_if = "Sysctls::is_empty")]
    pub sysctls: Sysctls,
    /// What deleting this object does to the machine. Default: Retain.
    #[serde(default)]
    pub deletion_policy: HostDeletionPolicy,
}

impl Host {
    /// Whether nothing may be done on the machine before a person approves it.
    #[must_use]
    pub fn awaits_approval(&self) -> bool {
        self.spec.approval == Approval::Required && !self.is_approved()
    }

    /// Whether a person has approved the machine.
    #[must_use]
    pub fn is_approved(&self) -> bool {
        let labels = self.metadata.labels.as_ref();
        labels.and_then(|it| it.get(super::APPROVED)).is_some_and(|it| it == "true")
    }

    /// The name of the machine's Node in a `ContainerManager`.
    #[must_use]
    pub fn node_name(&self) -> String {
        self.spec.node_name.clone().unwrap_or_else(|| self.name_any())
    }
}

impl HostSpec {
    /// The address that other members of the cluster reach the machine at.
    #[must_use]
    pub fn node_address(&self) -> &Address {
        self.node_address.as_ref().unwrap_or(&self.address)
    }
}

fn default_port() -> u16 {
    22
}

/// How the key that a machine shows is verified, before anything is sent to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.policy != 'TrustOnFirstUse' || ((!has(self.fingerprints) || size(self.fingerprints) == 0) && (!has(self.certificateAuthorities) || size(self.certificateAuthorities) == 0))")
        .message("may not be 'TrustOnFirstUse' beside `fingerprints` or `certificateAuthorities`: where a key is known, none is trusted at first sight")
        .field_path(".policy"),
    validation = Rule::new("!has(self.principals) || size(self.principals) == 0 || (has(self.certificateAuthorities) && size(self.certificateAuthorities) > 0)")
        .message("may not be specified when `certificateAuthorities` is empty: only a certificate carries principals")
        .field_path(".principals")
)]
pub struct HostKey {
    /// Fingerprints of keys that the machine may show, as `ssh-keygen -lf` prints them; at most 16,
    /// so that a new key can be announced before it is used. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub fingerprints: Vec<KeyFingerprint>,
    /// Public keys of the authorities whose host certificates are taken, one line of OpenSSH each,
    /// such as `ssh-ed25519 AAAA... comment`; at most 8. With them a machine may show such a
    /// certificate, or a key of `fingerprints`. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub certificate_authorities: Vec<PublicKeyLine>,
    /// Names of which a host certificate must carry one; at most 16. Default: `address`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub principals: Vec<Address>,
    /// What to do with a key that is not known yet. Default: Strict.
    #[serde(default)]
    pub policy: HostKeyPolicy,
}

/// What to do with a key that is not known yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HostKeyPolicy {
    /// Refuse it.
    #[default]
    Strict,
    /// Take the first one that the machine shows, and from then on no other.
    TrustOnFirstUse,
}

/// A machine to pass on the way to another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct JumpHost {
    /// Host name or IP address at which sshd answers, as seen from the machine before it.
    pub address: Address,
    /// Port of sshd, from 1 to 65535. Default: 22.
    #[serde(default = "default_port")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
    /// The user to log in as. Default: root.
    #[serde(default = "UserName::root")]
    pub user: UserName,
    /// The key to log in with: a Secret of type kubernetes.io/ssh-auth with the key
    /// `ssh-privatekey`, and where needed `passphrase` and `ssh-user-certificate`.
    pub credentials: SecretReference,
    /// How the machine's own key is verified, which can't be switched off. Default: Strict with no
    /// known key.
    #[serde(default)]
    pub host_key: HostKey,
}

/// Whether a person must approve the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Approval {
    /// Whoever may create the object may have the machine managed.
    #[default]
    NotRequired,
    /// Nothing is done until the label `drover.dev/approved=true` is set.
    Required,
}

/// How commands get the rights of root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Sudo {
    /// They run as the user that logs in.
    #[default]
    None,
    /// They run under `sudo -n`, which asks for no password.
    Passwordless,
}

/// What deleting the object does to the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HostDeletionPolicy {
    /// The machine stays as it is.
    #[default]
    Retain,
    /// What Drover wrote on the machine is undone; data directories and packages stay. A machine that
    /// can't be told to, or does not do it for some tries, is left as it is, and an event says so;
    /// the same where `paused` is set.
    Reset,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn host(mut spec: Value) -> Host {
        spec["credentials"] = json!({ "secretName": "ssh-key" });
        spec["address"] = json!("es-1.example");
        serde_json::from_value(json!({ "metadata": { "name": "es-1" }, "spec": spec })).unwrap()
    }

    #[test]
    fn a_host_that_says_little_is_strict_and_touches_little() {
        let spec = host(json!({})).spec;
        assert_eq!((spec.port, spec.user), (22, UserName("root".into())));
        assert_eq!(spec.host_key.policy, HostKeyPolicy::Strict);
        assert_eq!((spec.sudo, spec.approval), (Sudo::None, Approval::NotRequired));
        assert_eq!(spec.deletion_policy, HostDeletionPolicy::Retain);
        assert!(!spec.maintenance && !spec.paused && spec.sysctls.is_empty());
    }

    #[test]
    fn other_members_and_the_container_manager_know_a_host_by_its_own_names_unless_told_otherwise()
    {
        let plain = host(json!({}));
        assert_eq!(plain.spec.node_address().0, "es-1.example");
        assert_eq!(plain.node_name(), "es-1");
        let told = host(json!({ "nodeAddress": "10.0.0.1", "nodeName": "node-1" }));
        assert_eq!(told.spec.node_address().0, "10.0.0.1");
        assert_eq!(told.node_name(), "node-1");
    }
}
