//! What is asked once more right before a step.

use serde_json::{Value, json};

use super::*;
use crate::{
    kubernetes::scripted::{Script, api_server},
    nodes::{
        client::Client,
        connection::{Auth, Connection},
    },
};

const HOSTS: &str = "/apis/drover.dev/v1alpha1/namespaces/shop/hosts/es-1";
const CLUSTERS: &str = "/apis/drover.dev/v1alpha1/namespaces/shop/clusters/es";
const MANAGERS: &str = "/apis/drover.dev/v1alpha1/namespaces/shop/containermanagers/a";

/// The Host as the API server has it; on record in the `ContainerManager` `a`.
fn object() -> Value {
    json!({
        "apiVersion": "drover.dev/v1alpha1", "kind": "Host",
        "metadata": { "name": "es-1", "namespace": "shop", "uid": "uid-1", "generation": 3 },
        "spec": {
            "address": "h1",
            "credentials": { "secretName": "ssh" },
            "hostKey": { "policy": "TrustOnFirstUse" },
            "clusterRef": { "name": "es" },
        },
        "status": {
            "containerManager": {
                "name": "a", "node": "es-1", "registered": true, "ready": true,
            },
        },
    })
}

fn cluster(manager: &str) -> Value {
    json!({
        "apiVersion": "drover.dev/v1alpha1", "kind": "Cluster",
        "metadata": { "name": "es", "namespace": "shop" },
        "spec": { "containerManagerRef": { "name": manager } },
    })
}

fn manager() -> Value {
    json!({
        "apiVersion": "drover.dev/v1alpha1", "kind": "ContainerManager",
        "metadata": { "name": "a", "namespace": "shop" },
        "spec": { "type": "Trivial" },
    })
}

fn going(mut object: Value) -> Value {
    object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    object
}

async fn answers(script: &mut Script, target: &str, object: Option<&Value>) {
    let asked = script.next().await;
    assert_eq!(asked.target, target);
    match object {
        Some(object) => asked.answer(object),
        None => asked.refuse(404, "NotFound"),
    }
}

/// What comes of leaving, where these answers are given, in turn, and nothing else is asked.
async fn leaves(host: Value, answered: &[(&str, Option<Value>)]) -> Ending {
    comes_of(&Step::Leave { is_trivial: true, moved_from: None }, host, answered).await
}

/// The same of any step.
async fn comes_of(step: &Step, host: Value, answered: &[(&str, Option<Value>)]) -> Ending {
    let (client, mut script) = api_server();
    let ctx = Box::new(Context::for_tests(client));
    let host: Host = serde_json::from_value(host).unwrap();
    let script = async {
        for (target, object) in answered {
            answers(&mut script, target, object.as_ref()).await;
        }
        drop(script);
    };
    let (ending, ()) = tokio::join!(Box::pin(run(&ctx, &host, Some(step))), script);
    ending.unwrap()
}

#[tokio::test]
async fn a_host_stays_where_its_cluster_names_the_manager_on_record_whatever_a_watch_has_shown() {
    let host = || (HOSTS, Some(object()));
    let named = [host(), (CLUSTERS, Some(cluster("a"))), (MANAGERS, Some(manager()))];
    assert!(matches!(leaves(object(), &named).await, Ending::Stale));
    let mut newer = object();
    newer["metadata"]["generation"] = json!(4);
    for seen in [Some(newer), None] {
        assert!(matches!(leaves(object(), &[(HOSTS, seen)]).await, Ending::Stale));
    }
}

#[tokio::test]
async fn a_host_leaves_what_its_cluster_names_no_more() {
    let host = || (HOSTS, Some(object()));
    let with = |name: &'static str, object: Option<Value>| vec![host(), (name, object)];
    let mut nowhere = cluster("a");
    nowhere["spec"] = json!({});
    let mut cases = vec![
        with(CLUSTERS, Some(cluster("b"))),
        with(CLUSTERS, Some(nowhere)),
        with(CLUSTERS, Some(going(cluster("a")))),
        with(CLUSTERS, None),
    ];
    for manager in [Some(going(manager())), None] {
        let mut answers = with(CLUSTERS, Some(cluster("a")));
        answers.push((MANAGERS, manager));
        cases.push(answers);
    }
    for answers in cases {
        let ending = leaves(object(), &answers).await;
        assert!(matches!(ending, Ending::Left(_)), "{ending:?} of {answers:?}");
    }
}

#[tokio::test]
async fn a_host_that_goes_or_is_in_no_cluster_or_has_another_name_leaves_whatever_the_cluster_says()
{
    let mut alone = object();
    alone["spec"].as_object_mut().unwrap().remove("clusterRef");
    let mut renamed = object();
    renamed["spec"]["nodeName"] = json!("node-1");
    for host in [going(object()), alone, renamed] {
        let ending = leaves(host.clone(), &[(HOSTS, Some(host.clone()))]).await;
        assert!(matches!(ending, Ending::Left(_)), "{ending:?} of {host}");
    }
}

#[tokio::test]
async fn no_pod_goes_for_a_run_that_has_gone_on_whatever_a_watch_has_shown() {
    let at = |step: &str| {
        let then = "2026-01-01T00:00:00Z";
        let place = json!({
            "name": "es-1", "hostUid": "uid-1", "step": step, "attempt": 1, "startedAt": then,
            "touched": false,
        });
        let mut cluster = cluster("a");
        cluster["status"] = json!({ "rollout": {
            "runId": "r-1", "kind": "HostRestart", "target": "once", "hosts": [place],
            "startedAt": then,
        } });
        Some(cluster)
    };
    let mut maintained = object();
    maintained["spec"]["maintenance"] = json!(true);
    for step in [Step::Cordon, Step::Drain] {
        let host = || (HOSTS, Some(object()));
        // There is no way to the other server here: it would be gone by now.
        let ending = comes_of(&step, object(), &[host(), (CLUSTERS, at("Cordon"))]).await;
        assert!(matches!(ending, Ending::NoWay), "{ending:?}");
        for cluster in [at("Unprotect"), at("Done"), Some(cluster("a")), None] {
            let ending = comes_of(&step, object(), &[host(), (CLUSTERS, cluster)]).await;
            assert!(matches!(ending, Ending::Stale), "{ending:?}");
        }
        let answered = [(HOSTS, Some(maintained.clone()))];
        let ending = comes_of(&step, maintained.clone(), &answered).await;
        assert!(matches!(ending, Ending::NoWay), "no run has to be asked: {ending:?}");
    }
}

#[tokio::test]
async fn a_host_that_has_to_stand_back_asks_nobody() {
    let (client, script) = api_server();
    drop(script);
    let ctx = Context::for_tests(client);
    let server = "https://127.0.0.1:9".parse().unwrap();
    let connection = Connection { server, ca: None, server_name: None, auth: Auth::Anonymous };
    let client = Client::new(&connection, ctx.gate.clone()).unwrap();
    let key = ObjectKey { namespace: "shop".into(), name: "a".into() };
    ctx.managers.connect(&key, client, connection.digest());
    let host: Host = serde_json::from_value(object()).unwrap();
    let leave = Step::Leave { is_trivial: false, moved_from: None };
    let turn = ctx.managers.get(&key).unwrap().turn("another").unwrap();
    for step in [&Step::Register, &Step::Drain, &leave] {
        let ending = run(&ctx, &host, Some(step)).await.unwrap();
        assert!(matches!(ending, Ending::Deferred), "{ending:?}");
    }
    drop(turn);
    assert!(run(&ctx, &host, Some(&leave)).await.is_err(), "now it asks what is so");
}
