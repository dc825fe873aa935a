//! The judgements about the Node of a Host. Pure.

use super::{
    apply::Ending,
    observe::{Access, Manager, Seen},
    plan::{Step, holds, is_to_be_out, target},
};
use crate::{
    api::{
        condition::{Finding, Reason},
        host::{Host, conditions as kinds},
        host_status::{NodeMaintenance, Registration},
    },
    chain::chain,
    controllers::node_faults,
    nodes::{
        drain::{Drained, Pods},
        error::Error,
        register::Readiness,
    },
};

/// The most pods of a kind that a message names.
const NAMED: usize = 3;

/// All that bears on the judgement.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// The Host.
    pub host: &'a Host,
    /// What was seen.
    pub seen: &'a Seen,
    /// Whether the machine is known well enough to be registered.
    pub fit: bool,
    /// What was to be done.
    pub step: Option<&'a Step>,
    /// What came of it.
    pub ending: &'a Ending,
    /// The record after it.
    pub after: Option<&'a Registration>,
}

/// Whether the machine is registered; nothing where it shall not be, and is not.
#[must_use]
pub fn registered(case: Case<'_>) -> Option<Finding> {
    let Case { host, seen, after, .. } = case;
    let leaving = |record: &Registration| {
        let why = match (&record.failed_leaves, &record.reason) {
            (Some(_), Some(reason)) => format!(": {reason}"),
            _ => String::new(),
        };
        let message = format!("the machine leaves ContainerManager '{}'{why}", record.name);
        Finding::no(kinds::REGISTERED, Reason::InProgress, message)
    };
    match (target(host, seen), after) {
        (Some(target), Some(record)) if record.name != target.name => Some(leaving(record)),
        (Some(target), _) => Some(at(case, target)),
        (None, Some(record)) => Some(leaving(record)),
        (None, None) if host.metadata.deletion_timestamp.is_some() => None,
        (None, None) => seen.wished.as_ref().map(nowhere),
    }
}

fn nowhere(wished: &Manager) -> Finding {
    let name = &wished.name;
    if wished.access == Access::Absent {
        let message =
            format!("its Cluster names ContainerManager '{name}', which is not in this namespace");
        return Finding::no(kinds::REGISTERED, Reason::ContainerManagerNotFound, message);
    }
    let message = format!("ContainerManager '{name}' is being deleted");
    Finding::no(kinds::REGISTERED, Reason::Waiting, message)
}

fn at(case: Case<'_>, target: &Manager) -> Finding {
    let Case { host, fit, step, ending, after, .. } = case;
    let name = &target.name;
    let is_registered = after.is_some_and(|it| it.registered);
    // Who was registered when the server last answered is taken to be so still.
    let not_known = |reason, message| {
        let status = if is_registered { None } else { Some(false) };
        Finding { kind: kinds::REGISTERED, status, reason, message }
    };
    match &target.access {
        Access::Unasked => {
            let message = format!("ContainerManager '{name}' has not answered yet");
            return not_known(Reason::NotChecked, message);
        }
        Access::Unusable { .. } => {
            let message =
                format!("ContainerManager '{name}' can't be used now: see its conditions");
            return not_known(Reason::Waiting, message);
        }
        Access::Absent | Access::Trivial | Access::Open { .. } => {}
    }
    let no = |reason, message: &str| Finding::no(kinds::REGISTERED, reason, message);
    match ending {
        Ending::Failed(error) if step == Some(&Step::Register) => {
            return Finding::no(
                kinds::REGISTERED,
                node_faults::reason(error.category()),
                refusal(error),
            );
        }
        _ => {}
    }
    match after {
        Some(record) if record.registered => {
            let message = match &record.node {
                Some(node) => {
                    format!("the machine is Node {node} of ContainerManager '{name}'")
                }
                None => format!("ContainerManager '{name}' takes every machine and asks nobody"),
            };
            Finding::yes(kinds::REGISTERED, Reason::AsExpected, message)
        }
        _ if step.is_some() => no(Reason::InProgress, "the machine is being registered"),
        _ if host.spec.paused => no(Reason::Paused, "not registered, since spec.paused is set"),
        _ if !fit => {
            let message = "the machine is registered once it is known: see Accepted and Inspected";
            no(Reason::Waiting, message)
        }
        _ => no(Reason::Waiting, "nothing is done for the machine: see Accepted"),
    }
}

