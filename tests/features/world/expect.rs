//! What a test waits for on its stage, and what it reads off there.

use drover::api::{
    cluster::Cluster,
    condition::{self, Condition},
    index::Index,
};
use kube::Api;
use serde_json::Value;

use super::{SOON, Stage};
use crate::common::{
    proxy::{Entry, Outcome},
    wait::eventually,
};

impl Stage {
    /// Waits until a condition of the Cluster has a status, for its current generation.
    pub async fn cluster_until(&self, name: &str, kind: &str, status: &str) -> Cluster {
        let api = self.clusters();
        eventually(&format!("Cluster {name} is {kind}={status}"), SOON, async || {
            let cluster = api.get(name).await.map_err(|it| it.to_string())?;
            let seen = cluster.status.clone().unwrap_or_default();
            told(&seen.conditions, kind, status, cluster.metadata.generation).map(|()| cluster)
        })
        .await
    }

    /// Waits until a condition of the Cluster has a status and a reason, for its current generation.
    pub async fn cluster_tells(
        &self,
        name: &str,
        kind: &str,
        status: &str,
        reason: &str,
    ) -> Cluster {
        let api = self.clusters();
        eventually(&format!("Cluster {name} is {kind}={status}, {reason}"), SOON, async || {
            let cluster = api.get(name).await.map_err(|it| it.to_string())?;
            let seen = cluster.status.clone().unwrap_or_default();
            told(&seen.conditions, kind, status, cluster.metadata.generation)?;
            let fits =
                condition::find(&seen.conditions, kind).is_some_and(|it| it.reason == reason);
            if fits { Ok(cluster) } else { Err(format!("{:#?}", seen.conditions)) }
        })
        .await
    }

    /// Deletes the Cluster and does not wait.
    pub async fn delete_cluster(&self, name: &str) {
        let parameters = kube::api::DeleteParams::default();
        self.clusters().delete(name, &parameters).await.expect("it exists");
    }

    /// Waits until the Cluster object is gone.
    pub async fn cluster_gone(&self, name: &str) {
        let api = self.clusters();
        eventually(&format!("Cluster {name} is gone"), SOON, async || {
            match api.get_opt(name).await.map_err(|it| it.to_string())? {
                None => Ok(()),
                Some(it) => Err(format!("still there: {:?}", it.status)),
            }
        })
        .await;
    }

    /// Waits until a condition of the Index has a status, for its current generation.
    pub async fn index_until(&self, name: &str, kind: &str, status: &str) -> Index {
        let api = self.indices();
        eventually(&format!("Index {name} is {kind}={status}"), SOON, async || {
            let index = api.get(name).await.map_err(|it| it.to_string())?;
            let seen = index.status.clone().unwrap_or_default();
            told(&seen.conditions, kind, status, index.metadata.generation).map(|()| index)
        })
        .await
    }

    /// Applies an Index, and waits until it is Ready.
    pub async fn ready_index(&self, name: &str, spec: &Value) -> Index {
        self.index(name, spec);
        self.index_until(name, "Ready", "True").await
    }

    /// Waits until the Index is as `check` wants it; it says what is amiss.
    pub async fn index_when(
        &self,
        name: &str,
        what: &str,
        check: impl Fn(&Index) -> Result<(), String>,
    ) -> Index {
        let api = self.indices();
        eventually(&format!("Index {name}: {what}"), SOON, async || {
            let index = api.get(name).await.map_err(|it| it.to_string())?;
            check(&index).map(|()| index)
        })
        .await
    }

    /// Waits until a condition of the Index has this reason, for its current generation, and
    /// returns its message.
    pub async fn index_reason(&self, name: &str, kind: &str, reason: &str) -> String {
        let of = |index: &Index| {
            let status = index.status.as_ref()?;
            condition::find(&status.conditions, kind).cloned()
        };
        let index = self
            .index_when(name, &format!("{kind} for {reason}"), |index| match of(index) {
                Some(it)
                    if it.reason == reason
                        && it.observed_generation == index.metadata.generation =>
                {
                    Ok(())
                }
                other => Err(format!("{other:#?}")),
            })
            .await;
        of(&index).map(|it| it.message.to_string()).unwrap_or_default()
    }

