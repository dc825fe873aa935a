//! Turns a `ContainerManager`'s options, with the Secrets and `ConfigMap`s that it names, into what
//! the client needs.

use kube::ResourceExt as _;
use reqwest::Url;
use secrecy::ExposeSecret as _;

use crate::{
    api::{
        condition::Reason,
        container_manager::{
            ContainerManager, ContainerManagerAuth, ContainerManagerOptions, ContainerManagerType,
        },
    },
    context::Context,
    controllers::references::{Problem, authorities, secret, secret_text},
    error::Error,
    nodes::{
        connection::{Auth, Connection, ConnectionError},
        kubeconfig,
    },
};

/// Where in the spec a kubeconfig stands.
const KUBECONFIG: &str = "spec.options.auth.kubeconfig";

/// Reads everything that the options of `manager` refer to; nothing where it asks no server.
///
/// # Errors
/// When the API server can't be asked; what is missing or unusable is the inner error.
pub async fn resolve(
    ctx: &Context,
    manager: &ContainerManager,
) -> Result<Result<Option<Connection>, Problem>, Error> {
    if manager.spec.kind == ContainerManagerType::Trivial {
        return Ok(Ok(None));
    }
    let namespace = manager.namespace().unwrap_or_default();
    let none = ContainerManagerOptions::default();
    let options = manager.spec.options.as_ref().unwrap_or(&none);
    let server = match server(options) {
        Ok(server) => server,
        Err(problem) => return Ok(Err(problem)),
    };
    let ca = match &options.ca {
        None => None,
        Some(reference) => {
            match authorities(ctx, &namespace, reference, "spec.options.ca").await? {
                Ok(pem) => Some(pem),
                Err(problem) => return Ok(Err(problem)),
            }
        }
    };
    let Some(auth) = &options.auth else {
        return Ok(Ok(Some(Connection { server, ca, server_name: None, auth: Auth::Anonymous })));
    };
    Ok(connection(ctx, &namespace, auth, server, ca).await?.map(Some))
}

/// Admission wants one; an object stored past it is told so.
fn server(options: &ContainerManagerOptions) -> Result<Url, Problem> {
    let invalid = |problem: String| Problem {
        reason: Reason::InvalidSpec,
        message: format!("spec.options.server: {problem}"),
    };
    let text = options.server.as_ref().ok_or_else(|| invalid("must be set".into()))?;
    Url::parse(&text.0).map_err(|it| invalid(format!("'{}': {it}", text.0)))
}

async fn connection(
    ctx: &Context,
    namespace: &str,
    auth: &ContainerManagerAuth,
    server: Url,
    ca: Option<Vec<u8>>,
) -> Result<Result<Connection, Problem>, Error> {
    let (name, path) = if let Some(token) = &auth.token {
        (&token.secret_name, "spec.options.auth.token")
    } else if let Some(certificate) = &auth.client_certificate {
        (&certificate.secret_name, "spec.options.auth.clientCertificate")
    } else if let Some(kubeconfig) = &auth.kubeconfig {
        (&kubeconfig.secret_name, KUBECONFIG)
    } else {
        let auth = Auth::Anonymous;
        return Ok(Ok(Connection { server, ca, server_name: None, auth }));
    };
    let secret = match secret(ctx, namespace, name, path).await? {
        Ok(secret) => secret,
        Err(problem) => return Ok(Err(problem)),
    };
    let text = |key: &str| secret_text(&secret, name, key, path);
    if let Some(reference) = &auth.kubeconfig {
        return Ok(text(&reference.key).and_then(|it| {
            kubeconfig::connection(&it, Some(&server), ca).map_err(|error| unusable(&error))
        }));
    }
    let auth = if let Some(token) = &auth.token {
        text(&token.key).map(Auth::Token)
    } else {
        text("tls.crt").and_then(|certificate| {
            let certificate = certificate.expose_secret().as_bytes().to_vec();
            let key = text("tls.key")?.expose_secret().as_bytes().to_vec();
            Ok(Auth::ClientCertificate { certificate, key: key.into() })
        })
    };
    Ok(auth.map(|auth| Connection { server, ca, server_name: None, auth }))
}

fn unusable(error: &ConnectionError) -> Problem {
    Problem { reason: Reason::InvalidContent, message: format!("{KUBECONFIG}: {error}") }
}

/// The names of the Secrets that the options of `manager` refer to.
pub fn secrets(manager: &ContainerManager) -> impl Iterator<Item = &str> {
    let options = manager.spec.options.as_ref();
    let auth = options.and_then(|it| it.auth.as_ref());
    let ca = options.and_then(|it| it.ca.as_ref());
    [
        auth.and_then(|it| it.token.as_ref()).map(|it| it.secret_name.as_str()),
        auth.and_then(|it| it.client_certificate.as_ref()).map(|it| it.secret_name.as_str()),
        auth.and_then(|it| it.kubeconfig.as_ref()).map(|it| it.secret_name.as_str()),
        ca.and_then(|it| it.secret_name.as_deref()),
    ]
    .into_iter()
    .flatten()
}

/// The name of the `ConfigMap` that the options of `manager` refer to.
#[must_use]
pub fn config_map(manager: &ContainerManager) -> Option<&str> {
    manager.spec.options.as_ref()?.ca.as_ref()?.config_map_name.as_deref()
}
