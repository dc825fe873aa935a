//! Mappings: what is added, what stays, and what takes another index.

use serde_json::{Value, json};

use super::{
    super::decision::Step,
    fixtures::{index, live},
    scene::{Scene, WhichStep},
};
use crate::{
    api::index::{AdoptionPolicy, DriftPolicy},
    elasticsearch::fixtures::refused,
};

#[allow(clippy::needless_pass_by_value)] // A test says `json!(...)`.
fn fields(fields: Value) -> Value {
    json!({ "properties": fields })
}

/// The bodies of the mapping calls of the next reconcile.
fn bodies(scene: &Scene) -> Vec<Value> {
    let steps = scene.plan().steps.into_iter();
    let body = |it| if let Step::Mapping(body) = it { Some(Value::Object(body)) } else { None };
    steps.filter_map(body).collect()
}

#[test]
fn a_new_field_is_added_and_fields_of_others_stay() {
    let first = fields(json!({ "title": { "type": "text" } }));
    let mut scene = Scene::settled(index("books").mappings(first));
    let there = &mut scene.model.index().mappings["properties"];
    there["by_document"] = json!({ "type": "long" });
    scene.calls();
    scene.edit(|it| {
        it.mappings(fields(json!({ "title": { "type": "text" }, "isbn": { "type": "keyword" } })))
    });
    assert_eq!(bodies(&scene), [fields(json!({ "isbn": { "type": "keyword" } }))]);
    scene.settle();
    assert_eq!(scene.calls(), ["PUT /books/_mapping"]);
    scene.check("Ready", "True", "AsExpected");
    assert_eq!(scene.model.index().mappings["properties"]["by_document"]["type"], json!("long"));
}

#[test]
fn another_type_takes_another_index_and_the_rest_is_applied() {
    let first = fields(json!({ "title": { "type": "text" } }));
    for policy in [DriftPolicy::Enforce, DriftPolicy::Report] {
        let index = index("books").mappings(first.clone()).on_drift(policy);
        let mut scene = Scene::settled(index);
        scene.calls();
        scene.edit(|it| {
            let wanted = json!({ "title": { "type": "long" }, "isbn": { "type": "keyword" } });
            it.mappings(fields(wanted)).settings(json!({ "priority": 7 }))
        });
        for _ in 0..3 {
            scene.settle();
            scene.check("ReindexRequired", "True", "ImmutableChange");
            scene.check("Drifted", "False", "AsExpected");
            scene.check("Ready", "False", "ImmutableChange");
        }
        let message = &scene.condition("ReindexRequired").message;
        assert!(message.contains("mappings.properties.title.type"), "{message}");
        assert_eq!(scene.calls(), ["PUT /books/_mapping", "PUT /books/_settings"]);
        let there = &scene.model.index().mappings["properties"];
        assert_eq!(*there, json!({ "title": { "type": "text" }, "isbn": { "type": "keyword" } }));
    }
}

#[test]
fn a_field_that_leaves_the_spec_stays_in_the_index() {
    let first = fields(json!({ "title": { "type": "text" } }));
    let mut scene = Scene::settled(index("books").mappings(first));
    scene.calls();
    scene.edit(|it| it.mappings(json!({})));
    scene.settle();
    assert_eq!(scene.calls(), [""; 0]);
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn the_users_meta_is_written_with_the_mark_in_it() {
    let mut scene = Scene::settled(index("books").mappings(json!({ "_meta": { "team": "a" } })));
    let mark = scene.model.index().mappings["_meta"]["drover"].clone();
    scene.edit(|it| it.mappings(json!({ "_meta": { "team": "b" } })));
    assert_eq!(bodies(&scene), [json!({ "_meta": { "team": "b", "drover": mark } })]);
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    // By hand, without the mark.
    scene.model.index().mappings.insert("_meta".into(), json!({ "team": "c" }));
    scene.settle();
    assert_eq!(scene.model.index().mappings["_meta"], json!({ "team": "b", "drover": mark }));
}

#[test]
fn the_mark_is_no_field_for_people() {
    let index = index("books").mappings(json!({ "_meta": { "drover": { "uid": "mine" } } }));
    let mut scene = Scene::new(index, None);
    scene.settle();
    scene.check("Accepted", "False", "InvalidSpec");
    let message = &scene.condition("Accepted").message;
    assert!(message.contains("spec.mappings._meta.drover"), "{message}");
}

#[test]
fn a_mapping_changed_by_hand_is_put_back_or_only_told() {
    for (policy, calls) in
        [(DriftPolicy::Enforce, vec!["PUT /books/_mapping"]), (DriftPolicy::Report, vec![])]
    {
        let wanted = json!({ "isbn": { "type": "keyword", "ignore_above": 100 } });
        let index = index("books").mappings(fields(wanted)).on_drift(policy);
        let mut scene = Scene::settled(index);
        scene.calls();
        scene.model.index().mappings["properties"]["isbn"]["ignore_above"] = json!(50);
        let turn = scene.turn();
        assert_eq!(turn.plan.drift.len(), 1, "{:?}", turn.plan.drift);
        assert_eq!(turn.plan.drift[0].path, "mappings.properties.isbn.ignore_above");
        scene.settle();
        assert_eq!(scene.calls(), calls);
    }
}

#[test]
fn the_mark_goes_alone_and_first_so_that_a_refused_field_does_not_hold_it_back() {
    let wanted = json!({ "title": { "type": "text", "analyzer": "none such" } });
    let index = index("books").mappings(fields(wanted)).adoption(AdoptionPolicy::Always);
    let mut scene = Scene::new(index, Some(live("books", "theirs")));
    let is_field: WhichStep =
        |it| matches!(it, Step::Mapping(body) if body.contains_key("properties"));
    let refusal = refused("put_mapping", 400, "mapper_parsing_exception", "analyzer not found");
    scene.refusal = Some((is_field, refusal));
    scene.turn();
    scene.check("Synced", "False", "Rejected");
    assert_eq!(scene.model.index().mappings["_meta"]["drover"]["uid"], json!("uid-books"));
    assert_eq!(scene.status().uuid.as_deref(), Some("theirs"));
}
