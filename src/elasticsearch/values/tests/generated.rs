//! The promises, for any spec: applied twice it writes once, in any spelling; what Drover set it
//! takes back, and nothing else.

use proptest::{prelude::*, sample::Index as Pick};
use serde_json::{Map, Value, json};

use super::{
    super::{
        Difference, aliases,
        mappings::{self, MappingDifference},
        settings::{self, Flat, Kind},
    },
    map, mapping_model,
    mapping_specs::{any_mappings, any_two_mappings, respelled},
    setting_specs::{any_settings, put, stored, written},
};

fn keys(flat: &Flat) -> Vec<String> {
    flat.keys().cloned().collect()
}

fn live_of(shown: &Map<String, Value>) -> Flat {
    settings::live(shown)
}

fn normal(spec: &Value) -> Map<String, Value> {
    mappings::normalise(&map(spec)).unwrap()
}

fn compare(desired: &Map<String, Value>, live: &Map<String, Value>) -> MappingDifference {
    mappings::difference(desired, live, &Flat::new())
}

fn any_alias() -> impl Strategy<Value = Value> {
    let filter = prop::sample::select(vec![
        json!(null),
        json!({"term": {"user": "x"}}),
        json!({"bool": {"filter": [{"range": {"at": {"gte": "now-1d"}}}]}}),
    ]);
    let routing = || prop::sample::select(vec![json!(null), json!("1"), json!(2)]);
    let said = || prop::sample::select(vec![json!(null), json!(true), json!(false)]);
    (filter, routing(), routing(), said(), said()).prop_map(
        |(filter, routing, search_routing, is_write_index, is_hidden)| {
            json!({
                "filter": filter, "routing": routing, "search_routing": search_routing,
                "is_write_index": is_write_index, "is_hidden": is_hidden,
            })
        },
    )
}

