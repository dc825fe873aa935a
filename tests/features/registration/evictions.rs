//! Evictions from Nodes, under disruption budgets.

use drover::nodes::cordon::cordon;
use drover::nodes::drain::{Drained, Pods, Unmanaged, drain};
use drover::nodes::error::Category;
use drover::nodes::register::register;
use serde_json::{Value, json};

use super::{Bed, category, member, rules};

/// A running pod on a Node.
pub fn pod(bed: &Bed, namespace: &str, name: &str, node: &str, owner: Option<&str>) {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"nodeName": node, "containers": [{"name": "a", "image": "example.com/a"}]},
    });
    if let Some(kind) = owner {
        pod["metadata"]["ownerReferences"] = json!([{
            "kind": kind, "apiVersion": "apps/v1", "name": "owner", "uid": "0a", "controller": true,
        }]);
    }
    bed.control.kubectl(&["create", "-n", namespace, "-f", "-"], &pod.to_string());
    let ready = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
    bed.patch_status(namespace, "pod", name, &ready);
}

/// A budget for one pod, and what a disruption controller would say that it allows.
pub fn budget(bed: &Bed, namespace: &str, app: &str, allowed: u32) {
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": app},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": app}}},
    });
    bed.control.apply(namespace, &budget.to_string());
    let status = json!({
        "observedGeneration": 1, "disruptionsAllowed": allowed, "currentHealthy": 1 + allowed,
        "desiredHealthy": 1, "expectedPods": 1,
    });
    bed.patch_status(namespace, "poddisruptionbudget", app, &status);
}

fn names(pods: &Pods) -> Vec<&str> {
    pods.names.iter().map(|it| &**it).collect()
}

#[tokio::test]
async fn a_drain_moves_what_budgets_let_go_and_goes_on_when_they_do() {
    let bed = Bed::shared().await;
    let (client, member) = (bed.client(), member("m-5"));
    let namespace = bed.control.namespace("drain");
    let of = |name: &str| format!("{namespace}/{name}");
    bed.foreign_node(member.node(), "m-5", &json!({}));
    register(&client, &member).await.unwrap();
    let add = |name, owner| pod(bed, &namespace, name, member.node(), owner);
    add("free", Some("ReplicaSet"));
    add("guarded", Some("StatefulSet"));
    add("daemon", Some("DaemonSet"));
    add("alone", None);
    pod(bed, &namespace, "elsewhere", "another-node", Some("ReplicaSet"));
    budget(bed, &namespace, "guarded", 0);

    assert_eq!(category(drain(&client, &member, Unmanaged::Keep).await), Category::Conflict);
    cordon(&client, &member, "run").await.unwrap();
    let drained = drain(&client, &member, Unmanaged::Keep).await.unwrap();
    assert_eq!((drained.evicted, &drained.fault), (1, &None));
    assert_eq!(names(&drained.blocked_by_budget), [of("guarded")]);
    assert_eq!(names(&drained.unmanaged), [of("alone")]);
    assert!(
        bed.control.get(&namespace, "pod", "free").unwrap()["metadata"]["deletionTimestamp"]
            .is_string()
    );

    let again = drain(&client, &member, Unmanaged::Keep).await.unwrap();
    assert_eq!(names(&again.terminating), [of("free")]);
    assert_eq!(names(&again.blocked_by_budget), [of("guarded")]);
    assert_eq!(again.evicted, 0);

    budget(bed, &namespace, "guarded", 1);
    let granted = drain(&client, &member, Unmanaged::Evict).await.unwrap();
    assert_eq!((granted.evicted, granted.blocked_by_budget.count), (2, 0));
    assert!(!granted.is_empty());
    for name in ["free", "guarded", "alone"] {
        // As the kubelet does once the containers have ended.
        bed.control
            .kubectl(&["delete", "pod", name, "-n", &namespace, "--force", "--grace-period=0"], "");
    }
    let done = drain(&client, &member, Unmanaged::Keep).await.unwrap();
    assert_eq!(done, Drained::default());
    for name in ["daemon", "elsewhere"] {
        let pod = bed.control.get(&namespace, "pod", name).unwrap();
        assert_eq!(pod["metadata"]["deletionTimestamp"], Value::Null, "{name}");
    }
}

#[tokio::test]
async fn of_more_pods_than_are_named_each_drain_tells_the_same() {
    let bed = Bed::shared().await;
    let (client, member) = (bed.client(), member("m-9"));
    let namespace = bed.control.namespace("many");
    register(&client, &member).await.unwrap();
    cordon(&client, &member, "run").await.unwrap();
    let pod = |number: u32| {
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("p{number}")},
            "spec": {
                "nodeName": member.node(), "containers": [{"name": "a", "image": "example.com/a"}],
            },
        })
    };
    let pods: Vec<Value> = (10..25).map(pod).collect();
    bed.control
        .apply(&namespace, &json!({"apiVersion": "v1", "kind": "List", "items": pods}).to_string());
    let expected: Vec<String> = (10..20).map(|it| format!("{namespace}/p{it}")).collect();
    for _ in 0..3 {
        let drained = drain(&client, &member, Unmanaged::Keep).await.unwrap();
        assert_eq!(drained.unmanaged.count, 15);
        assert_eq!(names(&drained.unmanaged), expected);
    }
}

#[tokio::test]
async fn an_eviction_that_the_server_refuses_is_told_beside_the_others() {
    let bed = Bed::shared().await;
    let (client, member) = (bed.client(), member("m-6"));
    let namespace = bed.control.namespace("twice");
    bed.foreign_node(member.node(), "m-6", &json!({}));
    register(&client, &member).await.unwrap();
    cordon(&client, &member, "run").await.unwrap();
    pod(bed, &namespace, "web", member.node(), Some("ReplicaSet"));
    pod(bed, &namespace, "free", member.node(), Some("ReplicaSet"));
    budget(bed, &namespace, "web", 1);
    let second = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "second"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
    });
    bed.control.apply(&namespace, &second.to_string());
    let drained = drain(&client, &member, Unmanaged::Keep).await.unwrap();
    assert_eq!(drained.evicted, 1);
    assert_eq!(names(&drained.refused), [format!("{namespace}/web")]);
    assert!(drained.refusal.unwrap().contains("more than one PodDisruptionBudget"));
}

#[tokio::test]
async fn an_eviction_that_is_not_permitted_is_told() {
    let bed = Bed::shared().await;
    let member = member("m-7");
    let namespace = bed.control.namespace("forbidden");
    let token = bed.control.service_account(&namespace, "weak", &rules(|it| !it.contains("pods/")));
    let client = bed.client_of(&token);
    register(&client, &member).await.unwrap();
    cordon(&client, &member, "run").await.unwrap();
    pod(bed, &namespace, "web", member.node(), Some("ReplicaSet"));
    let drained = drain(&client, &member, Unmanaged::Keep).await.unwrap();
    assert_eq!((drained.evicted, drained.refused.count), (0, 1));
    assert!(!drained.is_empty());
    let pod = bed.control.get(&namespace, "pod", "web").unwrap();
    assert_eq!(pod["metadata"]["deletionTimestamp"], Value::Null);
}
