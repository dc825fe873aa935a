//! Numbers in one spelling.

use serde_json::{Number, Value};

/// A number as text, whole ones without a fraction: `10.0` and `1e1` are `10`.
///
/// Kubernetes drops the fraction of a whole number, and Elasticsearch refuses one in an integer
/// setting.
pub(super) fn text(number: &Number) -> String {
    let text = number.to_string();
    if number.is_f64()
        && let Some(whole) = number.as_f64().and_then(whole)
    {
        return whole.to_string();
    }
    text
}

/// The scalar as Elasticsearch stores it in settings: as text. `None` for null, lists and objects.
pub(crate) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(it) => Some(it.to_string()),
        Value::Number(number) => Some(text(number)),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The integer that equals the float, where there is one that a float can hold exactly.
fn whole(float: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if float.fract() != 0.0 || float.abs() > EXACT {
        return None;
    }
    format!("{float:.0}").parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_whole_number_is_written_without_a_fraction() {
        let check = |value: Value, text: Option<&str>| {
            assert_eq!(scalar_text(&value).as_deref(), text, "{value}");
        };
        check(json!(10.0), Some("10"));
        check(json!(1e3), Some("1000"));
        check(json!(-0.0), Some("0"));
        check(json!(0.5), Some("0.5"));
        check(json!(1e300), Some("1e+300"));
        check(json!(i64::MAX), Some("9223372036854775807"));
        check(json!(true), Some("true"));
        check(json!(null), None);
        check(json!([1]), None);
    }
}
