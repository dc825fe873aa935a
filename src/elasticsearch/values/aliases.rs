//! Aliases of an index: in one spelling, and what differs.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Problem, filter, is_deep, number::scalar_text};
use crate::elasticsearch::names;

/// One alias to set or to take away.
#[derive(Clone, Debug, PartialEq)]
pub struct AliasChange {
    /// The alias.
    pub name: String,
    /// What it shall be, whole; absent to take it away.
    pub desired: Option<Value>,
    /// What it is; absent where there is none.
    pub live: Option<Value>,
}

impl AliasChange {
    /// Where in the spec, such as `aliases.logs`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("aliases.{}", self.name)
    }
}

/// Declared aliases of the index `index`, each in the form that every version takes: `routing` as
/// the two that it stands for, texts and booleans as such, nothing that is null.
///
/// # Errors
/// All that can't be worked with: a name that Elasticsearch forbids or that is the index's own, a
/// field that no alias has, a value of the wrong kind.
pub fn normalise(
    index: &str,
    aliases: &Map<String, Value>,
) -> Result<Map<String, Value>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut found = Map::new();
    for (name, alias) in aliases {
        let path = format!("aliases.{name}");
        if let Some(message) = names::problem(name) {
            problems.push(Problem::new(path.as_str(), message));
        } else if name == index {
            problems.push(Problem::new(path.as_str(), "must not be the name of the index itself"));
        }
        match alias {
            Value::Object(alias) => {
                found.insert(name.clone(), Value::Object(form(alias, &path, &mut problems)));
            }
            _ => problems.push(Problem::new(path, "must be an object")),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

/// What is to be changed, sorted by name: declared aliases that are not so, and aliases that Drover
/// set before (`applied`), that the spec declares no more and that are still there. Nobody else's
/// alias is ever among them.
///
/// `desired` is what [`normalise`] gave. `is_write_index: false` is not the same as nothing said:
/// an alias of one index can be written through unless that was said.
#[must_use]
pub fn difference(
    desired: &Map<String, Value>,
    live: &Map<String, Value>,
    applied: &[String],
) -> Vec<AliasChange> {
    let changed = desired
        .iter()
        .filter(|(name, alias)| live.get(*name).is_none_or(|live| !same(alias, live)))
        .map(|(name, _)| name);
    let gone = applied.iter().filter(|it| !desired.contains_key(*it) && live.contains_key(*it));
    let names: BTreeSet<&String> = changed.chain(gone).collect();
    let change = |name: &String| AliasChange {
        name: name.clone(),
        desired: desired.get(name).cloned(),
        live: live.get(name).cloned(),
    };
    names.into_iter().map(change).collect()
}

/// The body of one `POST /_aliases` that makes all changes at once.
#[must_use]
pub fn actions(index: &str, changes: &[AliasChange]) -> Value {
    let action = |change: &AliasChange| {
        let mut action = Map::new();
        let verb = if let Some(alias) = &change.desired {
            action.extend(alias.as_object().cloned().unwrap_or_default());
            "add"
        } else {
            "remove"
        };
        action.insert("index".into(), index.into());
        action.insert("alias".into(), change.name.as_str().into());
        json!({ verb: action })
    };
    json!({ "actions": changes.iter().map(action).collect::<Vec<_>>() })
}

/// Whether a declared alias is what the live one is.
fn same(desired: &Value, live: &Value) -> bool {
    let (Some(desired), Some(live)) = (desired.as_object(), live.as_object()) else {
        return desired == live;
    };
    let live = form(live, "", &mut Vec::new());
    let filters = match (desired.get("filter"), live.get("filter")) {
        (Some(desired), Some(live)) => filter::same(desired, live),
        (desired, live) => desired == live,
    };
    let hidden = |alias: &Map<String, Value>| alias.get("is_hidden") == Some(&Value::Bool(true));
    let equal = |field: &str| desired.get(field) == live.get(field);
    filters
        && hidden(desired) == hidden(&live)
        && equal("index_routing")
        && equal("search_routing")
        && equal("is_write_index")
}

/// An alias in one form.
fn form(alias: &Map<String, Value>, path: &str, problems: &mut Vec<Problem>) -> Map<String, Value> {
    let mut found = Map::new();
    for (field, value) in alias.iter().filter(|(_, value)| !value.is_null()) {
        let result = match field.as_str() {
            "filter" => filter_form(value).map(|it| it.map(|it| vec![("filter", it)])),
            "routing" => text(value)
                .map(|it| Some(vec![("index_routing", it.clone()), ("search_routing", it)])),
            "index_routing" => text(value).map(|it| Some(vec![("index_routing", it)])),
            "search_routing" => text(value).map(|it| Some(vec![("search_routing", it)])),
            "is_write_index" => boolean(value).map(|it| Some(vec![("is_write_index", it)])),
            "is_hidden" => boolean(value).map(|it| Some(vec![("is_hidden", it)])),
            _ => Err("is no field of an alias".into()),
        };
        match result {
            // What is said for one of the two routings goes before what is said for both.
            Ok(fields) => {
                for (name, value) in fields.into_iter().flatten() {
                    if field != "routing" || alias.get(name).is_none_or(Value::is_null) {
                        found.insert(name.to_owned(), value);
                    }
                }
            }
            Err(message) => problems.push(Problem::new(format!("{path}.{field}"), message)),
        }
    }
    found
}

fn filter_form(value: &Value) -> Result<Option<Value>, String> {
    match value {
        _ if is_deep(value) => Err(super::too_deep()),
        // An empty filter is none.
        Value::Object(filter) => Ok((!filter.is_empty()).then(|| value.clone())),
        _ => Err("must be an object".into()),
    }
}

fn text(value: &Value) -> Result<Value, String> {
    scalar_text(value).map(Value::String).ok_or_else(|| "must be a text".into())
}

fn boolean(value: &Value) -> Result<Value, String> {
    match scalar_text(value).as_deref() {
        Some("true") => Ok(true.into()),
        Some("false") => Ok(false.into()),
        _ => Err("must be 'true' or 'false'".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[track_caller]
    fn differs(desired: &Value, live: &Value) -> bool {
        let desired = normalise("index", &map(&json!({ "a": desired }))).unwrap();
        !difference(&desired, &map(&json!({ "a": live })), &[]).is_empty()
    }

    #[track_caller]
    fn refused(aliases: &Value, path: &str, message: &str) {
        let problems = normalise("index", &map(aliases)).unwrap_err();
        let found: Vec<_> =
            problems.iter().map(|it| (it.path.as_str(), it.message.as_str())).collect();
        assert!(matches!(&found[..], [(p, m)] if *p == path && m.contains(message)), "{found:?}");
    }

    #[test]
    fn routing_is_read_back_as_two() {
        let two = json!({"index_routing": "1", "search_routing": "1"});
        assert!(!differs(&json!({"routing": 1}), &two));
        let both = json!({"routing": "1", "search_routing": "1,2"});
        assert!(!differs(&both, &json!({"index_routing": "1", "search_routing": "1,2"})));
        let both = json!({"routing": "1", "index_routing": "2"});
        assert!(!differs(&both, &json!({"index_routing": "2", "search_routing": "1"})));
        assert!(differs(&json!({"routing": "1"}), &json!({"index_routing": "1"})));
        assert!(differs(&json!({}), &json!({"index_routing": "1"})));
    }

    #[test]
    fn null_and_an_empty_filter_are_nothing() {
        assert!(!differs(&json!({"filter": null, "routing": null, "is_hidden": null}), &json!({})));
        assert!(!differs(&json!({"filter": {}}), &json!({})));
    }

    #[test]
    fn a_visible_alias_needs_not_say_so() {
        assert!(!differs(&json!({"is_hidden": false}), &json!({})));
        assert!(!differs(&json!({}), &json!({"is_hidden": false})));
        assert!(differs(&json!({"is_hidden": "true"}), &json!({})));
    }

    #[test]
    fn an_alias_that_may_not_be_written_through_differs_from_one_that_says_nothing() {
        assert!(differs(&json!({"is_write_index": false}), &json!({})));
        assert!(differs(&json!({}), &json!({"is_write_index": false})));
        assert!(!differs(&json!({"is_write_index": "false"}), &json!({"is_write_index": false})));
    }

    #[test]
    fn a_filter_is_compared_by_its_meaning() {
        let short = json!({"filter": {"term": {"user": "x"}}});
        let long = json!({"filter": {"term": {"user": {"value": "x", "boost": 1.0}}}});
        assert!(!differs(&short, &long));
        assert!(differs(&short, &json!({"filter": {"term": {"user": "y"}}})));
    }

    #[test]
    fn what_elasticsearch_forbids_is_said_with_its_path() {
        refused(&json!({"index": {}}), "aliases.index", "index itself");
        refused(&json!({"a": 1}), "aliases.a", "object");
        refused(&json!({"a": null}), "aliases.a", "object");
        refused(&json!({"a": {"rooting": 1}}), "aliases.a.rooting", "no field");
        refused(&json!({"a": {"is_hidden": 1}}), "aliases.a.is_hidden", "'true' or 'false'");
        refused(&json!({"a": {"routing": []}}), "aliases.a.routing", "text");
        refused(&json!({"a": {"filter": "x"}}), "aliases.a.filter", "object");
        for name in ["", ".", "_x", "-x", "+x", "a b", "a,b", "a#b", "a:b", "<a>", "a*", "a\u{85}"]
        {
            refused(&json!({ name: {} }), &format!("aliases.{name}"), "must not");
        }
        refused(&json!({"é".repeat(128): {}}), &format!("aliases.{}", "é".repeat(128)), "bytes");
        assert!(
            normalise("index", &map(&json!({"Logs": {}, ".l": {}, "x".repeat(255): {}}))).is_ok()
        );
    }

    #[test]
    fn only_declared_and_formerly_declared_aliases_change() {
        let desired = normalise("i", &map(&json!({"new": {}, "same": {}}))).unwrap();
        let live = map(&json!({"same": {}, "old": {"is_hidden": true}, "others": {}}));
        let applied = ["old".to_owned(), "same".to_owned(), "vanished".to_owned()];
        let changes = difference(&desired, &live, &applied);
        let paths: Vec<_> = changes.iter().map(AliasChange::path).collect();
        assert_eq!(paths, ["aliases.new", "aliases.old"]);
        let body = actions("i", &changes);
        let wanted = json!({"actions": [
            {"add": {"index": "i", "alias": "new"}},
            {"remove": {"index": "i", "alias": "old"}},
        ]});
        assert_eq!(body, wanted);
    }
}
