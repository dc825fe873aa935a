//! What the hosts of a managed Cluster learn of it, of its Secrets, and of each other.

use std::collections::BTreeMap;

use kube::{ResourceExt as _, runtime::reflector::ObjectRef};

use super::gates::{Gates, Turn};
use crate::{
    api::{
        cluster::{Cluster, ClusterDeletionPolicy},
        drain::DrainStatus,
        elasticsearch::ElasticsearchSpec,
        host::Host,
        rollout_status::Formation,
    },
    authority::secrets::Kind,
    context::Stores,
    controllers::{deployment, object_ref},
    kubernetes::known::ObjectName,
};

/// What of a managed Cluster decides what is done on its hosts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Declared {
    elasticsearch: Option<ElasticsearchSpec>,
    formation: Option<Formation>,
    uuid: Option<String>,
    is_rolling: bool,
    is_paused: bool,
    running: Option<String>,
    deletion: (ClusterDeletionPolicy, bool, bool),
    drain: Option<DrainStatus>,
    kept: BTreeMap<String, Option<String>>,
}

impl Declared {
    /// Of `cluster`; nothing where Drover runs no Elasticsearch for it.
    pub(super) fn of(cluster: &Cluster) -> Option<Self> {
        let status = cluster.status.as_ref();
        deployment::is_managed(cluster).then(|| Self {
            elasticsearch: cluster.spec.elasticsearch.clone(),
            formation: status.and_then(|it| it.formation.clone()),
            uuid: deployment::uuid(cluster).map(str::to_owned),
            is_rolling: status.is_some_and(|it| it.rollout.is_some()),
            is_paused: cluster.spec.paused,
            running: status.and_then(|it| it.elasticsearch.as_ref()).map(|it| it.version.clone()),
            deletion: (
                cluster.spec.deletion_policy,
                cluster.spec.delete_data,
                status.is_some_and(|it| it.removal.is_some()),
            ),
            drain: status.and_then(|it| it.drain.clone()),
            kept: deployment::kept(cluster),
        })
    }
}

/// Whether the Secret of this name is one of the Cluster that `host` names.
pub(super) fn is_of_cluster(host: &Host, secret: &str) -> bool {
    let cluster = host.spec.cluster_ref.as_ref();
    cluster.is_some_and(|it| Kind::ALL.iter().any(|kind| kind.name(&it.name) == secret))
}

/// What of a Host the other members of its Cluster have to know.
type Known = (String, String, Option<BTreeMap<String, String>>);

/// Which Hosts are told of others.
#[derive(Default)]
pub(super) struct Fellows(Gates<Option<Known>>);

impl Fellows {
    /// The members of the managed Clusters that `host` is, or was, in, where they have to know.
    pub(super) fn of(
        &mut self,
        stores: &Stores,
        name: &ObjectName,
        host: Option<&Host>,
    ) -> Vec<ObjectRef<Host>> {
        let known = |it: &Host| {
            let cluster = it.spec.cluster_ref.as_ref().filter(|_| !it.awaits_approval())?;
            let labels = it.metadata.labels.clone();
            Some((cluster.name.clone(), it.spec.node_address().0.clone(), labels))
        };
        let now = host.map(known);
        let both = match self.0.turn(name, now.clone()) {
            Turn::Same => return Vec::new(),
            Turn::News { before } => [before, now],
        };
        let mut clusters: Vec<String> =
            both.into_iter().flatten().flatten().map(|it| it.0).collect();
        clusters.dedup();
        clusters.retain(|it| {
            let key = ObjectName { namespace: name.namespace.clone(), name: it.clone() };
            let cluster = stores.clusters.get(&object_ref(&key));
            cluster.is_some_and(|it| deployment::is_managed(&it))
        });
        if clusters.is_empty() {
            return Vec::new();
        }
        let is_member = |it: &Host| {
            let named = it.spec.cluster_ref.as_ref();
            it.namespace().as_deref() == Some(&*name.namespace)
                && named.is_some_and(|it| clusters.contains(&it.name))
        };
        let all = stores.hosts.state();
        all.iter().filter(|it| is_member(it)).map(|it| ObjectRef::from_obj(&**it)).collect()
    }
}

#[cfg(test)]
mod tests {
    use kube::{
        Client,
        runtime::{reflector, watcher},
    };
    use serde_json::{Value, json};

    use super::*;
    use crate::{context::Context, kubernetes::scripted::api_server};

    fn host(name: &str, spec: &Value) -> Host {
        let mut host = json!({
            "metadata": { "name": name, "namespace": "ns" },
            "spec": {
                "address": name, "credentials": { "secretName": "key" },
                "clusterRef": { "name": "logs" },
            },
        });
        for (key, value) in spec.as_object().unwrap() {
            host["spec"][key] = value.clone();
        }
        serde_json::from_value(host).unwrap()
    }

    #[tokio::test]
    async fn members_of_a_managed_cluster_hear_where_each_other_are() {
        let (client, _script): (Client, _) = api_server();
        let mut ctx = Context::for_tests(client);
        let (clusters, mut writer) = reflector::store();
        let url = "https://mirror.example/es-{version}-{arch}.tar.gz";
        let cluster: Cluster = serde_json::from_value(json!({
            "metadata": { "name": "logs", "namespace": "ns" },
            "spec": { "elasticsearch": { "version": "8.19.0", "distribution": { "url": url } } },
        }))
        .unwrap();
        writer.apply_watcher_event(&watcher::Event::Apply(cluster));
        ctx.stores.clusters = clusters;
        let (hosts, mut writer) = reflector::store();
        ctx.stores.hosts = hosts;
        for it in ["a", "b"] {
            writer.apply_watcher_event(&watcher::Event::Apply(host(it, &json!({}))));
        }
        let mut fellows = Fellows::default();
        let name = ObjectName { namespace: "ns".into(), name: "a".into() };
        let mut told = |spec: Value| fellows.of(&ctx.stores, &name, Some(&host("a", &spec))).len();
        assert_eq!(told(json!({})), 2);
        assert_eq!(told(json!({ "sysctls": { "vm.swappiness": "1" } })), 0, "no matter of theirs");
        assert_eq!(told(json!({ "nodeAddress": "10.0.0.1" })), 2);
        assert_eq!(told(json!({ "clusterRef": { "name": "other" } })), 2, "it left");
        assert_eq!(told(json!({ "clusterRef": { "name": "third" } })), 0, "nobody manages these");
    }

    #[test]
    fn a_host_hears_of_the_secrets_of_its_cluster() {
        let host = host("a", &json!({}));
        for name in ["logs-ca", "logs-ca-key", "logs-admin"] {
            assert!(is_of_cluster(&host, name));
        }
        assert!(!is_of_cluster(&host, "other-ca") && !is_of_cluster(&host, "logs"));
    }
}
