//! When two values in a mapping mean the same.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::elasticsearch::values::number::scalar_text;

/// Whether two values of a field's parameter mean the same.
pub(super) fn same(kind: &str, name: &str, desired: &Value, live: &Value) -> bool {
    match name {
        // These say all that is in them, and what is left out goes.
        "meta" => alike(desired, live) && alike(live, desired),
        "copy_to" | "metrics" => texts(desired) == texts(live),
        "contexts" => contexts(desired, live),
        "locale" => locale(desired) == locale(live),
        "null_value" if kind == "geo_point" => point(desired, live),
        // These keep fewer digits than they are told.
        "null_value" if kind == "float" => near(desired, live, 2_f64.powi(-24)),
        "null_value" if kind == "half_float" => near(desired, live, 2_f64.powi(-11)),
        "orientation" => orientation(desired) == orientation(live),
        "relations" => relations(desired) == relations(live),
        "script" => alike(&script(desired), &script(live)),
        _ => alike(desired, live),
    }
}

/// Whether the values say the same in what the first one says: texts as numbers and booleans, one
/// value for a list of one, objects that may have more in them, which Elasticsearch fills up.
pub(super) fn alike(desired: &Value, live: &Value) -> bool {
    match (desired, live) {
        (Value::Object(desired), Value::Object(live)) => desired
            .iter()
            .filter(|(_, value)| !value.is_null())
            .all(|(key, value)| live.get(key).is_some_and(|live| alike(value, live))),
        (Value::Array(desired), Value::Array(live)) => {
            desired.len() == live.len() && desired.iter().zip(live).all(|(a, b)| alike(a, b))
        }
        (Value::Array(items), one) | (one, Value::Array(items)) => {
            !one.is_object() && items.len() == 1 && items.iter().all(|it| alike(it, one))
        }
        (Value::Null, Value::Null) => true,
        (desired, live) => match (scalar_text(desired), scalar_text(live)) {
            (Some(a), Some(b)) => {
                a == b || (desired.is_number() || live.is_number()) && equal_numbers(&a, &b)
            }
            _ => false,
        },
    }
}

fn equal_numbers(a: &str, b: &str) -> bool {
    let number = |text: &str| text.trim().parse::<f64>().ok().map(|it| it + 0.0);
    let exact = |text: &str| text.trim().parse::<i128>().ok();
    match (exact(a), exact(b)) {
        (Some(a), Some(b)) => a == b,
        _ => number(a).zip(number(b)).is_some_and(|(a, b)| a.total_cmp(&b).is_eq()),
    }
}

type Texts = BTreeSet<Option<String>>;

/// Whether a number was rounded to the other one, by no more than this part of itself.
fn near(desired: &Value, live: &Value, part: f64) -> bool {
    let number = |value: &Value| scalar_text(value)?.trim().parse::<f64>().ok();
    match (number(desired), number(live)) {
        (Some(desired), Some(live)) => (desired - live).abs() <= desired.abs() * part,
        _ => alike(desired, live),
    }
}

/// A text or a list of texts, in no order.
fn texts(value: &Value) -> Texts {
    match value {
        Value::Array(items) => items.iter().map(scalar_text).collect(),
        one => BTreeSet::from([scalar_text(one)]),
    }
}

/// Children by parent.
fn relations(value: &Value) -> Option<BTreeMap<&String, Texts>> {
    Some(value.as_object()?.iter().map(|(parent, children)| (parent, texts(children))).collect())
}

/// The contexts of a completion field: the type is read back in upper case, and a precision that
/// was a distance as the length of a geohash, which is not worked out here.
fn contexts(desired: &Value, live: &Value) -> bool {
    let list = |value: &Value| match value {
        Value::Array(items) => items.clone(),
        one => vec![one.clone()],
    };
    let upper =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_uppercase);
    let one = |desired: &Value, live: &Value| {
        let precision = |value: &Value| value.get("precision").and_then(Value::as_u64);
        let exact = precision(desired).is_none() || precision(desired) == precision(live);
        desired.get("name") == live.get("name")
            && desired.get("path") == live.get("path")
            && upper(desired, "type") == upper(live, "type")
            && exact
    };
    let (desired, live) = (list(desired), list(live));
    desired.len() == live.len() && desired.iter().zip(&live).all(|(a, b)| one(a, b))
}

fn locale(value: &Value) -> Option<String> {
    scalar_text(value).map(|it| if it == "ROOT" { String::new() } else { it })
}

fn orientation(value: &Value) -> Option<&'static str> {
    match value.as_str()?.to_lowercase().as_str() {
        "right" | "ccw" | "counterclockwise" => Some("right"),
        "left" | "cw" | "clockwise" => Some("left"),
        _ => None,
    }
}

/// A script is its source, in painless unless it says otherwise.
fn script(value: &Value) -> Value {
    let mut script = match value {
        Value::Object(script) => script.clone(),
        source => Map::from_iter([("source".to_owned(), source.clone())]),
    };
    if script.contains_key("source") && !script.contains_key("lang") {
        script.insert("lang".into(), json!("painless"));
    }
    script.retain(|_, value| !matches!(value, Value::Object(map) if map.is_empty()));
    script.into()
}

/// Whether two spellings of a point are the same place. A geohash is not worked out here, so it is
/// taken for the place that is there: the value can't be changed in any case.
fn point(desired: &Value, live: &Value) -> bool {
    match (coordinates(desired), coordinates(live)) {
        (Some((a, b)), Some((c, d))) => a.total_cmp(&c).is_eq() && b.total_cmp(&d).is_eq(),
        (None, Some(_)) => desired.is_string(),
        _ => alike(desired, live),
    }
}

/// Latitude and longitude.
fn coordinates(value: &Value) -> Option<(f64, f64)> {
    let number = |value: &Value| scalar_text(value)?.trim().parse::<f64>().ok().map(|it| it + 0.0);
    let pair = |a: &str, b: &str| Some((number(&json!(a))?, number(&json!(b))?));
    match value {
        Value::Object(map) => match map.get("coordinates") {
            Some(coordinates @ Value::Array(_)) => self::coordinates(coordinates),
            _ => Some((number(map.get("lat")?)?, number(map.get("lon")?)?)),
        },
        Value::Array(items) => Some((number(items.get(1)?)?, number(items.first()?)?)),
        Value::String(text) => {
            if let Some(inner) = text.trim().strip_prefix("POINT") {
                let inner = inner.trim().strip_prefix('(')?.strip_suffix(')')?.trim();
                let (lon, lat) = inner.split_once(char::is_whitespace)?;
                return pair(lat, lon);
            }
            let (lat, lon) = text.split_once(',')?;
            pair(lat, lon)
        }
        _ => None,
    }
}
