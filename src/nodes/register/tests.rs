use http::Method;

use super::*;
use crate::{
    kubernetes::scripted::{Asked, Script, api_server},
    nodes::{
        error::{Category, NotOwned},
        member::tests::{MACHINE, UID, member, node},
    },
};

fn client() -> (Client, Script) {
    let (kube, script) = api_server();
    (Client::scripted(kube), script)
}

async fn asked(script: &mut Script, method: Method, target: &str) -> Asked {
    let asked = script.next().await;
    assert_eq!((&asked.method, &*asked.target), (&method, target));
    asked
}

async fn shows(script: &mut Script, node: &Value) {
    asked(script, Method::GET, "/api/v1/nodes/web-1").await.answer(node);
}

async fn has_none(script: &mut Script) {
    asked(script, Method::GET, "/api/v1/nodes/web-1").await.refuse(404, "NotFound");
}

async fn patched(script: &mut Script) -> Asked {
    let asked = asked(script, Method::PATCH, "/api/v1/nodes/web-1?&fieldManager=drover").await;
    assert_eq!(asked.content_type, "application/merge-patch+json");
    asked
}

const MADE: Option<&str> = Some("Made");
const ADOPTED: Option<&str> = Some("Adopted");

#[tokio::test]
async fn a_node_is_made_with_the_host_s_labels() {
    let (client, mut script) = client();
    let member = member();
    let (made, ()) = tokio::join!(register(&client, &member), async {
        has_none(&mut script).await;
        let asked = asked(&mut script, Method::POST, "/api/v1/nodes?&fieldManager=drover").await;
        assert_eq!(
            asked.body["metadata"],
            json!({
                "name": "web-1",
                "labels": {
                    "drover.dev/host-uid": UID, "drover.dev/host-namespace": "shop",
                    "drover.dev/host-name": "web-1",
                },
                "annotations": {"drover.dev/node-origin": "Made"},
            })
        );
        asked.answer(&node(Some(UID), MADE, ""));
    });
    let readiness = Readiness::Unreported;
    let expected = Registered { origin: Origin::Made, is_new: true, readiness };
    assert_eq!(made.unwrap(), expected);
}

