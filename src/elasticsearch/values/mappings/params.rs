//! What is known of a field's parameters: what holds where one is not shown, and which may change.
//!
//! Found out on 7.17, 8.19 and 9.2, parameter by parameter: what each shows of a value given, and
//! whether it takes another one later.

use serde_json::{Map, Value, json};

use super::values::{alike, same};
use crate::elasticsearch::values::{number::scalar_text, settings::Flat};

/// What the settings of the index give to fields that say nothing. Elasticsearch does not show a
/// parameter that equals it.
pub(super) struct Inherited {
    ignore_above: Value,
    ignore_malformed: Value,
}

impl Inherited {
    pub(super) fn of(settings: &Flat) -> Self {
        let logs = settings
            .get("index.mode")
            .and_then(scalar_text)
            .is_some_and(|it| it.eq_ignore_ascii_case("logsdb"));
        let setting = |key: &str, standard: Value, logsdb: Value| {
            settings.get(key).cloned().unwrap_or(if logs { logsdb } else { standard })
        };
        Self {
            ignore_above: setting("index.mapping.ignore_above", json!(i32::MAX), json!(8191)),
            ignore_malformed: setting("index.mapping.ignore_malformed", json!(false), json!(true)),
        }
    }
}

/// Whether a parameter that the live field does not show has the value all the same.
///
/// Where a value is always shown once it was given, not even the default is taken for it: to give
/// it does no harm, and index settings may have changed what the default is.
pub(super) fn holds_unshown(
    kind: &str,
    name: &str,
    value: &Value,
    live: &Map<String, Value>,
    inherited: &Inherited,
) -> bool {
    let is = |default: Value| alike(value, &default);
    let shown_in_live = |name: &str| live.get(name).cloned();
    let default_analyzer = || json!("default");
    match name {
        "doc_values" => is(json!(kind != "binary")),
        "norms" => is(json!(kind != "keyword")),
        "index"
        | "enabled"
        | "subobjects"
        | "enable_position_increments"
        | "positive_score_impact" => is(json!(true)),
        // 9.x never shows it of a sparse vector.
        "store" => kind == "sparse_vector" || is(json!(false)),
        "eager_global_ordinals"
        | "fielddata"
        | "include_in_parent"
        | "include_in_root"
        | "index_phrases"
        | "split_queries_on_whitespace"
        | "time_series_dimension" => is(json!(false)),
        "ignore_above" => alike(value, &inherited.ignore_above),
        "ignore_malformed" if matches!(kind, "date" | "date_nanos" | "ip") => {
            alike(value, &inherited.ignore_malformed)
        }
        "index_options" if matches!(kind, "keyword" | "flattened") => is(json!("docs")),
        "index_options" if kind == "sparse_vector" => {
            let pruning =
                json!({ "tokens_freq_ratio_threshold": 5, "tokens_weight_threshold": 0.4 });
            is(json!({ "prune": true, "pruning_config": pruning }))
        }
        "index_options" => is(json!("positions")),
        "fielddata_frequency_filter" => {
            is(json!({ "min": 0, "max": i32::MAX, "min_segment_size": 0 }))
        }
        "term_vector" => is(json!("no")),
        "analyzer" => is(default_analyzer()),
        "search_analyzer" => {
            alike(value, &shown_in_live("analyzer").unwrap_or_else(default_analyzer))
        }
        "search_quote_analyzer" => {
            let other = shown_in_live("search_analyzer").or_else(|| shown_in_live("analyzer"));
            alike(value, &other.unwrap_or_else(default_analyzer))
        }
        "position_increment_gap" => is(json!(100)),
        "depth_limit" => is(json!(20)),
        "format" if kind == "date_nanos" => {
            is(json!("strict_date_optional_time_nanos||epoch_millis"))
        }
        "format" => is(json!("strict_date_optional_time||epoch_millis")),
        // None before 8.0, English from then on.
        "locale" => ["", "ROOT", "en"].iter().any(|it| is(json!(it))),
        "on_script_error" => is(json!("fail")),
        "element_type" => is(json!("float")),
        "synthetic_source_keep" => is(json!("none")),
        "meta" | "fields" | "properties" => is(json!({})),
        "copy_to" | "time_series_dimensions" => is(json!([])),
        // Numbers take and forget it in 7.17; it is gone in 8.0.
        "boost" => true,
        _ => false,
    }
}

