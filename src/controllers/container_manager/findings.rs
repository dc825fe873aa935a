//! The judgements about a `ContainerManager`: its conditions. Pure.

use super::{apply::Outcome, observe::Observed};
use crate::{
    api::{
        condition::{Finding, Reason},
        container_manager::{ContainerManager, ContainerManagerType, conditions as kinds},
    },
    chain::chain,
    controllers::node_faults,
    nodes::{
        connection::ConnectionError,
        error::{Category, Error},
    },
    tls::Unusable,
};

/// Every condition of a `ContainerManager`, Ready first, then in the order in which they depend on
/// each other. One that asks no server has none of those that speak of it.
#[must_use]
pub fn conditions(manager: &ContainerManager, seen: &Observed, outcome: &Outcome) -> Vec<Finding> {
    let mut findings = vec![accepted(seen, outcome), resolved(seen, outcome)];
    if manager.spec.kind != ContainerManagerType::Trivial {
        findings.push(reachable(seen, outcome));
        findings.push(authenticated(seen, outcome));
        findings.push(permitted(seen, outcome));
    }
    let ready = ready(manager, &findings, seen);
    if let Some(progress) = progress(&ready) {
        findings.push(progress);
    }
    findings.insert(0, ready);
    findings
}

fn accepted(seen: &Observed, outcome: &Outcome) -> Finding {
    match invalid(seen, outcome) {
        Some(message) => Finding::no(kinds::ACCEPTED, Reason::InvalidSpec, message),
        None => Finding::yes(kinds::ACCEPTED, Reason::AsExpected, "the spec can be worked with"),
    }
}

/// What is wrong with the spec itself, with its path.
fn invalid(seen: &Observed, outcome: &Outcome) -> Option<String> {
    match (&seen.connection, &outcome.unusable) {
        (Err(problem), _) => {
            (problem.reason == Reason::InvalidSpec).then(|| problem.message.clone())
        }
        (Ok(_), Some(error @ ConnectionError::Server { .. })) => {
            Some(format!("spec.options.server: {error}"))
        }
        (Ok(_), _) => None,
    }
}

fn resolved(seen: &Observed, outcome: &Outcome) -> Finding {
    let kind = kinds::RESOLVED_REFS;
    if invalid(seen, outcome).is_some() {
        let message = "the spec is not worked with: see Accepted";
        return Finding::unknown(kind, Reason::Waiting, message);
    }
    match (&seen.connection, &outcome.unusable) {
        (Err(problem), _) => Finding::no(kind, problem.reason, problem.message.clone()),
        (Ok(_), Some(error)) => {
            let path = match error {
                ConnectionError::Tls(Unusable::Ca(_)) => "spec.options.ca",
                _ => "spec.options.auth",
            };
            Finding::no(kind, Reason::InvalidContent, format!("{path}: {error}"))
        }
        (Ok(_), None) => Finding::yes(kind, Reason::AsExpected, "all that the spec names is there"),
    }
}

/// Why nothing can be said of the server, where that is so.
fn not_asked(kind: &'static str, seen: &Observed, outcome: &Outcome) -> Option<Finding> {
    if seen.connection.is_err() || outcome.unusable.is_some() {
        let message = "not connected, since the spec, or what it names, can't be used";
        return Some(Finding::unknown(kind, Reason::Waiting, message));
    }
    if !seen.snapshot.asked {
        let message = "the API server has not answered yet";
        return Some(Finding::unknown(kind, Reason::NotChecked, message));
    }
    None
}

/// Why no answer of the server can be gone by, where that is so.
fn no_answer(seen: &Observed) -> Option<&Error> {
    let fault = seen.snapshot.probe.fault.as_ref()?;
    let is_none =
        matches!(fault.category(), Category::Unreachable | Category::Tls | Category::WrongServer);
    is_none.then_some(fault)
}

fn reachable(seen: &Observed, outcome: &Outcome) -> Finding {
    let kind = kinds::REACHABLE;
    if let Some(finding) = not_asked(kind, seen, outcome) {
        return finding;
    }
    match no_answer(seen) {
        Some(fault) => Finding::no(kind, node_faults::reason(fault.category()), chain(fault)),
        None => Finding::yes(kind, Reason::AsExpected, "the API server answers"),
    }
}

