//! What a Cluster tells of a host that leaves it.

mod roles;

use std::{sync::Arc, time::Duration};

use serde_json::json;

use super::{
    super::{drain::farewell, rollout::observe::Seen},
    scene::{Scene, Turn, UUID},
};
use crate::{
    api::{drain::DrainPhase, host::Host},
    elasticsearch::{
        cluster_reads::HealthStatus,
        evidence::{Copy, CopyState, Counts, Evidence, Mark, Node, Prior},
    },
    rollout::drain::Act,
};

/// A managed cluster of the hosts `a`, `b` and `c`, of which `c` is deleted.
fn scene() -> Scene {
    let mut scene = Scene::settled();
    scene.edit(|it| {
        let url = "https://mirror.example/es-{version}-{arch}.tar.gz";
        let spec = json!({ "version": "8.19.0", "distribution": { "url": url } });
        it.spec.elasticsearch = serde_json::from_value(spec).unwrap();
    });
    let node = |name: &str| {
        let roles = ["data".into()].into();
        (format!("id-{name}").into(), Node { name: name.into(), roles, ..Node::default() })
    };
    let evidence = Evidence {
        uuid: UUID.into(),
        nodes: ["a", "b", "c"].map(node).into(),
        master: Some("id-a".into()),
        copies: vec![Copy {
            index: "orders".into(),
            shard: 0,
            is_primary: true,
            state: CopyState::Started,
            node: Some("id-c".into()),
            unassigned: None,
            is_mounted: false,
        }],
        health: Counts { status: HealthStatus::Green, nodes: 3, active: 1, ..Counts::default() },
        ..Evidence::default()
    };
    let known = vec![host(true)];
    let took = Duration::ZERO;
    scene.look = Some(Seen { evidence: Ok(evidence), members: Vec::new(), known, took });
    scene
}

fn host(is_deleted: bool) -> Arc<Host> {
    let then = is_deleted.then_some("2026-01-02T03:04:05Z");
    let host = json!({
        "metadata": {
            "name": "c", "namespace": "shop", "uid": "uid-c", "deletionTimestamp": then,
        },
        "spec": {
            "address": "c.example", "credentials": { "secretName": "key" },
            "clusterRef": { "name": "es" },
        },
        "status": { "elasticsearch": { "unit": "u", "state": "active", "deployed": {
            "version": "8.19.0", "staged": ["8.19.0"], "clusterUuid": UUID,
        } } },
    });
    Arc::new(serde_json::from_value(host).unwrap())
}

fn evidence(scene: &mut Scene) -> &mut Evidence {
    scene.look.as_mut().unwrap().evidence.as_mut().unwrap()
}

/// One reconcile; Elasticsearch does what it is told.
fn turn(scene: &mut Scene) -> Turn {
    let turn = scene.turn();
    let owner = scene.cluster.metadata.uid.clone().unwrap();
    let exclusion = &mut evidence(scene).exclusion;
    match &turn.decided.drain.act {
        Some(Act::Exclude(node, prior)) => {
            exclusion.persistent = Some(node.clone());
            let (node, prior, owner) = (node.clone(), Some(prior.clone()), owner.as_str().into());
            exclusion.mark = Some(Mark { node, prior, owner });
        }
        Some(Act::Include(_)) => (exclusion.persistent, exclusion.mark) = (None, None),
        Some(other) => panic!("{other:?}"),
        None => {}
    }
    turn
}

fn phase(scene: &Scene) -> Option<DrainPhase> {
    scene.status().drain.as_ref().map(|it| it.phase)
}

