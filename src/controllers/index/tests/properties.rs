//! What holds of any spec and any live index.

use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
    sample::{select, subsequence},
};
use serde_json::{Map, Value, json};

use super::{
    super::{
        apply,
        cluster_gate::ClusterGate,
        decision::{Plan, Step},
        plan,
    },
    fixtures::{Physical, index, live},
    model::Model,
    scene::Scene,
};
use crate::{
    api::index::{AdoptionPolicy, DeletionPolicy, DriftPolicy, Index, IndexState, Mode},
    elasticsearch::{names::OneIndex, values::settings::Kind, values::settings::kind},
};

/// Settings of every kind, each with values that differ and values that only look different.
fn menu() -> Vec<(&'static str, Vec<Value>)> {
    vec![
        ("refresh_interval", vec![json!("60s"), json!("1m"), json!("-1"), json!(-1)]),
        ("index.number_of_replicas", vec![json!(0), json!("0"), json!(1), json!(2)]),
        ("priority", vec![json!(1), json!("7"), json!(7)]),
        ("index.max_result_window", vec![json!(10_000), json!("20000")]),
        ("translog.durability", vec![json!("async"), json!("ASYNC"), json!("request")]),
        ("query.default_field", vec![json!(["a", "b"]), json!("a"), json!(["a"])]),
        ("blocks.write", vec![json!(true), json!("false")]),
        ("plugin.mode", vec![json!("a"), json!(true), json!(1.5)]),
        ("lifecycle.name", vec![json!("hot"), json!("cold")]),
        ("auto_expand_replicas", vec![json!(false), json!("0-1")]),
        ("index.codec", vec![json!("default"), json!("best_compression")]),
        ("similarity.a.type", vec![json!("BM25"), json!("boolean")]),
        ("number_of_shards", vec![json!(1), json!("1"), json!(3)]),
    ]
}

fn settings() -> impl Strategy<Value = Value> {
    let menu = menu();
    let count = menu.len();
    subsequence(menu, 0..=count).prop_flat_map(|rows| {
        let values: Vec<_> = rows
            .into_iter()
            .map(|(key, values)| select(values).prop_map(move |it| (key.to_owned(), it)))
            .collect();
        values.prop_map(|it| Value::Object(it.into_iter().collect()))
    })
}

fn alias() -> impl Strategy<Value = Value> {
    select(vec![
        json!({}),
        json!({ "routing": 1 }),
        json!({ "index_routing": "1", "search_routing": "1,2" }),
        json!({ "is_write_index": true }),
        json!({ "is_write_index": "false", "is_hidden": "true" }),
        json!({ "filter": { "term": { "a": 1 } } }),
        json!({ "filter": {} }),
    ])
}

fn aliases() -> impl Strategy<Value = Value> {
    btree_map(select(vec!["a", "b", "c"]), alias(), 0..3)
        .prop_map(|it| it.into_iter().map(|(name, it)| (name.to_owned(), it)).collect())
        .prop_map(Value::Object)
}

/// What a person may declare.
#[derive(Clone, Debug)]
struct Spec {
    settings: Value,
    aliases: Value,
    state: IndexState,
}

impl Spec {
    fn on(&self, index: Index) -> Index {
        let index = index.settings(self.settings.clone()).aliases(self.aliases.clone());
        index.state(self.state)
    }
}

fn spec() -> impl Strategy<Value = Spec> {
    let state = select(vec![IndexState::Open, IndexState::Open, IndexState::Closed]);
    (settings(), aliases(), state).prop_map(|(settings, aliases, state)| Spec {
        settings,
        aliases,
        state,
    })
}

/// An index that somebody else made, with settings and aliases that no spec here names.
fn theirs() -> impl Strategy<Value = Physical> {
    (settings(), aliases(), any::<bool>()).prop_map(|(settings, aliases, open)| {
        let mut index = live("books", "theirs")
            .setting("index.max_regex_length", "9")
            .setting("index.plugin.theirs", json!(["x", "y"]))
            .alias("theirs", json!({ "index_routing": "9" }));
        for (key, value) in crate::elasticsearch::values::settings::live(as_map(&settings)) {
            index.settings.insert(key, value);
        }
        index.aliases.extend(as_map(&aliases).iter().map(|(name, _)| (name.clone(), json!({}))));
        index.mappings.insert("_meta".into(), json!({ "theirs": 1 }));
        index.open = open;
        index
    })
}

