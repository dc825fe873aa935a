//! How each setting stands between the spec, elasticsearch.yml and the running cluster. Pure.

use std::collections::BTreeMap;

use serde_json::json;

use super::observe::Current;
use crate::{
    api::{
        index::DriftPolicy,
        line::Line,
        live::{LiveSetting, LiveSettings, LiveState},
    },
    elasticsearch::{
        cluster_settings::{Cause, ClusterSettings, Refused},
        values::settings::alike,
    },
};

/// The most settings that a status lists.
const MOST: usize = 64;

/// The settings that are `declared` otherwise than the files have them, or were, by name.
#[must_use]
pub fn changes(
    declared: &BTreeMap<String, String>,
    record: &LiveSettings,
    current: &Current,
    policy: DriftPolicy,
) -> Vec<LiveSetting> {
    let is_other = |name: &str, value: &String| record.files.get(name) != Some(value);
    let wanted = |name: &str| declared.get(name).filter(|it| is_other(name, it));
    let known = record.changes.iter();
    let known = known.filter_map(|it| carried(it, wanted(&it.name), current));
    let known = known.filter_map(|it| judged(it, current, policy));
    let mut changes: Vec<LiveSetting> = known.collect();
    for (name, value) in declared.iter().filter(|(name, value)| is_other(name, value)) {
        if changes.len() < MOST && !changes.iter().any(|it| it.name == *name) {
            changes.push(begun(name, value, current, policy));
        }
    }
    changes.sort_by(|a, b| a.name.cmp(&b.name));
    changes
}

fn change(name: &str, value: &str, before: Option<String>, state: LiveState) -> LiveSetting {
    LiveSetting { name: name.to_owned(), value: value.to_owned(), before, state, message: None }
}

/// A setting that was not otherwise before: what is there was not set by Drover.
fn begun(name: &str, value: &str, current: &Current, policy: DriftPolicy) -> LiveSetting {
    let is_set = current.set.persistent.get(name).is_some_and(|it| alike(it, value));
    let state = if is_set { LiveState::Foreign } else { LiveState::Pending };
    let new = change(name, value, None, state);
    judged(new.clone(), current, policy).unwrap_or(new)
}

/// What becomes of a change that is on record, where the spec wants this of it by now.
fn carried(known: &LiveSetting, wanted: Option<&String>, current: &Current) -> Option<LiveSetting> {
    let ours = ours(known, current);
    let withdrawn = |value: String| change(&known.name, &value, None, LiveState::Withdrawn);
    match (known.state, wanted) {
        (LiveState::Unseen, None) if ours.is_none() => {
            let message = known.message.clone();
            Some(LiveSetting { message, ..withdrawn(known.value.clone()) })
        }
        (LiveState::Withdrawn, None) => Some(known.clone()),
        (_, None) => ours.map(withdrawn),
        (LiveState::Restart, Some(value)) => (*value == known.value).then(|| known.clone()),
        (LiveState::Withdrawn, Some(value)) => {
            Some(change(&known.name, value, ours, LiveState::Pending))
        }
        (LiveState::Refused | LiveState::Unseen, Some(value)) if *value == known.value => {
            Some(known.clone())
        }
        (
            LiveState::Pending | LiveState::Live | LiveState::Foreign | LiveState::Drifted,
            Some(value),
        ) if alike(value, &known.value) => Some(known.clone()),
        (LiveState::Foreign | LiveState::Drifted, Some(_)) if ours.is_none() => None,
        (_, Some(value)) => Some(change(&known.name, value, ours, LiveState::Pending)),
    }
}

/// The value that Drover itself has set in the running cluster, as far as is known.
fn ours(known: &LiveSetting, current: &Current) -> Option<String> {
    let set = current.set.persistent.get(&known.name);
    match known.state {
        LiveState::Withdrawn if known.message.is_some() => None,
        LiveState::Live | LiveState::Withdrawn => Some(known.value.clone()),
        // It was set, and nobody has seen it yet; also what was refused is asked for again.
        LiveState::Pending | LiveState::Refused | LiveState::Unseen
            if set.is_some_and(|it| alike(it, &known.value)) =>
        {
            Some(known.value.clone())
        }
        LiveState::Pending | LiveState::Refused | LiveState::Foreign | LiveState::Drifted => {
            known.before.clone()
        }
        LiveState::Restart | LiveState::Unseen => None,
    }
}

