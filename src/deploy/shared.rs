//! Settings that all groups of nodes have alike: only these can be changed in the running cluster, whose
//! settings are those of every node.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    config::{self, Settings},
    groups::PATH,
};
use crate::api::{elasticsearch::NodeGroup, fields::JsonObject};

/// The most settings that are kept track of.
const MOST: usize = 64;
/// The longest name, and the longest value as text, of one that is.
const NAME: usize = 253;
const VALUE: usize = 1024;
/// What a cluster takes and never shows again, by the beginning of the name, so that nobody can tell whether it
/// is set: the filters of Elasticsearch's `Monitoring.getSettingsFilter` hide how to log in there.
const HIDDEN: [&str; 1] = ["xpack.monitoring.exporters."];

/// The settings that all `groups` have alike, as texts by flat key; nothing where they can't be worked with. Of
/// too many those that are `known`, in that order, and then the first by name.
#[must_use]
pub fn shared(groups: &[NodeGroup], known: &[&str]) -> Option<BTreeMap<String, String>> {
    let all = alike(groups)?;
    if all.len() <= MOST {
        return Some(all);
    }
    let place = |name: &str| known.iter().position(|it| *it == name).unwrap_or(known.len());
    let mut all: Vec<(String, String)> = all.into_iter().collect();
    // Those of one place stay in order.
    all.sort_by_cached_key(|it| place(&it.0));
    Some(all.into_iter().take(MOST).collect())
}

/// The same, however many they are.
fn alike(groups: &[NodeGroup]) -> Option<BTreeMap<String, String>> {
    let all: Vec<Settings> = groups.iter().map(settings).collect::<Option<_>>()?;
    let Some((first, rest)) = all.split_first() else { return Some(BTreeMap::new()) };
    let alike = first.iter().filter(|(key, value)| {
        let may_be_seen = !HIDDEN.iter().any(|it| key.starts_with(it));
        key.len() <= NAME && may_be_seen && rest.iter().all(|it| it.get(*key) == Some(*value))
    });
    let texts = alike.filter_map(|(key, value)| Some((key.clone(), text(value)?)));
    Some(texts.collect())
}

/// The same groups, but for the settings in `kept`: of those that all have alike each has that value, or is
/// not there.
#[must_use]
pub fn with_kept(
    groups: &[NodeGroup],
    kept: &BTreeMap<String, Option<String>>,
) -> Option<Vec<NodeGroup>> {
    let shared = alike(groups)?;
    let changed = groups.iter().map(|group| {
        let mut settings = settings(group)?;
        for (key, value) in kept.iter().filter(|it| shared.contains_key(it.0)) {
            match value {
                Some(text) => settings.insert(key.clone(), value_of(text)),
                None => settings.remove(key),
            };
        }
        let config = JsonObject::new(&settings.into_iter().collect());
        Some(NodeGroup { config: Some(config), ..group.clone() })
    });
    changed.collect()
}

/// The value that [`shared`] has as this text.
#[must_use]
pub fn value_of(text: &str) -> Value {
    list(text).map_or_else(|| text.into(), Into::into)
}

fn settings(group: &NodeGroup) -> Option<Settings> {
    let config = group.config.as_ref().map(JsonObject::to_map).unwrap_or_default();
    config::flatten(&config, PATH).ok()
}

/// A text stands for itself, a list for its JSON: a text that looks like a list has none.
fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => list(text).is_none().then(|| text.clone()),
        other => Some(other.to_string()),
    };
    // A node puts in what `${...}` stands for when it reads its file; a running cluster takes it as it is.
    text.filter(|it| it.len() <= VALUE && !it.contains("${"))
}

fn list(text: &str) -> Option<Vec<String>> {
    text.starts_with('[').then(|| serde_json::from_str(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn groups(configs: &[Value]) -> Vec<NodeGroup> {
        let group = |config: &Value| NodeGroup {
            config: config.as_object().map(JsonObject::new),
            ..NodeGroup::of_all()
        };
        configs.iter().map(group).collect()
    }

    fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
    }

    #[test]
    fn only_what_all_groups_have_alike_is_a_setting_of_the_cluster() {
        let all = groups(&[
            json!({ "search.max_buckets": 10, "node.attr.zone": "a", "x": ["1"], "y": 1 }),
            json!({ "search": { "max_buckets": "10" }, "node.attr.zone": "b", "x": [1] }),
        ]);
        let expected = texts(&[("search.max_buckets", "10"), ("x", r#"["1"]"#)]);
        assert_eq!(shared(&all, &[]), Some(expected));
        let one = groups(&[json!({ "x": 1 }), json!(null)]);
        assert_eq!(shared(&one, &[]), Some(BTreeMap::new()));
        assert_eq!(shared(&[], &[]), Some(BTreeMap::new()));
    }

    #[test]
    fn what_can_not_be_told_or_worked_with_is_not_kept_track_of() {
        assert_eq!(shared(&groups(&[json!({ "path.data": "/x" })]), &[]), None);
        let looks_like_a_list = groups(&[json!({ "x": r#"["1"]"# })]);
        assert_eq!(shared(&looks_like_a_list, &[]), Some(BTreeMap::new()));
        let stands_in = groups(&[json!({ "x": "${ZONE}", "y": ["a", "${ZONE:b}"], "z": "$1" })]);
        assert_eq!(shared(&stands_in, &[]), Some(texts(&[("z", "$1")])));
        let hidden = json!({ "xpack.monitoring.exporters.far.auth.username": "u", "z": 1 });
        assert_eq!(shared(&groups(&[hidden]), &[]), Some(texts(&[("z", "1")])));
        let first = shared(&too_many(), &[]).unwrap();
        assert_eq!((first.len(), first.contains_key("x.0")), (MOST, true));
        assert!(!first.contains_key("x.9"), "the last by name");
    }

    fn too_many() -> Vec<NodeGroup> {
        let many: serde_json::Map<_, _> =
            (0..=MOST).map(|it| (format!("x.{it}"), json!(1))).collect();
        groups(&[Value::Object(many)])
    }

    #[test]
    fn of_too_many_what_is_known_stays_and_is_kept_out_of_files_wherever_it_stands_by_name() {
        let known = shared(&too_many(), &["gone", "x.9"]).unwrap();
        assert_eq!((known.len(), known.contains_key("x.9")), (MOST, true));
        assert!(!known.contains_key("x.8"), "the last by name of those that are not known");
        let kept = [("x.9".to_owned(), None), ("x.8".to_owned(), Some("5".to_owned()))];
        let kept = with_kept(&too_many(), &kept.into()).unwrap();
        let config = kept[0].config.as_ref().unwrap().to_map();
        assert_eq!((config.get("x.9"), &config["x.8"]), (None, &json!("5")));
    }

    #[test]
    fn a_setting_that_is_kept_is_in_every_group_as_it_was() {
        let all = groups(&[
            json!({ "x": 2, "y": 2, "list": ["b"], "z": 1 }),
            json!({ "x": 2, "y": 2, "list": ["b"] }),
        ]);
        let kept = [("x", Some("1")), ("y", None), ("list", Some(r#"["a"]"#)), ("z", Some("9"))];
        let kept = kept.map(|(key, value)| (key.to_owned(), value.map(str::to_owned)));
        let kept = with_kept(&all, &kept.into()).unwrap();
        let config = |at: usize| Value::Object(kept[at].config.as_ref().unwrap().to_map());
        assert_eq!(config(0), json!({ "x": "1", "list": ["a"], "z": "1" }));
        assert_eq!(config(1), json!({ "x": "1", "list": ["a"] }));
    }
}
