//! From the watches of a kind to its store, and to the names of what has to be reconciled.

use std::{collections::HashSet, sync::Arc};

use futures::{
    Stream, StreamExt as _,
    channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded},
    stream,
};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Resource as _,
    api::ObjectMeta,
    runtime::{
        Predicate as _, predicates,
        reflector::{self, ObjectRef, Store, store::Writer},
        watcher::Event,
    },
};

use tokio::sync;

use super::object_ref;
use crate::{
    api::FINALIZER,
    context::Context,
    error::Category,
    kubernetes::{
        Kind,
        decoded::Decoded,
        events::{self, Notice},
        finalizer,
        known::{Known, ObjectName},
        references::hash,
        watch,
    },
};

/// kubectl's copy of what was applied: as large as the object, and of no use here.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Fills the store of one kind. An object that can't be decoded is in no store: it is reported, and
/// its last good copy is not acted on any more.
pub struct Reflector<K: Kind> {
    reader: Store<K>,
    writer: Writer<K>,
    /// One for each watch, in the order of the namespaces.
    watches: Vec<Watch>,
    filled: sync::watch::Sender<bool>,
    /// What was taken away before the store was filled: its writer can't take back before.
    withdrawn: HashSet<ObjectName>,
    broken: HashSet<ObjectName>,
    listeners: Vec<UnboundedSender<ObjectName>>,
}

#[derive(Default)]
struct Watch {
    known: Known<Seen>,
    listed: bool,
}

/// The state of an object that decides whether it has to be reconciled again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// Can be decoded: a hash of what matters, and whether our finalizer is on it.
    Whole { hash: u64, held: bool },
    /// Can't be: a hash of its version.
    Broken(u64),
}

impl Seen {
    /// Our own finalizer is no news when it comes, only when somebody takes it away.
    fn is_due_after(self, before: Option<Self>) -> bool {
        match (before, self) {
            (
                Some(Self::Whole { hash: before, held: was_held }),
                Self::Whole { hash: now, held },
            ) => before != now || (was_held && !held),
            _ => before != Some(self),
        }
    }
}

/// What an event of a watch meant.
#[derive(Debug)]
enum Change {
    /// To be reconciled.
    Due(ObjectName),
    /// Changed in a way that only others care about, such as its status.
    Touched(ObjectName),
    /// Can't be decoded.
    Broken(Box<BrokenObject>),
    /// Deleted; with its uid, where it was known.
    Gone(ObjectName, Option<String>),
}

#[derive(Debug)]
struct BrokenObject {
    name: ObjectName,
    meta: ObjectMeta,
    error: String,
}

