//! Whom a connection trusts, in the terms of [`crate::tls`].

use rustls::ClientConfig;

use super::connection::{Auth, Connection};
use crate::tls::{self, Expiry, Identity, Trust, Unusable};

/// The TLS settings for `connection`, which write the expiry of what they see to `expiry`.
///
/// # Errors
/// Which part of `connection` can't be used.
pub(super) fn config(connection: &Connection, expiry: Expiry) -> Result<ClientConfig, Unusable> {
    let identity = match &connection.auth {
        Auth::ClientCertificate { certificate, key } => Some(Identity { certificate, key }),
        _ => None,
    };
    let trust = Trust {
        ca: connection.ca.as_deref(),
        fingerprint: connection.fingerprint,
        server_name: connection.server_name.as_deref(),
        identity,
    };
    tls::config(&trust, expiry)
}

#[cfg(test)]
mod tests;
