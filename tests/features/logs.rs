//! What the log tells whoever collects it.

use serde_json::Value;

use crate::{
    common::proxy::{Answer, Entry, Fault},
    world::{SOON, Stage, elasticsearch},
};

#[tokio::test]
async fn every_line_of_a_json_log_is_json_and_carries_object_generation_and_the_whole_chain() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::with("logs", server, |it| {
        it.flag("--log-format", "json").environment("DROVER_LOG", "info,drover=debug")
    })
    .await;
    let is_status = |it: &Entry| it.path.ends_with("/clusters/es/status");
    let rule = stage.kubernetes.inject(is_status, Fault::Answer(Answer::html(200, "<html>")));
    stage.cluster("es", &stage.connection());
    stage.operator.logged("reconcile failed", SOON).await;
    stage.kubernetes.remove(rule);
    stage.cluster_until("es", "Ready", "True").await;

    let log = stage.operator.log();
    let lines: Vec<Value> = log
        .lines()
        .map(|it| serde_json::from_str(it).unwrap_or_else(|error| panic!("{error}: {it}")))
        .collect();
    let is_failure =
        |it: &&Value| it["message"].as_str().is_some_and(|it| it.starts_with("reconcile failed"));
    let failure = lines.iter().find(is_failure).unwrap_or_else(|| panic!("{log}"));
    assert_eq!(failure["level"], "WARN");
    let error = failure["error"].as_str().unwrap();
    assert!(error.starts_with("failed to "), "{error}");
    assert!(error.ends_with(": expected value at line 1 column 1"), "no innermost cause: {error}");
    let spans = failure["spans"].as_array().unwrap();
    let span = spans.iter().find(|it| it["generation"] == 1).unwrap_or_else(|| panic!("{failure}"));
    assert_eq!(span["namespace"], stage.namespace.as_str());
    assert_eq!(span["object"], "es");
    assert_eq!(span["controller"], "cluster");
}
