//! What the status tells of what was done on a machine: condition Prepared and Drifted, the
//! differences, what is set, the works, and what people should hear. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;

use super::{
    deletion::forgotten,
    elasticsearch::{plan::is_settled, wish::Wish as Asked},
    findings::trouble,
    network::{Wish, record as network},
    observe::{Observed, pinned},
    treatment::{
        applied, flanneld, is_applied, is_asked_for, is_flanneld_set, is_set, known_family,
    },
};
use crate::{
    api::{
        condition::{Finding, Reason, whole_second},
        host::{Host, conditions as kinds},
        host_fields::Sysctls,
        host_status::{HostStatus, NetworkMembership, OperationKind, PastOperation, RunStatus},
        index::{DriftEntry, DriftPolicy},
        line::Line,
    },
    chain::chain,
    controllers::{flannel::family, lists::omitted},
    kubernetes::events::Notice,
    ssh::{
        deploy,
        flanneld::{Standing, is_about},
        preparation::SYSCTL_FILE,
        steps::Drift,
        treatment::{Deed, Treated},
    },
};

/// How many differences the status lists.
const DIFFERENCES: usize = 50;
/// How many works the status lists.
const WORKS: usize = 10;
/// How many differences a message lists.
const TOLD: usize = 10;

/// Whether all that is asked of a machine is so, on which commands run as root.
pub(super) fn prepared(host: &Host, seen: &Observed) -> Finding {
    let finding = as_asked(host, seen);
    match &seen.network {
        Wish::Unknown { why } if finding.status == Some(true) && network(host).is_none() => {
            Finding::unknown(kinds::PREPARED, Reason::Waiting, why.clone())
        }
        _ => finding,
    }
}

fn as_asked(host: &Host, seen: &Observed) -> Finding {
    let kind = kinds::PREPARED;
    let no = |reason, message: String| Finding::no(kind, reason, message);
    let yes = |message| Finding::yes(kind, Reason::AsExpected, message);
    if !is_asked_for(host, &seen.network, &seen.elasticsearch) {
        return yes("all that is asked of the machine is so");
    }
    let treated = match seen.treated() {
        None => {
            let message = "the machine is being made what the spec asks for";
            return Finding::unknown(kind, Reason::InProgress, message);
        }
        Some(Err(error)) => return no(trouble(error), chain(error)),
        Some(Ok(treated)) => treated,
    };
    if let Some(error) = treated.failures.first() {
        return no(trouble(error), chain(error));
    }
    let outstanding: Vec<&Drift> = treated
        .left
        .iter()
        .filter(|it| host.spec.drift_policy == DriftPolicy::Enforce || !is_drift(host, seen, it))
        .collect();
    if outstanding.is_empty() && treated.left.is_empty() {
        yes(match treated.flanneld {
            Some(Standing::Foreign) => {
                "all that is asked of the machine is so; somebody else runs flanneld there, and it \
                 is left as it is"
            }
            _ => "all that is asked of the machine is so",
        })
    } else if outstanding.is_empty() {
        yes(
            "all that is asked of the machine was made so; what differs now is reported: see Drifted",
        )
    } else if host.spec.paused {
        let list = list(outstanding.into_iter());
        no(Reason::Paused, format!("spec.paused holds back what there is to do: {list}"))
    } else if let Some(cluster) = &seen.held_by {
        let list = list(outstanding.into_iter());
        let message =
            format!("mode Plan of Cluster '{cluster}' holds back what there is to do: {list}");
        no(Reason::PlanOnly, message)
    } else if treated.left.iter().any(|it| it.path.starts_with('/')) {
        let list = list(outstanding.into_iter());
        let message = format!("something that Drover did not make is in the way: {list}");
        no(Reason::NotOwned, message)
    } else {
        let list = list(outstanding.into_iter());
        no(Reason::CommandFailed, format!("was set, and did not stay so: {list}"))
    }
}

/// Whether somebody else has changed what Drover had set, and it is so still.
pub(super) fn drifted(host: &Host, seen: &Observed) -> Finding {
    let kind = kinds::DRIFTED;
    match seen.treated() {
        None if !is_asked_for(host, &seen.network, &seen.elasticsearch) => {
            Finding::no(kind, Reason::AsExpected, "the machine is as Drover left it")
        }
        None | Some(Err(_)) => {
            let message = "the machine was not compared with the spec yet";
            Finding::unknown(kind, Reason::Waiting, message)
        }
        Some(Ok(treated)) => {
            let mut drift = treated.left.iter().filter(|it| is_drift(host, seen, it)).peekable();
            if drift.peek().is_none() {
                return Finding::no(kind, Reason::AsExpected, "the machine is as Drover left it");
            }
            let message = format!("somebody else has changed what Drover had set: {}", list(drift));
            Finding::yes(kind, Reason::DriftFound, message)
        }
    }
}

