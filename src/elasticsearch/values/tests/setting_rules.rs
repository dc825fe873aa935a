//! Rules of settings, one by one.

use serde_json::{Value, json};

use super::{
    super::settings::{self, Flat, Kind, body, difference, flatten},
    map, refused,
};

#[track_caller]
fn flat(spec: &Value) -> Flat {
    flatten(&map(spec)).unwrap()
}

/// Keys that differ, with what they shall be.
#[track_caller]
fn changes(desired: &Value, live: &Value, applied: &[&str]) -> Vec<(String, Option<Value>)> {
    let applied: Vec<_> = applied.iter().map(|it| (*it).to_owned()).collect();
    let changes = difference(&flat(desired), &settings::live(&map(live)), &applied);
    changes.into_iter().map(|it| (it.key, it.desired)).collect()
}

#[test]
fn every_spelling_of_a_key_is_one_key() {
    for spec in [
        json!({"index": {"translog": {"durability": "async"}}}),
        json!({"index": {"translog.durability": "async"}}),
        json!({"index.translog": {"durability": "async"}}),
        json!({"index.translog.durability": "async"}),
        json!({"translog": {"durability": "async"}}),
        json!({"translog.durability": "async"}),
        json!({"translog.durability": "async", "index": {"translog.durability": "ASYNC"}}),
    ] {
        let flat = flat(&spec);
        let keys: Vec<_> = flat.keys().collect();
        assert_eq!(keys, ["index.translog.durability"], "{spec}");
    }
}

#[test]
fn every_value_is_a_text_or_a_list_of_texts() {
    let spec = json!({"a": 1, "b": true, "c": 0.5, "d": [1, true, "x"], "e": null, "f": {}});
    let wanted = [
        ("index.a", json!("1")),
        ("index.b", json!("true")),
        ("index.c", json!("0.5")),
        ("index.d", json!(["1", "true", "x"])),
    ];
    assert_eq!(flat(&spec), Flat::from(wanted.map(|(key, value)| (key.to_owned(), value))));
}

#[test]
fn numbered_keys_are_a_list() {
    let spec = json!({"query": {"default_field": {"0": "a", "1": "b"}}, "sort.field.0": "d"});
    let flat = flat(&spec);
    assert_eq!(flat["index.query.default_field"], json!(["a", "b"]));
    assert_eq!(flat["index.sort.field"], json!(["d"]));
    assert_eq!(flat.len(), 2);
}

#[test]
fn what_can_not_be_set_is_said_with_the_path_that_the_user_wrote() {
    let check = |spec: Value, path: &str, message: &str| {
        refused(flatten(&map(&spec)), path, message);
    };
    check(json!({"index": {"uuid": "x"}}), "settings.index.uuid", "`index.uuid`");
    check(json!({"creation_date": 1}), "settings.creation_date", "Elasticsearch makes");
    check(json!({"version": {"created": 1}}), "settings.version.created", "Elasticsearch makes");
    let twice = json!({"hidden": true, "index": {"hidden": false}});
    check(twice, "settings.index.hidden", "another value than `settings.hidden`");
    check(json!({"a": [{"b": 1}]}), "settings.a", "list");
    check(json!({"a": [null]}), "settings.a", "list");
    check(json!({"a": [["b"]]}), "settings.a", "list");
    check(json!({"a": {"": 1}}), "settings.a.", "empty key");
    check(json!({"a.0": ["b"]}), "settings.a", "lists in a list");
    check(json!({"a": ["x"], "a.0": "y"}), "settings.a", "another value");
}

#[test]
fn blocks_and_hidden_may_be_set() {
    assert_eq!(flat(&json!({"blocks": {"write": true}, "hidden": true})).len(), 2);
}

#[test]
fn a_default_that_was_never_set_is_no_difference() {
    let live = json!({"index.number_of_replicas": "1", "index.number_of_shards": "1"});
    let desired = json!({
        "number_of_replicas": 1, "max_result_window": 10000, "codec": "default",
        "gc_deletes": "1m", "number_of_routing_shards": 4, "translog.durability": "request",
        "soft_deletes.enabled": true, "mode": "standard",
    });
    assert_eq!(changes(&desired, &live, &[]), []);
}

#[test]
fn an_explicit_refresh_interval_is_a_difference_from_none() {
    let wanted = ("index.refresh_interval".to_owned(), Some(json!("1s")));
    assert_eq!(changes(&json!({"refresh_interval": "1s"}), &json!({}), &[]), [wanted]);
}

#[test]
fn what_leaves_the_spec_goes_back_to_its_default_only_if_drover_set_it() {
    let live = json!({
        "index.number_of_replicas": "1", "index.number_of_shards": "3", "index.hidden": "true",
        "index.max_result_window": "5", "index.codec": "best_compression",
    });
    let applied = [
        "index.number_of_replicas",
        "index.number_of_shards",
        "index.max_result_window",
        "index.codec",
        "index.gc_deletes",
    ];
    let wanted = [("index.codec".to_owned(), None), ("index.max_result_window".to_owned(), None)];
    assert_eq!(changes(&json!({}), &live, &applied), wanted);
    assert_eq!(changes(&json!({}), &live, &[]), []);
}

#[test]
fn replicas_go_back_to_one_and_stay() {
    let applied = ["index.number_of_replicas"];
    let wanted = [("index.number_of_replicas".to_owned(), None)];
    let live = |count: &str| json!({"index.number_of_replicas": count});
    assert_eq!(changes(&json!({}), &live("2"), &applied), wanted);
    assert_eq!(changes(&json!({}), &live("1"), &applied), []);
}

#[test]
fn replicas_that_elasticsearch_expands_are_its_own() {
    let live = json!({"index.number_of_replicas": "0", "index.auto_expand_replicas": "0-1"});
    let both = json!({"number_of_replicas": 3, "auto_expand_replicas": "0-1"});
    assert_eq!(changes(&both, &live, &[]), []);
    assert_eq!(changes(&json!({"number_of_replicas": 3}), &live, &[]), []);
    let applied = ["index.auto_expand_replicas", "index.number_of_replicas"];
    let wanted = [("index.auto_expand_replicas".to_owned(), None)];
    assert_eq!(changes(&json!({}), &live, &applied)[..1], wanted);
    let wanted = [
        ("index.auto_expand_replicas".to_owned(), None),
        ("index.number_of_replicas".to_owned(), Some(json!("3"))),
    ];
    assert_eq!(changes(&json!({"number_of_replicas": 3}), &live, &applied), wanted);
    let off = json!({"index.number_of_replicas": "0", "index.auto_expand_replicas": "false"});
    assert_eq!(changes(&json!({"number_of_replicas": 3}), &off, &[]).len(), 1);
}

#[test]
fn a_change_tells_its_path_and_when_it_can_be_made() {
    let desired = json!({"codec": "best_compression", "hidden": true, "number_of_shards": 2});
    let live = settings::live(&map(&json!({"index.number_of_shards": "1"})));
    let changes = difference(&flat(&desired), &live, &[]);
    let found: Vec<_> = changes.iter().map(|it| (it.path(), it.kind)).collect();
    let wanted = [
        ("settings.index.codec".to_owned(), Kind::ClosedOnly),
        ("settings.index.hidden".to_owned(), Kind::Dynamic),
        ("settings.index.number_of_shards".to_owned(), Kind::Final),
    ];
    assert_eq!(found, wanted);
    assert_eq!(changes[2].live, Some(json!("1")));
    let wanted = json!({"index.codec": "best_compression", "index.hidden": "true"});
    assert_eq!(body(&changes[..2]), wanted);
}
