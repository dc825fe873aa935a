//! All objects of a managed cluster go at once, under Retain: Elasticsearch goes on as if nobody had been there.

use std::time::Duration;

use drover::api::{
    cluster::Cluster,
    cluster_status::ClusterStatus,
    drain::DrainPhase,
    index::Index,
    rollout_status::{FailedHost, RolloutHost, RolloutStep},
};
use kube::{Api, api::ListParams};
use serde_json::{Value, json};

use super::{
    LONG, Stage, ask,
    drain::{EXCLUSIONS, VOTES},
};
use crate::{
    common::{
        hosts::{SshKey, room},
        paths,
        traffic::Target,
        wait::eventually,
    },
    hosts,
    world::{control_plane, expect},
};

const OLD: &str = "8.17.0";
const NEW: &str = "8.19.0";

impl Stage {
    /// A folder with all that people declare of the Cluster of the version that is there at first: the key to log
    /// in with, the Cluster, its Hosts and an Index.
    fn kustomization(&self) -> String {
        let settings = json!({ "number_of_shards": 3, "number_of_replicas": 1 });
        let index = json!({
            "apiVersion": "drover.dev/v1alpha1",
            "kind": "Index",
            "metadata": { "name": "orders" },
            "spec": { "clusterRef": { "name": "es" }, "settings": settings },
        });
        let key = json!({ "ssh-privatekey": SshKey::shared().private() });
        let mut all = self.members();
        all.extend([hosts::secret("key", &key), index]);
        all.push(self.cluster(OLD, &json!({}), &json!({})));
        let all: Vec<String> = all.iter().map(Value::to_string).collect();
        let names = json!({ "namespace": self.namespace, "resources": ["all.yaml"] });
        let folder = paths::scratch("kustomization");
        std::fs::write(folder.join("all.yaml"), all.join("\n---\n")).expect("own folder");
        std::fs::write(folder.join("kustomization.yaml"), names.to_string()).expect("own folder");
        folder.to_str().expect("a plain path").to_owned()
    }

    /// `kubectl apply -k` of all that.
    async fn stack(&self) {
        control_plane().await.kubectl(&["apply", "-k", &self.kustomization()], "");
    }

    /// `kubectl delete -k` of it, which waits until all of it is gone.
    async fn unstack(&self) {
        let (control_plane, folder) = (control_plane().await, self.kustomization());
        // The operator talks to the API server by way of this thread.
        let deleted = tokio::task::spawn_blocking(move || {
            let delete = ["delete", "-k", &folder, "--ignore-not-found", "--timeout=5m"];
            control_plane.try_kubectl(&delete, "")
        });
        self.is_over().await;
        let deleted = deleted.await.expect("kubectl runs");
        assert!(deleted.success, "{}", deleted.stderr);
    }

    /// Deletes the namespace, and waits until it takes nothing new. What is in it stays: the bed has no
    /// controller that would delete it.
    async fn terminates(&self) {
        let delete = ["delete", "namespace", &self.namespace, "--wait=false"];
        control_plane().await.kubectl(&delete, "");
        let late = ["create", "configmap", "late", "--dry-run=server", "-n", &self.namespace];
        eventually("the namespace takes nothing new", LONG, async || {
            let late = control_plane().await.try_kubectl(&late, "");
            let is_over = !late.success && late.stderr.contains("being terminated");
            if is_over { Ok(()) } else { Err(format!("{}{}", late.stdout, late.stderr)) }
        })
        .await;
    }

    /// Waits until the Index is there.
    async fn indexed(&self) {
        let indices: Api<Index> = Api::namespaced(self.client.clone(), &self.namespace);
        eventually("Index orders is Ready", LONG, async || {
            let index = indices.get("orders").await.map_err(|it| it.to_string())?;
            let status = index.status.unwrap_or_default();
            expect::told(&status.conditions, "Ready", "True", index.metadata.generation)
        })
        .await;
    }

    /// Waits until no object of Drover's is left.
    async fn is_over(&self) {
        let clusters: Api<Cluster> = Api::namespaced(self.client.clone(), &self.namespace);
        let indices: Api<Index> = Api::namespaced(self.client.clone(), &self.namespace);
        let all = ListParams::default();
        eventually("all objects are gone", LONG, async || {
            let clusters = clusters.list(&all).await.map_err(|it| it.to_string())?;
            let indices = indices.list(&all).await.map_err(|it| it.to_string())?;
            let hosts = self.hosts().list(&all).await.map_err(|it| it.to_string())?;
            let names = hosts.iter().map(|it| &it.metadata.name);
            let names: Vec<_> = names.chain(indices.iter().map(|it| &it.metadata.name)).collect();
            let status: Vec<_> = clusters.iter().map(|it| it.status.as_ref()).collect();
            if names.is_empty() && status.is_empty() {
                Ok(())
            } else {
                Err(format!("{names:?} {status:#?}"))
            }
        })
        .await;
    }

    /// What Elasticsearch was told to do with its copies and its votes.
    pub(super) async fn told_to(&self, target: &Target) -> Value {
        let asks = |path: &str| ask(&self.machines[0], target, ("GET", path), &Value::Null);
        eventually("Elasticsearch tells its settings", LONG, async || {
            let settings = asks("/_cluster/settings?flat_settings=true")?;
            let votes = asks(VOTES)?;
            match (settings["persistent"].as_object(), votes.pointer(EXCLUSIONS)) {
                (Some(settings), Some(votes)) => Ok(json!([settings, votes])),
                _ => Err(format!("{settings} {votes}")),
            }
        })
        .await
    }

