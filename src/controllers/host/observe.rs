//! What a Host reconcile knows before it decides.

use std::sync::Arc;

use kube::ResourceExt as _;

use super::{
    elasticsearch::{self, is_home},
    held, key,
    network::{self, Wish},
    operation::{
        self,
        errand::{self, Errand},
    },
    references, registration,
};
use crate::{
    api::{cluster::Cluster, host::Host},
    context::Context,
    controllers::references::Problem,
    error::Error,
    ssh::{
        self,
        deploy::layout,
        facts::Facts,
        flanneld::{Flanneld, Standing},
        remote::{Remote, View, Watch, digest},
        service::Unit,
        target::Target,
        treatment::{Treated, Treatment},
    },
};

/// The world around one Host object.
#[derive(Debug)]
pub struct Observed {
    /// The way to the machine: what the spec's references came to.
    pub target: Result<Target, Problem>,
    /// Whether the Cluster that the spec names is there; nothing where it names none.
    pub cluster: Option<ClusterView>,
    /// How the machine is watched now; nothing when it is not.
    pub watched: Option<Arc<Watch>>,
    /// How the machine was watched until what the spec names went away.
    pub aside: Option<Arc<Watch>>,
    /// What is known of the machine.
    pub view: View,
    /// The older Host object that stands for the same machine, as `namespace/name`.
    pub claimed_by: Option<String>,
    /// What the Cluster's Network asks of the machine.
    pub network: Wish,
    /// What the Cluster asks about Elasticsearch that Drover itself runs.
    pub elasticsearch: elasticsearch::wish::Wish,
    /// What the Cluster's run over its hosts has for this one.
    pub errand: Option<Errand>,
    /// The name of the Cluster, where its mode Plan holds back all changes of the machine.
    pub held_by: Option<String>,
    /// The service that runs Elasticsearch on the Cluster's hosts.
    pub unit: Option<Unit>,
    /// Where the machine is, or is to be, a Node.
    pub registration: registration::observe::Seen,
}

impl Observed {
    /// What the machine told of itself, where it may be looked into.
    #[must_use]
    pub fn facts(&self) -> Option<&Facts> {
        self.view.checked.as_deref()?.facts.as_ref().ok()
    }

    /// What came of what was to be done on the machine.
    #[must_use]
    pub fn treated(&self) -> Option<&Result<Treated, ssh::error::Error>> {
        self.view.checked.as_deref()?.treated.as_ref()
    }

    /// What came of that about flanneld, if it is what is to be done now; nothing where that was
    /// something else.
    #[must_use]
    pub fn flanneld(&self, now: Option<&Flanneld>) -> Option<Standing> {
        let treatment = self.watched.as_ref()?.treatment.as_ref()?;
        let done = treatment.flanneld.as_ref()?;
        let is_same = now.is_some_and(|it| it.is_same(done));
        self.treated()?.as_ref().ok()?.flanneld.filter(|_| is_same)
    }

    /// The way to the machine, were it only to say farewell: what the spec names may have gone first.
    #[must_use]
    pub fn way(&self) -> Option<&Target> {
        let last = || self.watched.as_ref().or(self.aside.as_ref()).map(|it| &it.target);
        self.target.as_ref().ok().or_else(last)
    }

    /// Whether what Drover did on the machine, or its Elasticsearch there, is being undone.
    #[must_use]
    pub fn is_resetting(&self) -> bool {
        let treatment = self.watched.as_ref().and_then(|it| it.treatment.as_ref());
        treatment.is_some_and(Treatment::undoes)
    }
}

/// What a Host sees of its Cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterView {
    /// It is not in this namespace.
    Absent,
    /// It is there.
    Present,
}

/// Reads what the spec names, and what is known of the machine.
///
/// # Errors
/// When the API server can't be asked.
pub async fn world(ctx: &Context, host: &Host) -> Result<Observed, Error> {
    let target = references::resolve(ctx, host).await?;
    let remote = ctx.remotes.get(&key(host));
    let is_deleting = host.metadata.deletion_timestamp.is_some();
    // What another way led to says nothing of this one.
    let is_same_way = |it: &Arc<Remote>| match &target {
        Ok(target) => digest(target) == it.digest(),
        Err(_) => is_deleting,
    };
    let view = remote.as_ref().filter(|it| is_same_way(it)).map(|it| it.view());
    let view = view.unwrap_or_default();
    let machine = view.machine().map(str::to_owned).or_else(|| pinned(host).map(str::to_owned));
    let cluster = cluster(ctx, host);
    let named = host.spec.cluster_ref.as_ref();
    let present = cluster.as_deref();
    let errand = present.and_then(|it| Errand::of(host, it));
    let is_cordoned = operation::record(host).is_some_and(|it| it.cordoned_by_us);
    let is_held = errand.as_ref().is_some_and(|it| it.holds(is_cordoned));
    let watched = remote.map(|it| it.watch());
    // What Drover installed is looked at also where nobody declares it any more.
    let unit = present.and_then(errand::unit);
    let unit = unit.or_else(|| Unit::new(layout::UNIT).filter(|_| is_home(host)));
    Ok(Observed {
        target,
        cluster: named.map(|_| present.map_or(ClusterView::Absent, |_| ClusterView::Present)),
        elasticsearch: elasticsearch::wish::wish(ctx, host, present, watched.as_deref()).await?,
        watched,
        aside: ctx.remotes.aside(&key(host)),
        claimed_by: machine.and_then(|it| claimed_by(ctx, host, &it)),
        view,
        network: network::wish(ctx, host).await?,
        held_by: held::by(host, present, errand.as_ref()),
        errand,
        unit,
        registration: registration::observe::world(ctx, host, is_held),
    })
}

/// The machine that `host` stands for.
#[must_use]
pub fn pinned(host: &Host) -> Option<&str> {
    let facts = host.status.as_ref()?.facts.as_ref()?;
    Some(facts.machine_id.as_str()).filter(|it| !it.is_empty())
}

fn cluster(ctx: &Context, host: &Host) -> Option<Arc<Cluster>> {
    let name = &host.spec.cluster_ref.as_ref()?.name;
    ctx.stores.clusters.find(|it| it.name_any() == *name && it.namespace() == host.namespace())
}

/// The oldest Host object that stands for `machine`, where it is older than `host`. One machine may
/// be declared in two namespaces, so all that are watched count.
fn claimed_by(ctx: &Context, host: &Host, machine: &str) -> Option<String> {
    let age = |it: &Host| (it.metadata.creation_timestamp.clone(), it.metadata.uid.clone());
    let hosts = ctx.stores.hosts.state();
    let older = hosts
        .iter()
        .filter(|it| it.metadata.uid != host.metadata.uid && pinned(it) == Some(machine));
    let oldest = older.min_by_key(|it| age(it))?;
    (age(oldest) < age(host)).then(|| key(oldest).to_string())
}
