//! The judgements about a Host: its conditions. Pure.

use super::{
    elasticsearch::{self, wish::Wish},
    observe::{ClusterView, Observed},
    plan::{Plan, Stand},
    prepared,
    registration::findings::{self as node, Case},
};
use crate::{
    api::{
        ACCEPT_MACHINE_ID, APPROVED,
        condition::{Condition, Finding, Reason, find},
        host::{Host, HostDeletionPolicy, conditions as kinds},
        host_status::HostFacts,
    },
    chain::chain,
    ssh::{
        error::{Category, Error},
        families,
        host_key::Refusal,
    },
};

/// Every condition of a Host, Ready first, then in the order in which they depend on each other.
#[must_use]
pub fn conditions(
    host: &Host,
    seen: &Observed,
    plan: &Plan,
    facts: Option<&HostFacts>,
    of_node: Case<'_>,
) -> Vec<Finding> {
    let mut findings = vec![
        accepted(host, seen, plan, facts),
        resolved(host, seen),
        key_verified(seen, plan),
        reachable(seen, plan),
        inspected(seen, plan),
        prepared(host, seen, plan),
        healthy(host, seen, plan),
    ];
    findings.extend(installed(host, seen, plan));
    findings.extend(node::registered(of_node));
    let mut ready = ready(host, seen, &findings);
    if ready.status == Some(true) {
        ready = node::in_between(of_node).unwrap_or(ready);
    }
    if let Some(progress) = progress(&ready) {
        findings.push(progress);
    }
    findings.push(reboot(seen, plan));
    findings.push(drifted(host, seen, plan));
    findings.insert(0, ready);
    findings
}

fn accepted(host: &Host, seen: &Observed, plan: &Plan, facts: Option<&HostFacts>) -> Finding {
    let kind = kinds::ACCEPTED;
    let no = |reason, message: String| Finding::no(kind, reason, message);
    if let Err(problem) = &seen.target
        && problem.reason == Reason::InvalidSpec
    {
        return no(problem.reason, problem.message.clone());
    }
    if let Some(problem) = &plan.problem {
        return no(Reason::InvalidSpec, format!("spec.sysctls: {problem}"));
    }
    if plan.stand == Stand::Unseen
        && let Some(before) = known_as_replaced(host)
    {
        return no(Reason::HostReplaced, before.message.to_string());
    }
    match &plan.stand {
        Stand::Unapproved => {
            let message = format!(
                "nothing is sent to the machine before a person approves it, by the label \
                 {APPROVED}=true"
            );
            no(Reason::Unapproved, message)
        }
        Stand::Replaced { pinned, found } => {
            let message = format!(
                "another machine answers: {found}, not {pinned}; nothing is done to it. If that is \
                 meant, set the annotation {ACCEPT_MACHINE_ID} to {found}"
            );
            no(Reason::HostReplaced, message)
        }
        Stand::Claimed { machine, by } => {
            let message = format!(
                "Host {by} is older and stands for the same machine, {machine}; nothing is done \
                 for this one. If they are two machines, give one another machine-id \
                 (systemd-machine-id-setup)"
            );
            no(Reason::Conflict, message)
        }
        Stand::Unresolved | Stand::Unseen | Stand::Nameless | Stand::Ours(_) => {
            match facts.filter(|it| it.os.family.is_none()) {
                Some(facts) => no(Reason::Unsupported, unsupported(facts)),
                None => Finding::yes(kind, Reason::AsExpected, "the spec can be worked with"),
            }
        }
    }
}

/// What was said of another machine that answered, by a process that no longer runs.
fn known_as_replaced(host: &Host) -> Option<&Condition> {
    let accepted = find(&host.status.as_ref()?.conditions, kinds::ACCEPTED)?;
    (accepted.reason == Reason::HostReplaced.as_str()).then_some(accepted)
}

fn unsupported(facts: &HostFacts) -> String {
    let id = match facts.os.id.as_str() {
        "" => "a system that does not tell what it is",
        id => id,
    };
    format!(
        "the machine runs {id} in a way that Drover does not know: it knows {}, each run by systemd",
        families::SUPPORTED
    )
}

fn resolved(host: &Host, seen: &Observed) -> Finding {
    let kind = kinds::RESOLVED_REFS;
    if let Err(problem) = &seen.target {
        return match problem.reason {
            Reason::InvalidSpec => {
                let message = "the spec is not worked with: see Accepted";
                Finding::unknown(kind, Reason::Waiting, message)
            }
            reason => Finding::no(kind, reason, problem.message.clone()),
        };
    }
    if let Some(error @ Error::Credentials { .. }) = seen.view.fault.as_deref() {
        return Finding::no(kind, Reason::InvalidContent, chain(error));
    }
    if seen.cluster == Some(ClusterView::Absent) {
        let name = host.spec.cluster_ref.as_ref().map_or("", |it| &it.name);
        let message =
            format!("spec.clusterRef names Cluster '{name}', which is not in this namespace");
        return Finding::no(kind, Reason::ClusterNotFound, message);
    }
    Finding::yes(kind, Reason::AsExpected, "all that the spec names is there")
}