impl<K: Kind> Default for Reflector<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Kind> Reflector<K> {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        let (reader, writer) = reflector::store();
        Self {
            reader,
            writer,
            watches: Vec::new(),
            filled: sync::watch::Sender::new(false),
            withdrawn: HashSet::new(),
            broken: HashSet::new(),
            listeners: Vec::new(),
        }
    }

    /// Reads what the watches have seen.
    #[must_use]
    pub fn store(&self) -> Store<K> {
        self.reader.clone()
    }

    /// Ends when the store holds everything that was there at the start. To be used instead of the
    /// store's own `wait_until_ready`: that one, in kube-runtime 5.0, wakes only the last who
    /// asked, and the controller asks too.
    pub fn filled(&self) -> impl Future<Output = ()> + Send + 'static + use<K> {
        let mut filled = self.filled.subscribe();
        async move {
            if filled.wait_for(|it| *it).await.is_err() {
                // The watches are gone, and the process is about to end.
                std::future::pending::<()>().await;
            }
        }
    }

    fn is_filled(&self) -> bool {
        *self.filled.borrow()
    }

    /// Names each object that changes in any way, its status too, or goes, once the store shows it.
    /// What is there at the start is not named. For controllers of other kinds that depend on it.
    pub fn touched(&mut self) -> UnboundedReceiver<ObjectName> {
        let (sender, receiver) = unbounded();
        self.listeners.push(sender);
        receiver
    }

    /// Watches, and names what has to be reconciled: what is new, and what changed in its spec,
    /// finalizers, annotations or deletionTimestamp. Labels and status wake nobody. `gone` is
    /// called with what was deleted or can't be decoded any more.
    pub(super) fn changes(
        mut self,
        ctx: Arc<Context>,
        gone: impl Fn(&ObjectName) + Send + 'static,
    ) -> impl Stream<Item = ObjectRef<K>> + Send + 'static {
        let apis = ctx.settings.namespaces.apis::<Decoded<K>>(&ctx.client);
        self.watches.resize_with(apis.len(), Watch::default);
        let watches = apis.into_iter().enumerate().map(|(watch, api)| {
            let events = watch::events(K::NAME, api, Arc::clone(&ctx.metrics));
            events.map(move |it| (watch, it)).boxed()
        });
        stream::select_all(watches).flat_map(move |(watch, event)| {
            let changes = match event {
                Ok(event) => self.take(watch, event),
                Err(category) => {
                    self.do_without(watch, category);
                    Vec::new()
                }
            };
            let due = changes.into_iter().filter_map(|it| self.handle(&ctx, &gone, it));
            stream::iter(due.collect::<Vec<_>>())
        })
    }

    /// Brings the store up to date.
    fn take(&mut self, watch: usize, event: Event<Decoded<K>>) -> Vec<Change> {
        match event {
            Event::Init => {
                self.watches[watch].known.begin();
                Vec::new()
            }
            Event::Apply(Decoded(result)) | Event::InitApply(Decoded(result)) => {
                let change = match result {
                    Ok(object) => Some(self.keep(watch, object)),
                    Err(error) => self.refuse(watch, error.metadata, error.error),
                };
                change.into_iter().collect()
            }
            Event::Delete(object) => {
                let name = ObjectName::from(object.meta());
                self.watches[watch].known.remove(&name);
                vec![self.lose(name)]
            }
            Event::InitDone => {
                let unseen = self.watches[watch].known.end();
                let changes = unseen.into_iter().map(|it| self.lose(it)).collect();
                self.watches[watch].listed = true;
                self.fill();
                changes
            }
        }
    }

    /// A namespace that may not be listed does not hold up the others: the store is filled without
    /// it, and its objects come when it may.
    fn do_without(&mut self, watch: usize, category: Category) {
        if category == Category::Forbidden && 1 < self.watches.len() {
            self.watches[watch].listed = true;
            self.fill();
        }
    }

    fn fill(&mut self) {
        if self.is_filled() || !self.watches.iter().all(|it| it.listed) {
            return;
        }
        self.writer.apply_watcher_event(&Event::InitDone);
        self.filled.send_replace(true);
        for name in std::mem::take(&mut self.withdrawn) {
            self.withdraw(&name);
        }
    }

    fn keep(&mut self, watch: usize, mut object: K) -> Change {
        prune(object.meta_mut());
        let name = ObjectName::from(object.meta());
        let seen = interest(&object);
        let before = self.watches[watch].known.show(&name, seen);
        let due = seen.is_due_after(before);
        self.broken.remove(&name);
        self.withdrawn.remove(&name);
        let event = if self.is_filled() { Event::Apply(object) } else { Event::InitApply(object) };
        self.writer.apply_watcher_event(&event);
        if due { Change::Due(name) } else { Change::Touched(name) }
    }

    fn refuse(&mut self, watch: usize, mut meta: ObjectMeta, error: String) -> Option<Change> {
        prune(&mut meta);
        let name = ObjectName::from(&meta);
        let seen = Seen::Broken(hash(&meta.resource_version));
        let before = self.watches[watch].known.show(&name, seen);
        let news = seen.is_due_after(before);
        self.broken.insert(name.clone());
        self.withdraw(&name);
        news.then(|| Change::Broken(Box::new(BrokenObject { name, meta, error })))
    }

    fn lose(&mut self, name: ObjectName) -> Change {
        self.broken.remove(&name);
        let uid = self.withdraw(&name);
        Change::Gone(name, uid)
    }

    /// Takes an object out of the store; returns its uid.
    fn withdraw(&mut self, name: &ObjectName) -> Option<String> {
        if !self.is_filled() {
            self.withdrawn.insert(name.clone());
            return None;
        }
        let object = self.reader.get(&object_ref(name))?;
        self.writer.apply_watcher_event(&Event::Delete(object.as_ref().clone()));
        object.meta().uid.clone()
    }

    /// Tells whoever wants to know; returns what has to be reconciled.
    fn handle(
        &mut self,
        ctx: &Arc<Context>,
        gone: &impl Fn(&ObjectName),
        change: Change,
    ) -> Option<ObjectRef<K>> {
        let objects = &ctx.metrics.objects;
        let (name, due) = match change {
            Change::Due(name) => {
                objects.exists(K::NAME, &name.namespace, &name.name);
                let due = object_ref(&name);
                (name, Some(due))
            }
            Change::Touched(name) => (name, None),
            Change::Gone(name, uid) => {
                uid.inspect(|it| ctx.freshness.forget(it));
                objects.forget(K::NAME, &name.namespace, &name.name);
                gone(&name);
                (name, None)
            }
            Change::Broken(broken) => {
                objects.forget(K::NAME, &broken.name.namespace, &broken.name.name);
                gone(&broken.name);
                report::<K>(ctx, &broken);
                (broken.name, None)
            }
        };
        ctx.metrics.set_undecodable(K::NAME, self.broken.len());
        if self.is_filled() {
            self.listeners.retain(|it| it.unbounded_send(name.clone()).is_ok());
        }
        due
    }
}

