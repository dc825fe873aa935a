//! A host that leaves a managed Cluster: the Cluster drains it, and its Host waits for that. Both have
//! to come to the same. Pure.

use kube::ResourceExt as _;

use super::{is_managed, told, uuid};
use crate::api::{
    SKIP_DRAIN,
    cluster::Cluster,
    drain::{DrainPhase, DrainReason, DrainStatus},
    host::Host,
    line::Line,
};

/// Whether `host` names `cluster`.
#[must_use]
pub fn names(cluster: &Cluster, host: &Host) -> bool {
    let named = host.spec.cluster_ref.as_ref().map(|it| &it.name);
    named == cluster.metadata.name.as_ref() && host.namespace() == cluster.namespace()
}

/// Whether Drover's Elasticsearch on the machine of `host` is noted to be a node of `cluster`.
#[must_use]
pub fn is_node_of(cluster: &Cluster, host: &Host) -> bool {
    host.namespace() == cluster.namespace()
        && uuid(cluster).is_some()
        && told(host).is_some_and(|it| {
            let is_home = it.version.is_some() || !it.staged.is_empty();
            is_home && it.cluster_uuid.as_ref().map(Line::as_str) == uuid(cluster)
        })
}

/// Whether a person lets `host` go without.
#[must_use]
pub fn is_skipped(host: &Host) -> bool {
    let annotations = host.metadata.annotations.as_ref();
    annotations.and_then(|it| it.get(SKIP_DRAIN)).is_some_and(|it| it == "true")
}

/// Whether `cluster` drains hosts that leave: one that goes itself drains nothing.
#[must_use]
pub fn drains(cluster: &Cluster) -> bool {
    is_managed(cluster) && cluster.metadata.deletion_timestamp.is_none()
}

/// Whether the object of `host` goes, and its node has to be drained before.
#[must_use]
pub fn is_due(cluster: &Cluster, host: &Host) -> bool {
    host.metadata.deletion_timestamp.is_some()
        && drains(cluster)
        && names(cluster, host)
        && is_node_of(cluster, host)
        && !is_skipped(host)
}

/// Whether `host` names another Cluster by now, or none, and is a node of `cluster` still.
#[must_use]
pub fn has_moved(cluster: &Cluster, host: &Host) -> bool {
    drains(cluster) && !names(cluster, host) && is_node_of(cluster, host) && !is_skipped(host)
}

/// The drain of `host`, as `cluster` tells of it.
#[must_use]
pub fn drain_of<'a>(cluster: &'a Cluster, host: &Host) -> Option<&'a DrainStatus> {
    let drain = cluster.status.as_ref()?.drain.as_ref()?;
    (host.metadata.uid.as_deref() == Some(&*drain.host_uid)).then_some(drain)
}

/// Whether nothing is left on the node of `host`, so that it may go.
#[must_use]
pub fn is_drained(cluster: &Cluster, host: &Host) -> bool {
    let is_over =
        |it: &DrainStatus| it.phase == DrainPhase::Drained && it.reason == DrainReason::Leaves;
    drain_of(cluster, host).is_some_and(is_over)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::controllers::deployment::tests;

    fn cluster(change: impl FnOnce(&mut Value)) -> Cluster {
        let mut object = serde_json::to_value(tests::cluster(&json!({}))).unwrap();
        object["status"]["elasticsearch"] =
            serde_json::to_value(crate::api::cluster_status::ElasticsearchStatus {
                uuid: "own".into(),
                ..Default::default()
            })
            .unwrap();
        change(&mut object);
        serde_json::from_value(object).unwrap()
    }

    fn host(change: impl FnOnce(&mut Value)) -> Host {
        let mut object = serde_json::to_value(&*tests::host("a", &json!({}), true)).unwrap();
        object["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
        object["status"]["elasticsearch"] = json!({ "unit": "u", "state": "active", "deployed": {
            "version": "8.19.0", "staged": ["8.19.0"], "clusterUuid": "own",
        } });
        change(&mut object);
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_node_of_the_cluster_is_drained_when_its_host_is_deleted_alone() {
        let whole = cluster(|_| {});
        assert!(is_due(&whole, &host(|_| {})));
        let never_joined = host(|it| it["status"]["elasticsearch"]["deployed"] = json!({}));
        assert!(!is_due(&whole, &never_joined));
        let others = |it: &mut Value| {
            it["status"]["elasticsearch"]["deployed"]["clusterUuid"] = json!("another");
        };
        assert!(!is_due(&whole, &host(others)));
        let skipped = |it: &mut Value| {
            it["metadata"]["annotations"] = json!({ "drover.dev/skip-drain": "true" });
        };
        assert!(!is_due(&whole, &host(skipped)));
        let stays = |it: &mut Value| {
            it["metadata"].as_object_mut().unwrap().remove("deletionTimestamp");
        };
        assert!(!is_due(&whole, &host(stays)));
    }

    #[test]
    fn a_cluster_that_goes_or_knows_no_uuid_drains_nothing() {
        let goes =
            cluster(|it| it["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z"));
        let unknown = cluster(|it| it["status"]["elasticsearch"]["uuid"] = json!(""));
        for cluster in [goes, unknown] {
            assert!(!is_due(&cluster, &host(|_| {})) && !has_moved(&cluster, &host(|_| {})));
        }
    }

    #[test]
    fn a_node_whose_host_names_another_cluster_has_moved() {
        let whole = cluster(|_| {});
        let moved = |it: &mut Value| {
            it["spec"]["clusterRef"] = json!({ "name": "another" });
        };
        assert!(has_moved(&whole, &host(moved)) && !is_due(&whole, &host(moved)));
        assert!(!has_moved(&whole, &host(|_| {})));
    }

    #[test]
    fn only_the_very_host_is_drained() {
        let drain = |uid: &str, reason: &str| {
            cluster(|it| {
                it["status"]["drain"] = json!({
                    "host": "a", "hostUid": uid, "node": "a", "phase": "Drained",
                    "reason": reason, "startedAt": "2026-01-02T03:04:05Z",
                });
            })
        };
        let host = host(|_| {});
        let uid = host.metadata.uid.clone().unwrap();
        assert!(is_drained(&drain(&uid, "Leaves"), &host));
        assert!(!is_drained(&drain("another", "Leaves"), &host));
        assert!(!is_drained(&drain(&uid, "Roles"), &host), "it may have shards yet, or a vote");
    }
}
