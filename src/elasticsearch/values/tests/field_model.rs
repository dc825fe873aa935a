//! One field in the small Elasticsearch: how it writes a parameter, which it does not show.

use serde_json::{Value, json};

use super::mapping_model::{Object, kind, map, object};

/// A field without its sub-fields, as shown.
pub(super) fn leaf(given: &Object) -> Object {
    let kind = kind(given);
    let mut shown = map([("type", json!(kind))]);
    for (name, value) in given.iter().filter(|(name, _)| *name != "fields") {
        let value = parameter(kind, name, value);
        let explicit = matches!(name.as_str(), "coerce" | "ignore_malformed" | "ignore_z_value")
            && !matches!(kind, "date" | "date_nanos" | "ip");
        if explicit || !hidden(kind, name, &value) {
            shown.insert(name.clone(), value);
        }
    }
    fill(kind, &mut shown);
    shown
}

fn parameter(kind: &str, name: &str, value: &Value) -> Value {
    match name {
        "null_value" => match kind {
            "double" | "scaled_float" => json!(float(value)),
            "long" => json!(integer(value)),
            "boolean" => boolean(value),
            "geo_point" => point(value),
            _ => text(value),
        },
        "copy_to" => list(value),
        "ignore_above" | "position_increment_gap" | "depth_limit" | "max_input_length" => {
            json!(integer(value))
        }
        "scaling_factor" => json!(float(value)),
        "index_prefixes" => {
            let get = |key: &str, default: i64| value.get(key).map_or(default, integer);
            json!({ "min_chars": get("min_chars", 2), "max_chars": get("max_chars", 5) })
        }
        "fielddata_frequency_filter" => {
            let get = |key: &str, default: f64| value.get(key).map_or(default, float);
            let segment = value.get("min_segment_size").map_or(0, integer);
            let max = get("max", f64::from(i32::MAX));
            json!({ "min": get("min", 0.0), "max": max, "min_segment_size": segment })
        }
        "contexts" => {
            let mut contexts = value.clone();
            for context in contexts.as_array_mut().unwrap() {
                context["type"] = json!(context["type"].as_str().unwrap().to_uppercase());
            }
            contexts
        }
        "relations" => {
            let one = |value: &Value| match value.as_array().map(Vec::as_slice) {
                Some([one]) => one.clone(),
                _ => value.clone(),
            };
            object(value).iter().map(|(k, v)| (k.clone(), one(v))).collect()
        }
        _ if matches!(value.as_str(), Some("true" | "false")) => boolean(value),
        _ => value.clone(),
    }
}

pub(super) fn hidden(kind: &str, name: &str, value: &Value) -> bool {
    let formats = [
        "strict_date_optional_time||epoch_millis",
        "strict_date_optional_time_nanos||epoch_millis",
    ];
    match name {
        "index" if kind == "dense_vector" => false,
        "index" | "positive_score_impact" | "enable_position_increments" => *value == json!(true),
        "doc_values" if kind == "search_as_you_type" => false,
        "doc_values" => *value == json!(kind != "binary"),
        "norms" => *value == json!(kind != "keyword"),
        "store" => kind == "sparse_vector" || *value == json!(false),
        "eager_global_ordinals"
        | "fielddata"
        | "ignore_malformed"
        | "index_phrases"
        | "split_queries_on_whitespace" => *value == json!(false),
        "ignore_above" => *value == json!(i32::MAX),
        "position_increment_gap" => *value == json!(100),
        "depth_limit" => *value == json!(20),
        "index_options" if matches!(kind, "keyword" | "flattened") => value == "docs",
        "index_options" => value == "positions",
        "term_vector" => value == "no",
        "format" => value == formats[usize::from(kind == "date_nanos")],
        "locale" => value == "en",
        "element_type" => value == "float",
        "copy_to" => *value == json!([]),
        "meta" => *value == json!({}),
        _ => false,
    }
}

/// What a type shows of itself though nobody said it.
fn fill(kind: &str, shown: &mut Object) {
    let mut default = |key: &str, value: Value| {
        shown.entry(key.to_owned()).or_insert(value);
    };
    match kind {
        "text" => analyzers(shown),
        "join" => default("eager_global_ordinals", json!(true)),
        "search_as_you_type" => {
            default("doc_values", json!(false));
            default("max_shingle_size", json!(3));
        }
        "completion" => {
            default("analyzer", json!("simple"));
            default("max_input_length", json!(50));
            default("preserve_separators", json!(true));
            default("preserve_position_increments", json!(true));
        }
        "dense_vector" => {
            default("index", json!(true));
            default("similarity", json!("cosine"));
            let options = shown.entry("index_options").or_insert(json!({"type": "int8_hnsw"}));
            options["m"] = json!(options.get("m").map_or(16, integer));
            options["ef_construction"] = json!(options.get("ef_construction").map_or(100, integer));
        }
        _ => {}
    }
}

fn analyzers(shown: &mut Object) {
    let given = |name: &str, other: Value| shown.get(name).cloned().unwrap_or(other);
    let index = given("analyzer", json!("default"));
    let search = given("search_analyzer", index.clone());
    let quote = given("search_quote_analyzer", search.clone());
    let quoted = quote != search;
    let searched = quoted || search != index;
    for (name, value, show) in [
        ("analyzer", &index, searched || index != "default"),
        ("search_analyzer", &search, searched),
        ("search_quote_analyzer", &quote, quoted),
    ] {
        shown.remove(name);
        if show {
            shown.insert(name.into(), value.clone());
        }
    }
}

pub(super) fn list(value: &Value) -> Value {
    if value.is_array() { value.clone() } else { json!([value]) }
}

pub(super) fn text(value: &Value) -> Value {
    value.as_str().map_or_else(|| json!(value.to_string()), |it| json!(it))
}

pub(super) fn boolean(value: &Value) -> Value {
    json!(*value == json!(true) || value == "true")
}

fn integer(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
}

fn float(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| value.as_str().unwrap().trim().parse().unwrap())
}

fn point(value: &Value) -> Value {
    let at = |lat: f64, lon: f64| json!({ "lat": lat, "lon": lon });
    let pair = |items: &Value| at(float(&items[1]), float(&items[0]));
    match value {
        Value::String(text) => {
            if let Some(inner) = text.strip_prefix("POINT (") {
                let (lon, lat) = inner.trim_end_matches(')').split_once(' ').unwrap();
                return at(lat.parse().unwrap(), lon.parse().unwrap());
            }
            let (lat, lon) = text.split_once(',').unwrap();
            at(lat.trim().parse().unwrap(), lon.trim().parse().unwrap())
        }
        Value::Object(map) if map.contains_key("coordinates") => pair(&map["coordinates"]),
        Value::Object(map) => at(float(&map["lat"]), float(&map["lon"])),
        list => pair(list),
    }
}
