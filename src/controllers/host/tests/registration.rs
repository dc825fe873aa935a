//! A Host as a Node of another API server, from reconcile to reconcile.

use serde_json::json;

use super::{
    super::registration::observe::Access,
    nodes::{Model, node},
    scene::{MACHINE, OTHER, Scene},
};
use crate::{
    api::host_status::{HostState, NodeMaintenance},
    controllers::host::observe::ClusterView,
    kubernetes::events::Notice,
    nodes::{
        cordon::Cordoned,
        error::{Error, NotOwned},
        register::{Listed, Readiness},
    },
};

fn not_owned() -> Error {
    Error::NotOwned { node: "es-1".into(), reason: NotOwned::NoMachine }
}

/// A member of a Cluster whose `ContainerManager` is `a`.
fn member() -> Scene {
    let mut scene = Scene::new();
    scene.spec(&json!({ "clusterRef": { "name": "es" } }));
    scene.cluster = Some(ClusterView::Present);
    scene.nodes.wish = Some("a");
    scene.nodes.managers.insert("a", Model::new(Access::Open { node: None }));
    scene
}

/// One that is registered and in service.
pub(super) fn registered() -> Scene {
    let mut scene = member();
    scene.settle();
    scene.check("Registered", "True", "AsExpected");
    assert_eq!(scene.status().state, Some(HostState::Active));
    a(&mut scene).steps.clear();
    scene
}

pub(super) fn a(scene: &mut Scene) -> &mut Model {
    scene.nodes.managers.get_mut("a").unwrap()
}

pub(super) fn words(notices: &[Notice]) -> Vec<&'static str> {
    notices.iter().map(Notice::reason).filter(|it| it.starts_with("Node")).collect()
}

#[test]
fn a_machine_is_on_record_before_it_is_registered_and_active_after() {
    let mut scene = member();
    let notices = scene.settle();
    assert_eq!(words(&notices), ["NodeMade"]);
    assert_eq!(a(&mut scene).steps, ["Record", "Register"]);
    scene.check("Registered", "True", "AsExpected");
    let record = scene.status().container_manager.clone().unwrap();
    assert_eq!((record.name.as_str(), record.node.as_deref()), ("a", Some("es-1")));
    assert_eq!((record.registered, record.ready), (true, false), "no kubelet says that it is");
    assert_eq!(scene.status().state, Some(HostState::Active));
}

#[test]
fn a_machine_that_is_not_known_yet_is_not_registered() {
    let mut scene = member();
    scene.machine.facts.os.family = None;
    scene.settle();
    assert!(a(&mut scene).steps.is_empty());
    scene.check("Registered", "False", "Waiting");
}

#[test]
fn a_trivial_container_manager_is_asked_nothing() {
    let mut scene = member();
    scene.nodes.managers.insert("a", Model::new(Access::Trivial));
    scene.settle();
    assert_eq!(a(&mut scene).steps, ["Record"]);
    let record = scene.status().container_manager.clone().unwrap();
    assert_eq!((record.node, record.registered, record.ready), (None, true, true));
    assert_eq!(scene.status().state, Some(HostState::Active));
    scene.spec(&json!({ "maintenance": true }));
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    scene.delete();
    scene.settle();
    assert_eq!(scene.status().container_manager, None);
    assert!(scene.turn().plan.let_go);
}

#[test]
fn what_a_kubelet_says_decides_whether_the_machine_serves() {
    let mut scene = registered();
    let cases = [
        (Readiness::Ready, HostState::Active, true),
        (Readiness::NotReady { reason: "KubeletNotReady".into() }, HostState::Failed, false),
        (Readiness::Unknown, HostState::Failed, false),
        (Readiness::Unreported, HostState::Active, false),
    ];
    for (readiness, state, ready) in cases {
        *a(&mut scene).node() = Some(node(readiness.clone()));
        scene.settle();
        assert_eq!(scene.status().state, Some(state), "{readiness:?}");
        assert_eq!(scene.status().container_manager.as_ref().unwrap().ready, ready);
        let healthy = if state == HostState::Active { "True" } else { "False" };
        assert_eq!(scene.condition("Healthy").status, healthy);
    }
}

#[test]
fn a_node_of_somebody_else_leaves_the_machine_out_until_it_goes() {
    let mut scene = member();
    a(&mut scene).refusal = Some(not_owned());
    let mut warnings = 0;
    for _ in 0..6 {
        let told = scene.turn().notices;
        warnings += told.iter().filter(|it| it.reason() == "RegistrationFailed").count();
    }
    assert_eq!(warnings, 1, "told once");
    scene.check("Registered", "False", "NotOwned");
    scene.check("Stalled", "True", "NotOwned");
    assert_eq!(scene.status().state, Some(HostState::Disassociated));
    let before = scene.status().clone();
    assert!(!scene.turn().wrote, "{before:#?}");
    a(&mut scene).refusal = None;
    scene.settle();
    assert_eq!(scene.status().state, Some(HostState::Active));
}

#[test]
fn a_node_that_goes_is_made_again_and_one_that_another_machine_took_is_told() {
    let mut scene = registered();
    *a(&mut scene).node() = None;
    scene.settle();
    assert_eq!(a(&mut scene).steps, ["Register"]);
    for (machine, steps) in [(MACHINE, 0), (OTHER, 1)] {
        let machine_id = Some(machine.into());
        *a(&mut scene).node() = Some(Listed { machine_id, ..node(Readiness::Ready) });
        a(&mut scene).refusal = Some(not_owned());
        a(&mut scene).steps.clear();
        scene.turn();
        assert_eq!(a(&mut scene).steps.len(), steps, "{machine}");
    }
    scene.check("Registered", "False", "NotOwned");
}

