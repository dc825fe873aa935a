//! What is known of a setting by its key.

use serde_json::Value;

use super::{
    Flat,
    table::{self, Row},
    value::{self, Meaning},
};

/// When Elasticsearch lets a setting of an index change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// At any time.
    Dynamic,
    /// Only while the index is closed.
    ClosedOnly,
    /// Never: it takes another index.
    Final,
}

/// When the setting may change. Of a key that is not known, Elasticsearch is the judge: it is taken
/// as dynamic.
#[must_use]
pub fn kind(key: &str) -> Kind {
    const CLOSED_ONLY: [&str; 2] = ["index.analysis.", "index.similarity."];
    match table::find(key) {
        Some(row) => row.kind,
        None if CLOSED_ONLY.iter().any(|it| key.starts_with(it)) => Kind::ClosedOnly,
        None => Kind::Dynamic,
    }
}

/// Whether a desired and a live value of the setting mean the same to Elasticsearch.
#[must_use]
pub fn same(key: &str, desired: &Value, live: &Value) -> bool {
    let meaning = table::find(key).map_or(Meaning::Text, |row| row.meaning);
    value::same(meaning, desired, live)
}

/// Whether the value is what holds where the setting is not set.
///
/// `index.refresh_interval` has no such value: an explicit `1s` refreshes always, while the default
/// stops refreshing an index that nobody searches.
pub(super) fn is_default(key: &str, value: &Value, live: &Flat) -> bool {
    let Some(Row { default: Some(default), .. }) = table::find(key) else {
        return false;
    };
    (standard_mode(live) || !MODE_DEPENDENT.contains(&key))
        && same(key, &Value::from(*default), value)
}

/// Settings whose default is another one where `index.mode` is not the standard one.
const MODE_DEPENDENT: [&str; 8] = [
    "index.codec",
    "index.mapping.ignore_above",
    "index.mapping.ignore_malformed",
    "index.mapping.source.mode",
    "index.mapping.synthetic_source_keep",
    "index.mapping.total_fields.ignore_dynamic_beyond_limit",
    "index.query.default_field",
    "index.seq_no.index_options",
];

fn standard_mode(live: &Flat) -> bool {
    live.get("index.mode").is_none_or(|it| same("index.mode", it, &Value::from("standard")))
}

/// Whether Elasticsearch alone makes the setting: it refuses it in a request.
pub(super) fn server_made(key: &str) -> bool {
    const KEYS: [&str; 23] = [
        "index.allocation.existing_shards_allocator",
        "index.creation_date",
        "index.dimensions",
        "index.downsample.interval",
        "index.downsample.origin.name",
        "index.downsample.origin.uuid",
        "index.downsample.source.name",
        "index.downsample.source.uuid",
        "index.downsample.status",
        "index.frozen",
        "index.history.uuid",
        "index.logsdb.add_host_name_field",
        "index.logsdb.sort_on_host_name",
        "index.provided_name",
        "index.rollup.source.name",
        "index.rollup.source.uuid",
        "index.routing.allocation.disk.watermark.ignore",
        "index.search.throttled",
        "index.shard_limit.group",
        "index.transport_version.created",
        "index.uuid",
        "index.verified_before_close",
        "index.verified_read_only",
    ];
    const PREFIXES: [&str; 5] = [
        "index.resize.",
        "index.routing.allocation.initial_recovery.",
        "index.shrink.",
        "index.store.snapshot.",
        "index.version.",
    ];
    KEYS.contains(&key) || PREFIXES.iter().any(|it| key.starts_with(it))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_setting_changes_when_elasticsearch_lets_it() {
        let check = |wanted: Kind, keys: &[&str]| {
            for key in keys {
                assert_eq!(kind(key), wanted, "{key}");
            }
        };
        let dynamic = ["index.number_of_replicas", "index.blocks.write", "index.of.some.plugin"];
        check(Kind::Dynamic, &dynamic);
        check(Kind::Dynamic, &["index.routing.allocation.include.rack", "index.lifecycle.name"]);
        let closed = ["index.codec", "index.analysis.analyzer.a.type", "index.similarity.a.type"];
        check(Kind::ClosedOnly, &closed);
        check(Kind::Final, &["index.number_of_shards", "index.number_of_routing_shards"]);
        check(Kind::Final, &["index.sort.field", "index.mode", "index.soft_deletes.enabled"]);
        check(Kind::Final, &["index.routing_partition_size"]);
    }

    #[test]
    fn values_are_read_as_their_setting_reads_them() {
        let same = |key: &str, a: Value, b: Value| same(key, &a, &b);
        assert!(same("index.gc_deletes", json!("60s"), json!("1m")));
        assert!(same("index.merge.policy.floor_segment", json!("1gb"), json!("1024mb")));
        assert!(same("index.translog.durability", json!("async"), json!("ASYNC")));
        assert!(same("index.number_of_replicas", json!(1), json!("1")));
        assert!(!same("index.lifecycle.name", json!("60s"), json!("1m")));
        assert!(!same("index.analysis.analyzer.a.type", json!("A"), json!("a")));
    }

    #[test]
    fn a_default_is_one_only_where_it_surely_holds() {
        let standard = Flat::new();
        let logs = Flat::from([("index.mode".to_owned(), json!("LOGSDB"))]);
        assert!(is_default("index.max_result_window", &json!("10000"), &standard));
        assert!(is_default("index.gc_deletes", &json!("1m"), &logs));
        assert!(is_default("index.codec", &json!("default"), &standard));
        assert!(!is_default("index.codec", &json!("default"), &logs));
        assert!(!is_default("index.refresh_interval", &json!("1s"), &standard));
        assert!(!is_default("index.translog.flush_threshold_size", &json!("512mb"), &standard));
    }

    #[test]
    fn what_elasticsearch_makes_is_known() {
        assert!(server_made("index.uuid") && server_made("index.version.created"));
        assert!(server_made("index.routing.allocation.initial_recovery._id"));
        assert!(!server_made("index.hidden") && !server_made("index.blocks.read_only"));
    }
}
