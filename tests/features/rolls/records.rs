//! Hosts that are protected by shutdown records. The Elasticsearch of the tests has no such API: what
//! stands before it plays that.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use super::Stage;
use crate::common::proxy::{Answer, Entry, Fault};

/// The node that a request for a record is about.
fn node(entry: &Entry) -> Option<&str> {
    entry.path.strip_prefix("/_nodes/")?.strip_suffix("/shutdown")
}

/// As Elasticsearch answers: clients tell the product by the header.
fn told(body: &Value) -> Answer {
    Answer::json(200, body).header("x-elastic-product", "Elasticsearch")
}

/// The records by node, and every reason that one was made for.
#[derive(Default)]
struct Records {
    now: BTreeMap<String, Value>,
    made: Vec<String>,
}

impl Records {
    fn answer(&mut self, entry: &Entry) -> Answer {
        let acknowledged = || told(&json!({ "acknowledged": true }));
        match (entry.method.as_str(), node(entry)) {
            ("GET", None) => {
                let nodes: Vec<&Value> = self.now.values().collect();
                told(&json!({ "nodes": nodes }))
            }
            ("PUT", Some(node)) => {
                let asked: Value = serde_json::from_slice(&entry.body).expect("a JSON text");
                assert_eq!((&asked["type"], entry.query.as_str()), (&json!("restart"), ""));
                self.made.push(asked["reason"].as_str().expect("a reason").to_owned());
                let record = json!({
                    "node_id": node, "type": "RESTART", "reason": asked["reason"],
                    "status": "COMPLETE",
                });
                self.now.insert(node.to_owned(), record);
                acknowledged()
            }
            ("DELETE", Some(node)) if self.now.remove(node).is_some() => acknowledged(),
            other => Answer::elasticsearch_error(400, "illegal_argument", &format!("{other:?}")),
        }
    }
}

fn of_records(entry: &Entry) -> bool {
    entry.path == "/_nodes/shutdown" || node(entry).is_some()
}

#[tokio::test]
async fn nodes_are_announced_one_after_the_other_and_where_that_is_not_possible_none_goes_down() {
    let stage = Stage::brownfield("records", 3).await;
    let (before, settings) = (stage.runs(), stage.settings().await);
    let rollout = json!({ "protection": "NodeShutdown" });
    stage.ask("one", "Elasticsearch", &rollout, &json!({})).await;
    let words = stage.blocked_by("Protection").await;
    assert!(words.contains("spec.rollout.protection"), "{words}");
    assert_eq!(stage.runs(), before, "a host went down unprotected");

    // From here on there is the API, and a record of somebody else.
    let records = Arc::new(Mutex::new(Records::default()));
    let foreign = json!({
        "node_id": "gone", "type": "REMOVE", "reason": "by hand", "status": "IN_PROGRESS",
    });
    records.lock().expect("nobody panics").now.insert("gone".into(), foreign);
    for door in &stage.doors {
        let records = Arc::clone(&records);
        let answer = move |it: &Entry| records.lock().expect("nobody panics").answer(it);
        door.inject(of_records, Fault::Respond(Arc::new(answer)));
    }
    let words = stage.blocked_by("ForeignExclusion").await;
    assert!(words.contains("a shutdown record (remove) of gone"), "{words}");
    assert_eq!(stage.runs(), before, "a host went down though somebody takes nodes out");
    records.lock().expect("nobody panics").now.clear();

    let status = stage.restarted("one").await;
    assert_eq!(status.restart.expect("it was asked for").restarted.len(), 3);
    {
        let records = records.lock().expect("nobody panics");
        assert!(records.now.is_empty(), "{:?}", records.now);
        assert_eq!(records.made.len(), 3, "{:?}", records.made);
        assert!(records.made.iter().all(|it| it.starts_with("drover ")), "{:?}", records.made);
    }
    let is_setting = |it: &Entry| it.method == "PUT" && it.path == "/_cluster/settings";
    for door in &stage.doors {
        assert_eq!(door.ledger().count(is_setting), 0, "no setting is asked for");
    }
    stage.assert_nothing_left(&settings).await;
}
