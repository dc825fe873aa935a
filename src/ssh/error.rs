//! What can go wrong between Drover and a host.

use std::{fmt, time::Duration};

use super::{command::InvalidCommand, credentials::CredentialsError, host_key::Refusal};
pub use crate::foreign::Cause;
use crate::{authority::AuthorityError, gate::Closed};

/// Why a session did not come about, or a command did not do what it was sent for. Every text is at
/// most about a kilobyte, without control characters, and holds no secret. Hosts are named by
/// address and port.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// No connection came about.
    #[error("failed to connect to {host}")]
    Connect {
        /// Whom.
        host: Box<str>,
        /// What the system said.
        #[source]
        cause: Cause,
    },
    /// No answer in time. No command was sent.
    #[error("{host} did not {stage} within {limit:?}")]
    Slow {
        /// Who.
        host: Box<str>,
        /// What it was waited for.
        stage: Stage,
        /// How long.
        limit: Duration,
    },
    /// What answers does not speak SSH, or no SSH that is safe.
    #[error("{host} and Drover came to no SSH session")]
    Handshake {
        /// Who.
        host: Box<str>,
        /// What the SSH library said.
        #[source]
        cause: Cause,
    },
    /// Drover refused the server's key, before it sent anything.
    #[error("refused the key of {host}")]
    HostKey {
        /// Whose.
        host: Box<str>,
        /// What is wrong with it.
        #[source]
        refusal: Box<Refusal>,
    },
    /// What Drover was given to show can't be shown.
    #[error("the credentials for {host} can't be used")]
    Credentials {
        /// For whom they are.
        host: Box<str>,
        /// What is wrong with them.
        #[source]
        problem: CredentialsError,
    },
    /// The host does not take the key.
    #[error("{host} does not take the key for user '{user}'{hint}")]
    Unauthorized {
        /// Who.
        host: Box<str>,
        /// Whom Drover wanted to be.
        user: Box<str>,
        /// What it would take besides, or nothing.
        hint: &'static str,
    },
    /// A jump host does not lead on.
    #[error("the jump host {jump} opened no way to {host}")]
    Forward {
        /// Where it was to lead.
        host: Box<str>,
        /// Who does not.
        jump: Box<str>,
        /// Its words.
        #[source]
        cause: Cause,
    },
    /// The connection broke before a command was sent. One that breaks later is
    /// [`Ending::Unknown`].
    #[error("the connection to {host} broke")]
    Lost {
        /// To whom.
        host: Box<str>,
        /// What the system, the SSH library or the host said.
        #[source]
        cause: Cause,
    },
    /// Too many others are connecting, or too many commands are under way on the host.
    #[error("had to wait too long for a turn at {host}")]
    Busy {
        /// With whom.
        host: Box<str>,
    },
    /// The SSH library failed on what the host sent. Only this connection is gone.
    #[error("the SSH library failed on what {host} sent")]
    Fault {
        /// Who.
        host: Box<str>,
    },
    /// The command can't be sent to any host.
    #[error("{what} is not a command")]
    InvalidCommand {
        /// What was to be run.
        what: &'static str,
        /// Why not.
        #[source]
        problem: InvalidCommand,
    },
    /// The host runs no commands for this user, or no more of them now.
    #[error("{host} refused to run {what}")]
    Refused {
        /// Who.
        host: Box<str>,
        /// What was to be run.
        what: &'static str,
        /// Its words.
        #[source]
        cause: Cause,
    },
    /// sudo did not let it through.
    #[error("sudo on {host} did not run {what}; it must need no password for that")]
    Sudo {
        /// Where.
        host: Box<str>,
        /// What was to be run.
        what: &'static str,
        /// sudo's words.
        #[source]
        cause: Cause,
    },
    /// The command did not end in time. It may still run.
    #[error("{what} on {host} did not end within {limit:?}")]
    Timeout {
        /// Where.
        host: Box<str>,
        /// What was run.
        what: &'static str,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The command printed more than Drover reads, and was given up. It may still run.
    #[error("{what} on {host} printed more than {limit} bytes")]
    TooMuchOutput {
        /// Where.
        host: Box<str>,
        /// What was run.
        what: &'static str,
        /// The most that would have been read.
        limit: usize,
    },
    /// The command ended, but not well.
    #[error("{what} on {host} {ending}")]
    Failed {
        /// Where.
        host: Box<str>,
        /// What was run.
        what: &'static str,
        /// How it ended.
        ending: Ending,
        /// The end of what it printed to standard error.
        #[source]
        cause: Cause,
    },
    /// The command ended well and printed what it should not.
    #[error("{what} on {host} printed something unexpected")]
    UnexpectedOutput {
        /// Where.
        host: Box<str>,
        /// What was run.
        what: &'static str,
        /// What is wrong with it.
        #[source]
        cause: Cause,
    },
    /// No certificate could be made for the host's node.
    #[error("the host's node got no certificate")]
    Unsigned {
        /// Why not.
        #[source]
        problem: AuthorityError,
    },
    /// This process may not write now, so nothing was sent.
    #[error("did not run {what}")]
    Closed {
        /// What was to be run.
        what: &'static str,
        /// Why not.
        #[source]
        cause: Closed,
    },
    /// This process lost the right to write while the command ran. It may still run.
    #[error("gave up on {what} on {host}")]
    Interrupted {
        /// Where.
        host: Box<str>,
        /// What was run.
        what: &'static str,
        /// Why.
        #[source]
        cause: Closed,
    },
}

