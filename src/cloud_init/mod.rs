//! `drover host cloud-init`: user-data with which a machine makes its own Host object, and then
//! waits for a person's approval.

mod user_data;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{Api, Config, api::PostParams};
pub use user_data::{Registration, user_data};

use crate::{
    cli::CloudInitArguments,
    kubernetes::{
        KubernetesError, call,
        client::{self, ConnectError},
    },
};

/// The longest that a file with a public key may be, in bytes.
const KEY: u64 = 16 * 1024;

/// No user-data can be made.
#[derive(Debug, thiserror::Error)]
pub enum CloudInitError {
    /// The API server can't be connected to.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The file with the public key can't be read.
    #[error("failed to read {path}")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{path} {problem}")]
    NoKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The server's address is not one that a machine can verify.
    #[error("the API server {0} is not https: name it as machines reach it, by --server")]
    Server(String),
    /// The API server gave no token.
    #[error("no token for the machine: see docs/registration.md for what has to be there")]
    Token(#[from] KubernetesError),
    /// The API server answered without a token.
    #[error("the API server answered without a token")]
    NoToken,
    /// The user-data can't be written down.
    #[error("failed to write the user-data")]
    Yaml(#[from] serde_yaml_ng::Error),
}

/// The user-data for machines of a namespace, with a token made for it.
///
/// # Errors
/// [`CloudInitError`].
pub async fn run(arguments: CloudInitArguments) -> Result<String, CloudInitError> {
    let authorized_key = public_key(&arguments.authorized_key)?;
    let config = client::configuration(arguments.kubeconfig.as_deref()).await?;
    let namespace = arguments.namespace.unwrap_or_else(|| config.default_namespace.clone());
    let server = arguments.server.unwrap_or_else(|| config.cluster_url.to_string());
    if !server.starts_with("https://") {
        return Err(CloudInitError::Server(server));
    }
    let authority = authority(&config);
    let lifetime = arguments.token_lifetime;
    let (token, expires) = token(config, &namespace, &arguments.service_account, lifetime).await?;
    Ok(user_data(&Registration {
        server,
        authority,
        token,
        expires,
        namespace,
        credentials: arguments.credentials,
        authorized_key,
        user: arguments.user,
        cluster: arguments.cluster,
    })?)
}

/// The line of a public key in a file of OpenSSH's.
fn public_key(path: &Path) -> Result<String, CloudInitError> {
    let failed = |source| CloudInitError::Key { path: path.to_owned(), source };
    let wrong = |problem| CloudInitError::NoKey { path: path.to_owned(), problem };
    if KEY < fs::metadata(path).map_err(failed)?.len() {
        return Err(wrong("is too long for a public key"));
    }
    let text = fs::read_to_string(path).map_err(failed)?;
    if text.contains("PRIVATE KEY") {
        return Err(wrong("holds a private key, which must not leave you: name the .pub file"));
    }
    let mut lines = text.lines().filter(|it| !it.trim().is_empty());
    match (lines.next(), lines.next()) {
        (Some(line), None) if russh::keys::PublicKey::from_openssh(line).is_ok() => {
            Ok(line.trim().to_owned())
        }
        (Some(_), Some(_)) => Err(wrong("holds more than one line")),
        _ => Err(wrong("holds no public key of OpenSSH's")),
    }
}

/// The authority that the kubeconfig names, as PEM.
fn authority(config: &Config) -> Option<String> {
    let certificates = config.root_cert.as_deref().filter(|it| !it.is_empty())?;
    let mut text = String::new();
    for certificate in certificates {
        text += "-----BEGIN CERTIFICATE-----\n";
        let encoded = STANDARD.encode(certificate);
        let mut rest = encoded.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(64));
            text += line;
            text.push('\n');
            rest = after;
        }
        text += "-----END CERTIFICATE-----\n";
    }
    Some(text)
}

/// A token of a service account, and until when it is good.
async fn token(
    config: Config,
    namespace: &str,
    name: &str,
    lifetime: Duration,
) -> Result<(String, String), CloudInitError> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client::ungated(config)?, namespace);
    let spec = TokenRequestSpec {
        expiration_seconds: Some(i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX)),
        ..TokenRequestSpec::default()
    };
    let request = TokenRequest { spec, ..TokenRequest::default() };
    let parameters = PostParams::default();
    let attempt = || format!("ask for a token of {namespace}/{name}");
    let answer = call(attempt, accounts.create_token_request(name, &parameters, &request)).await?;
    let status = answer.status.ok_or(CloudInitError::NoToken)?;
    Ok((status.token, status.expiration_timestamp.0.to_string()))
}
