//! A Cluster watches one live Elasticsearch.

use k8s_openapi::api::events::v1::Event;
use kube::{Api, api::ListParams};
use serde_json::json;

use crate::{
    common::{
        certificates::Authority,
        paths,
        proxy::{Answer, Entry, Proxy, lines},
        wait::eventually,
    },
    world::{PASSWORD, SOON, Stage, USER, elasticsearch, get, own_elasticsearch},
};

/// The examples that the documentation shows, word for word but for the addresses.
const CLUSTER: &str = include_str!("../../examples/cluster.yaml");
const INDEX: &str = include_str!("../../examples/index.yaml");
const FULL: &str = include_str!("../../examples/full.yaml");
const README: &str = include_str!("../../README.md");

fn is_poll(entry: &Entry) -> bool {
    entry.path.starts_with("/_cluster/state/version")
}

async fn check_examples(version: &'static str) {
    if !paths::runs_here(version) {
        return;
    }
    let server = elasticsearch(version).await;
    let stage = Stage::new("example", server).await;
    let credentials = json!({ "username": USER, "password": PASSWORD });
    stage.secret("elasticsearch-credentials", &credentials);
    stage.apply(&json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": "elasticsearch-ca" },
        "data": { "ca.crt": Authority::shared().pem() },
    }));
    let second = Proxy::before_elasticsearch(server);
    for example in [CLUSTER, INDEX, FULL] {
        let example = example
            .replace("https://localhost:9200", &stage.elasticsearch.url())
            .replace("https://127.0.0.1:9200", &second.url());
        stage.control_plane.apply(&stage.namespace, &example);
    }
    let cluster = stage.cluster_until("main", "Ready", "True").await;
    let status = cluster.status.unwrap();
    let seen = status.elasticsearch.unwrap();
    assert_eq!(seen.version, version);
    assert_eq!(seen.uuid, server.uuid().await);
    assert_eq!((seen.nodes, seen.data_nodes), (1, 1));
    let [node] = status.nodes.as_slice() else { panic!("{:?}", status.nodes) };
    assert_eq!(seen.master.as_deref(), Some(node.name.as_str()));
    assert_eq!(node.version, version);
    assert!(node.roles.iter().any(|it| it == "master"), "{:?}", node.roles);
    assert!(node.heap_percent.is_some() && node.disk_used_percent.is_some(), "{node:?}");
    assert_eq!(get(&status.conditions, "Ready").reason, "AsExpected");
    assert_eq!(status.observed_generation, cluster.metadata.generation);
    let event = stage.event("main", "Connected").await;
    assert!(event.contains(&seen.name), "{event}");

    stage.cluster_until("shop", "Ready", "True").await;
    for (object, public) in [("books", "books"), ("orders", "orders-2026"), ("events", "events")] {
        stage.index_until(object, "Ready", "True").await;
        assert!(server.index(public).await.is_some(), "{public} is not there");
    }
    let applied = stage.clusters().list(&ListParams::default()).await.unwrap().items.len()
        + stage.indices().list(&ListParams::default()).await.unwrap().items.len();
    assert_eq!(applied, 5, "an object of the examples that is not looked at here");
    for proxy in [&stage.elasticsearch, &second] {
        let refused = proxy.ledger().find(|it| it.status() == Some(403));
        assert!(refused.is_empty(), "the documented role is too small:\n{}", lines(&refused));
    }
}

#[tokio::test]
async fn every_example_goes_to_ready_on_7() {
    check_examples("7.17.29").await;
}

#[tokio::test]
async fn every_example_goes_to_ready_on_8() {
    check_examples("8.19.0").await;
}

#[tokio::test]
async fn every_example_goes_to_ready_on_9() {
    check_examples("9.2.0").await;
}

#[test]
fn the_readme_shows_the_smallest_examples_as_they_are() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .filter(|it| std::path::Path::new(it).extension().is_some_and(|it| it == "yaml"))
        .collect();
    files.sort();
    let tested = [
        "cluster.yaml",
        "container-manager.yaml",
        "full.yaml",
        "host.yaml",
        "index.yaml",
        "managed.yaml",
        "network-flannel.yaml",
        "network.yaml",
    ];
    assert_eq!(files, tested, "an example without a test");
    let bare = |text: &str| {
        let lines = text.lines().filter(|it| !it.trim_start().starts_with('#'));
        lines.collect::<Vec<_>>().join("\n")
    };
    let shown = README.split("```yaml\n").nth(1).and_then(|it| it.split("\n```").next());
    assert_eq!(shown.unwrap(), format!("{}\n---\n{}", bare(CLUSTER), bare(INDEX)));
}