    /// Waits until the operator has asked Elasticsearch so often for the version of its state.
    pub async fn polls(&self, count: usize) {
        let asked = |it: &Entry| {
            it.path == "/_cluster/state/version,master_node" && it.outcome != Outcome::Pending
        };
        let before = self.elasticsearch.ledger().count(asked);
        eventually("the operator polls", SOON, async || {
            let now = self.elasticsearch.ledger().count(asked);
            if before + count <= now { Ok(()) } else { Err(format!("{now} polls")) }
        })
        .await;
    }

    /// Waits until the operator has polled three times without a write to anybody.
    pub async fn rest(&self) {
        let writes =
            || self.kubernetes.ledger().writes().len() + self.elasticsearch.ledger().writes().len();
        let mut before = writes();
        eventually("the operator comes to rest", SOON, async || {
            self.polls(3).await;
            let now = writes();
            let new = now - std::mem::replace(&mut before, now);
            if new == 0 { Ok(()) } else { Err(format!("{new} writes in three polls")) }
        })
        .await;
    }

    /// What Elasticsearch was told to change for this Index, in order.
    pub fn index_writes(&self, name: &str) -> Vec<Entry> {
        let caller = format!("drover/index/{}/{name}", self.namespace);
        self.elasticsearch
            .ledger()
            .find(|it| it.is_write() && it.opaque_id.as_deref() == Some(&caller))
    }

    /// Every status of this Index that was sent to the API server, in order.
    pub fn index_statuses(&self, name: &str) -> Vec<Value> {
        let path = format!(
            "/apis/drover.dev/v1alpha1/namespaces/{}/indices/{name}/status",
            self.namespace
        );
        let sent = self.kubernetes.ledger().find(|it| it.method == "PATCH" && it.path == path);
        sent.iter().map(|it| it.json()["status"].clone()).collect()
    }

    /// Deletes the Index, and waits until it is gone.
    pub async fn delete_index(&self, name: &str) {
        self.indices().delete(name, &kube::api::DeleteParams::default()).await.expect("it exists");
        self.index_gone(name).await;
    }

    /// Waits until the Index object is gone.
    pub async fn index_gone(&self, name: &str) {
        let api = self.indices();
        eventually(&format!("Index {name} is gone"), SOON, async || {
            match api.get_opt(name).await.map_err(|it| it.to_string())? {
                None => Ok(()),
                Some(it) => Err(format!("still there: {:?}", it.status)),
            }
        })
        .await;
    }

    /// How many events with this reason there are about an object of this name.
    pub async fn events(&self, object: &str, reason: &str) -> usize {
        let api: Api<k8s_openapi::api::events::v1::Event> =
            Api::namespaced(self.client.clone(), &self.namespace);
        let events = api.list(&kube::api::ListParams::default()).await.expect("events");
        let is_it = |it: &&k8s_openapi::api::events::v1::Event| {
            it.regarding.as_ref().and_then(|it| it.name.as_deref()) == Some(object)
                && it.reason.as_deref() == Some(reason)
        };
        events.iter().filter(is_it).count()
    }

    /// Waits for an event with this reason about an object of this name, and returns its note.
    pub async fn event(&self, object: &str, reason: &str) -> String {
        let api: Api<k8s_openapi::api::events::v1::Event> =
            Api::namespaced(self.client.clone(), &self.namespace);
        eventually(&format!("event {reason} about {object}"), SOON, async || {
            let events = api.list(&kube::api::ListParams::default()).await;
            let events = events.map_err(|it| it.to_string())?;
            let about = |it: &k8s_openapi::api::events::v1::Event| {
                it.regarding.as_ref().and_then(|it| it.name.clone()).as_deref() == Some(object)
            };
            let found = events.iter().find(|it| about(it) && it.reason.as_deref() == Some(reason));
            let seen = || events.iter().filter_map(|it| it.reason.clone()).collect::<Vec<_>>();
            found
                .map(|it| it.note.clone().unwrap_or_default())
                .ok_or_else(|| format!("{:?}", seen()))
        })
        .await
    }
}

fn told(
    conditions: &[Condition],
    kind: &str,
    status: &str,
    generation: Option<i64>,
) -> Result<(), String> {
    let found = condition::find(conditions, kind);
    let fits = found.is_some_and(|it| it.status == status && it.observed_generation == generation);
    // A condition that is only there while True is False when it is gone.
    let absent = found.is_none() && status == "False" && !conditions.is_empty();
    if fits || absent { Ok(()) } else { Err(format!("{conditions:#?}")) }
}
