//! Which host a Node stands for, as labels of Drover on the Node say: after a restart they are all
//! that is known.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Node;

use super::error::{Error, NotOwned};
use crate::foreign::capped;

/// The uid of the Host object that a Node stands for.
pub const UID_LABEL: &str = "drover.dev/host-uid";
/// The namespace of that Host.
pub const NAMESPACE_LABEL: &str = "drover.dev/host-namespace";
/// The name of that Host, where it is short enough for a label.
pub const NAME_LABEL: &str = "drover.dev/host-name";
/// Says whether Drover made the Node or adopted it. A Node where it is missing, or that a kubelet
/// keeps by now, counts as adopted, which is never deleted.
pub const ORIGIN_ANNOTATION: &str = "drover.dev/node-origin";

/// The longest value of a label.
const LABEL: usize = 63;
/// The longest name of a Node.
const NAME: usize = 253;

/// A host, as the Node's labels are to name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    node: String,
    host: Host,
}

/// A Host object, and the machine behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its uid.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The content of the machine's `/etc/machine-id`, where it is known.
    pub machine_id: Option<String>,
}

/// How a Node became a host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Drover made it, and deletes it with the host.
    Made,
    /// A kubelet registered it, or joined it since: it is never deleted.
    Adopted,
}

/// Whose a Node is, as a host sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ownership {
    /// The host's, by its label.
    Ours(Origin),
    /// The host's by its label, but the kubelet of another machine keeps it by now.
    Usurped(NotOwned),
    /// Nobody's whom Drover knows; a kubelet of the host's machine keeps it.
    Adoptable,
    /// Not the host's.
    Foreign(NotOwned),
}

impl Member {
    /// The host that is to be, or is, registered as `node`.
    ///
    /// # Errors
    /// [`Error::Name`] where no Node can have that name.
    pub fn new(node: &str, host: Host) -> Result<Self, Error> {
        let plain = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || ".-".contains(it);
        let ends = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit();
        let is_name = node.len() <= NAME
            && node.starts_with(ends)
            && node.ends_with(ends)
            && node.chars().all(plain)
            && !node.contains("..");
        if !is_name {
            return Err(Error::Name { name: capped(node) });
        }
        Ok(Self { node: node.to_owned(), host })
    }

    /// The name of its Node.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    pub(super) fn labels(&self) -> BTreeMap<&'static str, &str> {
        let mut labels = BTreeMap::from([
            (UID_LABEL, &*self.host.uid),
            (NAMESPACE_LABEL, &*self.host.namespace),
        ]);
        // A cut name would be another one's.
        if self.host.name.len() <= LABEL {
            labels.insert(NAME_LABEL, &self.host.name);
        }
        labels
    }

    /// Whose `node` is.
    pub(super) fn ownership(&self, node: &Node) -> Ownership {
        let label = node.metadata.labels.as_ref().and_then(|it| it.get(UID_LABEL));
        let machine = machine_id(node);
        let is_ours = machine.is_some() && machine == self.machine_id();
        match label {
            Some(uid) if *uid != self.host.uid => {
                Ownership::Foreign(NotOwned::OtherHost { uid: capped(uid) })
            }
            Some(_) => match machine {
                Some(found) if !is_ours => Ownership::Usurped(self.other_machine(found)),
                _ => Ownership::Ours(origin(node)),
            },
            None if is_ours => Ownership::Adoptable,
            None => Ownership::Foreign(match machine {
                Some(found) => self.other_machine(found),
                None => NotOwned::NoMachine,
            }),
        }
    }

    /// That the Node is the host's by its label, and of its machine as far as that is told.
    ///
    /// # Errors
    /// [`Error::NotOwned`].
    pub(super) fn check(&self, node: &Node) -> Result<Origin, Error> {
        match self.ownership(node) {
            Ownership::Ours(origin) => Ok(origin),
            Ownership::Adoptable => Err(self.not_owned(NotOwned::Unlabelled)),
            Ownership::Usurped(reason) | Ownership::Foreign(reason) => Err(self.not_owned(reason)),
        }
    }

    pub(super) fn not_owned(&self, reason: NotOwned) -> Error {
        Error::NotOwned { node: self.node.as_str().into(), reason }
    }

    fn other_machine(&self, found: &str) -> NotOwned {
        let expected = self.machine_id().map(capped);
        NotOwned::OtherMachine { found: capped(found), expected }
    }

    fn machine_id(&self) -> Option<&str> {
        self.host.machine_id.as_deref().map(str::trim).filter(|it| !it.is_empty())
    }
}

impl Origin {
    /// The word in the annotation.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Made => "Made",
            Self::Adopted => "Adopted",
        }
    }
}

fn origin(node: &Node) -> Origin {
    match annotation(node, ORIGIN_ANNOTATION) {
        Some("Made") if !is_kept(node) => Origin::Made,
        _ => Origin::Adopted,
    }
}

/// Whether a kubelet keeps the Node: pods may run there. One that can't read the machine's id tells
/// its version all the same.
fn is_kept(node: &Node) -> bool {
    let info = node.status.as_ref().and_then(|it| it.node_info.as_ref());
    machine_id(node).is_some() || info.is_some_and(|it| !it.kubelet_version.is_empty())
}

pub(super) fn annotation<'a>(node: &'a Node, name: &str) -> Option<&'a str> {
    node.metadata.annotations.as_ref()?.get(name).map(String::as_str)
}