#[test]
fn who_is_registered_stays_so_while_the_server_can_not_be_used() {
    let mut scene = registered();
    a(&mut scene).access = Access::Unusable { node: None };
    scene.settle();
    scene.check("Registered", "Unknown", "Waiting");
    assert_eq!(scene.status().state, Some(HostState::Active));
    assert!(scene.status().container_manager.as_ref().unwrap().registered);
    let last = Readiness::NotReady { reason: "KubeletNotReady".into() };
    a(&mut scene).access = Access::Unusable { node: Some(node(last)) };
    scene.settle();
    assert_eq!(scene.status().state, Some(HostState::Failed), "as it was last seen");

    let mut scene = member();
    a(&mut scene).access = Access::Unusable { node: None };
    scene.settle();
    scene.check("Registered", "False", "Waiting");
    assert_eq!(scene.status().state, Some(HostState::Disassociated));
    scene.nodes.managers.clear();
    scene.settle();
    scene.check("Registered", "False", "ContainerManagerNotFound");
}

#[test]
fn nothing_is_written_before_the_first_answer_after_a_restart() {
    let mut scene = registered();
    let before = a(&mut scene).access.clone();
    a(&mut scene).access = Access::Unasked;
    scene.restart();
    for _ in 0..4 {
        assert!(!scene.turn().wrote);
    }
    a(&mut scene).access = before;
    for _ in 0..4 {
        assert!(!scene.turn().wrote);
    }
    assert!(a(&mut scene).steps.is_empty());
}

#[test]
fn maintenance_is_on_record_before_the_node_is_cordoned_and_ends_when_it_is_drained() {
    let mut scene = registered();
    a(&mut scene).pods = 2;
    scene.spec(&json!({ "maintenance": true }));
    scene.turn();
    let step = |scene: &Scene| scene.status().container_manager.as_ref().unwrap().maintenance;
    assert_eq!(step(&scene), Some(NodeMaintenance::Cordoning));
    scene.turn();
    assert_eq!(step(&scene), Some(NodeMaintenance::Draining));
    scene.turn();
    scene.check("Ready", "False", "InProgress");
    let message = scene.condition("Ready").message.to_string();
    assert!(message.contains("shop/web") && message.contains("budget"), "{message}");
    assert_eq!(words(&scene.settle()), ["NodeDrained"]);
    scene.check("Ready", "True", "AsExpected");
    assert_eq!(step(&scene), Some(NodeMaintenance::Drained));
    let expected = ["RecordCordon", "Cordon", "Drain", "Drain", "Drain"];
    assert_eq!(a(&mut scene).steps, expected);

    a(&mut scene).steps.clear();
    a(&mut scene).node().as_mut().unwrap().is_cordoned = false;
    scene.settle();
    assert_eq!(a(&mut scene).steps, ["Cordon", "Drain"], "somebody lifted it");

    a(&mut scene).steps.clear();
    scene.spec(&json!({ "maintenance": false }));
    assert_eq!(words(&scene.settle()), ["NodeUncordoned"]);
    assert_eq!((a(&mut scene).steps.len(), step(&scene)), (1, None));
    assert_eq!(scene.status().state, Some(HostState::Active));
}

#[test]
fn a_node_that_somebody_else_cordoned_is_drained_and_no_event_claims_the_cordon() {
    let mut scene = registered();
    a(&mut scene).node().as_mut().unwrap().is_cordoned = true;
    a(&mut scene).cordon = Cordoned::Foreign;
    scene.spec(&json!({ "maintenance": true }));
    assert_eq!(words(&scene.settle()), ["NodeDrained"]);
    assert_eq!(a(&mut scene).steps, ["RecordCordon", "Cordon", "Drain"]);
}

#[test]
fn a_paused_host_s_node_is_left_as_it_is_until_the_object_goes() {
    let mut scene = member();
    scene.spec(&json!({ "paused": true }));
    scene.settle();
    scene.check("Registered", "False", "Paused");
    assert!(a(&mut scene).steps.is_empty());
    let mut scene = registered();
    scene.spec(&json!({ "paused": true, "maintenance": true }));
    scene.turn();
    assert!(a(&mut scene).steps.is_empty());
    scene.delete();
    scene.settle();
    assert_eq!(a(&mut scene).steps, ["Leave"]);
}

#[test]
fn a_paused_host_says_that_its_node_stays_as_it_is() {
    let mut scene = registered();
    let check = |scene: &mut Scene, maintenance: bool, paused: bool, expected: (&str, &str)| {
        scene.spec(&json!({ "maintenance": maintenance, "paused": paused }));
        scene.settle();
        scene.check("Ready", expected.0, expected.1);
        scene.status().state.unwrap()
    };
    let held = ("False", "Paused");
    assert_eq!(check(&mut scene, true, true, held), HostState::Active, "its pods run");
    scene.check("Stalled", "True", "Paused");
    let message = scene.condition("Ready").message.to_string();
    assert!(message.contains("not taken out of service"), "{message}");
    let well = ("True", "AsExpected");
    assert_eq!(check(&mut scene, true, false, well), HostState::Maintenance);
    assert_eq!(check(&mut scene, true, true, well), HostState::Maintenance);
    assert_eq!(check(&mut scene, false, true, held), HostState::Maintenance, "no pod may come");
    let message = scene.condition("Ready").message.to_string();
    assert!(message.contains("not brought back into service"), "{message}");
    assert_eq!(check(&mut scene, false, false, well), HostState::Active);
}
