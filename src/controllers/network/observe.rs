//! What a Network reconcile knows before it decides.

use std::sync::Arc;

use kube::ResourceExt as _;

use super::{
    key,
    references::{Declared, resolve, share_a_place, stands_in, unusable},
};
use crate::{
    api::{
        condition::{Condition, is_true},
        host::{Host, conditions as host_kinds},
        host_status::OsFamily,
        network::{Network, NetworkType},
    },
    context::Context,
    controllers::{
        flannel::{family, revision},
        references::Problem,
    },
    error::Error,
    flannel::{
        self,
        client::{Client, ClusterId},
        config::{Config, Stored},
        leases::Leases,
        network::Prefix,
    },
    object_key::ObjectKey,
    ssh::reach::Answer,
};

/// The world around one Network object.
#[derive(Debug)]
pub struct Observed {
    /// The hosts that use it, by name.
    pub members: Vec<Member>,
    /// The older Network that keeps its configuration in the same place, as `namespace/name`.
    pub claimed_by: Option<String>,
    /// What etcd said; nothing where it was not to be asked.
    pub etcd: Option<Result<Found, Trouble>>,
}

/// A host that uses the network.
#[derive(Clone, Debug)]
pub struct Member {
    /// Names it to those who ask it.
    pub key: ObjectKey,
    /// The Cluster that it is a member of.
    pub cluster: String,
    /// Where the others reach it.
    pub address: String,
    /// The family of its system, where that is known and Drover knows no package of flannel for it.
    pub without_flannel: Option<OsFamily>,
    /// Whether it is in service.
    pub serves: bool,
    /// Whether it answers, or is about to.
    pub answers: bool,
    /// What it last told of whom it reaches.
    pub reached: Option<Arc<Answer>>,
}

/// What stands in etcd, beside what shall stand there.
#[derive(Clone, Debug)]
pub struct Found {
    /// What is declared.
    pub declared: Config,
    /// The configuration that is there.
    pub stored: Option<Stored>,
    /// Who has which part of the network.
    pub leases: Leases,
    /// The etcd.
    pub cluster: ClusterId,
    /// Tells the way there from others.
    pub revision: String,
}

/// Why it is not known what stands in etcd.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// What the spec says or names can't be used.
    Unusable(Problem),
    /// etcd did not say.
    Failed(flannel::error::Error),
}

/// What a write takes.
#[derive(Debug)]
pub struct Etcd {
    /// Talks to it.
    pub client: Client,
    /// Where the network stands in it.
    pub prefix: Prefix,
    /// What a write is compared with.
    pub seen: flannel::network::Observed,
}

impl Observed {
    /// Whether etcd may answer when it is asked again.
    #[must_use]
    pub fn is_put_off(&self) -> bool {
        match &self.etcd {
            Some(Err(Trouble::Failed(error))) => !error.category().is_terminal(),
            _ => false,
        }
    }
}

/// Reads who uses the network, and what stands in etcd where that is its type.
///
/// # Errors
/// When the API server can't be asked.
pub async fn world(ctx: &Context, network: &Network) -> Result<(Observed, Option<Etcd>), Error> {
    let is_leaving = network.metadata.deletion_timestamp.is_some();
    let mut seen = Observed {
        members: if is_leaving { Vec::new() } else { members(ctx, network) },
        claimed_by: claimed_by(ctx, network, |it| share_a_place(it, network)),
        etcd: None,
    };
    let is_flannel = network.spec.kind == NetworkType::FlannelEtcd;
    if is_leaving || !is_flannel || seen.claimed_by.is_some() {
        return Ok((seen, None));
    }
    let declared = match resolve(ctx, network).await? {
        Ok(declared) => declared,
        Err(problem) => {
            seen.etcd = Some(Err(Trouble::Unusable(problem)));
            return Ok((seen, None));
        }
    };
    let way = revision(&declared.connection, network);
    match ask(ctx, declared, way).await {
        Ok((found, etcd)) => {
            // One etcd goes by many names; only now is it known which one this is.
            seen.claimed_by = claimed_by(ctx, network, |it| stands_in(it, network, found.cluster));
            let is_free = seen.claimed_by.is_none();
            seen.etcd = is_free.then_some(Ok(found));
            Ok((seen, is_free.then_some(etcd)))
        }
        Err(trouble) => {
            seen.etcd = Some(Err(trouble));
            Ok((seen, None))
        }
    }
}