/// Whether Elasticsearch takes another value of the parameter of a field that is there.
pub(super) fn may_change(
    kind: &str,
    name: &str,
    desired: &Value,
    live: &Map<String, Value>,
) -> bool {
    let shown = live.get(name);
    match name {
        "boost"
        | "coerce"
        | "copy_to"
        | "depth_limit"
        | "dynamic"
        | "eager_global_ordinals"
        | "fielddata"
        | "fielddata_frequency_filter"
        | "ignore_above"
        | "ignore_malformed"
        | "ignore_z_value"
        | "max_input_length"
        | "meta"
        | "orientation"
        | "priority"
        | "search_analyzer"
        | "search_inference_id"
        | "search_quote_analyzer"
        | "split_queries_on_whitespace" => true,
        "path" => kind == "alias",
        "analyzer" => kind == "token_count",
        // Of an object it stays.
        "synthetic_source_keep" => !super::is_object(kind),
        "time_series_dimension" => kind == "passthrough",
        // They can be dropped, not got back.
        "norms" => alike(desired, &json!(false)),
        // The first value makes it constant.
        "value" => kind == "constant_keyword" && shown.is_none(),
        "dims" => shown.is_none(),
        "index_options" if kind == "sparse_vector" => true,
        "index_options" if kind == "dense_vector" => {
            shown.is_some_and(|live| vector_index_may_become(live, desired))
        }
        "relations" => shown.is_some_and(|live| relations_may_become(live, desired)),
        _ => false,
    }
}

/// Vector indices go over to what is later in this order, or get more links in the same kind.
fn vector_index_may_become(live: &Value, desired: &Value) -> bool {
    const ORDER: [&str; 9] = [
        "flat",
        "int8_flat",
        "int4_flat",
        "bbq_flat",
        "hnsw",
        "int8_hnsw",
        "int4_hnsw",
        "bbq_hnsw",
        "bbq_disk",
    ];
    let rank = |options: &Value| {
        let kind = options.get("type")?.as_str()?;
        ORDER.iter().position(|it| *it == kind)
    };
    let links = |options: &Value| options.get("m").and_then(Value::as_u64).unwrap_or(16);
    let (Some(from), Some(to)) = (rank(live), rank(desired)) else { return false };
    // From one bit a dimension there is no way back to more of them.
    let back = live.get("type") == Some(&json!("bbq_flat"))
        && !matches!(desired.get("type").and_then(Value::as_str), Some(it) if it.starts_with("bbq_"));
    !back && (from < to || from == to && links(desired) >= links(live))
}

/// A join takes more parents and children, and gives none up.
fn relations_may_become(live: &Value, desired: &Value) -> bool {
    let (Some(live), Some(desired)) = (live.as_object(), desired.as_object()) else { return false };
    let children = |value: &Value| match value {
        Value::Array(items) => items.clone(),
        one => vec![one.clone()],
    };
    let keeps_all = live.iter().all(|(parent, old)| {
        desired.get(parent).is_some_and(|new| {
            let new = children(new);
            children(old).iter().all(|child| new.contains(child))
        })
    });
    let was_child = |name: &str| live.values().any(|it| children(it).contains(&json!(name)));
    keeps_all && !desired.keys().any(|parent| !live.contains_key(parent) && was_child(parent))
}

/// Whether the live field has the value of a declared parameter.
pub(super) fn holds(
    kind: &str,
    name: &str,
    desired: &Value,
    live: &Map<String, Value>,
    inherited: &Inherited,
) -> bool {
    match live.get(name) {
        Some(live) => same(kind, name, desired, live),
        None => holds_unshown(kind, name, desired, live, inherited),
    }
}
