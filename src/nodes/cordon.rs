//! Keeps new pods off a Node for a while, and remembers on the Node itself that Drover did so: what
//! others cordoned stays cordoned.

use k8s_openapi::api::core::v1::Node;
use serde_json::json;

use super::{
    amend::{Verdict, amend},
    client::{Client, FIELD_MANAGER},
    error::Error,
    member::{Member, Ownership, annotation},
};

/// On behalf of what Drover cordoned the Node, such as the id of a run.
pub const OWNER_ANNOTATION: &str = "drover.dev/cordoned-by";

/// How a Node came to be cordoned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cordoned {
    /// By Drover, on behalf of who asks.
    Ours {
        /// Whether it was done just now.
        is_new: bool,
    },
    /// By Drover, on behalf of another, whose it stays.
    Held {
        /// Of whom.
        by: Box<str>,
    },
    /// By somebody else, whose it stays.
    Foreign,
    /// There is no such Node.
    Absent,
}

/// What became of a cordon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uncordoned {
    /// It was lifted.
    Lifted,
    /// There was none of who asks.
    Nothing,
    /// Somebody else cordoned the Node since, so it stays cordoned.
    Foreign,
    /// There is no such Node.
    Absent,
}

/// Cordons the Node of a host on behalf of `owner`. One that is cordoned already stays as it is.
///
/// # Errors
/// [`Error::NotOwned`] where the Node is not the host's.
pub async fn cordon(client: &Client, member: &Member, owner: &str) -> Result<Cordoned, Error> {
    let done = amend(client, member.node(), "cordon the Node", |node| {
        member.check(node)?;
        let by = annotation(node, OWNER_ANNOTATION);
        Ok(match (is_cordoned(node), by) {
            (true, Some(by)) if !is_ours_alone(node) => {
                tracing::debug!(node = member.node(), by, "somebody else cordoned it since");
                Verdict::Leave(Cordoned::Foreign)
            }
            (true, Some(by)) if by == owner => Verdict::Leave(Cordoned::Ours { is_new: false }),
            (true, Some(by)) => Verdict::Leave(Cordoned::Held { by: client.kept(by) }),
            (true, None) => Verdict::Leave(Cordoned::Foreign),
            (false, _) => {
                let patch = json!({
                    "metadata": {"annotations": {OWNER_ANNOTATION: owner}},
                    "spec": {"unschedulable": true},
                });
                Verdict::Patch(patch, Cordoned::Ours { is_new: true })
            }
        })
    })
    .await?;
    Ok(done.map_or(Cordoned::Absent, |(_, it)| it))
}

/// Lifts the cordon that Drover put on the Node of a host on behalf of `owner`, unless somebody else
/// cordoned the Node since. A Node that is not the host's is left alone.
///
/// # Errors
/// That the server does not do it.
pub async fn uncordon(client: &Client, member: &Member, owner: &str) -> Result<Uncordoned, Error> {
    let done = amend(client, member.node(), "uncordon the Node", |node| {
        let is_hosts =
            matches!(member.ownership(node), Ownership::Ours(_) | Ownership::Usurped(..));
        if !is_hosts || annotation(node, OWNER_ANNOTATION) != Some(owner) {
            return Ok(Verdict::Leave(Uncordoned::Nothing));
        }
        let mut patch = json!({"metadata": {"annotations": {OWNER_ANNOTATION: null}}});
        Ok(match (is_cordoned(node), is_ours_alone(node)) {
            (true, true) => {
                patch["spec"] = json!({"unschedulable": null});
                Verdict::Patch(patch, Uncordoned::Lifted)
            }
            (true, false) => Verdict::Patch(patch, Uncordoned::Foreign),
            (false, _) => Verdict::Patch(patch, Uncordoned::Nothing),
        })
    })
    .await?;
    Ok(done.map_or(Uncordoned::Absent, |(_, it)| it))
}

/// Whether Drover's own cordon, on behalf of anybody, is to go with Drover's marks.
pub(super) fn lifted_on_leaving(node: &Node) -> bool {
    annotation(node, OWNER_ANNOTATION).is_some() && is_cordoned(node) && is_ours_alone(node)
}

pub(super) fn is_cordoned(node: &Node) -> bool {
    node.spec.as_ref().and_then(|it| it.unschedulable) == Some(true)
}

/// Whether Drover, and nobody else, is on record for the Node being unschedulable. The server keeps
/// that record for each field; whoever lifts a cordon and puts on another takes it over.
fn is_ours_alone(node: &Node) -> bool {
    let sets_it = |fields: &serde_json::Value| {
        fields.get("f:spec").and_then(|it| it.get("f:unschedulable")).is_some()
    };
    let entries = node.metadata.managed_fields.iter().flatten();
    let mut managers = entries
        .filter(|it| it.fields_v1.as_ref().is_some_and(|it| sets_it(&it.0)))
        .map(|it| it.manager.as_deref());
    managers.next() == Some(Some(FIELD_MANAGER)) && managers.next().is_none()
}

#[cfg(test)]
mod tests;