#[tokio::test]
async fn a_node_that_is_registered_already_is_not_written_to() {
    let member = member();
    for (origin, word, machine) in [
        (Origin::Made, MADE, ""),
        (Origin::Adopted, MADE, MACHINE),
        (Origin::Adopted, ADOPTED, MACHINE),
    ] {
        let (client, mut script) = client();
        let (found, ()) = tokio::join!(register(&client, &member), async {
            let mut node = node(Some(UID), word, machine);
            node["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
            shows(&mut script, &node).await;
        });
        let expected = Registered { origin, is_new: false, readiness: Readiness::Ready };
        assert_eq!(found.unwrap(), expected);
    }
}

#[tokio::test]
async fn the_node_of_a_kubelet_on_the_same_machine_is_adopted_as_it_was_seen() {
    let (client, mut script) = client();
    let member = member();
    let (adopted, ()) = tokio::join!(register(&client, &member), async {
        shows(&mut script, &node(None, None, MACHINE)).await;
        patched(&mut script).await.refuse(409, "Conflict");
        let mut seen = node(None, None, MACHINE);
        seen["metadata"]["resourceVersion"] = json!("6");
        shows(&mut script, &seen).await;
        let asked = patched(&mut script).await;
        assert_eq!(
            asked.body,
            json!({"metadata": {
                "uid": "u-1", "resourceVersion": "6",
                "labels": {
                    "drover.dev/host-uid": UID, "drover.dev/host-namespace": "shop",
                    "drover.dev/host-name": "web-1",
                },
                "annotations": {"drover.dev/node-origin": "Adopted"},
            }})
        );
        asked.answer(&node(Some(UID), ADOPTED, MACHINE));
    });
    let adopted = adopted.unwrap();
    assert_eq!((adopted.origin, adopted.is_new), (Origin::Adopted, true));
}

#[tokio::test]
async fn a_kubelet_that_is_quicker_keeps_its_node() {
    let member = member();
    for (machine, expected) in [(MACHINE, None), ("other", Some(Category::NotOwned))] {
        let (client, mut script) = client();
        let (result, ()) = tokio::join!(register(&client, &member), async {
            has_none(&mut script).await;
            script.next().await.refuse(409, "AlreadyExists");
            shows(&mut script, &node(None, None, machine)).await;
            if expected.is_none() {
                patched(&mut script).await.answer(&node(Some(UID), ADOPTED, machine));
            }
        });
        assert_eq!(result.map_err(|it| it.category()).err(), expected);
    }
}

#[tokio::test]
async fn a_node_that_is_somebody_else_s_is_refused_and_not_written_to() {
    let other_machine =
        NotOwned::OtherMachine { found: "other".into(), expected: Some(MACHINE.into()) };
    let cases = [
        (node(None, None, ""), NotOwned::NoMachine),
        (node(None, None, "other"), other_machine.clone()),
        (node(Some(UID), MADE, "other"), other_machine),
        (node(Some("b"), MADE, MACHINE), NotOwned::OtherHost { uid: "b".into() }),
    ];
    let member = member();
    for (node, expected) in cases {
        let (client, mut script) = client();
        let (result, ()) = tokio::join!(register(&client, &member), shows(&mut script, &node));
        let Err(Error::NotOwned { reason, .. }) = result else { panic!("{result:?}") };
        assert_eq!(reason, expected);
    }
}

#[tokio::test]
async fn a_node_that_is_going_is_waited_for() {
    let member = member();
    for uid in [Some(UID), None] {
        let (client, mut script) = client();
        let mut node = node(uid, MADE, MACHINE);
        node["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let (result, ()) = tokio::join!(register(&client, &member), shows(&mut script, &node));
        assert!(matches!(result, Err(Error::Leaving { .. })), "{result:?}");
    }
}

#[tokio::test]
async fn what_a_kubelet_says_is_told() {
    let member = member();
    let ready = |status: &str| json!([{"type": "Ready", "status": status, "reason": "Because"}]);
    let cases = [
        (ready("True"), Readiness::Ready),
        (ready("False"), Readiness::NotReady { reason: "Because".into() }),
        (ready("Unknown"), Readiness::Unknown),
        (json!([]), Readiness::Unreported),
        (
            json!([{"type": "Ready", "status": "Unknown", "reason": "NodeStatusNeverUpdated"}]),
            Readiness::Unreported,
        ),
    ];
    for (conditions, expected) in cases {
        let (client, mut script) = client();
        let mut node = node(Some(UID), MADE, "");
        node["status"] = json!({"conditions": conditions});
        let (found, ()) = tokio::join!(registered(&client, &member), shows(&mut script, &node));
        assert_eq!(found.unwrap().unwrap().readiness, expected);
    }
}

#[tokio::test]
async fn a_node_that_drover_made_is_deleted_exactly_as_it_was_seen() {
    let (client, mut script) = client();
    let member = member();
    let (done, ()) = tokio::join!(unregister(&client, &member), async {
        shows(&mut script, &node(Some(UID), MADE, "")).await;
        let target = "/api/v1/nodes/web-1?";
        asked(&mut script, Method::DELETE, target).await.refuse(409, "Conflict");
        let mut seen = node(Some(UID), MADE, "");
        seen["metadata"]["resourceVersion"] = json!("6");
        shows(&mut script, &seen).await;
        let asked = asked(&mut script, Method::DELETE, target).await;
        let preconditions = json!({"uid": "u-1", "resourceVersion": "6"});
        assert_eq!(asked.body["preconditions"], preconditions);
        asked.answer(&json!({"kind": "Status", "status": "Success"}));
    });
    assert_eq!(done.unwrap(), Unregistered::Deleted);
}

#[tokio::test]
async fn a_node_that_a_kubelet_joins_while_it_is_deleted_is_released() {
    let (client, mut script) = client();
    let member = member();
    let (done, ()) = tokio::join!(unregister(&client, &member), async {
        shows(&mut script, &node(Some(UID), MADE, "")).await;
        let target = "/api/v1/nodes/web-1?";
        asked(&mut script, Method::DELETE, target).await.refuse(409, "Conflict");
        let joined = node(Some(UID), MADE, MACHINE);
        shows(&mut script, &joined).await;
        shows(&mut script, &joined).await;
        patched(&mut script).await.answer(&joined);
    });
    assert_eq!(done.unwrap(), Unregistered::Released);
}

#[tokio::test]
async fn a_node_whose_deletion_waits_for_others_is_told_so() {
    let member = member();
    let mut going = node(Some(UID), MADE, "");
    going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    going["metadata"]["finalizers"] = json!(["example.com/a"]);
    let (client, mut script) = client();
    let (done, ()) = tokio::join!(unregister(&client, &member), async {
        shows(&mut script, &node(Some(UID), MADE, "")).await;
        script.next().await.answer(&going);
    });
    assert_eq!(done.unwrap(), Unregistered::Leaving);
    let (done, ()) = tokio::join!(unregister(&client, &member), shows(&mut script, &going));
    assert_eq!(done.unwrap(), Unregistered::Leaving);
}

#[tokio::test]
async fn a_node_that_a_kubelet_keeps_is_released_and_never_deleted() {
    let member = member();
    // Adopted; without a word of how it came; made, but joined by the machine's kubelet since, or by
    // that of another machine.
    let cases = [(ADOPTED, MACHINE), (None, MACHINE), (MADE, MACHINE), (MADE, "other")];
    for (origin, machine) in cases {
        let (client, mut script) = client();
        let (done, ()) = tokio::join!(unregister(&client, &member), async {
            let node = node(Some(UID), origin, machine);
            shows(&mut script, &node).await;
            shows(&mut script, &node).await;
            let asked = patched(&mut script).await;
            let metadata = &asked.body["metadata"];
            assert_eq!(metadata["labels"]["drover.dev/host-uid"], Value::Null);
            assert!(metadata["labels"].as_object().unwrap().len() == 3);
            assert!(metadata["annotations"].as_object().unwrap().len() == 2);
            assert_eq!(metadata["resourceVersion"], "5");
            assert_eq!(asked.body.get("spec"), None);
            asked.answer(&node);
        });
        assert_eq!(done.unwrap(), Unregistered::Released);
    }
}

#[tokio::test]
async fn a_node_that_is_gone_or_another_s_needs_nothing() {
    let member = member();
    let (client, mut script) = client();
    let (done, ()) = tokio::join!(unregister(&client, &member), has_none(&mut script));
    assert_eq!(done.unwrap(), Unregistered::Absent);
    for node in [node(Some("b"), MADE, MACHINE), node(None, MADE, MACHINE), node(None, None, "")] {
        let (done, ()) = tokio::join!(unregister(&client, &member), shows(&mut script, &node));
        assert_eq!(done.unwrap(), Unregistered::NotOurs, "{node}");
    }
}

#[tokio::test]
async fn the_nodes_of_hosts_are_listed_page_by_page() {
    let (client, mut script) = client();
    let (listing, ()) = tokio::join!(list(&client), async {
        let first = "/api/v1/nodes?&labelSelector=drover.dev%2Fhost-uid&limit=250";
        let page = json!({
            "metadata": {"continue": "more"}, "items": [node(Some(UID), MADE, "")],
        });
        asked(&mut script, Method::GET, first).await.answer(&page);
        let second = format!("{first}&continue=more");
        let page = json!({"metadata": {}, "items": [node(Some("b"), MADE, "")]});
        asked(&mut script, Method::GET, &second).await.answer(&page);
    });
    let listing = listing.unwrap();
    let uids: Vec<&str> = listing.nodes.iter().map(|it| &*it.uid).collect();
    assert_eq!((uids, listing.has_more), (vec![UID, "b"], false));
}
