//! What a Cluster tells of an Elasticsearch that answers badly, late, or not at all: the right
//! condition and reason, the last good figures kept, and recovery by itself.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use crate::{
    common::{
        proxy::{Answer, Entry, Fault, Moment, Payload, Proxy, lines},
        wait::eventually,
    },
    world::{SOON, Stage, elasticsearch, get},
};
use drover::api::cluster_status::{ElasticsearchStatus, Health};

/// One fault, and the condition that it makes False, with its reason.
struct Case {
    name: &'static str,
    fault: Fault,
    condition: &'static str,
    reason: &'static str,
}

fn case(name: &'static str, fault: Fault, condition: &'static str, reason: &'static str) -> Case {
    Case { name, fault, condition, reason }
}

fn payload(body: Payload) -> Fault {
    let answer = Answer::payload(200, body).header("content-type", "application/json");
    Fault::Answer(answer.header("x-elastic-product", "Elasticsearch"))
}

fn refusal(status: u16, kind: &str, reason: &str) -> Fault {
    Fault::Answer(Answer::elasticsearch_error(status, kind, reason))
}

/// Each fault in turn strikes every request of a Cluster that was Ready before.
async fn check(stage: &Stage, cases: Vec<Case>) {
    let mut connection = stage.connection();
    connection["timeout"] = json!("2s");
    stage.cluster("es", &connection);
    for Case { name, fault, condition, reason } in cases {
        let before = stage.cluster_until("es", "Ready", "True").await;
        let before = before.status.unwrap();
        let rule = stage.elasticsearch.inject(|_| true, fault);
        let cluster = stage.cluster_tells("es", condition, "False", reason).await;
        let status = cluster.status.unwrap();
        assert_eq!(get(&status.conditions, "Ready").reason, reason, "{name}");
        let last = before.elasticsearch.expect("it was Ready");
        let seen = status.elasticsearch.expect("it was seen");
        let figures = |it: ElasticsearchStatus| ElasticsearchStatus {
            health: Health::Unknown,
            last_health: None,
            // Other tests fill the same Elasticsearch.
            shards: drover::api::cluster_status::Shards::default(),
            active_shards_percent: 0,
            pending_tasks: 0,
            indices: 0,
            documents: 0,
            store_bytes: 0,
            ..it
        };
        assert_eq!(seen.health, Health::Unknown, "{name}");
        assert_eq!(figures(seen), figures(last), "{name}");
        assert_eq!(status.nodes.len(), 1, "{name}");
        assert!(0 < stage.elasticsearch.hits(rule), "{name}");
        stage.elasticsearch.remove(rule);
    }
    stage.cluster_until("es", "Ready", "True").await;
    let writes = stage.elasticsearch.ledger().writes();
    assert!(writes.is_empty(), "{}", lines(&writes));
}

#[tokio::test]
async fn an_elasticsearch_that_says_no_is_told_as_it_says() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("answers", server).await;
    let elsewhere = Proxy::scripted(None, |_| Answer::json(200, &json!({})));
    let redirect = Answer::empty(302).header("location", &elsewhere.url());
    let html = Answer::html(200, "<html><body>Log in</body></html>");
    let trips = "[parent] Data too large, would be [70/60]";
    let no_master = "none elected within the timeout";
    let cases = vec![
        case(
            "401",
            refusal(401, "security_exception", "unable to authenticate user"),
            "Authenticated",
            "AuthenticationFailed",
        ),
        case(
            "403",
            refusal(403, "security_exception", "action [cluster:monitor/state] is unauthorized"),
            "Authenticated",
            "PrivilegeMissing",
        ),
        case(
            "429",
            refusal(429, "circuit_breaking_exception", trips),
            "Available",
            "TooManyRequests",
        ),
        case(
            "503",
            refusal(503, "master_not_discovered_exception", no_master),
            "Available",
            "Unavailable",
        ),
        case("500", refusal(500, "null_pointer_exception", "oh"), "Available", "Unavailable"),
        case("HTML", Fault::Answer(html), "Reachable", "UnexpectedAnswer"),
        case("302", Fault::Answer(redirect), "Reachable", "UnexpectedAnswer"),
    ];
    check(&stage, cases).await;
    assert_eq!(elsewhere.connections().accepted, 0, "the redirect was followed");
}

