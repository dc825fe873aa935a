//! What Elasticsearch refuses, and what it never shows.

use super::*;

#[test]
fn what_was_refused_for_something_else_is_asked_again_now_and_then_without_a_word_in_the_status() {
    let refused = |cause| Refused {
        name: "search.max_buckets".into(),
        value: "5".into(),
        cause,
        why: "words".into(),
    };
    let mut world = World::new(&json!({}));
    world.declare(&json!({ "search.max_buckets": 5 }));
    world.current.as_mut().unwrap().refused = vec![refused(Cause::Unnamed)];
    world.settle();
    let asked = |world: &mut World| {
        let before = world.cluster.status.clone();
        let decision = next(&world.cluster, &mut world.seen, world.current.as_ref());
        assert_eq!(noted(&world.cluster, &decision).status, before);
        decision.act.len()
    };
    assert_eq!(asked(&mut world), 0);
    world.current.as_mut().unwrap().is_time = true;
    assert_eq!(asked(&mut world), 1);
    world.cluster.spec.mode = Mode::Plan;
    assert_eq!(asked(&mut world), 0);
    world.cluster.spec.mode = Mode::Apply;
    world.current.as_mut().unwrap().refused = vec![refused(Cause::Value)];
    assert_eq!(asked(&mut world), 0, "the value itself is not taken");
    world.current.as_mut().unwrap().refused.clear();
    assert_eq!(world.settle(), 1, "a new process knows no better");
    assert_eq!(world.state("search.max_buckets"), Some(LiveState::Live));
}

#[test]
fn a_value_that_nobody_sees_is_told_of_until_the_spec_is_changed_again() {
    let mut world = World::new(&json!({}));
    world.declare(&json!({ "search.max_buckets": 5 }));
    world.current.as_mut().unwrap().refused = vec![Refused {
        name: "search.max_buckets".into(),
        value: "5".into(),
        cause: Cause::Unseen,
        why: "it is not shown".into(),
    }];
    world.settle();
    assert_eq!(world.state("search.max_buckets"), Some(LiveState::Unseen));
    let change = |world: &mut World, generation: i64| {
        world.cluster.metadata.generation = Some(generation);
        world.turn();
        world.cluster.status.as_mut().unwrap().observed_generation = Some(generation);
        assert_eq!(world.settle(), 0);
    };
    world.declare(&json!({}));
    // It leaves the spec.
    change(&mut world, 2);
    assert_eq!(world.state("search.max_buckets"), Some(LiveState::Withdrawn));
    assert!(outstanding(&world.cluster).is_none() && !world.is_outdated());
    let told = diagnostics(&world.cluster);
    assert!(told[0].advice.contains(r#"{"persistent":{"search.max_buckets":null}}"#), "{told:?}");
    change(&mut world, 3);
    assert_eq!(world.state("search.max_buckets"), None);
    assert!(diagnostics(&world.cluster).is_empty());
}

#[test]
fn a_value_that_nobody_sees_is_told_of_also_where_the_spec_goes_back_to_what_the_files_say() {
    let files = json!({ "search.max_buckets": 7 });
    let mut world = World::new(&files);
    world.declare(&json!({ "search.max_buckets": 5 }));
    world.current.as_mut().unwrap().refused = vec![Refused {
        name: "search.max_buckets".into(),
        value: "5".into(),
        cause: Cause::Unseen,
        why: "it is not shown".into(),
    }];
    world.settle();
    assert_eq!(world.state("search.max_buckets"), Some(LiveState::Unseen));
    world.declare(&files);
    world.cluster.metadata.generation = Some(2);
    world.turn();
    world.cluster.status.as_mut().unwrap().observed_generation = Some(2);
    assert_eq!(world.settle(), 0);
    assert_eq!(world.state("search.max_buckets"), Some(LiveState::Withdrawn));
    assert_eq!(diagnostics(&world.cluster).len(), 1);
}
