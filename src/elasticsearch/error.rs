//! What can go wrong between Drover and Elasticsearch.

use std::time::Duration;

use super::reason::{MissingPrivilege, Refusal};
use crate::{chain::chain, gate::Closed};
pub use crate::{foreign::Cause, tls::CertificateProblem, transport::Category};

/// Why a request did not get the answer it was sent for. Every text is at most about a kilobyte,
/// without control characters, and holds no secret.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// No connection came about, so the request was not sent.
    #[error("failed to connect to {endpoint}")]
    Connect {
        /// Whom.
        endpoint: Box<str>,
        /// What the system or the TLS library said.
        #[source]
        cause: Cause,
    },
    /// The connection broke before an answer began. The request may have been carried out.
    #[error("the connection to {endpoint} broke before it answered {operation}")]
    Interrupted {
        /// Whom.
        endpoint: Box<str>,
        /// What was asked.
        operation: &'static str,
        /// What the system or the HTTP library said.
        #[source]
        cause: Cause,
    },
    /// No whole answer within the connection's timeout. The request may have been carried out.
    #[error("{endpoint} did not answer {operation} in time")]
    Timeout {
        /// Whom.
        endpoint: Box<str>,
        /// What was asked.
        operation: &'static str,
    },
    /// Drover refused the server's certificate, before it sent anything.
    #[error("refused the certificate of {endpoint}")]
    Certificate {
        /// Whose.
        endpoint: Box<str>,
        /// What is wrong with it.
        #[source]
        problem: CertificateProblem,
    },
    /// The server ended the TLS handshake, for example because it wants a client certificate.
    #[error("{endpoint} ended the TLS handshake")]
    TlsByServer {
        /// Who.
        endpoint: Box<str>,
        /// The alert that it sent.
        #[source]
        alert: Cause,
    },
    /// 401: Elasticsearch does not take the credentials.
    #[error("{endpoint} does not take the credentials: {reason}")]
    Unauthorized {
        /// Who.
        endpoint: Box<str>,
        /// Elasticsearch's words.
        reason: Box<str>,
    },
    /// 403: the credentials are good, but do not carry the privilege that this takes.
    #[error("{endpoint} does not allow {operation}: {missing}")]
    Forbidden {
        /// Who.
        endpoint: Box<str>,
        /// What was asked.
        operation: &'static str,
        /// The privilege that is missing, as far as Elasticsearch says so.
        missing: Box<MissingPrivilege>,
    },
    /// 429: Elasticsearch has too much to do, or a disk is too full.
    #[error("{endpoint} put off {operation}: {reason}")]
    TooManyRequests {
        /// Who.
        endpoint: Box<str>,
        /// What was asked.
        operation: &'static str,
        /// How long the server wants to be left alone, where it said so.
        retry_after: Option<Duration>,
        /// Elasticsearch's words.
        reason: Box<str>,
    },
    /// 408, 502, 503 or 504: Elasticsearch, or a proxy before it, can't serve this now.
    #[error("{endpoint} can't serve {operation} now ({status}): {refusal}")]
    Unavailable {
        /// Who.
        endpoint: Box<str>,
        /// What was asked.
        operation: &'static str,
        /// The HTTP status.
        status: u16,
        /// Such as `master_not_discovered_exception`.
        refusal: Box<Refusal>,
    },
    /// Any other 4xx: what was asked is wrong, or what it concerns is not there.
    #[error("{endpoint} rejected {operation} ({status}): {refusal}")]
    Rejected {
        /// Who.
        endpoint: Box<str>,
        /// What was asked.
        operation: &'static str,
        /// The HTTP status.
        status: u16,
        /// Elasticsearch's reason.
        refusal: Box<Refusal>,
    },
    /// Any other 5xx. The request may have been carried out.
    #[error("{endpoint} failed at {operation} ({status}): {refusal}")]
    ServerError {
        /// Who.
        endpoint: Box<str>,
        /// What was asked.
        operation: &'static str,
        /// The HTTP status.
        status: u16,
        /// Elasticsearch's reason.
        refusal: Box<Refusal>,
    },
    /// Not every node took the change over in time; the master did, or will.
    #[error("{endpoint} took {operation} on, but not all nodes confirmed it in time")]
    NotAcknowledged {
        /// Who.
        endpoint: Box<str>,
        /// What was asked.
        operation: &'static str,
    },
    /// The answer is longer than Drover reads. What was read is thrown away.
    #[error("{endpoint} answered {operation} with more than {limit} bytes")]
    TooLarge {
        /// Who.
        endpoint: Box<str>,
        /// What was asked.
        operation: &'static str,
        /// The most that would have been read.
        limit: usize,
    },
    /// An answer that Elasticsearch does not give: HTML, half a body, other fields.
    #[error("{endpoint} answered {operation} with something unexpected")]
    UnexpectedAnswer {
        /// Who.
        endpoint: Box<str>,
        /// What was asked.
        operation: &'static str,
        /// What is wrong with it.
        #[source]
        cause: Cause,
    },
    /// 3xx. Drover does not follow it, so that nobody else gets the credentials.
    #[error("{endpoint} redirects elsewhere, which is not followed")]
    Redirected {
        /// Who.
        endpoint: Box<str>,
    },
    /// Another product answers.
    #[error("{endpoint} is not Elasticsearch: {what}")]
    NotElasticsearch {
        /// Who.
        endpoint: Box<str>,
        /// What it is, as far as it tells.
        what: Box<str>,
    },
    /// This process may not write now, so nothing was sent.
    #[error("did not send {operation}")]
    Closed {
        /// What was to be asked.
        operation: &'static str,
        /// Why not.
        #[source]
        cause: Closed,
    },
}

