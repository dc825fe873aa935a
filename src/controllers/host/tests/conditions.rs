//! Each thing that can go wrong shows in one condition, and the others stay as they should be.

use serde_json::json;

use super::{
    super::observe::ClusterView,
    scene::{Scene, fault},
};
use crate::{api::condition::Reason, chain::chain, controllers::references::Problem};

#[test]
fn a_machine_that_is_as_it_should_be_is_ready() {
    let scene = Scene::settled();
    for kind in ["HostKeyVerified", "Reachable", "Inspected", "Prepared", "Healthy"] {
        scene.check(kind, "True", "AsExpected");
    }
    scene.check("RebootRequired", "False", "AsExpected");
}

#[test]
fn every_failure_to_reach_it_shows_in_its_condition_before_the_first_answer_and_after() {
    let cases = [
        ("connect", "Reachable", "Unreachable", "Reconciling"),
        ("timeout", "Reachable", "Unreachable", "Reconciling"),
        ("handshake", "Reachable", "UnexpectedAnswer", "Stalled"),
        ("refused", "Reachable", "PrivilegeMissing", "Stalled"),
        ("unauthorized", "Reachable", "AuthenticationFailed", "Stalled"),
        ("credentials", "ResolvedRefs", "InvalidContent", "Stalled"),
    ];
    for (word, kind, reason, progress) in cases {
        for mut scene in [Scene::new(), Scene::settled()] {
            scene.machine.fault = Some(fault(word));
            scene.settle();
            scene.check(kind, "False", reason);
            assert!(scene.condition(kind).message.contains(&chain(&fault(word))), "{word}");
            scene.check("Ready", "False", reason);
            scene.check(progress, "True", reason);
            scene.check("Accepted", "True", "AsExpected");
            for unknown in ["Inspected", "Prepared", "Healthy"] {
                scene.check(unknown, "Unknown", "Waiting");
            }
            let key = if word == "unauthorized" || word == "refused" { "True" } else { "Unknown" };
            assert_eq!(scene.condition("HostKeyVerified").status, *key, "{word}");
            scene.machine.fault = None;
            scene.settle();
            scene.check("Ready", "True", "AsExpected");
        }
    }
}

#[test]
fn a_machine_that_could_not_be_asked_is_not_known_to_be_gone() {
    for mut scene in [Scene::new(), Scene::settled()] {
        scene.machine.fault = Some(fault("busy"));
        scene.settle();
        scene.check("Reachable", "Unknown", "TooManyRequests");
        scene.check("Ready", "False", "Waiting");
        scene.check("Reconciling", "True", "Waiting");
        scene.machine.fault = None;
        scene.settle();
        scene.check("Ready", "True", "AsExpected");
    }
}

#[test]
fn a_machine_that_does_not_do_what_it_is_told_is_reachable_all_the_same() {
    let cases = [
        ("failed", "CommandFailed"),
        ("timeout", "CommandFailed"),
        ("handshake", "UnexpectedAnswer"),
    ];
    for (word, reason) in cases {
        let mut scene = Scene::settled();
        scene.machine.untold = Some(fault(word));
        scene.settle();
        scene.check("Reachable", "True", "AsExpected");
        scene.check("Inspected", "False", reason);
        assert!(scene.status().facts.is_some(), "the last good facts stay");
        scene.machine.untold = None;
        scene.settle();
        scene.check("Ready", "True", "AsExpected");
    }
    for word in ["not root", "sudo"] {
        let mut scene = Scene::settled();
        scene.machine.root = Err(fault(word));
        scene.settle();
        scene.check("Inspected", "True", "AsExpected");
        scene.check("Prepared", "False", "PrivilegeMissing");
        scene.check("Stalled", "True", "PrivilegeMissing");
    }
}

