//! What a Host's status says of its Node after a reconcile, and what people hear of it. Pure.

use super::{
    apply::Ending,
    observe::{Access, Seen},
    plan::{Step, holds, is_bounded, is_to_leave, target},
    record,
};
use crate::{
    api::{
        condition::find,
        host::{Host, conditions},
        host_status::{NodeMaintenance, Registration},
        line::Line,
    },
    chain::chain,
    kubernetes::events::Notice,
    nodes::{
        cordon::{Cordoned, Uncordoned},
        member::Origin,
        register::{Readiness, Unregistered},
    },
};

/// The record after the step.
#[must_use]
pub fn after(
    host: &Host,
    seen: &Seen,
    step: Option<&Step>,
    ending: &Ending,
) -> Option<Registration> {
    let before = record(host).cloned();
    match step {
        Some(Step::Record { manager, is_trivial }) => Some(Registration {
            name: manager.clone(),
            node: (!is_trivial).then(|| host.node_name()),
            server: target(host, seen).and_then(|it| it.server.clone()),
            registered: *is_trivial,
            ready: *is_trivial,
            reason: None,
            maintenance: None,
            failed_leaves: None,
        }),
        Some(Step::Abandon { .. }) if matches!(ending, Ending::Stale) => before,
        Some(Step::Abandon { .. }) => None,
        Some(Step::Leave { .. }) => left(before?, ending, is_bounded(host, seen)),
        None if before.as_ref().is_some_and(|it| is_to_leave(host, it, seen)) => before,
        _ => Some(stayed(host, before?, seen, step, ending)),
    }
}

/// Tries that are not bounded are not counted either: the record says no more than that there were
/// some.
fn left(before: Registration, ending: &Ending, is_bounded: bool) -> Option<Registration> {
    let reason = match ending {
        Ending::Left(Unregistered::Leaving) => "the Node waits for finalizers of others".into(),
        Ending::Left(_) => return None,
        Ending::Failed(error) => chain(error),
        Ending::NoWay => "its credentials are gone or can't be used".into(),
        _ => return Some(before),
    };
    let failed = match before.failed_leaves {
        Some(tries) if is_bounded => tries.saturating_add(1),
        _ => 1,
    };
    Some(Registration { reason: Some(Line::new(&reason)), failed_leaves: Some(failed), ..before })
}

fn stayed(
    host: &Host,
    mut record: Registration,
    seen: &Seen,
    step: Option<&Step>,
    ending: &Ending,
) -> Registration {
    record.failed_leaves = None;
    match ending {
        Ending::Registered(registered) => {
            record.server = target(host, seen).and_then(|it| it.server.clone());
            tell(&mut record, Some(&registered.readiness));
        }
        Ending::Failed(error) if step == Some(&Step::Register) => {
            tell(&mut record, None);
            record.reason = Some(Line::new(&chain(error)));
        }
        _ => {
            let target = target(host, seen);
            if let Some(Access::Open { node }) = target.map(|it| &it.access) {
                // Found by the Host's uid, at whatever address.
                if node.is_some() {
                    record.server = target.and_then(|it| it.server.clone());
                }
                let node = node.as_ref().filter(|it| holds(host, it) && record.registered);
                let reason = record.reason.take();
                tell(&mut record, node.map(|it| &it.readiness));
                if node.is_none() {
                    record.reason = reason;
                }
            }
        }
    }
    match ending {
        Ending::Cordoned(Cordoned::Absent) | Ending::Uncordoned(Uncordoned::Absent) => {}
        Ending::Cordoned(_) => record.maintenance = Some(NodeMaintenance::Draining),
        Ending::Drained(drained) if drained.is_empty() => {
            record.maintenance = Some(NodeMaintenance::Drained);
        }
        Ending::Uncordoned(_) => record.maintenance = None,
        _ if step == Some(&Step::RecordCordon) => {
            record.maintenance = Some(NodeMaintenance::Cordoning);
        }
        _ => {}
    }
    record
}

