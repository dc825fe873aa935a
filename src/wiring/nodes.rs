//! What Clusters, Hosts and `ContainerManager`s learn of each other.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use futures::{Stream, StreamExt as _, channel::mpsc::UnboundedReceiver as Touched, stream};
use kube::{
    ResourceExt as _,
    runtime::{
        Controller,
        reflector::{ObjectRef, Store},
    },
};
use tokio::sync::mpsc::UnboundedReceiver;

use super::{
    deployment::Declared,
    gates::{Gates, Turn},
    named, refs,
};
use crate::{
    api::{
        cluster::Cluster,
        condition::truth,
        container_manager::{ContainerManager, conditions},
        host::Host,
        host_status::HostState,
        rollout_status::RolloutHost,
    },
    context::{Context, Stores},
    controllers::{
        container_manager::references, deployment::leaving::is_skipped, host::operation::errand,
        object_ref,
    },
    kubernetes::known::ObjectName,
    nodes::manager::Concern,
    object_key::ObjectKey,
};

/// A `ContainerManager` is looked at when there is news of its server, when a Secret or `ConfigMap`
/// that it names changes, and when a Host comes to be a Node there or leaves.
pub fn container_manager(
    ctx: &Arc<Context>,
    wakes: UnboundedReceiver<ObjectKey>,
    secrets: Touched<ObjectName>,
    config_maps: Touched<ObjectName>,
    hosts: Touched<ObjectName>,
) -> impl FnOnce(Controller<ContainerManager>) -> Controller<ContainerManager> + use<> {
    let store = || ctx.stores.container_managers.clone();
    let secrets =
        named(store(), secrets, |manager, name| references::secrets(manager).any(|it| it == name));
    let config_maps =
        named(store(), config_maps, |manager, name| references::config_map(manager) == Some(name));
    let members = of_hosts(ctx.stores.hosts.clone(), hosts, |host| {
        let record = host.status.as_ref()?.container_manager.as_ref()?;
        Some((record.name.clone(), (record.registered, record.ready)))
    });
    move |controller| {
        controller
            .reconcile_on(refs(wakes))
            .reconcile_on(secrets)
            .reconcile_on(config_maps)
            .reconcile_on(members)
    }
}

/// The Clusters whose members come, go, come to be or are no longer in service, or answer to a run.
pub(super) fn clusters_of_hosts(
    store: Store<Host>,
    hosts: Touched<ObjectName>,
) -> impl Stream<Item = ObjectRef<Cluster>> {
    of_hosts(store, hosts, |host| {
        let cluster = host.spec.cluster_ref.as_ref().filter(|_| !host.awaits_approval())?;
        let status = host.status.as_ref();
        let state = status.and_then(|it| it.state);
        let answer = status.and_then(|it| it.operation.as_ref()).map(|it| {
            (it.run_id.clone(), it.step.clone(), it.attempt, it.status, it.cordoned_by_us)
        });
        let elasticsearch = status.and_then(|it| it.elasticsearch.clone());
        let is_active = state == Some(HostState::Active);
        let leaves = (host.metadata.deletion_timestamp.is_some(), is_skipped(host));
        Some((cluster.name.clone(), (is_active, answer, elasticsearch, leaves)))
    })
}

/// The objects that Hosts name, as they come to name them or otherwise than before.
fn of_hosts<K: crate::kubernetes::Kind, V: Clone + PartialEq>(
    store: Store<Host>,
    hosts: Touched<ObjectName>,
    gate: impl Fn(&Host) -> Option<(String, V)>,
) -> impl Stream<Item = ObjectRef<K>> {
    let mut gates = Gates::default();
    hosts
        .map(move |host| {
            let now = store.get(&object_ref(&host)).map(|it| gate(&it));
            let both = match gates.turn(&host, now.clone()) {
                Turn::Same => [None, None],
                Turn::News { before } => [before, now],
            };
            let gates = both.into_iter().flatten().flatten();
            let mut names: Vec<String> = gates.map(|(name, _)| name).collect();
            names.dedup();
            let namespace = host.namespace;
            let objects = names.into_iter().map(|name| ObjectRef::new(&name).within(&namespace));
            stream::iter(objects.collect::<Vec<_>>())
        })
        .flatten()
}

