//! Settings that a spec may hold, in all their spellings, and what Elasticsearch makes of them.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::settings::Flat;

/// A key without `index.`, and values of it: each row means one thing, in several spellings.
fn choices() -> Vec<(&'static str, Vec<Vec<Value>>)> {
    let booleans = || vec![vec![json!(true), json!("true")], vec![json!(false), json!("false")]];
    vec![
        ("number_of_shards", vec![vec![json!(1), json!("1"), json!("+1")]]),
        ("number_of_replicas", vec![vec![json!(0), json!("0")], vec![json!(2), json!("02")]]),
        (
            "refresh_interval",
            vec![
                vec![json!("60s"), json!("1m"), json!("60000ms"), json!(" 60S ")],
                vec![json!("1s"), json!("1000ms")],
                vec![json!(-1), json!("-1")],
            ],
        ),
        (
            "translog.flush_threshold_size",
            vec![
                vec![json!("1024mb"), json!("1gb"), json!("1073741824b"), json!("1G")],
                vec![json!("1.5gb"), json!("1536mb")],
            ],
        ),
        (
            "translog.durability",
            vec![vec![json!("async"), json!("ASYNC")], vec![json!("request"), json!("Request")]],
        ),
        ("max_result_window", vec![vec![json!(10000), json!("10000")], vec![json!(20000)]]),
        (
            "merge.policy.segments_per_tier",
            vec![vec![json!(10), json!("10.0"), json!(10.0)], vec![json!(12.5), json!("12.50")]],
        ),
        ("hidden", booleans()),
        ("blocks.write", booleans()),
        (
            "query.default_field",
            vec![
                vec![json!(["title", "body"]), json!("title,body"), json!("title, body")],
                vec![json!(["title"]), json!("title")],
                vec![json!("*"), json!(["*"])],
            ],
        ),
        (
            "routing.allocation.include.rack",
            vec![vec![json!("a,b"), json!(["a,b"])], vec![json!(7), json!("7")]],
        ),
        ("analysis.analyzer.own.type", vec![vec![json!("custom"), json!(["custom"])]]),
        ("analysis.analyzer.own.filter", vec![vec![json!(["lowercase"]), json!("lowercase")]]),
        ("lifecycle.name", vec![vec![json!("hot")], vec![json!("60s")], vec![json!("1m")]]),
    ]
}

/// Where a key is written.
#[derive(Clone, Copy, Debug)]
enum Place {
    Dotted,
    DottedWithPrefix,
    UnderIndex,
    Nested,
    NestedWithPrefix,
}

const PLACES: [Place; 5] = [
    Place::Dotted,
    Place::DottedWithPrefix,
    Place::UnderIndex,
    Place::Nested,
    Place::NestedWithPrefix,
];

/// One declared setting: which key, which meaning, which spelling, where.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    key: &'static str,
    spellings: Vec<Value>,
    spelling: usize,
    place: Place,
}

impl Choice {
    pub(super) fn flat_key(&self) -> String {
        format!("index.{}", self.key)
    }

    /// The same meaning, written in another way.
    pub(super) fn respelled(&self, by: usize) -> Self {
        let spelling = (self.spelling + by) % self.spellings.len();
        Self { spelling, place: PLACES[by % PLACES.len()], ..self.clone() }
    }
}

/// Any set of settings, each key at most once.
pub(super) fn any_settings() -> impl Strategy<Value = Vec<Choice>> {
    let all = choices();
    let count = all.len();
    let one = (any::<prop::sample::Index>(), 0..4_usize, 0..5_usize);
    prop::collection::vec(one, count).prop_flat_map(move |picks| {
        let settings: Vec<Choice> = choices()
            .into_iter()
            .zip(picks)
            .map(|((key, meanings), (meaning, spelling, place))| {
                let spellings = meanings[meaning.index(meanings.len())].clone();
                let spelling = spelling % spellings.len();
                Choice { key, spellings, spelling, place: PLACES[place] }
            })
            .collect();
        prop::sample::subsequence(settings, 0..=count)
    })
}

/// The settings as a user writes them.
pub(super) fn written(choices: &[Choice]) -> Map<String, Value> {
    let mut spec = Map::new();
    for choice in choices {
        let value = choice.spellings[choice.spelling].clone();
        let parts: Vec<String> = match choice.place {
            Place::Dotted => vec![choice.key.to_owned()],
            Place::DottedWithPrefix => vec![choice.flat_key()],
            Place::UnderIndex => vec!["index".to_owned(), choice.key.to_owned()],
            Place::Nested => choice.key.split('.').map(str::to_owned).collect(),
            Place::NestedWithPrefix => choice.flat_key().split('.').map(str::to_owned).collect(),
        };
        insert(&mut spec, &parts, value);
    }
    spec
}

fn insert(into: &mut Map<String, Value>, parts: &[String], value: Value) {
    match parts {
        [last] => {
            into.insert(last.clone(), value);
        }
        [first, rest @ ..] => {
            let inner = into.entry(first.clone()).or_insert_with(|| json!({}));
            insert(inner.as_object_mut().unwrap(), rest, value);
        }
        [] => {}
    }
}

/// What `GET /index?flat_settings=true` shows of an index that was created with the settings.
pub(super) fn stored(sent: &Flat) -> Map<String, Value> {
    let mut live = map_of(&[
        ("index.creation_date", "1795364482419"),
        ("index.number_of_replicas", "1"),
        ("index.number_of_shards", "1"),
        ("index.provided_name", "logs"),
        ("index.routing.allocation.include._tier_preference", "data_content"),
        ("index.uuid", "wwn6JirxQuyAvpheCWp9Eg"),
        ("index.version.created", "8536000"),
    ]);
    live.extend(sent.clone());
    live
}

/// Applies the body of `PUT /index/_settings`.
pub(super) fn put(live: &mut Map<String, Value>, body: &Value) {
    for (key, value) in body.as_object().unwrap() {
        if !value.is_null() {
            live.insert(key.clone(), value.clone());
        } else if key == "index.number_of_replicas" {
            live.insert(key.clone(), json!("1"));
        } else {
            live.remove(key);
        }
    }
}

fn map_of(entries: &[(&str, &str)]) -> Map<String, Value> {
    entries.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect()
}
