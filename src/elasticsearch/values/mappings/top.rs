//! What mappings hold beside fields.

use serde_json::{Map, Value, json};

use super::{
    fields::Comparison,
    values::{alike, same},
};

/// Compares it, and gives back what to send.
pub(super) fn differences(
    comparison: &mut Comparison,
    desired: &Map<String, Value>,
    live: &Map<String, Value>,
) -> Map<String, Value> {
    let mut send = Map::new();
    for (key, value) in desired {
        let path = format!("mappings.{key}");
        let shown = live.get(key);
        match (key.as_str(), value) {
            ("_meta" | "properties", _) => {}
            ("runtime", Value::Object(fields)) => {
                let fields = runtime(comparison, fields, shown, &path);
                if !fields.is_empty() {
                    send.insert(key.clone(), fields.into());
                }
            }
            (_, Value::Object(fields)) => metadata(comparison, fields, shown, &path),
            _ if holds(key, value, shown) => {}
            ("enabled" | "subobjects", _) => comparison.refuse(path, value, shown),
            _ => {
                if comparison.add(path, value, shown) {
                    send.insert(key.clone(), value.clone());
                }
            }
        }
    }
    send
}

/// Whether the live mappings have the value, shown or not.
fn holds(key: &str, desired: &Value, shown: Option<&Value>) -> bool {
    let default = match key {
        "dynamic" | "date_detection" | "enabled" | "subobjects" => json!(true),
        "numeric_detection" => json!(false),
        "dynamic_date_formats" => {
            json!(["strict_date_optional_time", "yyyy/MM/dd HH:mm:ss Z||yyyy/MM/dd Z"])
        }
        "dynamic_templates" => json!([]),
        _ => Value::Null,
    };
    let live = shown.unwrap_or(&default);
    if key == "dynamic_templates" {
        return templates(desired, live);
    }
    alike(desired, live)
}

/// Dynamic templates have an order and are replaced together. 7.17 does not show what selects all.
fn templates(desired: &Value, live: &Value) -> bool {
    let canonical = |value: &Value| {
        let mut value = value.clone();
        for template in value.as_array_mut().into_iter().flatten() {
            let inner = template.as_object_mut().into_iter().flat_map(|it| it.values_mut());
            for template in inner.filter_map(Value::as_object_mut) {
                template.retain(|key, value| {
                    !matches!(
                        (key.as_str(), value.as_str()),
                        ("match_pattern", Some("simple")) | ("match_mapping_type", Some("*"))
                    )
                });
            }
        }
        value
    };
    let (desired, live) = (canonical(desired), canonical(live));
    alike(&desired, &live) && alike(&live, &desired)
}

/// Metadata fields such as `_source`, of which nothing can change.
fn metadata(
    comparison: &mut Comparison,
    desired: &Map<String, Value>,
    live: Option<&Value>,
    path: &str,
) {
    for (name, value) in desired {
        let shown = live.and_then(|it| it.get(name));
        let holds = match (shown, name.as_str()) {
            (Some(live), _) => alike(value, live),
            (None, "includes" | "excludes") => alike(value, &json!([])),
            (None, "required") => alike(value, &json!(false)),
            (None, "enabled") => alike(value, &json!(on_by_default(path))),
            // 9.x takes the mode of `_source` and does not show it: a setting took its place.
            (None, "mode") => true,
            (None, _) => false,
        };
        if !holds {
            comparison.refuse(format!("{path}.{name}"), value, shown);
        }
    }
}

fn on_by_default(path: &str) -> bool {
    matches!(path, "mappings._source" | "mappings._field_names")
}

/// Runtime fields, each of which is replaced whole.
fn runtime(
    comparison: &mut Comparison,
    desired: &Map<String, Value>,
    live: Option<&Value>,
    path: &str,
) -> Map<String, Value> {
    let mut send = Map::new();
    for (name, field) in desired {
        let shown = live.and_then(|it| it.get(name));
        let holds = match (field, shown) {
            (Value::Object(field), Some(Value::Object(live))) => same_runtime(field, live),
            _ => false,
        };
        if !holds && comparison.add(format!("{path}.{name}"), field, shown) {
            send.insert(name.clone(), field.clone());
        }
    }
    send
}

fn same_runtime(desired: &Map<String, Value>, live: &Map<String, Value>) -> bool {
    let kind = super::type_of(live);
    desired.iter().all(|(name, value)| match (name.as_str(), live.get(name)) {
        ("fetch_fields", Some(live)) => alike(&fetched(value), &fetched(live)),
        (_, Some(live)) => same(kind, name, value, live),
        ("format", None) => alike(value, &json!("strict_date_optional_time||epoch_millis")),
        ("locale", None) => ["", "ROOT", "en"].iter().any(|it| alike(value, &json!(it))),
        ("meta", None) => alike(value, &json!({})),
        ("on_script_error", None) => alike(value, &json!("fail")),
        (_, None) => false,
    })
}

/// Fields that a lookup fetches: a name stands for an object with it.
fn fetched(value: &Value) -> Value {
    let Value::Array(items) = value else { return value.clone() };
    let long =
        |item: &Value| if item.is_string() { json!({ "field": item }) } else { item.clone() };
    items.iter().map(long).collect()
}
