//! The judgements about a Cluster: its conditions. Pure.

use super::{
    apply::Outcome,
    live, managed,
    observe::Observed,
    plan::{Identity, Plan},
    planned,
    rollout::{self, plan::Decided},
};
use crate::{
    api::{
        ACCEPT_CLUSTER_UUID,
        cluster::{Cluster, Health, conditions as kinds},
        condition::{Finding, Reason},
        index::Mode,
    },
    chain::chain,
    controllers::health::health,
    elasticsearch::{
        connection::ConnectionError,
        error::{Category, Error},
        version::Version,
    },
    tls::Unusable,
};

/// The oldest version that Drover works with, and the first that it does not.
const SUPPORTED: std::ops::Range<Version> = Version(7, 17, 0)..Version(10, 0, 0);

/// Every condition of a Cluster, in the order in which they depend on each other. A group of hosts
/// has none of those that speak of Elasticsearch.
#[must_use]
pub fn conditions(
    cluster: &Cluster,
    seen: &Observed,
    plan: &Plan,
    outcome: &Outcome,
    decided: &Decided,
) -> Vec<Finding> {
    let mut findings = vec![accepted(seen, plan, outcome), resolved(seen, outcome)];
    if seen.has_elasticsearch() {
        findings.push(reachable(seen, plan, outcome));
        findings.push(authenticated(seen, plan, outcome));
        findings.push(identity(plan, seen));
        let usable = findings.iter().all(|it| it.status == Some(true));
        findings.push(available(seen, plan, usable));
        findings.push(healthy(seen, usable));
    }
    let ready = ready(&findings, seen, cluster, decided);
    if cluster.spec.paused {
        let message = "nothing new is begun while spec.paused is true";
        findings.push(Finding::yes(kinds::PAUSED, Reason::Paused, message));
    }
    if let Some(progress) = progress(&ready) {
        findings.push(progress);
    }
    findings.insert(0, ready);
    findings
}

fn accepted(seen: &Observed, plan: &Plan, outcome: &Outcome) -> Finding {
    let refused = plan.managed.as_ref().and_then(managed::plan::Plan::refused);
    match (invalid(seen, outcome), refused) {
        (Some(message), _) => Finding::no(kinds::ACCEPTED, Reason::InvalidSpec, message),
        (None, Some(problem)) => {
            Finding::no(kinds::ACCEPTED, problem.reason, problem.message.clone())
        }
        (None, None) => match seen.managed.as_ref().and_then(managed::observe::Seen::set_aside) {
            Some(problem) => Finding::no(kinds::ACCEPTED, problem.reason, problem.message),
            None => {
                Finding::yes(kinds::ACCEPTED, Reason::AsExpected, "the spec can be worked with")
            }
        },
    }
}

/// What is wrong with the spec itself, with its path.
fn invalid(seen: &Observed, outcome: &Outcome) -> Option<String> {
    if let Some(problem) = seen.managed.as_ref().and_then(managed::observe::Seen::invalid) {
        return Some(problem.message);
    }
    match (&seen.connection, &outcome.unusable) {
        (Err(problem), _) => {
            (problem.reason == Reason::InvalidSpec).then(|| problem.message.clone())
        }
        (Ok(_), Some(error)) => place(error).map(|path| format!("{path}: {error}")),
        (Ok(_), None) => None,
    }
}

/// Which field of the spec makes the connection unusable; nothing where it is the content of what
/// the spec names.
fn place(error: &ConnectionError) -> Option<&'static str> {
    match error {
        ConnectionError::NoEndpoint | ConnectionError::Endpoint { .. } => {
            Some("spec.connection.endpoints")
        }
        ConnectionError::Tls(Unusable::ServerName(_)) => Some("spec.connection.tls.serverName"),
        ConnectionError::Tls(
            Unusable::Ca(_) | Unusable::ClientCertificate(_) | Unusable::Key(_) | Unusable::Setup,
        )
        | ConnectionError::Credentials { .. }
        | ConnectionError::Setup => None,
    }
}

fn resolved(seen: &Observed, outcome: &Outcome) -> Finding {
    let kind = kinds::RESOLVED_REFS;
    match (&seen.connection, &outcome.unusable) {
        (Err(_), _) if seen.lasts => {
            let message = "what was read before is used until the object is gone";
            Finding::yes(kind, Reason::Deleting, message)
        }
        _ if invalid(seen, outcome).is_some() => {
            let message = "the spec is not worked with: see Accepted";
            Finding::unknown(kind, Reason::Waiting, message)
        }
        (Err(problem), _) => Finding::no(kind, problem.reason, problem.message.clone()),
        (Ok(_), Some(error)) => {
            Finding::no(kind, Reason::InvalidContent, format!("spec.connection: {error}"))
        }
        (Ok(_), None) => match &seen.missing {
            Some(problem) => Finding::no(kind, problem.reason, problem.message.clone()),
            None => Finding::yes(kind, Reason::AsExpected, "all that the spec names is there"),
        },
    }
}