/// Why nothing can be said of the machine, where that is so.
fn not_asked(kind: &'static str, seen: &Observed, plan: &Plan) -> Option<Finding> {
    let message = match plan.stand {
        Stand::Unapproved => "not connected, since the machine is not approved: see Accepted",
        Stand::Unresolved => {
            "not connected, since what the spec names can't be used: see ResolvedRefs"
        }
        _ if !seen.view.asked => {
            let message = "the machine has not answered yet";
            return Some(Finding::unknown(kind, Reason::NotChecked, message));
        }
        _ if matches!(seen.view.fault.as_deref(), Some(Error::Credentials { .. })) => {
            "not connected, since what the spec names can't be used: see ResolvedRefs"
        }
        _ => return None,
    };
    Some(Finding::unknown(kind, Reason::Waiting, message))
}

fn key_verified(seen: &Observed, plan: &Plan) -> Finding {
    let kind = kinds::HOST_KEY_VERIFIED;
    if let Some(finding) = not_asked(kind, seen, plan) {
        return finding;
    }
    match seen.view.fault.as_deref() {
        Some(Error::HostKey { .. }) if !plan.first_keys.is_empty() => {
            let message = "the key that was seen first is being recorded";
            Finding::unknown(kind, Reason::InProgress, message)
        }
        Some(error @ Error::HostKey { refusal, .. }) => {
            let reason = match **refusal {
                Refusal::UnknownKey { .. } => Reason::HostKeyUnknown,
                _ => Reason::HostKeyMismatch,
            };
            let message = format!("{}; nothing was sent", chain(error));
            Finding::no(kind, reason, message)
        }
        // The key comes first: who refuses the user has shown a good one.
        None | Some(Error::Unauthorized { .. } | Error::Refused { .. }) => {
            Finding::yes(kind, Reason::AsExpected, "the machine showed a key that it shall have")
        }
        Some(_) => {
            let message = "can't be known while the machine is not reached: see Reachable";
            Finding::unknown(kind, Reason::Waiting, message)
        }
    }
}

fn reachable(seen: &Observed, plan: &Plan) -> Finding {
    let kind = kinds::REACHABLE;
    if let Some(finding) = not_asked(kind, seen, plan) {
        return finding;
    }
    let Some(fault) = seen.view.fault.as_deref() else {
        return Finding::yes(kind, Reason::AsExpected, "the machine answers");
    };
    let reason = match fault.category() {
        // Nothing was asked, so nothing is known.
        Category::Busy => return Finding::unknown(kind, Reason::TooManyRequests, chain(fault)),
        Category::HostKey => {
            let message = "not connected, since the key is not verified: see HostKeyVerified";
            return Finding::unknown(kind, Reason::Waiting, message);
        }
        category => reason(category),
    };
    Finding::no(kind, reason, chain(fault))
}

/// What the failure of a session, or of a command, is called.
fn reason(category: Category) -> Reason {
    match category {
        Category::Unreachable => Reason::Unreachable,
        Category::HostKey => Reason::HostKeyMismatch,
        Category::Unauthorized => Reason::AuthenticationFailed,
        Category::Forbidden => Reason::PrivilegeMissing,
        Category::Busy => Reason::TooManyRequests,
        Category::Failed => Reason::CommandFailed,
        Category::WrongServer => Reason::UnexpectedAnswer,
        Category::Closed => Reason::Waiting,
        Category::Internal => Reason::InternalError,
    }
}

/// Why the machine can't be looked into, where that is so.
fn not_looked_into(kind: &'static str, seen: &Observed, plan: &Plan) -> Option<Finding> {
    let message = match plan.stand {
        _ if seen.view.fault.is_some() => "can't be known while the machine is not reached",
        Stand::Unapproved | Stand::Unresolved | Stand::Unseen => "the machine has not answered yet",
        Stand::Replaced { .. } | Stand::Claimed { .. } => {
            "the machine is not looked into: see Accepted"
        }
        Stand::Nameless | Stand::Ours(_) => return None,
    };
    Some(Finding::unknown(kind, Reason::Waiting, message))
}

fn inspected(seen: &Observed, plan: &Plan) -> Finding {
    let kind = kinds::INSPECTED;
    if let Some(finding) = not_looked_into(kind, seen, plan) {
        return finding;
    }
    if plan.stand == Stand::Nameless {
        let message = "the machine has no machine-id, so it can't be told from others; \
                       systemd-machine-id-setup gives it one";
        return Finding::no(kind, Reason::UnexpectedAnswer, message);
    }
    match seen.view.checked.as_deref().map(|it| &it.facts) {
        None => Finding::unknown(kind, Reason::InProgress, "the machine is being looked into"),
        Some(Ok(_)) => Finding::yes(kind, Reason::AsExpected, "status.facts tells what it is"),
        Some(Err(error)) => Finding::no(kind, trouble(error), chain(error)),
    }
}

