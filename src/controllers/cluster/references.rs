//! Turns a Cluster's connection, with the Secrets and `ConfigMap`s that it names, into what the
//! client needs.

use kube::{ResourceExt as _, runtime::reflector::ObjectRef};
use reqwest::Url;
use secrecy::ExposeSecret as _;

use crate::{
    api::{
        cluster::{Auth as AuthSpec, Cluster},
        condition::Reason,
        fields::Fingerprint,
    },
    context::{Context, Stores},
    controllers::references::{Problem, authorities, secret, secret_text},
    elasticsearch::connection::{Auth, Connection},
    error::Error,
};

/// Where in the spec the authorities stand.
const CA: &str = "spec.connection.tls.ca";

/// Reads everything that the connection of `cluster` refers to; nothing when it has none.
///
/// # Errors
/// When the API server can't be asked; what is missing or unusable is the inner error.
pub async fn resolve(
    ctx: &Context,
    cluster: &Cluster,
) -> Result<Result<Option<Connection>, Problem>, Error> {
    let namespace = cluster.namespace().unwrap_or_default();
    let Some(spec) = &cluster.spec.connection else { return Ok(Ok(None)) };
    let mut endpoints = Vec::new();
    for (at, endpoint) in spec.endpoints.iter().enumerate() {
        match Url::parse(&endpoint.0) {
            Ok(url) => endpoints.push(url),
            Err(error) => {
                let message = format!("spec.connection.endpoints[{at}]: '{}': {error}", endpoint.0);
                return Ok(Err(Problem { reason: Reason::InvalidSpec, message }));
            }
        }
    }
    let auth = match auth(ctx, &namespace, spec.auth.as_ref()).await? {
        Ok(auth) => auth,
        Err(problem) => return Ok(Err(problem)),
    };
    let tls = spec.tls.as_ref();
    let ca = match tls.and_then(|it| it.ca.as_ref()) {
        None => None,
        Some(reference) => match authorities(ctx, &namespace, reference, CA).await? {
            Ok(pem) => Some(pem),
            Err(problem) => return Ok(Err(problem)),
        },
    };
    let declared = tls.and_then(|it| it.fingerprint.as_ref());
    let fingerprint = declared.and_then(Fingerprint::bytes);
    if declared.is_some() && fingerprint.is_none() {
        let message = "spec.connection.tls.fingerprint is no SHA-256 fingerprint".into();
        return Ok(Err(Problem { reason: Reason::InvalidSpec, message }));
    }
    Ok(Ok(Some(Connection {
        endpoints,
        auth,
        ca,
        fingerprint,
        server_name: tls.and_then(|it| it.server_name.clone()),
        timeout: spec.timeout.0,
    })))
}

async fn auth(
    ctx: &Context,
    namespace: &str,
    spec: Option<&AuthSpec>,
) -> Result<Result<Auth, Problem>, Error> {
    let Some(spec) = spec else { return Ok(Ok(Auth::Anonymous)) };
    let (name, path) = if let Some(basic) = &spec.basic {
        (&basic.secret_name, "spec.connection.auth.basic")
    } else if let Some(api_key) = &spec.api_key {
        (&api_key.secret_name, "spec.connection.auth.apiKey")
    } else if let Some(bearer) = &spec.bearer {
        (&bearer.secret_name, "spec.connection.auth.bearer")
    } else if let Some(certificate) = &spec.client_certificate {
        (&certificate.secret_name, "spec.connection.auth.clientCertificate")
    } else {
        return Ok(Ok(Auth::Anonymous));
    };
    let secret = match secret(ctx, namespace, name, path).await? {
        Ok(secret) => secret,
        Err(problem) => return Ok(Err(problem)),
    };
    let text = |key: &str| secret_text(&secret, name, key, path);
    Ok(if spec.basic.is_some() {
        text("username").and_then(|username| {
            let username = username.expose_secret().to_owned();
            Ok(Auth::Basic { username, password: text("password")? })
        })
    } else if let Some(api_key) = &spec.api_key {
        text(&api_key.key).map(Auth::ApiKey)
    } else if let Some(bearer) = &spec.bearer {
        text(&bearer.key).map(Auth::Bearer)
    } else {
        text("tls.crt").and_then(|certificate| {
            let certificate = certificate.expose_secret().as_bytes().to_vec();
            let key = text("tls.key")?.expose_secret().as_bytes().to_vec();
            Ok(Auth::ClientCertificate { certificate, key: key.into() })
        })
    })
}

/// What of the Network and the `ContainerManager` that `cluster` names is not there.
#[must_use]
pub fn missing(stores: &Stores, cluster: &Cluster) -> Option<Problem> {
    let namespace = cluster.namespace().unwrap_or_default();
    let missing = |reason, path: &str, kind: &str, name: &str| {
        let message = format!("{path} names {kind} '{name}', which is not in this namespace");
        Some(Problem { reason, message })
    };
    if let Some(network) = &cluster.spec.network_ref
        && stores.networks.get(&ObjectRef::new(&network.name).within(&namespace)).is_none()
    {
        return missing(Reason::NetworkNotFound, "spec.networkRef", "Network", &network.name);
    }
    if let Some(manager) = &cluster.spec.container_manager_ref
        && stores
            .container_managers
            .get(&ObjectRef::new(&manager.name).within(&namespace))
            .is_none()
    {
        let (reason, path) = (Reason::ContainerManagerNotFound, "spec.containerManagerRef");
        return missing(reason, path, "ContainerManager", &manager.name);
    }
    None
}

/// The names of the Secrets that the connection of `cluster` refers to.
pub fn secrets(cluster: &Cluster) -> impl Iterator<Item = &str> {
    let spec = cluster.spec.connection.as_ref();
    let auth = spec.and_then(|it| it.auth.as_ref());
    let ca = spec.and_then(|it| it.tls.as_ref()).and_then(|it| it.ca.as_ref());
    [
        auth.and_then(|it| it.basic.as_ref()).map(|it| it.secret_name.as_str()),
        auth.and_then(|it| it.api_key.as_ref()).map(|it| it.secret_name.as_str()),
        auth.and_then(|it| it.bearer.as_ref()).map(|it| it.secret_name.as_str()),
        auth.and_then(|it| it.client_certificate.as_ref()).map(|it| it.secret_name.as_str()),
        ca.and_then(|it| it.secret_name.as_deref()),
    ]
    .into_iter()
    .flatten()
}

/// The name of the `ConfigMap` that the connection of `cluster` refers to.
#[must_use]
pub fn config_map(cluster: &Cluster) -> Option<&str> {
    let tls = cluster.spec.connection.as_ref()?.tls.as_ref()?;
    tls.ca.as_ref()?.config_map_name.as_deref()
}
