//! Which machine an object stands for, and that no other is touched.

use super::scene::{MACHINE, OTHER, Scene, fault};

fn looks_into(scene: &Scene) -> Option<&str> {
    scene.watched.as_ref()?.machine.as_deref()
}

#[test]
fn the_first_machine_is_the_one_and_is_looked_into_only_once_it_is_known() {
    let mut scene = Scene::new();
    scene.turn();
    assert_eq!(looks_into(&scene), None);
    scene.turn();
    assert_eq!(looks_into(&scene), Some(MACHINE));
    scene.settle();
    assert_eq!(scene.status().facts.as_ref().unwrap().machine_id.as_str(), MACHINE);
    scene.restart();
    scene.turn();
    assert_eq!(looks_into(&scene), Some(MACHINE), "known from the status");
}

#[test]
fn another_machine_is_left_alone_until_a_person_names_it() {
    let mut scene = Scene::settled();
    let before = scene.status().facts.clone();
    scene.replace_machine();
    let notices = scene.settle();
    assert!(format!("{notices:?}").contains("HostReplaced"));
    scene.check("Accepted", "False", "HostReplaced");
    scene.check("Stalled", "True", "HostReplaced");
    scene.check("Reachable", "True", "AsExpected");
    assert_eq!(scene.status().facts, before, "the facts are those of the machine that is meant");
    let message = scene.condition("Accepted").message.clone();
    assert!(message.contains(MACHINE) && message.contains(OTHER), "{message}");
    assert_eq!(looks_into(&scene), None);
    // Also by a process that knows nothing but the status.
    scene.restart();
    scene.settle();
    scene.check("Accepted", "False", "HostReplaced");
    scene.annotate("drover.dev/accept-machine-id", MACHINE);
    scene.settle();
    scene.check("Accepted", "False", "HostReplaced");
    scene.annotate("drover.dev/accept-machine-id", OTHER);
    let notices = scene.settle();
    assert!(format!("{notices:?}").contains("HostAccepted"));
    scene.check("Ready", "True", "AsExpected");
    assert_eq!(scene.status().facts.as_ref().unwrap().machine_id.as_str(), OTHER);
    // The old one is now as strange as the new one was.
    scene.machine.facts.identity.machine_id = Some(MACHINE.into());
    scene.settle();
    scene.check("Accepted", "False", "HostReplaced");
}

#[test]
fn the_machine_that_comes_back_is_taken_by_itself() {
    let mut scene = Scene::settled();
    scene.replace_machine();
    scene.settle();
    scene.machine.facts.identity.machine_id = Some(MACHINE.into());
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn a_machine_that_an_older_object_stands_for_is_left_alone() {
    let mut scene = Scene::new();
    scene.claimed_by = Some("shop/older".into());
    scene.settle();
    scene.check("Accepted", "False", "Conflict");
    scene.check("Stalled", "True", "Conflict");
    assert!(scene.condition("Accepted").message.contains("shop/older"));
    assert_eq!(looks_into(&scene), None);
    assert_eq!(scene.status().facts, None, "no second claim");
    scene.claimed_by = None;
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    // One that turns up later is heard also before the machine answers.
    scene.restart();
    scene.claimed_by = Some("shop/older".into());
    scene.machine.fault = Some(fault("connect"));
    scene.settle();
    scene.check("Accepted", "False", "Conflict");
    assert_eq!(looks_into(&scene), None);
}

#[test]
fn a_machine_without_a_name_is_not_looked_into() {
    let mut scene = Scene::new();
    scene.machine.facts.identity.machine_id = None;
    scene.settle();
    scene.check("Inspected", "False", "UnexpectedAnswer");
    assert!(scene.condition("Inspected").message.contains("machine-id"));
    assert_eq!(looks_into(&scene), None);
}
