//! What can go wrong between Drover and the API server that hosts are registered in.

use std::time::Duration;

use crate::{
    foreign::Cause,
    gate::Closed,
    transport::{self, Failure},
};

/// Why something was not done. Every text is at most about a kilobyte, without control characters,
/// and holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There was no whole answer. Where a connection came about, what was asked may have been done.
    #[error("failed to {attempt} at {server}")]
    Failed {
        /// Whom.
        server: Box<str>,
        /// What was tried, on what.
        attempt: Box<str>,
        /// Why.
        #[source]
        failure: Failure,
    },
    /// There was no answer in time. What was asked may have been done.
    #[error("failed to {attempt} at {server}: no answer within {after:?}")]
    Timeout {
        /// Whom.
        server: Box<str>,
        /// What was tried, on what.
        attempt: Box<str>,
        /// The deadline.
        after: Duration,
    },
    /// The server does not take the credentials.
    #[error("{server} does not take the credentials: {reason}")]
    Unauthorized {
        /// Who.
        server: Box<str>,
        /// The server's words.
        reason: Box<str>,
    },
    /// The credentials are good, but do not carry the permission that this takes.
    #[error("{server} does not allow to {attempt}: {reason}")]
    Forbidden {
        /// Who.
        server: Box<str>,
        /// What was tried, on what.
        attempt: Box<str>,
        /// The server's words.
        reason: Box<str>,
    },
    /// The server has too much to do.
    #[error("{server} put off to {attempt}: {reason}")]
    Busy {
        /// Who.
        server: Box<str>,
        /// What was tried, on what.
        attempt: Box<str>,
        /// How long the server wants to be left alone, where it said so.
        retry_after: Option<Duration>,
        /// The server's words.
        reason: Box<str>,
    },
    /// Any other answer that is no success.
    #[error("{server} refused to {attempt} ({code} {word}): {reason}")]
    Refused {
        /// Who.
        server: Box<str>,
        /// What was tried, on what.
        attempt: Box<str>,
        /// HTTP status.
        code: u16,
        /// The server's word for it, such as `Conflict`.
        word: Box<str>,
        /// The server's words.
        reason: Box<str>,
    },
    /// An answer that no API server gives.
    #[error("{server} answered the attempt to {attempt} with something unexpected")]
    UnexpectedAnswer {
        /// Who.
        server: Box<str>,
        /// What was tried, on what.
        attempt: Box<str>,
        /// What is wrong with it.
        #[source]
        cause: Cause,
    },
    /// The Node is not this host's: nothing is done to it.
    #[error("the Node {node} is left alone: {reason}")]
    NotOwned {
        /// Its name.
        node: Box<str>,
        /// Why it is not this host's.
        reason: NotOwned,
    },
    /// The Node is being deleted.
    #[error("the Node {node} is being deleted")]
    Leaving {
        /// Its name.
        node: Box<str>,
    },
    /// A drain of a Node on which new pods may start: it would never end.
    #[error("the Node {node} is not cordoned")]
    NotCordoned {
        /// Its name.
        node: Box<str>,
    },
    /// A name that no Node can have; no request was sent.
    #[error("'{name}' can't be the name of a Node")]
    Name {
        /// The name.
        name: Box<str>,
    },
    /// This process may not write now, so nothing was sent.
    #[error("did not {attempt}")]
    Closed {
        /// What was to be tried, on what.
        attempt: Box<str>,
        /// Why not.
        #[source]
        cause: Closed,
    },
}

