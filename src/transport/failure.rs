//! Why no answer came.

use std::{error::Error as StdError, io};

use rustls::Error as TlsError;

use super::Category;
use crate::{foreign::Cause, tls::CertificateProblem};

/// Why a request got no whole answer. Holds no secret, and at most about a kilobyte.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No connection came about, so the request was not sent.
    #[error("no connection came about")]
    Connect(#[source] Cause),
    /// The connection broke before an answer began. The request may have been carried out.
    #[error("the connection broke before an answer came")]
    Interrupted(#[source] Cause),
    /// Drover refused the server's certificate, before it sent anything.
    #[error("its certificate is refused")]
    Certificate(#[source] CertificateProblem),
    /// The server ended the TLS handshake, for example because it wants a client certificate.
    #[error("it ended the TLS handshake")]
    TlsByServer(#[source] Cause),
    /// 3xx. Drover does not follow it, so that nobody else gets the credentials.
    #[error("it redirects elsewhere, which is not followed")]
    Redirected,
    /// The answer is longer than Drover reads. What was read is thrown away.
    #[error("it answered with more than {limit} bytes")]
    TooLarge {
        /// The most that would have been read.
        limit: usize,
    },
    /// The answer began and did not end.
    #[error("the answer broke off")]
    BrokenOff,
}

impl Failure {
    /// What a failure to send, or to get the head of an answer, means.
    pub(crate) fn of(error: &reqwest::Error) -> Self {
        match find::<TlsError>(error) {
            Some(TlsError::InvalidCertificate(error)) => {
                return Self::Certificate(error.into());
            }
            Some(TlsError::AlertReceived(alert)) => {
                return Self::TlsByServer(Cause::new(&format!("it sent the alert {alert:?}")));
            }
            Some(TlsError::InvalidMessage(_)) => {
                return Self::Connect(Cause::new("it does not speak TLS"));
            }
            _ => {}
        }
        if error.is_connect() {
            return Self::Connect(if error.is_timeout() {
                Cause::new("no connection within the time limit")
            } else {
                Cause::new(&innermost(error))
            });
        }
        let mut cause = innermost(error);
        if error.url().is_some_and(|it| it.scheme() == "http") {
            cause += " (it may want https)";
        }
        Self::Interrupted(Cause::new(&cause))
    }

    /// What this means for whoever waits for the answer.
    #[must_use]
    pub fn category(&self) -> Category {
        match self {
            Self::Connect(_) | Self::Interrupted(_) | Self::BrokenOff => Category::Unreachable,
            Self::Certificate(_) | Self::TlsByServer(_) => Category::Tls,
            Self::Redirected | Self::TooLarge { .. } => Category::WrongServer,
        }
    }
}

fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = cause(error);
    }
    None
}

fn innermost(error: &reqwest::Error) -> String {
    let mut last: &(dyn StdError + 'static) = error;
    while let Some(next) = cause(last) {
        last = next;
    }
    last.to_string()
}

/// The cause of `error`. What an `io::Error` wraps is not its source.
fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    wrapped.map_or_else(|| error.source(), |it| Some(it))
}
