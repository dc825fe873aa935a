//! Any spec that Drover supports, applied twice, in any spelling, to a real Elasticsearch: the
//! second time writes nothing.

use proptest::{
    prelude::*,
    sample::select,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Map, Value, json};

use crate::{
    common::{proxy::lines, soak},
    world::{Stage, secured},
};

/// A setting's key and what means the same: each row is one value in several spellings.
type Row = (&'static str, Vec<Value>);

fn settings_rows() -> Vec<Row> {
    vec![
        ("refresh_interval", vec![json!("60s"), json!("1m"), json!("60000ms")]),
        ("refresh_interval", vec![json!(-1), json!("-1")]),
        (
            "translog.flush_threshold_size",
            vec![json!("1024mb"), json!("1gb"), json!("1073741824b")],
        ),
        ("translog.durability", vec![json!("async"), json!("ASYNC")]),
        ("max_result_window", vec![json!(20000), json!("20000")]),
        ("max_result_window", vec![json!(10000), json!("10000")]),
        ("merge.policy.segments_per_tier", vec![json!(12.5), json!("12.50")]),
        ("hidden", vec![json!(false), json!("false")]),
        ("query.default_field", vec![json!(["a", "b"]), json!("a,b"), json!("a, b")]),
        ("routing.allocation.exclude._name", vec![json!("nobody"), json!("nobody")]),
        ("mapping.total_fields.limit", vec![json!(1500), json!("1500")]),
        ("codec", vec![json!("best_compression")]),
        ("search.slowlog.threshold.query.warn", vec![json!("90s"), json!("90000ms")]),
        ("priority", vec![json!(7), json!("7")]),
    ]
}

/// A field, and the same field in other words.
fn field_rows() -> Vec<Vec<Value>> {
    vec![
        vec![
            json!({ "type": "keyword" }),
            json!({ "type": "keyword", "index": true }),
            json!({ "type": "keyword", "doc_values": "true" }),
        ],
        vec![
            json!({ "type": "keyword", "ignore_above": 256, "index": false }),
            json!({ "type": "keyword", "ignore_above": "256", "index": "false" }),
        ],
        vec![json!({ "type": "keyword", "null_value": "none", "copy_to": "all" })],
        vec![
            json!({ "type": "text", "fields": { "raw": { "type": "keyword" } } }),
            json!({ "type": "text", "index": true, "fields": { "raw": { "type": "keyword" } } }),
        ],
        vec![
            json!({ "type": "text", "analyzer": "simple", "norms": false }),
            json!({ "type": "text", "analyzer": "simple", "norms": "false" }),
        ],
        vec![json!({ "type": "text", "term_vector": "yes", "index_options": "docs" })],
        vec![
            json!({ "type": "long", "coerce": false, "null_value": -7 }),
            json!({ "type": "long", "coerce": "false", "null_value": "-7" }),
        ],
        vec![json!({ "type": "integer", "ignore_malformed": true })],
        vec![
            json!({ "type": "double", "store": true }),
            json!({ "type": "double", "store": "true" }),
        ],
        vec![json!({ "type": "half_float", "null_value": 0.1 })],
        vec![
            json!({ "type": "date", "format": "yyyy-MM-dd||epoch_millis" }),
            json!({ "type": "date", "format": "yyyy-MM-dd||epoch_millis", "store": false }),
        ],
        vec![json!({ "type": "date_nanos" })],
        vec![json!({ "type": "boolean", "null_value": true })],
        vec![json!({ "type": "ip", "doc_values": false })],
        vec![json!({ "type": "geo_point", "ignore_malformed": true })],
        vec![json!({ "type": "binary" }), json!({ "type": "binary", "store": false })],
        vec![json!({ "type": "integer_range", "coerce": false })],
        vec![json!({ "type": "completion", "max_input_length": 20 })],
        vec![json!({ "type": "nested", "properties": { "n": { "type": "long" } } })],
        vec![
            json!({ "properties": { "n": { "type": "long" } } }),
            json!({ "type": "object", "properties": { "n": { "type": "long" } } }),
        ],
        vec![json!({ "type": "object", "enabled": false })],
        vec![json!({ "type": "object", "dynamic": "strict", "properties": {} })],
    ]
}

/// Nests a dotted key, or leaves it.
fn place(key: &str, value: Value, how: usize) -> (String, Value) {
    match how % 4 {
        0 => (key.to_owned(), value),
        1 => (format!("index.{key}"), value),
        2 => ("index".to_owned(), json!({ key: value })),
        _ => {
            let mut parts = key.rsplit('.');
            let last = parts.next().expect("a key has a part").to_owned();
            parts.fold((last, value), |(key, value), part| (part.to_owned(), json!({ key: value })))
        }
    }
}

/// Puts `value` under `key`, into what is there already.
fn merge(into: &mut Map<String, Value>, key: String, value: Value) {
    match (into.get_mut(&key), value) {
        (Some(Value::Object(old)), Value::Object(new)) => {
            for (key, value) in new {
                merge(old, key, value);
            }
        }
        (_, value) => _ = into.insert(key, value),
    }
}

/// A spec, and the same one in other words.
fn specs() -> impl Strategy<Value = (Value, Value)> {
    let spelling =
        || (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..4_usize, 0..4_usize);
    let setting = (select(settings_rows()), spelling());
    let field = (select(field_rows()), spelling());
    let dynamic = select(vec![Value::Null, json!("strict"), json!(false), json!("runtime")]);
    let alias = select(vec![
        (json!({}), json!({})),
        (json!({ "routing": "1" }), json!({ "index_routing": "1", "search_routing": "1" })),
        (json!({ "is_hidden": true }), json!({ "is_hidden": true })),
        (json!({ "filter": { "match_all": {} } }), json!({ "filter": { "match_all": {} } })),
    ]);
    (
        prop::collection::vec(setting, 0..6),
        prop::collection::vec(field, 0..8),
        dynamic,
        prop::option::of(alias),
    )
        .prop_map(|(settings, fields, dynamic, alias)| {
            let written = |second: bool| {
                let mut flat = Map::new();
                merge(&mut flat, "number_of_replicas".into(), json!(0));
                let mut seen = std::collections::BTreeSet::new();
                for ((key, row), (one, two, here, there)) in &settings {
                    if !seen.insert(*key) {
                        continue;
                    }
                    let (pick, how) = if second { (two, there) } else { (one, here) };
                    let (key, value) = place(key, pick.get(row).clone(), *how);
                    merge(&mut flat, key, value);
                }
                let properties: Map<String, Value> = fields
                    .iter()
                    .enumerate()
                    .map(|(number, (row, (one, two, ..)))| {
                        let pick = if second { two } else { one };
                        (format!("f{number}"), pick.get(row).clone())
                    })
                    .collect();
                let mut mappings = json!({ "properties": properties });
                if !dynamic.is_null() {
                    mappings["dynamic"] = dynamic.clone();
                }
                let mut spec = json!({ "settings": flat, "mappings": mappings });
                if let Some((one, two)) = &alias {
                    spec["aliases"] = json!({ "ALIAS": if second { two } else { one } });
                }
                spec
            };
            (written(false), written(true))
        })
}

/// Specs that are others each day would be a test that nobody can repeat: the seed is fixed.
fn sample(count: usize) -> Vec<(Value, Value)> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = specs();
    (0..count).map(|_| strategy.new_tree(&mut runner).expect("a spec").current()).collect()
}

