//! A Host as a Node of another API server, from reconcile to reconcile.

use serde_json::json;

use super::{
    super::registration::{observe::Access, plan::TRIES},
    nodes::{Model, node},
    scene::{MACHINE, OTHER, Scene},
};
use crate::{
    api::host_status::{HostState, NodeMaintenance},
    controllers::{Next, host::observe::ClusterView},
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
fn registered() -> Scene {
    let mut scene = member();
    scene.settle();
    scene.check("Registered", "True", "AsExpected");
    assert_eq!(scene.status().state, Some(HostState::Active));
    a(&mut scene).steps.clear();
    scene
}

fn a(scene: &mut Scene) -> &mut Model {
    scene.nodes.managers.get_mut("a").unwrap()
}

fn words(notices: &[Notice]) -> Vec<&'static str> {
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

#[test]
fn a_host_leaves_where_its_cluster_names_another_one_or_none() {
    let mut scene = registered();
    scene.nodes.managers.insert("b", Model::new(Access::Open { node: None }));
    scene.nodes.wish = Some("b");
    assert_eq!(words(&scene.settle()), ["NodeDeleted", "NodeMade"]);
    assert_eq!(scene.status().container_manager.as_ref().unwrap().name, "b");
    scene.nodes.managers.get_mut("b").unwrap().is_leaving = true;
    assert_eq!(words(&scene.settle()), ["NodeDeleted"]);
    scene.check("Registered", "False", "Waiting");
    scene.nodes.wish = None;
    scene.settle();
    let conditions = &scene.status().conditions;
    assert!(conditions.iter().all(|it| it.type_ != "Registered"));
    assert_eq!(scene.status().state, Some(HostState::Active));
}

#[test]
fn a_new_node_name_is_another_node() {
    let mut scene = registered();
    scene.spec(&json!({ "nodeName": "node-1" }));
    scene.settle();
    assert_eq!(a(&mut scene).steps, ["Leave", "Record", "Register"]);
    let record = scene.status().container_manager.as_ref().unwrap();
    assert_eq!(record.node.as_deref(), Some("node-1"));
}

#[test]
fn a_deleted_host_leaves_before_it_goes() {
    let mut scene = registered();
    scene.delete();
    let turn = scene.turn();
    assert!(!turn.plan.let_go);
    assert_eq!(words(&turn.notices), ["NodeDeleted"]);
    assert!(scene.turn().plan.let_go);
}

#[test]
fn a_server_that_does_not_let_a_host_go_is_left_after_a_bounded_number_of_tries() {
    let mut scene = registered();
    a(&mut scene).refusal = Some(Error::Leaving { node: "es-1".into() });
    scene.delete();
    for tries in 1..=TRIES {
        let turn = scene.turn();
        assert!(!turn.plan.let_go);
        let is_soon = matches!(turn.next, Some(Next::After(_)));
        assert_eq!(is_soon, tries == TRIES, "{:?}", turn.next);
        let record = scene.status().container_manager.as_ref().unwrap();
        assert_eq!(record.failed_leaves, Some(tries));
    }
    let turn = scene.turn();
    assert_eq!(words(&turn.notices), ["NodeLeftBehind"]);
    let note = turn.notices.into_iter().map(|mut it| it.note().clone()).next().unwrap();
    assert!(note.contains("Node es-1 in ContainerManager 'a'") && note.contains("being deleted"));
    assert!(scene.turn().plan.let_go);
}

#[test]
fn a_host_that_only_moves_leaves_however_long_the_server_is_down() {
    let mut scene = registered();
    scene.nodes.managers.insert("b", Model::new(Access::Open { node: None }));
    scene.nodes.wish = Some("b");
    let down = Error::Leaving { node: "es-1".into() };
    a(&mut scene).refusal = Some(down.clone());
    scene.turn();
    let record = scene.status().container_manager.clone();
    for _ in 0..3 * TRIES {
        let turn = scene.turn();
        assert!(matches!(turn.next, Some(Next::Again { .. })), "{:?}", turn.next);
        assert_eq!(scene.status().container_manager, record, "written once");
    }
    let message = scene.condition("Registered").message.to_string();
    assert!(message.contains("being deleted"), "the reason is told: {message}");

    // Once it is deleted, it tries no longer than any other.
    let alive = scene.host.clone();
    scene.delete();
    for _ in 1..TRIES {
        assert!(!scene.turn().plan.let_go);
    }
    assert_eq!(words(&scene.turn().notices), ["NodeLeftBehind"]);

    scene.host = alive;
    a(&mut scene).refusal = None;
    assert_eq!(words(&scene.settle()), ["NodeDeleted", "NodeMade"]);
    let record = scene.status().container_manager.as_ref().unwrap();
    assert_eq!((record.name.as_str(), record.failed_leaves), ("b", None));
}

#[test]
fn a_server_that_only_has_a_new_address_keeps_its_nodes() {
    let mut scene = registered();
    scene.spec(&json!({ "maintenance": true }));
    scene.settle();
    a(&mut scene).server = "https://new.example/";
    a(&mut scene).steps.clear();
    assert_eq!(words(&scene.settle()), [""; 0]);
    assert_eq!(a(&mut scene).steps, [""; 0], "drained as it was");
    let server = |scene: &Scene| {
        let record = scene.status().container_manager.as_ref();
        record.and_then(|it| it.server.as_ref()).map(ToString::to_string)
    };
    assert_eq!(server(&scene).as_deref(), Some("https://new.example/"));

    // While the new one does not answer, the record leads to the old one.
    let before = a(&mut scene).access.clone();
    a(&mut scene).server = "https://typo.example/";
    for access in [Access::Unasked, Access::Unusable { node: None }] {
        a(&mut scene).access = access;
        scene.settle();
    }
    assert_eq!(server(&scene).as_deref(), Some("https://new.example/"));
    a(&mut scene).access = before;
    a(&mut scene).server = "https://newer.example/";
    scene.delete();
    assert_eq!(words(&scene.settle()), ["NodeDeleted"]);
}

#[test]
fn a_node_at_a_server_that_is_asked_no_more_is_told_to_be_left_behind() {
    let at_another = || {
        let mut scene = registered();
        a(&mut scene).server = "https://another.example/";
        *a(&mut scene).node() = None;
        scene
    };
    let note = |notices: Vec<Notice>| {
        let mut left = notices.into_iter().filter(|it| it.reason() == "NodeLeftBehind");
        let mut first = left.next().expect("it is told");
        assert!(left.next().is_none(), "once");
        first.note().clone()
    };
    let mut scene = at_another();
    let notices = scene.settle();
    assert_eq!(words(&notices), ["NodeLeftBehind", "NodeMade"]);
    assert!(note(notices).contains("at https://nodes.example/"));
    assert_eq!(a(&mut scene).steps, ["Abandon", "Record", "Register"]);

    let mut scene = at_another();
    scene.delete();
    assert!(note(scene.settle()).contains("Node es-1 in ContainerManager 'a'"));
    assert_eq!(a(&mut scene).steps, ["Leave"]);

    // It is not known where an older process registered it.
    let mut scene = at_another();
    let record = scene.host.status.as_mut().unwrap().container_manager.as_mut();
    record.unwrap().server = None;
    assert_eq!(words(&scene.settle()), ["NodeMade"]);
}

#[test]
fn a_server_that_was_not_asked_yet_costs_no_try() {
    let mut scene = registered();
    let before = a(&mut scene).access.clone();
    a(&mut scene).refusal = Some(Error::Leaving { node: "es-1".into() });
    scene.delete();
    scene.turn();
    let record = scene.status().container_manager.clone();
    a(&mut scene).access = Access::Unasked;
    scene.restart();
    for _ in 0..2 * TRIES {
        let turn = scene.turn();
        assert!(turn.plan.registration.is_none() && !turn.plan.let_go);
        assert_eq!(scene.status().container_manager, record);
    }
    a(&mut scene).access = before;
    a(&mut scene).refusal = None;
    assert_eq!(words(&scene.turn().notices), ["NodeDeleted"]);
}

#[test]
fn a_host_whose_container_manager_is_gone_is_let_go_at_once() {
    let mut scene = registered();
    scene.nodes.managers.clear();
    scene.delete();
    assert_eq!(words(&scene.turn().notices), ["NodeLeftBehind"]);
    assert!(scene.turn().plan.let_go);
}

#[test]
fn a_step_that_was_decided_on_what_is_not_so_changes_nothing() {
    let mut scene = registered();
    a(&mut scene).is_stale = true;
    scene.nodes.wish = None;
    for _ in 0..3 {
        assert!(!scene.turn().wrote);
    }
    scene.nodes.wish = Some("a");
    scene.turn();
    scene.check("Registered", "True", "AsExpected");
}
