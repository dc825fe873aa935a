//! SIGKILL before and after every external write: the restart ends where an undisturbed run ends.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::{
    common::{
        elasticsearch::Elasticsearch,
        paths::say,
        proxy::{Entry, Moment, Proxy},
        soak,
        wait::eventually,
    },
    world::{SOON, Stage, elasticsearch, uuid},
};

/// The crash points that this run of the tests has reached.
static TOTAL: AtomicUsize = AtomicUsize::new(0);

/// What is done to one Index, and when it is over.
struct Scenario {
    name: &'static str,
    /// The index that somebody else made before, if there is one.
    foreign: Option<Value>,
    /// The spec before, if there is one.
    before: Option<Value>,
    /// Documents in the index before.
    documents: usize,
    /// The spec that is applied; nothing for a deletion.
    change: Option<Value>,
}

/// Where a run ended, in words that are the same for every run.
#[derive(Debug, PartialEq)]
struct End {
    status: Option<Value>,
    index: Option<Value>,
    documents: Value,
}

/// A write for this Index, to either server. What is written for the Cluster meanwhile, which tells
/// of all that the shared Elasticsearch holds, is none of the run.
fn is_for(index: &str) -> impl Fn(&Entry) -> bool + Send + Sync + Clone + use<> {
    let index = index.to_owned();
    move |it| {
        let segment = it.path.split('/').any(|it| it == index);
        let caller = it.opaque_id.as_ref().is_some_and(|it| it.ends_with(&format!("/{index}")));
        let event = it.path.contains("/events") && it.json()["regarding"]["name"] == index.as_str();
        it.is_write() && !it.is_lease() && (segment || caller || event)
    }
}

impl Scenario {
    /// Prepares the index of one run.
    async fn prepare(&self, stage: &Stage, server: &Elasticsearch, index: &str) {
        if let Some(foreign) = &self.foreign {
            server.ok("PUT", &format!("/{index}"), Some(foreign)).await;
        }
        if let Some(before) = &self.before {
            stage.ready_index(index, before).await;
        }
        for document in 0..self.documents {
            let path = format!("/{index}/_doc/{document}");
            server.ok("PUT", &path, Some(&json!({ "t": document }))).await;
        }
        if self.before.is_some() {
            stage.rest().await;
        }
    }

    async fn begin(&self, stage: &Stage, index: &str) {
        match &self.change {
            Some(change) => stage.index(index, change),
            None => _ = stage.indices().delete(index, &DeleteParams::default()).await.unwrap(),
        }
    }

    /// Waits until the change is through and nothing is left to write.
    async fn finish(&self, stage: &Stage, index: &str) {
        if self.change.is_some() {
            stage.index_until(index, "Ready", "True").await;
        } else {
            stage.index_gone(index).await;
        }
        stage.rest().await;
    }

    async fn end(&self, stage: &Stage, server: &Elasticsearch, index: &str) -> End {
        let object = stage.indices().get_opt(index).await.unwrap();
        let mut status =
            object.map(|it| anonymous(&serde_json::to_value(it.status).unwrap(), index));
        if let (Some(_), Some(Value::Object(status))) = (&self.foreign, &mut status) {
            // What Drover set in an index that was there before, and could not put on record, it
            // takes for the index's own from then on, and never takes back.
            status.remove("applied");
        }
        let live = server.index(index).await.map(|it| anonymous(&it, index));
        // Nobody counts the documents of a closed one.
        let is_open = |it: &Value| it["settings"]["index"]["verified_before_close"].is_null();
        let documents = if live.as_ref().is_some_and(is_open) {
            server.ok("POST", &format!("/{index}/_refresh"), None).await;
            server.ok("GET", &format!("/{index}/_count"), None).await["count"].clone()
        } else {
            Value::Null
        };
        End { status, index: live, documents }
    }
}

/// Without times, uuids, figures that decide nothing, and the index's own name.
fn anonymous(value: &Value, index: &str) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(map) => {
                for key in [
                    "uuid",
                    "uid",
                    "creation_date",
                    "lastTransitionTime",
                    "since",
                    "documents",
                    "storeBytes",
                ] {
                    map.remove(key);
                }
                map.values_mut().for_each(strip);
            }
            Value::Array(list) => list.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut value = serde_json::from_str(&value.to_string().replace(index, "INDEX")).unwrap();
    strip(&mut value);
    value
}

