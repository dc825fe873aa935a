//! The bodies that etcd's JSON gateway takes and gives: bytes are base64, 64-bit numbers are texts,
//! and a field that is zero, empty or false is left out.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Bytes in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bytes(pub(super) Vec<u8>);

/// A 64-bit number in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Number(pub(super) i64);

/// If all of `compare` holds then `success` is done, else nothing.
#[derive(Serialize)]
pub(super) struct Transaction {
    pub(super) compare: Vec<Compare>,
    pub(super) success: Vec<Operation>,
}

#[derive(Serialize)]
pub(super) struct Compare {
    pub(super) key: Bytes,
    /// With it, every key from `key` up to this one must hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) range_end: Option<Bytes>,
    pub(super) result: &'static str,
    pub(super) target: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mod_revision: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<Number>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Operation {
    RequestRange {
        key: Bytes,
        #[serde(skip_serializing_if = "Option::is_none")]
        range_end: Option<Bytes>,
        limit: Number,
    },
    RequestPut {
        key: Bytes,
        value: Bytes,
    },
}

#[derive(Deserialize)]
pub(super) struct Answer {
    /// In every answer of etcd, and in no other server's.
    pub(super) header: Header,
    #[serde(default)]
    pub(super) succeeded: bool,
    #[serde(default)]
    pub(super) responses: Vec<Response>,
}

#[derive(Deserialize)]
pub(super) struct Header {
    /// The same from all members of one etcd, and another one from each other etcd.
    pub(super) cluster_id: Number,
}

#[derive(Deserialize)]
pub(super) struct Response {
    pub(super) response_range: Option<Range>,
}

#[derive(Deserialize)]
pub(super) struct Range {
    #[serde(default)]
    pub(super) kvs: Vec<KeyValue>,
    /// Of all keys in the range, those beyond the limit too.
    #[serde(default)]
    pub(super) count: Number,
}

#[derive(Deserialize)]
pub(super) struct KeyValue {
    pub(super) key: Bytes,
    #[serde(default)]
    pub(super) value: Bytes,
    pub(super) mod_revision: Number,
}

impl Compare {
    /// That `key` was last written at `revision`.
    pub(super) fn unchanged(key: &[u8], revision: i64) -> Self {
        let mod_revision = Some(Number(revision));
        Self { target: "MOD", mod_revision, version: None, ..Self::absent(key) }
    }

    /// That there is no `key`.
    pub(super) fn absent(key: &[u8]) -> Self {
        Self {
            key: Bytes(key.to_vec()),
            range_end: None,
            result: "EQUAL",
            target: "VERSION",
            mod_revision: None,
            version: Some(Number(0)),
        }
    }

    /// That no key begins with `prefix`.
    pub(super) fn none_below(prefix: &[u8]) -> Self {
        Self { range_end: Some(Bytes(end_of(prefix))), ..Self::absent(prefix) }
    }
}

/// Where the range of all keys that begin with `prefix` ends.
pub(super) fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    // etcd's word for the end of all keys.
    vec![0]
}

/// etcd's words in an answer that is no success; nothing where there are none.
pub(super) fn words(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        message: Option<String>,
        error: Option<String>,
    }
    let refusal: Refusal = serde_json::from_slice(body).ok()?;
    refusal.message.or(refusal.error)
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(|_| de::Error::custom("no base64"))
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // Ids are unsigned, and as long; nobody computes with them.
        let number = text.parse().or_else(|_| text.parse().map(u64::cast_signed));
        number.map(Self).map_err(|_| de::Error::custom("no number"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_the_next_key_that_does_not_begin_with_it() {
        assert_eq!(end_of(b"/a/"), b"/a0");
        assert_eq!(end_of(b"a\xff"), b"b");
        assert_eq!(end_of(b"\xff\xff"), [0]);
    }

    #[test]
    fn a_transaction_is_spelled_as_the_gateway_reads_it() {
        let transaction = Transaction {
            compare: vec![Compare::unchanged(b"/c", 12), Compare::none_below(b"/s/")],
            success: vec![
                Operation::RequestPut { key: Bytes(b"/c".to_vec()), value: Bytes(b"{}".to_vec()) },
                Operation::RequestRange {
                    key: Bytes(b"/c".to_vec()),
                    range_end: None,
                    limit: Number(1),
                },
            ],
        };
        let expected = json!({
            "compare": [
                {"key": "L2M=", "target": "MOD", "result": "EQUAL", "mod_revision": "12"},
                {"key": "L3Mv", "range_end": "L3Mw", "target": "VERSION", "result": "EQUAL",
                 "version": "0"},
            ],
            "success": [
                {"request_put": {"key": "L2M=", "value": "e30="}},
                {"request_range": {"key": "L2M=", "limit": "1"}},
            ],
        });
        assert_eq!(serde_json::to_value(transaction).unwrap(), expected);
    }

    #[test]
    fn an_answer_is_read_though_what_is_zero_is_left_out() {
        let answer: Answer = serde_json::from_value(json!({
            "header": {"cluster_id": "14841639068965178418", "revision": "3"},
            "responses": [
                {"response_range": {"header": {}, "count": "2", "more": true,
                    "kvs": [{"key": "L2M=", "mod_revision": "3", "version": "1"}]}},
                {"response_range": {}},
            ],
        }))
        .unwrap();
        assert!(!answer.succeeded);
        assert_eq!(answer.header.cluster_id.0.cast_unsigned(), 14_841_639_068_965_178_418);
        let first = answer.responses[0].response_range.as_ref().unwrap();
        assert_eq!((first.count, first.kvs[0].value.clone()), (Number(2), Bytes::default()));
        assert_eq!(answer.responses[1].response_range.as_ref().unwrap().count, Number(0));
        assert!(serde_json::from_value::<Answer>(json!({})).is_err(), "no etcd");
    }
}
