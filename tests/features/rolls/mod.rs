//! Clusters whose Elasticsearch runs on hosts: real hosts, real Elasticsearch as a service on each.

mod connected;

use std::{ops::Deref, time::Duration};

use drover::api::cluster::{Cluster, ClusterStatus};
use kube::Api;
use serde_json::{Value, json};

use crate::{
    common::{
        certificates::Authority,
        elasticsearch,
        hosts::{Brownfield, Host, Os, Settings},
        wait::eventually,
    },
    hosts,
    world::{self, PASSWORD, USER, expect},
};

/// How long a step of a roll may take: a node is back some 20 seconds after its start on an idle
/// machine.
pub const LONG: Duration = Duration::from_mins(4);
/// The Elasticsearch that runs where nothing else is said.
pub const VERSION: &str = "8.19.0";

/// A namespace with an operator of its own, the Cluster `es`, and its machines. It is a stage for Hosts as well.
pub struct Stage {
    stage: hosts::Stage,
    /// The machines, and the Elasticsearch on them. The Host of each has the machine's name: `es-1`, `es-2`, ...
    pub field: Brownfield,
}

impl Deref for Stage {
    type Target = hosts::Stage;

    fn deref(&self) -> &hosts::Stage {
        &self.stage
    }
}

impl Stage {
    /// So many machines on which a package has installed Elasticsearch, each a Host of the Cluster `es`, which is
    /// connected to them. Waits until the Cluster and all Hosts are Ready.
    pub async fn brownfield(name: &str, machines: usize) -> Self {
        let settings = world::secured(VERSION);
        Self::with(name, settings, vec![Settings::new(Os::Debian); machines]).await
    }

    /// The same with another Elasticsearch and other machines.
    pub async fn with(
        name: &str,
        settings: elasticsearch::Settings,
        machines: Vec<Settings>,
    ) -> Self {
        let settings = settings.name("es").heap_megabytes(320);
        let (stage, field) =
            tokio::join!(hosts::Stage::new(name), Brownfield::start(settings, machines));
        let it = Self { stage, field };
        it.connect().await;
        it
    }

    async fn connect(&self) {
        self.apply(&json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": "credentials" },
            "stringData": { "username": USER, "password": PASSWORD },
        }))
        .await;
        self.apply(&json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": "ca" },
            "data": { "ca.crt": Authority::shared().pem() },
        }))
        .await;
        self.cluster(&json!({})).await;
        for (name, host) in self.machines() {
            self.host(&name, host, &json!({ "clusterRef": { "name": "es" } })).await;
        }
        for (name, _) in self.machines() {
            self.until(&name, "Ready", "True").await;
        }
        self.cluster_until("Ready", "True").await;
    }

    /// Applies the Cluster `es`: `spec` is merged over its connection to all machines.
    pub async fn cluster(&self, spec: &Value) {
        let mut whole = json!({ "connection": {
            "endpoints": self.field.elasticsearch.urls(),
            "auth": { "basic": { "secretName": "credentials" } },
            "tls": { "ca": { "configMapName": "ca" } },
            "timeout": "5s",
        } });
        let fields = spec.as_object().expect("a spec is an object").clone();
        whole.as_object_mut().expect("made above").extend(fields);
        self.apply(&json!({
            "apiVersion": "drover.dev/v1alpha1",
            "kind": "Cluster",
            "metadata": { "name": "es" },
            "spec": whole,
        }))
        .await;
    }

    /// The machines, by the names of their Hosts.
    pub fn machines(&self) -> impl Iterator<Item = (String, &Host)> {
        self.field.hosts.iter().enumerate().map(|(index, it)| (format!("es-{}", index + 1), it))
    }

    /// Waits until a condition of the Cluster has a status, for its current generation.
    pub async fn cluster_until(&self, kind: &str, status: &str) -> ClusterStatus {
        self.cluster_when(&format!("{kind}={status}"), |cluster| {
            let seen = cluster.status.clone().unwrap_or_default();
            expect::told(&seen.conditions, kind, status, cluster.metadata.generation)
        })
        .await
    }

    /// Waits until the Cluster is as `check` wants it, and returns its status; `check` says what is amiss.
    pub async fn cluster_when(
        &self,
        what: &str,
        check: impl Fn(&Cluster) -> Result<(), String>,
    ) -> ClusterStatus {
        let api: Api<Cluster> = Api::namespaced(self.client.clone(), &self.namespace);
        eventually(&format!("Cluster es: {what}"), LONG, async || {
            let cluster = api.get("es").await.map_err(|it| it.to_string())?;
            check(&cluster).map(|()| cluster.status.unwrap_or_default())
        })
        .await
    }
}
