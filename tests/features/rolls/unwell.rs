//! A cluster that is unwell keeps its hosts up, be it that it falls ill when a host is about to go.

use std::sync::{Arc, Mutex};

use drover::api::rollout_status::RolloutStep;
use serde_json::{Value, json};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::{LONG, ROLE, Stage, USER, VERSION};
use crate::{
    common::{
        elasticsearch,
        hosts::{Os, Settings},
        proxy::{Entry, Moment, Proxy},
        wait::eventually,
    },
    world::{self, PASSWORD},
};

/// Where each node keeps its part of a snapshot. No node sees those of the others, so that none comes to be whole.
const SNAPSHOTS: &str = "/var/log/elasticsearch/snapshots";
/// So slowly copies are built, and read for a snapshot: some 45 seconds for what `bulky` has on each node.
const SLOWLY: &str = "3kb";
/// How slowly copies are built.
const RECOVERY: &str = "indices.recovery.max_bytes_per_sec";

impl Stage {
    /// Puts something into Elasticsearch, past the doors. What is new may be answered with 201.
    async fn puts(&self, path: &str, body: &Value) {
        self.field.elasticsearch.ok("PUT", path, Some(body)).await;
    }

    /// Makes an index that no node may have, so that the cluster is red until it is gone.
    async fn reddens(&self) {
        let nowhere = json!({ "settings": {
            "number_of_shards": 1,
            "number_of_replicas": 0,
            "index.routing.allocation.require._name": "es-9",
        } });
        self.puts("/nowhere?wait_for_active_shards=0", &nowhere).await;
    }

    /// Ends what [`Self::reddens`] began.
    async fn heals(&self) {
        self.elasticsearch("DELETE", "/nowhere", None).await;
    }

    /// Makes the index `bulky` without replicas: three shards on each node, each of some 45 KB in one file.
    async fn fills(&self) {
        let settings = json!({ "number_of_shards": 9, "number_of_replicas": 0 });
        let bulky = json!({ "settings": settings, "mappings": { "enabled": false } });
        self.puts("/bulky", &bulky).await;
        for number in 1..=36 {
            self.puts(&format!("/bulky/_doc/{number}"), &json!({ "text": noise(number) })).await;
        }
        // What only stands in the log of a shard is sent without a limit.
        self.elasticsearch("POST", "/bulky/_flush", None).await;
    }

    /// Waits until nothing is left of what protects hosts.
    async fn is_unprotected(&self, settings: &Value) {
        eventually("protection is taken back", LONG, async || {
            let now = self.settings().await;
            if now == *settings { Ok(()) } else { Err(now) }
        })
        .await;
    }
}

/// 12,000 characters that can't be said shorter.
fn noise(number: u64) -> String {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(number);
    let words = (0..750).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        format!("{state:016x}")
    });
    words.collect::<Vec<_>>().concat()
}

/// The write at which the world is held.
struct Held {
    reached: UnboundedReceiver<()>,
    end: std::sync::mpsc::Sender<()>,
}

impl Held {
    /// Lets the next write that `is_it` be carried out, and its sender wait: it hears nothing before
    /// [`Self::go_on`], and then that its connection is cut.
    fn at(proxies: &[&Proxy], is_it: fn(&Entry) -> bool) -> Self {
        let (tell, reached) = mpsc::unbounded_channel();
        let (end, wait) = std::sync::mpsc::channel();
        let wait = Arc::new(Mutex::new(wait));
        for proxy in proxies {
            let (tell, wait) = (tell.clone(), wait.clone());
            proxy.crash_at(1, Moment::AfterAnswer, is_it, move || {
                let _ = tell.send(());
                let _ = wait.lock().unwrap().recv();
            });
        }
        Self { reached, end }
    }

    /// Waits until it is reached.
    async fn reached(&mut self) {
        let reached = tokio::time::timeout(LONG, self.reached.recv()).await;
        assert_eq!(reached, Ok(Some(())), "the write was not made");
    }

    fn go_on(self) {
        drop(self.end);
    }
}

/// Holds allocation back.
fn protects(entry: &Entry) -> bool {
    let body = entry.json();
    let enable = &body["persistent"]["cluster.routing.allocation.enable"];
    entry.path == "/_cluster/settings" && *enable == "primaries"
}