#[test]
fn a_drain_is_on_record_before_it_begins_and_is_told_until_its_end() {
    let mut scene = scene();
    let begun = turn(&mut scene);
    assert!(matches!(begun.decided.drain.act, Some(Act::Exclude(..))));
    assert_eq!(phase(&scene), Some(DrainPhase::Exclude));
    scene.check("Ready", "False", "InProgress");
    turn(&mut scene);
    let message = scene.condition("Ready").message.to_string();
    assert!(message.contains("host 'c' is drained before it leaves"), "{message}");
    evidence(&mut scene).copies[0].node = Some("id-a".into());
    turn(&mut scene);
    turn(&mut scene);
    assert_eq!(phase(&scene), Some(DrainPhase::Drained));
    scene.check("Ready", "True", "AsExpected");
    let told = |scene: &Scene| scene.status().diagnostics.iter().any(|it| it.rule == "drain");
    assert!(told(&scene), "its node runs yet");
    scene.look.as_mut().unwrap().known.clear();
    evidence(&mut scene).nodes.remove("id-c");
    evidence(&mut scene).health.nodes = 2;
    turn(&mut scene);
    turn(&mut scene);
    assert_eq!((phase(&scene), told(&scene)), (None, false));
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn no_run_begins_as_long_as_a_host_is_drained() {
    let mut scene = scene();
    turn(&mut scene);
    scene.edit(|it| {
        let request = json!({ "restart": { "requestId": "one", "target": "Elasticsearch" } });
        it.spec.operations = serde_json::from_value(request).unwrap();
    });
    for _ in 0..3 {
        let turn = turn(&mut scene);
        assert_eq!((turn.decided.hold, turn.decided.run), (Some("Draining"), None));
    }
    scene.check("Ready", "False", "InProgress");
}

#[test]
fn a_drain_that_may_not_begin_says_why_and_begins_once_it_may() {
    let mut scene = scene();
    evidence(&mut scene).foreign.push("a filter".into());
    turn(&mut scene);
    scene.check("Ready", "False", "Blocked");
    let message = scene.condition("Ready").message.to_string();
    assert!(message.contains("host 'c' can't leave yet: somebody takes nodes out"), "{message}");
    evidence(&mut scene).foreign.clear();
    turn(&mut scene);
    assert_eq!(phase(&scene), Some(DrainPhase::Exclude));
}

#[test]
fn a_cluster_that_goes_takes_back_what_it_set_first_and_not_for_ever() {
    for answers in [true, false] {
        let mut scene = scene();
        turn(&mut scene);
        turn(&mut scene);
        assert_eq!(phase(&scene), Some(DrainPhase::Move));
        let now = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(scene.time());
        scene.edit(|it| it.metadata.deletion_timestamp = Some(now));
        if !answers {
            scene.look.as_mut().unwrap().evidence = Err("it answers 500".into());
        }
        let mut turns = 0;
        while !(if answers { turn(&mut scene) } else { scene.turn() }).plan.let_go {
            turns += 1;
        }
        assert_eq!(turns <= 3, answers, "{turns}");
        assert!(turns < 8, "{turns}");
        assert_eq!(phase(&scene).is_none(), answers);
    }
}

#[test]
fn a_cluster_that_goes_while_a_drain_waits_leaves_nothing_set_for_nodes_that_were_let_go() {
    for answers in [true, false] {
        let mut scene = scene();
        let owner = scene.cluster.metadata.uid.clone().unwrap();
        let exclusion = &mut evidence(&mut scene).exclusion;
        let (node, prior) = ("a".into(), Some(Prior::Unset));
        exclusion.persistent = Some("a".into());
        exclusion.mark = Some(Mark { node, prior, owner: owner.as_str().into() });
        evidence(&mut scene).foreign.push("a filter".into());
        turn(&mut scene);
        assert_eq!(phase(&scene), Some(DrainPhase::Waiting));
        let now = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(scene.time());
        scene.edit(|it| it.metadata.deletion_timestamp = Some(now));
        if !answers {
            scene.look.as_mut().unwrap().evidence = Err("it answers 500".into());
        }
        let mut turns = 0;
        while !(if answers { turn(&mut scene) } else { scene.turn() }).plan.let_go {
            turns += 1;
            assert!(turns < 8, "{turns}");
        }
        let left = farewell(&scene.cluster, true).map(|mut it| it.note().clone());
        if answers {
            assert_eq!(evidence(&mut scene).exclusion.mark, None);
            assert_eq!(left, None);
        } else {
            assert!(left.unwrap().contains("nodes that were let go before"));
        }
    }
}
