use http::Method;
use serde_json::Value;

use super::*;
use crate::{
    kubernetes::scripted::{Script, api_server},
    nodes::{
        error::Category,
        member::tests::{MACHINE, UID, member, node},
        register::{Unregistered, unregister},
    },
};

const NOBODY: [&str; 0] = [];

/// A Node of the host, cordoned as far as `managers` say so, on behalf of `by`.
fn cordoned(by: Option<&str>, managers: &[&str]) -> Value {
    let mut node = node(Some(UID), Some("Adopted"), MACHINE);
    node["spec"]["unschedulable"] = json!(true);
    if let Some(by) = by {
        node["metadata"]["annotations"][OWNER_ANNOTATION] = json!(by);
    }
    let entry = |manager: &&str| {
        json!({"manager": manager, "operation": "Update", "apiVersion": "v1",
               "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:unschedulable": {}}}})
    };
    let mut fields: Vec<Value> = managers.iter().map(entry).collect();
    fields.push(json!({"manager": "kubelet", "operation": "Update", "apiVersion": "v1",
        "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:podCIDR": {}}}}));
    node["metadata"]["managedFields"] = json!(fields);
    node
}

fn free() -> Value {
    node(Some(UID), Some("Adopted"), MACHINE)
}

fn client() -> (Client, Script) {
    let (kube, script) = api_server();
    (Client::scripted(kube), script)
}

/// Shows the Node; then the patch that comes, or nothing where none is expected.
async fn serves(script: &mut Script, node: &Value, patch: Option<Value>) {
    script.next().await.answer(node);
    if let Some(mut patch) = patch {
        let asked = script.next().await;
        assert_eq!(asked.method, Method::PATCH);
        patch["metadata"]["uid"] = json!("u-1");
        patch["metadata"]["resourceVersion"] = json!("5");
        assert_eq!(asked.body, patch);
        asked.answer(node);
    }
}

fn annotated(by: Option<&str>) -> Value {
    json!({"metadata": {"annotations": {OWNER_ANNOTATION: by}}})
}

#[tokio::test]
async fn a_node_is_cordoned_once_and_what_is_cordoned_stays_as_it_is() {
    let mut patch = annotated(Some("run-1"));
    patch["spec"] = json!({"unschedulable": true});
    let held = Cordoned::Held { by: "run-0".into() };
    let cases = [
        (free(), Some(patch), Cordoned::Ours { is_new: true }),
        (cordoned(Some("run-1"), &["drover"]), None, Cordoned::Ours { is_new: false }),
        (cordoned(Some("run-0"), &["drover"]), None, held),
        (cordoned(None, &["kubectl-cordon"]), None, Cordoned::Foreign),
        (cordoned(Some("run-1"), &["kubectl-cordon"]), None, Cordoned::Foreign),
    ];
    for (node, patch, expected) in cases {
        let (client, mut script) = client();
        let member = member();
        let served = serves(&mut script, &node, patch);
        let (done, ()) = tokio::join!(cordon(&client, &member, "run-1"), served);
        assert_eq!(done.unwrap(), expected, "{node}");
    }
}

#[tokio::test]
async fn only_the_node_of_the_host_is_cordoned() {
    let member = member();
    let foreign = [
        node(None, None, MACHINE),
        node(None, None, ""),
        node(Some("b"), Some("Made"), MACHINE),
        node(Some(UID), Some("Made"), "other"),
    ];
    for node in foreign {
        let (client, mut script) = client();
        let served = serves(&mut script, &node, None);
        let (done, ()) = tokio::join!(cordon(&client, &member, "run-1"), served);
        assert_eq!(done.unwrap_err().category(), Category::NotOwned, "{node}");
    }
}

#[tokio::test]
async fn only_the_cordon_of_who_asks_is_lifted_and_only_if_nobody_else_cordoned_since() {
    let mut lift = annotated(None);
    lift["spec"] = json!({"unschedulable": null});
    let mut schedulable = free();
    schedulable["metadata"]["annotations"][OWNER_ANNOTATION] = json!("run-1");
    let kept = Some(annotated(None));
    let cases = [
        (cordoned(Some("run-1"), &["drover"]), Some(lift), Uncordoned::Lifted),
        (cordoned(Some("run-0"), &["drover"]), None, Uncordoned::Nothing),
        (cordoned(None, &["kubectl-cordon"]), None, Uncordoned::Nothing),
        (cordoned(None, &["drover"]), None, Uncordoned::Nothing),
        (cordoned(Some("run-1"), &["kubectl-cordon"]), kept.clone(), Uncordoned::Foreign),
        (cordoned(Some("run-1"), &["drover", "gitops"]), kept.clone(), Uncordoned::Foreign),
        (cordoned(Some("run-1"), &NOBODY), kept.clone(), Uncordoned::Foreign),
        (schedulable, kept, Uncordoned::Nothing),
        (node(Some("b"), None, ""), None, Uncordoned::Nothing),
    ];
    for (node, patch, expected) in cases {
        let (client, mut script) = client();
        let member = member();
        let served = serves(&mut script, &node, patch);
        let (done, ()) = tokio::join!(uncordon(&client, &member, "run-1"), served);
        assert_eq!(done.unwrap(), expected, "{node}");
    }
}

#[tokio::test]
async fn a_released_node_is_no_longer_cordoned_by_drover() {
    let member = member();
    for (managers, lifts) in [(&["drover"][..], true), (&["kubectl-cordon"], false)] {
        let (client, mut script) = client();
        let node = cordoned(Some("run-1"), managers);
        let (done, ()) = tokio::join!(unregister(&client, &member), async {
            script.next().await.answer(&node);
            script.next().await.answer(&node);
            let asked = script.next().await;
            let lifted = asked.body.get("spec").is_some_and(|it| it["unschedulable"].is_null());
            assert_eq!(lifted, lifts, "{managers:?}");
            asked.answer(&node);
        });
        assert_eq!(done.unwrap(), Unregistered::Released);
    }
}

#[tokio::test]
async fn a_node_that_is_gone_needs_no_cordon() {
    let (client, mut script) = client();
    let member = member();
    let gone = async {
        script.next().await.refuse(404, "NotFound");
        script.next().await.refuse(404, "NotFound");
    };
    let both = async {
        let cordoned = cordon(&client, &member, "run-1").await.unwrap();
        (cordoned, uncordon(&client, &member, "run-1").await.unwrap())
    };
    let (done, ()) = tokio::join!(both, gone);
    assert_eq!(done, (Cordoned::Absent, Uncordoned::Absent));
}
