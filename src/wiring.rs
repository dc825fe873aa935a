//! Which stream wakes which controller: all that one kind learns of another goes through here.

mod deployment;
mod gates;
pub mod networks;
mod nodes;

use std::{future::ready, sync::Arc};

use futures::{
    Stream, StreamExt as _,
    channel::mpsc::{UnboundedReceiver as Touched, unbounded},
    stream,
};
use kube::{
    Resource as _, ResourceExt as _,
    runtime::{
        Controller,
        reflector::{ObjectRef, Store},
    },
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use self::gates::{Gates, Turn};
use crate::{
    api::{
        cluster::{Cluster, conditions},
        condition::{Reason, find, is_true},
        host::{self, Host},
        index::Index,
    },
    context::{Context, Stores},
    controllers::{
        cluster::references,
        deployment::secrets as managed_secrets,
        host::{observe::pinned, references as host_references},
        object_ref,
    },
    elasticsearch::link::Wakers,
    kubernetes::{
        Kind,
        known::ObjectName,
        references::{watch_config_maps, watch_secrets},
    },
    nodes::manager::{self, Concern},
    object_key::ObjectKey,
};

pub use self::nodes::container_manager;

/// The receiving ends of the wakes of pollers and probers.
pub struct Wakes {
    /// Of Clusters.
    pub clusters: UnboundedReceiver<ObjectKey>,
    /// Of Indices.
    pub indices: UnboundedReceiver<ObjectKey>,
    /// Of Hosts.
    pub hosts: UnboundedReceiver<ObjectKey>,
    /// Of Networks.
    pub networks: UnboundedReceiver<ObjectKey>,
    /// Of `ContainerManager`s.
    pub managers: UnboundedReceiver<ObjectKey>,
    /// Of the Hosts in one.
    pub concerns: UnboundedReceiver<Concern>,
}

/// The sending ends.
pub struct Senders {
    /// Of those who ask Elasticsearch.
    pub elasticsearch: Wakers,
    /// Of those who ask hosts.
    pub hosts: UnboundedSender<ObjectKey>,
    /// Of those who ask hosts about each other.
    pub networks: UnboundedSender<ObjectKey>,
    /// Of those who ask the API servers that hosts are registered in.
    pub nodes: manager::Wakers,
}

/// Both ends of the wakes: for those who ask, and for the controllers.
#[must_use]
pub fn wakes() -> (Senders, Wakes) {
    let (clusters, cluster_wakes) = unbounded_channel();
    let (indices, index_wakes) = unbounded_channel();
    let (hosts, host_wakes) = unbounded_channel();
    let (networks, network_wakes) = unbounded_channel();
    let (managers, manager_wakes) = unbounded_channel();
    let (nodes, concerns) = unbounded_channel();
    let wakes = Wakes {
        clusters: cluster_wakes,
        indices: index_wakes,
        hosts: host_wakes,
        networks: network_wakes,
        managers: manager_wakes,
        concerns,
    };
    let nodes = manager::Wakers { managers, hosts: nodes };
    (Senders { elasticsearch: Wakers { clusters, indices }, hosts, networks, nodes }, wakes)
}

/// The names of Secrets that change, for several controllers: they are watched once.
pub fn secrets<const N: usize>(ctx: &Arc<Context>) -> [Touched<ObjectName>; N] {
    for_several(watch_secrets(Arc::clone(ctx)))
}

/// The names of `ConfigMap`s that change, in the same way.
pub fn config_maps<const N: usize>(ctx: &Arc<Context>) -> [Touched<ObjectName>; N] {
    for_several(watch_config_maps(Arc::clone(ctx)))
}

fn for_several<const N: usize>(
    names: impl Stream<Item = ObjectName> + Send + 'static,
) -> [Touched<ObjectName>; N] {
    let mut senders = Vec::new();
    let receivers = std::array::from_fn(|_| {
        let (sender, receiver) = unbounded();
        senders.push(sender);
        receiver
    });
    tokio::spawn(names.for_each(move |name| {
        for sender in &senders {
            // Who does not listen any more is about to end.
            let _ = sender.unbounded_send(name.clone());
        }
        ready(())
    }));
    receivers
}

fn refs<K: crate::kubernetes::Kind>(
    wakes: UnboundedReceiver<ObjectKey>,
) -> impl Stream<Item = ObjectRef<K>> {
    stream::unfold(wakes, async |mut wakes| {
        let key = wakes.recv().await?;
        Some((ObjectRef::new(&key.name).within(&key.namespace), wakes))
    })
}

/// What a Cluster depends on, as it changes.
pub struct Around {
    /// Secrets.
    pub secrets: Touched<ObjectName>,
    /// `ConfigMap`s.
    pub config_maps: Touched<ObjectName>,
    /// Indices.
    pub indices: Touched<ObjectName>,
    /// Hosts.
    pub hosts: Touched<ObjectName>,
    /// Networks.
    pub networks: Touched<ObjectName>,
    /// `ContainerManager`s.
    pub managers: Touched<ObjectName>,
}

/// A Cluster is looked at when its poller has news, when a Secret or `ConfigMap` that it names
/// changes, when an Index that held back its deletion goes, when its members come, go, or change
/// their state, and when its Network or its `ContainerManager` comes or goes.
pub fn cluster(
    ctx: &Arc<Context>,
    wakes: UnboundedReceiver<ObjectKey>,
    around: Around,
) -> impl FnOnce(Controller<Cluster>) -> Controller<Cluster> + use<> {
    let store = || ctx.stores.clusters.clone();
    let secrets = named(store(), around.secrets, |cluster, name| {
        references::secrets(cluster).any(|it| it == name)
            || managed_secrets::names(cluster).any(|it| it == name)
    });
    let config_maps = named(store(), around.config_maps, |cluster, name| {
        references::config_map(cluster) == Some(name)
    });
    let leaving = named(store(), around.indices, |cluster: &Cluster, _| {
        cluster.metadata.deletion_timestamp.is_some()
    });
    let members = nodes::clusters_of_hosts(ctx.stores.hosts.clone(), around.hosts);
    let networks = come_or_go(ctx.stores.networks.clone(), around.networks);
    let networks = named(store(), networks, |cluster: &Cluster, name| {
        cluster.spec.network_ref.as_ref().is_some_and(|it| it.name == name)
    });
    let managers = come_or_go(ctx.stores.container_managers.clone(), around.managers);
    let managers = named(store(), managers, |cluster: &Cluster, name| {
        cluster.spec.container_manager_ref.as_ref().is_some_and(|it| it.name == name)
    });
    move |controller| {
        controller
            .reconcile_on(refs(wakes))
            .reconcile_on(secrets)
            .reconcile_on(config_maps)
            .reconcile_on(leaving)
            .reconcile_on(members)
            .reconcile_on(networks)
            .reconcile_on(managers)
    }
}

/// Of the objects that are touched, those that come or go by it.
fn come_or_go<K: Kind>(
    store: Store<K>,
    touched: Touched<ObjectName>,
) -> impl Stream<Item = ObjectName> {
    let mut gates = Gates::default();
    touched.filter(move |name| {
        let now = store.get(&object_ref(name)).map(|_| ());
        ready(gates.turn(name, now) != Turn::Same)
    })
}

/// The objects of a kind, in a touched object's namespace, that care about it.
fn named<K: Kind>(
    store: Store<K>,
    touched: impl Stream<Item = ObjectName>,
    cares: impl Fn(&K, &str) -> bool,
) -> impl Stream<Item = ObjectRef<K>> {
    touched
        .map(move |object| {
            let all = store.state();
            let caring = all.iter().filter(|it| {
                it.meta().namespace.as_deref() == Some(object.namespace.as_str())
                    && cares(it, &object.name)
            });
            stream::iter(caring.map(|it| ObjectRef::from_obj(&**it)).collect::<Vec<_>>())
        })
        .flatten()
}

/// What a Host depends on, as it changes.
pub struct AroundHost {
    /// Secrets.
    pub secrets: Touched<ObjectName>,
    /// Clusters.
    pub clusters: Touched<ObjectName>,
    /// `ContainerManager`s.
    pub managers: Touched<ObjectName>,
    /// Hosts.
    pub hosts: Touched<ObjectName>,
    /// Networks.
    pub networks: Touched<ObjectName>,
    /// Secrets that Networks name.
    pub network_secrets: Touched<ObjectName>,
    /// `ConfigMap`s that Networks name.
    pub network_config_maps: Touched<ObjectName>,
}

/// A Host is looked at when its prober has news, when a Secret that it names changes, when its
/// Cluster comes, goes, names another `ContainerManager` or Network, or has something else for it in a
/// run over its hosts, when there is news of the former or of its Node there, when the latter asks
/// something else of its machine, when a person approves it, when another Host comes to stand for
/// the same machine or no longer does, and when what its Cluster has Drover run there changes.
pub fn host(
    ctx: &Arc<Context>,
    (wakes, concerns): (UnboundedReceiver<ObjectKey>, UnboundedReceiver<Concern>),
    around: AroundHost,
) -> impl FnOnce(Controller<Host>) -> Controller<Host> + use<> {
    let store = || ctx.stores.hosts.clone();
    let secrets = named(store(), around.secrets, |host, name| {
        host_references::secrets(host).any(|it| it == name) || deployment::is_of_cluster(host, name)
    });
    let members = nodes::members_of_clusters(&ctx.stores, around.clusters);
    let managed = nodes::hosts_of_managers(&ctx.stores, concerns, around.managers);
    let (secrets_there, maps_there) = (around.network_secrets, around.network_config_maps);
    let networks =
        networks::hosts_of_networks(&ctx.stores, around.networks, secrets_there, maps_there);
    let peers = peers(ctx.stores.clone(), around.hosts);
    move |controller| {
        controller
            .reconcile_on(refs(wakes))
            .reconcile_on(secrets)
            .reconcile_on(members)
            .reconcile_on(managed)
            .reconcile_on(networks)
            .reconcile_on(peers)
    }
}

/// What a Host's label, and the machine that it stands for, mean to itself and to others.
fn peers(stores: Stores, hosts: Touched<ObjectName>) -> impl Stream<Item = ObjectRef<Host>> {
    let (mut approved, mut machines) = (Gates::default(), Gates::default());
    let mut fellows = deployment::Fellows::default();
    let store = stores.hosts.clone();
    hosts
        .map(move |name| {
            let host = store.get(&object_ref(&name));
            let mut woken = fellows.of(&stores, &name, host.as_deref());
            let approval = approved.turn(&name, host.as_deref().map(Host::is_approved));
            if host.is_some() && approval != Turn::Same {
                woken.push(object_ref(&name));
            }
            let machine = host.as_deref().and_then(pinned).map(str::to_owned);
            let is_another = match machines.turn(&name, machine.clone()) {
                Turn::Same => false,
                Turn::News { before } => before != machine,
            };
            if is_another || host.is_none() {
                let concerned = |it: &Host| {
                    let conditions = it.status.as_ref().map(|it| it.conditions.as_slice());
                    let accepted = find(conditions.unwrap_or_default(), host::conditions::ACCEPTED);
                    ObjectName::from(it.meta()) != name
                        && (accepted.is_some_and(|it| it.reason == Reason::Conflict.as_str())
                            || (machine.is_some() && pinned(it) == machine.as_deref()))
                };
                let hosts = store.state();
                let concerned = hosts.iter().filter(|it| concerned(it));
                woken.extend(concerned.map(|it| ObjectRef::from_obj(&**it)));
            }
            stream::iter(woken)
        })
        .flatten()
}

/// An Index is looked at when its Cluster's poller has news of it, and when its Cluster comes, goes,
/// or can be worked in again.
pub fn index(
    ctx: &Arc<Context>,
    wakes: UnboundedReceiver<ObjectKey>,
    clusters: Touched<ObjectName>,
) -> impl FnOnce(Controller<Index>) -> Controller<Index> + use<> {
    let stores = ctx.stores.clone();
    let mut gates = Gates::default();
    let of_clusters = clusters
        .filter_map(move |name| {
            let cluster = stores.clusters.get(&object_ref(&name));
            let is_news = gates.turn(&name, cluster.as_deref().map(gate)) != Turn::Same;
            ready(is_news.then(|| stream::iter(members(&stores, &name))))
        })
        .flatten();
    move |controller| controller.reconcile_on(refs(wakes)).reconcile_on(of_clusters)
}

/// What of a Cluster decides whether its indices can be worked on.
type Gate = ([bool; 5], Option<String>, bool);

fn gate(cluster: &Cluster) -> Gate {
    let status = cluster.status.as_ref();
    let judged = status.map(|it| it.conditions.as_slice()).unwrap_or_default();
    let open = [
        conditions::ACCEPTED,
        conditions::RESOLVED_REFS,
        conditions::REACHABLE,
        conditions::AUTHENTICATED,
        conditions::IDENTITY_MATCHES,
    ]
    .map(|it| is_true(judged, it));
    let uuid = status.and_then(|it| it.elasticsearch.as_ref()).map(|it| it.uuid.clone());
    (open, uuid, cluster.metadata.deletion_timestamp.is_some())
}

fn members(stores: &Stores, cluster: &ObjectName) -> Vec<ObjectRef<Index>> {
    let indices = stores.indices.state();
    let members = indices.iter().filter(|index| {
        index.spec.cluster_ref.name == cluster.name
            && index.namespace().as_deref() == Some(cluster.namespace.as_str())
    });
    members.map(|it| ObjectRef::from_obj(&**it)).collect()
}
