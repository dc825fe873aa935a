//! What Elasticsearch on the hosts of a managed Cluster shall be. The Cluster decides by it who forms
//! the cluster and which hosts are outstanding, a Host what is done on its machine: both have to come
//! to the same. Pure, but for [`secrets::read`].

pub mod leaving;
pub mod secrets;

use std::{collections::BTreeMap, sync::Arc};

use kube::ResourceExt as _;

use self::secrets::Secrets;
use crate::{
    api::{
        cluster::{Cluster, ClusterDeletionPolicy},
        host::Host,
        host_status::{DataDirectory, DeployedElasticsearch, OperationKind},
        index::Mode,
        line::Line,
    },
    context::Stores,
    deploy::{
        Member, Problem,
        node::{self, Plans, Site},
        shared,
    },
    elasticsearch::version::Version,
    ssh::deploy::layout,
};

/// Whether Drover runs the Elasticsearch of `cluster` itself.
#[must_use]
pub fn is_managed(cluster: &Cluster) -> bool {
    version(cluster).is_some()
}

/// The version that the hosts of `cluster` shall run; nothing where Drover installs none.
#[must_use]
pub fn version(cluster: &Cluster) -> Option<Version> {
    Version::parse(&cluster.spec.elasticsearch.as_ref()?.version.as_ref()?.0)
}

/// The `cluster_uuid` of the Elasticsearch that `cluster` stands for; nothing before one is known.
#[must_use]
pub fn uuid(cluster: &Cluster) -> Option<&str> {
    let expected = cluster.spec.connection.as_ref().and_then(|it| it.expected_uuid.as_deref());
    expected.or_else(|| recorded(cluster))
}

/// The uuid that the status has on record: one that is only expected was not seen yet.
#[must_use]
pub fn recorded(cluster: &Cluster) -> Option<&str> {
    let status = cluster.status.as_ref()?.elasticsearch.as_ref()?;
    Some(status.uuid.as_str()).filter(|it| !it.is_empty())
}

/// Whether Elasticsearch may come to `host`, one of `hosts`: it is on record that it forms the cluster, or
/// which one it joins, and there is somebody to join. While one is being formed nobody joins: it would
/// have data of nobody knows which cluster, should that never come to be.
#[must_use]
pub fn may_install(cluster: &Cluster, host: &Host, hosts: &[Arc<Host>]) -> bool {
    is_managed(cluster)
        && match uuid(cluster) {
            Some(uuid) => is_kept(uuid, hosts),
            None => forms(cluster, host),
        }
}

/// Whether it is on record that `host` is the one that forms the cluster.
#[must_use]
pub fn forms(cluster: &Cluster, host: &Host) -> bool {
    let formation = cluster.status.as_ref().and_then(|it| it.formation.as_ref());
    formation.is_some_and(|it| host.metadata.uid.as_deref() == Some(&*it.host_uid))
}

/// Whether any of `hosts` has a node of the cluster with this uuid, or its data: without that, a new
/// node would wait for the others for ever.
#[must_use]
pub fn is_kept(uuid: &str, hosts: &[Arc<Host>]) -> bool {
    hosts.iter().filter_map(|it| told(it)).any(|it| {
        let noted = it.cluster_uuid.as_ref().map(Line::as_str);
        // What is left of a removal may be anybody's.
        let is_known = noted.is_some() || !it.staged.is_empty();
        let has_data = it.data == DataDirectory::Used && is_known;
        noted.is_none_or(|it| it == uuid) && (it.version.is_some() || has_data)
    })
}

/// The other Clusters whose Elasticsearch Drover runs, as `namespace/name`, by the uuid that each has on
/// record, and by the uid of the Host that is on record to form it.
#[must_use]
pub fn others(stores: &Stores, cluster: &Cluster) -> BTreeMap<String, String> {
    others_among(cluster, stores.clusters.state())
}

/// Those among `clusters`.
#[must_use]
pub fn others_among(
    cluster: &Cluster,
    clusters: impl IntoIterator<Item = Arc<Cluster>>,
) -> BTreeMap<String, String> {
    let is_other = |it: &Arc<Cluster>| it.metadata.uid != cluster.metadata.uid && is_managed(it);
    let others = clusters.into_iter().filter(is_other);
    let mut claims = BTreeMap::new();
    for other in others {
        let place = format!("{}/{}", other.namespace().unwrap_or_default(), other.name_any());
        let formation = other.status.as_ref().and_then(|it| it.formation.as_ref());
        let forms = formation.map(|it| it.host_uid.clone());
        let claimed = recorded(&other).map(str::to_owned).into_iter().chain(forms);
        claims.extend(claimed.map(|it| (it, place.clone())));
    }
    claims
}