#[tokio::test]
async fn an_elasticsearch_that_never_served_yet_is_told_with_the_cause_in_ready() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("never", server).await;
    let fault = refusal(503, "master_not_discovered_exception", "none elected");
    stage.elasticsearch.inject(|_| true, fault);
    stage.cluster("es", &stage.connection());
    let cluster = stage.cluster_tells("es", "Ready", "False", "Unavailable").await;
    let status = cluster.status.unwrap();
    let message = &get(&status.conditions, "Ready").message;
    assert!(message.contains("none elected"), "{message}");
    assert_eq!(get(&status.conditions, "IdentityMatches").status, "Unknown");
    assert_eq!(status.elasticsearch, None, "nothing was seen of it");

    stage.elasticsearch.clear_faults();
    stage.cluster_until("es", "Ready", "True").await;
}

#[tokio::test]
async fn bodies_that_are_huge_or_endless_cost_no_memory() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("bodies", server).await;
    stage.connect().await;
    let before = stage.operator.peak_memory();
    let cases = vec![
        case("200 MB", payload(Payload::Spaces(200_000_000)), "Reachable", "UnexpectedAnswer"),
        case("endless", payload(Payload::Endless), "Reachable", "UnexpectedAnswer"),
        case(
            "200 MB of error",
            Fault::Answer(Answer::payload(503, Payload::Spaces(200_000_000))),
            "Available",
            "Unavailable",
        ),
        case(
            "a byte a second",
            payload(Payload::Trickle(vec![b' '; 60].into(), Duration::from_secs(1))),
            "Reachable",
            "Unreachable",
        ),
    ];
    check(&stage, cases).await;
    let more = stage.operator.peak_memory() - before;
    // One answer's limit is 16 MiB; the buffer doubles as it grows.
    assert!(more < 64 << 20, "{more} bytes more for bodies that are thrown away");
}

#[tokio::test]
async fn one_index_that_is_more_than_drover_reads_keeps_back_no_other() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("large", server).await;
    stage.connect().await;
    let spec = json!({ "settings": { "number_of_replicas": 0, "refresh_interval": "5s" } });
    for name in ["large-a", "large-b", "large-c"] {
        stage.ready_index(name, &spec).await;
    }
    let is_body = |it: &Entry| {
        it.method == "GET" && it.path.contains("large-b") && !it.path.starts_with("/_")
    };
    let rule = stage.elasticsearch.inject(is_body, payload(Payload::Spaces(20_000_000)));
    let by_hand = json!({ "index.refresh_interval": "7s" });
    server.ok("PUT", "/large-*/_settings", Some(&by_hand)).await;
    let message = stage.index_reason("large-b", "Synced", "TooLarge").await;
    assert!(message.contains("large-b") && message.contains("16 MiB"), "{message}");
    for name in ["large-a", "large-c"] {
        stage.event(name, "DriftCorrected").await;
        stage.index_until(name, "Ready", "True").await;
    }
    stage.cluster_until("es", "Ready", "True").await;
    assert_eq!(stage.index_writes("large-b").len(), 1, "made, and left since");
    // While nothing of it moves it is not read again, whatever else does.
    stage.rest().await;
    let before = stage.elasticsearch.hits(rule);
    server.ok("PUT", "/large-nudge", Some(&json!({}))).await;
    stage.polls(3).await;
    assert_eq!(stage.elasticsearch.hits(rule), before);
    stage.elasticsearch.remove(rule);
    server.ok("PUT", "/large-b/_settings", Some(&json!({ "index.refresh_interval": "8s" }))).await;
    stage.index_until("large-b", "Ready", "True").await;
}

#[tokio::test]
async fn connections_that_break_or_hang_are_told_as_unreachable() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("broken", server).await;
    let cases = vec![
        case("cut before", Fault::Cut(Moment::BeforeForward), "Reachable", "Unreachable"),
        case("cut after", Fault::Cut(Moment::AfterAnswer), "Reachable", "Unreachable"),
        case("cut within", Fault::Cut(Moment::MidBody), "Reachable", "UnexpectedAnswer"),
        case("held", Fault::Hold, "Reachable", "Unreachable"),
    ];
    check(&stage, cases).await;
    stage.elasticsearch.freeze();
    stage.cluster_tells("es", "Reachable", "False", "Unreachable").await;
    stage.event("es", "ConnectionLost").await;
    stage.elasticsearch.thaw();
    stage.cluster_until("es", "Ready", "True").await;
}

