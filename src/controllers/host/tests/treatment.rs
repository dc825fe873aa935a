//! What is done on the machine, what the status tells of it, and what is left to others.

use serde_json::{Value, json};

use super::scene::{MACHINE, OTHER, Scene, fault};
use crate::{
    api::host_status::RunStatus,
    kubernetes::events::Notice,
    ssh::{
        preparation::Preparation,
        steps::Drift,
        treatment::{Deed, Treatment},
    },
};

const FILE: &str = "/etc/sysctl.d/zz-drover.conf";

fn differs(path: &str, desired: &str, live: &str) -> Drift {
    Drift { path: path.into(), desired: desired.into(), live: live.into() }
}

/// The spec asks for two parameters.
fn asked() -> Value {
    json!({ "sysctls": { "vm.swappiness": "1", "vm.max_map_count": "262144" } })
}

const BOTH: [(&str, &str); 2] = [("vm.max_map_count", "262144"), ("vm.swappiness", "1")];

fn both() -> Preparation {
    Preparation::of_sysctls(BOTH).unwrap()
}

fn lacking() -> Vec<Drift> {
    vec![
        differs(FILE, "as Drover writes it", "missing"),
        differs("sysctls.vm.max_map_count", "262144", "65530"),
        differs("sysctls.vm.swappiness", "1", "60"),
    ]
}

fn treatment(scene: &Scene) -> Option<Treatment> {
    scene.watched.as_ref().and_then(|it| it.treatment.clone())
}

fn prepare(preparation: Preparation) -> Treatment {
    Treatment { preparation, flanneld: None, elasticsearch: None, deed: Deed::Prepare }
}

/// The parameters are set.
fn prepared() -> Scene {
    let mut scene = Scene::settled();
    scene.machine.differs = lacking();
    scene.spec(&asked());
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    scene
}

fn told(notices: &[Notice], reason: &str) -> usize {
    let text = format!("{notices:?}");
    text.matches(&format!("\"{reason}\"")).count()
}

#[test]
fn nothing_is_done_on_a_machine_of_which_nothing_is_asked() {
    assert_eq!(treatment(&Scene::settled()), None);
}

#[test]
fn what_is_asked_for_is_done_once_it_is_on_record_which_machine_it_is() {
    let mut scene = Scene::new();
    scene.machine.differs = lacking();
    scene.spec(&asked());
    let mut notices = Vec::new();
    while scene.host.status.as_ref().is_none_or(|it| it.facts.is_none()) {
        assert_eq!(treatment(&scene), None, "before it is on record");
        notices.extend(scene.turn().notices);
    }
    scene.check("Prepared", "Unknown", "InProgress");
    scene.check("Ready", "False", "InProgress");
    assert_eq!(treatment(&scene), None, "nothing is done before that stands there");
    notices.extend(scene.turn().notices);
    assert_eq!(treatment(&scene), Some(prepare(both())));
    notices.extend(scene.settle());
    // From then on it is known what Drover itself has set.
    assert_eq!(treatment(&scene), Some(prepare(both().having_set(BOTH).unwrap())));
    scene.check("Ready", "True", "AsExpected");
    scene.check("Drifted", "False", "AsExpected");
    assert_eq!(scene.status().applied_sysctls, scene.host.spec.sysctls);
    assert_eq!(scene.status().history.len(), 1);
    assert_eq!((told(&notices, "HostPrepared"), told(&notices, "DriftCorrected")), (1, 0));
    scene.restart();
    assert_eq!(scene.settle(), [], "a new process tells nothing twice");
    assert_eq!(scene.status().history.len(), 1);
}

#[test]
fn a_change_by_somebody_else_is_put_back_and_told() {
    let mut scene = prepared();
    scene.machine.differs = vec![differs("sysctls.vm.swappiness", "1", "60")];
    let notices = scene.settle();
    assert_eq!((told(&notices, "HostPrepared"), told(&notices, "DriftCorrected")), (0, 1));
    scene.check("Ready", "True", "AsExpected");
    scene.check("Drifted", "False", "AsExpected");
    assert_eq!(scene.status().history.len(), 2);
}

