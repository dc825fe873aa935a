//! Of two operators one works, and the other takes over; never do both write.

use std::collections::BTreeSet;

use serde_json::json;

use crate::{
    common::{
        certificates::Authority,
        operator,
        proxy::{Proxy, lines},
        wait::eventually,
    },
    world::{SOON, Stage, elasticsearch},
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
    let (status, _) = stage.operator.stop().await;
    assert_eq!(status, 0);
    // Given back, not run out: at its end nobody holds it, or the other one does already.
    assert_ne!(holder(&stage), first);
    other_holder(&stage, &first).await;
    let spec = json!({ "settings": { "number_of_replicas": 0 } });
    stage.ready_index("handed-over", &spec).await;
}
