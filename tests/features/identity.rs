//! Which Elasticsearch a Cluster stands for, and that no other one is ever written to.

use serde_json::{Value, json};

use crate::{
    common::{
        elasticsearch::Elasticsearch,
        proxy::{Answer, Entry, Fault, Proxy, lines},
        wait::eventually,
    },
    world::{SOON, Stage, elasticsearch, get},
};

use crate::common::{certificates::Authority, proxy::Upstream};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

fn to(server: &Elasticsearch) -> Upstream {
    Upstream { address: server.address(0), authority: Some(Authority::shared().file()) }
}

/// Waits until the proxy has seen so many polls more.
async fn more_polls(proxy: &Proxy, more: usize) {
    let polls = || proxy.ledger().count(|it| it.path.starts_with("/_cluster/state/version"));
    let before = polls();
    eventually("polls go on", SOON, async || match polls() - before {
        seen if more <= seen => Ok(()),
        seen => Err(format!("{seen} polls")),
    })
    .await;
}

async fn identity_message(stage: &Stage) -> String {
    let cluster = stage.cluster_tells("es", "IdentityMatches", "False", "IdentityChanged").await;
    let status = cluster.status.unwrap();
    assert_eq!(get(&status.conditions, "Ready").status, "False");
    get(&status.conditions, "IdentityMatches").message.to_string()
}

#[tokio::test]
async fn another_cluster_behind_the_endpoint_is_not_written_to_until_it_is_accepted() {
    let (first, second) = (elasticsearch("8.19.0").await, elasticsearch("7.17.29").await);
    let (pinned, other) = (first.uuid().await, second.uuid().await);
    let stage = Stage::new("swapped", first).await;
    stage.connect().await;
    let replicas = |count: u8| json!({ "settings": { "number_of_replicas": count } });
    stage.index("swapped", &replicas(0));
    stage.index_until("swapped", "Ready", "True").await;

    stage.elasticsearch.ledger().clear();
    stage.elasticsearch.set_upstream(to(second));
    let message = identity_message(&stage).await;
    assert!(message.contains(&pinned) && message.contains(&other), "{message}");
    let note = stage.event("es", "IdentityChanged").await;
    assert!(note.contains(&other), "{note}");
    // All that could want to write: a changed Index, a new one, one that goes.
    stage.index("swapped", &replicas(1));
    stage.index("swapped-new", &replicas(0));
    stage.index("swapped-gone", &json!({ "deletionPolicy": "Delete" }));
    for name in ["swapped", "swapped-new", "swapped-gone"] {
        stage.index_until(name, "Ready", "False").await;
    }
    more_polls(&stage.elasticsearch, 2).await;
    let writes = stage.elasticsearch.ledger().writes();
    assert!(writes.is_empty(), "written to another cluster:\n{}", lines(&writes));
    let status = stage.clusters().get("es").await.unwrap().status.unwrap();
    assert_eq!(status.elasticsearch.unwrap().uuid, pinned, "the pin must not move by itself");

    let annotation = format!("drover.dev/accept-cluster-uuid={other}");
    let namespace = &stage.namespace;
    stage.control_plane.kubectl(&["annotate", "-n", namespace, "clusters", "es", &annotation], "");
    let cluster = stage.cluster_until("es", "Ready", "True").await;
    assert_eq!(cluster.status.unwrap().elasticsearch.unwrap().uuid, other);
    stage.index_until("swapped-new", "Ready", "True").await;
    assert!(second.index("swapped-new").await.is_some());
    stage.delete_index("swapped-gone").await;
}

#[tokio::test]
async fn only_the_expected_cluster_is_ever_worked_in() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("expected", server).await;
    let mut connection = stage.connection();
    connection["expectedUuid"] = json!("AAAAAAAAAAAAAAAAAAAAAA");
    stage.cluster("es", &connection);
    let message = identity_message(&stage).await;
    assert!(message.contains("AAAAAAAAAAAAAAAAAAAAAA"), "{message}");
    stage.index("expected", &json!({ "settings": { "number_of_replicas": 0 } }));
    stage.index_until("expected", "Ready", "False").await;
    more_polls(&stage.elasticsearch, 2).await;
    let writes = stage.elasticsearch.ledger().writes();
    assert!(writes.is_empty(), "written to another cluster:\n{}", lines(&writes));

    connection["expectedUuid"] = json!(server.uuid().await);
    stage.cluster("es", &connection);
    stage.cluster_until("es", "Ready", "True").await;
    stage.index_until("expected", "Ready", "True").await;
}

