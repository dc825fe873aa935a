//! Why no trusted connection can be made: because of what was given, or of what a server shows.

use jiff::Timestamp;
use rustls::{CertificateError, OtherError, pki_types::UnixTime};

use crate::foreign::capped;

/// Which part of what was given for TLS can't be used, and why. Fit for a condition's message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// The authorities can't be read.
    #[error("the CA certificates can't be used: {0}")]
    Ca(&'static str),
    /// The client certificate can't be read, or does not belong to the key.
    #[error("the client certificate can't be used: {0}")]
    ClientCertificate(&'static str),
    /// The key of the client certificate can't be read.
    #[error("the key of the client certificate can't be used: {0}")]
    Key(&'static str),
    /// The name to verify is none.
    #[error("the server name '{0}' is neither a DNS name nor an IP address")]
    ServerName(Box<str>),
    /// The TLS library took none of it.
    #[error("failed to set up TLS")]
    Setup,
}

/// What is wrong with a server's certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateProblem {
    /// Nobody that this connection trusts has signed it.
    #[error("no authority that this connection trusts has signed it")]
    UnknownAuthority,
    /// Its time is over.
    #[error("it expired at {0}")]
    Expired(Timestamp),
    /// Its time has not come.
    #[error("it is not valid before {0}")]
    NotYetValid(Timestamp),
    /// It is somebody else's.
    #[error("it is not for {expected} but for {presented}")]
    WrongName {
        /// The name that was looked for.
        expected: Box<str>,
        /// The names that it carries.
        presented: Box<str>,
    },
    /// Neither it nor an authority in its chain is the pinned one.
    #[error("neither it nor an authority that the server sends along has the given fingerprint")]
    WrongFingerprint,
    /// Something else, in the words of the TLS library.
    #[error("{0}")]
    Other(Box<str>),
}

impl From<&CertificateError> for CertificateProblem {
    fn from(error: &CertificateError) -> Self {
        let time = |it: &UnixTime| {
            let second = i64::try_from(it.as_secs()).unwrap_or(i64::MAX);
            Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
        };
        match error {
            // An authority of the same name with another key, such as the one before a renewal.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                Self::UnknownAuthority
            }
            CertificateError::ExpiredContext { not_after, .. } => Self::Expired(time(not_after)),
            CertificateError::NotValidYetContext { not_before, .. } => {
                Self::NotYetValid(time(not_before))
            }
            CertificateError::NotValidForNameContext { expected, presented } => {
                let expected = expected.to_str().into();
                // Each is written as `DnsName("es.example")` or `IpAddress(127.0.0.1)`.
                let bare = |it: &String| {
                    let inner = it.split_once('(').map_or(it.as_str(), |(_, inner)| inner);
                    inner.trim_matches(['"', ')']).to_owned()
                };
                let names: Vec<_> = presented.iter().map(bare).collect();
                let presented = match &*names {
                    [] => "no host at all".into(),
                    names => capped(&names.join(", ")),
                };
                Self::WrongName { expected, presented }
            }
            CertificateError::Other(OtherError(error)) if error.is::<WrongFingerprint>() => {
                Self::WrongFingerprint
            }
            other => Self::Other(capped(&other.to_string())),
        }
    }
}

/// Stands in rustls' error for the verdict on a pinned certificate.
#[derive(Debug, thiserror::Error)]
#[error("wrong fingerprint")]
pub(super) struct WrongFingerprint;