/// The members of a Cluster that comes or goes, or comes to name another `ContainerManager`, Network or
/// service; and those for which its run over the hosts has something else than before.
pub(super) fn members_of_clusters(
    stores: &Stores,
    clusters: Touched<ObjectName>,
) -> impl Stream<Item = ObjectRef<Host>> + use<> {
    let (mut gates, mut runs) = (Gates::default(), Gates::default());
    let (known, hosts) = (stores.clusters.clone(), stores.hosts.clone());
    clusters
        .map(move |name| {
            let cluster = known.get(&object_ref(&name));
            let now = cluster.as_deref().map(|it| {
                let manager = it.spec.container_manager_ref.as_ref().map(|it| it.name.clone());
                let network = it.spec.network_ref.as_ref().map(|it| it.name.clone());
                let stands = (it.metadata.deletion_timestamp.is_some(), it.spec.mode);
                (manager, network, errand::unit(it), stands, Declared::of(it))
            });
            let places = cluster.as_deref().map(places);
            let in_run = match runs.turn(&name, places.clone()) {
                Turn::Same => Vec::new(),
                Turn::News { before } => differing(&before.unwrap_or_default(), places.as_ref()),
            };
            let is_news = gates.turn(&name, now) != Turn::Same;
            let woken: Vec<ObjectRef<Host>> = if is_news {
                let is_member = |it: &Host| {
                    let named = it.spec.cluster_ref.as_ref();
                    it.namespace().as_deref() == Some(&name.namespace)
                        && named.is_some_and(|it| it.name == name.name)
                };
                let all = hosts.state();
                all.iter().filter(|it| is_member(it)).map(|it| ObjectRef::from_obj(&**it)).collect()
            } else {
                in_run.iter().map(|it| ObjectRef::new(it).within(&name.namespace)).collect()
            };
            stream::iter(woken)
        })
        .flatten()
}

/// What a run has for each host, by the names of the Hosts.
type Places = HashMap<String, (String, RolloutHost)>;

fn places(cluster: &Cluster) -> Places {
    let run = cluster.status.as_ref().and_then(|it| it.rollout.as_ref());
    let hosts = run.into_iter().flat_map(|run| run.hosts.iter().map(|it| (&run.run_id, it)));
    // What went wrong is for people to read.
    let plain = |it: &RolloutHost| RolloutHost { message: None, ..it.clone() };
    hosts.map(|(run, it)| (it.name.clone(), (run.clone(), plain(it)))).collect()
}

/// The Hosts for which there is something else now than before.
fn differing(before: &Places, now: Option<&Places>) -> Vec<String> {
    let none = Places::new();
    let now = now.unwrap_or(&none);
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let is_news = |it: &&&String| before.get(**it) != now.get(**it);
    names.iter().filter(is_news).map(|it| (*it).clone()).collect()
}

/// The Hosts in a `ContainerManager` that comes or goes, or of whose server there is news.
pub(super) fn hosts_of_managers(
    stores: &Stores,
    concerns: UnboundedReceiver<Concern>,
    managers: Touched<ObjectName>,
) -> impl Stream<Item = ObjectRef<Host>> + use<> {
    let known = stores.clone();
    let of_servers = stream::unfold(concerns, async |mut concerns| {
        let concern = concerns.recv().await?;
        Some((concern, concerns))
    });
    let of_servers = of_servers.map(move |it| stream::iter(concerned(&known, &it))).flatten();
    let mut gates = Gates::default();
    let known = stores.clone();
    let of_objects = managers
        .map(move |name| {
            let object = known.container_managers.get(&object_ref(&name));
            let now = object.as_deref().map(hold);
            let manager = ObjectKey { namespace: name.namespace.clone(), name: name.name.clone() };
            let hosts = match gates.turn(&name, now) {
                Turn::Same => Vec::new(),
                Turn::News { .. } => concerned(&known, &Concern { manager, uids: None }),
            };
            stream::iter(hosts)
        })
        .flatten();
    stream::select(of_servers, of_objects)
}