#[tokio::test]
async fn an_endpoint_of_another_cluster_in_the_list_is_named_and_nothing_is_written() {
    let (first, second) = (elasticsearch("8.19.0").await, elasticsearch("7.17.29").await);
    let stage = Stage::new("stray", first).await;
    let stray = Proxy::before_elasticsearch(second);
    let mut connection = stage.connection();
    connection["endpoints"] = json!([stage.elasticsearch.url(), stray.url()]);
    stage.cluster("es", &connection);
    let message = identity_message(&stage).await;
    assert!(message.contains(&stray.url()), "{message}");
    stage.index("stray", &json!({ "settings": { "number_of_replicas": 0 } }));
    stage.index_until("stray", "Ready", "False").await;
    more_polls(&stage.elasticsearch, 2).await;
    for proxy in [&stage.elasticsearch, &stray] {
        let writes = proxy.ledger().writes();
        assert!(writes.is_empty(), "written:\n{}", lines(&writes));
    }

    stage.cluster("es", &stage.connection());
    stage.index_until("stray", "Ready", "True").await;
}

#[tokio::test]
async fn an_endpoint_that_is_dead_or_dies_is_stood_in_for_by_the_next() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("failover", server).await;
    let dead = format!("https://127.0.0.1:{}", crate::common::process::free_port());
    let standby = Proxy::before_elasticsearch(server);
    let mut connection = stage.connection();
    connection["endpoints"] = json!([dead, stage.elasticsearch.url(), standby.url()]);
    stage.cluster("es", &connection);
    let cluster = stage.cluster_until("es", "Ready", "True").await;
    let diagnostics = cluster.status.unwrap().diagnostics;
    let told = diagnostics.iter().any(|it| it.rule == "endpoint" && it.subject.contains(&dead));
    assert!(told, "the dead endpoint is not told: {diagnostics:?}");
    let at_standby = standby.ledger().count(|it| it.path != "/");
    assert_eq!(at_standby, 0, "{}", standby.ledger().text());

    stage.elasticsearch.inject(|_| true, Fault::Cut(crate::common::proxy::Moment::BeforeForward));
    more_polls(&standby, 2).await;
    stage.index("failover", &json!({ "settings": { "number_of_replicas": 0 } }));
    stage.index_until("failover", "Ready", "True").await;
    let cluster = stage.clusters().get("es").await.unwrap();
    assert_eq!(get(&cluster.status.unwrap().conditions, "Ready").status, "True");
    assert_eq!(standby.ledger().writes().len(), 1, "{}", standby.ledger().text());
}

/// `GET /` answers with this change, and the Cluster tells so.
async fn check_product(
    change: impl Fn(&mut Value) + Send + Sync + 'static,
    reason: &str,
    words: &str,
) {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("product", server).await;
    let rewrite = move |body: Vec<u8>| {
        let mut root = serde_json::from_slice(&body).expect("Elasticsearch answers JSON");
        change(&mut root);
        serde_json::to_vec(&root).expect("it was JSON")
    };
    let rule = stage.elasticsearch.inject(|it| it.path == "/", Fault::Rewrite(Arc::new(rewrite)));
    stage.cluster("es", &stage.connection());
    let cluster = stage.cluster_tells("es", "Reachable", "False", reason).await;
    let conditions = cluster.status.unwrap().conditions;
    let message = &get(&conditions, "Reachable").message;
    assert!(message.contains(words), "{message}");
    assert_eq!(get(&conditions, "Stalled").status, "True");
    stage.elasticsearch.remove(rule);
}

