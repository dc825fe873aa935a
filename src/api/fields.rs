//! Types of single fields, each with the rules that the API server checks at admission.

use std::{borrow::Cow, fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use serde_json::{Map, Value, value::RawValue};

/// A span of time written as Kubernetes and Go write it: `90s`, `10m`, `1h30m`, `500ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DurationText(pub Duration);

impl DurationText {
    /// Reads a sum of whole numbers with the units `h`, `m`, `s` and `ms`.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not a duration such as '90s' or '10m'");
        let mut rest = text;
        let mut total = Duration::ZERO;
        if rest.is_empty() {
            return Err(wrong());
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
            let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
            let after = &rest[digits..];
            let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
            let part = match &after[..end] {
                "h" => number.checked_mul(3600).map(Duration::from_secs),
                "m" => number.checked_mul(60).map(Duration::from_secs),
                "s" => Some(Duration::from_secs(number)),
                "ms" => Some(Duration::from_millis(number)),
                _ => None,
            };
            total = part.and_then(|it| total.checked_add(it)).ok_or_else(wrong)?;
            rest = &after[end..];
        }
        Ok(Self(total))
    }
}

impl fmt::Display for DurationText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        match (millis % 1000, millis / 1000) {
            (0, seconds) if seconds > 0 && seconds % 60 == 0 => write!(f, "{}m", seconds / 60),
            (0, seconds) => write!(f, "{seconds}s"),
            _ => write!(f, "{millis}ms"),
        }
    }
}

impl Serialize for DurationText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}

impl JsonSchema for DurationText {
    fn schema_name() -> Cow<'static, str> {
        "DurationText".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": 32,
            "x-kubernetes-validations": [{
                "rule": "self.matches('^([0-9]{1,9}(h|m|s|ms))+$')",
                "message": "must be a duration such as '90s' or '10m'"
            }]
        })
    }
}

/// Where a server answers: `http` or `https`, a host, and a port where it is not the default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint(pub String);

impl JsonSchema for Endpoint {
    fn schema_name() -> Cow<'static, str> {
        "Endpoint".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "maxLength": 1024,
            "x-kubernetes-validations": [
                {
                    "rule": "isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHostname() != ''",
                    "message": "must be an http or https URL with a host, such as 'https://server.example:9200'"
                },
                {
                    "rule": "!self.contains('@')",
                    "message": "may not carry user-info: name a Secret in `auth` instead"
                },
                {
                    "rule": "!isURL(self) || url(self).getPort() == '' || (size(url(self).getPort()) <= 5 && int(url(self).getPort()) >= 1 && int(url(self).getPort()) <= 65535)",
                    "message": "must have a port from 1 to 65535"
                },
                {
                    "rule": "!isURL(self) || url(self).getEscapedPath() in ['', '/']",
                    "message": "may not carry a path"
                },
                {
                    "rule": "!self.contains('?') && !self.contains('#')",
                    "message": "may not carry a query or a fragment"
                }
            ]
        })
    }
}

/// SHA-256 of a certificate: 64 hexadecimal digits, colons between the bytes allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(pub String);

impl Fingerprint {
    /// The 32 bytes, or nothing when the text is no fingerprint.
    #[must_use]
    pub fn bytes(&self) -> Option<[u8; 32]> {
        let digits: Vec<u8> = self.0.bytes().filter(|it| *it != b':').collect();
        let mut bytes = [0; 32];
        if digits.len() != 64 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            let pair = std::str::from_utf8(pair).ok()?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        Some(bytes)
    }
}

impl JsonSchema for Fingerprint {
    fn schema_name() -> Cow<'static, str> {
        "Fingerprint".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": 95,
            "x-kubernetes-validations": [{
                "rule": "self.matches('^([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$')",
                "message": "must be a SHA-256 fingerprint: 64 hexadecimal digits, with or without colons"
            }]
        })
    }
}

/// The name of an index, by the rules of Elasticsearch's create-index API, without the names that
/// begin with a dot: those belong to Elasticsearch's own features.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexName(pub String);