/// What of a `ContainerManager` itself decides what its hosts can do.
fn hold(manager: &ContainerManager) -> [bool; 3] {
    let judged = manager.status.as_ref().map(|it| it.conditions.as_slice());
    let is_false = |kind| truth(judged.unwrap_or_default(), kind) == Some(false);
    let is_leaving = manager.metadata.deletion_timestamp.is_some();
    [is_leaving, is_false(conditions::ACCEPTED), is_false(conditions::RESOLVED_REFS)]
}

fn concerned(stores: &Stores, concern: &Concern) -> Vec<ObjectRef<Host>> {
    let Concern { manager, uids } = concern;
    let namespace = Some(manager.namespace.as_str());
    let clusters = stores.clusters.state();
    let clusters: Vec<String> = clusters
        .iter()
        .filter(|it| it.namespace().as_deref() == namespace)
        .filter(|it| {
            let named = it.spec.container_manager_ref.as_ref();
            named.is_some_and(|it| it.name == manager.name)
        })
        .map(|it| it.name_any())
        .collect();
    let is_in = |host: &Host| {
        let record = host.status.as_ref().and_then(|it| it.container_manager.as_ref());
        let cluster = host.spec.cluster_ref.as_ref();
        record.is_some_and(|it| it.name == manager.name)
            || cluster.is_some_and(|it| clusters.contains(&it.name))
    };
    let hosts = stores.hosts.state();
    let concerned = hosts.iter().filter(|host| {
        host.namespace().as_deref() == namespace
            && match uids {
                Some(uids) => host.uid().is_some_and(|it| uids.contains(it.as_str())),
                None => is_in(host),
            }
    });
    concerned.map(|it| ObjectRef::from_obj(&**it)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cluster(run: &str, hosts: &[(&str, &str, &str)]) -> Cluster {
        let then = "2026-01-02T03:04:05Z";
        let place = |(name, step, message): &(&str, &str, &str)| {
            json!({
                "name": name, "hostUid": name, "step": step, "attempt": 1, "startedAt": then,
                "message": message,
            })
        };
        let hosts: Vec<_> = hosts.iter().map(place).collect();
        let run = json!({
            "runId": run, "kind": "HostRestart", "target": "once", "hosts": hosts,
            "startedAt": then,
        });
        let cluster =
            json!({ "metadata": { "name": "es" }, "spec": {}, "status": { "rollout": run } });
        serde_json::from_value(cluster).unwrap()
    }

    #[test]
    fn only_the_hosts_for_which_a_run_has_something_else_are_woken() {
        let before =
            places(&cluster("r-1", &[("a", "Done", ""), ("b", "Stage", ""), ("c", "Waiting", "")]));
        let differs = |hosts: &[(&str, &str, &str)]| {
            differing(&before, Some(&places(&cluster("r-1", hosts))))
        };
        let none: [&str; 0] = [];
        assert_eq!(differs(&[("a", "Done", ""), ("b", "Stage", "x"), ("c", "Waiting", "")]), none);
        assert_eq!(differs(&[("a", "Done", ""), ("b", "Gate", ""), ("c", "Waiting", "")]), ["b"]);
        assert_eq!(
            differs(&[("b", "Stage", ""), ("c", "Waiting", ""), ("d", "Waiting", "")]),
            ["a", "d"]
        );
        assert_eq!(differing(&before, None), ["a", "b", "c"], "the run is over");
        let another = places(&cluster("r-2", &[("a", "Done", "")]));
        assert_eq!(differing(&before, Some(&another)), ["a", "b", "c"]);
    }
}
