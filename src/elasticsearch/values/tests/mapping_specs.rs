//! Mappings that a spec may hold, and the same written in another way.

use proptest::{prelude::*, sample::select};
use serde_json::{Map, Value, json};

/// A parameter and values that it may have.
type Parameter = (&'static str, Vec<Value>);

/// Types with what fields of them may say. Analyzers stand for any, also for those of the index.
fn types() -> Vec<(&'static str, Vec<Parameter>)> {
    let booleans = || vec![json!(true), json!(false)];
    let common = |more: Vec<Parameter>| {
        let mut all = vec![
            ("index", booleans()),
            ("doc_values", booleans()),
            ("store", booleans()),
            ("meta", vec![json!({}), json!({"unit": "ms"}), json!({"unit": "s", "a": "b"})]),
            ("copy_to", vec![json!([]), json!(["all"]), json!(["all", "some"])]),
        ];
        all.extend(more);
        all
    };
    let analyzers = || vec![json!("default"), json!("x"), json!("y")];
    let dates = || vec![json!("strict_date_optional_time||epoch_millis"), json!("yyyy")];
    vec![
        (
            "keyword",
            common(vec![
                ("ignore_above", vec![json!(i32::MAX), json!(256), json!(8191)]),
                ("eager_global_ordinals", booleans()),
                ("norms", booleans()),
                ("null_value", vec![json!("none"), json!(1)]),
                ("split_queries_on_whitespace", booleans()),
                ("index_options", vec![json!("docs"), json!("freqs")]),
            ]),
        ),
        (
            "text",
            vec![
                ("index", booleans()),
                ("norms", booleans()),
                ("analyzer", analyzers()),
                ("search_analyzer", analyzers()),
                ("search_quote_analyzer", analyzers()),
                ("fielddata", booleans()),
                ("fielddata_frequency_filter", vec![json!({"min": 0.1}), json!({"max": 5})]),
                ("index_prefixes", vec![json!({}), json!({"min_chars": 3})]),
                ("position_increment_gap", vec![json!(100), json!(5)]),
                ("term_vector", vec![json!("no"), json!("yes")]),
                ("index_options", vec![json!("positions"), json!("docs")]),
                ("meta", vec![json!({"lang": "en"})]),
            ],
        ),
        (
            "long",
            common(vec![
                ("coerce", booleans()),
                ("ignore_malformed", booleans()),
                ("null_value", vec![json!(0), json!(-7)]),
            ]),
        ),
        (
            "scaled_float",
            vec![
                ("scaling_factor", vec![json!(100), json!(0.5)]),
                ("null_value", vec![json!(1), json!(2.5)]),
            ],
        ),
        (
            "date",
            common(vec![
                ("format", dates()),
                ("locale", vec![json!("en"), json!("de")]),
                ("ignore_malformed", booleans()),
            ]),
        ),
        ("boolean", common(vec![("null_value", booleans())])),
        ("ip", common(vec![("ignore_malformed", booleans())])),
        ("flattened", vec![("depth_limit", vec![json!(20), json!(3)])]),
        (
            "geo_point",
            vec![
                ("ignore_z_value", booleans()),
                ("null_value", vec![json!("10,30"), json!([30, 10]), json!({"lat": 1, "lon": 2})]),
            ],
        ),
        (
            "completion",
            vec![
                ("max_input_length", vec![json!(50), json!(20)]),
                ("preserve_separators", booleans()),
                ("contexts", vec![json!([{"name": "c", "type": "category"}])]),
            ],
        ),
        (
            "dense_vector",
            vec![
                ("dims", vec![json!(4)]),
                ("index_options", vec![json!({"type": "hnsw"}), json!({"type": "hnsw", "m": 32})]),
            ],
        ),
        ("join", vec![("relations", vec![json!({"q": ["a"]}), json!({"q": ["a", "b"]})])]),
    ]
}

/// A spec and a later one that has much in common with it.
type Pair = (Value, Value);

/// One field of the type, which says some of what it may.
fn leaf_of(kind: &'static str, parameters: Vec<Parameter>) -> impl Strategy<Value = Value> {
    let one = |(name, values)| (Just(name), select(values), prop::bool::weighted(0.4));
    parameters.into_iter().map(one).collect::<Vec<_>>().prop_map(move |parameters| {
        let said = parameters.into_iter().filter(|(_, _, said)| *said);
        let mut field: Map<_, _> = said.map(|(name, value, _)| (name.to_owned(), value)).collect();
        field.insert("type".into(), json!(kind));
        if kind == "scaled_float" {
            field.entry("scaling_factor").or_insert_with(|| json!(10));
        }
        if kind == "join" {
            field.entry("relations").or_insert_with(|| json!({"q": "a"}));
        }
        Value::Object(field)
    })
}

fn leaves() -> impl Strategy<Value = Pair> {
    let any = || select(types()).prop_flat_map(|(kind, all)| leaf_of(kind, all));
    let alike = select(types())
        .prop_flat_map(|(kind, all)| (leaf_of(kind, all.clone()), leaf_of(kind, all)));
    prop_oneof![8 => alike, 1 => (any(), any())]
}

/// A map from some of the names, for each side.
fn named(
    names: Vec<&'static str>,
    count: std::ops::Range<usize>,
    pairs: impl Strategy<Value = Pair>,
) -> impl Strategy<Value = Pair> {
    let said = select(vec![(true, true), (true, true), (true, true), (true, false), (false, true)]);
    prop::collection::btree_map(select(names), (pairs, said), count).prop_map(|all| {
        let mut sides = (Map::new(), Map::new());
        for (name, ((before, after), said)) in all {
            if said.0 {
                sides.0.insert(name.to_owned(), before);
            }
            if said.1 {
                sides.1.insert(name.to_owned(), after);
            }
        }
        (sides.0.into(), sides.1.into())
    })
}

fn leaves_with_sub_fields() -> impl Strategy<Value = Pair> {
    (leaves(), named(vec!["raw", "en"], 0..2, leaves())).prop_map(|(leaf, inner)| {
        let with = |mut field: Value, inner: Value| {
            if field["type"] != "join" && inner != json!({}) {
                field["fields"] = inner;
            }
            field
        };
        (with(leaf.0, inner.0), with(leaf.1, inner.1))
    })
}

fn any_fields() -> impl Strategy<Value = Pair> {
    let field = leaves_with_sub_fields().prop_recursive(3, 20, 4, |field| {
        let dynamic = || select(vec![json!(null), json!(true), json!(false), json!("strict")]);
        let kind = || select(vec!["", "object", "nested", "nested with parents"]);
        let inner = named(NAMES.to_vec(), 0..4, field);
        (inner, kind(), dynamic(), dynamic()).prop_map(|(inner, kind, before, after)| {
            let object = |fields: Value, dynamic: Value| {
                let mut object = json!({ "properties": fields });
                if kind == "nested with parents" {
                    object["include_in_parent"] = json!(true);
                }
                if let Some(kind) = kind.split(' ').next().filter(|it| !it.is_empty()) {
                    object["type"] = json!(kind);
                }
                if !dynamic.is_null() {
                    object["dynamic"] = dynamic;
                }
                object
            };
            (object(inner.0, before), object(inner.1, after))
        })
    });
    named(NAMES.to_vec(), 0..4, field)
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// What stands beside the fields.
fn top() -> impl Strategy<Value = Map<String, Value>> {
    let dynamic = select(vec![json!(null), json!(true), json!("strict"), json!(false)]);
    let formats = select(vec![json!(null), json!(["yyyy"]), json!(["yyyy", "MM"]), json!([])]);
    let runtime = select(vec![json!(null), json!({}), json!({"r": {"type": "long"}})]);
    let routing = select(vec![json!(null), json!({"required": true}), json!({"required": false})]);
    let detects = select(vec![json!(null), json!(true), json!(false)]);
    (dynamic, formats, runtime, routing, detects).prop_map(|all| {
        let all = [
            ("dynamic", all.0),
            ("dynamic_date_formats", all.1),
            ("runtime", all.2),
            ("_routing", all.3),
            ("date_detection", all.4),
        ];
        all.into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.to_owned(), value))
            .collect()
    })
}