#[tokio::test]
async fn any_spec_applied_again_in_any_spelling_and_after_a_restart_writes_nothing() {
    let count = if soak() { 400 } else { 40 };
    // Its own: hundreds of indices that come and go would keep every other operator writing.
    let server = secured("8.19.0").start().await;
    let mut stage = Stage::new("property", &server).await;
    stage.connect().await;
    let name = |number: usize| format!("property-{number:03}");
    let specs: Vec<(Value, Value)> = sample(count)
        .into_iter()
        .enumerate()
        .map(|(number, (one, two))| {
            let own = |spec: Value| {
                let text = spec.to_string().replace("ALIAS", &format!("alias-{}", name(number)));
                serde_json::from_str(&text).expect("it was JSON before")
            };
            (own(one), own(two))
        })
        .collect();
    for (number, (spec, _)) in specs.iter().enumerate() {
        stage.index(&name(number), spec);
    }
    for number in 0..count {
        stage.index_until(&name(number), "Ready", "True").await;
    }
    stage.rest().await;
    stage.elasticsearch.ledger().clear();

    for (number, (_, respelled)) in specs.iter().enumerate() {
        stage.index(&name(number), respelled);
    }
    for number in 0..count {
        stage.index_until(&name(number), "Ready", "True").await;
    }
    stage.rest().await;
    let writes = stage.elasticsearch.ledger().writes();
    assert!(writes.is_empty(), "{}", lines(&writes));

    let before = stage.indices().list(&kube::api::ListParams::default()).await.unwrap();
    stage.operator.stop().await;
    stage.kubernetes.ledger().clear();
    stage.operator.restart().await;
    stage.rest().await;
    let writes = stage.elasticsearch.ledger().writes();
    assert!(writes.is_empty(), "{}", lines(&writes));
    let after = stage.indices().list(&kube::api::ListParams::default()).await.unwrap();
    for (before, after) in before.iter().zip(after.iter()) {
        assert_eq!(after.status, before.status);
    }
    for number in 0..count {
        stage.delete_index(&name(number)).await;
    }
}