/// The other Cluster that is being formed by `host`, whichever that names by now. `others`: see [`others`].
#[must_use]
pub fn forms_another<'a>(host: &Host, others: &'a BTreeMap<String, String>) -> Option<&'a str> {
    others.get(host.metadata.uid.as_deref()?).map(String::as_str)
}

/// Why nothing is done on the machine of `host` for `cluster`: it is another cluster's. Nothing where it
/// is not. `others`: see [`others`].
#[must_use]
pub fn not_owned(
    cluster: &Cluster,
    host: &Host,
    others: &BTreeMap<String, String>,
) -> Option<String> {
    if let Some(other) = forms_another(host, others) {
        return Some(format!(
            "the machine forms the cluster of Cluster {other}: name that one in spec.clusterRef"
        ));
    }
    let noted = told(host)?.cluster_uuid.as_ref()?.as_str();
    match uuid(cluster) {
        Some(uuid) if uuid == noted => None,
        Some(uuid) => Some(format!(
            "the machine was a member of the cluster {noted}, and this is {uuid}: to give that up, \
             remove {} and what is in the data directory",
            layout::CLUSTER_UUID
        )),
        None => others.get(noted).map(|other| {
            format!(
                "the machine is a member of the cluster {noted}, which is Cluster {other}: name that \
                 one in spec.clusterRef"
            )
        }),
    }
}

/// Why nothing is installed or changed on the hosts of `cluster`: nodes as it declares them could not join
/// the one that it stands for. Nothing where they could, or the name of that is not known yet.
#[must_use]
pub fn renamed(cluster: &Cluster) -> Option<String> {
    let live = cluster.status.as_ref()?.elasticsearch.as_ref()?;
    let name = cluster.name_any();
    (!live.name.is_empty() && live.name != name).then(|| {
        format!(
            "the cluster {} has the name '{}' in Elasticsearch, and a node of Cluster '{name}' could not \
             join it: make the object again under that name, and this one go under deletionPolicy Retain",
            live.uuid, live.name
        )
    })
}

/// The Hosts of `cluster`, by name. One that nobody has approved is none.
#[must_use]
pub fn hosts_of(stores: &Stores, cluster: &Cluster) -> Vec<Arc<Host>> {
    members_among(cluster, stores.hosts.state())
}

/// Those of `hosts`.
#[must_use]
pub fn members_among(cluster: &Cluster, mut hosts: Vec<Arc<Host>>) -> Vec<Arc<Host>> {
    hosts.retain(|it| leaving::names(cluster, it) && !it.awaits_approval());
    hosts.sort_by_key(|it| it.name_any());
    hosts
}

/// What is known of the hosts of `cluster`, by name.
#[must_use]
pub fn members_of(stores: &Stores, cluster: &Cluster) -> Vec<Member> {
    hosts_of(stores, cluster).iter().map(|it| member(it)).collect()
}

/// What is known of `host`.
#[must_use]
pub fn member(host: &Host) -> Member {
    let facts = host.status.as_ref().and_then(|it| it.facts.as_ref());
    let some = |text: &str| (!text.is_empty()).then(|| text.into());
    Member {
        name: host.name_any().into(),
        labels: host.metadata.labels.clone().unwrap_or_default(),
        address: host.spec.node_address().0.as_str().into(),
        hostname: facts.and_then(|it| some(it.hostname.as_str())),
        memory_bytes: facts.map(|it| it.memory_bytes).filter(|it| 0 < *it),
        architecture: facts.and_then(|it| some(it.architecture.as_str())),
        is_bare: told(host).is_none_or(|it| {
            it.version.is_none()
                && it.staged.is_empty()
                && it.cluster_uuid.is_none()
                && it.data != DataDirectory::Used
        }),
    }
}

/// What a host tells of the Elasticsearch that Drover runs there; nothing before it has looked.
#[must_use]
pub fn told(host: &Host) -> Option<&DeployedElasticsearch> {
    host.status.as_ref()?.elasticsearch.as_ref()?.deployed.as_ref()
}

