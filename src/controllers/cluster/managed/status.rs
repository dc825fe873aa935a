//! What the status tells of a cluster that Drover forms. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    observe::Seen,
    plan::{Plan, Stand},
};
use crate::{
    api::{
        cluster::Cluster, cluster_status::ClusterStatus, condition::whole_second, line::Line,
        rollout_status::Formation,
    },
    authority::secrets::CLUSTER_UUID,
    controllers::deployment,
    kubernetes::events::Notice,
};

/// Who forms the cluster, after this reconcile. It stays on record until everybody remembers what was
/// formed.
#[must_use]
pub fn formation(
    cluster: &Cluster,
    managed: Option<(&Seen, &Plan)>,
    now: Timestamp,
) -> Option<Formation> {
    let before = cluster.status.as_ref().and_then(|it| it.formation.clone());
    let Some((seen, plan)) = managed else { return before };
    match (&plan.stand, before) {
        (Stand::Forms { host, uid }, None) => Some(Formation {
            host: host.clone(),
            host_uid: uid.clone(),
            started_at: Time(whole_second(now)),
        }),
        (Stand::Known, Some(before)) => (!is_remembered(cluster, seen, &before)).then_some(before),
        (_, before) => before,
    }
}

/// Whether the Secrets, and the host that has formed the cluster, remember which one it is.
fn is_remembered(cluster: &Cluster, seen: &Seen, formation: &Formation) -> bool {
    let uuid = deployment::uuid(cluster);
    let in_secrets = seen.found.iter().all(|it| {
        let noted = it.as_ref().and_then(|it| it.annotations.get(CLUSTER_UUID));
        noted.map(String::as_str) == uuid
    });
    let mut hosts = seen.hosts.iter();
    let host = hosts.find(|it| it.metadata.uid.as_deref() == Some(formation.host_uid.as_str()));
    let on_host = host.is_none_or(|it| {
        let noted = deployment::told(it).and_then(|it| it.cluster_uuid.as_ref());
        noted.map(Line::as_str) == uuid
    });
    uuid.is_some() && in_secrets && on_host
}

/// What people should hear of between two statuses.
#[must_use]
pub fn notices(before: Option<&ClusterStatus>, after: &ClusterStatus) -> Vec<Notice> {
    let uuid = |it: Option<&ClusterStatus>| {
        let uuid = it?.elasticsearch.as_ref()?.uuid.clone();
        (!uuid.is_empty()).then_some(uuid)
    };
    let was = before.and_then(|it| it.formation.as_ref());
    let mut notices = Vec::new();
    if let (None, Some(formation)) = (was, &after.formation) {
        let note = format!("host '{}' forms the cluster", formation.host);
        notices.push(Notice::normal("FormationBegun", "Form", note));
    }
    if let (None, Some(uuid), Some(_)) = (uuid(before), uuid(Some(after)), was) {
        notices.push(Notice::normal("Formed", "Form", format!("the cluster {uuid} is formed")));
    }
    notices
}