/// Why a Node is not a host's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOwned {
    /// It bears the label of another Host.
    #[error("its label `drover.dev/host-uid` says that it belongs to the Host with uid {uid}")]
    OtherHost {
        /// That Host's uid.
        uid: Box<str>,
    },
    /// A kubelet on another machine keeps it.
    #[error("its machine-id is {found}, the host's is {}", .expected.as_deref().unwrap_or("not known"))]
    OtherMachine {
        /// The Node's.
        found: Box<str>,
        /// The host's, where it is known.
        expected: Option<Box<str>>,
    },
    /// Drover did not make it, and no kubelet says which machine it stands for.
    #[error("Drover did not make it, and it names no machine-id")]
    NoMachine,
    /// It bears no label of Drover.
    #[error("it bears no label of Drover")]
    Unlabelled,
}

/// What an [`Error`] means for whoever waits for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Category {
    /// The server can't be reached or does not serve now: try again.
    Unreachable,
    /// No trusted connection: the certificate or the handshake is wrong.
    Tls,
    /// The server does not take the credentials.
    Unauthorized,
    /// A permission is missing.
    Forbidden,
    /// The server asks for patience.
    Busy,
    /// Somebody else changed the object at the same time, or it is going: try again.
    Conflict,
    /// What was asked for is not there.
    NotFound,
    /// The server understood and said no.
    Rejected,
    /// What answers does not answer as an API server does.
    WrongServer,
    /// The Node is not this host's.
    NotOwned,
    /// This process may not write.
    Closed,
}

impl Category {
    /// Whether only a change by somebody helps, of what was declared, of a Secret, or on the other
    /// side: to try again soon is of no use.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Tls
            | Self::Unauthorized
            | Self::Forbidden
            | Self::Rejected
            | Self::WrongServer
            | Self::NotOwned => true,
            Self::Unreachable | Self::Busy | Self::Conflict | Self::NotFound | Self::Closed => {
                false
            }
        }
    }
}

impl Error {
    /// What this means for whoever waits for the answer.
    #[must_use]
    pub fn category(&self) -> Category {
        match self {
            Self::Failed { failure, .. } => match failure.category() {
                transport::Category::Tls => Category::Tls,
                transport::Category::WrongServer => Category::WrongServer,
                _ => Category::Unreachable,
            },
            Self::Timeout { .. } => Category::Unreachable,
            Self::Unauthorized { .. } => Category::Unauthorized,
            Self::Forbidden { .. } => Category::Forbidden,
            Self::Busy { .. } => Category::Busy,
            Self::Refused { code, .. } => match code {
                404 | 410 => Category::NotFound,
                409 => Category::Conflict,
                408 | 500.. => Category::Unreachable,
                _ => Category::Rejected,
            },
            Self::UnexpectedAnswer { .. } => Category::WrongServer,
            Self::NotOwned { .. } => Category::NotOwned,
            Self::Leaving { .. } | Self::NotCordoned { .. } => Category::Conflict,
            Self::Name { .. } => Category::Rejected,
            Self::Closed { .. } => Category::Closed,
        }
    }

    /// Whether the server says that there is no such thing.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.category() == Category::NotFound
    }

    /// Whether what was sent was decided on an older state than the server's.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { code: 409, .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16) -> Error {
        let text = || "a".into();
        Error::Refused { server: text(), attempt: text(), code, word: text(), reason: text() }
    }

    #[test]
    fn each_answer_falls_into_its_class() {
        let cases = [
            (404, Category::NotFound, false),
            (409, Category::Conflict, false),
            (422, Category::Rejected, true),
            (503, Category::Unreachable, false),
        ];
        for (code, category, is_terminal) in cases {
            assert_eq!(refused(code).category(), category, "{code}");
            assert_eq!(category.is_terminal(), is_terminal, "{code}");
        }
    }

    #[test]
    fn an_error_tells_what_was_tried_where_and_why_it_failed() {
        let error = Error::Failed {
            server: "https://nodes.example".into(),
            attempt: "read the Node web-1".into(),
            failure: Failure::Connect(Cause::new("connection refused")),
        };
        assert_eq!(
            crate::chain::chain(&error),
            "failed to read the Node web-1 at https://nodes.example: no connection came about: \
             connection refused"
        );
    }
}
