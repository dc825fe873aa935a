//! When two values of a setting mean the same.

use serde_json::Value;

use super::super::number::scalar_text;

/// How Elasticsearch reads the text of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nobody knows: letter by letter, and one value may stand for a list of one.
    Unknown,
    /// Letter by letter.
    Text,
    /// A name from a fixed set, in any case.
    Word,
    /// A whole number: `+10` and `010` are 10.
    Integer,
    /// A number that may have a fraction, or a percentage.
    Float,
    /// A duration: `60s` and `1m`.
    Time,
    /// A size: `1024mb` and `1gb`.
    Bytes,
    /// A list of texts; as one text its items are parted by commas.
    List,
    /// A list of names from a fixed set, in any case.
    Words,
}

/// Whether a desired and a live value mean the same to Elasticsearch.
///
/// Where a list may be meant, one with a single item is that item; otherwise order and length
/// count. A setting that is no list takes one for the text `[a, b]`.
pub(super) fn same(meaning: Meaning, desired: &Value, live: &Value) -> bool {
    match (items(meaning, desired), items(meaning, live)) {
        (Some(a), Some(b)) => {
            a.len() == b.len()
                && a.iter().zip(&b).all(|(a, b)| a == b || read(meaning, a) == read(meaning, b))
        }
        _ => desired == live,
    }
}

/// Whether two texts mean the same to Elasticsearch in any way in which it may read a setting of which nobody
/// knows how it is read: `60s` is `1m`, and `1024mb` is `1gb`.
#[must_use]
pub fn alike(one: &str, other: &str) -> bool {
    let ways = [Meaning::Text, Meaning::Integer, Meaning::Float, Meaning::Time, Meaning::Bytes];
    ways.into_iter().any(|it| read(it, one) == read(it, other))
}

/// The value as a list of texts; `None` where it holds something that is no setting.
fn items(meaning: Meaning, value: &Value) -> Option<Vec<String>> {
    let is_list = matches!(meaning, Meaning::List | Meaning::Words);
    match value {
        Value::Array(items) if is_list || meaning == Meaning::Unknown => {
            return items.iter().map(scalar_text).collect();
        }
        Value::Array(_) => return None,
        _ => {}
    }
    let text = scalar_text(value)?;
    if !is_list {
        return Some(vec![text]);
    }
    Some(text.split(',').map(|it| it.trim().to_owned()).filter(|it| !it.is_empty()).collect())
}

/// A text that was understood.
#[derive(Debug, PartialEq)]
enum Read<'a> {
    Text(&'a str),
    Word(String),
    Integer(i128),
    Float(f64),
    Percent(f64),
    Nanos(i128),
    Bytes(i128),
}

/// Understands a text; one that Elasticsearch would refuse stays the text that it is.
fn read(meaning: Meaning, text: &str) -> Read<'_> {
    let read = match meaning {
        Meaning::Unknown | Meaning::Text | Meaning::List => None,
        Meaning::Word | Meaning::Words => Some(Read::Word(text.to_lowercase())),
        Meaning::Integer => text.parse().ok().map(Read::Integer),
        Meaning::Float => match text.trim().strip_suffix('%') {
            Some(percent) => float(percent).map(Read::Percent),
            None => float(text).map(Read::Float),
        },
        Meaning::Time => nanos(text).map(Read::Nanos),
        Meaning::Bytes => bytes(text).map(Read::Bytes),
    };
    read.unwrap_or(Read::Text(text))
}

fn float(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|it: &f64| it.is_finite())
}

