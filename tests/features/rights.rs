//! What Drover may do in Kubernetes: it lives with the rights of the example, and needs each.

use std::collections::BTreeSet;

use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::{
    common::{
        certificates::Authority,
        operator,
        proxy::{Entry, lines},
        wait::eventually,
    },
    world::{SOON, Stage, elasticsearch},
};

const RIGHTS: &str = include_str!("../../examples/kubernetes/rbac.yaml");

/// A verb on a resource of a group, as a rule names them.
type Right = (String, String, String);

/// All that the example grants.
fn granted() -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    for document in serde_yaml_ng::Deserializer::from_str(RIGHTS) {
        let object = Value::deserialize(document).expect("the example is YAML");
        for rule in object["rules"].as_array().into_iter().flatten() {
            let words = |key: &str| -> Vec<String> {
                serde_json::from_value(rule[key].clone()).expect("a list of words")
            };
            for group in words("apiGroups") {
                for resource in words("resources") {
                    let right = |verb| (group.clone(), resource.clone(), verb);
                    rights.extend(words("verbs").into_iter().map(right));
                }
            }
        }
    }
    rights
}

/// What a request takes; nothing for what everybody may ask, such as which kinds there are.
fn taken(entry: &Entry) -> Option<Right> {
    let parts: Vec<&str> = entry.path.trim_matches('/').split('/').collect();
    let (group, rest) = match &parts[..] {
        ["api", _, rest @ ..] => ("", rest),
        ["apis", group, _, rest @ ..] => (*group, rest),
        _ => return None,
    };
    let rest = if let ["namespaces", _, rest @ ..] = rest { rest } else { rest };
    let resource = match rest {
        [resource] | [resource, _] => (*resource).to_owned(),
        [resource, _, part] => format!("{resource}/{part}"),
        _ => return None,
    };
    let verb = match (entry.method.as_str(), rest) {
        ("GET", [_]) if entry.is_watch() => "watch",
        ("GET", [_]) => "list",
        ("GET", _) => "get",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        other => panic!("a verb that nobody thought of: {other:?}"),
    };
    Some((group.to_owned(), resource, verb.to_owned()))
}

/// One object of this kind is made, judged, deleted and gone.
async fn comes_and_goes(stage: &Stage, kind: &str, spec: &Value) {
    let (control_plane, namespace) = (stage.control_plane, &*stage.namespace);
    let object = json!({
        "apiVersion": "drover.dev/v1alpha1",
        "kind": kind,
        "metadata": { "name": "rights" },
        "spec": spec,
    });
    control_plane.apply(namespace, &object.to_string());
    eventually(&format!("the {kind} is judged"), SOON, async || {
        let object = control_plane.get(namespace, kind, "rights").ok_or("gone")?;
        let judged = object["status"]["conditions"].is_array();
        if judged { Ok(()) } else { Err(object.to_string()) }
    })
    .await;
    control_plane.kubectl(&["delete", "-n", namespace, kind, "rights", "--wait=false"], "");
    eventually(&format!("the {kind} is gone"), SOON, async || {
        match control_plane.get(namespace, kind, "rights") {
            None => Ok(()),
            Some(object) => Err(object.to_string()),
        }
    })
    .await;
}

#[tokio::test]
async fn drover_lives_with_the_rights_of_the_example_and_needs_each_of_them() {
    let server = elasticsearch("8.19.0").await;
    let mut stage = Stage::new("rights", server).await;
    stage.operator.stop().await;
    stage.control_plane.kubectl(&["apply", "--server-side", "-f", "-"], RIGHTS);
    let token = stage.control_plane.token("drover", "drover");
    let mut kubeconfig = stage.control_plane.kubeconfig().with_token(&token);
    kubeconfig = kubeconfig.at(&stage.kubernetes.url());
    kubeconfig.authority = Authority::shared().file();
    stage.kubernetes.ledger().clear();
    let settings = operator::Settings::new(&kubeconfig, &stage.namespace);
    stage.operator = settings.flag("--lease-namespace", "drover").start().await;

    stage.connect().await;
    let spec = json!({
        "settings": { "number_of_replicas": 0, "refresh_interval": "5s" },
        "deletionPolicy": "Delete",
    });
    stage.ready_index("rights", &spec).await;
    // What happens a second time is an event that is counted up.
    let counted = async |count: usize| {
        let patched = |it: &Entry| it.method == "PATCH" && it.path.contains("/events/");
        eventually("an event is counted up", SOON, async || {
            match stage.kubernetes.ledger().count(patched) {
                seen if seen < count => Err(format!("{seen}")),
                _ => Ok(()),
            }
        })
        .await;
    };
    for (hand, count) in [("7s", 0), ("8s", 1)] {
        let change = json!({ "index.refresh_interval": hand });
        server.ok("PUT", "/rights/_settings", Some(&change)).await;
        stage.event("rights", "DriftCorrected").await;
        counted(count).await;
        stage.index_until("rights", "Drifted", "False").await;
        stage.rest().await;
    }
    stage.delete_index("rights").await;
    assert!(server.index("rights").await.is_none());
    stage.delete_cluster("es").await;
    stage.cluster_gone("es").await;

    let host = json!({ "address": "192.0.2.1", "credentials": { "secretName": "missing" } });
    comes_and_goes(&stage, "Host", &host).await;
    comes_and_goes(&stage, "Network", &json!({ "type": "HostNetwork" })).await;
    comes_and_goes(&stage, "ContainerManager", &json!({ "type": "Trivial" })).await;

    let requests = stage.kubernetes.ledger().all();
    let refused: Vec<Entry> =
        requests.iter().filter(|it| it.status() == Some(403)).cloned().collect();
    assert!(refused.is_empty(), "{}", lines(&refused));
    let used: BTreeSet<Right> = requests.iter().filter_map(taken).collect();
    assert_eq!(granted(), used, "granted, and used");
}
