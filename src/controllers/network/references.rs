//! Turns what a Network says of flannel into what the client needs.

use reqwest::Url;

use super::config::config;
use crate::{
    api::{
        condition::Reason,
        network::{Network, NetworkOptions, NetworkType},
    },
    context::Context,
    controllers::{flannel, references::Problem},
    error::Error,
    flannel::{
        client::ClusterId,
        config::Config,
        connection::{Connection, ConnectionError},
        network::Prefix,
    },
};

/// A network of flannel in etcd: the way there, and what shall be there.
#[derive(Debug)]
pub struct Declared {
    /// How etcd is reached.
    pub connection: Connection,
    /// Where the network stands in it.
    pub prefix: Prefix,
    /// Its configuration.
    pub config: Config,
}

/// Reads everything that `network` refers to.
///
/// # Errors
/// When the API server can't be asked; what is missing or unusable is the inner error.
pub async fn resolve(ctx: &Context, network: &Network) -> Result<Result<Declared, Problem>, Error> {
    let options = network.spec.options.clone().unwrap_or_default();
    let (prefix, config) = match parts(&options) {
        Ok(parts) => parts,
        Err(problem) => return Ok(Err(problem)),
    };
    let connection = flannel::connection(ctx, network).await?;
    Ok(connection.map(|connection| Declared { connection, prefix, config }))
}

/// What can be told from the spec alone.
fn parts(options: &NetworkOptions) -> Result<(Prefix, Config), Problem> {
    let invalid = |field: &str, problem: String| Problem {
        reason: Reason::InvalidSpec,
        message: format!("spec.options.{field}: {problem}"),
    };
    let prefix = Prefix::new(options.prefix());
    let prefix = prefix.map_err(|it| invalid("prefix", it.to_string()))?;
    let Some(spec) = &options.config else {
        return Err(invalid("config", "must be set for type 'FlannelEtcd'".into()));
    };
    Ok((prefix, config(spec)?))
}

/// What a connection that can't be used is called, and where that comes from.
#[must_use]
pub fn unusable(error: &ConnectionError) -> Problem {
    let (reason, path) = match error {
        ConnectionError::NoEndpoint | ConnectionError::Endpoint { .. } => {
            (Reason::InvalidSpec, "spec.options.endpoints")
        }
        ConnectionError::Tls(_) => (Reason::InvalidContent, "spec.options.tls"),
        ConnectionError::Setup => (Reason::InternalError, "spec.options"),
    };
    Problem { reason, message: format!("{path}: {error}") }
}

/// Whether both keep a configuration in one place, by what they say: under one prefix, with an
/// endpoint in common.
#[must_use]
pub fn share_a_place(one: &Network, other: &Network) -> bool {
    let urls = |it: &Network| -> Vec<Url> {
        let endpoints = it.spec.options.iter().flat_map(|it| it.endpoints.iter().flatten());
        endpoints.filter_map(|it| Url::parse(&it.0).ok()).collect()
    };
    let others = urls(other);
    share_a_prefix(one, other) && urls(one).iter().any(|it| others.contains(it))
}

/// Whether `other` keeps its configuration under the prefix of `network` in the etcd `cluster`, as
/// far as its status tells.
#[must_use]
pub fn stands_in(other: &Network, network: &Network, cluster: ClusterId) -> bool {
    let id = other.status.as_ref().and_then(|it| it.etcd_cluster_id.as_ref());
    share_a_prefix(other, network) && id.is_some_and(|it| it.as_str() == cluster.to_string())
}

fn share_a_prefix(one: &Network, other: &Network) -> bool {
    let is_flannel = |it: &Network| it.spec.kind == NetworkType::FlannelEtcd;
    is_flannel(one) && is_flannel(other) && one.spec.prefix() == other.spec.prefix()
}
