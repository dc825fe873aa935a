//! What an Index's status says after a reconcile. Pure.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    apply::{Fate, Outcome, call, what},
    decision::{Plan, Stand, Step},
    drift::{DIGESTS, digest, is_shown_whole, quoted},
    findings,
    observe::Observed,
};
use crate::{
    api::{
        cluster_status::Health,
        condition::{self, find, is_true, whole_second},
        index::{AppliedStatus, DriftEntry, Index, IndexStatus, PlannedCall, conditions},
    },
    controllers::{health::health as word, lists::omitted},
    elasticsearch::{
        error::Category,
        names::OneIndex,
        snapshot::{IndexView, LiveIndex, moved},
        values::{Difference, aliases, settings},
    },
    kubernetes::events::Notice,
};

/// The most entries of a list in a status.
const ENTRIES: usize = 50;
/// The most of one planned body that a status shows, in bytes.
const BODY: usize = 32 << 10;
/// The most of all of them together, in bytes: an object has to fit what etcd takes.
const BODIES: usize = 128 << 10;

/// The status of `index` after this reconcile; nothing where the stored one says all that is known.
#[must_use]
pub fn after(
    index: &Index,
    seen: &Observed,
    plan: &Plan,
    outcome: &Outcome,
    now: Timestamp,
) -> Option<IndexStatus> {
    let untold = outcome.failures.is_empty() && outcome.foreign.is_none();
    let settling = plan.stand == Stand::Unread
        || outcome.put_off.is_some() && outcome.done.is_empty()
        || outcome.fate == Some(Fate::Created);
    if settling && untold
        || matches!(plan.stand, Stand::Gone(_))
        || outcome.fate == Some(Fate::Deleted)
    {
        // The next look, which is on its way, knows more.
        return None;
    }
    let before = index.status.clone().unwrap_or_default();
    let generation = index.metadata.generation;
    let findings = findings::conditions(index, seen, plan, outcome);
    let synced = findings.iter().any(|it| it.kind == conditions::SYNCED && it.status == Some(true));
    let conditions = condition::conditions(&before.conditions, findings, generation, now);
    let live = match (&seen.live, &plan.stand) {
        (IndexView::Present(live), Stand::Owned | Stand::Announced | Stand::Deleting) => {
            Some(live.as_ref())
        }
        _ => None,
    };
    let health = health(&before, seen, plan, live);
    let write_block = match (&plan.stand, live) {
        (Stand::Announced, Some(live)) => Some(!blocks_writes(live)),
        (Stand::Deleting | Stand::NoCluster, _) => before.write_block,
        _ => None,
    };
    // What can't be looked at is as it was, for all that is known.
    let found = drift(&before.drift, &plan.drift, now);
    let (drift, drift_omitted, drift_digests) = if plan.is_blind() {
        (before.drift.clone(), before.drift_omitted, before.drift_digests.clone())
    } else {
        (
            found.iter().take(ENTRIES).cloned().collect(),
            omitted(found.len(), ENTRIES),
            digests(&plan.drift),
        )
    };
    let calls: Vec<&Step> = plan.held.iter().collect();
    let physical =
        live.map_or_else(|| index.public_name().to_owned(), |it| it.physical_name.clone());
    let physical = OneIndex::new(&physical).ok();
    Some(IndexStatus {
        observed_generation: generation,
        conditions,
        uuid: live
            .filter(|it| is_claimed(index, it, outcome))
            .map(|it| it.marks.uuid.clone())
            .or_else(|| before.uuid.clone()),
        physical_name: live
            .map(|it| it.physical_name.clone())
            .or_else(|| before.physical_name.clone()),
        adopted: live
            .filter(|it| plan.stand == Stand::Owned && is_claimed(index, it, outcome))
            .map_or(before.adopted, |_| Some(plan.adopted)),
        health,
        primaries: live.and_then(|it| it.health).map(|it| it.primaries).or(before.primaries),
        replicas: live.and_then(|it| it.health).map(|it| it.replicas).or(before.replicas),
        documents: steady(
            before.documents,
            live.and_then(|it| it.figures).map(|it| it.documents),
            seen.rechecked,
        ),
        store_bytes: steady(
            before.store_bytes,
            live.and_then(|it| it.figures).map(|it| it.store_bytes),
            seen.rechecked,
        ),
        synced_generation: if synced { generation } else { before.synced_generation },
        applied: applied(index, live, plan, outcome),
        write_block,
        drift,
        drift_omitted,
        drift_digests,
        plan_omitted: omitted(calls.len(), ENTRIES),
        plan: physical.map_or_else(Vec::new, |physical| {
            let mut room = BODIES;
            let calls = calls.into_iter().take(ENTRIES);
            calls.map(|it| planned(it, index, &physical, &mut room)).collect()
        }),
    })
}

