use serde_json::{Value, json};

use super::*;
use crate::{
    api::index::Index,
    kubernetes::{decoded::Undecodable, scripted::api_server},
};

type Reflected = Reflector<Index>;

fn named(name: &str) -> ObjectName {
    ObjectName { namespace: "ns".into(), name: name.into() }
}

fn index(name: &str) -> Value {
    json!({
        "metadata": {
            "name": name, "namespace": "ns", "uid": name, "generation": 1, "resourceVersion": "1",
            "finalizers": [FINALIZER],
            "annotations": { LAST_APPLIED: "{}" }, "managedFields": [{ "manager": "kubectl" }],
        },
        "spec": { "clusterRef": { "name": "es" } },
    })
}

/// `index` with the fields of `patch` put over its metadata.
fn with(name: &str, patch: &Value) -> Value {
    let mut index = index(name);
    for (key, value) in patch.as_object().unwrap() {
        index["metadata"][key] = value.clone();
    }
    index
}

fn good(object: Value) -> Decoded<Index> {
    Decoded(Ok(serde_json::from_value(object).unwrap()))
}

fn broken(name: &str, version: &str) -> Decoded<Index> {
    let metadata = ObjectMeta {
        name: Some(name.into()),
        namespace: Some("ns".into()),
        resource_version: Some(version.into()),
        ..ObjectMeta::default()
    };
    Decoded(Err(Undecodable { error: "no".into(), metadata }))
}

/// A reflector over `watches` watches, each of which has listed nothing.
fn empty(watches: usize) -> Reflected {
    let mut reflector = Reflected::new();
    reflector.watches.resize_with(watches, Watch::default);
    reflector
}

/// A reflector that has listed `objects`.
fn filled(objects: &[Value]) -> Reflected {
    let mut reflector = empty(1);
    list(&mut reflector, 0, objects);
    reflector
}

fn list(reflector: &mut Reflected, watch: usize, objects: &[Value]) -> Vec<String> {
    let mut changes = reflector.take(watch, Event::Init);
    for object in objects {
        changes.extend(reflector.take(watch, Event::InitApply(good(object.clone()))));
    }
    changes.extend(reflector.take(watch, Event::InitDone));
    told(changes)
}

fn apply(reflector: &mut Reflected, object: Value) -> Vec<String> {
    told(reflector.take(0, Event::Apply(good(object))))
}

/// Each change as `word name`.
fn told(changes: Vec<Change>) -> Vec<String> {
    let tell = |it: Change| match it {
        Change::Due(name) => format!("due {}", name.name),
        Change::Touched(name) => format!("touched {}", name.name),
        Change::Broken(broken) => format!("broken {}", broken.name.name),
        Change::Gone(name, _) => format!("gone {}", name.name),
    };
    changes.into_iter().map(tell).collect()
}

fn stored(reflector: &Reflected) -> Vec<String> {
    let mut names: Vec<_> =
        reflector.reader.state().iter().filter_map(|it| it.metadata.name.clone()).collect();
    names.sort();
    names
}

#[test]
fn what_matters_to_a_reconcile_wakes_it_and_the_rest_does_not() {
    let cases = [
        (json!({ "generation": 2 }), "due a"),
        (json!({ "annotations": { "drover.dev/reconcile-at": "now" } }), "due a"),
        (json!({ "finalizers": [FINALIZER, "other"] }), "due a"),
        (json!({ "finalizers": [] }), "due a"),
        (json!({ "deletionTimestamp": "2026-01-01T00:00:00Z" }), "due a"),
        (json!({ "uid": "another life" }), "due a"),
        (json!({ "resourceVersion": "2" }), "touched a"),
        (json!({ "labels": { "a": "b" } }), "touched a"),
    ];
    for (patch, expected) in cases {
        let mut reflector = filled(&[index("a")]);
        assert_eq!(apply(&mut reflector, with("a", &patch)), [expected], "{patch}");
    }
}

#[test]
fn our_own_mark_is_no_news_when_it_comes() {
    let mut reflector = filled(&[with("a", &json!({ "finalizers": ["other"] }))]);
    let held = with("a", &json!({ "finalizers": ["other", FINALIZER] }));
    assert_eq!(apply(&mut reflector, held), ["touched a"]);
    let taken = with("a", &json!({ "finalizers": ["other"] }));
    assert_eq!(apply(&mut reflector, taken), ["due a"]);
}

#[test]
fn a_copy_carries_no_ballast() {
    let reflector = filled(&[index("a")]);
    let copy = reflector.reader.get(&object_ref(&named("a"))).unwrap();
    assert_eq!(copy.metadata.managed_fields, None);
    assert_eq!(copy.metadata.annotations, None);
}

