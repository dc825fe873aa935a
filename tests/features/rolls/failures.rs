//! What goes wrong on a host in the middle of a run stays with that host.

use drover::api::rollout_status::RolloutStep;
use serde_json::json;

use super::{Stage, at};

#[tokio::test]
async fn a_node_that_does_not_start_pauses_the_run_and_lets_it_go_on_once_it_is_mended() {
    let stage = Stage::brownfield("broken", 3).await;
    let before = stage.runs();
    let settings = stage.settings().await;
    for host in &stage.field.hosts {
        host.inside("echo 'no.such.setting: 1' >> /etc/elasticsearch/elasticsearch.yml");
    }
    stage.ask("one", "Elasticsearch", &json!({}), &json!({})).await;
    let run = stage.run_when("it waits for a person", |it| it.pause.is_some()).await;
    let failed = run.hosts.iter().find(|it| it.message.is_some()).unwrap().clone();
    // A service of Type=exec counts as started before Elasticsearch has read its settings.
    let is_down = matches!(failed.step, RolloutStep::Stop | RolloutStep::Rejoin);
    assert!(is_down, "{failed:?}");
    let others = run.hosts.iter().filter(|it| it.name != failed.name);
    assert!(others.clone().all(|it| it.step == RolloutStep::Waiting), "{run:#?}");
    let runs = stage.runs();
    for other in others {
        assert_eq!(runs[at(&other.name)], before[at(&other.name)], "{} was touched", other.name);
    }
    stage.cluster_until("Stalled", "True").await;
    stage.event("es", "RolloutPaused").await;

    // Mended by hand, and started by hand: it goes on by itself.
    for host in &stage.field.hosts {
        host.inside("sed -i '/no.such.setting/d' /etc/elasticsearch/elasticsearch.yml");
    }
    stage.field.hosts[at(&failed.name)]
        .inside("systemctl reset-failed elasticsearch; systemctl start elasticsearch");
    let status = stage.restarted("one").await;
    assert_eq!(status.restart.unwrap().restarted.len(), 3);
    stage.assert_nothing_left(&settings).await;
}
