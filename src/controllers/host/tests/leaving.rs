//! A Host that is to leave the API server in which it is a Node.

use serde_json::json;

use super::{
    super::registration::{observe::Access, plan::TRIES},
    nodes::Model,
    registration::{a, registered, words},
    scene::Scene,
};
use crate::{
    api::host_status::HostState, controllers::Next, kubernetes::events::Notice, nodes::error::Error,
};

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
