//! What wakes the controller of Networks.

use std::{collections::HashMap, sync::Arc};

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
    gates::{Gates, Turn},
    named, refs,
};
use crate::{
    api::{
        condition::{Reason, find},
        host::{self, Host},
        host_status::OsFamily,
        line::Line,
        network::{Network, conditions},
    },
    context::{Context, Stores},
    controllers::{flannel, network::observe::without_flannel, object_ref},
    kubernetes::known::ObjectName,
    object_key::ObjectKey,
};

/// What a Network depends on.
pub struct Around {
    /// Secrets that change.
    pub secrets: Touched<ObjectName>,
    /// `ConfigMap`s that change.
    pub config_maps: Touched<ObjectName>,
    /// Clusters that change.
    pub clusters: Touched<ObjectName>,
    /// Hosts that change.
    pub hosts: Touched<ObjectName>,
    /// Networks that change.
    pub networks: Touched<ObjectName>,
}

/// A Network is looked at when hosts have told something new of each other, when a Secret or
/// `ConfigMap` that it names changes, when a Cluster comes to use it or no longer does, when a host
/// of such a Cluster comes, goes or can be asked, and when another Network goes whose place it wants.
pub fn network(
    ctx: &Arc<Context>,
    wakes: UnboundedReceiver<ObjectKey>,
    around: Around,
) -> impl FnOnce(Controller<Network>) -> Controller<Network> + use<> {
    let store = || ctx.stores.networks.clone();
    let secrets = named(store(), around.secrets, |network, name| {
        flannel::secrets(network).any(|it| it == name)
    });
    let config_maps = named(store(), around.config_maps, |network, name| {
        flannel::config_map(network) == Some(name)
    });
    let waiting = around.networks.map(in_conflict(store())).flatten();
    let stores = ctx.stores.clone();
    let of_clusters = uses(store(), around.clusters, move |name| {
        let cluster = stores.clusters.get(&object_ref(name))?;
        Some(cluster.spec.network_ref.as_ref().map(|it| (it.name.clone(), ())))
    });
    let stores = ctx.stores.clone();
    let of_hosts = uses(store(), around.hosts, move |name| {
        let host = stores.hosts.get(&object_ref(name))?;
        Some(as_member(&stores, &host))
    });
    move |controller| {
        controller
            .reconcile_on(refs(wakes))
            .reconcile_on(secrets)
            .reconcile_on(config_maps)
            .reconcile_on(waiting)
            .reconcile_on(of_clusters)
            .reconcile_on(of_hosts)
    }
}

/// The Hosts on whose machines a Network of flannel asks for something, or did, when that may be
/// something else now: when the Network changes, comes, goes or stands in etcd, and when a Secret or
/// `ConfigMap` that it names changes.
pub(super) fn hosts_of_networks(
    stores: &Stores,
    networks: Touched<ObjectName>,
    secrets: Touched<ObjectName>,
    config_maps: Touched<ObjectName>,
) -> impl Stream<Item = ObjectRef<Host>> + use<> {
    let store = || stores.networks.clone();
    let of_secrets =
        named(store(), secrets, |network, name| flannel::secrets(network).any(|it| it == name));
    let of_maps =
        named(store(), config_maps, |network, name| flannel::config_map(network) == Some(name));
    let named = stream::select(of_secrets, of_maps)
        .map(|it| ObjectName { namespace: it.namespace.unwrap_or_default(), name: it.name });
    let (mut gates, known) = (Gates::default(), stores.clone());
    let changed = networks.filter(move |name| {
        let now = known.networks.get(&object_ref(name)).map(|it| asked(&it));
        std::future::ready(gates.turn(name, now) != Turn::Same)
    });
    let known = stores.clone();
    stream::select(named, changed).map(move |it| stream::iter(users(&known, &it))).flatten()
}

/// What of a Network decides what it asks of the machines that use it.
fn asked(network: &Network) -> (Option<i64>, bool, Option<Line<32>>) {
    let tried = network.status.as_ref().and_then(|it| it.settings_revision.clone());
    (network.metadata.generation, network.metadata.deletion_timestamp.is_some(), tried)
}

/// The Hosts that use a Network, or did.
fn users(stores: &Stores, network: &ObjectName) -> Vec<ObjectRef<Host>> {
    let uses = |cluster: &str| {
        let key = ObjectRef::new(cluster).within(&network.namespace);
        let cluster = stores.clusters.get(&key);
        cluster.is_some_and(|it| {
            it.spec.network_ref.as_ref().is_some_and(|it| it.name == network.name)
        })
    };
    let hosts = stores.hosts.state();
    let using = hosts.iter().filter(|host| {
        let record = host.status.as_ref().and_then(|it| it.network.as_ref());
        host.namespace().as_ref() == Some(&network.namespace)
            && (record.is_some_and(|it| it.name == network.name)
                || host.spec.cluster_ref.as_ref().is_some_and(|it| uses(&it.name)))
    });
    using.map(|it| ObjectRef::from_obj(&**it)).collect()
}

