//! What the operator asks and writes when nothing happens, and when one thing does: counted by
//! proxies before both servers. The Elasticsearch is its own, since any change wakes the poller.

use std::time::Duration;

use serde_json::json;

use crate::{
    common::{
        proxy::{Entry, lines},
        soak,
        wait::{eventually, holds},
    },
    world::{Stage, calls, secured},
};

const OBJECTS: usize = 50;
/// For making them on a machine where other clusters start at the time: each that Elasticsearch has no time for is asked for
/// again, ever more slowly.
const MAKING: Duration = Duration::from_mins(4);

fn is_poll(entry: &Entry) -> bool {
    entry.method == "GET" && entry.path == "/_cluster/state/version,master_node"
}

/// Empties both ledgers.
fn clear(stage: &Stage) {
    stage.elasticsearch.ledger().clear();
    stage.kubernetes.ledger().clear();
}

fn name(number: usize) -> String {
    format!("ledger-{number:02}")
}

/// All in one call of kubectl.
fn manifest() -> serde_json::Value {
    let index = |number: usize| {
        json!({
            "apiVersion": "drover.dev/v1alpha1",
            "kind": "Index",
            "metadata": { "name": name(number) },
            "spec": {
                "clusterRef": { "name": "es" },
                "settings": { "number_of_replicas": 0, "refresh_interval": "60s" },
                "mappings": { "properties": { "t": { "type": "text" } } },
                "aliases": { format!("alias-{number:02}"): {} },
            },
        })
    };
    let items: Vec<_> = (0..OBJECTS).map(index).collect();
    json!({ "apiVersion": "v1", "kind": "List", "items": items })
}

/// The status of every object.
async fn statuses(stage: &Stage) -> Vec<serde_json::Value> {
    let all = kube::api::ListParams::default();
    let clusters = stage.clusters().list(&all).await.unwrap();
    let indices = stage.indices().list(&all).await.unwrap();
    let clusters = clusters.iter().map(|it| serde_json::to_value(&it.status).unwrap());
    clusters.chain(indices.iter().map(|it| serde_json::to_value(&it.status).unwrap())).collect()
}

/// Waits until nothing is left to do, and then sees that for a while nothing is done: no write but
/// the Lease, no read of the API server but watches, and of Elasticsearch only its version.
async fn rests(stage: &Stage) {
    let span = Duration::from_secs(if soak() { 60 } else { 10 });
    clear(stage);
    holds("the operator rests", span, async || {
        let kubernetes = stage.kubernetes.ledger().find(|it| !it.is_lease() && !it.is_watch());
        let elasticsearch = stage.elasticsearch.ledger().find(|it| !is_poll(it));
        if kubernetes.is_empty() && elasticsearch.is_empty() {
            Ok(())
        } else {
            Err(format!("{}\n{}", lines(&kubernetes), lines(&elasticsearch)))
        }
    })
    .await;
    let polls = stage.elasticsearch.ledger().count(is_poll);
    assert!(polls > 0, "the poller has stopped");
}

/// "One change costs one write and at most one read" is meant of the object's own reconcile, by
/// whose name Elasticsearch is asked. That write moves the version of the cluster's state like
/// anybody's does, so the poller looks once at what that may have moved, health and the index, and
/// this is what is held here: each of its questions once, however often it polls.
fn follow_ups_are_made_once(stage: &Stage) {
    let poller = format!("drover/poll/{}/es", stage.namespace);
    let asked = stage
        .elasticsearch
        .ledger()
        .find(|it| it.opaque_id.as_deref() == Some(&poller) && !is_poll(it));
    let mut once = calls(&asked);
    once.sort();
    once.dedup();
    assert_eq!(once.len(), asked.len(), "asked twice:\n{}", lines(&asked));
    assert!(!asked.is_empty(), "the poller did not see the change");
}

#[tokio::test]
async fn fifty_indices_at_rest_cost_one_small_question_and_one_change_costs_one_write() {
    let server = secured("8.19.0").start().await;
    let interval = if soak() { "10s" } else { "1s" };
    let mut stage = Stage::with("ledger", &server, |it| it.flag("--poll-interval", interval)).await;
    stage.connect().await;
    stage.apply(&manifest());
    let all_ready = async |stage: &Stage| {
        let api = stage.indices();
        eventually("all Indices are Ready", MAKING, async || {
            let list = api.list(&kube::api::ListParams::default()).await;
            let list = list.map_err(|it| it.to_string())?;
            let ready = list.iter().filter(|it| {
                let status = it.status.as_ref();
                let conditions = status.map(|it| it.conditions.as_slice()).unwrap_or_default();
                drover::api::condition::is_true(conditions, "Ready")
            });
            let count = ready.count();
            if count == OBJECTS { Ok(()) } else { Err(format!("{count} are")) }
        })
        .await;
    };
    all_ready(&stage).await;
    stage.rest().await;
    // A server that had no time for one is asked again.
    let creations =
        stage.elasticsearch.ledger().find(|it| it.is_write() && it.status() == Some(200));
    assert_eq!(creations.len(), OBJECTS, "{}", lines(&creations));
    rests(&stage).await;

    // A restart reads everything again, and writes nothing to anybody.
    let before = statuses(&stage).await;
    clear(&stage);
    let (status, _) = stage.operator.stop().await;
    assert_eq!(status, 0);
    stage.operator.restart().await;
    stage.rest().await;
    for (was, is) in before.iter().zip(statuses(&stage).await) {
        assert_eq!(is, *was);
    }
    let writes =
        [stage.kubernetes.ledger().writes(), stage.elasticsearch.ledger().writes()].concat();
    assert!(writes.is_empty(), "{}", lines(&writes));
    rests(&stage).await;

    // One change of one spec.
    clear(&stage);
    let settings = json!({ "number_of_replicas": 0, "refresh_interval": "90s" });
    let changed = name(7);
    let spec = json!({
        "settings": settings,
        "mappings": { "properties": { "t": { "type": "text" } } },
        "aliases": { "alias-07": {} },
    });
    stage.ready_index(&changed, &spec).await;
    stage.rest().await;
    let caller = format!("drover/index/{}/{changed}", stage.namespace);
    let own = stage.elasticsearch.ledger().find(|it| it.opaque_id.as_deref() == Some(&caller));
    let (writes, reads): (Vec<Entry>, Vec<Entry>) = own.into_iter().partition(Entry::is_write);
    assert_eq!(calls(&writes), [format!("PUT /{changed}/_settings")]);
    assert!(reads.len() <= 1, "{}", lines(&reads));
    follow_ups_are_made_once(&stage);
    let all = stage.elasticsearch.ledger().writes();
    assert_eq!(all.len(), 1, "{}", lines(&all));
    assert_eq!(stage.index_statuses(&changed).len(), 1);
    let is_event = |it: &Entry| it.path.starts_with("/apis/events.k8s.io/");
    let others = stage.kubernetes.ledger().writes();
    let others: Vec<Entry> = others
        .into_iter()
        .filter(|it| !is_event(it) && !it.path.contains(&format!("/{changed}/status")))
        .collect();
    // The cluster's own status may tell of it, no other Index's.
    let others: Vec<Entry> =
        others.into_iter().filter(|it| it.path.contains("/indices/")).collect();
    assert!(others.is_empty(), "{}", lines(&others));
    rests(&stage).await;
}
