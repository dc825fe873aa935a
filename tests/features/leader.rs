//! Of two operators one works, and the other takes over; never do both write. Asked to end, one
//! finishes the step in hand, begins no other, and gives the Lease back.

use std::{collections::BTreeSet, time::Duration};

use serde_json::json;

use crate::{
    common::{
        certificates::Authority,
        operator,
        proxy::{Entry, Fault, Outcome, Proxy, RuleId, lines},
        wait::eventually,
    },
    world::{SOON, Stage, calls, elasticsearch, uuid},
};

/// Who holds the Lease of the stage.
fn holder(stage: &Stage) -> String {
    let lease = stage.control_plane.get(&stage.namespace, "lease", "drover").unwrap_or_default();
    lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
}

/// A second operator for the stage, with a proxy of its own before the API server.
fn second(stage: &Stage) -> (operator::Operator, Proxy) {
    let proxy = Proxy::before_kubernetes(stage.control_plane);
    let mut kubeconfig = stage.control_plane.kubeconfig().at(&proxy.url());
    kubeconfig.authority = Authority::shared().file();
    (operator::Settings::new(&kubeconfig, &stage.namespace).launch(), proxy)
}

/// Waits until the rule has struck.
async fn struck(stage: &Stage, rule: RuleId) {
    eventually("the write arrives", SOON, async || {
        if 0 < stage.elasticsearch.hits(rule) { Ok(()) } else { Err("not yet") }
    })
    .await;
}

/// Whether the Lease is there, and nobody holds it.
fn is_given_back(stage: &Stage) -> bool {
    stage.control_plane.get(&stage.namespace, "lease", "drover").is_some()
        && holder(stage).is_empty()
}

/// What the operator tells of itself: 1 while it leads.
async fn leading(operator: &operator::Operator) -> Option<f64> {
    operator.metrics().await.get("drover_leader").copied()
}

async fn other_holder(stage: &Stage, before: &str) -> String {
    eventually("another operator holds the Lease", SOON, async || {
        let now = holder(stage);
        if now.is_empty() || now == before { Err(now) } else { Ok(now) }
    })
    .await
}

#[tokio::test]
async fn a_leader_that_slept_past_its_lease_writes_nothing_more_and_ends() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("sleeper", server).await;
    stage.connect().await;
    let spec = |interval: &str| json!({ "settings": { "number_of_replicas": 0, "refresh_interval": interval } });
    stage.ready_index("led", &spec("5s")).await;
    stage.rest().await;
    let first = holder(&stage);
    let (standby, standby_kubernetes) = second(&stage);
    standby.ready().await;
    stage.operator.freeze();
    // Its connections until now; whoever takes over has others.
    let old: BTreeSet<u64> =
        stage.elasticsearch.ledger().all().iter().map(|it| it.connection).collect();
    // Work that it will find when it wakes.
    stage.index("led", &spec("9s"));
    let next = other_holder(&stage, &first).await;
    let since = stage.kubernetes.ledger().all().len();
    let known = stage.elasticsearch.ledger().all().len();
    stage.operator.thaw();
    let status = stage.operator.ended(SOON).await;
    assert_ne!(status, 0, "it lost the Lease");
    stage.index_until("led", "Ready", "True").await;
    assert_eq!(holder(&stage), next);
    let written: Vec<_> = stage.kubernetes.ledger().all().split_off(since);
    let written: Vec<_> =
        written.into_iter().filter(|it| it.is_write() && !it.is_lease()).collect();
    assert!(written.is_empty(), "{}", lines(&written));
    let sent = stage.elasticsearch.ledger().all().split_off(known);
    let sent: Vec<_> =
        sent.into_iter().filter(|it| it.is_write() && old.contains(&it.connection)).collect();
    assert!(sent.is_empty(), "{}", lines(&sent));
    let live = server.index("led").await.unwrap();
    assert_eq!(live["settings"]["index"]["refresh_interval"], "9s");
    assert!(!standby_kubernetes.ledger().writes().is_empty());
}

#[tokio::test]
async fn a_leader_that_is_asked_to_end_gives_the_lease_back() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("handover", server).await;
    stage.connect().await;
    let first = holder(&stage);
    let (standby, standby_kubernetes) = second(&stage);
    standby.ready().await;
    assert!(standby_kubernetes.ledger().writes().is_empty(), "it stands by");
    assert_eq!(leading(&stage.operator).await, Some(1.0));
    assert_eq!(leading(&standby).await, Some(0.0));
    let (status, _) = stage.operator.stop().await;
    assert_eq!(status, 0);
    // Given back, not run out: at its end nobody holds it, or the other one does already.
    assert_ne!(holder(&stage), first);
    other_holder(&stage, &first).await;
    let spec = json!({ "settings": { "number_of_replicas": 0 } });
    stage.ready_index("handed-over", &spec).await;
    assert_eq!(leading(&standby).await, Some(1.0));
}

#[tokio::test]
async fn a_write_in_hand_is_finished_before_the_end() {
    let server = elasticsearch("8.19.0").await;
    let mut stage = Stage::new("in-hand", server).await;
    stage.connect().await;
    let is_create = |it: &Entry| it.method == "PUT" && it.path.starts_with("/in-hand");
    let slow = stage.elasticsearch.inject(is_create, Fault::Delay(Duration::from_secs(3)));
    let spec = json!({ "settings": { "number_of_replicas": 0 } });
    stage.index("in-hand", &spec);
    struck(&stage, slow).await;
    let ((status, _), ()) = tokio::join!(stage.operator.stop(), async {
        stage.operator.logged("asked to stop", SOON).await;
        let writes = stage.elasticsearch.ledger().writes();
        assert_eq!(writes.len(), 1, "{}", lines(&writes));
        assert_eq!(writes[0].outcome, Outcome::Pending, "it came too late to be in hand");
        stage.index("in-hand-later", &spec);
    });
    assert_eq!(status, 0);
    let writes = stage.elasticsearch.ledger().writes();
    assert_eq!(calls(&writes), ["PUT /in-hand"], "a step was begun after the wish to stop");
    assert_eq!(writes[0].outcome, Outcome::Answered(200));
    assert!(is_given_back(&stage), "{}", holder(&stage));
    // The next process finds it as its own, and goes on.
    let made = uuid(&server.index("in-hand").await.expect("it was made"));
    stage.elasticsearch.clear_faults();
    stage.operator.restart().await;
    let index = stage.index_until("in-hand", "Ready", "True").await;
    assert_eq!(index.status.unwrap().uuid, Some(made));
    stage.index_until("in-hand-later", "Ready", "True").await;
    assert_eq!(
        calls(&stage.elasticsearch.ledger().writes()),
        ["PUT /in-hand", "PUT /in-hand-later"]
    );
}

#[tokio::test]
async fn a_write_that_hangs_does_not_keep_the_process() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("hangs", server).await;
    let mut connection = stage.connection();
    // Whatever waits for this write waits longer than `stop` does.
    connection["timeout"] = json!("5m");
    stage.cluster("es", &connection);
    stage.cluster_until("es", "Ready", "True").await;
    let held = stage.elasticsearch.inject(Entry::is_write, Fault::Hold);
    stage.index("hangs", &json!({ "settings": { "number_of_replicas": 0 } }));
    struck(&stage, held).await;
    let (status, _) = stage.operator.stop().await;
    assert_eq!(status, 0);
    assert_eq!(stage.elasticsearch.hits(held), 1, "tried again at the end");
    assert!(is_given_back(&stage), "{}", holder(&stage));
}
