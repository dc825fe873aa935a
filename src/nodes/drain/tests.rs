use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};

use super::*;
use crate::{
    kubernetes::scripted::{Asked, Script, api_server},
    nodes::{
        error::Category,
        member::tests::{MACHINE, UID, member, node},
    },
};

fn client() -> (Client, Script) {
    let (kube, script) = api_server();
    (Client::scripted(kube), script)
}

fn cordoned() -> Value {
    let mut node = node(Some(UID), Some("Adopted"), MACHINE);
    node["spec"]["unschedulable"] = json!(true);
    node
}

fn pod(name: &str, owner: Option<&str>) -> Value {
    let mut pod = json!({
        "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-of-{name}")},
        "status": {"phase": "Running"},
    });
    if let Some(kind) = owner {
        pod["metadata"]["ownerReferences"] = json!([
            {"kind": kind, "apiVersion": "apps/v1", "name": "a", "uid": "u", "controller": true}
        ]);
    }
    pod
}

fn going(name: &str) -> Value {
    let mut pod = pod(name, Some("ReplicaSet"));
    pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    pod
}

async fn lists(script: &mut Script, pods: &[Value]) {
    script.next().await.answer(&cordoned());
    let asked = script.next().await;
    let target = "/api/v1/pods?&fieldSelector=spec.nodeName%3Dweb-1&limit=100";
    assert_eq!((asked.method.clone(), &*asked.target), (Method::GET, target));
    asked.answer(&json!({"metadata": {}, "items": pods}));
}

/// The name of the pod that is to be evicted, and who waits for the answer.
async fn eviction(script: &mut Script) -> (String, Asked) {
    let asked = script.next().await;
    assert_eq!(asked.method, Method::POST);
    let path = asked.target.strip_prefix("/api/v1/namespaces/shop/pods/").unwrap();
    let name = path.strip_suffix("/eviction?&fieldManager=drover").unwrap().to_owned();
    let expected = json!({
        "apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": {"name": name, "namespace": "shop"},
        "deleteOptions": {"preconditions": {"uid": format!("uid-of-{name}")}},
    });
    assert_eq!(asked.body, expected);
    (name, asked)
}

fn status(code: u16, cause: &str) -> Value {
    json!({"kind": "Status", "status": "Failure", "code": code, "reason": "TooManyRequests",
           "message": "Cannot evict pod.", "details": {"causes": [{"reason": cause}]}})
}

fn names(pods: &Pods) -> Vec<&str> {
    pods.names.iter().map(|it| &**it).collect()
}

