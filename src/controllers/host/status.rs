//! What a Host's status says after a reconcile. Pure.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    apply::Outcome,
    deletion::{self, Farewell},
    elasticsearch, facts, findings,
    observe::Observed,
    operation,
    plan::{Plan, Stand},
    prepared,
    references::stops,
    registration,
};
use crate::{
    api::{
        condition::{self, Condition, Reason, find, is_true, whole_second},
        host::{Host, conditions as kinds},
        host_fields::KeyFingerprint,
        host_status::{HostFacts, HostState, HostStatus, SeenJumpHostKey, SeenKey},
    },
    kubernetes::events::Notice,
    ssh::host_key::Fingerprint,
};

/// How often what decides nothing is written.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The stats interval.
    pub stats: Duration,
}

/// The status of `host` after this reconcile.
#[must_use]
pub fn after(
    host: &Host,
    seen: &Observed,
    plan: &Plan,
    outcome: &Outcome,
    pace: Pace,
    now: Timestamp,
) -> HostStatus {
    let before = host.status.clone().unwrap_or_default();
    let judged = find(&before.conditions, kinds::REACHABLE).is_some();
    let begins = plan.farewell == Some(Farewell::Undoing) && !deletion::is_on_record(host);
    let (step, ending) = (plan.registration.as_ref(), &outcome.registration);
    let container_manager = registration::status::after(host, &seen.registration, step, ending);
    let answer = operation::status::Case {
        host,
        seen,
        is_looked_into: plan.is_looked_into,
        step: plan.operation.as_ref(),
        ending: outcome.operation,
        registration: container_manager.as_ref(),
    };
    let of_elasticsearch = (plan.elasticsearch.as_ref(), outcome.elasticsearch);
    let is_waiting = is_waiting(seen, plan, outcome)
        || registration::status::is_waiting(host, &seen.registration, ending);
    if judged && !plan.let_go && !begins && is_waiting {
        // Nothing new is known before the first answer: after a restart nothing is written.
        let container_manager = container_manager.clone();
        let mut status = HostStatus { container_manager, ..before };
        operation::status::record_answer(&mut status, answer, now);
        elasticsearch::status::record_installation(&mut status, host, seen, of_elasticsearch, now);
        return status;
    }
    let last_check = last_check(&before, seen, pace);
    let is_time = last_check != before.last_check;
    let facts = match (&plan.stand, seen.facts()) {
        (Stand::Ours(machine), Some(told)) => {
            Some(facts::shown(before.facts.as_ref(), told, machine, is_time))
        }
        _ => before.facts.clone(),
    };
    let node = registration::findings::Case {
        host,
        seen: &seen.registration,
        fit: plan.fit,
        step,
        ending,
        after: container_manager.as_ref(),
    };
    let findings = findings::conditions(host, seen, plan, facts.as_ref(), node);
    let conditions =
        condition::conditions(&before.conditions, findings, host.metadata.generation, now);
    let is_out = registration::findings::is_out_of_service(
        host,
        &seen.registration,
        container_manager.as_ref(),
    );
    let (host_key, jump_host_keys) = keys(host, &before, seen, plan, now);
    let machine = match &plan.stand {
        Stand::Ours(machine) => Some(machine.as_str()),
        _ => None,
    };
    let is_seen = plan.is_looked_into || !operation::is_swapped(host);
    let elasticsearch =
        elasticsearch::status::shown(before.elasticsearch.as_ref(), seen, machine, is_seen);
    let mut status = HostStatus {
        observed_generation: host.metadata.generation,
        state: Some(state(host, &conditions, is_out)),
        conditions,
        facts,
        host_key,
        jump_host_keys,
        last_check,
        elasticsearch,
        container_manager: container_manager.clone(),
        ..before
    };
    operation::status::record_answer(&mut status, answer, now);
    elasticsearch::status::record_installation(&mut status, host, seen, of_elasticsearch, now);
    prepared::record(&mut status, host, seen, machine, now);
    if plan.farewell == Some(Farewell::Undoing) {
        status.operation = Some(deletion::operation(host, seen, now));
    }
    status
}

/// Whether the next answer of the machine is on its way and all that can be said waits for it.
fn is_waiting(seen: &Observed, plan: &Plan, outcome: &Outcome) -> bool {
    let unanswered = outcome.awaiting || (seen.watched.is_some() && !seen.view.asked);
    match plan.stand {
        Stand::Unseen => unanswered,
        Stand::Ours(_) => unanswered || (seen.view.fault.is_none() && seen.view.checked.is_none()),
        _ => false,
    }
}