/// Any mappings and later ones, written out plainly.
pub(super) fn any_two_mappings() -> impl Strategy<Value = Pair> {
    (any_fields(), top(), top()).prop_map(|(fields, mut before, mut after)| {
        before.insert("properties".into(), fields.0);
        after.insert("properties".into(), fields.1);
        (before.into(), after.into())
    })
}

/// Any mappings, written out plainly.
pub(super) fn any_mappings() -> impl Strategy<Value = Value> {
    any_two_mappings().prop_map(|(mappings, _)| mappings)
}

/// The same mappings in another spelling: each choice is made by one bit.
pub(super) fn respelled(mappings: &Value, mut bits: u64) -> Value {
    let mut mappings = mappings.clone();
    let top = mappings.as_object_mut().unwrap();
    if let Some(fields) = top.get_mut("properties") {
        respell_fields(fields, &mut bits);
    }
    for key in ["dynamic", "date_detection", "dynamic_date_formats"] {
        if let Some(value) = top.get_mut(key) {
            respell_value(key, value, &mut bits);
        }
    }
    mappings
}

fn flip(bits: &mut u64) -> bool {
    *bits = bits.rotate_right(1).wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1);
    *bits & 4 == 0
}

fn respell_fields(fields: &mut Value, bits: &mut u64) {
    let mut found = Map::new();
    for (name, mut field) in std::mem::take(fields.as_object_mut().unwrap()) {
        let parameters = field.as_object_mut().unwrap();
        for (key, value) in parameters.iter_mut() {
            if key == "properties" || key == "fields" {
                respell_fields(value, bits);
            } else if key != "type" {
                respell_value(key, value, bits);
            }
        }
        let plain = parameters.keys().all(|key| key == "properties");
        match parameters.get("properties") {
            Some(Value::Object(inner)) if plain && !inner.is_empty() && flip(bits) => {
                for (inner_name, inner) in inner {
                    found.insert(format!("{name}.{inner_name}"), inner.clone());
                }
            }
            Some(_) if plain && flip(bits) => {
                parameters.insert("type".into(), json!("object"));
                found.insert(name, field);
            }
            _ => drop(found.insert(name, field)),
        }
    }
    *fields = found.into();
}

fn respell_value(key: &str, value: &mut Value, bits: &mut u64) {
    if matches!(key, "meta" | "dims" | "contexts" | "null_value") || !flip(bits) {
        return;
    }
    match value {
        Value::Bool(it) => *value = json!(it.to_string()),
        Value::Number(it) => *value = json!(it.to_string()),
        Value::Array(items) if items.len() == 1 => *value = items[0].clone(),
        Value::Object(map) if key == "relations" => {
            map.values_mut().for_each(|it| respell_value("", it, bits));
        }
        _ => {}
    }
}