/// Nothing stands for a machine that is not registered.
fn tell(record: &mut Registration, readiness: Option<&Readiness>) {
    record.registered = readiness.is_some();
    record.ready = readiness == Some(&Readiness::Ready);
    record.reason = match readiness {
        None | Some(Readiness::Ready) => None,
        Some(Readiness::NotReady { reason }) => Some(Line::new(reason)),
        Some(Readiness::Unknown) => Some(Line::new("its kubelet has said nothing for long")),
        Some(Readiness::Unreported) => Some(Line::new("no kubelet has said anything")),
    };
}

/// Whether all that can be said waits for the first answer of the server, or for a turn: after a
/// restart nothing is written.
#[must_use]
pub fn is_waiting(host: &Host, seen: &Seen, ending: &Ending) -> bool {
    let is_unasked = target(host, seen).is_some_and(|it| it.access == Access::Unasked);
    let judged = host.status.as_ref().map(|it| it.conditions.as_slice()).unwrap_or_default();
    let is_known = find(judged, conditions::REGISTERED).is_some();
    matches!(ending, Ending::Deferred | Ending::Stale) || (is_unasked && is_known)
}

/// What people should hear of.
#[must_use]
pub fn notices(
    host: &Host,
    step: Option<&Step>,
    ending: &Ending,
    after: Option<&Registration>,
) -> Vec<Notice> {
    let Some(before) = record(host) else { return Vec::new() };
    let moved_from = match step {
        Some(Step::Abandon { moved_from, .. } | Step::Leave { moved_from, .. }) => moved_from,
        _ => &None,
    };
    let is_left_behind = match ending {
        Ending::Nothing => matches!(step, Some(Step::Abandon { .. })),
        Ending::Left(Unregistered::Absent | Unregistered::NotOurs) => moved_from.is_some(),
        _ => false,
    };
    let name = before.node.as_deref().unwrap_or_default();
    let at = format!("Node {name} in ContainerManager '{}'", before.name);
    let notice = match ending {
        Ending::Registered(it) if it.is_new => match it.origin {
            Origin::Made => Notice::normal("NodeMade", "Register", format!("made {at}")),
            Origin::Adopted => {
                Notice::normal("NodeAdopted", "Register", format!("adopted {at} from its kubelet"))
            }
        },
        Ending::Failed(error) if step == Some(&Step::Register) => {
            let reason = after.and_then(|it| it.reason.as_ref());
            if reason == before.reason.as_ref() {
                return Vec::new();
            }
            Notice::warning("RegistrationFailed", "Register", chain(error))
        }
        Ending::Cordoned(Cordoned::Ours { is_new: true }) => {
            Notice::normal("NodeCordoned", "Maintain", format!("keeps new pods off {at}"))
        }
        Ending::Drained(drained) if drained.is_empty() => {
            let note = format!("no pod is left on {at} that a drain takes away");
            Notice::normal("NodeDrained", "Maintain", note)
        }
        Ending::Uncordoned(Uncordoned::Lifted) => {
            Notice::normal("NodeUncordoned", "Maintain", format!("lets new pods onto {at} again"))
        }
        Ending::Uncordoned(Uncordoned::Foreign) => {
            let note = format!("{at} stays cordoned, since somebody else cordoned it");
            Notice::normal("NodeStaysCordoned", "Maintain", note)
        }
        Ending::Left(Unregistered::Deleted) => {
            Notice::normal("NodeDeleted", "Unregister", format!("deleted {at}"))
        }
        Ending::Left(Unregistered::Released) => {
            let note = format!("released {at}: it stays, since a kubelet keeps it");
            Notice::normal("NodeReleased", "Unregister", note)
        }
        _ if is_left_behind && before.node.is_some() => {
            let failure = before.reason.as_ref().filter(|_| before.failed_leaves.is_some());
            let moved = moved_from
                .as_ref()
                .map(|it| format!("it was registered at {it}, and another server is asked now"));
            let reasons: Vec<String> =
                failure.map(ToString::to_string).into_iter().chain(moved).collect();
            let reason = match reasons.as_slice() {
                [] => "that ContainerManager is gone".to_owned(),
                reasons => reasons.join("; "),
            };
            let note = format!("{at} is left behind, if it is there: {reason}");
            Notice::warning("NodeLeftBehind", "Unregister", note)
        }
        _ => return Vec::new(),
    };
    vec![notice]
}
