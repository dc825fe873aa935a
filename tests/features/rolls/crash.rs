//! The operator is killed at its writes in turn, and the run ends all the same: at every fifth, and at
//! each in the long campaign.

use std::time::Duration;

use serde_json::json;

use super::{LONG, Stage};
use crate::common::{
    paths::say,
    proxy::{Entry, Moment},
    soak,
    traffic::{Target, Traffic},
    wait::poll_until,
};

/// More kills than any run has writes: the campaign ends with the run.
const MOST: usize = 400;

/// What is written for the Cluster and its Hosts, to either server.
pub fn counts(entry: &Entry) -> bool {
    entry.is_write() && !entry.is_lease() && !entry.path.contains("/events")
}

#[tokio::test]
async fn a_run_whose_operator_is_killed_at_each_of_its_writes_does_nothing_twice() {
    // The next one need not wait for the Lease of the last.
    let mut stage = Stage::flagged("killed", 3, |it| it.switch("--leader-elect=false")).await;
    let settings = stage.settings().await;
    let before = stage.runs();
    let starts: Vec<usize> = (0..3).map(|it| stage.starts(it)).collect();
    let traffic = Traffic::start(&Target::of(&stage.field.elasticsearch), "orders").await;
    stage.field.green().await;
    let asked = json!({ "restart": { "requestId": "one" } });
    stage.cluster(&json!({ "operations": asked })).await;
    let moments = [Moment::AfterAnswer, Moment::BeforeForward];
    let every = if soak() { 1 } else { 5 };
    let least = if soak() { 40 } else { 8 };
    let mut kills = 0;
    // Before a write that is made again and again the next kill comes after it.
    for round in 0..MOST {
        let moment = moments[round % 2];
        let arm = |it: &crate::common::proxy::Proxy| {
            it.crash_at(every, moment, counts, stage.operator.killer())
        };
        let mut points = vec![arm(&stage.kubernetes)];
        points.extend(stage.doors.iter().map(arm));
        let is_over = async || {
            let over = stage.is_restarted("one").await;
            let hit = points.iter().any(|it| it.reached().is_some());
            if over || hit { Ok(over) } else { Err("it goes on".to_owned()) }
        };
        let over = poll_until(LONG, Duration::from_millis(50), is_over).await;
        let over = over.unwrap_or_else(|it: String| panic!("after {kills} kills: {it}"));
        for (proxy, point) in
            [&stage.around.kubernetes].into_iter().chain(&stage.doors).zip(&points)
        {
            proxy.remove(point.rule());
        }
        let hit = points.iter().any(|it| it.reached().is_some());
        kills += usize::from(hit);
        if hit {
            stage.around.operator.restart().await;
        }
        if over {
            break;
        }
    }
    stage.restarted("one").await;
    say(&format!("the operator was killed at {kills} writes of one run"));
    assert!(least <= kills, "{kills} kills");
    traffic.finish().await.assert_unharmed();
    for at in 0..3 {
        assert_ne!(stage.runs()[at].0, before[at].0);
        assert_eq!(stage.starts(at), starts[at] + 1, "es-{} was started twice", at + 1);
    }
    stage.assert_nothing_left(&settings).await;
}