/// Whether an Elasticsearch of Drover's is on the machine of `host`, or about to be: what that needs stays.
#[must_use]
pub fn is_home(host: &Host) -> bool {
    let operation = host.status.as_ref().and_then(|it| it.operation.as_ref());
    let comes = operation.is_some_and(|it| it.kind == OperationKind::InstallElasticsearch);
    comes || told(host).is_some_and(|it| !it.staged.is_empty())
}

/// Whether shards may be on the disk of `host`: what nobody has seen counts as holding some.
#[must_use]
pub fn may_hold_shards(host: &Host) -> bool {
    told(host).is_some_and(|it| it.data == DataDirectory::Used && it.may_hold_shards != Some(false))
}

/// Whether the Elasticsearch on `host` may be that of `cluster`, and not another's: by the cluster that
/// the machine was noted to be a member of. Where none is noted only the machine itself can tell.
#[must_use]
pub fn may_be_of(cluster: &Cluster, host: &Host) -> bool {
    let noted = told(host).and_then(|it| it.cluster_uuid.as_ref());
    noted.is_none_or(|it| uuid(cluster) == Some(it.as_str()))
}

/// Whether what Drover installed on the hosts goes with `cluster`, which is being deleted. Mode Plan
/// changes nothing on any host, unless that was begun before.
#[must_use]
pub fn takes_along(cluster: &Cluster) -> bool {
    let is_begun = cluster.status.as_ref().is_some_and(|it| it.removal.is_some());
    cluster.metadata.deletion_timestamp.is_some()
        && cluster.spec.deletion_policy == ClusterDeletionPolicy::Delete
        && (is_begun || cluster.spec.mode == Mode::Apply)
}

/// The host that forms the cluster: as long as none is formed, and as long as it is the very host
/// that was chosen.
#[must_use]
pub fn bootstrap<'a>(cluster: &'a Cluster, hosts: &[Arc<Host>]) -> Option<&'a str> {
    let formation = cluster.status.as_ref()?.formation.as_ref()?;
    let is_there = hosts.iter().any(|it| forms(cluster, it));
    (is_there && uuid(cluster).is_none()).then_some(&*formation.host)
}

/// What the nodes of `cluster` have in common; nothing where Drover installs none.
#[must_use]
pub fn site<'a>(
    cluster: &'a Cluster,
    secrets: &'a Secrets,
    bootstrap: Option<&'a str>,
) -> Option<Site<'a>> {
    let elasticsearch = cluster.spec.elasticsearch.as_ref()?;
    Some(Site {
        name: cluster.metadata.name.as_deref()?,
        version: version(cluster)?,
        distribution: elasticsearch.distribution.as_ref()?,
        groups: &elasticsearch.node_groups,
        authorities: &secrets.authorities,
        hash: &secrets.hash,
        bootstrap,
    })
}

/// The settings that are changed in the running cluster alone, with what the files say of each: no host is
/// restarted for them.
#[must_use]
pub fn kept(cluster: &Cluster) -> BTreeMap<String, Option<String>> {
    let live = cluster.status.as_ref().and_then(|it| it.live_settings.as_ref());
    let Some(live) = live else { return BTreeMap::new() };
    let kept = live.changes.iter().filter(|it| it.state.is_kept_out_of_files());
    kept.map(|it| (it.name.clone(), live.files.get(&it.name).cloned())).collect()
}

/// What each host of `cluster` runs; nothing of those that have not told yet which machine they are.
///
/// # Errors
/// All in the spec that can't be, each with its path, unless it is about bare hosts alone.
pub fn plans(
    cluster: &Cluster,
    secrets: &Secrets,
    hosts: &[Arc<Host>],
) -> Result<Plans, Vec<Problem>> {
    let members: Vec<Member> = hosts.iter().map(|it| member(it)).collect();
    match site(cluster, secrets, bootstrap(cluster, hosts)) {
        Some(site) => {
            let kept = kept(cluster);
            let groups = (!kept.is_empty()).then(|| shared::with_kept(site.groups, &kept));
            let groups = groups.flatten();
            node::plan(&Site { groups: groups.as_deref().unwrap_or(site.groups), ..site }, &members)
        }
        None => Ok(Plans::default()),
    }
}

#[cfg(test)]
pub(crate) mod tests;
