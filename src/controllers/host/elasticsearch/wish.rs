//! What a Host's Cluster asks of its machine about Elasticsearch.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt as _;

use super::{deployed, is_home, is_unpacked, parting, record};
use crate::{
    api::{cluster::Cluster, elasticsearch::NodeGroup, host::Host, rollout_status::Formation},
    authority::Authority,
    context::Context,
    controllers::{
        deployment::{
            self,
            secrets::{self, Secrets},
        },
        host::operation,
    },
    deploy::{archive::Sha512, node::NodePlan},
    elasticsearch::version::Version,
    error::Error,
    kubernetes::references::look_up,
    published,
    ssh::{
        deploy::{Data, Deployment, Removal},
        path::RemotePath,
        remote::Watch,
    },
};

/// What a Cluster asks of a machine.
#[derive(Clone, Debug)]
pub enum Wish {
    /// Nothing: Drover runs no Elasticsearch there.
    Nothing,
    /// That this runs there.
    Deploy(Box<Wanted>),
    /// That what Drover put there goes.
    Remove(Removal),
    /// Nothing: the machine is another cluster's, and is only looked at.
    NotOwned {
        /// What is looked for.
        deployment: Box<Deployment>,
        /// Why, and what to do.
        why: String,
    },
    /// Nothing yet: what Drover put there goes once its Cluster says so.
    Leaves {
        /// Why it does.
        why: String,
    },
    /// Nothing yet: its node is drained before the Host goes.
    Drains {
        /// How far that is.
        why: String,
    },
    /// That can't be known now; what was done stays.
    Unknown {
        /// Why.
        why: String,
    },
}

/// What shall run.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// What it is, to the last byte.
    pub plan: NodePlan,
    /// The same as it is made so.
    pub deployment: Deployment,
    /// Who signs the certificates of nodes.
    pub authority: Arc<Authority>,
    /// The cluster in Elasticsearch; absent while none is known.
    pub uuid: Option<Box<str>>,
    /// The lowest version that runs in the cluster, on other machines than this one where it can't
    /// be asked; absent where that is not known.
    pub running: Option<Box<str>>,
    /// Whether Elasticsearch may come to a machine where it is not.
    pub may_install: bool,
    /// Whether a run over the hosts is under way.
    pub is_rolling: bool,
    /// Whether the Cluster holds back all that is new.
    pub is_paused: bool,
    /// The SHA-512 of the archive; or why nobody knows it. Absent where none is to be fetched.
    pub digest: Option<Result<Box<str>, String>>,
    /// What it was decided on.
    pub basis: Basis,
}

/// What has to be so still when Elasticsearch comes to a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basis {
    uid: Option<String>,
    generation: Option<i64>,
    deleted: Option<Time>,
    formation: Option<Formation>,
    uuid: Option<String>,
    kept: BTreeMap<String, Option<String>>,
}

impl Basis {
    /// What of `cluster` that is.
    #[must_use]
    pub fn of(cluster: &Cluster) -> Self {
        Self {
            uid: cluster.metadata.uid.clone(),
            generation: cluster.metadata.generation,
            deleted: cluster.metadata.deletion_timestamp.clone(),
            formation: cluster.status.as_ref().and_then(|it| it.formation.clone()),
            uuid: deployment::uuid(cluster).map(str::to_owned),
            kept: deployment::kept(cluster),
        }
    }
}

/// Reads what `cluster`, which `host` names, asks. `watched`: how the machine is watched now.
///
/// # Errors
/// When the API server can't be asked.
pub async fn wish(
    ctx: &Context,
    host: &Host,
    cluster: Option<&Cluster>,
    watched: Option<&Watch>,
) -> Result<Wish, Error> {
    let Some(cluster) = cluster.filter(|it| deployment::is_managed(it)) else {
        return Ok(left(host, "no Cluster that declares it is there"));
    };
    if cluster.metadata.deletion_timestamp.is_some() {
        return along(ctx, host, cluster).await;
    }
    if host.metadata.deletion_timestamp.is_some() {
        return parting::wish(ctx, host, cluster).await;
    }
    let unknown = |why: String| Ok(Wish::Unknown { why });
    let secrets = match secrets::read(ctx, cluster).await? {
        Ok(secrets) => secrets,
        Err(problem) => return unknown(problem.message),
    };
    let hosts = deployment::hosts_of(&ctx.stores, cluster);
    let others = deployment::others(&ctx.stores, cluster);
    let mut wish = asked(host, cluster, secrets, &hosts, &others);
    if let Wish::Deploy(wanted) = &mut wish {
        wanted.digest = digest(host, &wanted.plan, watched).await;
    }
    Ok(wish)
}

