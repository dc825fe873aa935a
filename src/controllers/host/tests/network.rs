//! What the Cluster's Network asks of the machine: flanneld, put on record, made so, and taken back.

use serde_json::json;

use super::{
    super::network::Wish,
    scene::{OTHER, Scene, fault},
};
use crate::{
    api::{
        host_status::{NetworkMembership, RunStatus},
        index::DriftPolicy,
    },
    ssh::{
        families::Family,
        flanneld::{Flanneld, Settings},
        steps::Drift,
        treatment::{Deed, Treatment},
    },
};

fn settings(endpoint: &str) -> Settings {
    Settings {
        endpoints: vec![endpoint.into()],
        prefix: "/net".into(),
        ca: None,
        certificate: None,
        address: None,
    }
}

fn wish_of(endpoint: &str) -> Wish {
    Wish::Flannel { network: "net".into(), settings: Box::new(settings(endpoint)) }
}

fn wish() -> Wish {
    wish_of("https://etcd.example:2379")
}

fn differs(path: &str, live: &str) -> Drift {
    Drift { path: path.into(), desired: "as it shall be".into(), live: live.into() }
}

fn lacking() -> Vec<Drift> {
    vec![
        differs("flanneld.package", "missing"),
        differs("flanneld.files", "environment missing"),
        differs("flanneld.service", "missing"),
    ]
}

fn treatment(scene: &Scene) -> Option<Treatment> {
    scene.watched.as_ref().and_then(|it| it.treatment.clone())
}

fn record(scene: &Scene) -> Option<&NetworkMembership> {
    scene.status().network.as_ref()
}

fn fedora() -> Scene {
    let mut scene = Scene::new();
    scene.machine.facts.os.family = Some(Family::Fedora);
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    scene
}

/// A host on which flanneld runs as it shall.
fn member() -> Scene {
    let mut scene = fedora();
    scene.machine.differs = lacking();
    scene.network = wish();
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    scene
}

#[test]
fn nothing_is_done_before_it_is_on_record_and_then_it_is_done_once() {
    let mut scene = fedora();
    scene.machine.differs = lacking();
    scene.network = wish();
    scene.turn();
    assert_eq!(treatment(&scene), None, "before it is on record");
    let known = record(&scene).unwrap();
    assert_eq!((&*known.name, known.configured, &known.revision), ("net", false, &None));
    scene.check("Prepared", "Unknown", "InProgress");
    scene.check("Ready", "False", "InProgress");
    let notices = scene.settle();
    let now = treatment(&scene).unwrap();
    let flanneld = Flanneld::runs(Family::Fedora, &settings("https://etcd.example:2379"));
    assert_eq!((now.flanneld.as_ref(), now.deed), (Some(&flanneld), Deed::Prepare));
    let known = record(&scene).unwrap();
    assert!(known.configured && known.reason.is_none());
    assert_eq!(known.revision.as_deref(), flanneld.revision());
    scene.check("Ready", "True", "AsExpected");
    scene.check("Drifted", "False", "AsExpected");
    let told = format!("{notices:?}");
    assert!(told.contains("HostPrepared") && told.contains("flanneld.service"), "{told}");
    assert_eq!(scene.status().history[0].step, "flanneld");
    scene.restart();
    assert_eq!(scene.settle(), [], "a new process tells nothing twice");
}