/// When the machine last answered, as it stands in the status: not moved before the stats interval
/// is over, and a restart begins no new one.
fn last_check(before: &HostStatus, seen: &Observed, pace: Pace) -> Option<Time> {
    let answered = seen.view.answered.filter(|_| seen.view.fault.is_none()).map(whole_second);
    match (&before.last_check, answered) {
        (Some(before), Some(answered)) => {
            let age = answered.duration_since(before.0).unsigned_abs();
            Some(Time(if age < pace.stats { before.0 } else { answered }))
        }
        (before, answered) => before.clone().or_else(|| answered.map(Time)),
    }
}

/// The keys that were verified, or are trusted from now on, and when each was first seen.
fn keys(
    host: &Host,
    before: &HostStatus,
    seen: &Observed,
    plan: &Plan,
    now: Timestamp,
) -> (Option<SeenKey>, Vec<SeenJumpHostKey>) {
    let stops = stops(host);
    let shown = |stop: usize| -> Option<Fingerprint> {
        let first = plan.first_keys.iter().find(|it| it.stop == stop);
        // The jump hosts may be others than when the machine last answered.
        let keys = Some(&seen.view.keys).filter(|it| it.len() == stops.len());
        first
            .map(|it| it.fingerprint)
            .or_else(|| keys.and_then(|it| it.get(stop)).map(|it| it.fingerprint))
    };
    let first_seen = |known: Option<(&KeyFingerprint, &Time)>, shown: Option<Fingerprint>| {
        let shown = shown.map(|it| KeyFingerprint(it.to_string()));
        match (known, shown) {
            (Some((known, since)), Some(shown)) if *known == shown => Some((shown, since.clone())),
            (_, Some(shown)) => Some((shown, Time(whole_second(now)))),
            (known, None) => known.map(|(key, since)| (key.clone(), since.clone())),
        }
    };
    let known = before.host_key.as_ref().map(|it| (&it.fingerprint, &it.first_seen));
    let host_key = first_seen(known, shown(stops.len() - 1))
        .map(|(fingerprint, first_seen)| SeenKey { fingerprint, first_seen });
    let jumps = stops.iter().enumerate().take(stops.len() - 1).filter_map(|(at, stop)| {
        let mut keys = before.jump_host_keys.iter();
        let known = keys.find(|it| it.address == stop.address.0 && it.port == stop.port);
        let known = known.map(|it| (&it.fingerprint, &it.first_seen));
        let (fingerprint, first_seen) = first_seen(known, shown(at))?;
        let (address, port) = (stop.address.0.clone(), stop.port);
        Some(SeenJumpHostKey { address, port, fingerprint, first_seen })
    });
    (host_key, jumps.collect())
}

/// Where in its life the machine is, in one word: what stands first here counts. `is_out` says whether
/// it is out of service, or on its way.
#[must_use]
pub fn state(host: &Host, conditions: &[Condition], is_out: bool) -> HostState {
    let is_false = |kind| find(conditions, kind).is_some_and(|it| it.status == "False");
    let is = |kind| is_true(conditions, kind);
    let because = |kind, reason: Reason| {
        find(conditions, kind).is_some_and(|it| it.reason == reason.as_str())
    };
    if host.metadata.deletion_timestamp.is_some() {
        HostState::Deleting
    } else if because(kinds::ACCEPTED, Reason::Unapproved) {
        HostState::Investigating
    } else if is_out && is(kinds::ACCEPTED) {
        HostState::Maintenance
    } else if is_false(kinds::REACHABLE) && because(kinds::REACHABLE, Reason::Unreachable) {
        HostState::Unreachable
    } else if is_false(kinds::ACCEPTED)
        || (is_false(kinds::RESOLVED_REFS)
            && !because(kinds::RESOLVED_REFS, Reason::ClusterNotFound))
        || [kinds::HOST_KEY_VERIFIED, kinds::REACHABLE, kinds::INSPECTED].into_iter().any(is_false)
    {
        HostState::Failed
    } else if !is(kinds::REACHABLE) || !is(kinds::INSPECTED) {
        HostState::Investigating
    } else if !is(kinds::PREPARED) {
        let is_under_way = !is_false(kinds::PREPARED)
            || because(kinds::PREPARED, Reason::InProgress)
            || because(kinds::PREPARED, Reason::Paused);
        if is_under_way { HostState::Bootstrapping } else { HostState::Failed }
    } else if !is(kinds::ELASTICSEARCH_INSTALLED)
        && find(conditions, kinds::ELASTICSEARCH_INSTALLED).is_some()
    {
        let is_under_way = !is_false(kinds::ELASTICSEARCH_INSTALLED)
            || because(kinds::ELASTICSEARCH_INSTALLED, Reason::Paused);
        if is_under_way { HostState::Bootstrapping } else { HostState::Failed }
    } else if is_false(kinds::HEALTHY) {
        HostState::Failed
    } else if host.spec.cluster_ref.is_none()
        || is_false(kinds::RESOLVED_REFS)
        || is_false(kinds::REGISTERED)
    {
        HostState::Disassociated
    } else {
        HostState::Active
    }
}

