//! What an Index reconcile knows before it decides.

use std::sync::Arc;

use kube::{
    ResourceExt as _,
    runtime::reflector::{ObjectRef, Store},
};

use crate::{
    api::{cluster::Cluster, index::Index},
    context::Context,
    controllers::index::cluster_gate::{ClusterGate, gate},
    elasticsearch::{
        link::{Link, ObjectKey},
        snapshot::IndexView,
    },
    kubernetes::references::hash,
};

/// The world around one Index object.
pub struct Observed {
    /// Whether the Cluster can be worked in.
    pub gate: ClusterGate,
    /// The older Index object that claims the same index.
    pub rival: Option<String>,
    /// What is there under the public name.
    pub live: IndexView,
    /// The other object, still there, that the live index's mark names.
    pub marked_for: Option<String>,
    /// Whether figures were read often enough to be worth a write when they move.
    pub rechecked: bool,
}

impl Observed {
    /// Tells one state of all that a reconcile of `index` goes by from another; what is there under
    /// the public name is left out.
    #[must_use]
    pub fn digest(&self, index: &Index) -> u64 {
        let Self { gate, rival, live: _, marked_for, rechecked } = self;
        let object = (&index.metadata.uid, &index.metadata.resource_version);
        hash(&(object, gate, rival, marked_for, rechecked))
    }
}

/// Looks into the stores and at what the poller last saw; asks nobody.
pub fn world(ctx: &Context, index: &Index) -> (Observed, Option<Arc<Link>>) {
    let namespace = index.namespace().unwrap_or_default();
    let cluster_name = &index.spec.cluster_ref.name;
    let cluster =
        ctx.stores.clusters.get(&ObjectRef::<Cluster>::new(cluster_name).within(&namespace));
    let key = ObjectKey { namespace: namespace.clone(), name: cluster_name.clone() };
    let owner = super::key(index);
    let link = ctx.links.get_or_await(&key, &owner);
    let snapshot = link.as_deref().map(Link::snapshot);
    let view = snapshot.as_ref().and_then(|it| it.cluster.as_ref());
    let rechecked = view.is_some_and(|it| !it.first_figures);
    let gate = gate(cluster.as_deref(), snapshot.as_ref());
    let name = index.public_name();
    let live = link.as_ref().map_or(IndexView::Unread, |it| it.track(name, &owner));
    let (rival, marked_for) = claims(&ctx.stores.indices, index, &live);
    (Observed { gate, rival, live, marked_for, rechecked }, link)
}

/// Whoever else has a claim on the index. An index that bears this object's own mark has none: so
/// the store is searched only while a claim is being settled.
fn claims(
    store: &Store<Index>,
    index: &Index,
    live: &IndexView,
) -> (Option<String>, Option<String>) {
    let mark = match live {
        IndexView::Present(live) => live.content.mark(),
        _ => None,
    };
    let uid = index.uid().unwrap_or_default();
    if mark.as_ref().is_some_and(|it| it.uid == uid) {
        return (None, None);
    }
    let name = index.public_name();
    let rival = store.find(|other| {
        other.metadata.namespace == index.metadata.namespace
            && other.spec.cluster_ref == index.spec.cluster_ref
            && other.public_name() == name
            && is_older(other, index)
    });
    let marked_for = mark.and_then(|mark| {
        let other = ObjectRef::<Index>::new(&mark.name).within(&mark.namespace);
        let other = store.get(&other)?;
        (other.uid() == Some(mark.uid)).then(|| other.name_any())
    });
    (rival.map(|it| it.name_any()), marked_for)
}

/// Age decides, and the uid where two are as old: the answer is the same after a restart.
fn is_older(other: &Index, index: &Index) -> bool {
    let age = |it: &Index| it.metadata.creation_timestamp.as_ref().map(|at| at.0);
    (age(other), &other.metadata.uid) < (age(index), &index.metadata.uid)
}