#[tokio::test]
async fn what_may_go_is_evicted_and_what_is_left_is_told() {
    let mut mirror = pod("mirror", None);
    mirror["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "h"});
    let pods = [
        pod("daemon", Some("DaemonSet")),
        mirror,
        going("going"),
        pod("alone", None),
        pod("free", Some("ReplicaSet")),
        pod("blocked", Some("StatefulSet")),
        pod("twice", Some("ReplicaSet")),
        pod("gone", Some("ReplicaSet")),
    ];
    let (client, mut script) = client();
    let member = member();
    let mut answers = BTreeMap::from([
        ("free", (201, json!({"kind": "Status", "status": "Success"}))),
        ("blocked", (429, status(429, "DisruptionBudget"))),
        ("twice", (500, status(500, ""))),
        ("gone", (404, status(404, ""))),
    ]);
    let (drained, ()) = tokio::join!(drain(&client, &member, Unmanaged::Keep), async {
        lists(&mut script, &pods).await;
        for _ in 0..4 {
            let (name, asked) = eviction(&mut script).await;
            let (code, body) = answers.remove(&*name).expect("one eviction for each pod");
            asked.respond(code, &body);
        }
    });
    let drained = drained.unwrap();
    assert_eq!((drained.evicted, drained.untried, &drained.fault), (1, 1, &None));
    assert_eq!(names(&drained.terminating), ["shop/going"]);
    assert_eq!(names(&drained.blocked_by_budget), ["shop/blocked"]);
    assert_eq!(names(&drained.unmanaged), ["shop/alone"]);
    assert_eq!(names(&drained.refused), ["shop/twice"]);
    assert!(drained.refusal.as_ref().unwrap().contains("(500 TooManyRequests): Cannot evict pod."));
    assert!(!drained.is_empty());
}

#[tokio::test]
async fn pods_that_nobody_would_make_again_go_where_that_is_wanted() {
    let (client, mut script) = client();
    let member = member();
    let (drained, ()) = tokio::join!(drain(&client, &member, Unmanaged::Evict), async {
        lists(&mut script, &[pod("alone", None)]).await;
        let (name, asked) = eviction(&mut script).await;
        assert_eq!(name, "alone");
        asked.respond(201, &json!({"kind": "Status", "status": "Success"}));
    });
    let drained = drained.unwrap();
    assert_eq!((drained.evicted, drained.unmanaged.count), (1, 0));
    assert!(!drained.is_empty(), "it is still to go");
}

#[tokio::test]
async fn a_node_with_nothing_but_what_belongs_to_it_is_drained() {
    let (client, mut script) = client();
    let member = member();
    let pods = [pod("daemon", Some("DaemonSet"))];
    let drain = drain(&client, &member, Unmanaged::Keep);
    let (drained, ()) = tokio::join!(drain, lists(&mut script, &pods));
    assert!(drained.unwrap().is_empty());
}

#[tokio::test]
async fn of_many_pods_each_call_tells_the_same() {
    let pods: Vec<_> = (10..30).map(|it| pod(&format!("p{it}"), Some("ReplicaSet"))).collect();
    let expected: Vec<_> = (10..20).map(|it| format!("shop/p{it}")).collect();
    let member = member();
    for code in [429, 500] {
        let (client, mut script) = client();
        let (drained, ()) = tokio::join!(drain(&client, &member, Unmanaged::Keep), async {
            lists(&mut script, &pods).await;
            for _ in &pods {
                let (name, asked) = eviction(&mut script).await;
                let mut answer = status(code, "DisruptionBudget");
                answer["message"] = json!(format!("no, not {name}"));
                asked.respond(code, &answer);
            }
        });
        let drained = drained.unwrap();
        let told = if code == 429 { &drained.blocked_by_budget } else { &drained.refused };
        assert_eq!((told.count, names(told)), (20, expected.iter().map(|it| &**it).collect()));
        if let Some(refusal) = &drained.refusal {
            assert!(refusal.contains("no, not p10"), "{refusal}");
        }
        assert_eq!(drained.refusal.is_some(), code == 500);
    }
    let mut words = Vec::new();
    for _ in 0..2 {
        let (client, mut script) = client();
        let (drained, ()) = tokio::join!(drain(&client, &member, Unmanaged::Keep), async {
            lists(&mut script, &pods).await;
            eviction(&mut script).await.1.respond(429, &status(429, ""));
        });
        words.push(chain(&drained.unwrap().fault.unwrap()));
    }
    assert_eq!(words[0], words[1], "whichever came first");
}

#[tokio::test]
async fn a_server_that_has_too_much_to_do_is_left_alone() {
    let (client, mut script) = client();
    let member = member();
    let pods = ["a", "b", "c"].map(|it| pod(it, Some("ReplicaSet")));
    let (drained, ()) = tokio::join!(drain(&client, &member, Unmanaged::Keep), async {
        lists(&mut script, &pods).await;
        eviction(&mut script).await.1.respond(429, &status(429, ""));
    });
    let drained = drained.unwrap();
    assert_eq!((drained.untried, drained.blocked_by_budget.count), (3, 0));
    assert_eq!(drained.fault.unwrap().category(), Category::Busy);
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_though_the_server_is_slow() {
    let (client, mut script) = client();
    let member = member();
    let pods: Vec<_> = (0..20).map(|it| pod(&format!("p{it}"), Some("ReplicaSet"))).collect();
    let start = Instant::now();
    let (drained, tried) = tokio::join!(drain(&client, &member, Unmanaged::Keep), async {
        lists(&mut script, &pods).await;
        let mut tried = 0;
        while start.elapsed() < SPAN {
            let (_, asked) = eviction(&mut script).await;
            tokio::time::sleep(Duration::from_secs(7)).await;
            asked.respond(429, &status(429, "DisruptionBudget"));
            tried += 1;
        }
        tried
    });
    let drained = drained.unwrap();
    assert_eq!((drained.blocked_by_budget.count, drained.untried), (tried, 20 - tried));
    assert!(start.elapsed() < SPAN * 2, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_node_on_which_pods_may_start_is_not_drained_nor_is_another_s() {
    let member = member();
    let mut foreign = cordoned();
    foreign["metadata"]["labels"]["drover.dev/host-uid"] = json!("b");
    for (node, expected) in
        [(node(Some(UID), Some("Made"), ""), Category::Conflict), (foreign, Category::NotOwned)]
    {
        let (client, mut script) = client();
        let (drained, ()) = tokio::join!(drain(&client, &member, Unmanaged::Keep), async {
            script.next().await.answer(&node);
        });
        assert_eq!(drained.unwrap_err().category(), expected);
    }
}