/// Why nothing can be said of Elasticsearch itself, where that is so.
fn not_asked(
    kind: &'static str,
    seen: &Observed,
    plan: &Plan,
    outcome: &Outcome,
) -> Option<Finding> {
    if let (Ok(None), Some(managed)) = (&seen.connection, &plan.managed) {
        return Some(Finding::unknown(kind, Reason::Waiting, managed.waits_for()));
    }
    if !seen.is_resolved() || outcome.unusable.is_some() {
        let message = "not connected, since the spec, or what it names, can't be used";
        return Some(Finding::unknown(kind, Reason::Waiting, message));
    }
    if !seen.snapshot.polled {
        let message = "Elasticsearch has not answered yet";
        return Some(Finding::unknown(kind, Reason::NotChecked, message));
    }
    None
}

fn reachable(seen: &Observed, plan: &Plan, outcome: &Outcome) -> Finding {
    let kind = kinds::REACHABLE;
    if let Some(finding) = not_asked(kind, seen, plan, outcome) {
        return finding;
    }
    if let Some(fault) = seen.snapshot.fault.as_deref()
        && let Some(reason) = no_answer(fault)
    {
        return Finding::no(kind, reason, chain(fault));
    }
    if let Some(view) = &seen.snapshot.cluster
        && !SUPPORTED.contains(&view.root.version)
    {
        let version = view.root.version;
        let message = format!(
            "Elasticsearch {version} is not supported: Drover works with 7.17, 8.x and 9.x"
        );
        return Finding::no(kind, Reason::Unsupported, message);
    }
    Finding::yes(kind, Reason::AsExpected, "Elasticsearch answers")
}

fn authenticated(seen: &Observed, plan: &Plan, outcome: &Outcome) -> Finding {
    let kind = kinds::AUTHENTICATED;
    if let Some(finding) = not_asked(kind, seen, plan, outcome) {
        return finding;
    }
    let Some(fault) = seen.snapshot.fault.as_deref() else {
        return Finding::yes(kind, Reason::AsExpected, "Elasticsearch takes the credentials");
    };
    match fault.category() {
        Category::Unauthorized => Finding::no(kind, Reason::AuthenticationFailed, chain(fault)),
        Category::Forbidden => {
            let message = format!("Drover's role is not whole: {}", chain(fault));
            Finding::no(kind, Reason::PrivilegeMissing, message)
        }
        _ if no_answer(fault).is_some() => {
            let message = "can't be known while Elasticsearch is not reached: see Reachable";
            Finding::unknown(kind, Reason::Waiting, message)
        }
        _ => Finding::yes(kind, Reason::AsExpected, "Elasticsearch takes the credentials"),
    }
}

/// Why nothing that Elasticsearch says is known, where that is what `error` means.
fn no_answer(error: &Error) -> Option<Reason> {
    match error {
        Error::Connect { .. } | Error::Interrupted { .. } | Error::Timeout { .. } => {
            Some(Reason::Unreachable)
        }
        Error::Certificate { .. } | Error::TlsByServer { .. } => Some(Reason::CertificateRefused),
        Error::NotElasticsearch { .. } => Some(Reason::NotElasticsearch),
        Error::TooLarge { .. } | Error::UnexpectedAnswer { .. } | Error::Redirected { .. } => {
            Some(Reason::UnexpectedAnswer)
        }
        _ => None,
    }
}

fn identity(plan: &Plan, seen: &Observed) -> Finding {
    let kind = kinds::IDENTITY_MATCHES;
    let unknown = |message: &str| Finding::unknown(kind, Reason::NotChecked, message);
    match &plan.identity {
        Identity::Unseen(_) => unknown("no cluster has answered yet"),
        Identity::NotFormed(_) => {
            Finding::unknown(kind, Reason::NotFormed, "the nodes have not formed a cluster yet")
        }
        // What answered last says nothing of what answers next.
        Identity::Pinned(_) if !seen.snapshot.polled => unknown("no cluster has answered yet"),
        Identity::Pinned(uuid) => {
            let message = format!("the cluster is the pinned one, {uuid}");
            Finding::yes(kind, Reason::AsExpected, message)
        }
        Identity::Other { pinned, found, endpoint } => {
            let at = endpoint.as_ref().map(|it| format!(" at {it}")).unwrap_or_default();
            let message = format!(
                "another cluster answers{at}: {found}, not {pinned}; nothing is written to it. If \
                 that is meant, set spec.connection.expectedUuid or the annotation \
                 {ACCEPT_CLUSTER_UUID} to {found}"
            );
            Finding::no(kind, Reason::IdentityChanged, message)
        }
    }
}