fn any_aliases() -> impl Strategy<Value = Map<String, Value>> {
    let names = prop::sample::select(vec!["read", "write", "all"]);
    prop::collection::btree_map(names, any_alias(), 0..3)
        .prop_map(|aliases| aliases.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
}

/// `POST /_aliases`: an alias that is added is stored as it was sent.
fn act(live: &mut Map<String, Value>, body: &Value) {
    for action in body["actions"].as_array().unwrap() {
        let (verb, alias) = action.as_object().unwrap().iter().next().unwrap();
        let mut alias = map(alias);
        alias.remove("index");
        let name = alias.remove("alias").unwrap().as_str().unwrap().to_owned();
        match verb.as_str() {
            "add" => live.insert(name, alias.into()),
            _ => live.remove(&name),
        };
    }
}

proptest! {
    #[test]
    fn settings_applied_twice_write_once(spec in any_settings(), by in 0..20_usize) {
        let first = settings::flatten(&written(&spec)).unwrap();
        let again: Vec<_> =
            spec.iter().enumerate().map(|(at, it)| it.respelled(by + at)).collect();
        let again = settings::flatten(&written(&again)).unwrap();
        let live = live_of(&stored(&first));
        prop_assert_eq!(settings::difference(&first, &live, &keys(&first)), []);
        prop_assert_eq!(settings::difference(&again, &live, &keys(&first)), [], "{:?}", first);
    }

    #[test]
    fn settings_are_as_declared_after_one_change(before in any_settings(), after in any_settings()) {
        let (before, after) = (written(&before), written(&after));
        let (before, after) =
            (settings::flatten(&before).unwrap(), settings::flatten(&after).unwrap());
        let mut live = stored(&before);
        let changes = settings::difference(&after, &live_of(&live), &keys(&before));
        prop_assert!(changes.iter().all(|it| it.kind != Kind::Final));
        put(&mut live, &settings::body(&changes));
        prop_assert_eq!(settings::difference(&after, &live_of(&live), &keys(&before)), []);
    }

    #[test]
    fn a_setting_that_leaves_the_spec_is_one_null(spec in any_settings(), pick in any::<Pick>()) {
        prop_assume!(!spec.is_empty());
        let flat = settings::flatten(&written(&spec)).unwrap();
        let gone = spec[pick.index(spec.len())].flat_key();
        prop_assume!(gone != "index.number_of_shards");
        let mut rest = flat.clone();
        rest.remove(&gone);
        let live = live_of(&stored(&flat));
        let changes = settings::difference(&rest, &live, &keys(&flat));
        let found: Vec<_> = changes.iter().map(|it| (&it.key, &it.desired)).collect();
        prop_assert_eq!(found, [(&gone, &None)]);
    }

    #[test]
    fn settings_of_others_are_let_be(mine in any_settings(), others in any_settings()) {
        let mine = settings::flatten(&written(&mine)).unwrap();
        let others = settings::flatten(&written(&others)).unwrap();
        let live = live_of(&stored(&others));
        let changes = settings::difference(&mine, &live, &keys(&mine));
        prop_assert!(changes.iter().all(|it| mine.contains_key(&it.key)));
    }

    #[test]
    fn mappings_applied_twice_write_once(spec in any_mappings(), bits in any::<u64>()) {
        let live = mapping_model::created(&normal(&spec)).shown();
        prop_assert_eq!(compare(&normal(&spec), &live), MappingDifference::default());
        let again = normal(&respelled(&spec, bits));
        prop_assert_eq!(
            compare(&again, &live), MappingDifference::default(), "{}", Value::Object(again.clone())
        );
        // Whichever spelling was applied first.
        let live = mapping_model::created(&map(&respelled(&spec, bits))).shown();
        prop_assert_eq!(compare(&normal(&spec), &live), MappingDifference::default());
    }

    #[test]
    fn mappings_are_as_declared_after_one_change(
        (before, after) in any_two_mappings()
    ) {
        let mut index = mapping_model::created(&normal(&before));
        let desired = normal(&after);
        let found = compare(&desired, &index.shown());
        prop_assert_eq!(found.body.is_some(), !found.additions.is_empty());
        if let Some(body) = &found.body {
            let text = Value::Object(body.clone()).to_string();
            prop_assert_eq!(index.put(body), Ok(()), "{} onto {:?}", text, index.shown());
        }
        let left = compare(&desired, &index.shown());
        prop_assert_eq!(left.body, None, "{:?}", left.additions);
        let paths = |found: &[Difference]| -> Vec<String> {
            found.iter().map(|it| it.path.clone()).collect()
        };
        prop_assert_eq!(paths(&left.impossible), paths(&found.impossible));
    }

    #[test]
    fn mappings_take_nothing_away((before, after) in any_two_mappings()) {
        let mut index = mapping_model::created(&normal(&before));
        if let Some(body) = compare(&normal(&after), &index.shown()).body {
            index.put(&body).unwrap();
        }
        let spec = normal(&before);
        let found = compare(&spec, &index.shown());
        let after = normal(&after);
        // What differs from the first spec now, the second one has said. (One analyzer follows
        // another where nothing is said of it.)
        let follows = |path: &str| path.ends_with("search_quote_analyzer");
        let all = found.additions.iter().chain(&found.impossible);
        for difference in all.filter(|it| !follows(&it.path)) {
            let mut at = &Value::Object(after.clone());
            for part in difference.path.split('.').skip(1) {
                prop_assert!(at.get(part).is_some(), "{} in {}", difference.path, at);
                at = &at[part];
            }
        }
    }

    #[test]
    fn aliases_are_as_declared_after_one_change(
        before in any_aliases(), after in any_aliases(), others in any_aliases()
    ) {
        let normal = |it: &Map<String, Value>| aliases::normalise("i", it).unwrap();
        let (before, after) = (normal(&before), normal(&after));
        let applied: Vec<String> = before.keys().cloned().collect();
        let mut live = before.clone();
        for (name, alias) in normal(&others) {
            live.insert(format!("others-{name}"), alias);
        }
        prop_assert_eq!(aliases::difference(&before, &live, &applied), []);
        let changes = aliases::difference(&after, &live, &applied);
        let mine = |name: &String| before.contains_key(name) || after.contains_key(name);
        prop_assert!(changes.iter().all(|it| mine(&it.name)));
        act(&mut live, &aliases::actions("i", &changes));
        prop_assert_eq!(aliases::difference(&after, &live, &applied), []);
    }
}
