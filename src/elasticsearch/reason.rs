//! Somebody else's words for why something was not done, as an error keeps them.

use std::fmt;

/// Elasticsearch's reason for not doing something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// `error.type`, such as `mapper_parsing_exception`; empty when the answer tells none.
    pub kind: Box<str>,
    /// `error.reason` with the reasons of its causes, outermost first.
    pub reason: Box<str>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&*self.kind, &*self.reason) {
            ("", "") => f.write_str("no reason given"),
            ("", reason) => f.write_str(reason),
            (kind, "") => f.write_str(kind),
            (kind, reason) => write!(f, "{kind}: {reason}"),
        }
    }
}

/// A privilege that the credentials lack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingPrivilege {
    /// Such as `cluster:monitor/state`.
    pub action: Option<Box<str>>,
    /// `cluster` or `index`.
    pub scope: Option<Box<str>>,
    /// Any one of these would do, in Elasticsearch's order.
    pub any_of: Vec<Box<str>>,
    /// Names of the indices and aliases that it is about, separated by commas.
    pub on: Option<Box<str>>,
    /// Elasticsearch's words.
    pub reason: Box<str>,
}

impl fmt::Display for MissingPrivilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(scope) = self.scope.as_ref().filter(|_| !self.any_of.is_empty()) else {
            return f.write_str(&self.reason);
        };
        write!(f, "it takes one of the {scope} privileges {}", self.any_of.join(", "))?;
        match &self.on {
            Some(names) => write!(f, " on {names}"),
            None => Ok(()),
        }
    }
}