/// All other indices by uuid: none of them may come, go or be made anew.
async fn others(server: &Elasticsearch, prefix: &str, index: &str) -> BTreeMap<String, String> {
    let all = server.ok("GET", "/_all/_settings/index.uuid", None).await;
    let all = all.as_object().unwrap().iter();
    let ours = all.filter(|(name, _)| name.starts_with(prefix) && name.as_str() != index);
    ours.map(|(name, it)| (name.clone(), uuid(it))).collect()
}

/// How many writes for this Index each server got.
fn writes(stage: &Stage, index: &str) -> [usize; 2] {
    let count = |it: &Proxy| it.ledger().count(is_for(index));
    [count(&stage.kubernetes), count(&stage.elasticsearch)]
}

/// Runs the scenario undisturbed, then once for each write and moment; returns the crash points that
/// were reached. A run may make fewer writes than the reference, such as one status for two: what it
/// does not come to can't be cut off there.
async fn crash_everywhere(scenario: Scenario) -> usize {
    let server = elasticsearch("8.19.0").await;
    let prefix = format!("cut-{}", scenario.name);
    let mut stage = Stage::with("crash", server, |it| it.switch("--leader-elect=false")).await;
    stage.connect().await;
    stage.rest().await;
    let index = format!("{prefix}-reference");
    scenario.prepare(&stage, server, &index).await;
    let [kubernetes_before, elasticsearch_before] = writes(&stage, &index);
    scenario.begin(&stage, &index).await;
    scenario.finish(&stage, &index).await;
    let reference = scenario.end(&stage, server, &index).await;
    let [kubernetes, elasticsearch] = writes(&stage, &index);
    let kubernetes = kubernetes - kubernetes_before;
    let elasticsearch = elasticsearch - elasticsearch_before;
    // Letting an index be is nothing to write to Elasticsearch.
    assert!(kubernetes > 0, "{kubernetes} and {elasticsearch} writes");
    let points: Vec<(bool, usize, Moment)> = [Moment::BeforeForward, Moment::AfterAnswer]
        .into_iter()
        .flat_map(|moment| {
            let of_kubernetes = (1..=kubernetes).map(move |it| (true, it, moment));
            of_kubernetes.chain((1..=elasticsearch).map(move |it| (false, it, moment)))
        })
        .collect();
    let (mut reached, all) = (0, points.len());
    for (number, (to_kubernetes, write, moment)) in points.into_iter().enumerate() {
        let index = format!("{prefix}-{number}");
        scenario.prepare(&stage, server, &index).await;
        let before = server.index(&index).await.as_ref().map(uuid);
        let bystanders = others(server, &prefix, &index).await;
        let killer = stage.operator.killer();
        let proxy = if to_kubernetes { &stage.kubernetes } else { &stage.elasticsearch };
        let already = proxy.ledger().count(is_for(&index));
        let point = proxy.crash_at(write, moment, is_for(&index), killer);
        scenario.begin(&stage, &index).await;
        let asked = || stage.elasticsearch.ledger().all().len();
        let mut last = (writes(&stage, &index), asked());
        let crashed = eventually("the crash, or the end", SOON, async || {
            if point.reached().is_some() {
                return Ok(true);
            }
            // A run with fewer writes than the reference comes to rest without it.
            let now = writes(&stage, &index);
            if now != last.0 {
                last = (now, asked());
            }
            if last.1 + 20 < asked() { Ok(false) } else { Err("not yet") }
        })
        .await;
        proxy.remove(point.rule());
        if crashed {
            reached += 1;
            stage.operator.restart().await;
        }
        scenario.finish(&stage, &index).await;
        let place = format!(
            "write {write} to {}, {moment:?}: {:?}",
            if to_kubernetes { "Kubernetes" } else { "Elasticsearch" },
            point.reached().map(|it| it.line())
        );
        if !crashed {
            let made = proxy.ledger().count(is_for(&index)) - already;
            assert!(made < write, "passed over, among {made} writes: {place}");
        }
        let end = scenario.end(&stage, server, &index).await;
        assert_eq!(end, reference, "{place}");
        let after = server.index(&index).await.as_ref().map(uuid);
        if let (Some(before), Some(after)) = (before, after) {
            assert_eq!(after, before, "another index: {place}");
        }
        assert_eq!(others(server, &prefix, &index).await, bystanders, "{place}");
        let creations = stage.elasticsearch.ledger().count(|it| {
            it.method == "PUT" && it.path == format!("/{index}") && it.status() == Some(200)
        });
        assert!(creations <= 1, "{creations} indices were made: {place}");
        stage.elasticsearch.ledger().clear();
        stage.kubernetes.ledger().clear();
    }
    let total = TOTAL.fetch_add(reached, Ordering::Relaxed) + reached;
    say(&format!("{}: {reached} of {all} crash points, {total} in all so far", scenario.name));
    reached
}