    /// Waits until all nodes are there and all shards have their copies.
    pub(super) async fn is_green(&self, target: &Target) {
        let path = "/_cluster/health?wait_for_status=green&wait_for_nodes=3&timeout=1s";
        eventually("three nodes are green", LONG, async || {
            let health = ask(&self.machines[0], target, ("GET", path), &Value::Null)?;
            let is_so = health["status"] == "green" && health["timed_out"] == false;
            if is_so { Ok(()) } else { Err(health.to_string()) }
        })
        .await;
    }
}

/// A host that has failed in the change of version.
fn failed(status: &ClusterStatus) -> Option<&FailedHost> {
    status.elasticsearch_deploy.as_ref()?.failed.first()
}

/// A host that is down by the run.
fn down(status: &ClusterStatus) -> Option<&RolloutHost> {
    let is_down = |it: &&RolloutHost| match it.step {
        RolloutStep::Stop => it.touched,
        step => step == RolloutStep::Rejoin,
    };
    status.rollout.as_ref()?.hosts.iter().find(is_down)
}

#[tokio::test]
#[ignore = "minutes long: `make soak` runs it"]
async fn elasticsearch_outlives_objects_that_go_in_a_drain_and_a_namespace_that_goes_in_a_run() {
    let _room = room().await;
    let stage = Stage::new("outlives", 3).await;
    stage.stack().await;
    let formed = stage.formed().await;
    stage.indexed().await;
    let target = stage.target().await;
    let (runs, told) = (stage.runs(), stage.told_to(&target).await);

    // A host is on its way out when all the others follow, and their Cluster.
    stage.delete("es-3").await;
    stage
        .when("the drain of es-3 has begun", |cluster| {
            let drain = cluster.status.as_ref().and_then(|it| it.drain.as_ref());
            let is_set = drain.is_some_and(|it| it.phase != DrainPhase::Waiting);
            if is_set { Ok(()) } else { Err(format!("{drain:?}")) }
        })
        .await;
    stage.unstack().await;
    stage.is_green(&target).await;
    assert_eq!(stage.told_to(&target).await, told, "something is left of the drain");
    assert_eq!(stage.runs(), runs, "under Retain nobody is touched");

    // They come again, and find the same cluster.
    stage.stack().await;
    let status = stage.until("Ready", "True").await;
    assert_eq!(status.elasticsearch.unwrap().uuid, formed.uuid);
    assert_eq!(stage.runs(), runs, "something was restarted");

    // No machine has room for another version: that is told of each, and none is taken down.
    let watermarks = "cluster.routing.allocation.disk.threshold_enabled";
    let off = json!({ "persistent": { (watermarks): false } });
    stage.tells("PUT", "/_cluster/settings", &off).await;
    let told = stage.told_to(&target).await;
    for machine in &stage.machines {
        machine.fill_disk_but(60);
    }
    stage.apply(&stage.cluster(NEW, &json!({}), &json!({}))).await;
    let status = stage
        .when("a host has no room", |cluster| {
            let status = cluster.status.clone().unwrap_or_default();
            let is_so = failed(&status).is_some();
            if is_so { Ok(()) } else { Err(format!("{:#?}", status.rollout)) }
        })
        .await;
    let reason = failed(&status).expect("checked").reason.as_str();
    assert!(reason.starts_with("Stage failed: ") && reason.contains("the disk under"), "{reason}");
    assert_eq!(stage.runs(), runs, "a host went down without what it shall run");
    for machine in &stage.machines {
        machine.free_disk();
    }

    // By itself it goes on, until the namespace goes while a host is down: what the others need goes first.
    let status = stage
        .when("a host is down", |cluster| {
            let status = cluster.status.clone().unwrap_or_default();
            let is_so = down(&status).is_some();
            if is_so { Ok(()) } else { Err(format!("{:#?}", status.rollout)) }
        })
        .await;
    let name = down(&status).expect("checked").name.clone();
    stage.terminates().await;
    // What the control plane of the bed lacks does this, in no order.
    let all = "secrets,configmaps,hosts.drover.dev,indices.drover.dev,clusters.drover.dev";
    stage.delete_all(all).await;
    stage.is_over().await;
    stage.is_green(&target).await;
    assert_eq!(stage.told_to(&target).await, told, "something is left of the run");
    for (at, run) in stage.runs().iter().enumerate() {
        let is_it = name == format!("es-{}", at + 1);
        assert_eq!(*run != runs[at], is_it, "{name} was in hand, and this is es-{}", at + 1);
    }
}

#[tokio::test]
#[ignore = "minutes long: `make soak` runs it"]
async fn elasticsearch_outlives_a_namespace_whose_hosts_go_before_their_cluster() {
    let _room = room().await;
    let stage = Stage::new("hosts-first", 3).await;
    stage.stack().await;
    stage.formed().await;
    stage.indexed().await;
    let target = stage.target().await;
    let (runs, told) = (stage.runs(), stage.told_to(&target).await);

    // While their Cluster is there, all its Hosts at once look like members that are to be drained.
    stage.terminates().await;
    stage.delete_all("hosts.drover.dev").await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    stage.delete_all("secrets,configmaps,clusters.drover.dev,indices.drover.dev").await;
    stage.is_over().await;
    stage.is_green(&target).await;
    assert_eq!(stage.told_to(&target).await, told, "something is left of a drain");
    assert_eq!(stage.runs(), runs, "under Retain nobody is touched");
}