#[tokio::test]
async fn opensearch_is_told_to_be_no_elasticsearch() {
    let change = |root: &mut Value| {
        root["version"]["distribution"] = json!("opensearch");
        root["version"]["number"] = json!("2.19.0");
    };
    check_product(change, "NotElasticsearch", "opensearch 2.19.0").await;
}

#[tokio::test]
async fn versions_older_and_newer_than_drover_knows_are_unsupported() {
    for version in ["6.8.23", "10.0.0"] {
        let change = move |root: &mut Value| root["version"]["number"] = json!(version);
        check_product(change, "Unsupported", version).await;
    }
}

#[tokio::test]
async fn a_server_of_another_kind_is_told_to_be_no_elasticsearch() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("kind", server).await;
    let root = server.ok("GET", "/", None).await;
    let nobody = |it: &crate::common::proxy::Entry| match it.path.as_str() {
        "/" => Answer::json(200, &json!({ "hello": "world" })),
        _ => Answer::json(404, &json!({ "error": "no such page" })),
    };
    stage.elasticsearch.inject(|_| true, Fault::Respond(Arc::new(nobody)));
    stage.cluster("es", &stage.connection());
    stage.cluster_tells("es", "Reachable", "False", "NotElasticsearch").await;

    // One that says it is Elasticsearch, without the header that the real one sends.
    stage.elasticsearch.clear_faults();
    stage.elasticsearch.inject(|it| it.path == "/", Fault::Answer(Answer::json(200, &root)));
    stage.cluster("forged", &stage.connection());
    let cluster = stage.cluster_tells("forged", "Reachable", "False", "NotElasticsearch").await;
    let message = get(&cluster.status.unwrap().conditions, "Reachable").message.clone();
    assert!(message.contains("x-elastic-product"), "{message}");
}

#[tokio::test]
async fn an_index_that_is_another_one_by_the_second_write_does_not_get_it() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("between", server).await;
    stage.connect().await;
    let spec = |interval: &str, aliases: Value| {
        let settings = json!({ "number_of_replicas": 0, "refresh_interval": interval });
        json!({ "settings": settings, "aliases": aliases })
    };
    let index = stage.ready_index("between", &spec("5s", json!({}))).await;
    let uuid = index.status.unwrap().uuid.unwrap();
    stage.rest().await;
    stage.elasticsearch.ledger().clear();
    // What is asked before the second write is answered as if the index had been made anew.
    let own = format!("drover/index/{}/between", stage.namespace);
    let is_own = move |it: &Entry| it.opaque_id.as_deref() == Some(&own);
    let is_guard = {
        let is_own = is_own.clone();
        move |it: &Entry| is_own(it) && !it.is_write()
    };
    let asked = AtomicUsize::new(0);
    let second = {
        let is_guard = is_guard.clone();
        move |it: &Entry| is_guard(it) && asked.fetch_add(1, Ordering::SeqCst) == 1
    };
    let another = move |body: Vec<u8>| {
        let text = String::from_utf8(body).unwrap();
        assert!(text.contains(&uuid), "{text}");
        text.replace(&uuid, "AAAAAAAAAAAAAAAAAAAAAA").into_bytes()
    };
    let rule = stage.elasticsearch.inject_times(1, second, Fault::Rewrite(Arc::new(another)));
    stage.ready_index("between", &spec("7s", json!({ "between-alias": {} }))).await;
    assert_eq!(stage.elasticsearch.hits(rule), 1);
    let calls: Vec<String> =
        stage
            .elasticsearch
            .ledger()
            .find(is_own)
            .iter()
            .map(|it| {
                if is_guard(it) { "look".to_owned() } else { format!("{} {}", it.method, it.path) }
            })
            .collect();
    assert_eq!(calls, ["look", "PUT /between/_settings", "look", "look", "POST /_aliases"]);
    let steps = [("settings", "success"), ("aliases", "put_off"), ("aliases", "success")];
    for (step, result) in steps {
        let labels = [&*format!(r#"step="{step}""#), &format!(r#"result="{result}""#)];
        let count = stage.operator.metric("drover_step_total", &labels).await;
        assert!((count - 1.0).abs() < 0.1, "{step} {result}: {count}");
    }
}