async fn ask(
    ctx: &Context,
    declared: Declared,
    revision: String,
) -> Result<(Found, Etcd), Trouble> {
    let Declared { connection, prefix, config } = declared;
    let client = Client::new(&connection, ctx.gate.clone());
    let client = client.map_err(|it| Trouble::Unusable(unusable(&it)))?;
    let seen = flannel::network::observe(&client, &prefix).await.map_err(Trouble::Failed)?;
    let (stored, leases) = (seen.config.clone(), seen.leases.clone());
    let found = Found { declared: config, stored, leases, cluster: seen.cluster, revision };
    Ok((found, Etcd { client, prefix, seen }))
}

/// The hosts of all Clusters that name the network.
fn members(ctx: &Context, network: &Network) -> Vec<Member> {
    let namespace = network.namespace();
    let clusters = ctx.stores.clusters.state();
    let uses = |name: &str| {
        clusters.iter().any(|it| {
            let named = it.spec.network_ref.as_ref().map(|it| it.name.as_str());
            it.name_any() == name
                && it.namespace() == namespace
                && named == Some(&*network.name_any())
        })
    };
    let hosts = ctx.stores.hosts.state();
    let of_namespace = hosts.iter().filter(|it| it.namespace() == namespace && is_worked_with(it));
    let mut members: Vec<Member> = of_namespace
        .filter_map(|host| {
            let cluster = &host.spec.cluster_ref.as_ref()?.name;
            uses(cluster).then(|| member(ctx, host, cluster))
        })
        .collect();
    members.sort_unstable_by(|one, other| one.key.cmp(&other.key));
    members
}

/// Not before a person has approved it, and no longer when it leaves.
fn is_worked_with(host: &Host) -> bool {
    host.metadata.deletion_timestamp.is_none() && !host.awaits_approval()
}

fn member(ctx: &Context, host: &Host, cluster: &str) -> Member {
    let key = ObjectKey { namespace: host.namespace().unwrap_or_default(), name: host.name_any() };
    let remote = ctx.remotes.get(&key);
    let view = remote.as_ref().map(|it| (it.watch(), it.view())).filter(|(_, it)| it.asked);
    let answers = match view {
        Some((watch, view)) => {
            view.fault.is_none()
                && watch.machine.is_some()
                && watch.machine.as_deref() == view.machine()
        }
        // After a restart it is about to be asked.
        None => [host_kinds::ACCEPTED, host_kinds::REACHABLE]
            .into_iter()
            .all(|it| is_true(conditions(host), it)),
    };
    let address = host.spec.node_address.as_ref().unwrap_or(&host.spec.address);
    Member {
        cluster: cluster.to_owned(),
        address: address.0.clone(),
        without_flannel: without_flannel(host),
        serves: !host.spec.maintenance,
        answers,
        reached: remote.and_then(|it| it.reached()),
        key,
    }
}

/// The family of a host's system, where Drover knows no package of flannel for it.
#[must_use]
pub fn without_flannel(host: &Host) -> Option<OsFamily> {
    let known = host.status.as_ref()?.facts.as_ref()?.os.family?;
    family(known).flannel().is_none().then_some(known)
}

fn conditions(host: &Host) -> &[Condition] {
    host.status.as_ref().map(|it| it.conditions.as_slice()).unwrap_or_default()
}

/// The oldest Network that keeps its configuration in the same place, where it is older than
/// `network`. One etcd may be named in two namespaces, so all that are watched count.
fn claimed_by(
    ctx: &Context,
    network: &Network,
    is_in_place: impl Fn(&Network) -> bool,
) -> Option<String> {
    let age = |it: &Network| (it.metadata.creation_timestamp.clone(), it.metadata.uid.clone());
    let networks = ctx.stores.networks.state();
    let others = networks.iter().filter(|it| {
        it.metadata.uid != network.metadata.uid
            && it.metadata.deletion_timestamp.is_none()
            && is_in_place(it)
    });
    let oldest = others.min_by_key(|it| age(it))?;
    (age(oldest) < age(network)).then(|| key(oldest).to_string())
}