/// Once for each state of a broken object: to the log, and as an event on it.
fn report<K: Kind>(ctx: &Arc<Context>, broken: &BrokenObject) {
    let BrokenObject { name, meta, error } = broken;
    tracing::error!(
        kind = K::NAME,
        namespace = name.namespace,
        name = name.name,
        error,
        "a stored object can't be decoded: it is left alone until it is put right"
    );
    let object = ObjectReference {
        api_version: Some(K::api_version(&()).into_owned()),
        kind: Some(K::kind(&()).into_owned()),
        namespace: meta.namespace.clone(),
        name: meta.name.clone(),
        uid: meta.uid.clone(),
        ..ObjectReference::default()
    };
    let note = format!("Drover can't read this object and leaves it alone: {error}");
    let ctx = Arc::clone(ctx);
    tokio::spawn(async move {
        events::publish_for(&ctx, &object, Notice::warning("InvalidSpec", "Decode", note)).await;
    });
}

/// What the rest of Drover never reads, and what takes most of the room.
fn prune(meta: &mut ObjectMeta) {
    meta.managed_fields = None;
    if let Some(annotations) = &mut meta.annotations {
        annotations.remove(LAST_APPLIED);
    }
    // An empty map still holds the room of eleven annotations.
    meta.annotations.take_if(|it| it.is_empty());
}

fn interest<K: Kind>(object: &K) -> Seen {
    let deletion = |it: &K| it.meta().deletion_timestamp.as_ref().map(|it| hash(&it.0));
    let finalizers = |it: &K| {
        let others = it.meta().finalizers.iter().flatten().filter(|it| *it != FINALIZER);
        Some(hash(&others.collect::<Vec<_>>()))
    };
    let predicate = predicates::generation
        .combine(finalizers)
        .combine(predicates::annotations)
        .combine(deletion);
    let hash = hash(&(&object.meta().uid, predicate.hash_property(object)));
    Seen::Whole { hash, held: finalizer::is_on(object) }
}

#[cfg(test)]
mod tests;
