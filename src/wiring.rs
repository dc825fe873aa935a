//! Which stream wakes which controller: all that one kind learns of another goes through here.

use std::{collections::HashMap, future::ready, sync::Arc};

use futures::{Stream, StreamExt as _, channel::mpsc::UnboundedReceiver as Touched, stream};
use kube::{
    ResourceExt as _,
    runtime::{Controller, reflector::ObjectRef},
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::{
    api::{
        cluster::{Cluster, conditions},
        condition::is_true,
        index::Index,
    },
    context::{Context, Stores},
    controllers::{cluster::references, object_ref},
    elasticsearch::link::{ObjectKey, Wakers},
    kubernetes::{
        known::ObjectName,
        references::{watch_config_maps, watch_secrets},
    },
};

/// The receiving ends of the pollers' wakes.
pub struct Wakes {
    clusters: UnboundedReceiver<ObjectKey>,
    indices: UnboundedReceiver<ObjectKey>,
}

/// Both ends of the pollers' wakes.
#[must_use]
pub fn wakes() -> (Wakers, Wakes) {
    let (clusters, cluster_wakes) = unbounded_channel();
    let (indices, index_wakes) = unbounded_channel();
    (Wakers { clusters, indices }, Wakes { clusters: cluster_wakes, indices: index_wakes })
}

fn refs<K: crate::kubernetes::Kind>(
    wakes: UnboundedReceiver<ObjectKey>,
) -> impl Stream<Item = ObjectRef<K>> {
    stream::unfold(wakes, async |mut wakes| {
        let key = wakes.recv().await?;
        Some((ObjectRef::new(&key.name).within(&key.namespace), wakes))
    })
}

/// A Cluster is looked at when its poller has news, when a Secret or `ConfigMap` that it names
/// changes, and when an Index that held back its deletion goes.
pub fn cluster(
    ctx: &Arc<Context>,
    wakes: UnboundedReceiver<ObjectKey>,
    indices: Touched<ObjectName>,
) -> impl FnOnce(Controller<Cluster>) -> Controller<Cluster> + use<> {
    let stores = ctx.stores.clone();
    let secrets = named(stores.clone(), watch_secrets(Arc::clone(ctx)), |cluster, name| {
        references::secrets(cluster).any(|it| it == name)
    });
    let config_maps = named(stores.clone(), watch_config_maps(Arc::clone(ctx)), |cluster, name| {
        references::config_map(cluster) == Some(name)
    });
    let leaving =
        named(stores, indices, |cluster, _| cluster.metadata.deletion_timestamp.is_some());
    move |controller| {
        controller
            .reconcile_on(refs(wakes))
            .reconcile_on(secrets)
            .reconcile_on(config_maps)
            .reconcile_on(leaving)
    }
}

/// The Clusters of a touched object's namespace that care about it.
fn named(
    stores: Stores,
    touched: impl Stream<Item = ObjectName>,
    cares: impl Fn(&Cluster, &str) -> bool,
) -> impl Stream<Item = ObjectRef<Cluster>> {
    touched
        .map(move |object| {
            let clusters = stores.clusters.state();
            let caring = clusters.iter().filter(|cluster| {
                cluster.namespace().as_deref() == Some(object.namespace.as_str())
                    && cares(cluster, &object.name)
            });
            stream::iter(caring.map(|it| ObjectRef::from_obj(&**it)).collect::<Vec<_>>())
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
    let mut gates: HashMap<ObjectName, Option<Gate>> = HashMap::new();
    let of_clusters = clusters
        .filter_map(move |name| {
            let cluster = stores.clusters.get(&object_ref(&name));
            let gate = cluster.as_deref().map(gate);
            let news = gates.get(&name) != Some(&gate);
            let members = if news { members(&stores, &name) } else { Vec::new() };
            match gate {
                Some(_) => gates.insert(name, gate),
                None => gates.remove(&name),
            };
            ready(news.then(|| stream::iter(members)))
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

impl Wakes {
    /// The two streams apart.
    #[must_use]
    pub fn split(self) -> (UnboundedReceiver<ObjectKey>, UnboundedReceiver<ObjectKey>) {
        (self.clusters, self.indices)
    }
}
