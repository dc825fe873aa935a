//! What the Network of a Host's Cluster asks of its machine.

use kube::{ResourceExt as _, runtime::reflector::Store};

use crate::{
    api::{
        cluster::Cluster,
        condition::is_true,
        host::Host,
        host_status::NetworkMembership,
        network::{Network, NetworkType, conditions as kinds},
    },
    context::Context,
    controllers::{flannel::connection, object_ref},
    error::Error,
    flannel::connection::Connection,
    kubernetes::{Kind, known::ObjectName, references::look_up},
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

/// Reads what the Network asks.
///
/// # Errors
/// When the API server can't be asked.
pub async fn wish(ctx: &Context, host: &Host) -> Result<Wish, Error> {
    if host.metadata.deletion_timestamp.is_some() {
        return Ok(Wish::Nothing);
    }
    let Some(cluster) = &host.spec.cluster_ref else { return Ok(Wish::Nothing) };
    let cluster: Option<Cluster> = find(ctx, host, &ctx.stores.clusters, &cluster.name).await?;
    let Some(named) = cluster.and_then(|it| it.spec.network_ref) else { return Ok(Wish::Nothing) };
    let network: Option<Network> = find(ctx, host, &ctx.stores.networks, &named.name).await?;
    let is_flannel = |it: &Network| {
        it.metadata.deletion_timestamp.is_none() && it.spec.kind == NetworkType::FlannelEtcd
    };
    let Some(network) = network.filter(is_flannel) else { return Ok(Wish::Nothing) };
    let name = network.name_any();
    let conditions = network.status.as_ref().map(|it| it.conditions.as_slice());
    let is_configured = is_true(conditions.unwrap_or_default(), kinds::CONFIGURED);
    // flanneld would wait in vain.
    if !is_configured && !is_begun(host, &name) {
        let why = format!("Network {name} does not stand in etcd yet: see its conditions");
        return Ok(Wish::Unknown { why });
    }
    Ok(match connection(ctx, &network).await? {
        Ok(connection) => {
            let settings = Box::new(settings(host, &network, connection));
            Wish::Flannel { network: name, settings }
        }
        Err(problem) => Wish::Unknown { why: format!("Network {name}: {}", problem.message) },
    })
}

/// How the machine stands in a Network, by the status.
#[must_use]
pub fn record(host: &Host) -> Option<&NetworkMembership> {
    host.status.as_ref()?.network.as_ref()
}

fn is_begun(host: &Host, network: &str) -> bool {
    record(host).is_some_and(|it| it.name == network && it.revision.is_some())
}

/// The object of this name in the namespace of `host`. That it is gone is asked once more where that
/// would have something undone: a watch may not have shown all.
async fn find<K: Kind>(
    ctx: &Context,
    host: &Host,
    store: &Store<K>,
    name: &str,
) -> Result<Option<K>, Error> {
    let namespace = host.namespace().unwrap_or_default();
    let key = ObjectName { namespace: namespace.clone(), name: name.to_owned() };
    match store.get(&object_ref(&key)) {
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
