//! What Elasticsearch's index settings are, key by key.
//!
//! Read out of the servers themselves: 7.17, 8.19 and 9.2 were asked for each registered setting,
//! its type and whether it may change; the rows of modules are from their documentation. A default
//! stands here only where all versions that know the key agree on it.

use super::{
    kinds::Kind::{self, ClosedOnly, Dynamic, Final},
    value::Meaning::{self, Bytes, Float, Integer, List, Text, Time, Word, Words},
};

/// One setting.
pub(super) struct Row {
    /// The flat key.
    pub(super) key: &'static str,
    /// When it may change.
    pub(super) kind: Kind,
    /// How its text is read.
    pub(super) meaning: Meaning,
    /// What holds where it is not set, if that is known.
    pub(super) default: Option<&'static str>,
}

const fn row(
    key: &'static str,
    kind: Kind,
    meaning: Meaning,
    default: Option<&'static str>,
) -> Row {
    Row { key, kind, meaning, default }
}

/// The row of a key.
pub(super) fn find(key: &str) -> Option<&'static Row> {
    let place = ROWS.binary_search_by(|row| row.key.cmp(key)).ok()?;
    ROWS.get(place)
}

/// Sorted by key.
const ROWS: &[Row] = &[
    row("index.allocation.max_retries", Dynamic, Integer, Some("5")),
    row("index.analyze.max_token_count", Dynamic, Integer, Some("10000")),
    row("index.auto_expand_replicas", Dynamic, Text, Some("false")),
    row("index.blocks.metadata", Dynamic, Text, Some("false")),
    row("index.blocks.read", Dynamic, Text, Some("false")),
    row("index.blocks.read_only", Dynamic, Text, Some("false")),
    row("index.blocks.read_only_allow_delete", Dynamic, Text, Some("false")),
    row("index.blocks.write", Dynamic, Text, Some("false")),
    row("index.bloom_filter_for_id_field.enabled", Dynamic, Text, Some("true")),
    row("index.codec", ClosedOnly, Text, Some("default")),
    row("index.compound_format", Dynamic, Float, None),
    row("index.data_path", ClosedOnly, Text, None),
    row("index.default_pipeline", Dynamic, Text, Some("_none")),
    row("index.dense_vector.hnsw_enable_early_termination", Dynamic, Text, Some("false")),
    row("index.dense_vector.hnsw_filter_heuristic", Dynamic, Word, None),
    row("index.dimensions_tsid_strategy_enabled", Final, Text, None),
    row("index.failure_store.version", ClosedOnly, Integer, None),
    row("index.fast_refresh", Final, Text, Some("false")),
    row("index.fielddata.cache", ClosedOnly, Text, Some("node")),
    row("index.final_pipeline", Dynamic, Text, Some("_none")),
    row("index.flush_after_merge", Dynamic, Bytes, Some("512mb")),
    row("index.force_memory_term_dictionary", ClosedOnly, Text, Some("false")),
    row("index.format", Final, Integer, None),
    row("index.gc_deletes", Dynamic, Time, Some("60s")),
    row("index.hidden", Dynamic, Text, Some("false")),
    row("index.highlight.max_analyzed_offset", Dynamic, Integer, Some("1000000")),
    row("index.highlight.weight_matches_mode.enabled", Dynamic, Text, Some("true")),
    row("index.indexing.slowlog.include.user", Dynamic, Text, Some("false")),
    row("index.indexing.slowlog.level", Dynamic, Word, Some("TRACE")),
    row("index.indexing.slowlog.reformat", Dynamic, Text, Some("true")),
    row("index.indexing.slowlog.source", Dynamic, Integer, Some("1000")),
    row("index.indexing.slowlog.threshold.index.debug", Dynamic, Time, Some("-1")),
    row("index.indexing.slowlog.threshold.index.info", Dynamic, Time, Some("-1")),
    row("index.indexing.slowlog.threshold.index.trace", Dynamic, Time, Some("-1")),
    row("index.indexing.slowlog.threshold.index.warn", Dynamic, Time, Some("-1")),
    row("index.lifecycle.indexing_complete", Dynamic, Text, Some("false")),
    row("index.lifecycle.name", Dynamic, Text, None),
    row("index.lifecycle.origination_date", Dynamic, Integer, Some("-1")),
    row("index.lifecycle.parse_origination_date", Dynamic, Text, Some("false")),
    row("index.lifecycle.prefer_ilm", Dynamic, Text, Some("true")),
    row("index.lifecycle.rollover_alias", Dynamic, Text, None),
    row("index.lifecycle.step.wait_time_threshold", Dynamic, Time, Some("12h")),
    row("index.load_fixed_bitset_filters_eagerly", ClosedOnly, Text, Some("true")),
    row("index.logsdb.route_on_sort_fields", Final, Text, Some("false")),
    row("index.look_ahead_time", Dynamic, Time, None),
    row("index.look_back_time", Final, Time, None),
    row("index.mapper.dynamic", Dynamic, Text, Some("true")),
    row("index.mapping.coerce", ClosedOnly, Text, Some("false")),
    row("index.mapping.depth.limit", Dynamic, Integer, Some("20")),
    row("index.mapping.dimension_fields.limit", Dynamic, Integer, None),
    row("index.mapping.exclude_source_vectors", Final, Text, None),
    row("index.mapping.field_name_length.limit", Dynamic, Integer, Some("9223372036854775807")),
    row("index.mapping.ignore_above", ClosedOnly, Integer, Some("2147483647")),
    row("index.mapping.ignore_malformed", ClosedOnly, Text, Some("false")),
    row("index.mapping.nested_fields.limit", Dynamic, Integer, Some("50")),
    row("index.mapping.nested_objects.limit", Dynamic, Integer, Some("10000")),
    row("index.mapping.semantic_text.use_legacy_format", Final, Text, None),
    row("index.mapping.source.mode", Final, Word, Some("stored")),
    row("index.mapping.synthetic_source.skip_ignored_source_read", Dynamic, Text, Some("false")),
    row("index.mapping.synthetic_source.skip_ignored_source_write", Dynamic, Text, Some("false")),
    row("index.mapping.synthetic_source_keep", ClosedOnly, Word, Some("none")),
    row("index.mapping.total_fields.ignore_dynamic_beyond_limit", Dynamic, Text, Some("false")),
    row("index.mapping.total_fields.limit", Dynamic, Integer, Some("1000")),
    row("index.max_adjacency_matrix_filters", Dynamic, Integer, Some("100")),
    row("index.max_docvalue_fields_search", Dynamic, Integer, Some("100")),
    row("index.max_inner_result_window", Dynamic, Integer, Some("100")),
    row("index.max_ngram_diff", Dynamic, Integer, Some("1")),
    row("index.max_refresh_listeners", Dynamic, Integer, Some("1000")),
    row("index.max_regex_length", Dynamic, Integer, Some("1000")),
    row("index.max_rescore_window", Dynamic, Integer, Some("10000")),
    row("index.max_result_window", Dynamic, Integer, Some("10000")),
    row("index.max_script_fields", Dynamic, Integer, Some("32")),
    row("index.max_shingle_diff", Dynamic, Integer, Some("3")),
    row("index.max_slices_per_scroll", Dynamic, Integer, Some("1024")),
    row("index.max_terms_count", Dynamic, Integer, Some("65536")),
    row("index.merge.policy.deletes_pct_allowed", Dynamic, Float, None),
    row("index.merge.policy.expunge_deletes_allowed", Dynamic, Float, Some("10.0")),
    row("index.merge.policy.floor_segment", Dynamic, Bytes, Some("2mb")),
    row("index.merge.policy.max_merge_at_once", Dynamic, Integer, Some("10")),
    row("index.merge.policy.max_merge_at_once_explicit", Dynamic, Integer, Some("30")),
    row("index.merge.policy.max_merged_segment", Dynamic, Bytes, None),
    row("index.merge.policy.merge_factor", Dynamic, Integer, None),
    row("index.merge.policy.segments_per_tier", Dynamic, Float, Some("10.0")),
    row("index.merge.policy.type", Dynamic, Word, None),
    row("index.merge.scheduler.auto_throttle", Dynamic, Text, Some("true")),
    row("index.merge.scheduler.max_merge_count", Dynamic, Integer, None),
    row("index.merge.scheduler.max_thread_count", Dynamic, Integer, None),
    row("index.mode", Final, Word, Some("standard")),
    row("index.number_of_replicas", Dynamic, Integer, Some("1")),
    row("index.number_of_routing_shards", Final, Integer, None),
    row("index.number_of_shards", Final, Integer, Some("1")),
    row("index.optimize_auto_generated_id", Dynamic, Text, Some("true")),
    row("index.percolator.map_unmapped_fields_as_text", ClosedOnly, Text, Some("false")),
    row("index.priority", Dynamic, Integer, Some("1")),
    row("index.queries.cache.enabled", ClosedOnly, Text, Some("true")),
    row("index.query.default_field", Dynamic, List, Some("*")),
    row("index.query.parse.allow_unmapped_fields", ClosedOnly, Text, Some("true")),
    row("index.query_string.lenient", ClosedOnly, Text, Some("false")),
    row("index.recovery.type", ClosedOnly, Text, None),
    row("index.recovery.use_synthetic_source", Final, Text, None),
    row("index.refresh_interval", Dynamic, Time, None),
    row("index.requests.cache.enable", Dynamic, Text, Some("true")),
    row("index.routing.allocation.enable", Dynamic, Word, Some("all")),
    row("index.routing.allocation.include._tier_preference", Dynamic, Text, None),
    row("index.routing.allocation.total_shards_per_node", Dynamic, Integer, Some("-1")),
    row("index.routing.rebalance.enable", Dynamic, Word, Some("all")),
    row("index.routing_partition_size", Final, Integer, Some("1")),
    row("index.routing_path", Final, List, None),
    row("index.search.idle.after", Dynamic, Time, Some("30s")),
    row("index.search.slowlog.include.user", Dynamic, Text, Some("false")),
    row("index.search.slowlog.level", Dynamic, Word, Some("TRACE")),
    row("index.search.slowlog.threshold.fetch.debug", Dynamic, Time, Some("-1")),
    row("index.search.slowlog.threshold.fetch.info", Dynamic, Time, Some("-1")),
    row("index.search.slowlog.threshold.fetch.trace", Dynamic, Time, Some("-1")),
    row("index.search.slowlog.threshold.fetch.warn", Dynamic, Time, Some("-1")),
    row("index.search.slowlog.threshold.query.debug", Dynamic, Time, Some("-1")),
    row("index.search.slowlog.threshold.query.info", Dynamic, Time, Some("-1")),
    row("index.search.slowlog.threshold.query.trace", Dynamic, Time, Some("-1")),
    row("index.search.slowlog.threshold.query.warn", Dynamic, Time, Some("-1")),
    row("index.seq_no.index_options", Final, Word, Some("points_and_doc_values")),
    row("index.shard.check_on_startup", ClosedOnly, Text, Some("false")),
    row("index.soft_deletes.enabled", Final, Text, Some("true")),
    row("index.soft_deletes.retention.operations", Dynamic, Integer, Some("0")),
    row("index.soft_deletes.retention_lease.period", Dynamic, Time, Some("12h")),
    row("index.sort.field", Final, List, None),
    row("index.sort.missing", Final, List, None),
    row("index.sort.mode", Final, Words, None),
    row("index.sort.order", Final, Words, None),
    row("index.store.fs.fs_lock", ClosedOnly, Text, None),
    row("index.store.preload", ClosedOnly, List, None),
    row("index.store.stats_refresh_interval", ClosedOnly, Time, Some("10s")),
    row("index.store.type", ClosedOnly, Text, None),
    row("index.time_series.end_time", Dynamic, Text, None),
    row("index.time_series.es87tsdb_codec.enabled", Final, Text, None),
    row("index.time_series.start_time", Final, Text, None),
    row("index.translog.durability", Dynamic, Word, Some("REQUEST")),
    row("index.translog.flush_threshold_age", Dynamic, Time, Some("1m")),
    row("index.translog.flush_threshold_size", Dynamic, Bytes, None),
    row("index.translog.generation_threshold_size", Dynamic, Bytes, Some("64mb")),
    row("index.translog.retention.age", Dynamic, Time, None),
    row("index.translog.retention.size", Dynamic, Bytes, None),
    row("index.translog.sync_interval", Dynamic, Time, Some("5s")),
    row("index.unassigned.node_left.delayed_timeout", Dynamic, Time, Some("1m")),
    row("index.warmer.enabled", Dynamic, Text, Some("true")),
    row("index.write.wait_for_active_shards", Dynamic, Text, Some("1")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_so_that_each_row_is_found() {
        assert!(ROWS.is_sorted_by(|a, b| a.key < b.key));
        for row in ROWS {
            assert!(find(row.key).is_some_and(|it| it.key == row.key), "{}", row.key);
        }
        assert!(find("index.no_such").is_none());
    }
}
