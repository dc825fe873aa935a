//! What a run does about the Node of a Host.

use super::{
    super::nodes::{Model, node},
    *,
};
use crate::{
    api::host_status::NodeMaintenance, controllers::host::registration::observe::Access,
    nodes::register::Readiness,
};

/// A member whose machine is a Node.
fn node_of() -> Scene {
    let mut scene = Scene::new();
    scene.unit = Unit::new(UNIT);
    scene.nodes.wish = Some("a");
    let access = Access::Open { node: Some(node(Readiness::Ready)) };
    scene.nodes.managers.insert("a", Model::new(access));
    scene.settle();
    scene
}

fn maintenance(scene: &Scene) -> Option<NodeMaintenance> {
    scene.status().container_manager.as_ref()?.maintenance
}

#[test]
fn a_node_is_cordoned_and_drained_for_a_run_and_comes_back_with_the_permit_for_that() {
    let mut scene = node_of();
    scene.nodes.managers.get_mut("a").unwrap().pods = 2;
    permits(&mut scene, RolloutStep::Cordon, 1);
    scene.turn();
    check(&scene, "Cordon", RunStatus::InProcess, false);
    scene.settle();
    check(&scene, "Cordon", RunStatus::Finished, false);
    assert_eq!(maintenance(&scene), Some(NodeMaintenance::Drained));
    assert!(operation(&scene).cordoned_by_us);
    for step in [RolloutStep::Withdraw, RolloutStep::Rejoin, RolloutStep::Unprotect] {
        permits(&mut scene, step, 1);
        scene.settle();
        assert_eq!(maintenance(&scene), Some(NodeMaintenance::Drained), "{step:?}");
    }
    permits(&mut scene, RolloutStep::Uncordon, 1);
    scene.settle();
    check(&scene, "Uncordon", RunStatus::Finished, false);
    assert_eq!((maintenance(&scene), operation(&scene).cordoned_by_us), (None, false));
}

#[test]
fn a_node_of_a_run_that_is_gone_comes_back() {
    let mut scene = node_of();
    permits(&mut scene, RolloutStep::Cordon, 1);
    scene.settle();
    assert_eq!(maintenance(&scene), Some(NodeMaintenance::Drained));
    scene.errand = None;
    scene.settle();
    assert_eq!((maintenance(&scene), &scene.status().operation), (None, &None));
}

#[test]
fn a_node_that_a_person_keeps_out_of_service_stays_out_after_the_run() {
    let mut scene = node_of();
    permits(&mut scene, RolloutStep::Cordon, 1);
    scene.settle();
    scene.spec(&json!({ "maintenance": true }));
    scene.settle();
    permits(&mut scene, RolloutStep::Uncordon, 1);
    scene.settle();
    check(&scene, "Uncordon", RunStatus::Finished, false);
    assert!(!operation(&scene).cordoned_by_us);
    assert_eq!(maintenance(&scene), Some(NodeMaintenance::Drained));
}

#[test]
fn a_machine_that_is_no_node_has_nothing_to_cordon() {
    let mut scene = member();
    permits(&mut scene, RolloutStep::Cordon, 1);
    scene.settle();
    check(&scene, "Cordon", RunStatus::Finished, false);
    assert!(!operation(&scene).cordoned_by_us);
}
