//! What a Cluster reconcile knows before it decides.

use kube::ResourceExt as _;

use super::{key, managed, references};
use crate::{
    api::{
        cluster::Cluster, cluster_status::HostCounts, host_status::HostState, index::DeletionPolicy,
    },
    context::Context,
    controllers::references::Problem,
    elasticsearch::{connection::Connection, snapshot::Snapshot},
    error::Error,
};

/// The world around one Cluster object.
#[derive(Debug)]
pub struct Observed {
    /// What the spec's references came to; nothing when the spec names no Elasticsearch.
    pub connection: Result<Option<Connection>, Problem>,
    /// Tells the connection that is up now from others; nothing when none is.
    pub connected: Option<[u8; 32]>,
    /// What the poller last saw.
    pub snapshot: Snapshot,
    /// Index objects that still need this Cluster for their own deletion.
    pub needed_by: Vec<String>,
    /// Whether there is a connection that was given up only because what the spec names is gone.
    pub aside: bool,
    /// Whether the last connection stays in use, whatever became of what the spec names: the object
    /// is being deleted, and its Secret may have gone first.
    pub lasts: bool,
    /// Whether the connection stays as it is, since it can't be told from the spec of what Drover runs
    /// how it shall be.
    pub holds: bool,
    /// The Elasticsearch that Drover runs itself; nothing where it runs none.
    pub managed: Option<managed::observe::Seen>,
    /// The Hosts that name it.
    pub hosts: HostCounts,
    /// What else of Drover's the spec names that is not there.
    pub missing: Option<Problem>,
}

impl Observed {
    /// Whether there is something to connect with.
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        matches!(self.connection, Ok(Some(_))) || self.lasts || self.holds
    }

    /// Whether there is an Elasticsearch to speak of: the object is more than a group of hosts.
    #[must_use]
    pub fn has_elasticsearch(&self) -> bool {
        !matches!(self.connection, Ok(None)) || self.lasts || self.managed.is_some()
    }
}

/// Reads what the spec names, and what the poller last saw.
///
/// # Errors
/// When the API server can't be asked.
pub async fn world(ctx: &Context, cluster: &Cluster) -> Result<Observed, Error> {
    let deleting = cluster.metadata.deletion_timestamp.is_some();
    let needed_by = if deleting { needed_by(ctx, cluster) } else { Vec::new() };
    let managed = managed::observe::look(ctx, cluster).await?;
    let connection = match managed.as_ref().filter(|_| cluster.spec.connection.is_none()) {
        Some(managed) => managed.connection(cluster),
        None => references::resolve(ctx, cluster).await?,
    };
    let link = ctx.links.get(&key(cluster));
    let is_invalid = managed.as_ref().is_some_and(|it| it.invalid().is_some());
    let aside = ctx.links.is_aside(&key(cluster));
    Ok(Observed {
        holds: is_invalid && connection.is_err() && link.is_some(),
        managed,
        connection,
        aside,
        lasts: deleting && (aside || link.is_some()),
        connected: link.as_ref().map(|it| it.digest()),
        snapshot: link.map(|it| it.snapshot()).unwrap_or_default(),
        needed_by,
        hosts: hosts(ctx, cluster),
        missing: references::missing(&ctx.stores, cluster),
    })
}

/// Index objects whose deletion deletes an index: without the Cluster they could not.
fn needed_by(ctx: &Context, cluster: &Cluster) -> Vec<String> {
    let mut names: Vec<String> = ctx
        .stores
        .indices
        .state()
        .iter()
        .filter(|index| {
            index.namespace() == cluster.namespace()
                && index.spec.cluster_ref.name == cluster.name_any()
                && index.spec.deletion_policy != DeletionPolicy::Retain
                && index.status.as_ref().is_some_and(|it| it.uuid.is_some())
        })
        .map(|index| index.name_any())
        .collect();
    names.sort();
    names
}

/// A machine that nobody has approved is no member yet: whoever may only make Hosts that wait would
/// let any Cluster look degraded.
fn hosts(ctx: &Context, cluster: &Cluster) -> HostCounts {
    let (namespace, name) = (cluster.namespace(), cluster.name_any());
    let mut counts = HostCounts::default();
    for host in ctx.stores.hosts.state() {
        let named = host.spec.cluster_ref.as_ref().map(|it| &it.name);
        if named != Some(&name) || host.namespace() != namespace || host.awaits_approval() {
            continue;
        }
        let state = host.status.as_ref().and_then(|it| it.state);
        let is_active = state == Some(HostState::Active);
        counts.total += 1;
        counts.available += u32::from(is_active);
        counts.unavailable += u32::from(!is_active);
    }
    counts
}
