//! Whether an Index may be worked on in its Cluster.

use serde_json::{Value, json};

use super::super::cluster_gate::{ClusterGate, gate};
use crate::{
    api::cluster::Cluster,
    elasticsearch::{
        fixtures::{every_error, snapshot, view},
        snapshot::Snapshot,
    },
};

const NEEDED: [&str; 5] =
    ["Accepted", "ResolvedRefs", "Reachable", "Authenticated", "IdentityMatches"];

/// A Cluster whose conditions are True, apart from `other`.
fn cluster(other: Option<(&str, Option<&str>)>) -> Cluster {
    let all = NEEDED.iter().chain(&["Available", "Healthy", "Ready"]).filter_map(|kind| {
        let status = match other {
            Some((it, status)) if it == *kind => status?,
            _ => "True",
        };
        Some(json!({
            "type": kind, "status": status, "reason": "Because", "message": "so",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }))
    });
    let conditions: Vec<Value> = all.collect();
    let elasticsearch = json!({
        "name": "shop", "uuid": "pinned", "version": "8.19.0", "health": "green", "nodes": 1,
        "dataNodes": 1, "activeShardsPercent": 100, "pendingTasks": 0, "indices": 1,
        "documents": 0, "storeBytes": 0,
        "shards": {
            "active": 1, "primaries": 1, "relocating": 0, "initializing": 0, "unassigned": 0,
        },
    });
    let cluster = json!({
        "metadata": { "name": "es", "namespace": "shop" },
        "spec": { "connection": { "endpoints": ["https://es.example:9200"] } },
        "status": { "conditions": conditions, "elasticsearch": elasticsearch },
    });
    serde_json::from_value(cluster).unwrap()
}

fn polled(uuid: &str) -> Snapshot {
    snapshot(view(uuid))
}

#[track_caller]
fn blocked(cluster: &Cluster, snapshot: Option<&Snapshot>, word: &str) {
    match gate(Some(cluster), snapshot) {
        ClusterGate::Blocked(why) => {
            assert!(why.contains("Cluster 'es'") && why.contains(word), "{word}: {why}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_good_cluster_is_open_by_its_pinned_uuid() {
    let open = ClusterGate::Open { uuid: "pinned".into() };
    assert_eq!(gate(Some(&cluster(None)), Some(&polled("pinned"))), open);
    for kind in ["Available", "Healthy", "Ready"] {
        let sick = cluster(Some((kind, Some("False"))));
        assert_eq!(gate(Some(&sick), Some(&polled("pinned"))), open, "{kind} does not count");
    }
}

#[test]
fn each_condition_that_an_index_needs_shuts_the_gate_with_its_name_and_reason() {
    for kind in NEEDED {
        for status in [Some("False"), Some("Unknown"), None] {
            let cluster = cluster(Some((kind, status)));
            blocked(&cluster, Some(&polled("pinned")), kind);
            if status.is_some() {
                blocked(&cluster, Some(&polled("pinned")), "Because");
            }
        }
    }
}

#[test]
fn a_missing_cluster_is_absent_and_a_new_one_was_not_looked_at() {
    assert_eq!(gate(None, Some(&polled("pinned"))), ClusterGate::Absent);
    let mut new = cluster(None);
    new.status = None;
    blocked(&new, None, "not looked at");
}

#[test]
fn before_the_first_poll_nothing_is_decided() {
    assert_eq!(gate(Some(&cluster(None)), None), ClusterGate::Pending);
    assert_eq!(gate(Some(&cluster(None)), Some(&Snapshot::default())), ClusterGate::Pending);
}

#[test]
fn what_the_last_poll_saw_counts_before_the_condition_is_written() {
    blocked(&cluster(None), Some(&polled("another")), "IdentityMatches");
    blocked(&cluster(None), Some(&polled("_na_")), "IdentityMatches");
    for (word, error) in every_error() {
        let failed = polled("pinned").with_fault(error.clone());
        blocked(&cluster(None), Some(&failed), "does not answer");
        let failed = Snapshot::default().with_fault(error);
        blocked(&cluster(None), Some(&failed), "does not answer");
        assert!(!word.is_empty());
    }
}

#[test]
fn a_spec_that_expects_another_uuid_shuts_the_gate_before_the_status_knows() {
    let expecting = |uuid: &str| {
        let mut cluster = cluster(None);
        cluster.spec.connection.as_mut().unwrap().expected_uuid = Some(uuid.into());
        cluster
    };
    let other = expecting("expected");
    blocked(&other, Some(&polled("pinned")), "IdentityMatches");
    blocked(&other, Some(&polled("expected")), "IdentityMatches");
    let same = expecting("pinned");
    assert!(matches!(gate(Some(&same), Some(&polled("pinned"))), ClusterGate::Open { .. }));
}

#[test]
fn a_group_of_hosts_is_never_open_whatever_its_status_still_says() {
    let mut group = cluster(None);
    group.spec.connection = None;
    blocked(&group, Some(&polled("pinned")), "has no `connection`");
    blocked(&group, None, "has no `connection`");
    group.status = None;
    blocked(&group, None, "has no `connection`");
}

#[test]
fn a_cluster_that_drover_runs_itself_needs_no_connection() {
    let mut managed = cluster(None);
    managed.spec.connection = None;
    let url = "https://mirror.example/es-{version}-{arch}.tar.gz";
    let spec = serde_json::json!({ "version": "8.19.0", "distribution": { "url": url } });
    managed.spec.elasticsearch = serde_json::from_value(spec).unwrap();
    assert!(matches!(gate(Some(&managed), Some(&polled("pinned"))), ClusterGate::Open { .. }));
    blocked(&managed, Some(&polled("another")), "IdentityMatches");
}

#[test]
fn a_cluster_without_a_pinned_uuid_is_never_open() {
    let mut cluster = cluster(None);
    cluster.status.as_mut().unwrap().elasticsearch = None;
    blocked(&cluster, Some(&polled("pinned")), "IdentityMatches");
    blocked(&cluster, Some(&polled("")), "");
}
