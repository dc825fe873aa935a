//! How a call to the API server can fail.

use std::time::Duration;

use crate::{error::Category, gate::Closed};

/// A call to the API server that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum KubernetesError {
    /// The API server answered with an error.
    #[error("failed to {attempt}: the API server answered {code} {reason}: {message}")]
    Refused {
        /// What was tried, on what.
        attempt: String,
        /// HTTP status.
        code: u16,
        /// The API server's word for it, such as `Conflict`.
        reason: String,
        /// The API server's own text.
        message: String,
    },
    /// There was no answer, or none that could be read.
    #[error("failed to {attempt}")]
    Failed {
        /// What was tried, on what.
        attempt: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There was no answer in time.
    #[error("failed to {attempt}: no answer within {after:?}")]
    Timeout {
        /// What was tried, on what.
        attempt: String,
        /// The deadline.
        after: Duration,
    },
    /// A name that can't be one of Kubernetes; no request was sent.
    #[error("failed to {attempt}: that is no name of an object")]
    Name {
        /// What was tried, on what.
        attempt: String,
    },
    /// More content than Kubernetes itself would store.
    #[error("failed to {attempt}: it holds more than {limit} bytes")]
    TooLarge {
        /// What was tried, on what.
        attempt: String,
        /// The most that is read.
        limit: usize,
    },
}

impl KubernetesError {
    /// Takes kube's error apart: its texts repeat their sources.
    #[must_use]
    pub fn new(attempt: String, error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Refused {
                attempt,
                code: status.code,
                reason: status.reason,
                message: status.message,
            },
            kube::Error::Service(source) => Self::Failed { attempt, source },
            kube::Error::HyperError(source) => Self::Failed { attempt, source: source.into() },
            kube::Error::SerdeError(source) => Self::Failed { attempt, source: source.into() },
            other => Self::Failed { attempt, source: other.into() },
        }
    }

    /// The HTTP status, where the API server answered.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether the API server says that there is no such thing.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(404)
    }

    /// Whether what was sent was decided on an older state than the API server's.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.code() == Some(409)
    }

    /// The class of this error.
    #[must_use]
    pub fn category(&self) -> Category {
        match self {
            Self::Refused { code, .. } => match code {
                401 | 403 => Category::Forbidden,
                404 | 410 => Category::NotFound,
                409 => Category::Conflict,
                429 => Category::TooManyRequests,
                500.. => Category::Unavailable,
                _ => Category::Invalid,
            },
            Self::Failed { source, .. } if source.is::<Closed>() => Category::NotLeader,
            Self::Failed { source, .. } if source.is::<serde_json::Error>() => Category::Internal,
            Self::Failed { .. } => Category::Unavailable,
            Self::Timeout { .. } => Category::Timeout,
            Self::Name { .. } | Self::TooLarge { .. } => Category::Invalid,
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn refused(code: u16) -> KubernetesError {
        let status = Status::failure("no", "Reason").with_code(code);
        KubernetesError::new("read it".into(), kube::Error::Api(status.boxed()))
    }

    #[test]
    fn each_answer_falls_into_its_class() {
        let cases = [
            (401, Category::Forbidden),
            (404, Category::NotFound),
            (409, Category::Conflict),
            (422, Category::Invalid),
            (429, Category::TooManyRequests),
            (503, Category::Unavailable),
        ];
        for (code, category) in cases {
            assert_eq!(refused(code).category(), category, "{code}");
        }
    }

    #[test]
    fn a_write_that_the_gate_stopped_is_told_from_a_lost_connection() {
        let closed = KubernetesError::new("write".into(), kube::Error::Service(Box::new(Closed)));
        assert_eq!(closed.category(), Category::NotLeader);
        let lost = KubernetesError::new("write".into(), kube::Error::Service("reset".into()));
        assert_eq!(lost.category(), Category::Unavailable);
    }
}
