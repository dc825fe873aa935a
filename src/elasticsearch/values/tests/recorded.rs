//! What real servers made of mappings is no difference, and the model does the same.

use serde_json::{Value, json};

use super::{
    super::{mappings, settings},
    answers, map, mapping_model,
};

/// Mappings with one field of each recorded kind, as given and as shown.
fn all() -> impl Iterator<Item = (Value, Value)> {
    let one = |field: Value| json!({ "properties": { "f": field } });
    let fields = [answers::texts(), answers::scalars(), answers::others()];
    let fields = fields.into_iter().flatten();
    fields.map(move |(given, shown)| (one(given), one(shown))).chain(answers::tops())
}

#[track_caller]
fn check(given: &Value, shown: &Value, settings: &Value) {
    let desired = mappings::normalise(&map(given)).unwrap();
    let settings = settings::live(&map(settings));
    let found = mappings::difference(&desired, &map(shown), &settings);
    assert_eq!(found, mappings::MappingDifference::default(), "{given}\nis shown as\n{shown}");
}

#[test]
fn what_a_server_made_of_a_mapping_is_no_difference() {
    for (given, shown) in all() {
        check(&given, &shown, &json!({}));
    }
}

#[test]
fn a_parameter_that_equals_what_the_index_gives_is_not_shown() {
    let given = json!({"properties": {
        "d": {"type": "date", "ignore_malformed": true},
        "i": {"type": "ip", "ignore_malformed": "true"},
        "k": {"type": "keyword", "ignore_above": 100},
    }});
    let shown = json!({"properties": {
        "d": {"type": "date"}, "i": {"type": "ip"}, "k": {"type": "keyword"},
    }});
    let settings =
        json!({"index.mapping.ignore_malformed": "true", "index.mapping.ignore_above": "100"});
    check(&given, &shown, &settings);
    let given = json!({"properties": {
        "d": {"type": "date", "ignore_malformed": true},
        "k": {"type": "keyword", "ignore_above": 8191},
    }});
    let shown = json!({"properties": {"d": {"type": "date"}, "k": {"type": "keyword"}}});
    check(&given, &shown, &json!({"index.mode": "logsdb"}));
}

#[test]
fn the_model_shows_what_the_servers_showed() {
    // What a version alone does, or what needs a module that works something out.
    let beyond = ["lookup", "drm3", "5km", "ROOT", "\"locale\":\"\"", "match_pattern", "float\""];
    for (given, shown) in all() {
        if beyond.iter().any(|it| given.to_string().contains(it)) {
            continue;
        }
        let index = mapping_model::created(&map(&given));
        assert_eq!(Value::Object(index.shown()), shown, "{given}");
    }
}
