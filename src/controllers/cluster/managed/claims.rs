//! Why a cluster that is remembered is not taken up. Pure.

use std::{collections::BTreeMap, sync::Arc};

use kube::ResourceExt as _;

use super::{observe::Seen, plan::conflict};
use crate::{
    api::{
        cluster::Cluster,
        host::Host,
        host_status::{DataDirectory, DeployedElasticsearch},
    },
    authority::secrets::{CLUSTER_UUID, Existing, Kind},
    controllers::{deployment, references::Problem},
    ssh::deploy::layout,
};

/// The most hosts that one text names.
const NAMED: usize = 5;

/// Why the cluster with this uuid, which is `known` to somebody, is not this one; nothing where it may be.
pub(super) fn claimed(seen: &Seen, uuid: &str, known: &BTreeMap<&str, String>) -> Option<Problem> {
    let other = seen.others.get(uuid)?;
    let who = known.get(uuid).map_or(uuid, String::as_str);
    Some(conflict(format!(
        "what is remembered here is the cluster of Cluster {other}: {who}. A host of that one names it in \
         spec.clusterRef; a Secret of that one has no place here"
    )))
}

/// Why the cluster with this uuid, which is `known` to somebody, is not taken up while one is being formed:
/// that may be another one by now. Nothing where nothing came to the host that forms it, or that host
/// itself remembers this one.
pub(super) fn rival(
    cluster: &Cluster,
    seen: &Seen,
    uuid: &str,
    known: &BTreeMap<&str, String>,
) -> Option<Problem> {
    let formation = cluster.status.as_ref()?.formation.as_ref()?;
    let host = seen.hosts.iter().find(|it| deployment::forms(cluster, it));
    let is_safe = host.is_some_and(|host| {
        let told = deployment::told(host);
        let is_bare = |it: &DeployedElasticsearch| {
            matches!(it.data, DataDirectory::Missing | DataDirectory::Empty) && it.version.is_none()
        };
        let is_noted =
            told.and_then(|it| it.cluster_uuid.as_ref()).is_some_and(|it| it.as_str() == uuid);
        is_noted || (told.is_some_and(is_bare) && !deployment::is_home(host))
    });
    let who = known.get(uuid).map_or(uuid, String::as_str);
    (!is_safe).then(|| {
        conflict(format!(
            "host '{}' is on record to form the cluster, and may have, and another one is remembered: {who}. \
             Take away what belongs to another one; or, once it is certain that the host has formed none, \
             delete this object under deletionPolicy Retain and make it again",
            formation.host
        ))
    })
}

/// Why nobody can join the cluster with this uuid; nothing where somebody can be joined, or may be:
/// as long as not all hosts have told what they have, or it is being formed.
pub(super) fn lost(cluster: &Cluster, seen: &Seen, uuid: &str) -> Option<Problem> {
    let has_told =
        |it: &Arc<Host>| deployment::told(it).is_some_and(|it| it.data != DataDirectory::Unknown);
    let is_formed = cluster.status.as_ref().is_none_or(|it| it.formation.is_none());
    let is_lost = is_formed
        && !seen.hosts.is_empty()
        && seen.hosts.iter().all(has_told)
        && !deployment::is_kept(uuid, &seen.hosts);
    is_lost.then(|| {
        conflict(format!(
            "no host runs the cluster {uuid}, or has data that is known to be of it: who joined it would \
             wait for ever. Bring the data back; or, to have a new cluster formed, {}",
            remedies(cluster, seen, uuid).join(", and ")
        ))
    })
}

/// What makes the cluster with this uuid forgotten.
fn remedies(cluster: &Cluster, seen: &Seen, uuid: &str) -> Vec<String> {
    let mut remedies = Vec::new();
    let name = cluster.name_any();
    let remembers = |it: &Option<Existing>| {
        it.as_ref().is_some_and(|it| it.annotations.get(CLUSTER_UUID).is_some_and(|it| it == uuid))
    };
    let secrets = Kind::ALL.into_iter().zip(&seen.found).filter(|(_, it)| remembers(it));
    let secrets: Vec<String> = secrets.map(|(kind, _)| format!("'{}'", kind.name(&name))).collect();
    if !secrets.is_empty() {
        let secrets = secrets.join(", ");
        remedies.push(format!("take the annotation {CLUSTER_UUID} of the Secrets {secrets} away"));
    }
    let noted = |it: &&Arc<Host>| {
        let noted = deployment::told(it).and_then(|it| it.cluster_uuid.as_ref());
        noted.is_some_and(|it| it.as_str() == uuid)
    };
    let hosts = seen.hosts.iter().filter(noted).take(NAMED);
    let hosts: Vec<String> = hosts.map(|it| format!("'{}'", it.name_any())).collect();
    if !hosts.is_empty() {
        let hosts = hosts.join(", ");
        remedies.push(format!("remove {} on the hosts {hosts}", layout::CLUSTER_UUID));
    }
    if cluster.spec.connection.as_ref().is_some_and(|it| it.expected_uuid.is_some()) {
        remedies.push("take spec.connection away".into());
    }
    if deployment::recorded(cluster).is_some() {
        remedies.push("delete this object under deletionPolicy Retain and make it again".into());
    }
    remedies
}