/// Whether that is a change to what Drover had set, and not one that it has yet to make.
fn is_drift(host: &Host, seen: &Observed, difference: &Drift) -> bool {
    match difference.path.strip_prefix("sysctls.") {
        None if is_about(&difference.path) => {
            is_flanneld_set(host, flanneld(host, &seen.network).as_ref())
        }
        None if deploy::is_about(&difference.path) => match &seen.elasticsearch {
            Asked::Deploy(wanted) => is_settled(host, wanted),
            _ => false,
        },
        Some(name) => is_set(host, name),
        // The file that holds them all, and what Elasticsearch needs besides.
        None => match &seen.elasticsearch {
            Asked::Deploy(wanted) => is_applied(host) && is_settled(host, wanted),
            _ => is_applied(host),
        },
    }
}

fn list<'a>(differences: impl Iterator<Item = &'a Drift>) -> String {
    let word = |it: &Drift| format!("{} is '{}', not '{}'", it.path, it.live, it.desired);
    let mut words: Vec<String> = differences.take(TOLD + 1).map(word).collect();
    if TOLD < words.len() {
        words[TOLD] = "and more".into();
    }
    words.join(", ")
}

/// Puts into `status`, which is about `machine` now, what was found and done there.
pub(super) fn record(
    status: &mut HostStatus,
    host: &Host,
    seen: &Observed,
    machine: Option<&str>,
    now: Timestamp,
) {
    if machine.is_some() && machine != pinned(host) {
        // What is known of another machine says nothing of this one.
        status.applied_sysctls = Sysctls::default();
        let is_known = status.facts.as_ref().is_some_and(|it| it.os.family.is_some());
        status.network = match &seen.network {
            Wish::Flannel { network, .. } if is_known => Some(unseen(network)),
            _ => None,
        };
        (status.drift, status.drift_omitted) = (Vec::new(), None);
        return;
    }
    if !is_asked_for(host, &seen.network, &seen.elasticsearch) {
        (status.drift, status.drift_omitted) = (Vec::new(), None);
    }
    if machine.is_some() {
        status.network = membership(host, seen);
    }
    let Some(Ok(treated)) = seen.treated() else { return };
    if treated.deed == Deed::Prepare {
        status.applied_sysctls = Sysctls(now_applied(host, treated));
        note(status, treated);
    }
    if treated.deed != Deed::Reset {
        let found: Vec<&Drift> =
            treated.left.iter().filter(|it| is_drift(host, seen, it)).collect();
        status.drift_omitted = omitted(found.len(), DIFFERENCES);
        status.drift = entries(&status.drift, found.into_iter().take(DIFFERENCES), now);
    }
}

/// How the machine stands in the Network that asks something of it. It is put on record before
/// anything is done there, and taken off once nothing of Drover's is left.
fn membership(host: &Host, seen: &Observed) -> Option<NetworkMembership> {
    let before = network(host).cloned();
    let now = flanneld(host, &seen.network);
    let standing = seen.flanneld(now.as_ref());
    match &seen.network {
        Wish::Nothing if standing == Some(Standing::Gone) => None,
        Wish::Nothing | Wish::Unknown { .. } => before,
        Wish::Flannel { network, .. } => {
            let Some(known_family) = known_family(host) else { return before };
            let same = before.filter(|it| it.name == *network);
            let (Some(standing), Some(now)) = (standing, now) else {
                return same.or_else(|| Some(unseen(network)));
            };
            let lacking = format!(
                "Drover knows no package of flannel for {}, and nobody else runs flanneld there",
                family(known_family)
            );
            Some(match standing {
                Standing::Ours => member(network, now.revision(), None),
                Standing::Foreign => member(network, None, None),
                Standing::Lacking | Standing::Gone => {
                    let provided = now.is_provided();
                    let why = if provided { "see the condition Prepared" } else { &lacking };
                    let known = same.and_then(|it| it.revision).filter(|_| provided);
                    member(network, known.as_deref(), Some(why))
                }
            })
        }
    }
}

fn unseen(network: &str) -> NetworkMembership {
    member(network, None, Some("not looked at yet"))
}

fn member(name: &str, revision: Option<&str>, why_not: Option<&str>) -> NetworkMembership {
    NetworkMembership {
        name: name.to_owned(),
        configured: why_not.is_none(),
        reason: why_not.map(Line::new),
        revision: revision.map(str::to_owned),
        unreachable: Vec::new(),
        unreachable_omitted: None,
    }
}

/// The kernel parameters that are as Drover has set them, after it did what it could.
fn now_applied(host: &Host, treated: &Treated) -> BTreeMap<String, String> {
    let before = applied(host);
    let differs = |path: &str| treated.left.iter().any(|it| &*it.path == path);
    if differs(SYSCTL_FILE) {
        // Nothing is kept over a boot, or remembered, without the file.
        return before.clone();
    }
    let mut now = host.spec.sysctls.0.clone();
    now.retain(|name, _| !differs(&format!("sysctls.{name}")));
    for (name, value) in before {
        if differs(&format!("sysctls.{name}")) {
            now.insert(name.clone(), value.clone());
        }
    }
    now
}