/// Those that another Network kept from their place, which may be in another namespace, once it goes
/// or changes in any way.
fn in_conflict(
    store: Store<Network>,
) -> impl FnMut(ObjectName) -> stream::Iter<std::vec::IntoIter<ObjectRef<Network>>> {
    move |name| {
        let waits = |it: &Network| {
            let judged = it.status.as_ref().map(|it| it.conditions.as_slice()).unwrap_or_default();
            let accepted = find(judged, conditions::ACCEPTED);
            ObjectName::from(&it.metadata) != name
                && accepted.is_some_and(|it| it.reason == Reason::Conflict.as_str())
        };
        let all = store.state();
        let waiting = all.iter().filter(|it| waits(it)).map(|it| ObjectRef::from_obj(&**it));
        stream::iter(waiting.collect::<Vec<_>>())
    }
}

/// The name of the Network that an object uses, and what of the object matters to it.
type Use<T> = Option<(String, T)>;

/// The Networks that objects use, when one of these begins to use it, no longer does, or changes in
/// what matters. `used` tells that; nothing where the object is gone.
fn uses<T: Clone + PartialEq>(
    store: Store<Network>,
    touched: Touched<ObjectName>,
    used: impl Fn(&ObjectName) -> Option<Use<T>>,
) -> impl Stream<Item = ObjectRef<Network>> {
    let mut known: HashMap<ObjectName, Use<T>> = HashMap::new();
    touched
        .map(move |name| {
            let now = used(&name);
            let before = match &now {
                Some(now) => known.insert(name.clone(), now.clone()),
                None => known.remove(&name),
            };
            let refs: Vec<_> = match before {
                before @ Some(_) if before == now => Vec::new(),
                Some(before) => {
                    let named = [before, now.flatten()].into_iter().flatten();
                    named.map(|(it, _)| ObjectRef::new(&it).within(&name.namespace)).collect()
                }
                // Which one it used at the start is not known.
                None => {
                    let all = store.state();
                    let near =
                        all.iter().filter(|it| it.namespace().as_ref() == Some(&name.namespace));
                    near.map(|it| ObjectRef::from_obj(&**it)).collect()
                }
            };
            stream::iter(refs)
        })
        .flatten()
}

/// What of a Host matters to those who want to reach it, or to ask it: its Cluster, the addresses,
/// whether it serves or leaves, how far it is accepted and reached, and whether Drover could bring
/// flanneld there.
#[derive(Clone, PartialEq)]
struct Member {
    cluster: String,
    addresses: [Option<String>; 2],
    serves: bool,
    leaves: bool,
    without_flannel: Option<OsFamily>,
    judged: [Option<(String, String)>; 2],
}

fn as_member(stores: &Stores, host: &Host) -> Option<(String, Member)> {
    let name = &host.spec.cluster_ref.as_ref()?.name;
    let namespace = host.namespace().unwrap_or_default();
    let cluster = stores.clusters.get(&ObjectRef::new(name).within(&namespace))?;
    let network = cluster.spec.network_ref.as_ref()?.name.clone();
    let conditions = host.status.as_ref().map(|it| it.conditions.as_slice()).unwrap_or_default();
    let word =
        |kind| find(conditions, kind).map(|it| (it.status.to_string(), it.reason.to_string()));
    let spec = &host.spec;
    let member = Member {
        cluster: name.clone(),
        addresses: [Some(&spec.address), spec.node_address.as_ref()]
            .map(|it| it.map(|it| it.0.clone())),
        serves: !spec.maintenance,
        leaves: host.metadata.deletion_timestamp.is_some(),
        without_flannel: without_flannel(host),
        judged: [host::conditions::ACCEPTED, host::conditions::REACHABLE].map(word),
    };
    Some((network, member))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::{FutureExt as _, channel::mpsc::unbounded};
    use kube::runtime::{reflector, watcher::Event};
    use serde_json::json;

    use super::*;

    #[test]
    fn networks_are_woken_by_those_who_use_them_and_by_no_other() {
        let (store, mut writer) = reflector::store();
        for name in ["a", "b", "c"] {
            let network = json!({
                "metadata": { "name": name, "namespace": "shop" },
                "spec": { "type": "HostNetwork" },
            });
            writer.apply_watcher_event(&Event::Apply(serde_json::from_value(network).unwrap()));
        }
        let state = Arc::new(Mutex::new(None));
        let (touch, touched) = unbounded();
        let told = Arc::clone(&state);
        let mut woken = Box::pin(uses(store, touched, move |_| told.lock().unwrap().clone()));
        let mut change = |to: Option<Use<u8>>| {
            *state.lock().unwrap() = to;
            let name = ObjectName { namespace: "shop".into(), name: "es".into() };
            touch.unbounded_send(name).unwrap();
            let next = || woken.next().now_or_never().flatten();
            let mut names: Vec<_> = std::iter::from_fn(next).map(|it| it.name).collect();
            names.sort_unstable();
            names.concat()
        };
        let by = |network: &str, what: u8| Some(Some((network.to_owned(), what)));
        assert_eq!(change(by("a", 1)), "abc", "which one it used before is not known");
        assert_eq!(change(by("a", 1)), "");
        assert_eq!(change(by("a", 2)), "aa");
        assert_eq!(change(by("b", 2)), "ab");
        assert_eq!(change(Some(None)), "b");
        assert_eq!(change(Some(None)), "", "who uses none");
        assert_eq!(change(by("c", 1)), "c");
        assert_eq!(change(None), "c", "gone");
        assert_eq!(change(by("c", 1)), "abc", "made again");
    }
}
