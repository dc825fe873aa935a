//! Turns what a Network says of etcd, with the Secrets and the `ConfigMap` that it names, into what
//! the client needs.

use std::time::Duration;

use kube::ResourceExt as _;
use reqwest::Url;
use secrecy::ExposeSecret as _;

use super::config::config;
use crate::{
    api::{
        condition::Reason,
        network::{DEFAULT_PREFIX, EtcdTls, Network, NetworkOptions, NetworkType},
    },
    context::Context,
    controllers::references::{Problem, authorities, secret, secret_text},
    error::Error,
    flannel::{
        config::Config,
        connection::{ClientCertificate, Connection, ConnectionError},
        network::Prefix,
    },
};

/// The longest that one request to one member of etcd may take.
const TIMEOUT: Duration = Duration::from_secs(10);

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
    let namespace = network.namespace().unwrap_or_default();
    let options = network.spec.options.clone().unwrap_or_default();
    let (endpoints, prefix, config) = match parts(&options) {
        Ok(parts) => parts,
        Err(problem) => return Ok(Err(problem)),
    };
    let tls = options.tls.as_ref();
    let ca = match tls.and_then(|it| it.ca.as_ref()) {
        None => None,
        Some(ca) => match authorities(ctx, &namespace, ca, "spec.options.tls.ca").await? {
            Ok(pem) => Some(pem),
            Err(problem) => return Ok(Err(problem)),
        },
    };
    let certificate = match certificate(ctx, &namespace, tls).await? {
        Ok(certificate) => certificate,
        Err(problem) => return Ok(Err(problem)),
    };
    let timeout = TIMEOUT;
    let connection = Connection { endpoints, ca, server_name: None, certificate, timeout };
    Ok(Ok(Declared { connection, prefix, config }))
}

/// What can be told from the spec alone.
fn parts(options: &NetworkOptions) -> Result<(Vec<Url>, Prefix, Config), Problem> {
    let invalid = |field: &str, problem: String| Problem {
        reason: Reason::InvalidSpec,
        message: format!("spec.options.{field}: {problem}"),
    };
    let mut endpoints = Vec::new();
    for (at, endpoint) in options.endpoints.iter().flatten().enumerate() {
        let url = Url::parse(&endpoint.0);
        let url = url.map_err(|it| invalid(&format!("endpoints[{at}]"), it.to_string()))?;
        endpoints.push(url);
    }
    let prefix = Prefix::new(options.prefix());
    let prefix = prefix.map_err(|it| invalid("prefix", it.to_string()))?;
    let Some(spec) = &options.config else {
        return Err(invalid("config", "must be set for type 'FlannelEtcd'".into()));
    };
    Ok((endpoints, prefix, config(spec)?))
}

async fn certificate(
    ctx: &Context,
    namespace: &str,
    tls: Option<&EtcdTls>,
) -> Result<Result<Option<ClientCertificate>, Problem>, Error> {
    let Some(reference) = tls.and_then(|it| it.client_certificate.as_ref()) else {
        return Ok(Ok(None));
    };
    let (name, path) = (&reference.secret_name, "spec.options.tls.clientCertificate");
    let secret = match secret(ctx, namespace, name, path).await? {
        Ok(secret) => secret,
        Err(problem) => return Ok(Err(problem)),
    };
    let bytes = |key: &str| {
        let text = secret_text(&secret, name, key, path)?;
        Ok(text.expose_secret().as_bytes().to_vec())
    };
    let read = || -> Result<ClientCertificate, Problem> {
        Ok(ClientCertificate { certificate: bytes("tls.crt")?, key: bytes("tls.key")?.into() })
    };
    Ok(read().map(Some))
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

/// The names of the Secrets that `network` refers to.
pub fn secrets(network: &Network) -> impl Iterator<Item = &str> {
    let tls = tls(network);
    let ca = tls.and_then(|it| it.ca.as_ref()).and_then(|it| it.secret_name.as_deref());
    let certificate = tls.and_then(|it| it.client_certificate.as_ref());
    [ca, certificate.map(|it| it.secret_name.as_str())].into_iter().flatten()
}

/// The name of the `ConfigMap` that `network` refers to.
#[must_use]
pub fn config_map(network: &Network) -> Option<&str> {
    tls(network)?.ca.as_ref()?.config_map_name.as_deref()
}

fn tls(network: &Network) -> Option<&EtcdTls> {
    network.spec.options.as_ref()?.tls.as_ref()
}

/// Whether both keep a configuration in one place: under one prefix, with an endpoint in common.
#[must_use]
pub fn share_a_place(one: &Network, other: &Network) -> bool {
    let is_flannel = |it: &Network| it.spec.kind == NetworkType::FlannelEtcd;
    let prefix =
        |it: &Network| it.spec.options.as_ref().map_or(DEFAULT_PREFIX, |it| it.prefix()).to_owned();
    let urls = |it: &Network| -> Vec<Url> {
        let endpoints = it.spec.options.iter().flat_map(|it| it.endpoints.iter().flatten());
        endpoints.filter_map(|it| Url::parse(&it.0).ok()).collect()
    };
    let others = urls(other);
    is_flannel(one)
        && is_flannel(other)
        && prefix(one) == prefix(other)
        && urls(one).iter().any(|it| others.contains(it))
}