fn small() -> Value {
    json!({
        "settings": { "number_of_replicas": 0, "refresh_interval": "5s", "max_result_window": 20000 },
        "mappings": { "_meta": { "team": "a" }, "properties": { "t": { "type": "text" } } },
        "aliases": { "crash-old": {} },
    })
}

fn with(mut spec: Value, key: &str, value: Value) -> Value {
    spec[key] = value;
    spec
}

#[tokio::test]
async fn a_create_that_is_cut_off_anywhere_ends_with_one_index() {
    let scenario = Scenario {
        name: "create",
        foreign: None,
        before: None,
        documents: 0,
        change: Some(small()),
    };
    assert!(crash_everywhere(scenario).await >= 6);
}

#[tokio::test]
async fn an_update_that_is_cut_off_anywhere_ends_with_all_of_it() {
    let change = json!({
        "settings": { "number_of_replicas": 0, "refresh_interval": "9s" },
        "mappings": {
            "_meta": { "team": "b" },
            "properties": { "t": { "type": "text" }, "n": { "type": "long" } },
        },
        "aliases": { "crash-new": {} },
    });
    let before = Some(small());
    let scenario =
        Scenario { name: "update", foreign: None, before, documents: 1, change: Some(change) };
    assert!(crash_everywhere(scenario).await >= 8);
}

#[tokio::test]
async fn a_deletion_that_is_cut_off_anywhere_deletes_that_index_alone() {
    let before = Some(with(small(), "deletionPolicy", json!("Delete")));
    let scenario = Scenario { name: "delete", foreign: None, before, documents: 1, change: None };
    assert!(crash_everywhere(scenario).await >= 4);
}

#[tokio::test]
async fn the_longer_campaign_is_cut_off_anywhere_too() {
    if !soak() {
        say("left out: the longer crash campaign; `make soak` runs it");
        return;
    }
    let careful = with(small(), "deletionPolicy", json!("DeleteIfEmpty"));
    let closed = with(small(), "state", json!("Closed"));
    let scenarios = [
        Scenario {
            name: "retain",
            foreign: None,
            before: Some(small()),
            documents: 1,
            change: None,
        },
        Scenario {
            name: "adopt",
            foreign: Some(json!({
                "settings": { "number_of_replicas": 0, "refresh_interval": "7s" },
                "mappings": {
                    "_meta": { "team": "c" },
                    "properties": { "o": { "type": "ip" }, "t": { "type": "text" } },
                },
                "aliases": { "crash-foreign": {} },
            })),
            before: None,
            documents: 1,
            change: Some(with(small(), "adoptionPolicy", json!("Always"))),
        },
        Scenario {
            name: "empty",
            foreign: None,
            before: Some(careful.clone()),
            documents: 0,
            change: None,
        },
        Scenario { name: "full", foreign: None, before: Some(careful), documents: 1, change: None },
        Scenario {
            name: "close",
            foreign: None,
            before: Some(small()),
            documents: 0,
            change: Some(closed.clone()),
        },
        Scenario {
            name: "open",
            foreign: None,
            before: Some(closed),
            documents: 0,
            change: Some(small()),
        },
    ];
    for scenario in scenarios {
        crash_everywhere(scenario).await;
    }
}