/// What a host is waited for before it can be told to do anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A TCP connection.
    Connect,
    /// A way through a jump host.
    Forward,
    /// Its key, and an agreed encryption.
    Handshake,
    /// Its word on the user.
    Authenticate,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "take a connection",
            Self::Forward => "become reachable through its jump host",
            Self::Handshake => "agree on an SSH session",
            Self::Authenticate => "answer whether it takes the user",
        })
    }
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this status.
    Exited(u32),
    /// By a signal, such as `KILL`.
    Signalled(Box<str>),
    /// Nobody said: the connection, or the host, was gone first. It may have been carried out.
    Unknown,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "failed with status {status}"),
            Self::Signalled(signal) => write!(f, "was ended by the signal {signal}"),
            Self::Unknown => f.write_str("was cut off before it said how it ended"),
        }
    }
}

/// What an [`Error`] means for whoever waits for the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Category {
    /// The host can't be reached or does not answer: try again.
    Unreachable,
    /// Its key is not the one that it should have.
    HostKey,
    /// It does not take the key, or the key can't be used.
    Unauthorized,
    /// It takes the key, but does not allow what was asked.
    Forbidden,
    /// Too much is under way.
    Busy,
    /// A command did not do what it should.
    Failed,
    /// What answers does not answer as a host does.
    WrongServer,
    /// This process may not write.
    Closed,
    /// A fault of Drover itself.
    Internal,
}

impl Category {
    /// A word for metric labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::HostKey => "host_key",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Busy => "busy",
            Self::Failed => "failed",
            Self::WrongServer => "wrong_server",
            Self::Closed => "closed",
            Self::Internal => "internal",
        }
    }
}

impl Error {
    /// What this means for whoever waits for the host.
    #[must_use]
    pub fn category(&self) -> Category {
        match self {
            Self::Connect { .. }
            | Self::Slow { .. }
            | Self::Forward { .. }
            | Self::Lost { .. }
            | Self::Timeout { .. }
            | Self::Failed { ending: Ending::Unknown, .. } => Category::Unreachable,
            Self::HostKey { .. } => Category::HostKey,
            Self::Credentials { .. } | Self::Unauthorized { .. } => Category::Unauthorized,
            Self::Refused { .. } | Self::Sudo { .. } => Category::Forbidden,
            Self::Busy { .. } => Category::Busy,
            Self::Failed { .. } | Self::Unsigned { .. } => Category::Failed,
            Self::Handshake { .. }
            | Self::Fault { .. }
            | Self::TooMuchOutput { .. }
            | Self::UnexpectedOutput { .. } => Category::WrongServer,
            Self::Closed { .. } | Self::Interrupted { .. } => Category::Closed,
            Self::InvalidCommand { .. } => Category::Internal,
        }
    }

    /// Whether trying again is of no use until what is declared, or a Secret, changes. Not so where
    /// a certificate only has to be renewed.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        match self {
            Self::HostKey { refusal, .. } => !refusal.may_pass_by_itself(),
            Self::Credentials { problem, .. } => !problem.may_pass_by_itself(),
            Self::Unauthorized { .. } | Self::InvalidCommand { .. } => true,
            _ => false,
        }
    }

    /// Whether a command that ended so may have been carried out all the same, or still run: look
    /// before you send it again.
    #[must_use]
    pub fn leaves_outcome_open(&self) -> bool {
        match self {
            Self::Timeout { .. }
            | Self::TooMuchOutput { .. }
            | Self::UnexpectedOutput { .. }
            | Self::Interrupted { .. }
            | Self::Failed { .. } => true,
            Self::Connect { .. }
            | Self::Slow { .. }
            | Self::Handshake { .. }
            | Self::HostKey { .. }
            | Self::Credentials { .. }
            | Self::Unauthorized { .. }
            | Self::Forward { .. }
            | Self::Lost { .. }
            | Self::Busy { .. }
            | Self::Fault { .. }
            | Self::InvalidCommand { .. }
            | Self::Refused { .. }
            | Self::Sudo { .. }
            | Self::Unsigned { .. }
            | Self::Closed { .. } => false,
        }
    }
}