impl Error {
    /// What this means for whoever waits for the answer.
    #[must_use]
    pub fn category(&self) -> Category {
        match self {
            Self::Connect { .. }
            | Self::Interrupted { .. }
            | Self::Timeout { .. }
            | Self::Unavailable { .. }
            | Self::ServerError { .. }
            | Self::NotAcknowledged { .. } => Category::Unreachable,
            Self::Certificate { .. } | Self::TlsByServer { .. } => Category::Tls,
            Self::Unauthorized { .. } => Category::Unauthorized,
            Self::Forbidden { .. } => Category::Forbidden,
            Self::TooManyRequests { .. } => Category::Busy,
            Self::Rejected { .. } => Category::Rejected,
            Self::TooLarge { .. }
            | Self::UnexpectedAnswer { .. }
            | Self::Redirected { .. }
            | Self::NotElasticsearch { .. } => Category::WrongServer,
            Self::Closed { .. } => Category::Closed,
        }
    }

    /// This error and what caused it, without the endpoint: for what has nothing to do with which
    /// one answered.
    #[must_use]
    pub fn told(&self) -> String {
        match self.endpoint() {
            Some(endpoint) => chain(self).replace(endpoint, "Elasticsearch"),
            None => chain(self),
        }
    }

    fn endpoint(&self) -> Option<&str> {
        match self {
            Self::Connect { endpoint, .. }
            | Self::Interrupted { endpoint, .. }
            | Self::Timeout { endpoint, .. }
            | Self::Certificate { endpoint, .. }
            | Self::TlsByServer { endpoint, .. }
            | Self::Unauthorized { endpoint, .. }
            | Self::Forbidden { endpoint, .. }
            | Self::TooManyRequests { endpoint, .. }
            | Self::Unavailable { endpoint, .. }
            | Self::Rejected { endpoint, .. }
            | Self::ServerError { endpoint, .. }
            | Self::NotAcknowledged { endpoint, .. }
            | Self::TooLarge { endpoint, .. }
            | Self::UnexpectedAnswer { endpoint, .. }
            | Self::Redirected { endpoint }
            | Self::NotElasticsearch { endpoint, .. } => Some(endpoint),
            Self::Closed { .. } => None,
        }
    }

    /// Whether Elasticsearch says that what was asked for is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Rejected { status: 404, .. })
    }

    /// How far a request came before it failed so: of several endpoints' errors, the one that
    /// came farthest tells most. Nothing where another endpoint would say the same.
    pub(super) fn progress(&self) -> Option<u8> {
        match self {
            Self::Connect { .. } => Some(0),
            Self::Timeout { .. } => Some(1),
            Self::Interrupted { .. } => Some(2),
            Self::TlsByServer { .. } => Some(3),
            Self::Certificate { .. } => Some(4),
            Self::Redirected { .. } | Self::UnexpectedAnswer { .. } => Some(5),
            Self::Unavailable { .. } => Some(6),
            _ => None,
        }
    }
}