/// A duration in nanoseconds. Elasticsearch takes any case, but `M` is no minute.
fn nanos(text: &str) -> Option<i128> {
    const UNITS: [(&str, i128); 7] = [
        ("nanos", 1),
        ("micros", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
        ("d", 86_400_000_000_000),
    ];
    let text = text.trim();
    if text.ends_with('M') {
        return None;
    }
    let lower = text.to_lowercase();
    if let Some(number) = unitless(&lower) {
        return Some(number * 1_000_000);
    }
    let (amount, size) =
        UNITS.iter().find_map(|(unit, size)| Some((lower.strip_suffix(unit)?, size)))?;
    let amount: i64 = amount.trim().parse().ok()?;
    Some(i128::from(amount) * size)
}

/// A size in bytes, which may have a fraction.
pub(in crate::elasticsearch) fn bytes(text: &str) -> Option<i128> {
    const UNITS: [(&str, u32); 11] = [
        ("kb", 10),
        ("mb", 20),
        ("gb", 30),
        ("tb", 40),
        ("pb", 50),
        ("b", 0),
        ("k", 10),
        ("m", 20),
        ("g", 30),
        ("t", 40),
        ("p", 50),
    ];
    let lower = text.trim().to_lowercase();
    if let Some(number) = unitless(&lower) {
        return Some(number);
    }
    let (amount, shift) =
        UNITS.iter().find_map(|(unit, shift)| Some((lower.strip_suffix(unit)?, shift)))?;
    let (whole, fraction) = amount.trim().split_once('.').unwrap_or_else(|| (amount.trim(), ""));
    // More digits than these Elasticsearch can't keep apart either.
    if fraction.len() > 9 || !fraction.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    let whole: i64 = whole.parse().ok()?;
    let fraction: i128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    Some(((i128::from(whole) * scale + fraction) << shift) / scale)
}

/// The two numbers that need no unit: minus one, which is "off", and zero.
fn unitless(text: &str) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |it| (-1, it));
    let number = digits.trim_start_matches('0');
    match number {
        "" if !digits.is_empty() && sign == 1 => Some(0),
        "1" if sign == -1 => Some(-1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(meaning: Meaning, equal: bool, pairs: &[(Value, Value)]) {
        for (a, b) in pairs {
            assert_eq!(same(meaning, a, b), equal, "{a} {b}");
            assert_eq!(same(meaning, b, a), equal, "{b} {a}");
        }
    }

    #[test]
    fn a_scalar_is_its_text() {
        let pairs =
            [(json!(1), json!("1")), (json!(true), json!("true")), (json!(["a"]), json!(["a"]))];
        check(Meaning::Text, true, &pairs);
        let pairs = [(json!("a"), json!(["a"])), (json!([1, true]), json!(["1", "true"]))];
        check(Meaning::Unknown, true, &pairs);
        check(Meaning::Text, false, &pairs[..1]);
        check(Meaning::Time, false, &[(json!("1s"), json!(["1s"]))]);
    }

    #[test]
    fn an_unknown_setting_is_compared_letter_by_letter() {
        let pairs = [
            (json!("60s"), json!("1m")),
            (json!("a"), json!("A")),
            (json!("1"), json!("1.0")),
            (json!("a,b"), json!(["a", "b"])),
            (json!(["a", "b"]), json!(["b", "a"])),
            (json!({"a": 1}), json!("1")),
        ];
        check(Meaning::Unknown, false, &pairs);
        check(Meaning::Text, false, &pairs);
    }

    #[test]
    fn durations_are_compared_as_time() {
        let pairs = [
            (json!("60s"), json!("1m")),
            (json!("24h"), json!("1D")),
            (json!(" 30s "), json!("30S")),
            (json!("1000ms"), json!("1 s")),
            (json!("1000micros"), json!("1ms")),
            (json!("1000000nanos"), json!("1ms")),
            (json!(-1), json!("-1")),
            (json!(0), json!("0s")),
        ];
        check(Meaning::Time, true, &pairs);
        let pairs =
            [(json!("1m"), json!("1M")), (json!("60"), json!("60s")), (json!("-1"), json!("1"))];
        check(Meaning::Time, false, &pairs);
    }

    #[test]
    fn sizes_are_compared_as_bytes() {
        let pairs = [
            (json!("1024mb"), json!("1gb")),
            (json!("1073741824b"), json!("1GB")),
            (json!("1.5gb"), json!("1536mb")),
            (json!(" 512 mb "), json!("512m")),
            (json!("1k"), json!("1kb")),
            (json!(-1), json!("-1")),
        ];
        check(Meaning::Bytes, true, &pairs);
        let pairs = [(json!("1gb"), json!("1g b")), (json!("1024"), json!("1kb"))];
        check(Meaning::Bytes, false, &pairs);
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        check(Meaning::Integer, true, &[(json!("+10"), json!(10)), (json!("010"), json!("10"))]);
        check(Meaning::Integer, false, &[(json!("10.5"), json!("10")), (json!(""), json!("0"))]);
        let pairs = [(json!("10.0"), json!(10)), (json!("50%"), json!("50.0%"))];
        check(Meaning::Float, true, &pairs);
        check(Meaning::Float, false, &[(json!("50%"), json!("50")), (json!("NaN"), json!("1"))]);
        check(Meaning::Float, true, &[(json!("NaN"), json!("NaN"))]);
    }

    #[test]
    fn texts_are_alike_where_any_way_to_read_them_says_so() {
        for (one, other) in
            [("60s", "1m"), ("1024mb", "1gb"), ("1.0", "1"), ("+5", "5"), ("a", "a")]
        {
            assert!(alike(one, other) && alike(other, one), "{one} {other}");
        }
        for (one, other) in [("60s", "60m"), ("40mb", "41mb"), ("true", "false"), ("5%", "5")] {
            assert!(!alike(one, other), "{one} {other}");
        }
    }

    #[test]
    fn names_from_a_fixed_set_are_compared_in_any_case() {
        check(Meaning::Word, true, &[(json!("ASYNC"), json!("async"))]);
        check(Meaning::Words, true, &[(json!("DESC,asc"), json!(["desc", "ASC"]))]);
    }

    #[test]
    fn one_text_with_commas_is_a_list_where_a_list_is_meant() {
        let pairs = [
            (json!("a, b"), json!(["a", "b"])),
            (json!("a"), json!(["a"])),
            (json!(""), json!([])),
        ];
        check(Meaning::List, true, &pairs);
        check(Meaning::List, false, &[(json!("a,b"), json!(["b", "a"]))]);
    }
}
