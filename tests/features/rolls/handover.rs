//! Two operators at once: who gets the Lease goes on where the last one was in the run.

use std::collections::BTreeSet;

use drover::api::rollout_status::{RolloutHost, RolloutStep};
use serde_json::json;

use super::{LONG, Stage};
use crate::common::proxy::{Entry, lines};

impl Stage {
    /// Waits until a host of the run besides `other` is down by its doing, and returns its name.
    async fn takes_down_beside(&self, other: &str) -> String {
        let is_down = |it: &RolloutHost| match it.step {
            RolloutStep::Stop => it.touched,
            step => step == RolloutStep::Rejoin,
        };
        self.host_when("a host is down", |it| it.name != other && is_down(it)).await.name
    }

    /// The connections to each node so far: whoever takes over has others.
    fn connections(&self) -> Vec<BTreeSet<u64>> {
        let of = |entry: Entry| entry.connection;
        self.doors.iter().map(|it| it.ledger().all().into_iter().map(of).collect()).collect()
    }

    /// What was written through these connections, node by node, since there were so many requests.
    fn written(&self, through: &[BTreeSet<u64>], since: &[usize]) -> Vec<Entry> {
        let nodes = self.doors.iter().zip(through).zip(since);
        let written = nodes.flat_map(|((door, through), since)| {
            let sent = door.ledger().all().split_off(*since);
            sent.into_iter().filter(move |it| it.is_write() && through.contains(&it.connection))
        });
        written.collect()
    }
}

#[tokio::test]
#[ignore = "minutes long: `make soak` runs it"]
async fn a_run_whose_leader_loses_the_lease_or_dies_in_a_step_is_ended_once_by_the_other() {
    let mut stage = Stage::brownfield("handover", 3).await;
    let (settings, before) = (stage.settings().await, stage.runs());
    let starts: Vec<usize> = (0..3).map(|it| stage.starts(it)).collect();
    let (other, kubernetes) = stage.standby().await;
    assert_eq!(kubernetes.ledger().writes().len(), 0, "it stands by");
    stage.ask("one", "Elasticsearch", &json!({}), &json!({})).await;

    // The leader hears no more from the API server, and from all else what it did before: it ends.
    let first = stage.takes_down_beside("").await;
    stage.kubernetes.freeze();
    let old = stage.connections();
    other.leads().await;
    let since: Vec<usize> = stage.doors.iter().map(|it| it.ledger().all().len()).collect();
    assert_ne!(stage.operator.ended(LONG).await, 0, "it lost the Lease");
    // What it had sent comes to nobody.
    stage.kubernetes.cut_connections();
    stage.kubernetes.thaw();
    stage.around.operator.restart().await;

    // The next one dies, and the first, begun anew, has waited for that.
    stage.takes_down_beside(&first).await;
    other.kill();
    stage.operator.leads().await;
    let status = stage.restarted("one").await;
    let written = stage.written(&old, &since);
    assert!(written.is_empty(), "without the Lease: {}", lines(&written));

    let restart = status.restart.unwrap();
    assert_eq!(restart.restarted, ["es-1", "es-2", "es-3"]);
    assert!(restart.in_process.is_empty() && restart.failed.is_empty(), "{restart:?}");
    assert_eq!(status.history.len(), 1, "one run");
    for (at, (unit, boot)) in stage.runs().into_iter().enumerate() {
        assert_ne!(unit, before[at].0, "es-{} was not restarted", at + 1);
        assert_eq!(boot, before[at].1, "es-{} has booted", at + 1);
        assert_eq!(stage.starts(at), starts[at] + 1, "es-{} was started twice", at + 1);
    }
    stage.assert_nothing_left(&settings).await;
}
