//! What it takes to reach the API server: its address, credentials, and whom to trust.

use std::fmt;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretSlice, SecretString};

use crate::{
    digest::Digest,
    tls::{Expiry, Identity, Trust, Unusable},
    transport::{check_token, origin},
};

/// How to reach an API server. TLS is always verified.
#[derive(Clone)]
pub struct Connection {
    /// Its address: https, with a path where one server serves several clusters.
    pub server: Url,
    /// PEM certificates of the authorities to trust instead of the system's.
    pub ca: Option<Vec<u8>>,
    /// The name that the server's certificate must carry, where it is not the host of `server`.
    pub server_name: Option<String>,
    /// Whom the server shall see.
    pub auth: Auth,
}

/// The credentials that go with every request.
#[derive(Clone, Debug)]
pub enum Auth {
    /// None: the server sees an anonymous caller.
    Anonymous,
    /// Such as the token of a service account.
    Token(SecretString),
    /// A certificate shown in the TLS handshake.
    ClientCertificate {
        /// PEM: the client's certificate, then its intermediates.
        certificate: Vec<u8>,
        /// PEM: PKCS #8, PKCS #1 or SEC 1, not encrypted.
        key: SecretSlice<u8>,
    },
}

/// Which part of a [`Connection`] can't be used, and why. Fit for a condition's message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// An address that can't be asked, or that carries what it may not.
    #[error("the server '{server}' {problem}")]
    Server {
        /// The address, without any user-info.
        server: Box<str>,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Something that was given for TLS.
    #[error(transparent)]
    Tls(#[from] Unusable),
    /// The credentials can't stand in a header.
    #[error("the token {0}")]
    Token(&'static str),
    /// A kubeconfig that is none, or that wants more than Drover does.
    #[error("the kubeconfig can't be used: {0}")]
    Kubeconfig(Box<str>),
    /// The HTTP client could not be made from all this.
    #[error("failed to set up the HTTP client")]
    Setup,
}

impl Connection {
    /// A SHA-256 that changes whenever anything here does, secrets included.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut digest = Digest::new();
        digest.field(self.server.as_str().as_bytes());
        digest.optional(self.ca.as_deref());
        digest.optional(self.server_name.as_deref().map(str::as_bytes));
        match &self.auth {
            Auth::Anonymous => digest.field(b"anonymous"),
            Auth::Token(token) => {
                digest.field(b"token");
                digest.field(token.expose_secret().as_bytes());
            }
            Auth::ClientCertificate { certificate, key } => {
                digest.field(b"client certificate");
                digest.field(certificate);
                digest.field(key.expose_secret());
            }
        }
        digest.finish()
    }

    /// That everything but the TLS parts can be used.
    pub(super) fn check(&self) -> Result<(), ConnectionError> {
        let bare = self.server.username().is_empty() && self.server.password().is_none();
        let problem = match self.server.scheme() {
            "https" if !bare => "carries user-info",
            "https" if self.server.query().is_some() => "carries a query",
            "https" if self.server.fragment().is_some() => "carries a fragment",
            "https" => return self.auth.check(),
            _ => "is not https",
        };
        Err(ConnectionError::Server { server: origin(&self.server), problem })
    }

    pub(super) fn tls(&self) -> Result<rustls::ClientConfig, Unusable> {
        let identity = match &self.auth {
            Auth::ClientCertificate { certificate, key } => Some(Identity { certificate, key }),
            Auth::Anonymous | Auth::Token(_) => None,
        };
        let trust = Trust {
            ca: self.ca.as_deref(),
            fingerprint: None,
            server_name: self.server_name.as_deref(),
            identity,
        };
        crate::tls::config(&trust, Expiry::unseen())
    }
}

impl Auth {
    fn check(&self) -> Result<(), ConnectionError> {
        match self {
            Self::Token(token) => {
                check_token(token.expose_secret()).map_err(ConnectionError::Token)
            }
            Self::Anonymous | Self::ClientCertificate { .. } => Ok(()),
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A URL may carry a password, so only its origin is shown.
        f.debug_struct("Connection")
            .field("server", &origin(&self.server))
            .field("ca", &self.ca.is_some())
            .field("server_name", &self.server_name)
            .field("auth", &self.auth)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Connection {
        Connection {
            server: Url::parse("https://nodes.example:6443").unwrap(),
            ca: None,
            server_name: None,
            auth: Auth::Token("t0ken".into()),
        }
    }

    #[test]
    fn the_digest_changes_with_every_part_of_a_connection() {
        let certificate = |certificate: &[u8], key: &[u8]| Auth::ClientCertificate {
            certificate: certificate.to_vec(),
            key: key.to_vec().into(),
        };
        let all = [
            connection(),
            Connection { server: Url::parse("https://other.example").unwrap(), ..connection() },
            Connection { ca: Some(Vec::new()), ..connection() },
            Connection { server_name: Some("a".into()), ..connection() },
            Connection { auth: Auth::Token("other".into()), ..connection() },
            Connection { auth: Auth::Anonymous, ..connection() },
            Connection { auth: certificate(b"a", b"b"), ..connection() },
            Connection { auth: certificate(b"a", b"c"), ..connection() },
            Connection { auth: certificate(b"", b"ab"), ..connection() },
        ];
        let mut digests: Vec<_> = all.iter().map(Connection::digest).collect();
        assert_eq!(connection().digest(), digests[0]);
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), all.len());
    }

    #[test]
    fn no_secret_shows_in_debug_output() {
        let key = b"t0ken".to_vec().into();
        let auths =
            [Auth::Token("t0ken".into()), Auth::ClientCertificate { certificate: vec![], key }];
        for auth in auths {
            let server = Url::parse("https://u:t0ken@nodes.example").unwrap();
            let text = format!("{:?}", Connection { server, auth, ..connection() });
            assert!(!text.contains("t0ken") && !text.contains("116, 48"), "{text}");
        }
    }

    #[test]
    fn what_can_not_be_used_is_named_and_no_secret_shown() {
        let server = |it: &str| Connection { server: Url::parse(it).unwrap(), ..connection() };
        let token = |it: &str| Connection { auth: Auth::Token(it.into()), ..connection() };
        let cases = [
            (server("http://nodes.example"), "the server 'http://nodes.example' is not https"),
            (server("ftp://nodes.example"), "the server 'ftp://nodes.example' is not https"),
            (
                server("https://u:t0ken@nodes.example"),
                "the server 'https://nodes.example' carries user-info",
            ),
            (
                server("https://nodes.example?a=b"),
                "the server 'https://nodes.example' carries a query",
            ),
            (
                server("https://nodes.example#a"),
                "the server 'https://nodes.example' carries a fragment",
            ),
            (token(""), "the token is empty"),
            (token("t0ken\n"), "the token ends with a line break"),
            (token("t0 ken"), "the token contains blanks or characters outside ASCII"),
        ];
        for (connection, message) in cases {
            assert_eq!(connection.check().unwrap_err().to_string(), message);
        }
        assert_eq!(server("https://nodes.example/k8s/clusters/c-1").check(), Ok(()));
    }
}
