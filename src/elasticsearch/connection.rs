//! What it takes to reach one cluster: addresses, credentials, and whom to trust.

use std::{fmt, time::Duration};

use reqwest::Url;
use secrecy::{ExposeSecret, SecretSlice, SecretString};

use crate::{
    digest::Digest,
    tls::Unusable,
    transport::{check_text, check_token, origin},
};

/// How to reach one Elasticsearch cluster.
#[derive(Clone)]
pub struct Connection {
    /// Addresses without user-info, path and query, tried in turn. At least one.
    pub endpoints: Vec<Url>,
    /// Whom Elasticsearch shall see.
    pub auth: Auth,
    /// PEM certificates of the authorities to trust instead of the system's.
    pub ca: Option<Vec<u8>>,
    /// SHA-256 of the server's certificate, or of an authority in its chain that the server sends
    /// along or that is in `ca`.
    pub fingerprint: Option<[u8; 32]>,
    /// The name that the server's certificate must carry, where it is not the endpoint's host.
    pub server_name: Option<String>,
    /// The longest that one request to one endpoint may take, connecting included.
    pub timeout: Duration,
}

/// The credentials that go with every request.
#[derive(Clone, Debug)]
pub enum Auth {
    /// None.
    Anonymous,
    /// A user of Elasticsearch.
    Basic {
        /// Without a colon.
        username: String,
        /// Any text without control characters.
        password: SecretString,
    },
    /// An API key in its encoded form: base64 of `id:api_key`.
    ApiKey(SecretString),
    /// A token that a realm of Elasticsearch takes.
    Bearer(SecretString),
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
    /// The credentials can't stand in a header.
    #[error("the {part} {problem}")]
    Credentials {
        /// Such as `password`.
        part: &'static str,
        /// What is wrong with it; never its value.
        problem: &'static str,
    },
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
        match &self.auth {
            Auth::Anonymous => digest.field(b"anonymous"),
            Auth::Basic { username, password } => {
                digest.field(b"basic");
                digest.field(username.as_bytes());
                digest.field(password.expose_secret().as_bytes());
            }
            Auth::ApiKey(key) => {
                digest.field(b"api key");
                digest.field(key.expose_secret().as_bytes());
            }
            Auth::Bearer(token) => {
                digest.field(b"bearer");
                digest.field(token.expose_secret().as_bytes());
            }
            Auth::ClientCertificate { certificate, key } => {
                digest.field(b"client certificate");
                digest.field(certificate);
                digest.field(key.expose_secret());
            }
        }
        digest.optional(self.ca.as_deref());
        digest.optional(self.fingerprint.as_ref().map(<[u8; 32]>::as_slice));
        digest.optional(self.server_name.as_deref().map(str::as_bytes));
        digest.field(&self.timeout.as_nanos().to_be_bytes());
        digest.finish()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A URL may carry a password, so only its origin is shown.
        let endpoints: Vec<_> = self.endpoints.iter().map(origin).collect();
        f.debug_struct("Connection")
            .field("endpoints", &endpoints)
            .field("auth", &self.auth)
            .field("ca", &self.ca.is_some())
            .field("fingerprint", &self.fingerprint)
            .field("server_name", &self.server_name)
            .field("timeout", &self.timeout)
            .finish()
    }
}

impl Auth {
    /// Whether the credentials can stand in a header.
    ///
    /// # Errors
    /// [`ConnectionError::Credentials`], without their value.
    pub(super) fn check(&self) -> Result<(), ConnectionError> {
        let of = |part| move |problem| ConnectionError::Credentials { part, problem };
        match self {
            Self::Anonymous | Self::ClientCertificate { .. } => Ok(()),
            Self::Basic { username, password } => {
                check_text(username).map_err(of("user name"))?;
                check_text(password.expose_secret()).map_err(of("password"))?;
                if username.contains(':') {
                    let problem = "contains a colon, which HTTP does not allow there";
                    return Err(ConnectionError::Credentials { part: "user name", problem });
                }
                Ok(())
            }
            Self::ApiKey(key) => check_token(key.expose_secret()).map_err(of("API key")),
            Self::Bearer(token) => check_token(token.expose_secret()).map_err(of("bearer token")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Connection {
        Connection {
            endpoints: vec![Url::parse("https://es.example:9200").unwrap()],
            auth: basic("drover", "p4ssw0rd"),
            ca: None,
            fingerprint: None,
            server_name: None,
            timeout: Duration::from_secs(10),
        }
    }

    fn basic(username: &str, password: &str) -> Auth {
        Auth::Basic { username: username.into(), password: password.into() }
    }

    #[test]
    fn the_digest_changes_with_every_part_of_a_connection() {
        let auths = [
            Auth::Anonymous,
            basic("drover", "other"),
            basic("drove", "rp4ssw0rd"),
            Auth::ApiKey("p4ssw0rd".into()),
            Auth::Bearer("p4ssw0rd".into()),
            Auth::ClientCertificate { certificate: vec![1], key: vec![2].into() },
            Auth::ClientCertificate { certificate: vec![1], key: vec![3].into() },
        ];
        let mut all = vec![connection()];
        all.extend(auths.map(|auth| Connection { auth, ..connection() }));
        all.push(Connection { ca: Some(Vec::new()), ..connection() });
        all.push(Connection { fingerprint: Some([0; 32]), ..connection() });
        all.push(Connection { server_name: Some("es".into()), ..connection() });
        all.push(Connection { timeout: Duration::from_secs(11), ..connection() });
        let mut endpoints = connection().endpoints;
        endpoints.push(Url::parse("https://other.example").unwrap());
        all.push(Connection { endpoints, ..connection() });

        let mut digests: Vec<_> = all.iter().map(Connection::digest).collect();
        assert_eq!(connection().digest(), digests[0]);
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), all.len());
    }

    #[test]
    fn no_secret_shows_in_debug_output() {
        let secrets = [
            basic("drover", "s3cret"),
            Auth::ApiKey("s3cret".into()),
            Auth::Bearer("s3cret".into()),
            Auth::ClientCertificate { certificate: vec![], key: b"s3cret".to_vec().into() },
        ];
        for auth in secrets {
            let endpoints = vec![Url::parse("https://u:s3cret@es.example").unwrap()];
            let text = format!("{:?}", Connection { endpoints, auth, ..connection() });
            assert!(!text.contains("s3cret"), "{text}");
            assert!(!text.contains("115, 51, 99"), "{text}");
        }
    }

    #[test]
    fn credentials_that_cannot_stand_in_a_header_are_named_but_not_shown() {
        let cases = [
            (basic("", "s3cret"), "the user name is empty"),
            (
                basic("a:b", "s3cret"),
                "the user name contains a colon, which HTTP does not allow there",
            ),
            (basic("a", "s3cret\n"), "the password ends with a line break"),
            (basic("a", "s3\rcret"), "the password contains control characters"),
            (Auth::ApiKey("".into()), "the API key is empty"),
            (
                Auth::ApiKey("s3 cret".into()),
                "the API key contains blanks or characters outside ASCII",
            ),
            (Auth::Bearer("s3cret\r\nX: y".into()), "the bearer token contains control characters"),
        ];
        assert_eq!(basic("drover", "pässwörd").check(), Ok(()));
        for (auth, message) in cases {
            assert_eq!(auth.check().unwrap_err().to_string(), message);
        }
    }
}