#[tokio::test]
async fn a_cluster_at_rest_costs_one_small_request_per_poll_over_a_kept_connection() {
    let server = own_elasticsearch().await;
    let stage = Stage::new("rest", &server).await;
    stage.cluster("es", &json!({ "endpoints": [stage.elasticsearch.url()] }));
    stage.cluster_until("es", "Ready", "True").await;
    let ledger = stage.elasticsearch.ledger();
    let polls = 15;
    eventually("Elasticsearch stands still for a while", SOON, async || {
        let version =
            || async { server.ok("GET", "/_cluster/state/version", None).await["version"].clone() };
        let before = version().await;
        // Whatever the last change made Drover read is over with two more polls.
        let wait = async |count| {
            eventually("polls go on", SOON, async || match ledger.count(is_poll) {
                seen if count <= seen => Ok(()),
                seen => Err(format!("{seen} polls")),
            })
            .await;
        };
        ledger.clear();
        wait(2).await;
        ledger.clear();
        stage.kubernetes.ledger().clear();
        let connections = stage.elasticsearch.connections().accepted;
        wait(polls).await;
        if version().await != before {
            return Err("the cluster state moved".to_owned());
        }
        let others = ledger.find(|it| !is_poll(it));
        assert!(others.is_empty(), "at rest:\n{}", lines(&others));
        let writes = stage.kubernetes.ledger().writes();
        assert!(writes.is_empty(), "written at rest:\n{}", lines(&writes));
        let opened = stage.elasticsearch.connections().accepted - connections;
        assert_eq!(opened, 0, "connections for {polls} polls");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn proxies_from_the_environment_are_not_used() {
    let sink = Proxy::scripted(None, |_| Answer::empty(502));
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::with("proxies", server, |mut it| {
        for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
            it = it.environment(name, &sink.url());
        }
        it
    })
    .await;
    stage.connect().await;
    assert_eq!(sink.connections().accepted, 0, "{}", sink.ledger().text());
}

#[tokio::test]
async fn deleting_a_cluster_touches_nothing_in_elasticsearch_and_ends_its_metrics() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("delete", server).await;
    stage.connect().await;
    let labels = format!(r#"{{namespace="{}",name="es"}}"#, stage.namespace);
    let metrics = stage.operator.metrics().await;
    let ready = format!("drover_cluster_ready{labels}");
    assert_eq!(metrics.get(&ready), Some(&1.0), "{ready}: {metrics:#?}");
    let expiry = format!("drover_cluster_certificate_expiry_timestamp_seconds{labels}");
    let expires = metrics.get(&expiry).unwrap_or_else(|| panic!("{expiry}: {metrics:#?}"));
    assert!(1_700_000_000.0 < *expires, "{expires}");
    let of_it = |it: &str| it.contains(r#"name="es""#) && it.starts_with("drover_cluster_");
    assert!(metrics.keys().any(|it| it.starts_with("drover_cluster_health{")), "{metrics:#?}");

    stage.delete_cluster("es").await;
    stage.cluster_gone("es").await;
    let writes = stage.elasticsearch.ledger().writes();
    assert!(writes.is_empty(), "{}", lines(&writes));
    eventually("the metrics of the Cluster are gone", SOON, async || {
        let metrics = stage.operator.metrics().await;
        let left: Vec<_> = metrics.keys().filter(|it| of_it(it)).cloned().collect();
        if left.is_empty() { Ok(()) } else { Err(left.join("\n")) }
    })
    .await;
}

#[tokio::test]
async fn a_deleted_cluster_stays_until_its_indices_are_deleted_as_they_ask() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("last", server).await;
    stage.connect().await;
    let spec = json!({ "deletionPolicy": "Delete", "settings": { "number_of_replicas": 0 } });
    stage.index("outlived", &spec);
    stage.index_until("outlived", "Ready", "True").await;

    stage.delete_cluster("es").await;
    let cluster = stage.cluster_tells("es", "Ready", "False", "Deleting").await;
    let message = get(&cluster.status.unwrap().conditions, "Ready").message.clone();
    assert!(message.contains("outlived"), "{message}");
    assert!(server.index("outlived").await.is_some(), "deleted with its Cluster");

    stage.delete_index("outlived").await;
    stage.cluster_gone("es").await;
    assert!(server.index("outlived").await.is_none(), "its Index asked for deletion");
}

/// All that people can see of what Drover does in a stage.
async fn everything_told(stage: &Stage) -> String {
    let clusters = stage.clusters().list(&ListParams::default()).await.unwrap();
    let events: Api<Event> = Api::namespaced(stage.client.clone(), &stage.namespace);
    let events = events.list(&ListParams::default()).await.unwrap();
    let (_, metrics) = stage.operator.get("/metrics").await.unwrap();
    let clusters = serde_json::to_string(&clusters).unwrap();
    let events = serde_json::to_string(&events).unwrap();
    format!("{clusters}\n{events}\n{metrics}\n{}", stage.operator.log())
}

#[tokio::test]
async fn no_secret_turns_up_in_log_events_status_or_metrics_even_at_trace() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::with("secrets", server, |it| it.environment("DROVER_LOG", "trace")).await;
    stage.connect().await;
    let sent = |it: &Entry| it.authorization.clone().unwrap_or_default();
    let header = sent(stage.elasticsearch.ledger().all().first().expect("a request"));
    let encoded = header.strip_prefix("Basic ").expect("basic credentials").to_owned();

    // A server that sends back what it got, in words of its own.
    let echo = move |entry: &Entry| {
        let reason = format!("{PASSWORD} {}", sent(entry));
        Answer::elasticsearch_error(401, "security_exception", &reason)
    };
    let fault = crate::common::proxy::Fault::Respond(std::sync::Arc::new(echo));
    stage.elasticsearch.inject(|_| true, fault);
    stage.cluster_tells("es", "Authenticated", "False", "AuthenticationFailed").await;
    stage.event("es", "AuthenticationFailed").await;
    stage.secret("broken", &json!({ "token": format!("{PASSWORD} with a blank") }));
    let mut connection = stage.connection();
    connection["auth"] = json!({ "bearer": { "secretName": "broken" } });
    stage.cluster("broken", &connection);
    stage.cluster_tells("broken", "ResolvedRefs", "False", "InvalidContent").await;

    let told = everything_told(&stage).await;
    assert!(told.contains("request sent"), "the log is not at trace");
    for secret in [PASSWORD, encoded.as_str()] {
        let line = told.lines().find(|it| it.contains(secret));
        assert_eq!(line, None, "the secret {secret} is told");
    }
}