fn refusal(error: &Error) -> String {
    let way_out = match error {
        Error::NotOwned { .. } => "; give the host another spec.nodeName, or take that Node away",
        _ => "",
    };
    format!("{}{way_out}", chain(error))
}

/// That the Node's kubelet does not take pods, where that is so.
#[must_use]
pub fn unhealthy(host: &Host, seen: &Seen) -> Option<Finding> {
    let node = match &target(host, seen)?.access {
        // While nobody can be asked, it is taken to be as it was.
        Access::Open { node } | Access::Unusable { node } => node.as_ref()?,
        Access::Absent | Access::Trivial | Access::Unasked => return None,
    };
    let why = match &node.readiness {
        _ if !holds(host, node) => return None,
        Readiness::Ready | Readiness::Unreported => return None,
        Readiness::NotReady { reason } => format!("is not Ready: {reason}"),
        Readiness::Unknown => "has not heard from its kubelet for long".to_owned(),
    };
    let message = format!("the machine's Node {} {why}", node.node);
    Some(Finding::no(kinds::HEALTHY, Reason::NodeNotReady, message))
}

/// Whether the machine is out of service, or on its way: as the spec says, or a run, but the Node of a
/// Host that is paused is as it was left.
#[must_use]
pub fn is_out_of_service(host: &Host, seen: &Seen, record: Option<&Registration>) -> bool {
    match record.filter(|it| it.registered && it.node.is_some()) {
        Some(record) if host.spec.paused => record.maintenance.is_some(),
        Some(_) => is_to_be_out(host, seen),
        None => host.spec.maintenance,
    }
}

/// That the Node is on its way out of service or back, where that is so.
#[must_use]
pub fn in_between(case: Case<'_>) -> Option<Finding> {
    let Case { host, seen, ending, after, .. } = case;
    let record = after.filter(|it| it.registered && it.node.is_some())?;
    let message = match (is_to_be_out(host, seen), record.maintenance) {
        (true, Some(NodeMaintenance::Drained)) | (false, None) => return None,
        (wished, _) if host.spec.paused => {
            let what = if wished { "is not taken out of" } else { "is not brought back into" };
            let message = format!("the machine's Node {what} service, since spec.paused is set");
            return Some(Finding::no(kinds::READY, Reason::Paused, message));
        }
        (true, _) => match ending {
            Ending::Drained(drained) => told(drained),
            Ending::Failed(error) => {
                return Some(Finding::no(
                    kinds::READY,
                    node_faults::reason(error.category()),
                    format!("the machine's Node is not drained yet: {}", chain(error)),
                ));
            }
            _ => "the machine's Node is being taken out of service".to_owned(),
        },
        (false, Some(_)) => match ending {
            Ending::Failed(error) => {
                format!("the machine's Node is not back in service yet: {}", chain(error))
            }
            _ => "the machine's Node is being brought back into service".to_owned(),
        },
    };
    Some(Finding::no(kinds::READY, Reason::InProgress, message))
}

/// Why a drain is not over.
fn told(drained: &Drained) -> String {
    let mut parts = Vec::new();
    let mut list = |pods: &Pods, why: &str| {
        if !pods.is_empty() {
            let names: Vec<&str> = pods.names.iter().take(NAMED).map(|it| &**it).collect();
            let more = if NAMED < pods.count { " and others" } else { "" };
            parts.push(format!("{}{more} {why}", names.join(", ")));
        }
    };
    list(&drained.unmanaged, "would not be made again by any controller: delete what may go");
    list(&drained.blocked_by_budget, "may not go now by a disruption budget");
    let refusal = drained.refusal.as_deref().unwrap_or_default();
    list(&drained.refused, &format!("may not be evicted: {refusal}"));
    if let Some(fault) = &drained.fault {
        parts.push(chain(fault));
    }
    if parts.is_empty() {
        parts.push("pods are on their way".to_owned());
    }
    format!("the machine's Node is being drained: {}", parts.join("; "))
}
