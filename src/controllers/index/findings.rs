//! The judgements about an Index: its conditions. Pure.

use super::{
    apply::{Failure, Outcome},
    cluster_gate::ClusterGate,
    decision::{Plan, Stand},
    observe::Observed,
};
use crate::{
    api::{
        RECREATE,
        condition::{Finding, Reason},
        index::{Index, Mode, conditions as kinds},
    },
    chain::chain,
    elasticsearch::{
        calls::ANSWER_LIMIT,
        cluster_reads::HealthStatus,
        error::{Category, Error},
        snapshot::IndexView,
        values::Difference,
    },
};

/// The most paths that a message lists.
const PATHS: usize = 20;
/// The most failures that a message lists, and that are told of.
pub(super) const FAILURES: usize = 20;
/// What Elasticsearch says when only another index could have the value.
const NEEDS_ANOTHER_INDEX: [&str; 5] = [
    "non dynamic settings",
    "not updateable",
    "cannot be changed from type",
    "Cannot update parameter",
    "can't merge a",
];

/// Every condition of an Index, Ready first.
#[must_use]
pub fn conditions(index: &Index, seen: &Observed, plan: &Plan, outcome: &Outcome) -> Vec<Finding> {
    let mut findings = vec![
        accepted(plan),
        resolved(index, seen, outcome),
        synced(index, plan, outcome),
        available(seen, plan),
    ];
    let drifted = drifted(plan);
    let reindex = reindex(plan, outcome);
    let ready = ready(index, plan, outcome, &findings, &reindex);
    if ready.status != Some(true) {
        let kind = if needs_person(&ready) { kinds::STALLED } else { kinds::RECONCILING };
        findings.push(Finding::yes(kind, ready.reason, ready.message.clone()));
    }
    findings.insert(0, ready);
    findings.insert(5, drifted);
    findings.insert(6, reindex);
    findings
}

fn accepted(plan: &Plan) -> Finding {
    let kind = kinds::ACCEPTED;
    match &plan.stand {
        Stand::Invalid(problems) => {
            let list: Vec<String> =
                problems.iter().map(|it| format!("spec.{}: {}", it.path, it.message)).collect();
            Finding::no(kind, Reason::InvalidSpec, list.join("; "))
        }
        Stand::Conflict(why) => Finding::no(kind, Reason::Conflict, why.clone()),
        _ => Finding::yes(kind, Reason::AsExpected, "the spec can be worked with"),
    }
}

fn resolved(index: &Index, seen: &Observed, outcome: &Outcome) -> Finding {
    let kind = kinds::RESOLVED_REFS;
    if let Some(found) = &outcome.foreign {
        let message =
            format!("another Elasticsearch cluster, {found}, answered; nothing was written");
        return Finding::no(kind, Reason::ClusterNotReady, message);
    }
    match &seen.gate {
        ClusterGate::Absent => {
            let cluster = &index.spec.cluster_ref.name;
            let message = format!("Cluster '{cluster}' is not in this namespace");
            Finding::no(kind, Reason::ClusterNotFound, message)
        }
        ClusterGate::Blocked(why) => Finding::no(kind, Reason::ClusterNotReady, why.clone()),
        ClusterGate::Pending => {
            Finding::unknown(kind, Reason::NotChecked, "the Cluster has not answered yet")
        }
        ClusterGate::Open { .. } => {
            Finding::yes(kind, Reason::AsExpected, "the Cluster can be worked in")
        }
    }
}