#[test]
fn what_can_not_be_put_back_stays_listed() {
    let mut scene = prepared();
    scene.machine.differs = vec![differs("sysctls.vm.swappiness", "1", "60")];
    scene.machine.refuses = Some(fault("failed"));
    let notices = scene.settle();
    assert_eq!((told(&notices, "DriftFound"), told(&notices, "PreparationFailed")), (1, 1));
    scene.check("Prepared", "False", "CommandFailed");
    scene.check("Drifted", "True", "DriftFound");
    let drift = &scene.status().drift[0];
    assert_eq!(drift.path, "sysctls.vm.swappiness");
    assert_eq!((drift.desired.as_deref(), drift.live.as_deref()), (Some("\"1\""), Some("\"60\"")));
    assert_eq!(scene.status().history[0].status, RunStatus::Failed);
    assert_eq!(scene.settle(), []);
    assert_eq!(scene.status().history.len(), 2, "the same failure is one entry");
    scene.machine.refuses = None;
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    assert!(scene.status().drift.is_empty());
}

#[test]
fn a_value_that_does_not_stay_is_told_as_that() {
    let mut scene = Scene::settled();
    scene.machine.differs = lacking();
    scene.machine.stubborn = vec![differs("sysctls.vm.swappiness", "1", "7")];
    scene.spec(&asked());
    scene.settle();
    scene.check("Prepared", "False", "CommandFailed");
    assert!(scene.condition("Prepared").message.contains("'7', not '1'"));
    scene.check("Drifted", "False", "AsExpected");
    let applied: Vec<_> = scene.status().applied_sysctls.0.keys().collect();
    assert_eq!(applied, ["vm.max_map_count"], "what was set, and not more");
}

#[test]
fn a_file_of_somebody_elses_in_the_way_needs_a_person() {
    let mut scene = Scene::settled();
    let foreign = vec![differs(FILE, "as Drover writes it", "made by somebody else")];
    scene.machine.differs.clone_from(&foreign);
    scene.machine.stubborn = foreign;
    scene.spec(&asked());
    scene.settle();
    scene.check("Prepared", "False", "NotOwned");
    scene.check("Stalled", "True", "NotOwned");
    assert!(scene.status().applied_sysctls.is_empty());
}

#[test]
fn under_report_what_is_new_is_set_and_what_others_changed_is_only_told() {
    let mut scene = prepared();
    scene.spec(&json!({ "driftPolicy": "Report" }));
    scene.settle();
    scene.machine.differs = vec![differs("sysctls.vm.swappiness", "1", "60")];
    let notices = scene.settle();
    assert_eq!(treatment(&scene).unwrap().deed, Deed::Compare);
    assert_eq!((told(&notices, "DriftFound"), told(&notices, "DriftCorrected")), (1, 0));
    scene.check("Ready", "True", "AsExpected");
    scene.check("Drifted", "True", "DriftFound");
    let since = scene.status().drift[0].since.clone();

    scene.spec(&json!({ "sysctls": { "vm.swappiness": "1", "vm.max_map_count": "300000" } }));
    scene.turn();
    let names = [("vm.max_map_count", "300000"), ("vm.swappiness", "1")];
    let preparation = Preparation::of_sysctls(names).unwrap().leaving(["vm.swappiness"]);
    let preparation = preparation.having_set(BOTH).unwrap();
    assert_eq!(treatment(&scene), Some(prepare(preparation)));
    scene.machine.stubborn.clone_from(&scene.machine.differs);
    scene.machine.differs.push(differs("sysctls.vm.max_map_count", "300000", "262144"));
    scene.settle();
    assert_eq!(scene.status().applied_sysctls, scene.host.spec.sysctls);
    assert_eq!(scene.status().drift[0].since, since);
    assert_eq!(treatment(&scene).unwrap().deed, Deed::Compare);
}

