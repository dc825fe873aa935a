//! The Node of a Host: its machine is registered in its Cluster's `ContainerManager`, taken out of
//! service for maintenance, and leaves again.
//!
//! What is done is on record in `status.containerManager` before it is done, so that it is undone
//! wherever the Host goes, by whichever process.

pub mod apply;
mod count;
pub mod findings;
pub mod observe;
pub mod plan;
pub mod status;

use std::time::Duration;

use self::{apply::Ending, plan::Step};
use super::AT_ONCE;
use crate::{
    api::{host::Host, host_status::Registration},
    controllers::Next,
    error::Category,
    nodes::register::Unregistered,
};

/// How long until pods that are going, or a Node that is, are looked at again.
const GOING: Duration = Duration::from_secs(5);
/// How long until a Host that had to stand back tries again, if it is not woken for its turn before.
const TURN: Duration = Duration::from_secs(15);

/// Where the machine is registered, or about to be, as the status has it.
#[must_use]
pub fn record(host: &Host) -> Option<&Registration> {
    host.status.as_ref()?.container_manager.as_ref()
}

/// When to look again, where the step wants that; `after` is the record after it.
#[must_use]
pub fn next(step: Option<&Step>, ending: &Ending, after: Option<&Registration>) -> Option<Next> {
    step?;
    let failed = after.and_then(|it| it.failed_leaves);
    Some(match ending {
        // It is let go now.
        _ if failed.is_some_and(|it| plan::TRIES <= it) => Next::After(AT_ONCE),
        Ending::Failed(_) | Ending::NoWay => Next::Again { category: Category::ContainerManager },
        Ending::Stale => Next::Again { category: Category::Conflict },
        Ending::Deferred => Next::Hold(TURN),
        Ending::Drained(drained) if !drained.is_empty() => Next::After(GOING),
        Ending::Left(Unregistered::Leaving) => Next::After(GOING),
        _ => Next::After(AT_ONCE),
    })
}
