//! Reads the SHA-512 that is published beside an archive of Elasticsearch. Drover reads it itself,
//! over verified TLS, and not the host, which may trust others. It is read for each host that fetches:
//! where the archive is replaced meanwhile, hosts may differ. A digest in the spec holds for all.

use std::time::Duration;

use reqwest::{StatusCode, Url};

use crate::{
    chain::chain,
    deploy::archive,
    tls::{self, Expiry, Trust},
    transport::{self, Failure, origin},
};

/// For connecting.
const CONNECT: Duration = Duration::from_secs(10);
/// For all of it.
const DEADLINE: Duration = Duration::from_secs(20);
/// The most that is read: a list of digests of one release is far shorter.
const LIMIT: usize = 64 * 1024;

/// Why there is no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishedError {
    /// It is no https URL.
    #[error("'{0}' is no https URL")]
    Address(Box<str>),
    /// The authorities to trust can't be used.
    #[error("the certificates of authorities can't be used")]
    Setup,
    /// No whole answer came.
    #[error("{origin} gave no digest")]
    Failed {
        /// Who was asked.
        origin: Box<str>,
        /// Why not.
        #[source]
        source: Failure,
    },
    /// It took too long.
    #[error("{origin} gave no digest within {} seconds", DEADLINE.as_secs())]
    TimedOut {
        /// Who was asked.
        origin: Box<str>,
    },
    /// It answered with something else.
    #[error("{origin} answered {status} instead of a digest")]
    Refused {
        /// Who was asked.
        origin: Box<str>,
        /// The status of its answer.
        status: u16,
    },
    /// The answer is not about the archive.
    #[error("what {origin} answered has no SHA-512 of '{file}'")]
    Missing {
        /// Who was asked.
        origin: Box<str>,
        /// The archive.
        file: Box<str>,
    },
}

impl PublishedError {
    /// All of it in one line, for a condition's message.
    #[must_use]
    pub fn message(&self) -> String {
        chain(self)
    }
}

/// The digest of the archive `file` that `url` tells, in 128 lower-case hexadecimal digits. `ca`:
/// PEM certificates of the authorities to trust instead of the system's.
///
/// # Errors
/// Why there is none.
pub async fn sha512(url: &str, file: &str, ca: Option<&[u8]>) -> Result<Box<str>, PublishedError> {
    let wrong = || PublishedError::Address(crate::foreign::capped(url));
    let url = Url::parse(url).ok().filter(|it| it.scheme() == "https").ok_or_else(wrong)?;
    let origin = origin(&url);
    match tokio::time::timeout(DEADLINE, read(url, file, ca, &origin)).await {
        Ok(result) => result,
        Err(_) => Err(PublishedError::TimedOut { origin }),
    }
}

async fn read(
    url: Url,
    file: &str,
    ca: Option<&[u8]>,
    origin: &str,
) -> Result<Box<str>, PublishedError> {
    let trust = Trust { ca, fingerprint: None, server_name: None, identity: None };
    let config = tls::config(&trust, Expiry::unseen()).map_err(|_| PublishedError::Setup)?;
    let client = transport::client(config, CONNECT, 0).map_err(|_| PublishedError::Setup)?;
    let failed = |source| PublishedError::Failed { origin: origin.into(), source };
    let response = client.get(url).send().await.map_err(|it| failed(Failure::of(&it)))?;
    match response.status() {
        StatusCode::OK => {}
        status if status.is_redirection() => return Err(failed(Failure::Redirected)),
        status => {
            return Err(PublishedError::Refused { origin: origin.into(), status: status.as_u16() });
        }
    }
    let body = transport::body(response, LIMIT).await.map_err(failed)?;
    let missing = || PublishedError::Missing { origin: origin.into(), file: file.into() };
    archive::read(&String::from_utf8_lossy(&body), file).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::scripted::{Reply, Server, authority::Authority, with_headers};

    const FILE: &str = "es-8.19.0.tar.gz";

    /// What comes of an answer.
    async fn ask(
        reply: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Result<Box<str>, String> {
        let authority = Authority::new("archives");
        let server = Server::https(authority.issue("127.0.0.1").server(), reply).await;
        let url = format!("{}a/{FILE}.sha512", server.url());
        let result = sha512(&url, FILE, Some(&authority.pem())).await;
        assert!(server.requests()[0].starts_with("GET /a/es-8.19.0.tar.gz.sha512 "));
        result.map_err(|it| it.message())
    }

    #[tokio::test]
    async fn a_digest_is_read_from_whom_the_authorities_know() {
        let digest = "0f".repeat(64);
        let line = format!("{digest}  {FILE}\n");
        let told = ask(move |_| with_headers(200, "content-type: text/plain", &line)).await;
        assert_eq!(told, Ok(digest.into()));
    }

    #[tokio::test]
    async fn nothing_else_is_taken_for_a_digest() {
        let told = ask(|_| with_headers(404, "x: y", "nothing")).await.unwrap_err();
        assert!(told.contains("answered 404"), "{told}");
        let told = ask(|_| with_headers(200, "x: y", "<html>welcome</html>")).await.unwrap_err();
        assert!(told.contains("no SHA-512 of 'es-8.19.0.tar.gz'"), "{told}");
        let elsewhere = "location: https://other.example/";
        let told = ask(move |_| with_headers(302, elsewhere, "")).await.unwrap_err();
        assert!(told.contains("redirects elsewhere"), "{told}");
        let told = ask(|_| Reply::Stream(10 * LIMIT)).await.unwrap_err();
        assert!(told.contains("more than 65536 bytes"), "{told}");
    }

    #[tokio::test]
    async fn a_server_that_nobody_vouches_for_is_not_asked() {
        let (authority, other) = (Authority::new("archives"), Authority::new("other"));
        let server = Server::https(authority.issue("127.0.0.1").server(), |_| {
            with_headers(200, "x: y", &"0f".repeat(64))
        })
        .await;
        let refused = sha512(server.url().as_str(), FILE, Some(&other.pem())).await.unwrap_err();
        assert!(refused.message().contains("certificate is refused"), "{refused:?}");
        assert!(server.requests().is_empty());
        let plain = sha512("http://127.0.0.1/x", FILE, None).await.unwrap_err();
        assert_eq!(plain, PublishedError::Address("http://127.0.0.1/x".into()));
    }
}
