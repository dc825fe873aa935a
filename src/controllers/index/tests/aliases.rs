//! Aliases: one call for all that changes, and nobody else's in it.

use serde_json::{Value, json};

use super::{super::decision::Step, fixtures::index, scene::Scene};

/// The actions that lead from one spec to another, in an index with a foreign alias.
#[track_caller]
fn check(before: Value, after: Value, actions: &Value) {
    let mut scene = Scene::settled(index("books").aliases(before));
    scene.model.index().aliases.insert("theirs".into(), json!({ "is_hidden": true }));
    scene.edit(|it| it.aliases(after));
    let bodies: Vec<Value> = scene
        .plan()
        .steps
        .into_iter()
        .map(|step| match step {
            Step::Aliases(body) => body,
            other => panic!("{other:?}"),
        })
        .collect();
    let expected: Vec<Value> =
        if *actions == json!([]) { vec![] } else { vec![json!({ "actions": actions })] };
    assert_eq!(bodies, expected);
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    assert_eq!(scene.model.index().aliases["theirs"], json!({ "is_hidden": true }));
}

#[test]
fn all_changes_of_aliases_are_one_call() {
    check(
        json!({ "gone": {}, "kept": {}, "moved": {} }),
        json!({ "kept": {}, "moved": { "routing": "1" }, "new": { "is_write_index": "true" } }),
        &json!([
            { "remove": { "index": "books", "alias": "gone" } },
            { "add": {
                "index": "books", "alias": "moved", "index_routing": "1", "search_routing": "1",
            } },
            { "add": { "index": "books", "alias": "new", "is_write_index": true } },
        ]),
    );
}

#[test]
fn another_spelling_of_an_alias_is_no_change() {
    check(
        json!({ "a": { "routing": 1, "filter": { "term": { "n": 1 } } } }),
        json!({ "a": {
            "search_routing": "1", "index_routing": "1", "filter": { "term": { "n": { "value": 1 } } },
        } }),
        &json!([]),
    );
}

#[test]
fn an_alias_of_somebody_else_that_the_spec_comes_to_name_is_made_as_declared() {
    let mut scene = Scene::settled(index("books"));
    scene.model.index().aliases.insert("theirs".into(), json!({ "is_hidden": true }));
    scene.edit(|it| it.aliases(json!({ "theirs": {} })));
    scene.settle();
    assert_eq!(scene.model.index().aliases["theirs"], json!({}));
}
