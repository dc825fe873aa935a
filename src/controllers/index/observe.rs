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
        snapshot::{IndexView, LiveIndex},
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

/// An Index object's world, and whether there is anything to decide about it.
pub struct Sight {
    /// What was seen; nothing where the same was seen before and there was nothing to do.
    pub news: Option<Observed>,
    /// The way to its Cluster.
    pub link: Option<Arc<Link>>,
    /// Tells one state of all that decides, but for the index itself, from another.
    digest: u64,
}

impl Sight {
    /// Remembers that there was nothing to do about `index`, whose mark is its own, seen as `live`.
    pub fn settle(&self, index: &Index, live: &Arc<LiveIndex>) {
        if let Some(link) = &self.link {
            link.settle(index.public_name(), &super::key(index), live, self.digest);
        }
    }
}

/// Looks into the stores and at what the poller last saw; asks nobody.
pub fn world(ctx: &Context, index: &Index) -> Sight {
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
    let digest = hash(&(&index.metadata.uid, &index.metadata.resource_version, &gate, rechecked));
    if let (Some(link), IndexView::Present(live)) = (&link, &live)
        && link.is_settled(name, &owner, live, digest)
    {
        return Sight { news: None, link: Some(Arc::clone(link)), digest };
    }
    let (rival, marked_for) = claims(&ctx.stores.indices, index, &live);
    let news = Some(Observed { gate, rival, live, marked_for, rechecked });
    Sight { news, link, digest }
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