/// What is called what a machine that answers did not do.
pub(super) fn trouble(error: &Error) -> Reason {
    match error.category() {
        Category::Unreachable => Reason::CommandFailed,
        category => reason(category),
    }
}

fn prepared(host: &Host, seen: &Observed, plan: &Plan) -> Finding {
    let kind = kinds::PREPARED;
    if let Some(finding) = not_looked_into(kind, seen, plan) {
        return finding;
    }
    match seen.view.checked.as_deref().map(|it| &it.root) {
        None => Finding::unknown(kind, Reason::InProgress, "the machine is being looked into"),
        Some(Err(error)) => {
            let reason = match error {
                Error::UnexpectedOutput { .. } => Reason::PrivilegeMissing,
                error => trouble(error),
            };
            Finding::no(kind, reason, chain(error))
        }
        Some(Ok(())) => prepared::prepared(host, seen),
    }
}

fn healthy(host: &Host, seen: &Observed, plan: &Plan) -> Finding {
    let kind = kinds::HEALTHY;
    if let Some(finding) = not_looked_into(kind, seen, plan) {
        return finding;
    }
    if let Some(finding) = node::unhealthy(host, &seen.registration) {
        return finding;
    }
    Finding::yes(kind, Reason::AsExpected, "the machine answers and does what it is told")
}

fn installed(host: &Host, seen: &Observed, plan: &Plan) -> Option<Finding> {
    let finding = elasticsearch::findings::installed(host, seen)?;
    Some(not_looked_into(finding.kind, seen, plan).unwrap_or(finding))
}

fn reboot(seen: &Observed, plan: &Plan) -> Finding {
    let kind = kinds::REBOOT_REQUIRED;
    if let Some(finding) = not_looked_into(kind, seen, plan) {
        return finding;
    }
    match seen.facts().and_then(|it| it.reboot_required) {
        Some(true) => {
            let message = "something was installed that takes effect with the next boot";
            Finding::yes(kind, Reason::RebootRequired, message)
        }
        Some(false) => Finding::no(kind, Reason::AsExpected, "the machine asks for none"),
        None => {
            Finding::unknown(kind, Reason::NotChecked, "nothing on the machine tells whether it is")
        }
    }
}

fn drifted(host: &Host, seen: &Observed, plan: &Plan) -> Finding {
    match not_looked_into(kinds::DRIFTED, seen, plan) {
        Some(finding) => finding,
        None => prepared::drifted(host, seen),
    }
}

fn ready(host: &Host, seen: &Observed, findings: &[Finding]) -> Finding {
    let kind = kinds::READY;
    if host.metadata.deletion_timestamp.is_some() {
        if let Wish::Drains { why } = &seen.elasticsearch {
            return Finding::no(kind, Reason::Draining, why.clone());
        }
        let removes = |it: &Finding| {
            it.kind == kinds::ELASTICSEARCH_INSTALLED && it.reason == Reason::Deleting
        };
        let message = match host.spec.deletion_policy {
            HostDeletionPolicy::Retain if findings.iter().any(removes) => {
                "the object is being deleted; Elasticsearch is removed with its Cluster first"
            }
            HostDeletionPolicy::Retain => "the object is being deleted; the machine stays as it is",
            HostDeletionPolicy::Reset => {
                "the object is being deleted; what Drover did on the machine is undone first"
            }
        };
        return Finding::no(kind, Reason::Deleting, message);
    }
    // What is known to be wrong is mostly why something else can't be known.
    let outstanding = findings
        .iter()
        .find(|it| it.status == Some(false))
        .or_else(|| findings.iter().find(|it| it.status.is_none()));
    match outstanding {
        None if host.spec.maintenance => {
            let message = "the machine is as declared, and out of service for maintenance";
            Finding::yes(kind, Reason::AsExpected, message)
        }
        None => Finding::yes(kind, Reason::AsExpected, "the machine is as declared"),
        Some(it) => Finding::no(kind, it.reason, format!("{}: {}", it.kind, it.message)),
    }
}

/// Whether a person must act, or only time must pass.
fn progress(ready: &Finding) -> Option<Finding> {
    let person = matches!(
        ready.reason,
        Reason::InvalidSpec
            | Reason::Unapproved
            | Reason::HostReplaced
            | Reason::Conflict
            | Reason::Unsupported
            | Reason::InvalidContent
            | Reason::KeyNotFound
            | Reason::Forbidden
            | Reason::HostKeyUnknown
            | Reason::HostKeyMismatch
            | Reason::AuthenticationFailed
            | Reason::PrivilegeMissing
            | Reason::CommandFailed
            | Reason::UnexpectedAnswer
            | Reason::NotOwned
            | Reason::DriftFound
            | Reason::Rejected
            | Reason::Paused
            | Reason::PlanOnly
    );
    if ready.status == Some(true) {
        None
    } else if person {
        Some(Finding::yes(kinds::STALLED, ready.reason, ready.message.clone()))
    } else {
        Some(Finding::yes(kinds::RECONCILING, ready.reason, ready.message.clone()))
    }
}
