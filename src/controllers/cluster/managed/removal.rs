//! Drover's Elasticsearch goes from the hosts, when its Cluster is deleted under Delete. Pure.
//!
//! Hosts begin once the status tells them to: when no run has a host in hand, and no Index object has
//! an index to delete. What can't be removed is waited for as long as a host may take, and not for
//! ever.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt as _;

use super::super::{observe::Observed, rollout};
use crate::{
    api::{
        cluster::{Cluster, ClusterDeletionPolicy},
        condition::whole_second,
        host_status::DeployedElasticsearch,
        rollout_status::Removal,
    },
    authority::secrets::{CLUSTER_UUID, Existing, Kind, Next, next as judge},
    controllers::deployment,
    kubernetes::events::Notice,
    rollout::safety::since,
};

/// The hosts that Elasticsearch has to go from, by name; none where it stays with them. What another
/// cluster has on a host stays.
#[must_use]
pub fn homes(cluster: &Cluster, seen: &Observed) -> Vec<String> {
    if deployment::takes_along(cluster) { installed(cluster, seen) } else { Vec::new() }
}

/// The hosts that have Drover's Elasticsearch of this Cluster, by name.
fn installed(cluster: &Cluster, seen: &Observed) -> Vec<String> {
    let hosts = seen.managed.iter().flat_map(|it| &it.hosts);
    let is_home = |it: &DeployedElasticsearch| it.version.is_some() || !it.staged.is_empty();
    let homes = hosts.filter(|it| deployment::told(it).is_some_and(is_home));
    homes.filter(|it| deployment::may_be_of(cluster, it)).map(|it| it.name_any()).collect()
}

/// What the status tells the hosts.
#[must_use]
pub fn record(cluster: &Cluster, seen: &Observed, now: Timestamp) -> Option<Removal> {
    let before = cluster.status.as_ref().and_then(|it| it.removal.clone());
    let may_begin = deployment::takes_along(cluster)
        && seen.needed_by.is_empty()
        && !rollout::keeps(cluster, now)
        && !homes(cluster, seen).is_empty();
    let begun = may_begin.then(|| Removal { started_at: Time(whole_second(now)) });
    before.or(begun)
}

/// Whether the object stays until hosts are done.
#[must_use]
pub fn keeps(cluster: &Cluster, seen: &Observed, now: Timestamp) -> bool {
    let begun = cluster.status.as_ref().and_then(|it| it.removal.as_ref());
    let is_late = begun
        .is_some_and(|it| rollout::pace(cluster).host_timeout.0 <= since(it.started_at.0, now));
    !homes(cluster, seen).is_empty() && !is_late
}

/// The Secrets that remember a cluster which is gone with all its data: no other would ever be formed
/// under its name.
#[must_use]
pub fn forgotten(cluster: &Cluster, seen: &Observed) -> Vec<Kind> {
    let has_begun = cluster.status.as_ref().is_some_and(|it| it.removal.is_some());
    let is_whole = deployment::takes_along(cluster)
        && cluster.spec.delete_data
        && has_begun
        && homes(cluster, seen).is_empty();
    let (Some(managed), Some(uuid)) = (&seen.managed, deployment::uuid(cluster)) else {
        return Vec::new();
    };
    let notes =
        |it: &DeployedElasticsearch| it.cluster_uuid.as_ref().is_some_and(|it| it.as_str() == uuid);
    let is_noted = managed.hosts.iter().any(|it| deployment::told(it).is_some_and(notes));
    if !is_whole || is_noted {
        return Vec::new();
    }
    let remembers = |kind: Kind, it: Option<&Existing>| {
        it.is_some_and(|it| it.annotations.get(CLUSTER_UUID).is_some_and(|it| it == uuid))
            && judge(kind, &cluster.name_any(), it) == Next::Use
    };
    let all = Kind::ALL.into_iter().zip(&managed.found);
    all.filter(|(kind, it)| remembers(*kind, it.as_ref())).map(|it| it.0).collect()
}

