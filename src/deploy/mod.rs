//! What Elasticsearch on each host of a Cluster shall be: pure decisions, from the spec and what is
//! known of the hosts to the files on each. `ssh/deploy` makes it so.

pub mod archive;
pub mod config;
pub mod groups;
pub mod node;
pub mod realm;
pub mod shared;

mod files;
mod heap;

use std::collections::BTreeMap;

/// Something in a spec that can't be worked with.
pub use crate::elasticsearch::values::Problem;

/// What is known of a host that is a member of the Cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Name of the Host, which its node gets too.
    pub name: Box<str>,
    /// Its labels, by which groups select it.
    pub labels: BTreeMap<String, String>,
    /// Where the other hosts reach it: a name or an IP address.
    pub address: Box<str>,
    /// The machine's own name for itself; absent where it is not known.
    pub hostname: Option<Box<str>>,
    /// Its memory; absent where it is not known.
    pub memory_bytes: Option<u64>,
    /// Such as `x86_64`; absent where it is not known.
    pub architecture: Option<Box<str>>,
    /// Whether nothing of Drover's Elasticsearch is there: what can't be about such a host is its own
    /// trouble, and keeps nothing from the others.
    pub is_bare: bool,
}

#[cfg(test)]
mod tests;
