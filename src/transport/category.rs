//! What a failure means for whoever waits for the answer.

/// What an error of a server means for whoever waits for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Category {
    /// The server can't be reached or does not serve now: try again.
    Unreachable,
    /// No trusted connection: the certificate or the handshake is wrong.
    Tls,
    /// The server does not take the credentials.
    Unauthorized,
    /// A privilege is missing.
    Forbidden,
    /// The server asks for patience.
    Busy,
    /// The server understood and said no.
    Rejected,
    /// What answers does not answer as such a server does.
    WrongServer,
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
            | Self::WrongServer => true,
            Self::Unreachable | Self::Busy | Self::Closed => false,
        }
    }
}
