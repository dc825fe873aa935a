//! Which settings are changed in the running cluster, and which take a run over the hosts. Pure.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use serde_json::Value;

use super::{
    super::{drain::record, managed::observe::Seen, rollout::outdated::Outdated},
    changes::{changes, may_be_set},
    observe::Current,
};
use crate::{
    api::{
        cluster::Cluster,
        cluster_status::ClusterStatus,
        index::Mode,
        live::{LiveSetting, LiveSettings, LiveState},
    },
    controllers::deployment,
    deploy::shared::{shared, value_of},
    elasticsearch::{
        cluster_settings::{Cause, Refused},
        values::settings::alike,
    },
};

/// What was decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// How the settings stand, as the status has to tell it before anything is done.
    pub record: Option<LiveSettings>,
    /// What is to be set in the running cluster, and with null taken back; empty where nothing is.
    pub act: BTreeMap<String, Value>,
}

/// Whether the running cluster has to be asked what is set there.
#[must_use]
pub fn is_concerned(cluster: &Cluster) -> bool {
    let Some(record) = recorded(cluster).filter(|_| !is_held(cluster)) else { return false };
    let is_declared_so = declared(cluster).is_some_and(|it| it == record.files);
    !is_declared_so || !record.changes.is_empty()
}

/// Decides, and plans by that what hosts run. `current`: what is set in the running cluster; nothing where that
/// is not known, and then all stays as it is on record.
#[must_use]
pub fn next(cluster: &Cluster, seen: &mut Seen, current: Option<&Current>) -> Decision {
    let before = recorded(cluster).map(|it| asked_anew(cluster, it));
    let stays = Decision { record: before.clone(), act: BTreeMap::new() };
    let Some(declared) = declared(cluster).filter(|_| !is_held(cluster)) else { return stays };
    // What the files say is known only of hosts that run what is declared.
    let is_right = Outdated::find(cluster, seen).is_some_and(|it| it.is_all_right());
    let Some(mut record) = before else {
        let record = is_right.then(|| LiveSettings { files: declared, changes: Vec::new() });
        return Decision { record, ..stays };
    };
    if is_right {
        note_files(&mut record, &declared);
    }
    let Some(current) = current else {
        return Decision { record: Some(record), ..stays };
    };
    record.changes = changes(&declared, &record, current, cluster.spec.drift_policy);
    seen.replan(&with(cluster, Some(record.clone())));
    let Some(outdated) = Outdated::find(cluster, seen) else {
        seen.replan(cluster);
        return stays;
    };
    if outdated.is_any() {
        // Something else is to be brought to the hosts, and the files get all of it.
        record.changes = record.changes.into_iter().map(rolled).collect();
        seen.replan(&with(cluster, Some(record.clone())));
        return Decision { record: Some(record), ..stays };
    }
    let is_all_right = outdated.is_all_right();
    let is_in_files =
        |it: &LiveSetting| is_all_right || record.files.get(&it.name) == declared.get(&it.name);
    let set = record.changes.iter().filter_map(|it| match it.state {
        LiveState::Pending => Some((it.name.clone(), value_of(&it.value))),
        LiveState::Withdrawn if it.message.is_none() && is_in_files(it) => {
            Some((it.name.clone(), Value::Null))
        }
        _ => None,
    });
    let mut act: BTreeMap<String, Value> = set.collect();
    if act.is_empty() && current.is_time && cluster.spec.mode == Mode::Apply {
        // It stays on record as refused, with the value: what is set after all is seen by that.
        let again = record.changes.iter().filter(|it| may_be_asked(it, current, cluster));
        act = again.map(|it| (it.name.clone(), value_of(&it.value))).collect();
    }
    Decision { record: Some(record), act }
}

/// Whether a value that was refused may be taken by now, and may be set there: what Elasticsearch did not name may
/// have been refused for something else.
fn may_be_asked(change: &LiveSetting, current: &Current, cluster: &Cluster) -> bool {
    let is_named = |it: &Refused| {
        *it.name == *change.name && *it.value == *change.value && it.cause == Cause::Value
    };
    change.state == LiveState::Refused
        && !current.refused.iter().any(is_named)
        && may_be_set(change, &current.set, cluster.spec.drift_policy)
}

/// Whether Elasticsearch has refused any value that the spec has yet.
#[must_use]
pub fn is_any_refused(cluster: &Cluster) -> bool {
    let mut changes = recorded(cluster).into_iter().flat_map(|it| &it.changes);
    changes.any(|it| it.state == LiveState::Refused)
}

/// The hosts whose Elasticsearch runs otherwise than it shall; nothing as long as it can't be asked whether what
/// is declared otherwise takes a run at all. A run in hand goes on.
#[must_use]
pub fn outdated(
    cluster: &Cluster,
    seen: Option<&Seen>,
    current: Option<&Current>,
) -> Option<Outdated> {
    Outdated::find(cluster, seen.filter(|_| !is_unasked(cluster, current))?)
}

/// Whether that can't be asked yet. What else is wanted waits too: hosts run what they shall before a request is
/// followed.
#[must_use]
pub fn is_unasked(cluster: &Cluster, current: Option<&Current>) -> bool {
    current.is_none() && !is_held(cluster) && !unheeded(cluster).is_empty()
}

/// The names of settings that were refused, and are asked once more: another spec came since, and what it
/// changes may have been the cause.
#[must_use]
pub fn to_ask_anew(cluster: &Cluster) -> Vec<&str> {
    let is_new = is_new(cluster);
    let changes = recorded(cluster).into_iter().flat_map(|it| &it.changes);
    let refused = changes.filter(|it| is_new && it.state.is_refused());
    refused.map(|it| it.name.as_str()).collect()
}

