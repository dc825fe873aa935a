//! The judgements about a Cluster: its conditions and diagnostics. Pure.

use jiff::{Timestamp, ToSpan as _};

use super::{
    apply::Outcome,
    observe::Observed,
    plan::{Identity, Plan},
    rollout::{self, plan::Decided},
};
use crate::{
    api::{
        ACCEPT_CLUSTER_UUID,
        cluster::{Auth, Cluster, Diagnostic, DiagnosticLevel, Health, conditions as kinds},
        condition::{Finding, Reason},
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
/// A certificate is worth a warning this long before it runs out, in days.
const CERTIFICATE_DAYS: i64 = 30;

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
    let mut findings = vec![accepted(seen, outcome), resolved(seen, outcome)];
    if seen.has_elasticsearch() {
        findings.push(reachable(seen, outcome));
        findings.push(authenticated(seen, outcome));
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
fn not_asked(kind: &'static str, seen: &Observed, outcome: &Outcome) -> Option<Finding> {
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

fn reachable(seen: &Observed, outcome: &Outcome) -> Finding {
    let kind = kinds::REACHABLE;
    if let Some(finding) = not_asked(kind, seen, outcome) {
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

fn authenticated(seen: &Observed, outcome: &Outcome) -> Finding {
    let kind = kinds::AUTHENTICATED;
    if let Some(finding) = not_asked(kind, seen, outcome) {
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
        let in_hand = decided.run.iter().flat_map(|it| &it.hosts).find(|it| it.step.is_in_hand());
        let message = if let Some(host) = in_hand {
            format!("the object stays until the run has brought {} back", host.name)
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
    let outstanding = needed()
        .find(|it| it.status == Some(false))
        .or_else(|| needed().find(|it| it.status.is_none()));
    match outstanding {
        None => {
            if let Some(finding) = rollout::findings::outstanding(decided) {
                return finding;
            }
            let message = if seen.has_elasticsearch() {
                "the cluster is watched and serves"
            } else {
                "a group of hosts: the spec has no `connection` to an Elasticsearch"
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
    );
    if ready.status == Some(true) {
        None
    } else if person {
        Some(Finding::yes(kinds::STALLED, ready.reason, ready.message.clone()))
    } else {
        Some(Finding::yes(kinds::RECONCILING, ready.reason, ready.message.clone()))
    }
}

/// What Elasticsearch's health report and Drover itself advise, the worst first.
#[must_use]
pub fn diagnostics(
    cluster: &Cluster,
    seen: &Observed,
    plan: &Plan,
    decided: &Decided,
    now: Timestamp,
) -> Vec<Diagnostic> {
    let mut list = Vec::new();
    let Some(view) = seen.snapshot.cluster.as_deref() else { return list };
    let Some(connection) = &cluster.spec.connection else { return list };
    list.extend(rollout::findings::diagnostics(cluster, decided));
    // What another cluster says of itself is not this one's trouble.
    let is_pinned = plan.identity.pinned() == Some(view.state.cluster_uuid.as_str());
    for finding in view.report.iter().filter(|_| is_pinned) {
        let level = match health(finding.status) {
            Health::Red => DiagnosticLevel::Danger,
            _ => DiagnosticLevel::Warning,
        };
        let cause = finding.cause.as_deref().map(|it| format!(": {it}")).unwrap_or_default();
        let affected = if finding.affected.is_empty() {
            String::new()
        } else {
            format!(" ({})", finding.affected.join(", "))
        };
        list.push(Diagnostic {
            rule: finding.indicator.clone(),
            level,
            subject: format!("{}{cause}{affected}", finding.symptom),
            advice: finding.action.clone().unwrap_or_default(),
        });
    }
    for endpoint in view.endpoints.iter().filter(|it| it.cluster_uuid.is_none()) {
        list.push(Diagnostic {
            rule: "endpoint".into(),
            level: DiagnosticLevel::Warning,
            subject: format!("{} does not answer as it should", endpoint.endpoint),
            advice: "mend it or take it out of spec.connection.endpoints: it can't stand in for \
                     the others"
                .into(),
        });
    }
    if let Some(expires) = view.certificate_expires
        && expires < now + (CERTIFICATE_DAYS * 24).hours()
    {
        list.push(Diagnostic {
            rule: "certificate".into(),
            level: DiagnosticLevel::Warning,
            subject: format!("the server's certificate runs out at {expires}"),
            advice: "renew it: Drover refuses a certificate that has run out".into(),
        });
    }
    let is_http = |it: &str| it.get(..5).is_some_and(|it| it.eq_ignore_ascii_case("http:"));
    let is_plain = connection.endpoints.iter().any(|it| is_http(&it.0));
    let sends_secret = !matches!(
        connection.auth,
        None | Some(Auth { basic: None, api_key: None, bearer: None, .. })
    );
    if is_plain && sends_secret {
        list.push(Diagnostic {
            rule: "plaintext".into(),
            level: DiagnosticLevel::Warning,
            subject: "credentials are sent over http, readable by all on the way".into(),
            advice: "use https endpoints".into(),
        });
    }
    list.sort_by(|a, b| (a.level, &a.rule, &a.subject).cmp(&(b.level, &b.rule, &b.subject)));
    list
}
