//! What an index that is Drover's needs done. Pure.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{
    changes::{Changes, Declared, mark_of, not_in_place},
    decision::{Plan, Stand, Step},
    drift::{drift, is_settled},
    ownership::is_adopted,
};
use crate::{
    api::index::{DriftPolicy, Index, IndexState},
    elasticsearch::{
        snapshot::LiveIndex,
        values::{Difference, aliases, mark::Mark, settings::SettingChange},
    },
};

/// Decides what is next for an index that is, or is being made, Drover's.
pub(super) fn owned(
    index: &Index,
    declared: &Declared,
    live: &LiveIndex,
    changes: Changes,
) -> Plan {
    let adopted = is_adopted(index, live);
    let mut differences = changes.differences(index);
    differences.extend(changes.lost_mark().filter(|_| is_settled(index)));
    // What can't be made so is outstanding for ever, whoever made it differ: it never turns into
    // drift by waiting.
    let stuck = stuck(index, live, &changes);
    differences.retain(|it| !stuck.contains(&it.path));
    let drift = drift(index, &differences);
    let changes = match index.spec.drift_policy {
        DriftPolicy::Enforce => changes,
        DriftPolicy::Report => {
            let paths = drift.iter().map(|it| it.path.clone()).collect();
            changes.without(&paths, declared, live)
        }
    };
    let closed_soon = index.spec.state == IndexState::Closed;
    let (closed_only, fixed): (Vec<_>, Vec<_>) = changes
        .settings
        .iter()
        .filter(|it| !Changes::in_place(it, closed_soon || !live.is_open()))
        .partition(|it| Changes::in_place(it, true));
    let mut reindex: Vec<Difference> = fixed.into_iter().map(not_in_place).collect();
    reindex.extend(closed_only.iter().map(|it| not_in_place(it)));
    reindex.extend(changes.impossible.iter().cloned());
    let mut later = Vec::new();
    if live.is_open() && closed_soon {
        let waits =
            |it: &&SettingChange| !Changes::in_place(it, false) && Changes::in_place(it, true);
        let settings: Vec<_> = changes.settings.iter().filter(waits).cloned().collect();
        later.extend((!settings.is_empty()).then_some(Step::Settings(settings)));
    }
    let closed_only = closed_only.into_iter().map(SettingChange::path).collect();
    let steps = steps(index, declared, live, changes, adopted);
    Plan {
        stand: Stand::Owned,
        steps,
        drift,
        reindex,
        closed_only,
        later,
        declared: None,
        adopted,
        held: Vec::new(),
    }
}

/// The paths of what can't be changed in this index, as it is and as it shall be.
fn stuck(index: &Index, live: &LiveIndex, changes: &Changes) -> BTreeSet<String> {
    let closed = index.spec.state == IndexState::Closed || !live.is_open();
    let settings = changes.settings.iter().filter(|it| !Changes::in_place(it, closed));
    let fields = changes.impossible.iter().map(|it| it.path.clone());
    settings.map(SettingChange::path).chain(fields).collect()
}

/// The calls, in an order in which each is possible.
fn steps(
    index: &Index,
    declared: &Declared,
    live: &LiveIndex,
    changes: Changes,
    adopted: bool,
) -> Vec<Step> {
    let name = &live.physical_name;
    let now_closed = !live.is_open();
    let mut steps = Vec::new();
    let mut body = changes.mapping.unwrap_or_default();
    if changes.unmarked || changes.meta.is_some() {
        let mark = Mark { adopted, ..mark_of(index) };
        // The mark goes into what is there, unless that is to change.
        let nothing = Map::new();
        let desired = if changes.meta.is_some() { &declared.mappings } else { &nothing };
        let meta = mark.merged_into(desired, &live.content.mappings());
        if changes.unmarked && !body.is_empty() {
            // On its own, so that a field that is refused does not hold it back.
            let meta = Map::from_iter([("_meta".to_owned(), Value::Object(meta))]);
            steps.push(Step::Mapping(meta));
        } else {
            body.insert("_meta".into(), Value::Object(meta));
        }
    }
    let settings: Vec<SettingChange> =
        changes.settings.into_iter().filter(|it| Changes::in_place(it, now_closed)).collect();
    // The mark comes first: whatever a crash leaves behind is known for Drover's.
    if !body.is_empty() {
        steps.push(Step::Mapping(body));
    }
    if !settings.is_empty() {
        steps.push(Step::Settings(settings));
    }
    if !changes.aliases.is_empty() {
        steps.push(Step::Aliases(aliases::actions(name, &changes.aliases)));
    }
    match changes.state {
        Some(IndexState::Open) => steps.push(Step::Close),
        Some(IndexState::Closed) => steps.push(Step::Open),
        None => {}
    }
    steps
}