/// The machine that a kubelet says it runs on.
pub(super) fn machine_id(node: &Node) -> Option<&str> {
    let info = node.status.as_ref()?.node_info.as_ref()?;
    Some(info.machine_id.trim()).filter(|it| !it.is_empty())
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;

    pub(in crate::nodes) const UID: &str = "0b7f1f5e-0000-4000-8000-000000000001";
    pub(in crate::nodes) const MACHINE: &str = "6f9a2b";

    pub(in crate::nodes) fn member() -> Member {
        let machine_id = Some(MACHINE.to_owned());
        Member::new("web-1", Host { machine_id, ..host() }).unwrap()
    }

    fn host() -> Host {
        let (namespace, name) = ("shop".into(), "web-1".into());
        Host { uid: UID.into(), namespace, name, machine_id: None }
    }

    /// The Node web-1 as a server would give it.
    pub(in crate::nodes) fn node(uid: Option<&str>, origin: Option<&str>, machine: &str) -> Value {
        let mut node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": "web-1", "uid": "u-1", "resourceVersion": "5",
                "labels": {"kubernetes.io/os": "linux"}},
            "spec": {},
        });
        if let Some(uid) = uid {
            node["metadata"]["labels"][UID_LABEL] = json!(uid);
        }
        if let Some(origin) = origin {
            node["metadata"]["annotations"] = json!({ORIGIN_ANNOTATION: origin});
        }
        if !machine.is_empty() {
            node["status"]["nodeInfo"] = json!({
                "machineID": machine, "architecture": "", "bootID": "", "kernelVersion": "",
                "containerRuntimeVersion": "", "kubeProxyVersion": "", "kubeletVersion": "",
                "operatingSystem": "", "osImage": "", "systemUUID": "",
            });
        }
        node
    }

    fn ownership(member: &Member, node: Value) -> Ownership {
        member.ownership(&serde_json::from_value(node).unwrap())
    }

    #[test]
    fn a_node_is_a_host_s_by_its_label_or_by_its_machine() {
        use Origin::{Adopted, Made};
        let other_machine =
            NotOwned::OtherMachine { found: "other".into(), expected: Some(MACHINE.into()) };
        let cases = [
            (node(Some(UID), Some("Made"), ""), Ownership::Ours(Made)),
            // A kubelet has joined the Node that Drover made.
            (node(Some(UID), Some("Made"), MACHINE), Ownership::Ours(Adopted)),
            (node(Some(UID), Some("Adopted"), MACHINE), Ownership::Ours(Adopted)),
            (node(Some(UID), None, MACHINE), Ownership::Ours(Adopted)),
            (node(Some(UID), Some("made"), ""), Ownership::Ours(Adopted)),
            (node(Some(UID), Some("Made"), "other"), Ownership::Usurped(other_machine.clone())),
            (node(None, None, MACHINE), Ownership::Adoptable),
            (node(None, Some("Made"), ""), Ownership::Foreign(NotOwned::NoMachine)),
            (node(None, None, "other"), Ownership::Foreign(other_machine)),
            (
                node(Some("another"), Some("Made"), MACHINE),
                Ownership::Foreign(NotOwned::OtherHost { uid: "another".into() }),
            ),
        ];
        for (node, expected) in cases {
            assert_eq!(ownership(&member(), node.clone()), expected, "{node}");
        }
    }

    #[test]
    fn a_kubelet_that_does_not_know_its_machine_keeps_the_node_too() {
        let mut node = node(Some(UID), Some("Made"), "x");
        node["status"]["nodeInfo"]["machineID"] = json!("");
        assert_eq!(ownership(&member(), node.clone()), Ownership::Ours(Origin::Made));
        node["status"]["nodeInfo"]["kubeletVersion"] = json!("v1.35.4");
        assert_eq!(ownership(&member(), node), Ownership::Ours(Origin::Adopted));
    }

    #[test]
    fn a_host_whose_machine_is_not_known_adopts_nothing() {
        for machine_id in [None, Some(String::new()), Some("\n".into())] {
            let member = Member::new("web-1", Host { machine_id, ..host() }).unwrap();
            let found = ownership(&member, node(None, None, MACHINE));
            let reason = NotOwned::OtherMachine { found: MACHINE.into(), expected: None };
            assert_eq!(found, Ownership::Foreign(reason));
            let found = ownership(&member, node(None, None, ""));
            assert_eq!(found, Ownership::Foreign(NotOwned::NoMachine));
        }
    }

    #[test]
    fn a_name_that_would_lead_elsewhere_is_none() {
        for name in ["", "..", "../pods", "a/b", "a?b", "A", "a%2fb", "-a", "a-", "a..b", "a b"] {
            let error = Member::new(name, host()).unwrap_err();
            assert!(matches!(error, Error::Name { .. }), "{name}");
        }
        assert!(Member::new(&"a".repeat(254), host()).is_err());
        assert!(Member::new("ip-10-0-0-1.eu.example", host()).is_ok());
    }

    #[test]
    fn a_host_s_name_that_is_too_long_for_a_label_is_left_out() {
        let long = Host { name: "a".repeat(64), ..host() };
        let labels = |host| Member::new("web-1", host).unwrap().labels().len();
        assert_eq!((labels(host()), labels(long)), (3, 2));
    }

    #[test]
    fn changes_are_recorded_under_the_name_that_drover_has_everywhere() {
        assert_eq!(super::super::client::FIELD_MANAGER, crate::api::FIELD_MANAGER);
    }
}
