//! The custom resources of group `drover.dev`: what a person declares and what Drover answers.
//!
//! Plain data and the rules that the API server checks; imports nothing else of this crate.

pub mod cluster;
pub mod condition;
pub mod container_manager;
pub mod drain;
pub mod elasticsearch;
pub mod elasticsearch_fields;
pub mod fields;
pub mod host;
pub mod host_fields;
pub mod host_operation;
pub mod host_status;
pub mod index;
pub mod line;
pub mod live;
pub mod network;
pub mod reference;
pub mod rollout;
pub mod rollout_status;
pub mod selector;
pub mod text;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;
use serde_json::Value;

/// API group of every kind.
pub const GROUP: &str = "drover.dev";
/// Served and stored version of every kind.
pub const VERSION: &str = "v1alpha1";
/// Keeps an object until Drover has let go of what lies outside Kubernetes.
pub const FINALIZER: &str = "drover.dev/finalizer";
/// Server-side apply field manager of every status.
pub const FIELD_MANAGER: &str = "drover";
/// Annotation that re-pins a Cluster to another Elasticsearch: its value is the new cluster uuid.
pub const ACCEPT_CLUSTER_UUID: &str = "drover.dev/accept-cluster-uuid";
/// Annotation that lets a Host stand for another machine: its value is the new machine-id.
pub const ACCEPT_MACHINE_ID: &str = "drover.dev/accept-machine-id";
/// Label by which a person approves a Host whose `spec.approval` is Required: its value is `true`.
pub const APPROVED: &str = "drover.dev/approved";
/// Annotation that lets an Index be made again, empty, after it was deleted behind Drover's back:
/// its value is the uuid of the lost index.
pub const RECREATE: &str = "drover.dev/recreate";
/// Annotation that lets a run over hosts go on that waits for a person: its value is
/// `status.rollout.pause.token`.
pub const RESUME: &str = "drover.dev/resume";
/// Annotation of a Host that is let go at once, whatever shards its node has: its value is `true`.
pub const SKIP_DRAIN: &str = "drover.dev/skip-drain";
/// Annotation that asks for one more look: any new value starts a reconcile.
pub const RECONCILE_AT: &str = "drover.dev/reconcile-at";

/// Every definition, in the order of the documentation.
#[must_use]
pub fn all_crds() -> Vec<CustomResourceDefinition> {
    let all = [
        cluster::Cluster::crd(),
        host::Host::crd(),
        network::Network::crd(),
        container_manager::ContainerManager::crd(),
        index::Index::crd(),
    ];
    all.iter().map(without_nullable).collect()
}

/// An optional field is left out, never null: otherwise `auth: {basic: null}` would pass for a kind
/// of credentials.
fn without_nullable(crd: &CustomResourceDefinition) -> CustomResourceDefinition {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(map) => {
                if map.get("nullable") == Some(&Value::Bool(true)) {
                    map.remove("nullable");
                }
                map.values_mut().for_each(strip);
            }
            Value::Array(list) => list.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(crd).expect("a definition is plain data");
    strip(&mut value);
    serde_json::from_value(value).expect("a definition without nullable is a definition")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generated_definitions_are_fresh() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
        let mut files = 0;
        for crd in all_crds() {
            let file = folder.join(format!("{}.yaml", crd.spec.names.plural));
            let stored = std::fs::read_to_string(&file).unwrap_or_default();
            let now = serde_yaml_ng::to_string(&crd).unwrap();
            assert!(stored == now, "{} is stale: run `make crds`", file.display());
            files += 1;
        }
        let there = std::fs::read_dir(&folder).unwrap().count();
        assert_eq!(there, files, "crds/ holds files of no kind");
    }

    /// A list without a type is atomic by accident; each says what it is.
    #[test]
    fn every_list_has_a_type_and_every_field_a_description() {
        fn walk(path: &str, schema: &Value) {
            if schema["type"] == "array" {
                assert!(!schema["x-kubernetes-list-type"].is_null(), "{path} has no list type");
            }
            if let Some(items) = schema.get("items") {
                walk(&format!("{path}[]"), items);
            }
            for (name, field) in schema["properties"].as_object().into_iter().flatten() {
                let path = format!("{path}.{name}");
                assert!(field["description"].is_string(), "{path} has no description");
                walk(&path, field);
            }
        }
        for crd in all_crds() {
            let crd = serde_json::to_value(crd).unwrap();
            let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
            for part in ["spec", "status"] {
                walk(part, &schema[part]);
            }
        }
    }

    #[test]
    fn nothing_may_be_null() {
        for crd in all_crds() {
            assert!(!serde_json::to_string(&crd).unwrap().contains("nullable"));
        }
    }
}