fn authenticated(seen: &Observed, outcome: &Outcome) -> Finding {
    let kind = kinds::AUTHENTICATED;
    if let Some(finding) = not_asked(kind, seen, outcome) {
        return finding;
    }
    if no_answer(seen).is_some() {
        let message = "can't be known while the API server is not reached: see Reachable";
        return Finding::unknown(kind, Reason::Waiting, message);
    }
    if let Some(fault @ Error::Unauthorized { .. }) = &seen.snapshot.probe.fault {
        return Finding::no(kind, Reason::AuthenticationFailed, chain(fault));
    }
    let user = seen.snapshot.probe.user.as_deref();
    let message = user.map_or_else(
        || "the API server takes the credentials".to_owned(),
        |it| format!("the API server takes Drover for {it}"),
    );
    Finding::yes(kind, Reason::AsExpected, message)
}

fn permitted(seen: &Observed, outcome: &Outcome) -> Finding {
    let kind = kinds::PERMITTED;
    if let Some(finding) = not_asked(kind, seen, outcome) {
        return finding;
    }
    let probe = &seen.snapshot.probe;
    if let Some(fault) = &probe.fault {
        return match fault.category() {
            Category::Unreachable | Category::Tls | Category::WrongServer => {
                let message = "can't be known while the API server is not reached: see Reachable";
                Finding::unknown(kind, Reason::Waiting, message)
            }
            Category::Unauthorized => {
                let message = "can't be known before the credentials are taken: see Authenticated";
                Finding::unknown(kind, Reason::Waiting, message)
            }
            Category::Forbidden => Finding::no(kind, Reason::PrivilegeMissing, chain(fault)),
            category => Finding::unknown(kind, node_faults::reason(category), chain(fault)),
        };
    }
    if probe.missing.is_empty() {
        let message = "Drover may do all that it needs to";
        return Finding::yes(kind, Reason::AsExpected, message);
    }
    let missing: Vec<String> = probe.missing.iter().map(ToString::to_string).collect();
    let whom = probe.user.as_deref().unwrap_or("Drover's user");
    let message = format!(
        "{whom} lacks, in all namespaces: {}; grant it by a ClusterRole, no host is registered \
         before",
        missing.join(", ")
    );
    Finding::no(kind, Reason::PrivilegeMissing, message)
}

fn ready(manager: &ContainerManager, findings: &[Finding], seen: &Observed) -> Finding {
    let kind = kinds::READY;
    if manager.metadata.deletion_timestamp.is_some() {
        let message = if seen.members.is_empty() {
            "the object is being deleted; no host is registered here".to_owned()
        } else {
            // Sorted and cut, so that the text stays the same while the world does.
            let names: Vec<&str> = seen.members.iter().take(5).map(String::as_str).collect();
            format!("the object stays until its hosts have left, such as {}", names.join(", "))
        };
        return Finding::no(kind, Reason::Deleting, message);
    }
    // What is known to be wrong is mostly why something else can't be known.
    let outstanding = findings
        .iter()
        .find(|it| it.status == Some(false))
        .or_else(|| findings.iter().find(|it| it.status.is_none()));
    match outstanding {
        None => Finding::yes(kind, Reason::AsExpected, "hosts can be registered"),
        Some(it) => Finding::no(kind, it.reason, format!("{}: {}", it.kind, it.message)),
    }
}

/// Whether a person must act, or only time must pass.
fn progress(ready: &Finding) -> Option<Finding> {
    let person = matches!(
        ready.reason,
        Reason::InvalidSpec
            | Reason::InvalidContent
            | Reason::KeyNotFound
            | Reason::Forbidden
            | Reason::CertificateRefused
            | Reason::UnexpectedAnswer
            | Reason::AuthenticationFailed
            | Reason::PrivilegeMissing
            | Reason::Rejected
    );
    if ready.status == Some(true) {
        None
    } else if person {
        Some(Finding::yes(kinds::STALLED, ready.reason, ready.message.clone()))
    } else {
        Some(Finding::yes(kinds::RECONCILING, ready.reason, ready.message.clone()))
    }
}