#[test]
fn what_somebody_else_changes_is_put_back_or_under_report_only_told() {
    let mut scene = member();
    scene.machine.differs = vec![differs("flanneld.service", "inactive")];
    let told = format!("{:?}", scene.settle());
    assert!(told.contains("DriftCorrected"), "{told}");
    scene.check("Drifted", "False", "AsExpected");

    scene.edit(|it| it.spec.drift_policy = DriftPolicy::Report);
    scene.settle();
    scene.machine.differs = vec![differs("flanneld.service", "inactive")];
    let told = format!("{:?}", scene.settle());
    assert!(told.contains("DriftFound"), "{told}");
    assert_eq!(treatment(&scene).unwrap().deed, Deed::Compare);
    scene.check("Ready", "True", "AsExpected");
    scene.check("Drifted", "True", "DriftFound");
    assert_eq!(scene.status().drift[0].path, "flanneld.service");
    // A parameter is set meanwhile, and flanneld left alone.
    scene.spec(&json!({ "sysctls": { "vm.swappiness": "1" } }));
    scene.turn();
    let now = treatment(&scene).unwrap();
    let flanneld = Flanneld::runs(Family::Fedora, &settings("https://etcd.example:2379"));
    assert_eq!((now.flanneld, now.deed), (Some(flanneld.left_alone()), Deed::Prepare));
    scene.machine.stubborn = scene.machine.differs.clone();
    scene.settle();
    scene.check("Drifted", "True", "DriftFound");

    // Other settings are no drift: they are made so.
    scene.machine.stubborn.clear();
    scene.network = wish_of("https://other.example:2379");
    scene.machine.differs = vec![differs("flanneld.files", "environment with another text")];
    scene.settle();
    scene.check("Drifted", "False", "AsExpected");
    let other = Flanneld::runs(Family::Fedora, &settings("https://other.example:2379"));
    assert_eq!(record(&scene).unwrap().revision.as_deref(), other.revision());
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn while_paused_nothing_is_changed_and_what_there_is_to_do_is_told() {
    let mut scene = fedora();
    scene.machine.differs = lacking();
    scene.spec(&json!({ "paused": true }));
    scene.network = wish();
    scene.settle();
    assert_eq!(treatment(&scene).unwrap().deed, Deed::Compare);
    scene.check("Prepared", "False", "Paused");
    assert!(record(&scene).unwrap().revision.is_none());
    scene.spec(&json!({ "paused": false }));
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn what_fails_is_told_in_the_machines_words_and_comes_right_by_itself() {
    let mut scene = fedora();
    scene.machine.differs = lacking();
    scene.machine.refuses = Some(fault("failed"));
    scene.network = wish();
    scene.settle();
    scene.check("Prepared", "False", "CommandFailed");
    scene.check("Drifted", "False", "AsExpected");
    assert!(scene.condition("Prepared").message.contains("its words"));
    assert_eq!(scene.status().history[0].status, RunStatus::Failed);
    let known = record(&scene).unwrap();
    assert!(!known.configured && known.revision.is_none());
    scene.machine.refuses = None;
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    assert!(record(&scene).unwrap().configured);
}

#[test]
fn a_machine_that_leaves_the_network_is_rid_of_what_drover_did_also_after_a_restart() {
    for restarts in [false, true] {
        let mut scene = member();
        scene.network = Wish::Nothing;
        if restarts {
            scene.restart();
        }
        scene.machine.differs = vec![differs("flanneld.files", "environment")];
        scene.turn();
        let now = treatment(&scene).unwrap();
        assert_eq!((now.flanneld, now.deed), (Some(Flanneld::gone()), Deed::Prepare));
        assert!(record(&scene).is_some(), "not before it is done");
        scene.settle();
        assert_eq!(record(&scene), None);
        assert_eq!(treatment(&scene), None);
        scene.check("Ready", "True", "AsExpected");
    }
}

#[test]
fn what_can_not_be_taken_back_stays_on_record() {
    let mut scene = member();
    scene.network = Wish::Nothing;
    scene.machine.differs = vec![differs("flanneld.service", "running")];
    scene.machine.refuses = Some(fault("failed"));
    scene.settle();
    scene.check("Prepared", "False", "CommandFailed");
    assert!(record(&scene).is_some());
    scene.machine.refuses = None;
    scene.settle();
    assert_eq!(record(&scene), None);
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn what_is_not_known_now_changes_nothing() {
    let unknown = || Wish::Unknown { why: "Network net does not stand in etcd yet".into() };
    let mut scene = fedora();
    scene.network = unknown();
    scene.settle();
    assert!(record(&scene).is_none() && treatment(&scene).is_none());
    scene.check("Prepared", "Unknown", "Waiting");
    scene.check("Reconciling", "True", "Waiting");
    scene.network = wish();
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    let before = record(&scene).cloned();
    // The Secret is gone for a while.
    scene.network = unknown();
    scene.settle();
    assert_eq!(record(&scene).cloned(), before);
    assert_eq!(treatment(&scene), None);
    scene.check("Ready", "True", "AsExpected");
    scene.network = wish();
    scene.settle();
    assert_eq!(record(&scene).cloned(), before);
}

#[test]
fn another_network_is_another_record_and_the_machine_goes_over_to_it() {
    let mut scene = member();
    let settings = Box::new(settings("https://other.example:2379"));
    scene.network = Wish::Flannel { network: "other".into(), settings };
    scene.machine.differs = vec![differs("flanneld.files", "environment with another text")];
    while record(&scene).unwrap().name == "net" {
        let now = treatment(&scene).and_then(|it| it.flanneld);
        let old = Flanneld::runs(Family::Fedora, &self::settings("https://etcd.example:2379"));
        assert!(now.is_none_or(|it| it == old), "before it is on record");
        scene.turn();
    }
    assert_eq!(record(&scene).unwrap().name, "other");
    assert!(record(&scene).unwrap().revision.is_none());
    scene.settle();
    assert!(record(&scene).unwrap().configured);
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn where_drover_knows_no_package_the_machine_is_ready_and_its_record_says_what_lacks() {
    let mut scene = Scene::settled();
    scene.network = wish();
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    let known = record(&scene).unwrap();
    assert!(!known.configured && known.revision.is_none());
    let reason = known.reason.as_ref().unwrap().as_str().to_owned();
    assert!(reason.contains("no package of flannel for Debian"), "{reason}");
    scene.machine.has_foreign_flanneld = true;
    scene.settle();
    assert!(record(&scene).unwrap().configured);
    let message = &scene.condition("Prepared").message;
    assert!(message.contains("somebody else runs flanneld"), "{message}");
    scene.network = Wish::Nothing;
    scene.settle();
    assert_eq!(record(&scene), None);
}

#[test]
fn another_machine_that_is_accepted_begins_anew() {
    let mut scene = member();
    scene.replace_machine();
    scene.settle();
    assert_eq!(treatment(&scene), None);
    scene.machine.differs = lacking();
    scene.annotate("drover.dev/accept-machine-id", OTHER);
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    assert!(record(&scene).unwrap().configured);
    assert!(scene.machine.differs.is_empty());
}

#[test]
fn a_reset_takes_flanneld_back_too_and_one_that_fails_says_what_is_left() {
    let mut scene = member();
    scene.spec(&json!({ "deletionPolicy": "Reset" }));
    scene.settle();
    scene.delete();
    scene.network = Wish::Nothing;
    scene.turn();
    scene.turn();
    let now = treatment(&scene).unwrap();
    assert_eq!((now.flanneld, now.deed), (Some(Flanneld::gone()), Deed::Reset));
    scene.machine.fault = Some(fault("unauthorized"));
    let notices = (0..4).flat_map(|_| scene.turn().notices).collect::<Vec<_>>();
    let told = format!("{notices:?}");
    assert!(told.contains("LeftBehind") && told.contains("/etc/drover-flanneld"), "{told}");
}

#[test]
fn of_an_object_that_has_to_stand_back_what_flanneld_leaves_is_told_too() {
    let mut scene = member();
    scene.spec(&json!({ "deletionPolicy": "Reset" }));
    scene.claimed_by = Some("shop/older".into());
    scene.settle();
    scene.delete();
    scene.network = Wish::Nothing;
    let told = format!("{:?}", scene.turn().notices);
    assert!(told.contains("LeftBehind") && told.contains("/etc/drover-flanneld"), "{told}");
}
