//! What the specs of all kinds name: Secrets, read by name, and why they can't be used.

use secrecy::SecretString;

use crate::{
    api::condition::Reason,
    context::Context,
    error::Error,
    kubernetes::{
        KubernetesError,
        references::{Content, read_secret},
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

/// That Drover may not read an object is for people to mend, not a fault of the API server.
pub fn forbidden_is_a_finding<T>(
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
