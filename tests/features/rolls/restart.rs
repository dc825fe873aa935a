//! Elasticsearch is restarted on all hosts in turn, with people at work in the cluster.

use drover::api::{
    host_status::RunStatus,
    rollout_status::{RolloutKind, RolloutStep},
};
use serde_json::{Value, json};

use super::Stage;
use crate::common::traffic::{Target, Traffic};

#[tokio::test]
async fn a_restart_over_all_hosts_pauses_where_asked_and_harms_neither_writes_nor_reads() {
    let mut stage = Stage::brownfield("restart", 3).await;
    let prior = json!({ "persistent": { "cluster.routing.allocation.enable": "all" } });
    stage.elasticsearch("PUT", "/_cluster/settings", Some(&prior)).await;
    let settings = stage.settings().await;
    let before = stage.runs();
    let starts: Vec<usize> = (0..3).map(|it| stage.starts(it)).collect();
    let traffic = Traffic::start(&Target::of(&stage.field.elasticsearch), "orders").await;
    stage.field.green().await;

    is_shown_first(&stage, "one").await;
    assert_eq!((stage.runs(), stage.settings().await), (before.clone(), settings.clone()));
    pauses_after_the_first(&stage, "one", &settings).await;
    let status = stage.restarted("one").await;
    traffic.goes_on(20).await;
    let counted = traffic.finish().await;
    counted.assert_unharmed();
    assert_eq!(counted.most_down, 1, "{counted:#?}");

    // Each was started once, and no machine has booted.
    for (at, (unit, boot)) in stage.runs().into_iter().enumerate() {
        assert_ne!(unit, before[at].0, "es-{}", at + 1);
        assert_eq!(boot, before[at].1, "es-{}", at + 1);
        assert_eq!(stage.starts(at), starts[at] + 1, "es-{}", at + 1);
    }
    stage.assert_nothing_left(&settings).await;
    stage.assert_nothing_installed();
    let restart = status.restart.unwrap();
    assert_eq!(restart.restarted, ["es-1", "es-2", "es-3"]);
    assert!(restart.in_process.is_empty() && restart.failed.is_empty(), "{restart:?}");
    assert!(restart.finished_at.is_some());
    let [past] = &status.history[..] else { panic!("{:?}", status.history) };
    assert_eq!((past.kind, past.status), (RolloutKind::ElasticsearchRestart, RunStatus::Finished));
    assert_eq!((past.done, past.total), (3, 3));
    for reason in ["RolloutBegun", "HostStopping", "HostRejoined", "RolloutFinished"] {
        stage.event("es", reason).await;
    }
    stage.cluster_until("Ready", "True").await;

    // The same request is none, even to another process.
    let runs = stage.runs();
    stage.operator.kill();
    stage.around.operator.restart().await;
    stage.ask("one", "Elasticsearch", &json!({ "minReadySeconds": 1 }), &json!({})).await;
    stage.cluster_until("Ready", "True").await;
    assert_eq!(stage.runs(), runs);
}

/// Under mode Plan the request is shown host by host, and not dealt with.
async fn is_shown_first(stage: &Stage, request: &str) {
    stage.ask(request, "Elasticsearch", &json!({}), &json!({ "mode": "Plan" })).await;
    let status = stage
        .cluster_when("its plan is there", |cluster| {
            let plan = cluster.status.iter().flat_map(|it| &it.plan);
            let shown: Vec<String> = plan.map(|it| format!("{} {}", it.method, it.path)).collect();
            let expected = [
                "PUT /_cluster/settings",
                "RestartElasticsearch hosts/es-1",
                "RestartElasticsearch hosts/es-2",
                "RestartElasticsearch hosts/es-3",
                "PUT /_cluster/settings",
            ];
            if shown == expected { Ok(()) } else { Err(format!("{shown:?}")) }
        })
        .await;
    let last = status.plan[4].body.clone().unwrap();
    assert!(last.contains(r#""cluster.routing.allocation.enable":"all""#), "{last}");
    let status = stage.cluster_until("Stalled", "True").await;
    let ready = status.conditions.iter().find(|it| &*it.type_ == "Ready").unwrap();
    assert_eq!(&*ready.reason, "PlanOnly", "{ready:?}");
    assert!(status.rollout.is_none() && status.restart.is_none(), "{status:#?}");
    assert!(status.requests.is_none_or(|it| it.restart.as_deref() != Some(request)));
    stage.event("es", "Planned").await;
}

/// With `pauseAfter: First` the run waits after one host, with nothing left of its protection, for a word that is
/// this run's own.
async fn pauses_after_the_first(stage: &Stage, request: &str, settings: &Value) {
    let first = json!({ "pauseAfter": "First" });
    stage.ask(request, "Elasticsearch", &first, &json!({ "mode": "Apply" })).await;
    let run = stage.run_when("it waits after the first", |it| it.pause.is_some()).await;
    let done = run.hosts.iter().filter(|it| it.step == RolloutStep::Done).count();
    assert_eq!(done, 1);
    stage.assert_nothing_left(settings).await;
    stage.resume("something else").await;
    stage.cluster_until("Stalled", "True").await;
    stage.resume(&run.pause.unwrap().token).await;
}