/// Whether another spec came since the status was written.
fn is_new(cluster: &Cluster) -> bool {
    let observed = cluster.status.as_ref().and_then(|it| it.observed_generation);
    observed != cluster.metadata.generation
}

/// The record with those to be set. They keep the words of the refusal: see [`rolled`].
fn asked_anew(cluster: &Cluster, record: &LiveSettings) -> LiveSettings {
    let (names, files, mut record) = (to_ask_anew(cluster), &record.files, record.clone());
    // Nothing is to be set any more: the spec has it no longer, or has it as the files do.
    let is_gone = |name: &str| {
        declared(cluster)
            .is_some_and(|it| it.get(name).is_none_or(|it| files.get(name) == Some(it)))
    };
    for change in record.changes.iter_mut().filter(|it| names.contains(&it.name.as_str())) {
        if change.state == LiveState::Unseen && is_gone(&change.name) {
            continue;
        }
        change.state = LiveState::Pending;
    }
    // People were told what is theirs to do.
    record.changes.retain(|it| !is_new(cluster) || !it.is_left_to_people());
    record
}

/// The object with what was decided on record.
#[must_use]
pub fn noted<'a>(cluster: &'a Cluster, decision: &Decision) -> Cow<'a, Cluster> {
    match &decision.record {
        Some(record) if recorded(cluster) != Some(record) => {
            Cow::Owned(with(cluster, Some(record.clone())))
        }
        _ => Cow::Borrowed(cluster),
    }
}

/// The same object with this record in its status.
fn with(cluster: &Cluster, record: Option<LiveSettings>) -> Cluster {
    let status = cluster.status.clone().unwrap_or_default();
    let status = Some(ClusterStatus { live_settings: record, ..status });
    Cluster { metadata: cluster.metadata.clone(), spec: cluster.spec.clone(), status }
}

/// What the status has on record.
#[must_use]
pub fn recorded(cluster: &Cluster) -> Option<&LiveSettings> {
    cluster.status.as_ref()?.live_settings.as_ref()
}

/// What the spec says for all nodes alike; nothing where it can't be worked with.
fn declared(cluster: &Cluster) -> Option<BTreeMap<String, String>> {
    let elasticsearch = cluster.spec.elasticsearch.as_ref()?;
    shared(&elasticsearch.node_groups, &known(cluster)).filter(|_| deployment::is_managed(cluster))
}

/// The names on record: what is set in the running cluster, or was refused, before what only files say.
fn known(cluster: &Cluster) -> Vec<&str> {
    let Some(record) = recorded(cluster) else { return Vec::new() };
    let changes = record.changes.iter().map(|it| &it.name);
    changes.chain(record.files.keys()).map(String::as_str).collect()
}

/// Whether nothing is begun: what hosts are to run stays as it is while a run or a drain is under way.
#[must_use]
pub fn is_held(cluster: &Cluster) -> bool {
    cluster.spec.paused
        || cluster.metadata.deletion_timestamp.is_some()
        || cluster.status.as_ref().is_none_or(is_busy)
}

/// Whether anything is under way that what hosts are to run must not change under. A drain that waits, or has
/// come to its end and stays on record as long as its node runs, may do so for ever.
#[must_use]
pub fn is_busy(status: &ClusterStatus) -> bool {
    let is_in_flight = |it| record::drain(it).is_in_flight();
    status.rollout.is_some()
        || status.drain.as_ref().is_some_and(is_in_flight)
        || status.formation.is_some()
        || status.removal.is_some()
}

/// The names of settings that are declared otherwise than is on record: the spec has no effect on them yet.
#[must_use]
pub fn unheeded(cluster: &Cluster) -> BTreeSet<String> {
    let (Some(record), Some(declared)) = (recorded(cluster), declared(cluster)) else {
        return BTreeSet::new();
    };
    let stand = || record.changes.iter().filter(|it| it.state != LiveState::Withdrawn);
    let is_heeded = |name: &String, value: &String| match stand().find(|it| it.name == *name) {
        Some(change) => alike(&change.value, value),
        None => record.files.get(name) == Some(value),
    };
    let others = declared.iter().filter(|(name, value)| !is_heeded(name, value));
    // What a run was to bring comes to no file any more, and takes nothing back.
    let gone = stand().filter(|it| it.state != LiveState::Restart);
    let gone = gone.map(|it| &it.name).filter(|it| !declared.contains_key(*it));
    others.map(|it| it.0).chain(gone).cloned().collect()
}

/// The change where a run brings all that differs. What Elasticsearch has refused comes to no file, nor does
/// what is asked once more.
fn rolled(change: LiveSetting) -> LiveSetting {
    if change.state == LiveState::Pending && change.message.is_some() {
        return change;
    }
    let ours = match change.state {
        LiveState::Restart | LiveState::Withdrawn | LiveState::Refused | LiveState::Unseen => {
            return change;
        }
        LiveState::Live => Some(change.value.clone()),
        LiveState::Pending | LiveState::Foreign | LiveState::Drifted => change.before.clone(),
    };
    let before = None;
    match ours {
        Some(value) => {
            LiveSetting { value, before, state: LiveState::Withdrawn, message: None, ..change }
        }
        None => LiveSetting { before, state: LiveState::Restart, message: None, ..change },
    }
}

/// All hosts run what they shall: their files say what is declared, but for what is kept out of them.
fn note_files(record: &mut LiveSettings, declared: &BTreeMap<String, String>) {
    record.changes.retain(|it| it.state != LiveState::Restart);
    let mut files = declared.clone();
    for change in record.changes.iter().filter(|it| it.state.is_kept_out_of_files()) {
        match record.files.get(&change.name) {
            Some(value) => files.insert(change.name.clone(), value.clone()),
            None => files.remove(&change.name),
        };
    }
    record.files = files;
}

#[cfg(test)]
mod tests;