/// Tells that a host is at the last step before its permit to stop.
fn cordons(entry: &Entry) -> bool {
    let body = entry.json();
    let hosts = body.pointer("/status/rollout/hosts").and_then(Value::as_array);
    let is_there = |it: &Value| it["step"] == "Cordon";
    entry.path.ends_with("/clusters/es/status") && hosts.is_some_and(|it| it.iter().any(is_there))
}

/// A red index, copies that are built, and a snapshot, each of which is there before the one before it goes.
async fn falls_ill(stage: &Stage) {
    let before = stage.runs();
    stage.reddens().await;
    stage.ask("one", "Elasticsearch", &json!({ "pauseAfter": "First" }), &json!({})).await;
    let words = stage.blocked_by("Red").await;
    assert!(words.contains("a primary is on no node"), "{words}");

    // Its replicas are built, and take their time.
    let slowly = json!({ "persistent": { RECOVERY: SLOWLY } });
    stage.puts("/_cluster/settings", &slowly).await;
    stage.puts("/bulky/_settings", &json!({ "index.number_of_replicas": 1 })).await;
    stage.heals().await;
    let words = stage.blocked_by("Recovering").await;
    assert!(words.contains("being built"), "{words}");

    // A snapshot is taken of what serves already.
    let repository = json!({
        "type": "fs",
        "settings": { "location": SNAPSHOTS, "max_snapshot_bytes_per_sec": SLOWLY },
    });
    stage.puts("/_snapshot/nights?verify=false", &repository).await;
    let snapshot = json!({ "indices": "bulky", "include_global_state": false });
    stage.puts("/_snapshot/nights/monday?wait_for_completion=false", &snapshot).await;
    stage.puts("/_cluster/settings", &json!({ "persistent": { RECOVERY: null } })).await;
    let words = stage.blocked_by("Snapshot").await;
    assert!(words.contains("monday"), "{words}");
    assert_eq!(stage.runs(), before, "a host went down at a shut gate");
}

#[tokio::test]
async fn a_cluster_that_is_unwell_or_falls_ill_right_before_the_stop_keeps_its_hosts_up() {
    let nodes = world::secured(VERSION)
        .role(USER, ROLE)
        .user(USER, PASSWORD, USER)
        .yml(&format!("path.repo: [{SNAPSHOTS}]"));
    let machines = vec![Settings::new(Os::Debian); 3];
    let stage = Stage::with("unwell", nodes, machines, |it| it).await;
    stage.fills().await;
    let (before, settings) = (stage.runs(), stage.settings().await);
    falls_ill(&stage).await;

    // The snapshot is given up. It is red again by the time that the operator hears that the host is protected.
    let doors: Vec<&Proxy> = stage.doors.iter().collect();
    let mut protected = Held::at(&doors, protects);
    let superuser = elasticsearch::basic(elasticsearch::SUPERUSER, elasticsearch::PASSWORD);
    let path = "/_snapshot/nights/monday";
    // It may take longer than anybody waits for the answer.
    let _ = stage.field.elasticsearch.request_as(0, "DELETE", path, None, &superuser).await;
    protected.reached().await;
    assert_ne!(stage.settings().await, settings, "nothing protects the host");
    stage.reddens().await;
    protected.go_on();
    stage.is_unprotected(&settings).await;
    stage.blocked_by("Red").await;
    assert_eq!(stage.runs(), before, "a host went down at a gate that shut after its protection");

    // And once more at the last step before the stop.
    let mut cordoned = Held::at(&[&stage.kubernetes], cordons);
    stage.heals().await;
    cordoned.reached().await;
    assert_ne!(stage.settings().await, settings, "nothing protects the host");
    stage.reddens().await;
    cordoned.go_on();
    stage.is_unprotected(&settings).await;
    stage.blocked_by("Red").await;
    assert_eq!(stage.runs(), before, "a host went down at a gate that shut right before its stop");

    stage.heals().await;
    let run = stage.run_when("it waits after the first", |it| it.pause.is_some()).await;
    let is_done = |step: RolloutStep| step == RolloutStep::Done;
    assert_eq!(run.hosts.iter().filter(|it| is_done(it.step)).count(), 1, "{run:#?}");
    let changed = stage.runs().iter().zip(&before).filter(|(now, before)| now != before).count();
    assert_eq!(changed, 1, "{run:#?}");
    stage.assert_nothing_left(&settings).await;
}