/// The figure that stands in the status until it has moved enough, also over a restart.
fn steady(before: Option<u64>, now: Option<u64>, rechecked: bool) -> Option<u64> {
    match (before, now) {
        (Some(before), Some(now)) if !rechecked || !moved(before, now) => Some(before),
        (before, now) => now.or(before),
    }
}

fn health(
    before: &IndexStatus,
    seen: &Observed,
    plan: &Plan,
    live: Option<&LiveIndex>,
) -> Option<Health> {
    match live {
        Some(live) => Some(live.health.map_or(Health::Unknown, |it| word(it.status))),
        None if plan.stand == Stand::NoCluster => before.health.map(|_| Health::Unknown),
        None if matches!(seen.live, IndexView::Missing) => None,
        None => before.health.map(|_| Health::Unknown),
    }
}

fn blocks_writes(live: &LiveIndex) -> bool {
    let settings = live.content.settings();
    settings.get("index.blocks.write").is_some_and(|it| it == "true")
}

/// What Drover set: all that the spec declares; in an index that it adopted, only what it wrote.
/// What is not yet as declared, for whatever reason, stays on record as it was.
fn applied(
    index: &Index,
    live: Option<&LiveIndex>,
    plan: &Plan,
    outcome: &Outcome,
) -> Option<AppliedStatus> {
    let before = index.status.as_ref().and_then(|it| it.applied.as_ref());
    let (Some(declared), Some(live)) = (&plan.declared, live) else { return before.cloned() };
    if before.is_none() && !is_claimed(index, live, outcome) {
        return None;
    }
    let empty = AppliedStatus::default();
    let before = before.unwrap_or(&empty);
    let changes =
        settings::difference(&declared.settings, &live.content.settings(), &before.settings);
    let differing = changes.iter().map(|it| &*it.key).collect();
    let settings = Ledger {
        before: before.settings.iter().map(String::as_str).collect(),
        declared: declared.settings.keys().map(String::as_str).collect(),
        differing,
        written: outcome.written_settings.iter().map(String::as_str).collect(),
    };
    let changes = aliases::difference(&declared.aliases, &live.content.aliases(), &before.aliases);
    let differing: BTreeSet<&str> = changes.iter().map(|it| &*it.name).collect();
    let aliases = Ledger {
        before: before.aliases.iter().map(String::as_str).collect(),
        declared: declared.aliases.keys().map(String::as_str).collect(),
        written: if outcome.written_aliases { written_aliases(plan) } else { BTreeSet::new() },
        differing,
    };
    Some(AppliedStatus {
        settings: settings.after(plan.adopted),
        aliases: aliases.after(plan.adopted),
    })
}

/// The names that the alias call of `plan` is about.
fn written_aliases(plan: &Plan) -> BTreeSet<&str> {
    let bodies = plan.steps.iter().filter_map(|it| match it {
        Step::Aliases(body) => body.get("actions")?.as_array(),
        _ => None,
    });
    let actions = bodies.flatten().filter_map(serde_json::Value::as_object);
    actions.flat_map(serde_json::Map::values).filter_map(|it| it.get("alias")?.as_str()).collect()
}

/// One sort of things that Drover sets, by name.
struct Ledger<'a> {
    before: BTreeSet<&'a str>,
    declared: BTreeSet<&'a str>,
    /// What was not as declared when it was last looked at.
    differing: BTreeSet<&'a str>,
    written: BTreeSet<&'a str>,
}

impl Ledger<'_> {
    fn after(&self, adopted: bool) -> Vec<String> {
        let is_ours = |name: &str| {
            let known = self.before.contains(name);
            let written = self.written.contains(name);
            if self.differing.contains(name) && !written {
                return known;
            }
            self.declared.contains(name) && (!adopted || written || known)
        };
        let all: BTreeSet<&str> = self.before.union(&self.declared).copied().collect();
        all.into_iter().filter(|it| is_ours(it)).map(str::to_owned).collect()
    }
}

/// Whether the index is known for Drover's, or was made so by what was just written: mode Plan takes
/// nothing over.
fn is_claimed(index: &Index, live: &LiveIndex, outcome: &Outcome) -> bool {
    let known = index.status.as_ref().and_then(|it| it.uuid.as_ref());
    let marked = || live.content.mark().map(|it| it.uid) == index.metadata.uid;
    known == Some(&live.marks.uuid) || !outcome.done.is_empty() || marked()
}