fn synced(index: &Index, plan: &Plan, outcome: &Outcome) -> Finding {
    let kind = kinds::SYNCED;
    if let Some(failure) = outcome.failures.first() {
        return Finding::no(kind, failure_reason(&failure.error), failure_text(&outcome.failures));
    }
    let name = index.public_name();
    match &plan.stand {
        Stand::Owned | Stand::ToCreate if !plan.held.is_empty() => {
            Finding::no(kind, Reason::PlanOnly, "mode is Plan: status.plan shows the calls")
        }
        Stand::Owned
            if !plan.later.is_empty() || outcome.put_off.is_some() || outcome.foreign.is_some() =>
        {
            Finding::no(kind, Reason::InProgress, "changes wait to be made")
        }
        Stand::Owned => {
            Finding::yes(kind, Reason::AsExpected, "all that can be applied in place is applied")
        }
        Stand::ToCreate => Finding::no(kind, Reason::InProgress, "the index is being created"),
        Stand::Lost(uuid) => {
            let message = format!(
                "index '{name}' (uuid {uuid}) was deleted behind Drover's back; it is not made \
                 again empty. Restore it from a snapshot, or set the annotation {RECREATE} to \
                 {uuid}"
            );
            Finding::no(kind, Reason::IndexMissing, message)
        }
        Stand::NotOwned(why) => Finding::no(kind, Reason::NotOwned, why.clone()),
        Stand::Unreadable => Finding::no(kind, Reason::PrivilegeMissing, unreadable(name)),
        Stand::TooLarge => Finding::no(kind, Reason::TooLarge, too_large(name)),
        Stand::Deleting | Stand::Announced | Stand::Gone(_) => {
            Finding::no(kind, Reason::Deleting, "the index is being deleted")
        }
        Stand::Unread | Stand::NoCluster => {
            Finding::unknown(kind, Reason::Waiting, "the index can't be looked at now")
        }
        Stand::Invalid(_) | Stand::Conflict(_) => {
            Finding::unknown(kind, Reason::Waiting, "the spec is not worked with: see Accepted")
        }
    }
}

fn unreadable(name: &str) -> String {
    format!(
        "Drover's user may not read index '{name}': its role lacks the index privilege 'manage' \
         (or 'view_index_metadata') on that name"
    )
}

fn too_large(name: &str) -> String {
    format!(
        "the settings, mappings and aliases of index '{name}' are together more than Drover reads, \
         {} MiB, so it is left as it is",
        ANSWER_LIMIT >> 20
    )
}

fn available(seen: &Observed, plan: &Plan) -> Finding {
    let kind = kinds::AVAILABLE;
    let unknown = |message: &str| Finding::unknown(kind, Reason::HealthUnknown, message);
    let live = match (&seen.live, &plan.stand) {
        (_, Stand::NoCluster) => return unknown("the Cluster can't be asked"),
        (IndexView::Present(live), Stand::Owned | Stand::Deleting | Stand::Announced) => live,
        (IndexView::Missing, _) => {
            return Finding::no(kind, Reason::IndexMissing, "there is no such index");
        }
        _ => return unknown("the index is not looked at"),
    };
    match live.health.map(|it| it.status) {
        Some(HealthStatus::Green | HealthStatus::Yellow) => {
            Finding::yes(kind, Reason::AsExpected, "every primary shard is placed")
        }
        Some(HealthStatus::Red) => {
            let message = "a primary shard is not placed, so some data can't be read: see \
                           status.diagnostics of the Cluster";
            Finding::no(kind, Reason::HealthRed, message)
        }
        _ => unknown("Elasticsearch names no health for it yet"),
    }
}

fn drifted(plan: &Plan) -> Finding {
    let kind = kinds::DRIFTED;
    if plan.is_blind() {
        let message = "the index can't be compared with the spec now";
        return Finding::unknown(kind, Reason::Waiting, message);
    }
    match plan.stand {
        Stand::ToCreate | Stand::Lost(_) => {
            let message = "there is no index to compare with the spec";
            return Finding::unknown(kind, Reason::IndexMissing, message);
        }
        Stand::Conflict(_) => {
            let message = "the index is not compared with the spec: see Accepted";
            return Finding::unknown(kind, Reason::Waiting, message);
        }
        _ => {}
    }
    if plan.drift.is_empty() {
        return Finding::no(kind, Reason::AsExpected, "the live index is as declared");
    }
    let message = format!("differs from the spec at {}", paths(&plan.drift));
    Finding::yes(kind, Reason::DriftFound, message)
}

