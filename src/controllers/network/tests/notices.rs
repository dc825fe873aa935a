//! What people hear of a Network.

use super::scene::{Scene, fault, lease};
use crate::{flannel::leases::Leases, kubernetes::events::Notice};
use serde_json::json;

/// Which of these reasons were told, in order.
fn told(notices: &[Notice], reasons: &[&str]) {
    let text = format!("{notices:?}");
    let found: Vec<_> = text.match_indices("reason: \"").collect();
    assert_eq!(found.len(), reasons.len(), "{text}");
    for ((at, mark), reason) in found.into_iter().zip(reasons) {
        assert!(text[at + mark.len()..].starts_with(&format!("{reason}\"")), "{reason}: {text}");
    }
}

#[test]
fn a_configuration_that_is_written_and_an_etcd_that_goes_and_comes_are_told_once() {
    let mut scene = Scene::of_flannel();
    told(&scene.settle(), &["ConfigurationWritten", "Connected"]);
    scene.fault = Some(fault());
    told(&scene.settle(), &["ConnectionLost"]);
    scene.fault = None;
    told(&scene.settle(), &["Connected"]);
}

#[test]
fn what_is_refused_and_what_is_kept_at_the_end_are_told() {
    let mut scene = Scene::of_flannel();
    scene.settle();
    let known = vec![lease([192, 168, 0, 9], "10.5.34.0/24")];
    scene.leases = Leases { known, count: 1 };
    let mut spec = serde_json::to_value(&scene.network.spec).unwrap();
    spec["options"]["config"]["network"] = json!("10.6.0.0/16");
    scene.spec(&spec);
    told(&scene.settle(), &["ConfigurationNotWritten"]);
    scene.delete();
    let turn = scene.turn();
    assert!(turn.plan.let_go && !turn.configured);
    told(&turn.notices, &["ConfigurationRetained"]);
    scene.check("Ready", "False", "Deleting");
    told(&scene.turn().notices, &[]);
}

#[test]
fn hosts_that_come_apart_and_together_are_told() {
    let mut scene = Scene::of_hosts();
    scene.settle();
    scene.tell(&[]);
    told(&scene.settle(), &["HostsConnected"]);
    scene.tell(&[("es-1", "es-2", 9200)]);
    told(&scene.settle(), &["HostsApart"]);
    scene.tell(&[]);
    told(&scene.settle(), &["HostsConnected"]);
    scene.delete();
    let turn = scene.turn();
    assert!(turn.plan.questions.is_empty() && turn.plan.let_go);
    told(&turn.notices, &[]);
}