#[test]
fn a_list_after_a_gap_tells_only_what_changed_and_what_went() {
    let mut reflector = filled(&[index("same"), index("changed"), index("went")]);
    let newer = with("changed", &json!({ "generation": 2 }));
    let changes = list(&mut reflector, 0, &[index("same"), newer, index("new")]);
    assert_eq!(changes, ["touched same", "due changed", "due new", "gone went"]);
    assert_eq!(stored(&reflector), ["changed", "new", "same"]);
}

#[test]
fn an_object_that_breaks_leaves_the_store_and_is_told_once() {
    let mut reflector = filled(&[index("a"), index("b")]);
    let refuse = |reflector: &mut Reflected, version| {
        told(reflector.take(0, Event::Apply(broken("a", version))))
    };
    assert_eq!(refuse(&mut reflector, "2"), ["broken a"]);
    assert_eq!(stored(&reflector), ["b"]);
    assert!(refuse(&mut reflector, "2").is_empty(), "the same state is not told again");
    assert_eq!(refuse(&mut reflector, "3"), ["broken a"]);
    assert_eq!(reflector.broken.len(), 1);
    assert_eq!(apply(&mut reflector, index("a")), ["due a"], "put right, as it was before");
    assert_eq!(stored(&reflector), ["a", "b"]);
    assert!(reflector.broken.is_empty());
}

#[test]
fn a_broken_object_that_goes_is_forgotten() {
    let mut reflector = filled(&[]);
    reflector.take(0, Event::Apply(broken("a", "2")));
    assert_eq!(told(reflector.take(0, Event::Delete(broken("a", "3")))), ["gone a"]);
    assert!(reflector.broken.is_empty());
}

#[test]
fn with_several_namespaces_the_store_is_filled_when_the_last_one_is() {
    let mut reflector = empty(2);
    list(&mut reflector, 0, &[index("a"), index("went"), index("broke")]);
    assert!(!reflector.is_filled());
    // All of this before the other namespace is listed.
    reflector.take(0, Event::Delete(good(index("went"))));
    reflector.take(0, Event::Apply(broken("broke", "2")));
    reflector.take(0, Event::Delete(good(index("a"))));
    reflector.take(0, Event::Apply(good(index("a"))));
    list(&mut reflector, 1, &[with("b", &json!({ "namespace": "other" }))]);
    assert!(reflector.is_filled());
    assert_eq!(stored(&reflector), ["a", "b"]);
    // A gap in one namespace takes nothing from the other.
    list(&mut reflector, 0, &[]);
    assert_eq!(stored(&reflector), ["b"]);
}

#[test]
fn a_namespace_that_may_not_be_listed_does_not_hold_up_the_others() {
    let mut reflector = empty(2);
    list(&mut reflector, 0, &[index("a")]);
    reflector.do_without(1, Category::Unavailable);
    assert!(!reflector.is_filled(), "that will pass");
    reflector.do_without(1, Category::Forbidden);
    assert!(reflector.is_filled());
    let granted = list(&mut reflector, 1, &[with("b", &json!({ "namespace": "other" }))]);
    assert_eq!(granted, ["due b"]);
    assert_eq!(stored(&reflector), ["a", "b"]);

    let mut alone = empty(1);
    alone.do_without(0, Category::Forbidden);
    assert!(!alone.is_filled(), "nothing can be done without the only one");
}

#[tokio::test]
async fn others_hear_of_every_change_once_the_store_is_filled() {
    let (client, script) = api_server();
    drop(script);
    let ctx = Arc::new(Context::for_tests(client));
    let mut reflector = empty(1);
    let mut touched = reflector.touched();
    let gone = std::cell::RefCell::new(Vec::new());
    let mut feed = |event| {
        let changes = reflector.take(0, event);
        let note = |it: &ObjectName| gone.borrow_mut().push(it.name.clone());
        changes.into_iter().filter_map(|it| reflector.handle(&ctx, &note, it)).count()
    };
    assert_eq!(feed(Event::Init), 0);
    assert_eq!(feed(Event::InitApply(good(index("a")))), 1);
    assert_eq!(feed(Event::InitDone), 0);
    assert!(touched.try_recv().is_err(), "what is there at the start is not named");
    assert_eq!(feed(Event::Apply(good(with("a", &json!({ "resourceVersion": "2" }))))), 0);
    assert_eq!(touched.try_recv().unwrap(), named("a"));
    assert!(ctx.metrics.encode().contains(r#"drover_index_ready{namespace="ns",name="a"} 0"#));
    assert_eq!(feed(Event::Delete(good(index("a")))), 0);
    assert_eq!(touched.try_recv().unwrap(), named("a"));
    assert_eq!(*gone.borrow(), ["a"]);
    assert!(!ctx.metrics.encode().contains(r#"name="a""#));
}