#[test]
fn what_the_spec_names_and_is_missing_is_waited_for_without_a_connection() {
    let mut scene = Scene::settled();
    let message = "spec.credentials names Secret 'ssh', which is not in this namespace".into();
    scene.problem = Some(Problem { reason: Reason::SecretNotFound, message });
    scene.settle();
    assert!(scene.watched.is_none());
    scene.check("ResolvedRefs", "False", "SecretNotFound");
    scene.check("Reconciling", "True", "SecretNotFound");
    scene.check("Reachable", "Unknown", "Waiting");
    scene.problem = None;
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn a_spec_that_can_not_be_worked_with_is_told_with_its_path() {
    let mut scene = Scene::settled();
    let authority = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAInonsense";
    scene.spec(&json!({ "hostKey": { "certificateAuthorities": [authority] } }));
    scene.settle();
    scene.check("Accepted", "False", "InvalidSpec");
    scene.check("ResolvedRefs", "Unknown", "Waiting");
    let message = &scene.condition("Accepted").message;
    assert!(message.starts_with("spec.hostKey.certificateAuthorities[0]: "), "{message}");
    assert!(scene.watched.is_none());
}

#[test]
fn a_cluster_that_is_missing_is_waited_for_while_the_machine_is_looked_after() {
    let mut scene = Scene::settled();
    scene.spec(&json!({ "clusterRef": { "name": "es" } }));
    scene.cluster = Some(ClusterView::Absent);
    scene.settle();
    scene.check("ResolvedRefs", "False", "ClusterNotFound");
    scene.check("Inspected", "True", "AsExpected");
    scene.cluster = Some(ClusterView::Present);
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn nothing_is_sent_to_a_machine_that_nobody_approved() {
    let mut scene = Scene::new();
    scene.spec(&json!({ "approval": "Required" }));
    scene.settle();
    scene.check("Accepted", "False", "Unapproved");
    scene.check("Stalled", "True", "Unapproved");
    assert!(scene.watched.is_none());
    scene.label("drover.dev/approved", "yes");
    scene.settle();
    assert!(scene.watched.is_none(), "another value is no approval");
    scene.label("drover.dev/approved", "true");
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    scene.label("drover.dev/approved", "false");
    scene.settle();
    scene.check("Accepted", "False", "Unapproved");
    assert!(scene.watched.is_none(), "an approval that is taken back");
}

#[test]
fn a_system_that_drover_does_not_know_is_told_with_those_that_it_knows() {
    let mut scene = Scene::new();
    scene.machine.facts.os.id = Some("alpine".into());
    scene.machine.facts.os.family = None;
    scene.settle();
    scene.check("Accepted", "False", "Unsupported");
    let message = scene.condition("Accepted").message.clone();
    assert!(message.contains("alpine") && message.contains("Debian and Ubuntu"), "{message}");
    assert_eq!(scene.status().facts.as_ref().unwrap().os.id.as_str(), "alpine");
    scene.restart();
    scene.settle();
    scene.check("Accepted", "False", "Unsupported");
    let mut scene = Scene::new();
    scene.machine.facts.has_systemd = false;
    scene.settle();
    scene.check("Accepted", "False", "Unsupported");
}

#[test]
fn a_restart_of_the_operator_writes_nothing() {
    for (word, replaced) in
        [(None, false), (None, true), (Some("connect"), false), (Some("unauthorized"), true)]
    {
        let mut scene = Scene::settled();
        if replaced {
            scene.replace_machine();
            scene.settle();
        }
        scene.machine.fault = word.map(fault);
        scene.settle();
        let before = scene.status().clone();
        scene.restart();
        for _ in 0..4 {
            assert!(!scene.turn().wrote, "{word:?}");
        }
        assert_eq!(*scene.status(), before);
    }
}

#[test]
fn a_reboot_that_is_due_is_told_and_is_no_reason_not_to_be_ready() {
    let mut scene = Scene::settled();
    scene.machine.facts.reboot_required = Some(true);
    scene.settle();
    scene.check("RebootRequired", "True", "RebootRequired");
    scene.check("Ready", "True", "AsExpected");
    scene.machine.facts.reboot_required = None;
    scene.settle();
    scene.check("RebootRequired", "Unknown", "NotChecked");
}
