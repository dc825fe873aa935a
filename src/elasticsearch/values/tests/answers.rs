//! What real servers answered: mappings as they were given at creation, and as 7.17, 8.19 and 9.2
//! showed them afterwards, alike in all versions that know the types.

use serde_json::{Value, json};

/// Given and shown.
pub(super) type Answers = Vec<(Value, Value)>;

/// Fields that hold texts.
pub(super) fn texts() -> Answers {
    let keyword = || json!({"type": "keyword"});
    let text = |more: Value| {
        let mut field = more;
        field["type"] = json!("text");
        field
    };
    vec![
        (json!({"type": "keyword", "index": true, "doc_values": true, "store": false}), keyword()),
        (json!({"type": "keyword", "norms": false, "index_options": "docs"}), keyword()),
        (
            json!({"type": "keyword", "ignore_above": "256", "null_value": 1}),
            json!({"type": "keyword", "ignore_above": 256, "null_value": "1"}),
        ),
        (json!({"type": "keyword", "ignore_above": i32::MAX, "meta": {}}), keyword()),
        (json!({"type": "keyword", "copy_to": [], "fields": {}}), keyword()),
        (json!({"type": "keyword", "fields": []}), keyword()),
        (json!({"type": "keyword", "copy_to": "k"}), json!({"type": "keyword", "copy_to": ["k"]})),
        (text(json!({"index": true, "norms": "true", "term_vector": "no"})), text(json!({}))),
        (text(json!({"position_increment_gap": "100", "fielddata": false})), text(json!({}))),
        (text(json!({"analyzer": "default", "search_analyzer": "default"})), text(json!({}))),
        (text(json!({"analyzer": "x", "search_analyzer": "x"})), text(json!({"analyzer": "x"}))),
        (
            text(json!({"search_analyzer": "x"})),
            text(json!({"analyzer": "default", "search_analyzer": "x"})),
        ),
        (
            text(json!({"analyzer": "x", "search_analyzer": "s", "search_quote_analyzer": "s"})),
            text(json!({"analyzer": "x", "search_analyzer": "s"})),
        ),
        (
            text(json!({"search_quote_analyzer": "x"})),
            text(json!({
                "analyzer": "default", "search_analyzer": "default", "search_quote_analyzer": "x",
            })),
        ),
        (
            text(json!({"index_prefixes": {"min_chars": "1"}})),
            text(json!({"index_prefixes": {"min_chars": 1, "max_chars": 5}})),
        ),
        (
            text(json!({"fielddata": "true", "fielddata_frequency_filter": {"min": 0.01}})),
            text(json!({
                "fielddata": true,
                "fielddata_frequency_filter": {
                    "min": 0.01, "max": 2_147_483_647.0, "min_segment_size": 0,
                },
            })),
        ),
    ]
}

/// Fields that hold numbers, dates and the like.
pub(super) fn scalars() -> Answers {
    vec![
        (
            json!({"type": "long", "coerce": "true", "ignore_malformed": false, "null_value": "1"}),
            json!({"type": "long", "coerce": true, "ignore_malformed": false, "null_value": 1}),
        ),
        (
            json!({"type": "double", "index": "false", "null_value": 1}),
            json!({"type": "double", "index": false, "null_value": 1.0}),
        ),
        (
            json!({"type": "half_float", "null_value": 0.1}),
            json!({"type": "half_float", "null_value": 0.099_975_586}),
        ),
        (
            json!({"type": "float", "null_value": 16_777_217}),
            json!({"type": "float", "null_value": 16_777_216.0}),
        ),
        (
            json!({"type": "scaled_float", "scaling_factor": "100"}),
            json!({"type": "scaled_float", "scaling_factor": 100.0}),
        ),
        (
            json!({
                "type": "date", "format": "strict_date_optional_time||epoch_millis",
                "ignore_malformed": false, "locale": "en", "null_value": 0,
            }),
            json!({"type": "date", "null_value": "0"}),
        ),
        (json!({"type": "date", "locale": ""}), json!({"type": "date"})),
        (json!({"type": "date", "locale": "ROOT"}), json!({"type": "date", "locale": ""})),
        (
            json!({"type": "date_nanos", "format": "strict_date_optional_time_nanos||epoch_millis"}),
            json!({"type": "date_nanos"}),
        ),
        (
            json!({"type": "boolean", "null_value": "true"}),
            json!({"type": "boolean", "null_value": true}),
        ),
        (json!({"type": "binary", "doc_values": false}), json!({"type": "binary"})),
        (json!({"type": "ip", "ignore_malformed": "false"}), json!({"type": "ip"})),
        (json!({"type": "flattened", "depth_limit": 20}), json!({"type": "flattened"})),
        (
            json!({"type": "integer_range", "coerce": true}),
            json!({"type": "integer_range", "coerce": true}),
        ),
        (
            json!({"type": "geo_point", "null_value": [30, 10]}),
            json!({"type": "geo_point", "null_value": {"lat": 10.0, "lon": 30.0}}),
        ),
        (
            json!({"type": "geo_point", "null_value": "10, 30"}),
            json!({"type": "geo_point", "null_value": {"lat": 10.0, "lon": 30.0}}),
        ),
        (
            json!({"type": "geo_point", "null_value": "POINT (30 10)"}),
            json!({"type": "geo_point", "null_value": {"lat": 10.0, "lon": 30.0}}),
        ),
        (
            json!({"type": "geo_point", "null_value": {"type": "Point", "coordinates": [30, 10]}}),
            json!({"type": "geo_point", "null_value": {"lat": 10.0, "lon": 30.0}}),
        ),
        (
            json!({"type": "geo_point", "null_value": "drm3btev3e86"}),
            json!({"type": "geo_point", "null_value": {"lat": 41.12, "lon": -71.34}}),
        ),
    ]
}