/// What people hear of what could not be removed, or was not, though the policy is Delete.
#[must_use]
pub fn left_behind(cluster: &Cluster, seen: &Observed) -> Option<Notice> {
    let is_kept = cluster.spec.deletion_policy == ClusterDeletionPolicy::Delete
        && !deployment::takes_along(cluster);
    let kept = if is_kept { installed(cluster, seen) } else { Vec::new() };
    if !kept.is_empty() {
        let note = format!("Elasticsearch stays on {}, since mode is Plan", kept.join(", "));
        return Some(Notice::warning("LeftBehind", "Delete", note));
    }
    let homes = homes(cluster, seen);
    (!homes.is_empty()).then(|| {
        let note = format!(
            "Elasticsearch is left behind on {}, which did not remove it in time: see the Host's \
             conditions",
            homes.join(", ")
        );
        Notice::warning("LeftBehind", "Delete", note)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::{super::observe::Seen, *};
    use crate::{
        api::{cluster::ElasticsearchStatus, host::Host, index::Mode},
        controllers::{
            cluster::tests::scene::Scene,
            deployment::tests::{cluster, found, host},
        },
        elasticsearch::snapshot::Snapshot,
    };

    const LATER: i64 = 1_800_000_000;

    fn world(policy: &str, deployed: &Value) -> (Cluster, Observed) {
        let mut object = serde_json::to_value(cluster(&json!({}))).unwrap();
        object["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
        object["spec"]["deletionPolicy"] = json!(policy);
        let cluster: Cluster = serde_json::from_value(object).unwrap();
        let mut object = serde_json::to_value(&*host("a", &json!({}), true)).unwrap();
        object["status"]["elasticsearch"] =
            json!({ "unit": "u", "state": "active", "deployed": deployed });
        let host: Arc<Host> = Arc::new(serde_json::from_value(object).unwrap());
        let managed = Some(Seen::new(&cluster, found(), vec![host]));
        let seen = Observed { managed, ..Scene::new(Snapshot::default()).seen() };
        (cluster, seen)
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(LATER + second).unwrap()
    }

    fn installed() -> Value {
        json!({ "version": "8.19.0", "revision": "r", "staged": ["8.19.0"], "data": "Used" })
    }

    #[test]
    fn under_retain_nothing_is_told_to_the_hosts_and_the_object_goes_at_once() {
        let (cluster, seen) = world("Retain", &installed());
        assert_eq!(record(&cluster, &seen, at(0)), None);
        assert!(!keeps(&cluster, &seen, at(0)));
        assert_eq!(left_behind(&cluster, &seen), None);
    }

    #[test]
    fn under_delete_the_object_stays_until_the_hosts_are_done_and_not_for_ever() {
        let (mut cluster, seen) = world("Delete", &installed());
        let begun = record(&cluster, &seen, at(0));
        assert_eq!(begun.as_ref().map(|it| it.started_at.0), Some(at(0)));
        assert!(keeps(&cluster, &seen, at(0)));
        cluster.status.get_or_insert_default().removal.clone_from(&begun);
        assert_eq!(record(&cluster, &seen, at(60)), begun, "it began once");
        assert!(keeps(&cluster, &seen, at(60)));
        assert!(!keeps(&cluster, &seen, at(1200)), "as long as a host may take");
        let mut notice = left_behind(&cluster, &seen).unwrap();
        assert!(notice.note().contains("left behind on a"), "{}", notice.note());
        // It is gone: what data stays is the person's.
        let (cluster, seen) = world("Delete", &json!({ "data": "Used" }));
        assert!(!keeps(&cluster, &seen, at(0)));
        assert_eq!(left_behind(&cluster, &seen), None);
    }

    #[test]
    fn under_mode_plan_elasticsearch_stays_and_a_removal_that_was_begun_goes_on() {
        let (mut cluster, seen) = world("Delete", &installed());
        cluster.spec.mode = Mode::Plan;
        assert_eq!(record(&cluster, &seen, at(0)), None);
        assert!(!keeps(&cluster, &seen, at(0)));
        let mut notice = left_behind(&cluster, &seen).unwrap();
        assert!(notice.note().contains("stays on a, since mode is Plan"), "{}", notice.note());
        cluster.status.get_or_insert_default().removal = Some(Removal { started_at: Time(at(0)) });
        assert!(keeps(&cluster, &seen, at(60)));
    }

    #[test]
    fn secrets_forget_a_cluster_that_is_gone_with_all_its_data_and_no_other() {
        let forgotten = |policy: &str, data: bool, begun: bool, deployed: &Value| {
            let (mut cluster, mut seen) = world(policy, deployed);
            cluster.spec.delete_data = data;
            let status = cluster.status.get_or_insert_default();
            status.elasticsearch =
                Some(ElasticsearchStatus { uuid: "own".into(), ..Default::default() });
            status.removal = begun.then(|| Removal { started_at: Time(at(0)) });
            let managed = seen.managed.as_mut().unwrap();
            for (existing, uuid) in managed.found.iter_mut().zip(["own", "another", "own"]) {
                let annotations = &mut existing.as_mut().unwrap().annotations;
                annotations.insert(CLUSTER_UUID.into(), uuid.into());
            }
            managed.found[2].as_mut().unwrap().labels.clear();
            super::forgotten(&cluster, &seen)
        };
        let gone = json!(null);
        assert_eq!(forgotten("Delete", true, true, &gone), [Kind::Admin]);
        assert_eq!(forgotten("Delete", false, true, &gone), []);
        assert_eq!(forgotten("Delete", true, false, &gone), []);
        assert_eq!(forgotten("Retain", true, true, &gone), []);
        assert_eq!(forgotten("Delete", true, true, &installed()), [], "it is there still");
        let left = json!({ "data": "Used", "clusterUuid": "own" });
        assert_eq!(forgotten("Delete", true, true, &left), []);
    }

    #[test]
    fn a_host_that_is_a_member_of_another_cluster_loses_nothing_and_is_not_waited_for() {
        let mut deployed = installed();
        deployed["clusterUuid"] = json!("another");
        for known in [None, Some("own")] {
            let (mut cluster, seen) = world("Delete", &deployed);
            cluster.status.get_or_insert_default().elasticsearch =
                known.map(|it| ElasticsearchStatus { uuid: it.into(), ..Default::default() });
            assert_eq!(record(&cluster, &seen, at(0)), None);
            assert!(!keeps(&cluster, &seen, at(0)));
            assert_eq!(left_behind(&cluster, &seen), None);
        }
        let (mut cluster, seen) = world("Delete", &deployed);
        cluster.status.get_or_insert_default().elasticsearch =
            Some(ElasticsearchStatus { uuid: "another".into(), ..Default::default() });
        assert!(keeps(&cluster, &seen, at(0)), "it is its own");
    }

    #[test]
    fn nothing_goes_as_long_as_it_is_needed() {
        let (cluster, seen) = world("Delete", &installed());
        let seen = Observed { needed_by: vec!["books".into()], ..seen };
        assert_eq!(record(&cluster, &seen, at(0)), None);
        let (mut cluster, seen) = world("Delete", &installed());
        let run = json!({
            "runId": "deploy-1", "kind": "ElasticsearchConfig", "target": "t",
            "hosts": [{
                "name": "a", "hostUid": "uid-a", "step": "Stop", "attempt": 1,
                "startedAt": "2026-01-02T03:04:05Z",
            }],
            "startedAt": "2026-01-02T03:04:05Z",
        });
        let run = serde_json::from_value(run).unwrap();
        cluster.status.get_or_insert_default().rollout = Some(run);
        let soon = "2026-01-02T03:05:05Z".parse().unwrap();
        assert_eq!(record(&cluster, &seen, soon), None, "a run has the host in hand");
        assert!(keeps(&cluster, &seen, soon));
    }
}
