//! What the Node of a Host needs done. Pure.

use super::{
    super::{observe::pinned, plan::Stand},
    observe::{Access, Manager, Seen},
    record,
};
use crate::{
    api::{
        host::Host,
        host_status::{NodeMaintenance, Registration},
        line::Line,
    },
    nodes::register::Listed,
};

/// How often a Host tries to leave a `ContainerManager` that does not let it, while one of the two is
/// being deleted. Else it tries on: what is down comes back, and the Node would be left for good.
pub const TRIES: u32 = 7;

/// What to do; one step at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Put on record where the machine is about to be registered; that is all where no server is
    /// asked.
    Record {
        /// The `ContainerManager`.
        manager: String,
        /// Whether it is so by being on record.
        is_trivial: bool,
    },
    /// Make the Node, or adopt it.
    Register,
    /// Put on record that the Node is about to be cordoned.
    RecordCordon,
    /// Keep new pods off the Node.
    Cordon,
    /// Evict the pods.
    Drain,
    /// Let new pods come again, unless somebody else wants to keep them off.
    Uncordon,
    /// Give up the Node, where a server is asked.
    Leave {
        /// Whether there is nobody to ask.
        is_trivial: bool,
        /// Where it was registered, where another server is asked now.
        moved_from: Option<Line<1024>>,
    },
    /// Let go of a Node that can't be given up.
    Abandon {
        /// The `ContainerManager` that was not seen: it must be truly gone.
        absent: Option<String>,
        /// Where it was registered, where another server is asked now.
        moved_from: Option<Line<1024>>,
    },
}

/// Decides the next step; `fit` says whether the machine is known well enough to be registered.
#[must_use]
pub fn next(host: &Host, seen: &Seen, stand: &Stand, fit: bool) -> Option<Step> {
    let record = record(host);
    let target = target(host, seen);
    let may_work = !host.spec.paused
        && !matches!(stand, Stand::Unapproved | Stand::Replaced { .. } | Stand::Claimed { .. });
    match (record, target) {
        (None, None) => None,
        (None, Some(target)) => (may_work && fit).then(|| begin(target)).flatten(),
        (Some(record), Some(target)) if is_at(host, record, target) => match &target.access {
            Access::Trivial if !record.registered => begin(target),
            Access::Open { node } if may_work => match (node, moved_from(record, target)) {
                (None, moved_from @ Some(_)) => Some(Step::Abandon { absent: None, moved_from }),
                // The same cluster at another address shows the Node that bears the Host's uid.
                _ => stay(host, record, node.as_ref(), (fit, is_to_be_out(host, seen))),
            },
            _ => None,
        },
        (Some(record), _) => leave(host, record, seen),
    }
}

/// Whether the machine is to leave where the record has it.
pub(super) fn is_to_leave(host: &Host, record: &Registration, seen: &Seen) -> bool {
    target(host, seen).is_none_or(|target| !is_at(host, record, target))
}

/// Where the machine was registered, where `manager` is another server now.
fn moved_from(record: &Registration, manager: &Manager) -> Option<Line<1024>> {
    let before = record.server.as_ref()?;
    (manager.server.as_ref()? != before).then(|| before.clone())
}

/// Whether the tries to leave are bounded: an object that is being deleted must not stay for ever.
pub(super) fn is_bounded(host: &Host, seen: &Seen) -> bool {
    let is_going = seen.recorded.as_ref().is_some_and(|it| it.is_leaving);
    is_going || host.metadata.deletion_timestamp.is_some()
}

/// Where the machine is to be registered, as things are.
pub(super) fn target<'a>(host: &Host, seen: &'a Seen) -> Option<&'a Manager> {
    let wished = seen.wished.as_ref()?;
    let is_leaving = host.metadata.deletion_timestamp.is_some() || wished.is_leaving;
    (!is_leaving && wished.access != Access::Absent).then_some(wished)
}

fn is_at(host: &Host, record: &Registration, target: &Manager) -> bool {
    record.name == target.name && has_its_name(host, record)
}

/// Whether the Node on record, if there is one, has the name that the spec gives it.
pub(super) fn has_its_name(host: &Host, record: &Registration) -> bool {
    record.node.as_ref().is_none_or(|it| *it == host.node_name())
}

fn begin(target: &Manager) -> Option<Step> {
    let is_trivial = match target.access {
        Access::Trivial => true,
        Access::Open { .. } => false,
        Access::Absent | Access::Unasked | Access::Unusable { .. } => return None,
    };
    Some(Step::Record { manager: target.name.clone(), is_trivial })
}

/// Whether the Node is to be out of service: by a person's word, or for a run.
pub(super) fn is_to_be_out(host: &Host, seen: &Seen) -> bool {
    host.spec.maintenance || seen.is_held
}

fn stay(
    host: &Host,
    record: &Registration,
    node: Option<&Listed>,
    (fit, is_out): (bool, bool),
) -> Option<Step> {
    let Some(node) = node.filter(|it| holds(host, it)) else {
        return fit.then_some(Step::Register);
    };
    if !record.registered {
        return fit.then_some(Step::Register);
    }
    match (is_out, record.maintenance) {
        (true, None) => Some(Step::RecordCordon),
        (true, Some(NodeMaintenance::Cordoning)) => Some(Step::Cordon),
        // Somebody lifted it meanwhile.
        (true, Some(_)) if !node.is_cordoned => Some(Step::Cordon),
        (true, Some(NodeMaintenance::Draining)) => Some(Step::Drain),
        (true, Some(NodeMaintenance::Drained)) | (false, None) => None,
        (false, Some(_)) => Some(Step::Uncordon),
    }
}

/// Whether a Node that bears the Host's uid stands for its machine still.
pub(super) fn holds(host: &Host, node: &Listed) -> bool {
    let machine = node.machine_id.as_deref();
    !node.is_leaving && machine.is_none_or(|it| Some(it) == pinned(host))
}

fn leave(host: &Host, record: &Registration, seen: &Seen) -> Option<Step> {
    let tries = record.failed_leaves.unwrap_or_default();
    let Some(manager) = seen.recorded.as_ref().filter(|it| it.access != Access::Absent) else {
        return Some(Step::Abandon { absent: Some(record.name.clone()), moved_from: None });
    };
    let moved_from = moved_from(record, manager);
    match &manager.access {
        // It is asked soon, and wakes its hosts then.
        Access::Unasked => None,
        _ if is_bounded(host, seen) && TRIES <= tries => {
            Some(Step::Abandon { absent: None, moved_from })
        }
        access => Some(Step::Leave { is_trivial: *access == Access::Trivial, moved_from }),
    }
}