fn reindex(plan: &Plan, outcome: &Outcome) -> Finding {
    let kind = kinds::REINDEX_REQUIRED;
    let refused: Vec<&Failure> =
        outcome.failures.iter().filter(|it| needs_another_index(&it.error)).collect();
    if plan.reindex.is_empty() && refused.is_empty() {
        let message = "nothing in the spec needs another index";
        return Finding::no(kind, Reason::AsExpected, message);
    }
    let mut message = String::new();
    if !plan.reindex.is_empty() {
        message = format!("can't be changed in place: {}", paths(&plan.reindex));
    }
    if !plan.closed_only.is_empty() {
        message += "; of these, a closed index takes ";
        message += &plan.closed_only.join(", ");
        message += ": state Closed, then Open, applies them";
    }
    for failure in refused {
        if !message.is_empty() {
            message += "; ";
        }
        message += &failure.error.told();
    }
    Finding::yes(kind, Reason::ImmutableChange, message)
}

fn needs_another_index(error: &Error) -> bool {
    let text = chain(error);
    error.category() == Category::Rejected && NEEDS_ANOTHER_INDEX.iter().any(|it| text.contains(it))
}

fn ready(
    index: &Index,
    plan: &Plan,
    outcome: &Outcome,
    findings: &[Finding],
    reindex: &Finding,
) -> Finding {
    let kind = kinds::READY;
    if index.metadata.deletion_timestamp.is_some() {
        let message = match (&plan.stand, outcome.failures.first()) {
            (_, Some(_)) => failure_text(&outcome.failures),
            (Stand::NoCluster, _) => {
                "the index can't be deleted while its Cluster can't be worked in; set \
                 deletionPolicy Retain to let go of it"
                    .to_owned()
            }
            (Stand::Unreadable | Stand::TooLarge, _) => {
                let name = index.public_name();
                let why = if plan.stand == Stand::TooLarge { too_large } else { unreadable };
                format!("{}; set deletionPolicy Retain to let go of it", why(name))
            }
            _ => "the object is being deleted".to_owned(),
        };
        return Finding::no(kind, Reason::Deleting, message);
    }
    if let Some(it) = findings.iter().find(|it| it.status != Some(true)) {
        // A refused change that needs another index is told by its own condition.
        if !(it.kind == kinds::SYNCED && reindex.status == Some(true)) {
            return Finding::no(kind, it.reason, format!("{}: {}", it.kind, it.message));
        }
    }
    if reindex.status == Some(true) {
        let message = format!("{}: {}", reindex.kind, reindex.message);
        return Finding::no(kind, Reason::ImmutableChange, message);
    }
    let message = match index.spec.mode {
        Mode::Apply => "the index is as declared and serves",
        Mode::Plan => "the index is as declared and serves; mode is Plan",
    };
    Finding::yes(kind, Reason::AsExpected, message)
}

fn needs_person(ready: &Finding) -> bool {
    matches!(
        ready.reason,
        Reason::InvalidSpec
            | Reason::Conflict
            | Reason::NotOwned
            | Reason::IndexMissing
            | Reason::Rejected
            | Reason::PrivilegeMissing
            | Reason::TooLarge
            | Reason::ImmutableChange
            | Reason::HealthRed
            | Reason::PlanOnly
    )
}

fn failure_reason(error: &Error) -> Reason {
    match error.category() {
        Category::Forbidden => Reason::PrivilegeMissing,
        Category::Unauthorized => Reason::AuthenticationFailed,
        Category::Busy => Reason::TooManyRequests,
        Category::Unreachable => Reason::Unavailable,
        Category::Tls => Reason::CertificateRefused,
        Category::Rejected => Reason::Rejected,
        Category::WrongServer => Reason::UnexpectedAnswer,
        Category::Closed => Reason::Waiting,
    }
}

fn failure_text(failures: &[Failure]) -> String {
    let list: Vec<String> = failures.iter().take(FAILURES).map(Failure::text).collect();
    list.join("; ")
}

fn paths(differences: &[Difference]) -> String {
    let mut paths: Vec<&str> = differences.iter().map(|it| it.path.as_str()).collect();
    paths.sort_unstable();
    let more = if paths.len() > PATHS { " and others" } else { "" };
    paths.truncate(PATHS);
    paths.join(", ") + more
}