#[tokio::test]
async fn one_answer_that_fails_on_its_way_turns_no_condition() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("passing", server).await;
    stage.connect().await;
    stage.ready_index("passing", &json!({ "settings": { "number_of_replicas": 0 } })).await;
    stage.rest().await;
    let is_poll = |it: &Entry| it.path.starts_with("/_cluster/state/version");
    let proxy_is_away = Fault::Answer(Answer::html(503, "<html>Try again</html>"));
    // A read is tried on a fresh connection by itself: only two in a row make a poll fail.
    for (times, fault) in [(1, proxy_is_away), (2, Fault::Cut(Moment::BeforeForward))] {
        let rule = stage.elasticsearch.inject_times(times, is_poll, fault.clone());
        stage.polls(4).await;
        assert_eq!(stage.elasticsearch.hits(rule), times, "{fault:?}");
        stage.elasticsearch.remove(rule);
    }
    let told = stage.index_statuses("passing");
    let unreachable =
        |it: &serde_json::Value| it.to_string().contains(r#""reason":"ClusterNotReady""#);
    assert!(!told.iter().any(unreachable), "{told:#?}");
    assert_eq!(stage.events("es", "ConnectionLost").await, 0);
}

#[tokio::test]
async fn a_connection_that_the_server_closed_while_idle_is_no_fault() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("idle", server).await;
    stage.connect().await;
    let answers = async || {
        let name = "drover_elasticsearch_requests_total";
        stage.operator.metric(name, &[r#"code_class="2xx""#]).await
    };
    for _ in 0..5 {
        let before = answers().await;
        stage.elasticsearch.cut_connections();
        eventually("Drover asks again and is answered", SOON, async || {
            let after = answers().await;
            if before < after { Ok(()) } else { Err(format!("{after} answers")) }
        })
        .await;
    }
    stage.cluster_until("es", "Ready", "True").await;
    let lost = stage.events("es", "ConnectionLost").await;
    assert_eq!(lost, 0, "a closed idle connection was told as a lost Elasticsearch");
}

#[tokio::test]
async fn a_cluster_that_hangs_does_not_delay_the_objects_of_others() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("neighbours", server).await;
    let healthy = Proxy::before_elasticsearch(server);
    let mut connection = stage.connection();
    // Whatever waits for the hung one waits longer than this test.
    connection["timeout"] = json!("5m");
    stage.cluster("es", &connection);
    stage.cluster_until("es", "Ready", "True").await;
    let is_write = |it: &Entry| it.is_write();
    let held = stage.elasticsearch.inject(is_write, Fault::Hold);
    let spec = json!({ "settings": { "number_of_replicas": 0 } });
    for number in 0..24 {
        stage.index(&format!("neighbours-hung-{number}"), &spec);
    }
    eventually("the hung one has its hands full", SOON, async || {
        match stage.elasticsearch.hits(held) {
            hits if hits < 4 => Err(format!("{hits} writes are held")),
            _ => Ok(()),
        }
    })
    .await;
    stage.elasticsearch.freeze();

    connection["endpoints"] = json!([healthy.url()]);
    stage.cluster("healthy", &connection);
    let mut spec = spec;
    spec["clusterRef"] = json!({ "name": "healthy" });
    stage.index("neighbours-healthy", &spec);
    stage.cluster_until("healthy", "Ready", "True").await;
    stage.index_until("neighbours-healthy", "Ready", "True").await;
    let writes = stage.elasticsearch.ledger().writes();
    assert!(
        writes.len() <= 4,
        "more writes at once than one cluster may have:\n{}",
        lines(&writes)
    );
    stage.elasticsearch.thaw();
}

#[tokio::test]
async fn an_elasticsearch_that_asks_for_patience_is_left_alone_so_long() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("patience", server).await;
    stage.connect().await;
    let busy = |_: &Entry| {
        Answer::elasticsearch_error(429, "es_rejected_execution_exception", "the queue is full")
            .header("retry-after", "4")
    };
    let rule = stage.elasticsearch.inject(|_| true, Fault::Respond(Arc::new(busy)));
    stage.cluster_tells("es", "Available", "False", "TooManyRequests").await;
    eventually("Drover tries again", SOON, async || match stage.elasticsearch.hits(rule) {
        hits if hits < 3 => Err(format!("{hits} requests")),
        _ => Ok(()),
    })
    .await;
    let refused = stage.elasticsearch.ledger().find(|it| it.status() == Some(429));
    for two in refused.windows(2) {
        let gap = two[1].at - two[0].at;
        // A slow machine only makes it longer.
        assert!(gap.as_millis() >= 3600, "asked again after {gap:?}");
    }
    stage.elasticsearch.remove(rule);
    stage.cluster_until("es", "Ready", "True").await;
}
