//! What becomes of Elasticsearch when its objects go, and when they come again.

use drover::api::{cluster::Cluster, host::Host as HostObject};
use kube::{Api, api::DeleteParams};
use serde_json::json;

use super::{LONG, Stage};
use crate::common::{hosts::room, wait::eventually};

/// Deletes the Cluster alone, or all its Hosts too, and waits until they are gone.
async fn delete(stage: &Stage, hosts: bool) {
    let clusters: Api<Cluster> = Api::namespaced(stage.client.clone(), &stage.namespace);
    clusters.delete("es", &DeleteParams::default()).await.unwrap();
    let api: Api<HostObject> = stage.hosts();
    if hosts {
        api.delete("es-1", &DeleteParams::default()).await.unwrap();
    }
    eventually("the objects are gone", LONG, async || {
        let cluster = clusters.get_opt("es").await.map_err(|it| it.to_string())?;
        let host = api.get_opt("es-1").await.map_err(|it| it.to_string())?;
        match (cluster, host.filter(|_| hosts)) {
            (None, None) => Ok(()),
            (cluster, host) => Err(format!("{:#?}", (cluster.map(|it| it.status), host))),
        }
    })
    .await;
}

#[tokio::test]
async fn objects_that_come_again_take_up_the_same_cluster_and_delete_takes_it_from_the_host() {
    let _room = room().await;
    let stage = Stage::new("comes-again", 1).await;
    let cluster = |more| stage.cluster("8.19.0", &json!({}), &more);
    stage.apply_all(&cluster(json!({}))).await;
    let formed = stage.formed().await;
    let runs = stage.runs();

    // Retain: nobody is touched, and what comes again is the same.
    delete(&stage, true).await;
    assert_eq!(stage.runs(), runs);
    stage.apply_all(&cluster(json!({}))).await;
    let status = stage.until("Ready", "True").await;
    assert_eq!(status.elasticsearch.unwrap().uuid, formed.uuid);
    assert_eq!((status.formation, status.rollout), (None, None));
    assert_eq!(stage.runs(), runs, "nothing was restarted");

    // Delete: it goes, with its data where that is said.
    let delete_all = json!({ "deletionPolicy": "Delete", "deleteData": true });
    stage.apply(&cluster(delete_all)).await;
    stage.until("Ready", "True").await;
    delete(&stage, false).await;
    let host = &stage.machines[0];
    host.inside("test ! -e /opt/drover/elasticsearch && test ! -e /etc/drover-elasticsearch");
    host.inside("test -z \"$(ls -A /var/lib/drover-elasticsearch 2>/dev/null)\"");
    assert_eq!(host.inside("pgrep -u elasticsearch java || echo none").trim(), "none");

    // What was deleted with its data comes again as another cluster.
    stage.apply_all(&cluster(json!({}))).await;
    let again = stage.formed().await;
    assert_ne!(again.uuid, formed.uuid);
}