fn entries<'a>(
    before: &[DriftEntry],
    found: impl Iterator<Item = &'a Drift>,
    now: Timestamp,
) -> Vec<DriftEntry> {
    let json = |text: &str| Some(Value::from(text).to_string());
    let entry = |it: &Drift| {
        let known = before.iter().find(|entry| entry.path == *it.path);
        let since = known.map_or_else(|| Time(whole_second(now)), |entry| entry.since.clone());
        DriftEntry {
            path: it.path.to_string(),
            desired: json(&it.desired),
            live: json(&it.live),
            since,
        }
    };
    found.map(entry).collect()
}

/// Adds the work to the history, if anything was done or failed, and it is not what is told already.
fn note(status: &mut HostStatus, treated: &Treated) {
    let reason = treated.failures.first().map(|it| Line::new(&chain(it)));
    if treated.before.is_empty() && reason.is_none() {
        return;
    }
    let run_id = run_id(treated);
    let failed = reason.is_some() || !treated.left.is_empty();
    let outcome = if failed { RunStatus::Failed } else { RunStatus::Finished };
    let is_told = |it: &PastOperation| {
        let is_same_failure = failed && it.status == outcome && it.reason == reason;
        it.kind == OperationKind::Prepare && (it.run_id == run_id || is_same_failure)
    };
    if status.history.first().is_some_and(is_told) {
        return;
    }
    let work = PastOperation {
        run_id,
        kind: OperationKind::Prepare,
        status: outcome,
        step: step(treated).into(),
        reason,
        started_at: Time(whole_second(treated.began)),
        finished_at: Time(whole_second(treated.ended)),
    };
    remember(&mut status.history, work);
}

/// Adds a work to the history; the oldest one is forgotten for it.
pub(super) fn remember(history: &mut Vec<PastOperation>, work: PastOperation) {
    history.insert(0, work);
    history.truncate(WORKS);
}

/// What the work was about, in the end.
fn step(treated: &Treated) -> &'static str {
    match treated.before.last() {
        Some(it) if is_about(&it.path) => "flanneld",
        Some(it) if deploy::is_about(&it.path) => "elasticsearch",
        _ => "sysctls",
    }
}

fn run_id(treated: &Treated) -> String {
    format!("prepare-{}", treated.began.as_millisecond())
}

/// What people should hear of what was found and done; `after` is the new status.
pub(super) fn notices(host: &Host, seen: &Observed, after: &HostStatus) -> Vec<Notice> {
    let before = host.status.as_ref();
    let mut notices = Vec::new();
    let known: &[DriftEntry] = before.map(|it| it.drift.as_slice()).unwrap_or_default();
    let new: Vec<&str> = after
        .drift
        .iter()
        .filter(|it| known.iter().all(|known| known.path != it.path))
        .map(|it| it.path.as_str())
        .take(TOLD)
        .collect();
    if !new.is_empty() {
        let note = format!("somebody else has changed {}", new.join(", "));
        notices.push(Notice::warning("DriftFound", "Observe", note));
    }
    let Some(Ok(treated)) = seen.treated() else { return notices };
    // What is not asked for any more is forgotten now, and told that once.
    let is_forgotten = |name: &str| {
        applied(host).contains_key(name) && !after.applied_sysctls.0.contains_key(name)
    };
    let lost = treated.lost.iter().filter(|it| is_forgotten(it));
    let lost: Vec<Box<str>> = lost.take(TOLD).cloned().collect();
    if !lost.is_empty() {
        notices.push(Notice::warning("LeftBehind", "Prepare", forgotten(&lost)));
    }
    let is_new = after.history.first().is_some_and(|it| it.run_id == run_id(treated))
        && before.and_then(|it| it.history.first()).is_none_or(|it| it.run_id != run_id(treated));
    if !is_new || treated.deed != Deed::Prepare {
        return notices;
    }
    let done = |it: &&Drift| treated.left.iter().all(|left| left.path != it.path);
    let (corrected, set): (Vec<&Drift>, Vec<&Drift>) =
        treated.before.iter().filter(done).partition(|it| is_drift(host, seen, it));
    for (differences, reason, why) in [
        (set, "HostPrepared", "as the spec has it"),
        (corrected, "DriftCorrected", "since somebody else changed it"),
    ] {
        if differences.is_empty() {
            continue;
        }
        let paths: Vec<&str> = differences.iter().map(|it| &*it.path).take(TOLD).collect();
        let note = format!("set {} {why}", paths.join(", "));
        notices.push(Notice::normal(reason, "Prepare", note));
    }
    notices
}