/// Fields of other kinds.
pub(super) fn others() -> Answers {
    let keyword = || json!({"type": "keyword"});
    vec![
        (
            json!({"type": "completion", "contexts": [
                {"name": "c", "type": "category", "path": "k"},
                {"name": "l", "type": "geo", "precision": "5km"},
            ]}),
            json!({
                "type": "completion", "analyzer": "simple", "max_input_length": 50,
                "preserve_separators": true, "preserve_position_increments": true,
                "contexts": [
                    {"name": "c", "type": "CATEGORY", "path": "k"},
                    {"name": "l", "type": "GEO", "precision": 5},
                ],
            }),
        ),
        (
            json!({"type": "dense_vector", "dims": 3, "element_type": "float"}),
            json!({
                "type": "dense_vector", "dims": 3, "index": true, "similarity": "cosine",
                "index_options": {"type": "int8_hnsw", "m": 16, "ef_construction": 100},
            }),
        ),
        (
            json!({"type": "dense_vector", "index_options": {"type": "hnsw"}}),
            json!({
                "type": "dense_vector", "index": true, "similarity": "cosine",
                "index_options": {"type": "hnsw", "m": 16, "ef_construction": 100},
            }),
        ),
        (json!({"type": "sparse_vector", "store": false}), json!({"type": "sparse_vector"})),
        (json!({"type": "sparse_vector", "store": true}), json!({"type": "sparse_vector"})),
        (
            json!({"type": "search_as_you_type", "doc_values": false, "norms": true}),
            json!({"type": "search_as_you_type", "doc_values": false, "max_shingle_size": 3}),
        ),
        (
            json!({"type": "token_count", "analyzer": "standard", "enable_position_increments": true}),
            json!({"type": "token_count", "analyzer": "standard"}),
        ),
        (
            json!({"type": "rank_feature", "positive_score_impact": true}),
            json!({"type": "rank_feature"}),
        ),
        (
            json!({"type": "join", "relations": {"q": ["a"]}}),
            json!({"type": "join", "eager_global_ordinals": true, "relations": {"q": "a"}}),
        ),
        (
            json!({"type": "object", "enabled": "true", "dynamic": false}),
            json!({"type": "object", "dynamic": "false"}),
        ),
        (json!({"properties": {}}), json!({"type": "object"})),
        (
            json!({"type": "object", "properties": {"a": keyword()}}),
            json!({"properties": {"a": keyword()}}),
        ),
        (
            json!({"type": "nested", "include_in_parent": "true", "include_in_root": false}),
            json!({"type": "nested", "include_in_parent": true}),
        ),
    ]
}

/// Given and shown at the top of mappings.
pub(super) fn tops() -> Answers {
    let long = || json!({"type": "long"});
    vec![
        (json!({"dynamic": true}), json!({"dynamic": "true"})),
        (json!({"dynamic": "strict"}), json!({"dynamic": "strict"})),
        (json!({"enabled": true, "_routing": {"required": false}}), json!({})),
        (json!({"_source": {"enabled": "true"}}), json!({})),
        (json!({"_source": {"mode": "synthetic"}}), json!({})),
        (json!({"_routing": {"required": "true"}}), json!({"_routing": {"required": true}})),
        (
            json!({"dynamic_date_formats": "yyyy", "date_detection": "false"}),
            json!({"dynamic_date_formats": ["yyyy"], "date_detection": false}),
        ),
        (
            json!({"dynamic_templates": [
                {"b": {"match": "z", "match_pattern": "simple", "mapping": {"index": "false"}}},
                {"c": {"match": "z", "match_mapping_type": "*", "mapping": {"type": "long"}}},
            ]}),
            json!({"dynamic_templates": [
                {"b": {"match": "z", "mapping": {"index": "false"}}},
                {"c": {"match": "z", "mapping": {"type": "long"}}},
            ]}),
        ),
        (
            json!({"runtime": {"s": {
                "type": "date", "format": "strict_date_optional_time||epoch_millis", "meta": {},
            }}}),
            json!({"runtime": {"s": {"type": "date"}}}),
        ),
        (
            json!({"runtime": {"r": {"type": "long", "script": "emit(1)"}}}),
            json!({"runtime": {"r": {
                "type": "long", "script": {"source": "emit(1)", "lang": "painless"},
            }}}),
        ),
        (
            json!({"runtime": {"l": {"type": "lookup", "fetch_fields": ["a", {"field": "b"}]}}}),
            json!({"runtime": {"l": {
                "type": "lookup", "fetch_fields": [{"field": "a"}, {"field": "b"}],
            }}}),
        ),
        (
            json!({"properties": {"a.b": long(), "a": {"properties": {"c.d": long()}}}}),
            json!({"properties": {"a": {"properties": {
                "b": long(), "c": {"properties": {"d": long()}},
            }}}}),
        ),
        (
            json!({"subobjects": false, "properties": {
                "a": long(), "a.b": long(), "z": {"dynamic": true, "properties": {"y": long()}},
            }}),
            json!({"subobjects": false, "properties": {
                "a": long(), "a.b": long(), "z.y": long(),
            }}),
        ),
        (
            json!({"properties": {"m.x.y": long(), "m": {"subobjects": "false", "properties": {
                "c": {"properties": {"d": long()}},
            }}}}),
            json!({"properties": {"m": {"subobjects": false, "properties": {
                "c.d": long(), "x.y": long(),
            }}}}),
        ),
    ]
}