/// What `cluster` asks, with these `secrets`, these `hosts`, and beside these other Clusters; but for the
/// digest of the archive. Pure.
#[must_use]
pub fn asked(
    host: &Host,
    cluster: &Cluster,
    secrets: Secrets,
    hosts: &[Arc<Host>],
    others: &BTreeMap<String, String>,
) -> Wish {
    let unknown = |why: String| Wish::Unknown { why };
    let mut plans = match deployment::plans(cluster, &secrets, hosts) {
        Ok(plans) => plans,
        Err(problems) => {
            let words = problems.iter().map(|it| format!("spec.{}: {}", it.path, it.message));
            let words = words.collect::<Vec<_>>().join("; ");
            return unknown(format!("Cluster {}: {words}", cluster.name_any()));
        }
    };
    let name = host.name_any();
    if let Some(problem) = plans.aside.get(&*name) {
        let place = format!("Cluster {}: spec.{}", cluster.name_any(), problem.path);
        return unknown(format!("{place}: {}", problem.message));
    }
    let Some(plan) = plans.nodes.remove(&*name) else {
        return unknown("the machine has not told yet what it is".into());
    };
    let deployment = match plan.deployment(None) {
        Ok(deployment) => deployment,
        Err(problem) => return unknown(format!("dataPath of group {}: {problem}", plan.group)),
    };
    let why = deployment::not_owned(cluster, host, others);
    if let Some(why) = why.or_else(|| deployment::renamed(cluster)) {
        return Wish::NotOwned { deployment: Box::new(deployment), why };
    }
    let status = cluster.status.as_ref();
    Wish::Deploy(Box::new(Wanted {
        deployment,
        authority: Arc::new(secrets.authority),
        uuid: deployment::uuid(cluster).map(Into::into),
        running: running(cluster, host, hosts),
        may_install: deployment::may_install(cluster, host, hosts),
        is_rolling: status.is_some_and(|it| it.rollout.is_some()),
        is_paused: cluster.spec.paused,
        digest: None,
        basis: Basis::of(cluster),
        plan,
    }))
}

/// The lowest version that runs in the cluster: as Elasticsearch told, or else as the other `hosts` did.
fn running(cluster: &Cluster, host: &Host, hosts: &[Arc<Host>]) -> Option<Box<str>> {
    let told = cluster.status.as_ref().and_then(|it| it.elasticsearch.as_ref());
    if let Some(told) = told.filter(|it| !it.version.is_empty()) {
        return Some(told.version.as_str().into());
    }
    let others = hosts.iter().filter(|it| it.metadata.uid != host.metadata.uid);
    let versions = others.filter_map(|it| Version::parse(deployed(it)?.version.as_ref()?.as_str()));
    versions.min().map(|it| it.to_string().into())
}

/// Nobody says what is wanted: what is there stays.
pub(super) fn left(host: &Host, why: &str) -> Wish {
    if is_home(host) {
        Wish::Unknown { why: format!("{why}, and Elasticsearch stays as it is") }
    } else {
        Wish::Nothing
    }
}

/// What becomes of Elasticsearch when its Cluster goes. The API server itself is asked before
/// anything is removed: a watch may be behind.
pub(super) async fn along(ctx: &Context, host: &Host, cluster: &Cluster) -> Result<Wish, Error> {
    let is_there = is_home(host) || deployed(host).is_some_and(|it| it.cluster_uuid.is_some());
    if !is_there {
        return Ok(Wish::Nothing);
    }
    let stays = || Ok(left(host, "its Cluster is being deleted"));
    let namespace = cluster.namespace().unwrap_or_default();
    let now = look_up::<Cluster>(&ctx.client, &namespace, &cluster.name_any()).await?;
    let is_same = |it: &Cluster| it.metadata.uid == cluster.metadata.uid;
    match now.filter(is_same).filter(deployment::takes_along) {
        Some(now) => Ok(removal(&now, host)),
        None => stays(),
    }
}

