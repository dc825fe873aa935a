//! How the status of a Cluster is written.

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};

use super::super::ClusterReconciler;
use crate::{
    api::cluster::Cluster, context::Context, controllers::Reconciler as _, error::Category,
    kubernetes::scripted::api_server,
};

fn cluster(run: &Value) -> Cluster {
    let cluster = json!({
        "metadata": {
            "name": "es", "namespace": "shop", "uid": "u", "generation": 1, "resourceVersion": "5",
        },
        "spec": {},
        "status": { "observedGeneration": 1, "rollout": run },
    });
    serde_json::from_value(cluster).unwrap()
}

#[tokio::test]
async fn what_another_process_has_written_of_a_run_is_never_written_over() {
    // One that goes on, and one that this copy is too old to know of.
    let place = json!({
        "name": "a", "hostUid": "uid-a", "step": "Rejoin", "attempt": 1, "touched": true,
        "startedAt": "2026-01-02T03:04:05Z",
    });
    let run = json!({
        "runId": "r-1", "kind": "ElasticsearchRestart", "target": "one", "hosts": [place],
        "startedAt": "2026-01-02T03:04:05Z",
    });
    for run in [run, Value::Null] {
        let (client, mut script) = api_server();
        let ctx = Arc::new(Context::for_tests(client));
        let cluster = Arc::new(cluster(&run));
        let (next, ()) = tokio::join!(ClusterReconciler::reconcile(cluster, ctx), async {
            let asked = script.next().await;
            assert_eq!(asked.method, Method::PATCH, "{}", asked.target);
            assert_eq!(asked.body["metadata"]["resourceVersion"], "5");
            asked.refuse(409, "Conflict");
        });
        let error = next.map(|_| ()).unwrap_err();
        assert_eq!(error.category(), Category::Conflict, "{error:?}");
    }
}
