//! What all who have to do with a Network of flannel share: the way to its etcd, with the Secrets and
//! the `ConfigMap` that it names, and for which hosts Drover knows a package of flannel.

use std::time::Duration;

use kube::ResourceExt as _;
use reqwest::Url;
use secrecy::ExposeSecret as _;

use super::references::{Problem, authorities, secret, secret_text};
use crate::{
    api::{
        condition::Reason,
        host_status::OsFamily,
        network::{EtcdTls, Network},
    },
    context::Context,
    digest::{Digest, hex},
    error::Error,
    flannel::connection::{ClientCertificate, Connection},
    ssh::families::Family,
};

/// The longest that one request to one member of etcd may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How the etcd of `network` is reached.
///
/// # Errors
/// When the API server can't be asked; what is missing or unusable is the inner error.
pub async fn connection(
    ctx: &Context,
    network: &Network,
) -> Result<Result<Connection, Problem>, Error> {
    let namespace = network.namespace().unwrap_or_default();
    let endpoints = match endpoints(network) {
        Ok(endpoints) => endpoints,
        Err(problem) => return Ok(Err(problem)),
    };
    let tls = tls(network);
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
    Ok(Ok(Connection { endpoints, ca, server_name: None, certificate, timeout: TIMEOUT }))
}

/// Tells one way to a network from another, keys and certificates among it.
#[must_use]
pub fn revision(connection: &Connection, network: &Network) -> String {
    let mut digest = Digest::new();
    digest.field(&connection.digest());
    digest.field(network.spec.prefix().as_bytes());
    hex(&digest.finish()[..16])
}

fn endpoints(network: &Network) -> Result<Vec<Url>, Problem> {
    let given = network.spec.options.iter().flat_map(|it| it.endpoints.iter().flatten());
    let endpoint = |(at, text): (usize, &crate::api::fields::Endpoint)| {
        Url::parse(&text.0).map_err(|error| Problem {
            reason: Reason::InvalidSpec,
            message: format!("spec.options.endpoints[{at}]: {error}"),
        })
    };
    given.enumerate().map(endpoint).collect()
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

/// The commands that a family as the status names it has.
#[must_use]
pub fn family(family: OsFamily) -> Family {
    match family {
        OsFamily::Debian => Family::Debian,
        OsFamily::Fedora => Family::Fedora,
        OsFamily::Rhel => Family::Rhel,
        OsFamily::Suse => Family::Suse,
        OsFamily::Ostree => Family::Ostree,
    }
}