/// What goes from the machine with `cluster`: nothing that another cluster has there, and all else once
/// that says so, since something may need it until then.
fn removal(cluster: &Cluster, host: &Host) -> Wish {
    if !deployment::may_be_of(cluster, host) {
        let why = "its Cluster is being deleted, and the machine is a member of another cluster: \
                   Elasticsearch stays as it is";
        return Wish::Unknown { why: why.into() };
    }
    if cluster.status.as_ref().is_none_or(|it| it.removal.is_none()) {
        let why =
            "its Cluster is being deleted, and Elasticsearch is removed once nothing needs it";
        return Wish::Leaves { why: why.into() };
    }
    let data = if cluster.spec.delete_data { Data::Removed } else { Data::Kept };
    removed(cluster, host, data)
}

/// What Drover put on the machine goes.
pub(super) fn removed(cluster: &Cluster, host: &Host, data: Data) -> Wish {
    let groups = cluster.spec.elasticsearch.as_ref().map(|it| it.node_groups.as_slice());
    let path = data_path(groups.unwrap_or_default(), host);
    let Some(path) = path.and_then(|it| RemotePath::new(&it).ok()) else {
        let why = "nobody knows where its data is: no group selects the Host".to_owned();
        return Wish::Unknown { why };
    };
    let uuid = deployment::uuid(cluster).map(Into::into);
    Wish::Remove(Removal { name: cluster.name_any().into(), uuid, path, data })
}

/// Where the data of a member is.
fn data_path(groups: &[NodeGroup], host: &Host) -> Option<String> {
    if groups.is_empty() {
        return Some(NodeGroup::default_data_path().0);
    }
    let labels = host.metadata.labels.clone().unwrap_or_default();
    let selects = |it: &&NodeGroup| it.host_selector.as_ref().is_some_and(|it| it.matches(&labels));
    let rest = || groups.iter().find(|it| it.host_selector.is_none());
    groups.iter().find(selects).or_else(rest).map(|it| it.data_path.0.clone())
}

