//! The operator is killed in the middle of a change of version, at writes to the API server and as soon as it has
//! written something to Elasticsearch, and the run ends all the same.

use std::time::Duration;

use drover::api::{cluster::Cluster, host_status::RunStatus, rollout_status::RolloutKind};
use kube::{Api, api::ListParams};
use serde_json::{Value, json};

use super::{LONG, Stage, ask};
use crate::{
    common::{
        hosts::room,
        paths::say,
        process::logs,
        proxy::Moment,
        traffic::{Target, Traffic},
        wait::poll_until,
    },
    rolls::crash::counts,
};

const OLD: &str = "8.17.0";
const NEW: &str = "8.19.0";
/// More kills than the run has writes that are chosen: the campaign ends with the run.
const MOST: usize = 100;
/// Which write to the API server is the next one to die at.
const EVERY: usize = 4;

impl Stage {
    /// Whether allocation is held back for a host; `None` while nobody answers.
    fn is_held_back(&self, target: &Target) -> Option<bool> {
        let path = "/_cluster/settings?flat_settings=true";
        let told = |machine| ask(machine, target, ("GET", path), &Value::Null).ok();
        let settings =
            self.machines.iter().filter_map(told).find(|it| it["persistent"].is_object())?;
        let set = settings["persistent"].as_object()?;
        Some(set.keys().any(|it| it.starts_with("cluster.metadata.drover.prior")))
    }

    /// Whether the one run that there is has come to its end.
    async fn is_deployed(&self) -> bool {
        let api: Api<Cluster> = Api::namespaced(self.client.clone(), &self.namespace);
        let status = api.get("es").await.expect("it is there").status.unwrap_or_default();
        status.rollout.is_none() && !status.history.is_empty()
    }
}

#[tokio::test]
#[ignore = "minutes long: `make soak` runs it"]
async fn a_change_of_version_whose_operator_is_killed_at_its_writes_does_nothing_twice() {
    let _room = room().await;
    let mut stage = Stage::new("killed-upgrade", 3).await;
    stage.apply_all(&stage.cluster(OLD, &json!({}), &json!({}))).await;
    stage.formed().await;
    let target = stage.target().await;
    let traffic = Traffic::start(&target, "orders").await;
    stage.is_green(&target).await;
    let (told, starts) = (stage.told_to(&target).await, stage.starts());
    let fetched = stage.archives.fetched(NEW);

    stage.apply(&stage.cluster(NEW, &json!({}), &json!({}))).await;
    let moments = [Moment::AfterAnswer, Moment::BeforeForward];
    let (mut of_kubernetes, mut of_elasticsearch) = (0, 0);
    for round in 0..MOST {
        // Every third time it is Elasticsearch that was written to last.
        let held = if round % 3 == 2 { stage.is_held_back(&target) } else { None };
        let point = held.is_none().then(|| {
            stage.kubernetes.crash_at(EVERY, moments[round % 2], counts, stage.operator.killer())
        });
        let is_due = || match &point {
            Some(point) => point.reached().is_some(),
            None => stage.is_held_back(&target).is_some_and(|it| Some(it) != held),
        };
        let next = poll_until(LONG, Duration::from_millis(50), async || {
            let (is_over, is_due) = (stage.is_deployed().await, is_due());
            if is_over || is_due { Ok((is_over, is_due)) } else { Err("it goes on") }
        });
        let kills = of_kubernetes + of_elasticsearch;
        let (is_over, is_due) =
            next.await.unwrap_or_else(|it| panic!("after {kills} kills: {it}{}", logs()));
        if let Some(point) = &point {
            stage.kubernetes.remove(point.rule());
        }
        match &point {
            // It may have been hit just before its rule was taken back.
            Some(point) => of_kubernetes += usize::from(point.reached().is_some()),
            None => of_elasticsearch += usize::from(is_due),
        }
        // Whether it was killed by now or is killed by this.
        stage.around.operator.restart().await;
        if is_over {
            break;
        }
    }
    let status = stage.deployed(NEW, 1).await;
    say(&format!(
        "the operator was killed at {of_kubernetes} writes to the API server and {of_elasticsearch} to Elasticsearch"
    ));
    assert!(4 <= of_kubernetes && 2 <= of_elasticsearch, "{of_kubernetes} {of_elasticsearch}");
    let past = &status.history[0];
    assert_eq!((past.kind, past.status), (RolloutKind::ElasticsearchVersion, RunStatus::Finished));
    assert_eq!((past.done, past.total), (3, 3));
    traffic.goes_on(20).await;
    traffic.finish().await.assert_unharmed();

    // Each was fetched and started once, and nothing is left of what was set.
    let once: Vec<usize> = starts.iter().map(|it| it + 1).collect();
    assert_eq!(stage.starts(), once);
    assert_eq!(stage.archives.fetched(NEW), fetched + 3);
    stage.is_green(&target).await;
    assert_eq!(stage.told_to(&target).await, told);
    for host in stage.hosts().list(&ListParams::default()).await.unwrap() {
        let operation = host.status.and_then(|it| it.operation);
        assert!(operation.as_ref().is_none_or(|it| !it.cordoned_by_us), "{operation:?}");
    }
    stage.until("Ready", "True").await;
}
