//! What a `ContainerManager`'s status says after a reconcile. Pure.

use jiff::Timestamp;

use super::{apply::Outcome, findings, observe::Observed};
use crate::{
    api::{
        condition::{self, find, is_true},
        container_manager::{ContainerManager, ContainerManagerStatus, conditions},
        line::Line,
    },
    kubernetes::events::Notice,
};

/// The status of `manager` after this reconcile.
#[must_use]
pub fn after(
    manager: &ContainerManager,
    seen: &Observed,
    outcome: &Outcome,
    now: Timestamp,
) -> ContainerManagerStatus {
    let before = manager.status.clone().unwrap_or_default();
    let nodes = Some(seen.nodes);
    let judged = find(&before.conditions, conditions::REACHABLE).is_some();
    let unanswered = seen.connected.is_some() && !seen.snapshot.asked && seen.connection.is_ok();
    let deleting = manager.metadata.deletion_timestamp.is_some();
    if judged && (outcome.connecting || unanswered) && !deleting {
        // Nothing new is known before the first answer: after a restart nothing is written.
        return ContainerManagerStatus { nodes, ..before };
    }
    let generation = manager.metadata.generation;
    let findings = findings::conditions(manager, seen, outcome);
    let version = seen.snapshot.probe.version.as_deref().map(Line::new);
    ContainerManagerStatus {
        observed_generation: generation,
        conditions: condition::conditions(&before.conditions, findings, generation, now),
        version: version.or(before.version),
        nodes,
    }
}

/// What people should hear of between two statuses.
#[must_use]
pub fn notices(
    before: Option<&ContainerManagerStatus>,
    after: &ContainerManagerStatus,
) -> Vec<Notice> {
    let old = before.map(|it| it.conditions.as_slice()).unwrap_or_default();
    let new = after.conditions.as_slice();
    let mut notices = Vec::new();
    let usable =
        |it: &[_]| is_true(it, conditions::REACHABLE) && is_true(it, conditions::AUTHENTICATED);
    if usable(new) && !usable(old) {
        let version = after.version.as_ref().map(Line::as_str).unwrap_or_default();
        let note = format!("connected to an API server of version {version}");
        notices.push(Notice::normal("Connected", "Connect", note));
    }
    let bad = [
        (conditions::ACCEPTED, "NotAccepted", "Validate"),
        (conditions::RESOLVED_REFS, "ReferenceNotResolved", "Resolve"),
        (conditions::REACHABLE, "ConnectionLost", "Connect"),
        (conditions::AUTHENTICATED, "AuthenticationFailed", "Authenticate"),
        (conditions::PERMITTED, "PermissionMissing", "Authorize"),
    ];
    for (kind, reason, action) in bad {
        let Some(is) = find(new, kind).filter(|it| it.status == "False") else { continue };
        let was = find(old, kind);
        if was.is_none_or(|was| was.status != "False" || was.reason != is.reason) {
            notices.push(Notice::warning(reason, action, is.message.as_str()));
        }
    }
    notices
}