#[test]
fn while_paused_nothing_is_changed_and_what_there_is_to_do_is_told() {
    let mut scene = Scene::settled();
    scene.machine.differs = lacking();
    let mut spec = asked();
    spec["paused"] = json!(true);
    scene.spec(&spec);
    scene.settle();
    assert_eq!(
        treatment(&scene),
        Some(Treatment {
            preparation: both(),
            flanneld: None,
            elasticsearch: None,
            deed: Deed::Compare
        })
    );
    scene.check("Ready", "False", "Paused");
    scene.check("Stalled", "True", "Paused");
    assert!(scene.condition("Prepared").message.contains("vm.swappiness"));
    assert!(scene.status().applied_sysctls.is_empty());
    scene.spec(&json!({ "paused": false }));
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn mode_plan_of_its_cluster_changes_nothing_either() {
    let mut scene = Scene::settled();
    scene.machine.differs = lacking();
    scene.held_by = Some("logs".into());
    scene.spec(&asked());
    scene.settle();
    assert_eq!(treatment(&scene).unwrap().deed, Deed::Compare);
    scene.check("Ready", "False", "PlanOnly");
    scene.check("Stalled", "True", "PlanOnly");
    let message = &scene.condition("Prepared").message;
    assert!(message.contains("mode Plan of Cluster 'logs'"), "{message}");
    assert!(scene.status().applied_sysctls.is_empty());
    scene.held_by = None;
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn what_is_no_longer_asked_for_is_taken_back_and_then_forgotten() {
    let mut scene = prepared();
    scene.spec(&json!({ "sysctls": {} }));
    scene.machine.differs = vec![differs(FILE, "missing", "as Drover wrote it")];
    scene.turn();
    let none = Preparation::of_sysctls([]).unwrap().having_set(BOTH).unwrap();
    assert_eq!(treatment(&scene), Some(prepare(none)));
    scene.settle();
    assert!(scene.status().applied_sysctls.is_empty());
    assert_eq!(treatment(&scene), None);
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn what_can_not_be_taken_back_since_nobody_knows_what_it_was_is_told_once_and_forgotten() {
    let mut scene = prepared();
    scene.spec(&json!({ "sysctls": { "vm.max_map_count": "262144" } }));
    scene.machine.lost = vec!["vm.swappiness".into()];
    let notices = scene.settle();
    assert_eq!(told(&notices, "LeftBehind"), 1);
    assert!(format!("{notices:?}").contains("vm.swappiness"), "{notices:?}");
    assert_eq!(scene.status().applied_sysctls, scene.host.spec.sysctls);
    scene.restart();
    assert_eq!(told(&scene.settle(), "LeftBehind"), 0);
}

#[test]
fn another_machine_is_not_touched_and_once_accepted_is_made_so_from_the_start() {
    let mut scene = prepared();
    scene.replace_machine();
    scene.settle();
    scene.check("Accepted", "False", "HostReplaced");
    assert_eq!(treatment(&scene), None);
    scene.machine.differs = lacking();
    scene.annotate("drover.dev/accept-machine-id", OTHER);
    let mut notices = scene.turn().notices;
    assert!(treatment(&scene).is_none(), "it is not on record yet");
    notices.extend(scene.settle());
    assert_eq!(scene.watched.as_ref().unwrap().machine.as_deref(), Some(OTHER));
    assert_eq!((told(&notices, "HostPrepared"), told(&notices, "DriftCorrected")), (1, 0));
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn nothing_is_done_on_a_system_that_is_unknown_or_for_an_object_that_stands_back() {
    let mut unknown = Scene::new();
    unknown.machine.facts.os.family = None;
    unknown.spec(&asked());
    unknown.settle();
    assert_eq!(treatment(&unknown), None);
    let mut younger = prepared();
    younger.claimed_by = Some("shop/older".into());
    younger.settle();
    assert_eq!(treatment(&younger), None);
    assert_eq!(younger.status().facts.as_ref().unwrap().machine_id.as_str(), MACHINE);
}
