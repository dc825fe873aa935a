//! What is to stay as it is beside what is to change.

use serde_json::{Value, json};

use super::map;
use crate::elasticsearch::values::{
    mappings::{self, MappingDifference},
    settings::Flat,
};

#[test]
fn what_is_to_stay_is_not_sent_with_what_is_to_change() {
    let desired = mappings::normalise(&map(&json!({
        "dynamic": "strict",
        "runtime": { "r": { "type": "long" }, "s": { "type": "long" } },
        "properties": {
            "a": { "type": "keyword", "ignore_above": 100, "meta": { "unit": "m" } },
            "b": { "type": "keyword", "ignore_above": 100 },
            "c": { "type": "object", "properties": { "d": { "type": "long" }, "e": { "type": "long" } } },
            "f": { "type": "long" },
        },
    })))
    .unwrap();
    let live = map(&json!({ "properties": {
        "a": { "type": "keyword", "ignore_above": 5 },
        "b": { "type": "keyword", "ignore_above": 5 },
        "c": { "properties": {} },
    } }));
    let leave = [
        "mappings.dynamic",
        "mappings.runtime.r",
        "mappings.properties.a.ignore_above",
        "mappings.properties.b.ignore_above",
        "mappings.properties.c.properties.d",
    ];
    let leave = leave.map(str::to_owned).into();
    let found = mappings::difference_but_for(&desired, &live, &Flat::new(), &leave);
    let body = json!({
        "runtime": { "s": { "type": "long" } },
        "properties": {
            "a": { "type": "keyword", "ignore_above": 5, "meta": { "unit": "m" } },
            "c": { "type": "object", "properties": { "e": { "type": "long" } } },
            "f": { "type": "long" },
        },
    });
    assert_eq!(found.body.map(Value::Object), Some(body));
    assert_eq!(found.additions.len(), 4, "{:?}", found.additions);
    let all = found.additions.iter().map(|it| it.path.clone()).chain(leave).collect();
    let found = mappings::difference_but_for(&desired, &live, &Flat::new(), &all);
    assert_eq!(found, MappingDifference::default());
}
