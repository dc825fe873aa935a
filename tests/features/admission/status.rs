//! A status comes back from the API server as it was written, with every field that it can have.

use drover::api::{
    FIELD_MANAGER, all_crds,
    cluster::Cluster,
    cluster_status::ClusterStatus,
    container_manager::{ContainerManager, ContainerManagerStatus},
    host::Host,
    host_status::HostStatus,
    network::{Network, NetworkStatus},
};
use kube::{
    Api, Resource,
    api::{DynamicObject, Patch, PatchParams},
    core::{ApiResource, NamespaceResourceScope},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{cluster::cluster, container_manager::kubernetes, host::host, network::flannel};
use crate::world;

const THEN: &str = "2026-01-02T03:04:05Z";
const FINGERPRINT: &str = "SHA256:9PLW1TOElfTPM7Y0cGRnq6vID+yH1pJ9oomfJ/BWiyA";

fn conditions() -> Value {
    json!([{
        "type": "Ready", "status": "True", "reason": "AsExpected", "message": "so",
        "observedGeneration": 1, "lastTransitionTime": THEN,
    }])
}

/// Every field of the schema stands in `value`, at least once in a list.
fn assert_whole(path: &str, schema: &Value, value: &Value) {
    assert!(!value.is_null(), "{path} is not in the status that is tried");
    if let Some(items) = schema.get("items") {
        assert_whole(&format!("{path}[]"), items, &value[0]);
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        assert_whole(&format!("{path}.{name}"), field, &value[name]);
    }
}

/// Writes `status` to an object made of `manifest`, and holds what is stored against it.
async fn check<K, S>(manifest: Value, status: Value)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    S: Serialize + DeserializeOwned,
{
    let kind = K::kind(&());
    let typed: S = serde_json::from_value(status.clone()).unwrap();
    assert_eq!(serde_json::to_value(&typed).unwrap(), status, "{kind}: as the types have it");
    let crd = all_crds().into_iter().find(|it| it.spec.names.kind == kind).unwrap();
    let crd = serde_json::to_value(crd).unwrap();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"];
    assert_whole(&kind, schema, &status);

    let control_plane = world::control_plane().await;
    let namespace = control_plane.namespace("status");
    control_plane.apply(&namespace, &manifest.to_string());
    let name = manifest["metadata"]["name"].as_str().unwrap();
    let resource = ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> =
        Api::namespaced_with(control_plane.client().await, &namespace, &resource);
    // The second one takes away what only the first one has.
    for status in [status, json!({ "conditions": conditions() })] {
        let patch = json!({ "apiVersion": manifest["apiVersion"], "kind": kind, "status": status });
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        api.patch_status(name, &parameters, &Patch::Apply(&patch)).await.unwrap();
        let stored = api.get(name).await.unwrap();
        assert_eq!(stored.data["status"], status, "{kind}: as it is stored");
    }
}

fn host_status() -> Value {
    let difference = json!({
        "path": "sysctls.vm.swappiness", "desired": "\"1\"", "live": "\"60\"", "since": THEN,
    });
    json!({
        "observedGeneration": 1,
        "conditions": conditions(),
        "state": "active",
        "facts": {
            "os": { "id": "fedora", "version": "40", "variant": "coreos", "family": "ostree" },
            "kernel": "6.1.0-18-amd64",
            "architecture": "x86_64",
            "hostname": "es-1",
            "machineId": "0123456789abcdef0123456789abcdef",
            "bootId": "01234567-89ab-cdef-0123-456789abcdef",
            "cpus": 4,
            "memoryBytes": 16_777_216_000_u64,
            "disks": {
                "root": { "total": 100_000_000_000_u64, "free": 50_000_000_000_u64 },
                "data": { "total": i64::MAX, "free": 0 },
            },
            "packageManager": "rpm-ostree",
            "ostree": { "booted": "40.1", "staged": "40.2" },
            "elasticsearchVersion": "8.19.0",
            "clockSkewSeconds": -3,
        },
        "hostKey": { "fingerprint": FINGERPRINT, "firstSeen": THEN },
        "jumpHostKeys": [
            { "address": "jump", "port": 22, "fingerprint": FINGERPRINT, "firstSeen": THEN },
        ],
        "lastCheck": THEN,
        "elasticsearch": {
            "unit": "elasticsearch.service", "state": "active",
            "invocationId": "0123456789abcdef0123456789abcdef", "restarts": 2,
            "processes": [7, 8], "otherProcesses": [99],
            "addresses": ["192.0.2.7", "2001:db8::7"],
            "deployed": {
                "version": "8.19.0", "revision": "0123456789abcdef0123456789abcdef",
                "httpPort": 9200, "staged": ["8.17.0", "8.19.0"], "clusterUuid": "u", "data": "Used",
                "mayHoldShards": true,
                "mayVote": true,
                "mayHoldShardsRevision": "0123456789abcdef0123456789abcdef",
                "certificateExpires": THEN,
                "signedBy": "0123456789abcdef".repeat(4), "trusts": ["0123456789abcdef".repeat(4)],
                "settled": "0123456789abcdef0123456789abcdef",
            },
        },
        "containerManager": {
            "name": "production", "node": "es-1", "server": "https://192.0.2.1:6443/",
            "registered": true, "ready": false,
            "reason": "KubeletNotReady", "maintenance": "draining", "failedLeaves": 1,
        },
        "network": {
            "name": "default", "configured": false, "revision": "0123456789abcdef0123456789abcdef",
            "reason": "flanneld is not installed",
            "unreachable": [{ "host": "es-2", "port": 9300 }], "unreachableOmitted": 1,
        },
        "appliedSysctls": { "vm.swappiness": "1" },
        "operation": {
            "runId": "run-1", "kind": "Prepare", "step": "Apply", "attempt": 2, "startedAt": THEN,
            "deadline": THEN, "bootIdBefore": "01234567", "unit": "drover-run-1-apply",
            "elasticsearchUnit": "elasticsearch.service", "cordonedByUs": true,
            "target": { "version": "8.19.0", "revision": "0123456789abcdef0123456789abcdef" },
            "previous": { "version": "8.18.0", "revision": "fedcba9876543210fedcba9876543210" },
            "image": "41.1",
            "invocationIdBefore": "0123456789abcdef0123456789abcdef", "status": "failed",
            "message": "it did not start", "touched": true, "vain": false, "late": false,
        },
        "history": [{
            "runId": "run-0", "kind": "Maintenance", "status": "failed", "step": "Drain",
            "reason": "a budget allows no eviction", "startedAt": THEN, "finishedAt": THEN,
        }],
        "drift": [difference],
        "driftOmitted": 1,
    })
}

#[tokio::test]
async fn the_status_of_a_host_comes_back_as_written() {
    check::<Host, HostStatus>(host("", Value::Null), host_status()).await;
}

#[tokio::test]
async fn the_status_of_a_network_comes_back_as_written() {
    let status = json!({
        "observedGeneration": 1,
        "conditions": conditions(),
        "hosts": 3,
        "etcdClusterId": "cdf818194e3a8c32",
        "settingsRevision": "0123456789abcdef0123456789abcdef",
        "leases": [{ "subnet": "10.5.34.0/24", "address": "192.0.2.11", "host": "es-1" }],
        "leasesOmitted": 1,
        "unreachable": [{ "from": "es-1", "to": "es-2", "port": 9300 }],
        "unreachableOmitted": 1,
    });
    check::<Network, NetworkStatus>(flannel("", Value::Null), status).await;
}

#[tokio::test]
async fn the_status_of_a_container_manager_comes_back_as_written() {
    let status = json!({
        "observedGeneration": 1,
        "conditions": conditions(),
        "version": "v1.35.4",
        "nodes": { "registered": 3, "ready": 2 },
    });
    let manifest = kubernetes("", Value::Null);
    check::<ContainerManager, ContainerManagerStatus>(manifest, status).await;
}

fn rollout() -> Value {
    json!({
        "runId": "restart-1", "kind": "ElasticsearchRestart", "target": "one",
        "hosts": [{
            "name": "es-2", "hostUid": "u", "step": "Stop", "attempt": 2, "startedAt": THEN,
            "revision": "0123456789ab", "excused": 1,
            "message": "the unit fails", "touched": true, "withdrawn": false,
            "rollback": "Rejoin failed: it does not stay up",
            "nodesBefore": [{ "id": "i", "ephemeralId": "e" }],
        }],
        "blockedBy": [{ "gate": "Red", "message": "a primary is on no node", "since": THEN }],
        "toldGates": ["Red", "Recovering"],
        "pause": { "token": "restart-1/es-2/Stop/2", "reason": "es-2 at Stop: the unit fails" },
        "passed": 1,
        "settled": { "digest": "0123456789abcdef", "since": THEN },
        "wellSince": THEN,
        "startedAt": THEN,
    })
}

#[tokio::test]
async fn the_status_of_a_cluster_comes_back_as_written() {
    let shards = json!({
        "active": 2, "primaries": 1, "relocating": 0, "initializing": 0, "unassigned": 0,
    });
    let status = json!({
        "observedGeneration": 1,
        "conditions": conditions(),
        "elasticsearch": {
            "name": "shop", "uuid": "u", "version": "8.19.0", "health": "unknown",
            "lastHealth": "green", "nodes": 1,
            "dataNodes": 1, "master": "es-1", "shards": shards, "activeShardsPercent": 100,
            "pendingTasks": 0, "indices": 1, "documents": 1, "storeBytes": 1,
        },
        "nodes": [{
            "name": "es-1", "id": "i", "host": "192.0.2.11", "roles": ["master"],
            "version": "8.19.0", "heapPercent": 1, "diskUsedPercent": 1,
        }],
        "nodesOmitted": 1,
        "diagnostics": [{ "rule": "disk", "level": "Warning", "subject": "s", "advice": "a" }],
        "diagnosticsOmitted": 1,
        "hosts": { "total": 3, "available": 2, "unavailable": 1 },
        "state": "degraded",
        "formation": { "host": "es-1", "hostUid": "u", "startedAt": THEN },
        "removal": { "startedAt": THEN },
        "drain": {
            "host": "es-3", "hostUid": "u", "node": "es-3", "phase": "Move", "reason": "Roles",
            "startedAt": THEN,
            "clearSince": THEN, "blockedBy": "the node es-3 has copies of orders",
        },
        "liveSettings": {
            "files": { "search.max_buckets": "65536" },
            "changes": [{
                "name": "search.max_buckets", "value": "70000", "before": "60000",
                "state": "Drifted", "message": "somebody has set 80000 in the running cluster",
            }],
        },
        "rollout": rollout(),
        "deploy": {
            "status": "failed", "requestId": "one", "version": "41.1", "deployed": ["es-1"],
            "inProcess": ["es-2"],
            "failed": [{ "host": "es-2", "step": "Stage", "reason": "it can't be fetched" }],
            "startedAt": THEN, "finishedAt": THEN,
        },
        "upgrade": {
            "status": "finished", "requestId": "one", "upgraded": ["es-1"], "inProcess": ["es-2"],
            "failed": [{ "host": "es-2", "step": "Stop", "reason": "no space left" }],
            "startedAt": THEN, "finishedAt": THEN,
        },
        "elasticsearchDeploy": {
            "status": "failed", "version": "8.19.0", "deployed": ["es-1"], "inProcess": ["es-2"],
            "failed": [{ "host": "es-2", "step": "Stage", "reason": "it can't be fetched" }],
            "startedAt": THEN, "finishedAt": THEN,
        },
        "restart": {
            "status": "inProcess", "requestId": "one", "target": "Elasticsearch",
            "restarted": ["es-1"], "inProcess": ["es-2"],
            "failed": [{ "host": "es-2", "step": "Stop", "reason": "the unit fails" }],
            "startedAt": THEN, "finishedAt": THEN,
        },
        "requests": { "restart": "one", "upgrade": "one", "deploy": "one" },
        "history": [{
            "runId": "restart-0", "kind": "HostRestart", "target": "zero", "status": "failed",
            "done": 1, "total": 3, "reason": "something else was asked for",
            "startedAt": THEN, "finishedAt": THEN,
        }],
        "plan": [{
            "method": "PUT", "path": "/_cluster/settings", "body": "{}", "bodyOmitted": 1,
            "reason": "r",
        }],
        "planOmitted": 1,
    });
    check::<Cluster, ClusterStatus>(cluster("", Value::Null), status).await;
}

#[tokio::test]
async fn a_status_that_is_too_long_is_refused() {
    let control_plane = world::control_plane().await;
    let namespace = control_plane.namespace("status");
    control_plane.apply(&namespace, &host("", Value::Null).to_string());
    let api: Api<Host> = Api::namespaced(control_plane.client().await, &namespace);
    let lists = [("history", 10), ("drift", 50), ("jumpHostKeys", 8)];
    for (list, most) in lists {
        for (length, taken) in [(most, true), (most + 1, false)] {
            let mut status = host_status();
            status[list] = json!(vec![status[list][0].clone(); length]);
            let patch = json!({
                "apiVersion": Host::api_version(&()), "kind": "Host", "status": status,
            });
            let parameters = PatchParams::apply(FIELD_MANAGER).force();
            let answer = api.patch_status("es-1", &parameters, &Patch::Apply(&patch)).await;
            assert_eq!(answer.is_ok(), taken, "{length} of {list}: {answer:?}");
        }
    }
}