impl JsonSchema for IndexName {
    fn schema_name() -> Cow<'static, str> {
        "IndexName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "maxLength": 255,
            "x-kubernetes-validations": [
                { "rule": "size(bytes(self)) <= 255", "message": "must be no more than 255 bytes" },
                { "rule": "!self.matches('\\\\p{Lu}')", "message": "must be lower case" },
                {
                    "rule": "!self.startsWith('-') && !self.startsWith('_') && !self.startsWith('+')",
                    "message": "may not begin with '-', '_' or '+'"
                },
                {
                    "rule": "!self.startsWith('.')",
                    "message": "may not begin with '.': such names belong to Elasticsearch itself"
                },
                {
                    "rule": "!self.matches('[\\\\\\\\/*?\"<>|,#: \\\\x00-\\\\x1f\\\\x7f-\\\\x{9f}]')",
                    "message": "may not contain '\\', '/', '*', '?', '\"', '<', '>', '|', ',', '#', ':', blanks or control characters"
                }
            ]
        })
    }
}

/// A free-form JSON object, kept as compact text: a tree of it costs ten times the memory.
#[derive(Clone, PartialEq, Eq)]
pub struct JsonObject(Box<str>);

impl JsonObject {
    /// Keeps `map` as text.
    #[must_use]
    pub fn new(map: &Map<String, Value>) -> Self {
        Self(serde_json::to_string(map).unwrap_or_else(|_| "{}".into()).into_boxed_str())
    }

    /// The object as a tree, to work on.
    #[must_use]
    pub fn to_map(&self) -> Map<String, Value> {
        serde_json::from_str(&self.0).unwrap_or_default()
    }

    /// The compact text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for JsonObject {
    fn default() -> Self {
        Self("{}".into())
    }
}

impl fmt::Debug for JsonObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for JsonObject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value: Map<String, Value> = serde_json::from_str(&self.0).map_err(S::Error::custom)?;
        value.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for JsonObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The API server's text is compact, and is taken as it is: a tree of it costs time.
        let text = Box::<RawValue>::deserialize(deserializer)?;
        if text.get().starts_with('{') && !text.get().contains([' ', '\n', '\r', '\t']) {
            return Ok(Self(text.into()));
        }
        let map: Map<String, Value> = serde_json::from_str(text.get()).map_err(D::Error::custom)?;
        Ok(Self::new(&map))
    }
}

impl JsonSchema for JsonObject {
    fn schema_name() -> Cow<'static, str> {
        "JsonObject".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_read_in_every_unit_and_in_sums() {
        let cases = [("90s", 90_000), ("10m", 600_000), ("1h30m", 5_400_000), ("250ms", 250)];
        for (text, millis) in cases {
            assert_eq!(DurationText::parse(text).unwrap().0.as_millis(), millis, "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_the_text_in_the_message() {
        for text in ["", "10", "s", "1.5s", "-1s", "10 s", "10x", "99999999999999999999h"] {
            let error = DurationText::parse(text).unwrap_err();
            assert!(error.contains(text), "{error}");
        }
    }

    #[test]
    fn a_fingerprint_is_read_with_and_without_colons() {
        let plain = Fingerprint("ab".repeat(32));
        let colons = Fingerprint(vec!["AB"; 32].join(":"));
        assert_eq!(plain.bytes(), colons.bytes());
        assert_eq!(plain.bytes(), Some([0xab; 32]));
        assert_eq!(Fingerprint("zz".repeat(32)).bytes(), None);
        assert_eq!(Fingerprint("ab".repeat(31)).bytes(), None);
    }

    #[test]
    fn a_json_object_survives_a_round_trip() {
        let text = r#"{"a":{"b":[1,"x",null]},"é":true}"#;
        let object: JsonObject = serde_json::from_str(text).unwrap();
        assert_eq!(object.as_str(), text);
        assert_eq!(serde_json::to_string(&object).unwrap(), text);
    }

    #[test]
    fn a_json_object_is_kept_compact_and_nothing_else_is_one() {
        let object: JsonObject = serde_json::from_str("{ \"a\" :\n[1, \"b c\"] }").unwrap();
        assert_eq!(object.as_str(), r#"{"a":[1,"b c"]}"#);
        for text in ["[]", "1", "null"] {
            assert!(serde_json::from_str::<JsonObject>(text).is_err(), "{text}");
        }
    }
}