/// How a change stands by what is set in the running cluster; nothing where it is over.
fn judged(change: LiveSetting, current: &Current, policy: DriftPolicy) -> Option<LiveSetting> {
    let set = current.set.persistent.get(&change.name);
    let is = |value: &str| set.is_some_and(|it| alike(it, value));
    match change.state {
        LiveState::Restart => return Some(change),
        LiveState::Refused if !is(&change.value) => {
            let is_it = |it: &&Refused| *it.name == *change.name && *it.value == *change.value;
            let unseen = current.refused.iter().filter(is_it).find(|it| it.cause == Cause::Unseen);
            return Some(unseen.map_or_else(|| change.clone(), |it| of_nobody(&change, it)));
        }
        LiveState::Unseen if !is(&change.value) => return Some(change),
        // What somebody has written since is the last word, and what nobody sees is told of.
        LiveState::Withdrawn if set.is_none() && change.message.is_some() => return Some(change),
        LiveState::Withdrawn => {
            return is(&change.value).then_some(LiveSetting { message: None, ..change });
        }
        LiveState::Refused
        | LiveState::Unseen
        | LiveState::Pending
        | LiveState::Live
        | LiveState::Foreign
        | LiveState::Drifted => {}
    }
    let of = |it: &LiveSetting, before: Option<String>, state: LiveState, why: Option<String>| {
        let message = why.map(|it| Line::new(&it));
        LiveSetting { name: it.name.clone(), value: it.value.clone(), before, state, message }
    };
    let ours = ours(&change, current);
    if let Some(other) = current.set.transient.get(&change.name) {
        if alike(other, &change.value) {
            return Some(of(&change, ours, LiveState::Foreign, None));
        }
        // It is gone after a restart of the cluster, and nobody but who has set it knows why.
        let why = format!("somebody has set {other} as a transient setting, which wins");
        return Some(of(&change, ours, LiveState::Drifted, Some(why)));
    }
    let is_ours = ours.as_deref().is_some_and(is);
    if is(&change.value) {
        let is_foreign = match change.state {
            LiveState::Foreign | LiveState::Drifted => !is_ours,
            _ => false,
        };
        let state = if is_foreign { LiveState::Foreign } else { LiveState::Live };
        return Some(of(&change, None, state, None));
    }
    let refused = current.refused.iter().find(|it| {
        *it.name == *change.name && (it.cause == Cause::Restart || *it.value == *change.value)
    });
    if let Some(refused) = refused {
        return Some(match refused.cause {
            Cause::Restart if ours.is_none() => of(&change, ours, LiveState::Restart, None),
            Cause::Unseen => of_nobody(&change, refused),
            _ => of(&change, ours, LiveState::Refused, Some(refused.why.to_string())),
        });
    }
    let is_untouched = change.state == LiveState::Pending
        && match set {
            None => change.before.is_none(),
            Some(_) => is_ours,
        };
    if is_untouched || policy == DriftPolicy::Enforce {
        // The words of a refusal stay until it is seen to be taken.
        let message = change.message.clone().filter(|_| change.state == LiveState::Pending);
        let pending = of(&change, ours.filter(|_| is_ours), LiveState::Pending, None);
        return Some(LiveSetting { message, ..pending });
    }
    let why = match set {
        Some(other) => format!("somebody has set {other} in the running cluster"),
        None => "somebody has taken it away in the running cluster".to_owned(),
    };
    Some(of(&change, None, LiveState::Drifted, Some(why)))
}

/// A value that nobody sees, with what a person has to do about it.
fn of_nobody(change: &LiveSetting, unseen: &Refused) -> LiveSetting {
    let (name, value) = (change.name.clone(), change.value.clone());
    let body = json!({ "persistent": { name.as_str(): null } });
    let why = format!("{}. To take it away, send PUT _cluster/settings {body}", unseen.why);
    let message = Some(Line::new(&why));
    LiveSetting { name, value, before: None, state: LiveState::Unseen, message }
}

/// Whether what is set there now may be written over: it is Drover's own, or nothing. What somebody else has
/// set is replaced under the policy Enforce, and never taken away.
#[must_use]
pub fn may_be_set(change: &LiveSetting, now: &ClusterSettings, policy: DriftPolicy) -> bool {
    let set = now.persistent.get(&change.name);
    let is = |value: &str| set.is_some_and(|it| alike(it, value));
    match change.state {
        LiveState::Withdrawn => is(&change.value),
        LiveState::Pending | LiveState::Refused if now.transient.contains_key(&change.name) => {
            false
        }
        LiveState::Pending | LiveState::Refused => {
            let is_own = set.is_none() || change.before.as_deref().is_some_and(is);
            is_own || policy == DriftPolicy::Enforce
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
