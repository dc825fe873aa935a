//! Whose key is trusted, and that nothing is trusted that is not on record.

use serde_json::json;

use super::{
    super::plan::Step,
    scene::{Scene, print},
};
use crate::ssh::host_key::Otherwise;

fn trusting() -> Scene {
    let mut scene = Scene::new();
    scene.spec(&json!({ "hostKey": { "policy": "TrustOnFirstUse" } }));
    scene
}

fn recorded(scene: &Scene) -> Option<String> {
    scene.status().host_key.as_ref().map(|it| it.fingerprint.0.clone())
}

#[test]
fn the_first_key_is_on_record_before_it_is_trusted() {
    let mut scene = trusting();
    let mut on_record_at = None;
    for turn in 0..6 {
        let Some(Step::Watch(watch)) = scene.turn().plan.step else { continue };
        let trusted = watch.target.host.host_key.otherwise;
        if let Otherwise::TrustOnFirstUse { seen } = trusted {
            assert_eq!(seen, Some(print('A')));
            assert!(on_record_at.is_some_and(|it| it < turn), "trusted before it was on record");
        }
        on_record_at = on_record_at.or_else(|| recorded(&scene).map(|_| turn));
        scene.turn();
        on_record_at = on_record_at.or_else(|| recorded(&scene).map(|_| turn));
    }
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    assert_eq!(recorded(&scene), Some(print('A').to_string()));
}

#[test]
fn after_the_first_key_no_other_is_taken_also_by_a_process_that_never_saw_it() {
    let mut scene = trusting();
    let notices = scene.settle();
    assert!(format!("{notices:?}").contains("HostKeyRecorded"));
    let first_seen = scene.status().host_key.as_ref().unwrap().first_seen.clone();
    scene.restart();
    scene.machine.keys = vec![print('B')];
    let notices = scene.settle();
    assert!(format!("{notices:?}").contains("HostKeyChanged"));
    scene.check("HostKeyVerified", "False", "HostKeyMismatch");
    scene.check("Stalled", "True", "HostKeyMismatch");
    assert_eq!(recorded(&scene), Some(print('A').to_string()), "never learned anew");
    scene.machine.keys = vec![print('A')];
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    assert_eq!(scene.status().host_key.as_ref().unwrap().first_seen, first_seen);
}

#[test]
fn without_a_given_key_the_one_that_is_shown_is_told_and_not_taken() {
    let mut scene = Scene::new();
    scene.spec(&json!({ "hostKey": {} }));
    scene.settle();
    scene.check("HostKeyVerified", "False", "HostKeyUnknown");
    scene.check("Reachable", "Unknown", "Waiting");
    let message = scene.condition("HostKeyVerified").message.clone();
    assert!(message.contains(&print('A').to_string()), "{message}");
    assert_eq!(recorded(&scene), None);
    scene.spec(&json!({ "hostKey": { "fingerprints": [print('A').to_string()] } }));
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn a_key_that_is_given_wins_over_the_one_on_record() {
    let mut scene = trusting();
    scene.settle();
    scene.machine.keys = vec![print('B')];
    scene.settle();
    scene.spec(&json!({ "hostKey": { "fingerprints": [print('B').to_string()] } }));
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    assert_eq!(recorded(&scene), Some(print('B').to_string()));
}

#[test]
fn the_keys_on_the_way_are_recorded_one_after_the_other() {
    let mut scene = trusting();
    let jump = |address: &str| {
        json!({
            "address": address,
            "credentials": { "secretName": "ssh" },
            "hostKey": { "policy": "TrustOnFirstUse" },
        })
    };
    scene.spec(&json!({ "jumpHosts": [jump("j1"), jump("j2")] }));
    scene.machine.keys = vec![print('J'), print('K'), print('A')];
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    let keys = &scene.status().jump_host_keys;
    let told: Vec<_> = keys.iter().map(|it| (&*it.address, &*it.fingerprint.0)).collect();
    let (first, second) = (print('J').to_string(), print('K').to_string());
    assert_eq!(told, [("j1", &*first), ("j2", &*second)]);
    // One that is no longer on the way is forgotten; the others stay.
    scene.spec(&json!({ "jumpHosts": [jump("j2")] }));
    scene.machine.keys = vec![print('K'), print('A')];
    scene.settle();
    assert_eq!(scene.status().jump_host_keys.len(), 1);
    // The machine's own key is not taken for a jump host's.
    scene.machine.keys = vec![print('A'), print('A')];
    scene.settle();
    scene.check("HostKeyVerified", "False", "HostKeyMismatch");
}

#[test]
fn a_server_that_must_be_known_is_never_learned_as_one_behind_it() {
    let mut scene = trusting();
    let strict = json!({ "address": "h1", "credentials": { "secretName": "ssh" } });
    scene.spec(&json!({ "jumpHosts": [strict] }));
    scene.machine.keys = vec![print('J'), print('A')];
    scene.settle();
    scene.check("HostKeyVerified", "False", "HostKeyUnknown");
    assert_eq!(recorded(&scene), None);
}

#[test]
fn what_another_way_led_to_is_not_recorded() {
    let mut scene = trusting();
    scene.turn();
    // The answer of h1 is there when the spec already leads through a jump host.
    let jump = json!({
        "address": "j1",
        "credentials": { "secretName": "ssh" },
        "hostKey": { "fingerprints": [print('J').to_string()] },
    });
    scene.spec(&json!({ "jumpHosts": [jump] }));
    scene.machine.keys = vec![print('J'), print('B')];
    assert!(scene.turn().plan.first_keys.is_empty());
    scene.settle();
    assert_eq!(recorded(&scene), Some(print('B').to_string()));
}
