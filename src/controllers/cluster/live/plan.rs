//! Which settings are changed in the running cluster, and which take a run over the hosts. Pure.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::Value;

use super::{
    super::{managed::observe::Seen, rollout::outdated::Outdated},
    changes::changes,
    observe::Current,
};
use crate::{
    api::{
        cluster::{Cluster, ClusterStatus},
        live::{LiveSetting, LiveSettings, LiveState},
    },
    controllers::deployment,
    deploy::shared::{shared, value_of},
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
    let before = recorded(cluster).cloned();
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
        LiveState::Withdrawn if is_in_files(it) => Some((it.name.clone(), Value::Null)),
        _ => None,
    });
    let act = set.collect();
    Decision { record: Some(record), act }
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
    shared(&elasticsearch.node_groups).filter(|_| deployment::is_managed(cluster))
}

/// Whether nothing is begun: what hosts are to run stays as it is while a run or a drain is under way.
fn is_held(cluster: &Cluster) -> bool {
    let is_busy = |it: &ClusterStatus| {
        it.rollout.is_some() || it.drain.is_some() || it.formation.is_some() || it.removal.is_some()
    };
    cluster.spec.paused
        || cluster.metadata.deletion_timestamp.is_some()
        || cluster.status.as_ref().is_none_or(is_busy)
}

/// The change where a run brings all that differs. What Elasticsearch has refused comes to no file.
fn rolled(change: LiveSetting) -> LiveSetting {
    let ours = match change.state {
        LiveState::Restart | LiveState::Withdrawn | LiveState::Refused => return change,
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
