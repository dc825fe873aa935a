//! The Elasticsearch that Drover runs itself on the hosts of a Cluster: its Secrets, who forms it, and
//! how Drover reaches it.

pub mod apply;
pub mod observe;
pub mod plan;
pub mod removal;
pub mod status;

use std::time::Duration;

/// How often it is looked whether hosts have done what is waited for.
pub const PACE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
