//! Any JSON at all: no panic, and no recursion without bound.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{
    super::{aliases, mappings, mark, settings},
    map, owner,
};

/// Words that lead into every branch, and some that lead nowhere.
fn word() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "",
        "a",
        "b",
        "a.b",
        "a..b",
        ".",
        "0",
        "1",
        "type",
        "properties",
        "fields",
        "object",
        "nested",
        "keyword",
        "text",
        "date",
        "dense_vector",
        "join",
        "relations",
        "completion",
        "contexts",
        "null_value",
        "geo_point",
        "index_options",
        "dynamic",
        "subobjects",
        "false",
        "true",
        "_meta",
        "drover",
        "_source",
        "runtime",
        "dynamic_templates",
        "script",
        "index",
        "index.mode",
        "index.sort.field.0",
        "number_of_replicas",
        "refresh_interval",
        "1m",
        "-1",
        "1.5gb",
        "filter",
        "routing",
        "bool",
        "term",
        "meta",
        "copy_to",
        "uuid",
        "lat",
        "lon",
        "coordinates",
        "POINT (1 2)",
        "POINT",
        "9e999",
        "99999999999999999999999999999999999999999d",
    ]);
    prop_oneof![8 => known.prop_map(str::to_owned), 1 => ".{0,4}"]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            object(inner).prop_map(Value::from),
        ]
    })
}

fn object(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::vec((word(), value), 0..6).prop_map(|it| it.into_iter().collect())
}

fn compare_all(desired: &Map<String, Value>, live: &Map<String, Value>) {
    let applied: Vec<String> = live.keys().cloned().collect();
    let live_settings = settings::live(live);
    if let Ok(flat) = settings::flatten(desired) {
        let changes = settings::difference(&flat, &live_settings, &applied);
        let _ = settings::body(&changes);
        assert_eq!(settings::difference(&flat, &flat, &[]), []);
    }
    for desired in [Some(desired.clone()), mappings::normalise(desired).ok()].iter().flatten() {
        let _ = mappings::difference(desired, live, &live_settings);
        let _ = mark::difference(desired, live);
        let _ = owner().merged_into(desired, live);
    }
    let _ = mark::read(live);
    for desired in [Some(desired.clone()), aliases::normalise("i", desired).ok()].iter().flatten() {
        let _ = aliases::actions("i", &aliases::difference(desired, live, &applied));
    }
}

proptest! {
    #[test]
    fn nothing_panics(desired in object(value()), live in object(value())) {
        compare_all(&desired, &live);
    }

    #[test]
    fn nothing_panics_inside_mappings(desired in object(value()), live in object(value())) {
        let wrap = |it: &Map<String, Value>| map(&json!({ "properties": it, "runtime": it }));
        compare_all(&wrap(&desired), &wrap(&live));
    }

    #[test]
    fn nothing_panics_on_one_field(desired in object(value()), live in object(value())) {
        let wrap = |it: &Map<String, Value>| map(&json!({ "properties": { "a": it } }));
        compare_all(&wrap(&desired), &wrap(&live));
    }

    #[test]
    fn a_mapping_equals_itself(spec in object(value())) {
        let wrap = map(&json!({ "properties": spec, "dynamic_templates": [spec] }));
        if let Ok(normal) = mappings::normalise(&wrap) {
            let found = mappings::difference(&normal, &normal, &settings::Flat::new());
            prop_assert_eq!(found.body, None);
        }
    }
}

/// A value nested this deep.
fn deep(key: &str, depth: usize) -> Value {
    (0..depth).fold(json!("x"), |inner, _| json!({ key: inner }))
}

#[test]
fn what_is_too_deep_is_said_and_not_walked() {
    for depth in [70, 300] {
        assert!(settings::flatten(&map(&deep("a", depth))).is_err());
        assert!(mappings::normalise(&map(&deep("properties", 2 * depth))).is_err());
        let meta = json!({"_meta": deep("a", 2 * depth)});
        assert!(mappings::normalise(&map(&meta)).is_err());
        let alias = json!({"a": {"filter": deep("bool", 2 * depth)}});
        assert!(aliases::normalise("i", &map(&alias)).is_err());
        let name = vec!["a"; depth].join(".");
        let dotted = json!({ "properties": { name: {"type": "long"} } });
        assert!(mappings::normalise(&map(&dotted)).is_err());
    }
    let fits = json!({ "properties": { vec!["a"; 64].join("."): {"type": "long"} } });
    assert!(mappings::normalise(&map(&fits)).is_ok());
    let live = map(&json!({"properties": {"a": deep("properties", 300)}}));
    let desired = mappings::normalise(&map(&fits)).unwrap();
    let _ = mappings::difference(&desired, &live, &settings::Flat::new());
    let _ = settings::live(&live);
    let live = json!({"a": {"filter": deep("bool", 300)}});
    let desired = json!({"a": {"filter": {"bool": {}}}});
    assert_eq!(aliases::difference(&map(&desired), &map(&live), &[]).len(), 1);
}
