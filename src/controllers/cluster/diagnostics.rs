//! What a person should know or do about a Cluster, though it stands as it should. Pure.

use jiff::{Timestamp, ToSpan as _};
use kube::ResourceExt as _;

use super::{
    live,
    managed::observe::Seen,
    observe::Observed,
    plan::Plan,
    rollout::{self, plan::Decided},
};
use crate::{
    api::{
        cluster::{Auth, Cluster, Connection},
        cluster_status::{Diagnostic, DiagnosticLevel, Health},
    },
    authority::secrets::Kind,
    controllers::{deployment::trust, health::health},
    tls::expires,
};

/// A certificate is worth a warning this long before it runs out, in days.
const CERTIFICATE_DAYS: i64 = 30;
/// The most hosts that one text names.
const NAMED: usize = 5;

/// What Elasticsearch's health report and Drover itself advise, the worst first.
#[must_use]
pub fn diagnostics(
    cluster: &Cluster,
    seen: &Observed,
    plan: &Plan,
    decided: &Decided,
    now: Timestamp,
) -> Vec<Diagnostic> {
    // Told also where Drover itself can't reach the nodes, which this may be why.
    let mut list: Vec<Diagnostic> =
        seen.managed.iter().filter_map(|it| handover(cluster, it)).collect();
    let Some(view) = seen.snapshot.cluster.as_deref() else { return list };
    if !seen.has_elasticsearch() {
        return list;
    }
    list.extend(rollout::findings::diagnostics(cluster, decided));
    list.extend(live::findings::diagnostics(cluster));
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
            advice: if cluster.spec.connection.is_some() {
                "mend it or take it out of spec.connection.endpoints: it can't stand in for the \
                 others"
                    .into()
            } else {
                "see the Host whose node it is".into()
            },
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
    let secrets = seen.managed.as_ref().and_then(|it| it.secrets.as_ref().ok());
    let ends = secrets.filter(|it| it.authority.is_expiring(now));
    if let Some(end) = ends.and_then(|it| expires(it.authority.certificate().as_bytes())) {
        list.push(Diagnostic {
            rule: "authority".into(),
            level: DiagnosticLevel::Warning,
            subject: format!("what signs the certificates of nodes runs out at {end}"),
            advice: format!(
                "replace what is in Secret '{}', in the steps that docs/credentials.md has: no node is \
                 trusted after that",
                Kind::AuthorityKey.name(&cluster.name_any())
            ),
        });
    }
    if cluster.spec.connection.as_ref().is_some_and(is_readable) {
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

/// How far nodes are with another authority, where they do not all have certificates of it.
fn handover(cluster: &Cluster, seen: &Seen) -> Option<Diagnostic> {
    let secrets = seen.secrets.as_ref().ok()?;
    let (unsigned, distrusting) = trust::outstanding(cluster, secrets, &seen.hosts);
    let list = |names: &[&str]| {
        let more = if NAMED < names.len() { ", and more" } else { "" };
        let names: Vec<String> = names.iter().take(NAMED).map(|it| format!("'{it}'")).collect();
        format!("{}{more}", names.join(", "))
    };
    let name = Kind::AuthorityKey.name(&cluster.name_any());
    let advice = if distrusting.is_empty() {
        "wait: each gets one when it is looked at, and who has signed the others is trusted until then"
            .to_owned()
    } else {
        format!(
            "wait until all trust it, which these do not: {}. See to the Hosts that are paused or can't be \
             reached, or delete those that do not come back",
            list(&distrusting)
        )
    };
    let subject = if !unsigned.is_empty() {
        format!(
            "nodes have no certificate of the authority in Secret '{name}' yet: {}",
            list(&unsigned)
        )
    } else if !distrusting.is_empty() && trust::is_former_trusted(cluster, secrets, &seen.hosts) {
        format!("nodes trust another authority yet than those that go with Secret '{name}'")
    } else {
        return None;
    };
    Some(Diagnostic {
        rule: "certificates".into(),
        level: DiagnosticLevel::Warning,
        subject,
        advice,
    })
}

/// Whether credentials are sent so that all on the way can read them.
fn is_readable(connection: &Connection) -> bool {
    let is_http = |it: &str| it.get(..5).is_some_and(|it| it.eq_ignore_ascii_case("http:"));
    let sends_secret = !matches!(
        connection.auth,
        None | Some(Auth { basic: None, api_key: None, bearer: None, .. })
    );
    sends_secret && connection.endpoints.iter().any(|it| is_http(&it.0))
}
