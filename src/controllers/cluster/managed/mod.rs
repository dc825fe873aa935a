//! The Elasticsearch that Drover runs itself on the hosts of a Cluster: its Secrets, who forms it, and
//! how Drover reaches it.

pub mod apply;
mod claims;
pub mod confirm;
pub mod observe;
pub mod plan;
pub mod removal;
pub mod status;

use std::time::Duration;

use super::{observe::Observed, plan::Plan};

/// How often it is looked whether hosts have done what is waited for.
pub const PACE: Duration = Duration::from_secs(10);

/// Whether no host is brought what the spec asks for, since that, its Secrets, or whose the hosts are
/// is for a person to put right.
#[must_use]
pub fn is_refused(seen: &Observed, plan: &Plan) -> bool {
    let is_unusable =
        seen.managed.as_ref().is_some_and(|it| it.secrets.is_err() || it.plans.is_err());
    is_unusable || plan.managed.as_ref().is_some_and(|it| it.refused().is_some())
}

#[cfg(test)]
mod tests;
