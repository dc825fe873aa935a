//! What can go wrong between Drover and etcd.

use std::time::Duration;

use crate::{
    foreign::Cause,
    gate::Closed,
    transport::{Category, Failure},
};

/// Why something was not done. Every text is at most about a kilobyte, without control characters,
/// and holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There was no whole answer. Where a connection came about, what was asked may have been done.
    #[error("failed to {attempt} at {endpoint}")]
    Failed {
        /// Whom.
        endpoint: Box<str>,
        /// What was tried.
        attempt: &'static str,
        /// Why.
        #[source]
        failure: Failure,
    },
    /// There was no answer in time. What was asked may have been done.
    #[error("failed to {attempt} at {endpoint}: no answer within {after:?}")]
    Timeout {
        /// Whom.
        endpoint: Box<str>,
        /// What was tried.
        attempt: &'static str,
        /// The deadline.
        after: Duration,
    },
    /// etcd wants other credentials than a client certificate, or another one.
    #[error("{endpoint} does not take the credentials: {reason}")]
    Unauthorized {
        /// Who.
        endpoint: Box<str>,
        /// etcd's words.
        reason: Box<str>,
    },
    /// The credentials do not carry the permission that this takes.
    #[error("{endpoint} does not allow to {attempt}: {reason}")]
    Forbidden {
        /// Who.
        endpoint: Box<str>,
        /// What was tried.
        attempt: &'static str,
        /// etcd's words.
        reason: Box<str>,
    },
    /// etcd has too much to do, or is full.
    #[error("{endpoint} put off to {attempt}: {reason}")]
    Busy {
        /// Who.
        endpoint: Box<str>,
        /// What was tried.
        attempt: &'static str,
        /// etcd's words.
        reason: Box<str>,
    },
    /// etcd can't serve this now, for example because it has no leader.
    #[error("{endpoint} can't serve the attempt to {attempt} now ({status}): {reason}")]
    Unavailable {
        /// Who.
        endpoint: Box<str>,
        /// What was tried.
        attempt: &'static str,
        /// HTTP status.
        status: u16,
        /// etcd's words.
        reason: Box<str>,
    },
    /// Any other answer that is no success.
    #[error("{endpoint} refused to {attempt} ({status}): {reason}")]
    Refused {
        /// Who.
        endpoint: Box<str>,
        /// What was tried.
        attempt: &'static str,
        /// HTTP status.
        status: u16,
        /// etcd's words.
        reason: Box<str>,
    },
    /// An answer that etcd does not give.
    #[error("{endpoint} answered the attempt to {attempt} with something unexpected")]
    UnexpectedAnswer {
        /// Who.
        endpoint: Box<str>,
        /// What was tried.
        attempt: &'static str,
        /// What is wrong with it.
        #[source]
        cause: Cause,
    },
    /// This process may not write now, so nothing was sent.
    #[error("did not {attempt}")]
    Closed {
        /// What was to be tried.
        attempt: &'static str,
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
            Self::Failed { failure, .. } => failure.category(),
            Self::Timeout { .. } | Self::Unavailable { .. } => Category::Unreachable,
            Self::Unauthorized { .. } => Category::Unauthorized,
            Self::Forbidden { .. } => Category::Forbidden,
            Self::Busy { .. } => Category::Busy,
            Self::Refused { .. } => Category::Rejected,
            Self::UnexpectedAnswer { .. } => Category::WrongServer,
            Self::Closed { .. } => Category::Closed,
        }
    }

    /// How far a request came before it failed so: of several endpoints' errors, the one that
    /// came farthest tells most. Nothing where another endpoint would say the same.
    pub(super) fn progress(&self) -> Option<u8> {
        match self {
            Self::Failed { failure: Failure::Connect(_), .. } => Some(0),
            Self::Timeout { .. } => Some(1),
            Self::Failed { failure, .. } if failure.category() == Category::Tls => Some(3),
            Self::Failed { .. } => Some(2),
            Self::UnexpectedAnswer { .. } => Some(4),
            Self::Unavailable { .. } => Some(5),
            _ => None,
        }
    }
}
