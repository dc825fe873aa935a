//! A cluster that nobody leads, and one of which nobody answers: nothing more goes down, and nothing is started.

use std::time::Duration;

use drover::api::rollout_status::RolloutStatus;
use serde_json::{Value, json};

use super::{Stage, crowded::signal};
use crate::common::wait::holds;

/// The gate that wants answers.
const GATE: &str = "Evidence";

/// Since when it is shut.
fn since(run: &RolloutStatus) -> Option<jiff::Timestamp> {
    run.blocked_by.iter().find(|it| it.gate == GATE).map(|it| it.since.0)
}

/// Waits until nobody answers as is needed; from then on all stays as it is, also the time since when.
async fn is_left_alone(stage: &Stage) {
    let run = stage.run_when("there is no evidence", |it| since(it).is_some()).await;
    let first = since(&run).expect("checked");
    let before = stage.runs();
    holds("no host goes down or comes up", Duration::from_secs(20), async || {
        let now = stage.runs();
        if now == before { Ok(()) } else { Err(format!("{before:?} {now:?}")) }
    })
    .await;
    let run = stage.run_when("there is no evidence yet", |it| since(it).is_some()).await;
    assert_eq!(since(&run), Some(first), "{:#?}", run.blocked_by);
}

#[tokio::test]
#[ignore = "minutes long: `make soak` runs it"]
async fn no_host_goes_down_while_two_of_three_masters_are_gone_or_all_of_elasticsearch_hangs() {
    let stage = Stage::brownfield("silent", 3).await;
    let (before, settings) = (stage.runs(), stage.settings().await);
    // Kept back by a word until nobody answers.
    let exclude =
        |name: Value| json!({ "persistent": { "cluster.routing.allocation.exclude._name": name } });
    stage.elasticsearch("PUT", "/_cluster/settings", Some(&exclude(json!("es-9")))).await;
    stage.ask("one", "Elasticsearch", &json!({}), &json!({})).await;
    stage.blocked_by("ForeignExclusion").await;

    let others = &stage.field.hosts[1..];
    for host in others {
        host.inside("systemctl stop elasticsearch");
    }
    is_left_alone(&stage).await;
    assert_eq!(stage.run_at(0), before[0], "the last of three went down");
    for host in others {
        let unit = host.inside("systemctl is-active elasticsearch || true");
        assert_eq!(unit.trim(), "inactive", "somebody has started it");
        host.inside("systemctl start elasticsearch");
    }
    stage.blocked_by("ForeignExclusion").await;
    let mended = stage.runs();

    for host in &stage.field.hosts {
        signal(host, "STOP");
    }
    is_left_alone(&stage).await;
    assert_eq!(stage.runs(), mended, "one that hangs went down");
    for host in &stage.field.hosts {
        signal(host, "CONT");
    }
    stage.blocked_by("ForeignExclusion").await;
    assert_eq!(stage.runs(), mended, "one that had hung went down");

    stage.elasticsearch("PUT", "/_cluster/settings", Some(&exclude(Value::Null))).await;
    let status = stage.restarted("one").await;
    assert_eq!(status.restart.unwrap().restarted.len(), 3);
    stage.assert_nothing_left(&settings).await;
}
