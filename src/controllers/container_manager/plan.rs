//! What a `ContainerManager` needs done. Pure.

use super::observe::Observed;
use crate::{api::container_manager::ContainerManager, nodes::connection::Connection};

/// The decision of one reconcile.
#[derive(Debug)]
pub struct Plan {
    /// What to do about the connection.
    pub step: Option<Step>,
    /// Whether the object may go: no Host is a Node here any more.
    pub let_go: bool,
}

/// What to do about the connection.
#[derive(Debug)]
pub enum Step {
    /// Connect anew: this is the first time, or the spec or a Secret changed.
    Connect(Box<Connection>),
    /// Stop for now: what the spec names is gone or can't be used. Hosts may still leave.
    SetAside,
    /// Stop: the object is gone, or it asks no server.
    Disconnect,
}

/// Decides the next step of `manager`.
#[must_use]
pub fn next(manager: &ContainerManager, seen: &Observed) -> Plan {
    let let_go = manager.metadata.deletion_timestamp.is_some() && seen.members.is_empty();
    let step = match &seen.connection {
        _ if let_go => Some(Step::Disconnect),
        Ok(None) => seen.connected.map(|_| Step::Disconnect),
        Ok(Some(connection)) if seen.connected != Some(connection.digest()) => {
            Some(Step::Connect(Box::new(connection.clone())))
        }
        Ok(Some(_)) => None,
        Err(_) => seen.connected.map(|_| Step::SetAside),
    };
    Plan { step, let_go }
}