fn drift(before: &[DriftEntry], found: &[Difference], now: Timestamp) -> Vec<DriftEntry> {
    let mut entries: Vec<DriftEntry> = found
        .iter()
        .map(|difference| {
            let since = before
                .iter()
                .find(|it| it.path == difference.path)
                .map_or_else(|| Time(whole_second(now)), |it| it.since.clone());
            DriftEntry {
                path: difference.path.clone(),
                desired: quoted(difference.desired.as_ref()),
                live: quoted(difference.live.as_ref()),
                since,
            }
        })
        .collect();
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    entries
}

/// What stands for the differences that the list of `drift` does not show in full.
fn digests(found: &[Difference]) -> Vec<String> {
    let mut sorted: Vec<&Difference> = found.iter().collect();
    sorted.sort_by(|a, b| a.path.cmp(&b.path));
    let (listed, others) = sorted.split_at(sorted.len().min(ENTRIES));
    let cut = listed.iter().filter(|it| !is_shown_whole(it));
    cut.chain(others).take(DIGESTS).map(|it| digest(it)).collect()
}

/// A call as people are shown it; of its body no more than there is still `room` for.
fn planned(step: &Step, index: &Index, physical: &OneIndex, room: &mut usize) -> PlannedCall {
    let call = call(step, index, physical, "");
    let length = call.body.as_ref().map_or(0, String::len);
    let body = call.body.map(|mut it| {
        it.truncate(it.floor_char_boundary(BODY.min(*room)));
        it
    });
    let shown = body.as_ref().map_or(0, String::len);
    *room -= shown;
    PlannedCall {
        method: call.method.to_string(),
        path: call.path,
        body,
        body_omitted: omitted(length, shown),
        reason: what(step).to_owned(),
    }
}

/// Lets `change` at every text of `status` that the server's words may have gone into.
pub fn reword(status: &mut IndexStatus, mut change: impl FnMut(&mut String)) {
    let drift = status.drift.iter_mut().filter_map(|it| it.live.as_mut());
    let bodies = status.plan.iter_mut().filter_map(|it| it.body.as_mut());
    drift.chain(bodies).for_each(&mut change);
    status.conditions.iter_mut().for_each(|it| it.reword(&mut change));
}

/// What people should hear of this reconcile.
#[must_use]
pub fn notices(index: &Index, plan: &Plan, outcome: &Outcome) -> Vec<Notice> {
    let mut notices = Vec::new();
    let name = index.public_name();
    if outcome.fate == Some(Fate::Created) {
        notices.push(Notice::normal("IndexCreated", "Create", format!("created index '{name}'")));
    } else if !outcome.done.is_empty() && outcome.fate.is_none() {
        let (reason, why) = if plan.drift.is_empty() {
            ("IndexUpdated", "to match the spec")
        } else {
            ("DriftCorrected", "since somebody else changed it")
        };
        let note = format!("{} of index '{name}', {why}", outcome.done.join(", "));
        notices.push(Notice::normal(reason, "Update", note));
    }
    if outcome.fate == Some(Fate::Deleted) {
        notices.push(Notice::normal("IndexDeleted", "Delete", format!("deleted index '{name}'")));
    }
    if outcome.fate == Some(Fate::Kept) {
        let note = format!("kept index '{name}', since it holds documents");
        notices.push(Notice::warning("IndexKept", "Delete", note));
    }
    if let Stand::Gone(Some(left)) = &plan.stand {
        notices.push(Notice::warning("LeftBehind", "Delete", left.clone()));
    }
    let before = index.status.as_ref().map(|it| it.conditions.as_slice()).unwrap_or_default();
    if !plan.drift.is_empty() && !is_true(before, conditions::DRIFTED) {
        let paths: Vec<&str> = plan.drift.iter().map(|it| it.path.as_str()).collect();
        let note = format!("index '{name}' was changed by somebody else: {}", paths.join(", "));
        notices.push(Notice::warning("DriftFound", "Observe", note));
    }
    for failure in outcome.failures.iter().take(findings::FAILURES) {
        if failure.error.category() == Category::Rejected {
            let note = failure.text();
            let known =
                find(before, conditions::SYNCED).is_some_and(|it| it.message.contains(&note));
            if !known {
                notices.push(Notice::warning("IndexUpdateRejected", "Update", note));
            }
        }
    }
    notices
}
