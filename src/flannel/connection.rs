//! What it takes to reach an etcd: addresses, a client certificate, and whom to trust.

use std::{fmt, time::Duration};

use reqwest::Url;
use secrecy::{ExposeSecret, SecretSlice};

use crate::{
    digest::Digest,
    tls::{self, Expiry, Identity, Trust, Unusable},
    transport::{check_endpoint, origin},
};

/// How to reach one etcd.
#[derive(Clone)]
pub struct Connection {
    /// Addresses of its members without user-info, path and query, tried in turn. At least one.
    pub endpoints: Vec<Url>,
    /// PEM certificates of the authorities to trust instead of the system's.
    pub ca: Option<Vec<u8>>,
    /// The name that the servers' certificates must carry, where it is not the endpoint's host.
    pub server_name: Option<String>,
    /// Shown to servers that ask for one.
    pub certificate: Option<ClientCertificate>,
    /// The longest that one request to one endpoint may take, connecting included.
    pub timeout: Duration,
}

/// A client's certificate and its key.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// PEM: the client's certificate, then its intermediates.
    pub certificate: Vec<u8>,
    /// PEM: PKCS #8, PKCS #1 or SEC 1, not encrypted.
    pub key: SecretSlice<u8>,
}

/// Which part of a [`Connection`] can't be used, and why. Fit for a condition's message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// There is nobody to ask.
    #[error("no endpoint is given")]
    NoEndpoint,
    /// An address that can't be asked, or that carries what it may not.
    #[error("the endpoint '{endpoint}' {problem}")]
    Endpoint {
        /// The address, without any user-info.
        endpoint: Box<str>,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Something that was given for TLS.
    #[error(transparent)]
    Tls(#[from] Unusable),
    /// The HTTP client could not be made from all this.
    #[error("failed to set up the HTTP client")]
    Setup,
}

impl Connection {
    /// A SHA-256 that changes whenever anything here does, secrets included.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut digest = Digest::new();
        digest.count(self.endpoints.len());
        for endpoint in &self.endpoints {
            digest.field(endpoint.as_str().as_bytes());
        }
        digest.optional(self.ca.as_deref());
        digest.optional(self.server_name.as_deref().map(str::as_bytes));
        let certificate = self.certificate.as_ref();
        digest.optional(certificate.map(|it| &*it.certificate));
        digest.optional(certificate.map(|it| it.key.expose_secret()));
        digest.field(&self.timeout.as_nanos().to_be_bytes());
        digest.finish()
    }

    /// That there are endpoints, and that nothing given for TLS would be passed over at one of them.
    pub(super) fn check(&self) -> Result<(), ConnectionError> {
        if self.endpoints.is_empty() {
            return Err(ConnectionError::NoEndpoint);
        }
        let wants_tls =
            self.ca.is_some() || self.server_name.is_some() || self.certificate.is_some();
        for endpoint in &self.endpoints {
            let problem = match check_endpoint(endpoint) {
                Err(problem) => problem,
                Ok(()) if wants_tls && endpoint.scheme() == "http" => {
                    "is plain http, for which the TLS settings would mean nothing"
                }
                Ok(()) => continue,
            };
            return Err(ConnectionError::Endpoint { endpoint: origin(endpoint), problem });
        }
        Ok(())
    }

    pub(super) fn tls(&self) -> Result<rustls::ClientConfig, Unusable> {
        let identity = self.certificate.as_ref();
        let identity = identity.map(|it| Identity { certificate: &it.certificate, key: &it.key });
        let trust = Trust {
            ca: self.ca.as_deref(),
            fingerprint: None,
            server_name: self.server_name.as_deref(),
            identity,
        };
        tls::config(&trust, Expiry::unseen())
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A URL may carry a password, so only its origin is shown.
        let endpoints: Vec<_> = self.endpoints.iter().map(origin).collect();
        f.debug_struct("Connection")
            .field("endpoints", &endpoints)
            .field("ca", &self.ca.is_some())
            .field("server_name", &self.server_name)
            .field("certificate", &self.certificate)
            .field("timeout", &self.timeout)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(endpoints: &[&str]) -> Connection {
        Connection {
            endpoints: endpoints.iter().map(|it| it.parse().unwrap()).collect(),
            ca: None,
            server_name: None,
            certificate: None,
            timeout: Duration::from_secs(10),
        }
    }

    fn certificate(key: &[u8]) -> ClientCertificate {
        ClientCertificate { certificate: b"c".to_vec(), key: key.to_vec().into() }
    }

    #[test]
    fn the_digest_changes_with_every_part_of_a_connection() {
        let base = || connection(&["https://etcd.example:2379"]);
        let all = [
            base(),
            connection(&["https://other.example:2379"]),
            connection(&["https://etcd.example:2379", "https://other.example:2379"]),
            Connection { ca: Some(Vec::new()), ..base() },
            Connection { server_name: Some("a".into()), ..base() },
            Connection { certificate: Some(certificate(b"k")), ..base() },
            Connection { certificate: Some(certificate(b"l")), ..base() },
            Connection { timeout: Duration::from_secs(11), ..base() },
        ];
        let mut digests: Vec<_> = all.iter().map(Connection::digest).collect();
        assert_eq!(base().digest(), digests[0]);
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), all.len());
    }

    #[test]
    fn no_secret_shows_in_debug_output() {
        let certificate = Some(certificate(b"s3cret"));
        let with = Connection { certificate, ..connection(&["https://u:s3cret@etcd.example"]) };
        let text = format!("{with:?}");
        assert!(!text.contains("s3cret") && !text.contains("115, 51, 99"), "{text}");
    }

    #[test]
    fn what_can_not_be_used_is_named() {
        let plain = || connection(&["https://a.example", "http://b.example"]);
        let tls = "the endpoint 'http://b.example' is plain http, for which the TLS settings would \
                   mean nothing";
        let cases = [
            (connection(&[]), "no endpoint is given"),
            (
                connection(&["https://u:p@a.example"]),
                "the endpoint 'https://a.example' carries user-info",
            ),
            (
                connection(&["https://a.example/v3"]),
                "the endpoint 'https://a.example' carries a path",
            ),
            (connection(&["etcd://a.example"]), "the endpoint 'null' is neither http nor https"),
            (Connection { ca: Some(Vec::new()), ..plain() }, tls),
            (Connection { certificate: Some(certificate(b"k")), ..plain() }, tls),
            (Connection { server_name: Some("a".into()), ..plain() }, tls),
        ];
        for (connection, message) in cases {
            assert_eq!(connection.check().unwrap_err().to_string(), message);
        }
        assert_eq!(plain().check(), Ok(()));
    }
}
