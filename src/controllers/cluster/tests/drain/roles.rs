//! What it tells of one whose node is to lose roles.

use super::*;
use crate::{
    api::{drain::DrainReason, rollout_status::RolloutStep},
    rollout::{
        hosts::{Match, Member},
        planner,
        roles::Roles,
    },
};

const NAMES: [&str; 3] = ["a", "b", "c"];

fn member(name: &str) -> Member {
    Member {
        name: name.into(),
        uid: format!("uid-{name}").into(),
        addresses: [format!("address-{name}").into()].into(),
        nodes: Match::unit([format!("id-{name}").into()]),
        is_home: true,
        is_failing: false,
        runs: true,
        others_run: false,
        roles: Roles::Every,
        may_hold_shards: false,
        has_images: None,
        fit: Ok(()),
        in_maintenance: false,
        is_cordoned: false,
        answer: None,
    }
}

/// The same cluster, whose run has `c` at its gates to take its data role.
fn changing() -> Scene {
    let mut scene = scene();
    for name in NAMES {
        let node = evidence(&mut scene).nodes.get_mut(&*format!("id-{name}")).unwrap();
        node.address = format!("address-{name}").into();
    }
    let seen = scene.look.as_mut().unwrap();
    seen.known.clear();
    seen.members = NAMES.map(member).into();
    seen.members[2].roles = Roles::Named(["master".into()].into());
    let then = "2026-01-02T03:04:05Z";
    let run = json!({
        "runId": "deploy-1", "kind": "ElasticsearchConfig", "target": "8.19.0/x", "startedAt": then,
        "hosts": [{
            "name": "c", "hostUid": "uid-c", "step": "Gate", "attempt": 1, "startedAt": then,
        }],
    });
    scene.cluster.status.as_mut().unwrap().rollout = serde_json::from_value(run).unwrap();
    scene
}

fn step(scene: &Scene) -> Option<RolloutStep> {
    scene.status().rollout.as_ref().map(|it| it.hosts[0].step)
}

/// The copies move as they are told, until the node is drained.
fn drained() -> Scene {
    let mut scene = changing();
    turn(&mut scene);
    evidence(&mut scene).copies[0].node = Some("id-a".into());
    for _ in 0..3 {
        assert_eq!(step(&scene), Some(RolloutStep::Gate));
        let turn = turn(&mut scene);
        assert_eq!(turn.decided.act, None, "nothing is held back meanwhile");
        if phase(&scene) == Some(DrainPhase::Drained) {
            return scene;
        }
    }
    panic!("never drained: {:?}", scene.status().drain);
}

#[test]
fn the_host_that_a_run_has_next_is_drained_of_what_needs_the_roles_that_it_loses() {
    let mut scene = changing();
    let begun = turn(&mut scene);
    assert!(matches!(begun.decided.drain.act, Some(Act::Exclude(..))));
    assert_eq!((begun.decided.act, begun.decided.hold), (None, None));
    let told = scene.status().drain.clone().unwrap();
    assert_eq!((told.phase, told.reason), (DrainPhase::Exclude, DrainReason::Roles));
    scene.check("Ready", "False", "Blocked");
    let message = scene.condition("Ready").message.to_string();
    assert!(message.starts_with("Roles: the node of c is to lose roles: data."), "{message}");

    let mut scene = drained();
    assert_eq!(step(&scene), Some(RolloutStep::Protect), "as soon as it is drained");
    let protects = turn(&mut scene).decided;
    assert!(matches!(protects.act, Some(planner::Act::Protect(_))), "{:?}", protects.act);
    assert_eq!((protects.drain.act, phase(&scene)), (None, Some(DrainPhase::Drained)));
    let told = scene.status().diagnostics.iter().any(|it| it.rule == "drain");
    assert!(!told, "nobody has to stop it");
}

#[test]
fn what_was_set_stays_until_the_node_is_back_with_its_new_roles() {
    let mut scene = drained();
    scene.cluster.status.as_mut().unwrap().rollout.as_mut().unwrap().hosts[0].step =
        RolloutStep::Rejoin;
    let mut node = evidence(&mut scene).nodes.remove("id-c").unwrap();
    evidence(&mut scene).health.nodes = 2;
    scene.look.as_mut().unwrap().members[2].nodes = Match::Stopped;
    for _ in 0..3 {
        assert_eq!(turn(&mut scene).decided.drain.act, None);
        assert_eq!(phase(&scene), Some(DrainPhase::Drained));
    }
    node.roles = ["master".into()].into();
    evidence(&mut scene).nodes.insert("id-c".into(), node);
    evidence(&mut scene).health.nodes = 3;
    scene.look.as_mut().unwrap().members[2].nodes = Match::unit(["id-c".into()]);
    assert_eq!(turn(&mut scene).decided.drain.act, None);
    assert_eq!(step(&scene), Some(RolloutStep::Unprotect), "it is back");
    assert!(matches!(turn(&mut scene).decided.drain.act, Some(Act::Include(_))));
    turn(&mut scene);
    assert_eq!(phase(&scene), None);
    assert_eq!(
        evidence(&mut scene).exclusion,
        crate::elasticsearch::evidence::Exclusion::default()
    );
}

#[test]
fn a_pause_keeps_what_was_drained_and_begins_nothing() {
    let mut scene = changing();
    turn(&mut scene);
    turn(&mut scene);
    scene.edit(|it| it.spec.paused = true);
    for _ in 0..3 {
        turn(&mut scene);
        assert_eq!(phase(&scene), Some(DrainPhase::Move));
        assert_eq!(step(&scene), Some(RolloutStep::Waiting));
    }
    let mut paused = changing();
    paused.edit(|it| it.spec.paused = true);
    turn(&mut paused);
    assert_eq!(phase(&paused), None);
}

#[test]
fn what_was_drained_for_a_run_is_taken_back_where_that_is_over_before_another_one_begins() {
    let mut scene = changing();
    turn(&mut scene);
    turn(&mut scene);
    scene.cluster.status.as_mut().unwrap().rollout = None;
    let back = turn(&mut scene).decided;
    assert!(matches!(back.drain.act, Some(Act::Include(_))));
    assert_eq!((phase(&scene), back.hold), (Some(DrainPhase::Withdraw), Some("Draining")));
    turn(&mut scene);
    assert_eq!(phase(&scene), None);
}
