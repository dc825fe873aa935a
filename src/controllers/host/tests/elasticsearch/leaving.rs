//! What becomes of Elasticsearch when its Cluster, or the Host, goes.

use super::*;
use crate::controllers::host::deletion::Farewell;

fn remove(scene: &mut Scene) {
    let path = RemotePath::new("/var/lib/drover-elasticsearch").unwrap();
    let (name, uuid) = ("logs".into(), Some("uuid".into()));
    scene.elasticsearch = Wish::Remove(Removal { name, uuid, path, data: Data::Kept });
}

fn end(scene: &mut Scene) -> (Farewell, Vec<Notice>) {
    for _ in 0..12 {
        let turn = scene.turn();
        if turn.plan.let_go {
            return (turn.plan.farewell.unwrap(), turn.notices);
        }
    }
    panic!("the object never goes: {:?}", scene.status().operation);
}

#[test]
fn with_its_cluster_elasticsearch_goes_and_then_what_it_needed() {
    let mut scene = member();
    remove(&mut scene);
    scene.turn();
    let now = treatment(&scene).unwrap();
    assert!(now.removes() && now.deed == Deed::Prepare);
    assert!(!format!("{:?}", now.preparation).contains("max_map_count"));
    scene.turn();
    assert_eq!(deployed(&scene.host), None);
    scene.elasticsearch = Wish::Nothing;
    scene.settle();
    assert_eq!(treatment(&scene), None);
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn the_machine_of_another_cluster_is_only_looked_at_and_nothing_there_is_changed() {
    let mut scene = member();
    let deployment = Box::new(node("8.19.0", "2").deployment(None).unwrap());
    let why = "the machine is a member of another cluster".to_owned();
    scene.elasticsearch = Wish::NotOwned { deployment, why };
    let before = scene.machine.elasticsearch.clone();
    scene.settle();
    scene.check("ElasticsearchInstalled", "False", "NotOwned");
    assert!(matches!(treatment(&scene).unwrap().elasticsearch, Some(Aim::Seen(_))));
    assert_eq!((&scene.machine.elasticsearch, scene.machine.starts), (&before, 1));
    // Once somebody has given it up there, that is told.
    scene.machine.elasticsearch = report::Report::bare();
    scene.annotate("drover.dev/reconcile-at", "now");
    scene.settle();
    assert_eq!(deployed(&scene.host).unwrap().cluster_uuid, None);
}

#[test]
fn what_can_not_be_removed_is_told_and_stays_on_record() {
    let mut scene = member();
    scene.machine.refuses = Some(fault("failed"));
    remove(&mut scene);
    scene.settle();
    scene.check("Prepared", "False", "CommandFailed");
    assert!(deployed(&scene.host).is_some());
    scene.machine.refuses = None;
    scene.settle();
    assert_eq!(deployed(&scene.host), None);
}

#[test]
fn a_host_that_is_deleted_alone_leaves_a_member_of_a_cluster_as_it_is() {
    for policy in ["Retain", "Reset"] {
        let mut scene = member();
        scene.spec(&json!({ "deletionPolicy": policy, "sysctls": { "vm.swappiness": "1" } }));
        scene.settle();
        scene.elasticsearch = Wish::Unknown { why: "this Host is being deleted".into() };
        scene.delete();
        let (farewell, notices) = end(&mut scene);
        match (policy, farewell) {
            ("Retain", Farewell::Nothing) => {}
            ("Reset", Farewell::LeftBehind(why)) => {
                assert!(why.contains("member of a cluster"), "{why}");
                let text = format!("{notices:?}");
                assert!(text.contains("/opt/drover/elasticsearch"), "{text}");
            }
            other => panic!("{other:?}"),
        }
        assert!(scene.machine.elasticsearch.is_active());
    }
}

#[test]
fn a_host_that_goes_together_with_its_cluster_is_rid_of_elasticsearch_first() {
    for policy in ["Retain", "Reset"] {
        let mut scene = member();
        scene.spec(&json!({ "deletionPolicy": policy }));
        scene.settle();
        remove(&mut scene);
        scene.delete();
        scene.turn();
        assert!(scene.machine.elasticsearch.is_active(), "not before it is on record");
        let operation = scene.status().operation.as_ref().unwrap();
        assert_eq!(operation.kind, OperationKind::Reset);
        let (farewell, _) = end(&mut scene);
        assert_eq!(farewell, Farewell::Undone);
        assert!(!scene.machine.elasticsearch.is_active());
    }
}

#[test]
fn a_host_that_goes_together_with_its_cluster_waits_until_that_says_that_elasticsearch_goes() {
    for policy in ["Retain", "Reset"] {
        let mut scene = member();
        scene.spec(&json!({ "deletionPolicy": policy, "sysctls": { "vm.swappiness": "1" } }));
        scene.settle();
        scene.elasticsearch = Wish::Leaves { why: "its Cluster is being deleted".into() };
        scene.delete();
        for _ in 0..12 {
            let turn = scene.turn();
            assert_eq!((turn.plan.let_go, turn.plan.farewell), (false, Some(Farewell::Waiting)));
        }
        assert!(scene.machine.elasticsearch.is_active() && scene.status().operation.is_none());
        assert!(!treatment(&scene).is_some_and(|it| it.undoes()), "it needs what was prepared");
        scene.check("Ready", "False", "Deleting");
        scene.check("ElasticsearchInstalled", "False", "Deleting");
        let mut gone = scene.host.clone();
        remove(&mut scene);
        assert_eq!(end(&mut scene).0, Farewell::Undone);
        assert!(!scene.machine.elasticsearch.is_active());
        // Its Cluster went without.
        std::mem::swap(&mut scene.host, &mut gone);
        scene.elasticsearch = Wish::Unknown { why: "no Cluster that declares it is there".into() };
        assert!(scene.turn().plan.let_go);
    }
}

#[test]
fn a_host_whose_node_is_drained_first_stays_even_where_its_machine_does_not_answer() {
    for policy in ["Retain", "Reset"] {
        let mut scene = member();
        scene.spec(&json!({ "deletionPolicy": policy }));
        scene.settle();
        scene.elasticsearch = Wish::Drains { why: "orders can't move".into() };
        scene.delete();
        for turn in 0..12 {
            if turn == 4 {
                scene.machine.fault = Some(fault("unauthorized"));
            }
            let turn = scene.turn();
            assert_eq!((turn.plan.let_go, turn.plan.farewell), (false, Some(Farewell::Waiting)));
        }
        assert!(scene.machine.elasticsearch.is_active() && scene.status().operation.is_none());
        assert!(!treatment(&scene).is_some_and(|it| it.undoes()));
    }
    let mut scene = member();
    scene.elasticsearch = Wish::Drains { why: "orders can't move".into() };
    scene.delete();
    scene.turn();
    scene.check("Ready", "False", "Draining");
    scene.check("ElasticsearchInstalled", "False", "Draining");
    let message = scene.condition("Ready").message.to_string();
    assert!(message.contains("orders can't move"), "{message}");
    // Drained under Retain: the machine stays as it is.
    scene.elasticsearch = Wish::Unknown { why: "this Host is being deleted".into() };
    assert!(scene.turn().plan.let_go);
    assert!(scene.machine.elasticsearch.is_active());
}

#[test]
fn a_dead_machine_does_not_keep_its_object_from_going() {
    let mut scene = member();
    scene.machine.fault = Some(fault("unauthorized"));
    scene.settle();
    remove(&mut scene);
    scene.delete();
    let (farewell, notices) = end(&mut scene);
    assert!(matches!(farewell, Farewell::LeftBehind(_)));
    let text = format!("{notices:?}");
    assert!(text.contains("/opt/drover/elasticsearch") && text.contains(MACHINE), "{text}");
}
