//! What can go wrong in a reconcile, and how it is counted.

use std::time::Duration;

use crate::{gate, kubernetes::KubernetesError};

/// Why a reconcile did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A call to the API server failed.
    #[error(transparent)]
    Kubernetes(#[from] KubernetesError),
    /// This process may not write any more.
    #[error(transparent)]
    Closed(#[from] gate::Closed),
    /// The whole reconcile took too long and was given up.
    #[error("the reconcile did not end within {0:?}")]
    Deadline(Duration),
}

impl Error {
    /// The class of this error.
    #[must_use]
    pub fn category(&self) -> Category {
        match self {
            Self::Kubernetes(error) => error.category(),
            Self::Closed(_) => Category::NotLeader,
            Self::Deadline(_) => Category::Timeout,
        }
    }
}

/// The classes of failure: a label of the metrics, and a word that events carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Category {
    /// Somebody else changed the object at the same time.
    Conflict,
    /// The API server did not accept who Drover is, or what it may do.
    Forbidden,
    /// What was asked for is not there.
    NotFound,
    /// The API server did not accept what Drover sent.
    Invalid,
    /// Asked to slow down.
    TooManyRequests,
    /// No connection, or the other side can't serve now.
    Unavailable,
    /// No answer in time.
    Timeout,
    /// Elasticsearch did not do what was asked.
    Elasticsearch,
    /// The API server of a `ContainerManager` did not do what was asked.
    ContainerManager,
    /// This process may not write.
    NotLeader,
    /// A fault of Drover itself.
    Internal,
}

impl Category {
    /// The word as it stands in metrics and events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conflict => "Conflict",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "NotFound",
            Self::Invalid => "Invalid",
            Self::TooManyRequests => "TooManyRequests",
            Self::Unavailable => "Unavailable",
            Self::Timeout => "Timeout",
            Self::Elasticsearch => "Elasticsearch",
            Self::ContainerManager => "ContainerManager",
            Self::NotLeader => "NotLeader",
            Self::Internal => "Internal",
        }
    }
}