fn as_map(value: &Value) -> &Map<String, Value> {
    value.as_object().expect("an object")
}

/// What nobody declared is as it was.
fn foreign_is_untouched(index: &Physical) {
    assert_eq!(index.settings["index.max_regex_length"], json!("9"));
    assert_eq!(index.settings["index.plugin.theirs"], json!(["x", "y"]));
    assert_eq!(index.aliases["theirs"], json!({ "index_routing": "9" }));
    assert_eq!(index.mappings["_meta"]["theirs"], json!(1));
}

/// The calls of `plan`, made on `model`; one that is refused changes nothing.
fn carry_out(model: &mut Model, index: &Index, plan: &Plan) {
    let name = OneIndex::new("books").unwrap();
    for step in &plan.steps {
        let _ = model.answer(&apply::call(step, index, &name, "test"));
    }
}

fn is_at_rest(scene: &mut Scene) {
    scene.calls();
    let turns = scene.settle();
    assert_eq!(turns.len(), 1);
    assert!(!turns[0].wrote && turns[0].notices.is_empty());
    assert_eq!(scene.calls(), [""; 0]);
}

/// Each case is a whole life of an index; `PROPTEST_CASES` asks for more of them.
fn config() -> ProptestConfig {
    let asked = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { asked.cases } else { 80 };
    ProptestConfig { cases, failure_persistence: None, ..asked }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_new_index_is_ready_and_a_second_look_finds_nothing(spec in spec()) {
        let mut scene = Scene::settled(spec.on(index("books")));
        scene.check("Ready", "True", "AsExpected");
        let plan = scene.plan();
        prop_assert!(plan.drift.is_empty() && plan.reindex.is_empty());
        is_at_rest(&mut scene);
    }

    #[test]
    fn from_spec_to_spec_it_comes_to_rest_and_tells_what_is_left(
        specs in vec(spec(), 2..5),
        report in any::<bool>(),
    ) {
        let policy = if report { DriftPolicy::Report } else { DriftPolicy::Enforce };
        let mut scene = Scene::settled(specs[0].on(index("books")).on_drift(policy));
        for spec in &specs[1..] {
            scene.edit(|it| spec.on(it));
            scene.settle();
            let plan = scene.plan();
            prop_assert_eq!(&plan.drift, &vec![], "nobody but Drover changed anything");
            for left in &plan.reindex {
                let key = left.path.strip_prefix("settings.").unwrap();
                prop_assert_ne!(kind(key), Kind::Dynamic, "{}", key);
            }
            let ready = scene.condition("Ready").status == "True";
            prop_assert_eq!(ready, plan.reindex.is_empty());
            is_at_rest(&mut scene);
        }
    }

    #[test]
    fn what_is_not_declared_is_never_touched_from_adoption_to_the_end(
        theirs in theirs(),
        specs in vec(spec(), 1..4),
    ) {
        let first = specs[0].on(index("books")).adoption(AdoptionPolicy::Always);
        let mut scene = Scene::new(first, Some(theirs.clone()));
        scene.settle();
        foreign_is_untouched(scene.model.index());
        for spec in &specs[1..] {
            scene.edit(|it| spec.on(it));
            scene.settle();
            foreign_is_untouched(scene.model.index());
        }
        scene.edit(|it| it.deletion(DeletionPolicy::Retain).deleted());
        scene.calls();
        scene.turn();
        prop_assert_eq!(scene.calls(), Vec::<String>::new());
    }

    #[test]
    fn what_was_there_and_matched_is_there_when_the_spec_is_empty_again(spec in spec()) {
        let mut made = Scene::settled(spec.on(index("books")));
        let mut theirs = made.model.index().clone();
        theirs.mappings.remove("_meta");
        let mut scene = Scene::new(spec.on(index("books")), Some(theirs.clone()));
        scene.settle();
        scene.check("Ready", "True", "AsExpected");
        scene.edit(|it| it.settings(json!({})).aliases(json!({})));
        scene.settle();
        prop_assert_eq!(&scene.model.index().settings, &theirs.settings);
        prop_assert_eq!(&scene.model.index().aliases, &theirs.aliases);
    }

    #[test]
    fn changes_by_hand_are_put_back_or_left_by_policy(
        before in spec(),
        by_hand in spec(),
        report in any::<bool>(),
    ) {
        let policy = if report { DriftPolicy::Report } else { DriftPolicy::Enforce };
        let mut scene = Scene::settled(before.on(index("books")).on_drift(policy));
        scene.calls();
        let settled = scene.model.index().clone();
        let hand = crate::elasticsearch::values::settings::live(as_map(&by_hand.settings));
        for (key, value) in hand {
            if kind(&key) == Kind::Dynamic {
                scene.model.index().settings.insert(key, value);
            }
        }
        scene.model.index().aliases.retain(|it, _| as_map(&by_hand.aliases).contains_key(it));
        scene.model.index().open = by_hand.state == IndexState::Open;
        let changed = scene.model.index().clone();
        scene.settle();
        if report {
            prop_assert_eq!(scene.calls(), Vec::<String>::new());
            prop_assert_eq!(&*scene.model.index(), &changed);
        } else {
            let plan = scene.plan();
            prop_assert!(plan.steps.is_empty() && plan.drift.is_empty());
            prop_assert_eq!(&scene.model.index().aliases, &settled.aliases);
            prop_assert_eq!(scene.model.index().open, settled.open);
            scene.check("Ready", "True", "AsExpected");
        }
    }

    #[test]
    fn to_carry_out_a_plan_twice_is_to_carry_it_out_once(
        theirs in option::of(theirs()),
        specs in vec(spec(), 2),
    ) {
        let first = specs[0].on(index("books")).adoption(AdoptionPolicy::Always);
        let mut scene = Scene::new(first, theirs);
        scene.settle();
        scene.edit(|it| specs[1].on(it));
        let plan = scene.plan();
        let mut once = scene.model.clone();
        carry_out(&mut once, &scene.index, &plan);
        let mut twice = once.clone();
        carry_out(&mut twice, &scene.index, &plan);
        prop_assert_eq!(once.index, twice.index);
    }

    #[test]
    fn nothing_is_deleted_but_ones_own_index_of_a_deleted_object_by_policy(
        spec in spec(),
        policy in select(vec![
            DeletionPolicy::Retain, DeletionPolicy::Delete, DeletionPolicy::DeleteIfEmpty,
        ]),
        mode in select(vec![Mode::Apply, Mode::Plan]),
        gate in 0..4,
        there in option::of(theirs()),
        marked in any::<bool>(),
        uuid in option::of(select(vec!["theirs", "another"])),
        rival in any::<bool>(),
        deleted in any::<bool>(),
    ) {
        let mut object = spec.on(index("books")).deletion(policy).mode(mode);
        if let Some(uuid) = uuid {
            object = object.remembers(uuid);
        }
        if deleted {
            object = object.deleted();
            object.status.get_or_insert_default().write_block = Some(false);
        }
        let there = there.map(|it| if marked { it.marked_for(&object) } else { it });
        let is_there = there.is_some();
        let countable = there.as_ref().is_none_or(|it| it.open);
        let mut scene = Scene::new(object, there);
        scene.rival = rival.then(|| "elder".into());
        match gate {
            0 => scene.gate = ClusterGate::Absent,
            1 => scene.gate = ClusterGate::Blocked("why".into()),
            2 => scene.gate = ClusterGate::Pending,
            _ => {}
        }
        let plan = plan::next(&scene.index, &scene.seen());
        let deletes = plan
            .steps
            .iter()
            .chain(&plan.held)
            .any(|it| matches!(it, Step::Delete | Step::DeleteIfEmpty { .. }));
        let may = deleted
            && policy != DeletionPolicy::Retain
            && mode == Mode::Apply
            && gate == 3
            && is_there
            && (policy == DeletionPolicy::Delete || countable)
            && (marked || uuid == Some("theirs"));
        prop_assert_eq!(deletes, may);
    }
}
