//! What the specs of all kinds name: Secrets and `ConfigMap`s, read by name, and why they can't be
//! used.

use secrecy::SecretString;

use crate::{
    api::{condition::Reason, reference::CertificatesReference},
    context::Context,
    error::Error,
    kubernetes::{
        KubernetesError,
        references::{Content, read_config_map, read_secret},
    },
};

/// Why what the spec names can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The reason of the condition.
    pub reason: Reason,
    /// What a person can do.
    pub message: String,
}

/// The Secret that the field at `path` names.
///
/// # Errors
/// When the API server can't be asked; a Secret that is missing is the inner error.
pub async fn secret(
    ctx: &Context,
    namespace: &str,
    name: &str,
    path: &str,
) -> Result<Result<Content, Problem>, Error> {
    match read_secret(&ctx.client, namespace, name).await {
        Ok(Some(secret)) => Ok(Ok(secret)),
        Ok(None) => Ok(Err(Problem {
            reason: Reason::SecretNotFound,
            message: format!("{path} names Secret '{name}', which is not in this namespace"),
        })),
        Err(error) => forbidden_is_a_finding(error, path, &format!("Secret '{name}'")),
    }
}

/// The text under `key` of the Secret that the field at `path` names.
///
/// # Errors
/// Why there is none.
pub fn secret_text(
    secret: &Content,
    name: &str,
    key: &str,
    path: &str,
) -> Result<SecretString, Problem> {
    let bytes = secret.get(key).ok_or_else(|| Problem {
        reason: Reason::KeyNotFound,
        message: format!("{path}: Secret '{name}' has no key '{key}'"),
    })?;
    // Files often end in a line break, which is no part of a password.
    let text = std::str::from_utf8(bytes).map_err(|_| Problem {
        reason: Reason::InvalidContent,
        message: format!("{path}: key '{key}' of Secret '{name}' is not text"),
    })?;
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        let message = format!("{path}: key '{key}' of Secret '{name}' is empty");
        return Err(Problem { reason: Reason::InvalidContent, message });
    }
    Ok(SecretString::from(text))
}

/// The PEM certificates that the field at `path` names.
///
/// # Errors
/// When the API server can't be asked; what is missing is the inner error.
pub async fn authorities(
    ctx: &Context,
    namespace: &str,
    reference: &CertificatesReference,
    path: &str,
) -> Result<Result<Vec<u8>, Problem>, Error> {
    let key = &reference.key;
    let missing = |what: &str, name: &str| Problem {
        reason: Reason::KeyNotFound,
        message: format!("{path} names key '{key}' of {what} '{name}', which it does not have"),
    };
    if let Some(name) = &reference.secret_name {
        return Ok(match secret(ctx, namespace, name, path).await? {
            Ok(secret) => {
                secret.get(key).map(<[u8]>::to_vec).ok_or_else(|| missing("Secret", name))
            }
            Err(problem) => Err(problem),
        });
    }
    let name = reference.config_map_name.as_deref().unwrap_or_default();
    match read_config_map(&ctx.client, namespace, name).await {
        Ok(Some(data)) => {
            Ok(data.get(key).map(<[u8]>::to_vec).ok_or_else(|| missing("ConfigMap", name)))
        }
        Ok(None) => Ok(Err(Problem {
            reason: Reason::ConfigMapNotFound,
            message: format!("{path} names ConfigMap '{name}', which is not in this namespace"),
        })),
        Err(error) => forbidden_is_a_finding(error, path, &format!("ConfigMap '{name}'")),
    }
}

/// That Drover may not read an object is for people to mend, not a fault of the API server.
fn forbidden_is_a_finding<T>(
    error: KubernetesError,
    path: &str,
    what: &str,
) -> Result<Result<T, Problem>, Error> {
    if error.code() == Some(403) {
        let message = format!("{path} names {what}, which Drover may not read");
        return Ok(Err(Problem { reason: Reason::Forbidden, message }));
    }
    Err(error.into())
}