/// The SHA-512 of the archive. It is asked for only where one is to be fetched, and by each process
/// once for each host: who publishes it has to give all hosts the same one.
async fn digest(
    host: &Host,
    plan: &NodePlan,
    watched: Option<&Watch>,
) -> Option<Result<Box<str>, String>> {
    let at = match &plan.archive.sha512 {
        Sha512::Given(digest) => return Some(Ok(digest.clone())),
        Sha512::At(at) => at,
    };
    if record(host).is_none() && !operation::is_staging(host) {
        return None;
    }
    let known = watched.and_then(|it| it.installation.as_ref()?.source.as_ref());
    if let Some(source) = known.filter(|it| it.url == plan.archive.url) {
        return Some(Ok(source.sha512.clone()));
    }
    if is_unpacked(host, &plan.version.to_string()) {
        return None;
    }
    let read = published::sha512(at, &plan.archive.file, None).await;
    Some(read.map_err(|it| format!("the SHA-512 of {}: {}", plan.archive.file, it.message())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        api::cluster::ElasticsearchStatus,
        controllers::{deployment::tests, host::tests::scene},
    };

    #[test]
    fn data_is_where_the_group_of_the_host_has_it() {
        let mut host = scene::host();
        assert_eq!(data_path(&[], &host).as_deref(), Some("/var/lib/drover-elasticsearch"));
        let groups = json!([
            {
                "name": "hot", "dataPath": "/srv/hot",
                "hostSelector": { "matchLabels": { "tier": "hot" } },
            },
            { "name": "rest", "dataPath": "/srv/rest" },
        ]);
        let groups: Vec<NodeGroup> = serde_json::from_value(groups).unwrap();
        assert_eq!(data_path(&groups, &host).as_deref(), Some("/srv/rest"));
        assert_eq!(data_path(&groups[..1], &host), None);
        host.metadata.labels = Some([("tier".to_owned(), "hot".to_owned())].into());
        assert_eq!(data_path(&groups, &host).as_deref(), Some("/srv/hot"));
    }

    #[tokio::test]
    async fn a_digest_is_not_asked_for_where_the_version_is_unpacked_already() {
        let mut host = Host::clone(&tests::host("a", &json!({}), true));
        let (cluster, hosts) = (tests::cluster(&json!({})), [Arc::new(host.clone())]);
        let secrets = secrets::open(&cluster, &tests::found()).unwrap();
        let plan =
            deployment::plans(&cluster, &secrets, &hosts).unwrap().nodes.remove("a").unwrap();
        let status = host.status.get_or_insert_default();
        status.elasticsearch = serde_json::from_value(json!({
            "unit": "u", "state": "failed", "deployed": { "staged": ["8.19.0"] },
        }))
        .unwrap();
        status.operation = serde_json::from_value(json!({
            "runId": "install-1", "kind": "InstallElasticsearch", "step": "Start", "attempt": 1,
            "startedAt": "2026-01-02T03:04:05Z",
        }))
        .unwrap();
        assert_eq!(digest(&host, &plan, None).await, None);
    }

    #[test]
    fn a_cluster_runs_the_lowest_version_that_it_tells_or_else_the_other_hosts_do() {
        let hosts = [("a", "8.19.0"), ("b", "8.17.0"), ("c", "7.17.0")].map(|(name, version)| {
            let mut host = Host::clone(&tests::host(name, &json!({}), true));
            host.status.get_or_insert_default().elasticsearch = serde_json::from_value(json!({
                "unit": "u", "state": "active", "deployed": { "version": version },
            }))
            .unwrap();
            Arc::new(host)
        });
        let mut cluster = tests::cluster(&json!({}));
        let lowest = |cluster: &Cluster, all: &[Arc<Host>]| {
            running(cluster, &hosts[2], all).map(String::from)
        };
        assert_eq!(lowest(&cluster, &hosts).as_deref(), Some("8.17.0"));
        assert_eq!(lowest(&cluster, &hosts[2..]), None, "what it runs itself says nothing");
        let mut told = ElasticsearchStatus { uuid: "pinned".into(), ..Default::default() };
        cluster.status.get_or_insert_default().elasticsearch = Some(told.clone());
        assert_eq!(lowest(&cluster, &hosts[2..]), None, "it has not answered yet");
        told.version = "8.18.0".into();
        cluster.status.get_or_insert_default().elasticsearch = Some(told);
        assert_eq!(lowest(&cluster, &hosts).as_deref(), Some("8.18.0"));
    }

    #[test]
    fn what_another_cluster_has_on_the_machine_does_not_go() {
        let removal = |known: &str, noted: Option<&str>| {
            let cluster = json!({
                "metadata": { "name": "logs" }, "spec": { "deleteData": true },
                "status": {
                    "elasticsearch": ElasticsearchStatus {
                        uuid: known.into(), ..ElasticsearchStatus::default()
                    },
                    "removal": { "startedAt": "2026-01-02T03:04:05Z" },
                },
            });
            let mut host = scene::host();
            let deployed = json!({ "staged": ["8.19.0"], "data": "Used", "clusterUuid": noted });
            let status = json!({ "elasticsearch": {
                "unit": "u", "state": "active", "deployed": deployed,
            }});
            host.status = serde_json::from_value(status).unwrap();
            removal(&serde_json::from_value(cluster).unwrap(), &host)
        };
        for (known, noted) in [("own", "another"), ("", "another")] {
            let Wish::Unknown { why } = removal(known, Some(noted)) else { panic!("{known}") };
            assert!(why.contains("a member of another cluster"), "{why}");
        }
        // Where nothing is noted the machine compares the settings.
        for (known, noted) in [("own", Some("own")), ("own", None), ("", None)] {
            let Wish::Remove(it) = removal(known, noted) else { panic!("{known} {noted:?}") };
            assert_eq!((&*it.name, it.uuid.as_deref().unwrap_or_default()), ("logs", known));
            assert_eq!(it.data, Data::Removed);
        }
    }

    #[test]
    fn only_a_cluster_that_is_deleted_under_delete_takes_its_elasticsearch_along_once_it_says_so() {
        let cluster = |policy: &str, deleted: bool, says_so: bool| -> Cluster {
            let mut object = json!({
                "metadata": { "name": "logs" }, "spec": { "deletionPolicy": policy },
            });
            if says_so {
                object["status"] = json!({ "removal": { "startedAt": "2026-01-02T03:04:05Z" } });
            }
            if deleted {
                object["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
            }
            serde_json::from_value(object).unwrap()
        };
        assert!(deployment::takes_along(&cluster("Delete", true, true)));
        assert!(!deployment::takes_along(&cluster("Delete", false, true)));
        assert!(!deployment::takes_along(&cluster("Retain", true, true)));
        let host = scene::host();
        assert!(matches!(removal(&cluster("Delete", true, true), &host), Wish::Remove(_)));
        let early = removal(&cluster("Delete", true, false), &host);
        assert!(matches!(early, Wish::Leaves { .. }), "something needs it yet: {early:?}");
    }
}
