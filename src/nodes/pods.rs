//! What a drain does about each pod, and which of them it names.

use k8s_openapi::api::core::v1::Pod;

/// The most pods that one list names.
const NAMED: usize = 10;

/// Some pods: how many, and the names of a few.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pods {
    /// How many.
    pub count: usize,
    /// `namespace/name` of the first ten by name, whatever the order in which they were met.
    pub names: Vec<Box<str>>,
}

impl Pods {
    pub(super) fn add(&mut self, name: Box<str>) {
        self.count += 1;
        let at = self.names.partition_point(|it| *it < name);
        self.names.insert(at, name);
        self.names.truncate(NAMED);
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// What a drain does about a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lot {
    /// Nothing: it belongs to the Node, or has ended.
    Stays,
    /// Waits: it is going.
    Goes,
    /// Evicts it: its controller makes another one elsewhere.
    Moves,
    /// Nobody would make it again.
    Unmanaged,
}

/// A pod on the Node, as far as a drain needs to know it.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: Option<String>,
    pub(super) lot: Lot,
}

impl From<Pod> for Candidate {
    fn from(pod: Pod) -> Self {
        let lot = lot(&pod);
        Self {
            namespace: pod.metadata.namespace.unwrap_or_default(),
            name: pod.metadata.name.unwrap_or_default(),
            uid: pod.metadata.uid,
            lot,
        }
    }
}

/// What a drain does about `pod`.
fn lot(pod: &Pod) -> Lot {
    let annotations = pod.metadata.annotations.as_ref();
    // The API server's image of a pod that the kubelet runs from a file of its own.
    if annotations.is_some_and(|it| it.contains_key("kubernetes.io/config.mirror")) {
        return Lot::Stays;
    }
    let owners = pod.metadata.owner_references.iter().flatten();
    let controller = owners.into_iter().find(|it| it.controller == Some(true));
    // Its controller would put it back at once: it does not heed a cordon.
    if controller.is_some_and(|it| it.kind == "DaemonSet" && it.api_version.starts_with("apps/")) {
        return Lot::Stays;
    }
    if pod.metadata.deletion_timestamp.is_some() {
        return Lot::Goes;
    }
    let phase = pod.status.as_ref().and_then(|it| it.phase.as_deref());
    match (phase, controller) {
        (Some("Succeeded" | "Failed"), _) => Lot::Stays,
        (_, Some(_)) => Lot::Moves,
        (_, None) => Lot::Unmanaged,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(metadata: &Value, phase: &str) -> Pod {
        serde_json::from_value(json!({"metadata": metadata, "status": {"phase": phase}})).unwrap()
    }

    fn owned(kind: &str, api_version: &str, controller: bool) -> Value {
        json!({"ownerReferences": [{
            "kind": kind, "apiVersion": api_version, "name": "a", "uid": "u",
            "controller": controller,
        }]})
    }

    #[test]
    fn each_pod_has_its_lot() {
        let going = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
        let mirror = json!({"annotations": {"kubernetes.io/config.mirror": "h"}});
        let cases = [
            (owned("ReplicaSet", "apps/v1", true), "Running", Lot::Moves),
            (owned("Job", "batch/v1", true), "Pending", Lot::Moves),
            (owned("Job", "batch/v1", true), "Succeeded", Lot::Stays),
            (owned("DaemonSet", "apps/v1", true), "Running", Lot::Stays),
            (owned("DaemonSet", "example.com/v1", true), "Running", Lot::Moves),
            (owned("ReplicaSet", "apps/v1", false), "Running", Lot::Unmanaged),
            (json!({}), "Running", Lot::Unmanaged),
            (json!({}), "Failed", Lot::Stays),
            (mirror, "Running", Lot::Stays),
            (going, "Running", Lot::Goes),
        ];
        for (metadata, phase, expected) in cases {
            assert_eq!(lot(&pod(&metadata, phase)), expected, "{metadata} {phase}");
        }
    }

    #[test]
    fn ten_pods_are_named_and_all_are_counted() {
        let mut pods = Pods::default();
        (10..22).rev().for_each(|it| pods.add(format!("shop/web-{it}").into()));
        assert_eq!((pods.count, pods.names.len()), (12, 10));
        assert_eq!((&*pods.names[0], &*pods.names[9]), ("shop/web-10", "shop/web-19"));
    }
}