fn available(seen: &Observed, plan: &Plan, usable: bool) -> Finding {
    let kind = kinds::AVAILABLE;
    if let Some(fault) = seen.snapshot.fault.as_deref() {
        match fault.category() {
            Category::Busy => return Finding::no(kind, Reason::TooManyRequests, chain(fault)),
            Category::Unreachable | Category::Rejected if no_answer(fault).is_none() => {
                return Finding::no(kind, Reason::Unavailable, chain(fault));
            }
            _ => {}
        }
    }
    if matches!(plan.identity, Identity::NotFormed(_)) && seen.snapshot.fault.is_none() {
        return Finding::no(kind, Reason::NotFormed, "the nodes have not formed a cluster yet");
    }
    match seen.snapshot.cluster.as_deref().filter(|_| usable && seen.snapshot.fault.is_none()) {
        None => Finding::unknown(kind, Reason::HealthUnknown, "Elasticsearch can't be asked"),
        Some(view) => match health(view.health.status) {
            Health::Red => {
                let message = "a primary shard is not placed, so some data can't be read: see \
                               status.diagnostics";
                Finding::no(kind, Reason::HealthRed, message)
            }
            Health::Unknown => {
                Finding::unknown(kind, Reason::HealthUnknown, "Elasticsearch names no health")
            }
            _ => Finding::yes(kind, Reason::AsExpected, "every primary shard is placed"),
        },
    }
}

fn healthy(seen: &Observed, usable: bool) -> Finding {
    let kind = kinds::HEALTHY;
    match seen.snapshot.cluster.as_deref().filter(|_| usable && seen.snapshot.fault.is_none()) {
        None => Finding::unknown(kind, Reason::HealthUnknown, "Elasticsearch can't be asked"),
        Some(view) => match health(view.health.status) {
            Health::Green => Finding::yes(kind, Reason::HealthGreen, "every shard copy is placed"),
            Health::Yellow => {
                Finding::no(kind, Reason::HealthYellow, "a replica shard is not placed")
            }
            Health::Red => Finding::no(kind, Reason::HealthRed, "a primary shard is not placed"),
            Health::Unknown => {
                Finding::unknown(kind, Reason::HealthUnknown, "Elasticsearch names no health")
            }
        },
    }
}

fn ready(findings: &[Finding], seen: &Observed, cluster: &Cluster, decided: &Decided) -> Finding {
    if cluster.metadata.deletion_timestamp.is_some() {
        let in_hand = decided.run.iter().flat_map(|it| &it.hosts).find(|it| it.is_in_hand());
        let message = if let Some(host) = in_hand {
            format!("the object stays until the run has brought {} back", host.name)
        } else if let Some(host) =
            managed::removal::homes(cluster, seen).first().filter(|_| seen.needed_by.is_empty())
        {
            format!("the object stays until Elasticsearch is gone from host '{host}'")
        } else if seen.needed_by.is_empty() {
            "the object is being deleted; Elasticsearch is not touched".to_owned()
        } else {
            // Sorted and cut, so that the text stays the same while the world does.
            let names: Vec<&str> = seen.needed_by.iter().take(5).map(String::as_str).collect();
            format!(
                "the object stays until the Index objects that still have an index to delete in \
                 this cluster are gone or have deletionPolicy Retain, such as {}",
                names.join(", ")
            )
        };
        return Finding::no(kinds::READY, Reason::Deleting, message);
    }
    let needed = || findings.iter().filter(|it| it.kind != kinds::HEALTHY);
    // What is known to be wrong is mostly why something else can't be known.
    let wrong = needed().find(|it| it.status == Some(false));
    if let (None, Some(finding)) = (wrong, planned::outstanding(seen, decided)) {
        return finding;
    }
    match wrong.or_else(|| needed().find(|it| it.status.is_none())) {
        None => {
            if let Some(finding) = rollout::findings::outstanding(decided) {
                return finding;
            }
            if let Some(finding) = live::findings::outstanding(cluster) {
                return finding;
            }
            let view = seen.snapshot.cluster.as_deref();
            let managed = seen.managed.as_ref();
            if let Some(message) = managed.and_then(|it| managed::plan::outstanding(it, view)) {
                return Finding::no(kinds::READY, Reason::InProgress, message);
            }
            let message = match (seen.has_elasticsearch(), cluster.spec.mode) {
                (true, Mode::Apply) => "the cluster is watched and serves",
                (true, Mode::Plan) => "the cluster is watched and serves; mode is Plan",
                (false, _) => "a group of hosts: the spec has no `connection` to an Elasticsearch",
            };
            Finding::yes(kinds::READY, Reason::AsExpected, message)
        }
        Some(it) => Finding::no(kinds::READY, it.reason, format!("{}: {}", it.kind, it.message)),
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
            | Reason::NotElasticsearch
            | Reason::Unsupported
            | Reason::AuthenticationFailed
            | Reason::PrivilegeMissing
            | Reason::IdentityChanged
            | Reason::HealthRed
            | Reason::RolloutPaused
            | Reason::PlanOnly
            | Reason::Conflict
            | Reason::NotOwned
    );
    if ready.status == Some(true) {
        None
    } else if person {
        Some(Finding::yes(kinds::STALLED, ready.reason, ready.message.clone()))
    } else {
        Some(Finding::yes(kinds::RECONCILING, ready.reason, ready.message.clone()))
    }
}
