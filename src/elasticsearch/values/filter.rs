//! When two filters of an alias mean the same.
//!
//! Elasticsearch stores a filter as it was written, so this is for filters that somebody else wrote.

use serde_json::{Map, Value, json};

use super::number;

/// Queries that take a bare value for `{"value": ...}` (or, where they search text, `{"query": ...}`).
const SHORT: [(&str, &str); 8] = [
    ("term", "value"),
    ("prefix", "value"),
    ("wildcard", "value"),
    ("fuzzy", "value"),
    ("regexp", "value"),
    ("match", "query"),
    ("match_phrase", "query"),
    ("match_phrase_prefix", "query"),
];

/// Clauses of a `bool` query that take one query for a list of one.
const CLAUSES: [&str; 4] = ["must", "filter", "should", "must_not"];

/// Whether the filters mean the same: short and long forms, one query for a list of one, a boost
/// of one left out, numbers and booleans as texts. Neither may be deeper than `is_deep` allows.
pub(super) fn same(desired: &Value, live: &Value) -> bool {
    !super::is_deep(live) && canonical(desired) == canonical(live)
}

fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let fields = map.iter().filter(|(key, value)| !(*key == "boost" && is_one(value)));
            fields.map(|(key, value)| (key.clone(), canonical_field(key, value))).collect()
        }
        Value::Array(items) => items.iter().map(canonical).collect(),
        Value::Null => Value::Null,
        scalar => number::scalar_text(scalar).into(),
    }
}

fn canonical_field(key: &str, value: &Value) -> Value {
    if let Some((_, inner)) = SHORT.iter().find(|(query, _)| *query == key)
        && let Value::Object(fields) = value
    {
        let long = |value: &Value| match value {
            Value::Object(_) => canonical(value),
            bare => json!({ *inner: canonical(bare) }),
        };
        return fields
            .iter()
            .map(|(field, value)| (field.clone(), long(value)))
            .collect::<Map<_, _>>()
            .into();
    }
    if CLAUSES.contains(&key) && value.is_object() {
        return Value::Array(vec![canonical(value)]);
    }
    canonical(value)
}

fn is_one(value: &Value) -> bool {
    number::scalar_text(value).as_deref() == Some("1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_forms_are_the_same() {
        let check = |a: Value, b: Value, equal: bool| {
            assert_eq!(same(&a, &b), equal, "{a} {b}");
            assert_eq!(same(&b, &a), equal, "{b} {a}");
        };
        check(
            json!({"term": {"n": 1}}),
            json!({"term": {"n": {"value": "1", "boost": 1.0}}}),
            true,
        );
        check(json!({"term": {"n": 1.0}}), json!({"term": {"n": 1}}), true);
        check(json!({"match": {"t": "a"}}), json!({"match": {"t": {"query": "a"}}}), true);
        let one = json!({"bool": {"must": {"term": {"a": true}}}});
        check(one.clone(), json!({"bool": {"must": [{"term": {"a": "true"}}]}}), true);
        check(one.clone(), json!({"bool": {"must_not": [{"term": {"a": true}}]}}), false);
        check(one, json!({"bool": {"must": [{"term": {"a": true}}, {"term": {"b": 1}}]}}), false);
        check(json!({"term": {"n": {"value": 1, "boost": 2}}}), json!({"term": {"n": 1}}), false);
        check(json!({"terms": {"n": [1, 2]}}), json!({"terms": {"n": [2, 1]}}), false);
        check(json!({"exists": {"field": "a"}}), json!({"exists": {"field": "b"}}), false);
    }
}
