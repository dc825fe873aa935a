//! What the comparison promises, against a model of Elasticsearch and against what real servers
//! answered.

mod answers;
mod arbitrary;
mod field_model;
mod generated;
mod leaving;
mod mapping_model;
mod mapping_rules;
mod mapping_specs;
mod recorded;
mod setting_rules;
mod setting_specs;

use serde_json::{Map, Value, json};

use super::{Problem, aliases, create_body, mappings, mark::Mark, settings};

/// The object that the JSON is.
#[track_caller]
fn map(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn owner() -> Mark {
    Mark { namespace: "shop".into(), name: "logs".into(), uid: "42".into(), adopted: false }
}

/// Paths and messages of problems, to be compared.
#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Vec<Problem>>, path: &str, message: &str) {
    let problems = result.unwrap_err();
    let found: Vec<_> = problems.iter().map(|it| (&*it.path, &*it.message)).collect();
    assert!(
        matches!(&found[..], [(p, m)] if *p == path && m.contains(message)),
        "{found:?}, not {path}: {message}"
    );
}

#[test]
fn the_index_is_created_with_all_of_its_spec_and_the_mark() {
    let settings = settings::flatten(&map(&json!({"number_of_replicas": 0}))).unwrap();
    let spec = json!({"_meta": {"team": "a"}, "properties": {"t.k": {"type": "keyword"}}});
    let mappings = mappings::normalise(&map(&spec)).unwrap();
    let aliases = aliases::normalise("i", &map(&json!({"a": {"routing": 1}}))).unwrap();
    let body = create_body(&settings, &mappings, &aliases, &owner());
    let mark = json!({"namespace": "shop", "name": "logs", "uid": "42"});
    let wanted = json!({
        "settings": {"index.number_of_replicas": "0"},
        "mappings": {
            "_meta": {"team": "a", "drover": mark},
            "properties": {"t": {"properties": {"k": {"type": "keyword"}}}},
        },
        "aliases": {"a": {"index_routing": "1", "search_routing": "1"}},
    });
    assert_eq!(body, wanted);
}
