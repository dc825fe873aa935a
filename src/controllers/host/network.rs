//! What the Network of a Host's Cluster asks of its machine.

use kube::ResourceExt as _;

use crate::{
    api::{
        cluster::Cluster,
        host::Host,
        host_status::NetworkMembership,
        network::{Network, NetworkType},
    },
    context::Context,
    controllers::{
        flannel::{connection, revision},
        object_ref,
    },
    error::Error,
    flannel::connection::Connection,
    kubernetes::{known::ObjectName, references::look_up},
    ssh::flanneld::Settings,
    transport::origin,
};

/// What the Network of a Host's Cluster asks of its machine.
#[derive(Clone, Debug)]
pub enum Wish {
    /// Nothing.
    Nothing,
    /// That flanneld runs there.
    Flannel {
        /// The Network.
        network: String,
        /// Where it stands.
        settings: Box<Settings>,
    },
    /// That can't be known now; what was done stays.
    Unknown {
        /// Why.
        why: String,
    },
}

/// Which Network a Host is to be in.
enum Named {
    /// None: it is in no Cluster, or in one without.
    None,
    /// This.
    Network(String),
    /// Nobody can say, since this is gone.
    Gone(String),
}

/// Reads what the Network asks. Something is asked no more only where the Cluster says so itself:
/// that an object is gone, or was never there, undoes nothing on a machine.
///
/// # Errors
/// When the API server can't be asked.
pub async fn wish(ctx: &Context, host: &Host) -> Result<Wish, Error> {
    if host.metadata.deletion_timestamp.is_some() {
        return Ok(Wish::Nothing);
    }
    let name = match named(ctx, host).await? {
        Named::None => return Ok(Wish::Nothing),
        Named::Gone(what) => return Ok(gone(host, &what)),
        Named::Network(name) => name,
    };
    let network = find(ctx, host, &name).await?;
    let Some(network) = network.filter(|it| it.metadata.deletion_timestamp.is_none()) else {
        return Ok(gone(host, &format!("Network {name}")));
    };
    if network.spec.kind != NetworkType::FlannelEtcd {
        return Ok(Wish::Nothing);
    }
    let connection = match connection(ctx, &network).await? {
        Ok(connection) => connection,
        Err(problem) => {
            return Ok(Wish::Unknown { why: format!("Network {name}: {}", problem.message) });
        }
    };
    // What etcd has not taken from Drover it would not take from flanneld, on all hosts at once.
    let tried = network.status.as_ref().and_then(|it| it.settings_revision.as_ref());
    if tried.is_none_or(|it| it.as_str() != revision(&connection, &network)) {
        let why = format!("Network {name} does not stand in etcd as declared: see its conditions");
        return Ok(Wish::Unknown { why });
    }
    let settings = Box::new(settings(host, &network, connection));
    Ok(Wish::Flannel { network: name, settings })
}

/// Which Network `host` is to be in. Where that would have something undone, the objects themselves
/// are asked: a watch may be behind.
async fn named(ctx: &Context, host: &Host) -> Result<Named, Error> {
    let namespace = host.namespace().unwrap_or_default();
    let cluster = host.spec.cluster_ref.as_ref().and_then(|it| {
        let key = ObjectName { namespace: namespace.clone(), name: it.name.clone() };
        ctx.stores.clusters.get(&object_ref(&key))
    });
    let cached = of(host, cluster.as_deref());
    let Some(record) = record(host) else { return Ok(cached) };
    if matches!(&cached, Named::Network(name) if *name == record.name) {
        return Ok(cached);
    }
    let Some(host) = look_up::<Host>(&ctx.client, &namespace, &host.name_any()).await? else {
        return Ok(Named::Gone("this Host".into()));
    };
    let cluster = match &host.spec.cluster_ref {
        Some(cluster) => look_up::<Cluster>(&ctx.client, &namespace, &cluster.name).await?,
        None => None,
    };
    Ok(of(&host, cluster.as_ref()))
}

/// Which Network a Host and its Cluster name.
fn of(host: &Host, cluster: Option<&Cluster>) -> Named {
    let Some(reference) = &host.spec.cluster_ref else { return Named::None };
    match cluster.map(|it| it.spec.network_ref.as_ref()) {
        None => Named::Gone(format!("Cluster {}", reference.name)),
        Some(None) => Named::None,
        Some(Some(network)) => Named::Network(network.name.clone()),
    }
}

/// Nobody says what is wanted.
fn gone(host: &Host, what: &str) -> Wish {
    match record(host) {
        None => Wish::Nothing,
        Some(_) => Wish::Unknown {
            why: format!(
                "{what} is gone, and flanneld stays as it is: to have it taken away, take \
                 spec.clusterRef away, or spec.networkRef of the Cluster"
            ),
        },
    }
}

/// How the machine stands in a Network, by the status.
#[must_use]
pub fn record(host: &Host) -> Option<&NetworkMembership> {
    host.status.as_ref()?.network.as_ref()
}

/// The Network of this name. That it is gone is asked once more where something was done for one: a
/// watch may not have shown all.
async fn find(ctx: &Context, host: &Host, name: &str) -> Result<Option<Network>, Error> {
    let namespace = host.namespace().unwrap_or_default();
    let key = ObjectName { namespace: namespace.clone(), name: name.to_owned() };
    match ctx.stores.networks.get(&object_ref(&key)) {
        Some(found) => Ok(Some(found.as_ref().clone())),
        None if record(host).is_none() => Ok(None),
        None => Ok(look_up(&ctx.client, &namespace, name).await?),
    }
}

fn settings(host: &Host, network: &Network, connection: Connection) -> Settings {
    let options = network.spec.options.clone().unwrap_or_default();
    Settings {
        endpoints: connection.endpoints.iter().map(origin).collect(),
        prefix: options.prefix().into(),
        ca: connection.ca,
        certificate: connection.certificate.map(|it| (it.certificate, it.key)),
        address: host.spec.node_address().0.parse().ok(),
    }
}