/// What people should hear of between two statuses.
#[must_use]
pub fn notices(host: &Host, after: &HostStatus) -> Vec<Notice> {
    let before = host.status.as_ref();
    let old = before.map(|it| it.conditions.as_slice()).unwrap_or_default();
    let new = after.conditions.as_slice();
    let mut notices = Vec::new();
    let key = |it: Option<&HostStatus>| it.and_then(|it| it.host_key.clone());
    if let (None, Some(key)) = (key(before), key(Some(after)))
        && !is_true(new, kinds::HOST_KEY_VERIFIED)
    {
        let note = format!("from now on the machine's key is {}", key.fingerprint.0);
        notices.push(Notice::normal("HostKeyRecorded", "Connect", note));
    }
    if is_true(new, kinds::REACHABLE) && !is_true(old, kinds::REACHABLE) {
        let address = &host.spec.address.0;
        let note = format!("connected to {address} as {}", host.spec.user.0);
        notices.push(Notice::normal("Connected", "Connect", note));
    }
    let became_false = |kind: &str| {
        find(new, kind).filter(|it| it.status == "False").filter(|it| {
            find(old, kind).is_none_or(|old| old.status != "False" || old.reason != it.reason)
        })
    };
    for kind in [
        kinds::ACCEPTED,
        kinds::RESOLVED_REFS,
        kinds::HOST_KEY_VERIFIED,
        kinds::REACHABLE,
        kinds::INSPECTED,
        kinds::PREPARED,
    ] {
        if let Some(condition) = became_false(kind) {
            let (reason, action) = warning(kind, condition);
            notices.push(Notice::warning(reason, action, condition.message.as_str()));
        }
    }
    let boot = |it: &HostFacts| (it.machine_id.clone(), it.boot_id.clone());
    let boots = [before.and_then(|it| it.facts.as_ref()), after.facts.as_ref()];
    if let [Some((machine, boot)), Some((same, other))] = boots.map(|it| it.map(boot)) {
        if machine != same {
            let note = format!("the object stands for machine {} now", same.as_str());
            notices.push(Notice::normal("HostAccepted", "Identify", note));
        } else if boot != other {
            notices.push(Notice::normal("HostRebooted", "Observe", "the machine has booted anew"));
        }
    }
    notices
}

fn warning(kind: &str, condition: &Condition) -> (&'static str, &'static str) {
    match kind {
        kinds::ACCEPTED if condition.reason == Reason::HostReplaced.as_str() => {
            ("HostReplaced", "Identify")
        }
        kinds::ACCEPTED => ("NotAccepted", "Validate"),
        kinds::RESOLVED_REFS => ("ReferenceNotResolved", "Resolve"),
        kinds::HOST_KEY_VERIFIED if condition.reason == Reason::HostKeyMismatch.as_str() => {
            ("HostKeyChanged", "Connect")
        }
        kinds::HOST_KEY_VERIFIED => ("HostKeyUnknown", "Connect"),
        kinds::REACHABLE if condition.reason == Reason::AuthenticationFailed.as_str() => {
            ("AuthenticationFailed", "Authenticate")
        }
        kinds::REACHABLE => ("ConnectionLost", "Connect"),
        kinds::INSPECTED => ("InspectionFailed", "Observe"),
        _ => ("PreparationFailed", "Prepare"),
    }
}
