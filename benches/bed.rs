//! An operator between two counting proxies, and what to ask of it.

use std::time::{Duration, Instant};

use drover::{api::index::Index, kubernetes::Kind};
use kube::Api;
use serde_json::{Value, json};

use crate::common::{
    certificates::Authority,
    control_plane::ControlPlane,
    operator::{Operator, Settings},
    proxy::{Entry, Proxy},
};

/// Drover's user in Elasticsearch.
pub const USER: &str = "drover";
/// Its password.
pub const PASSWORD: &str = "password-of-drover";

/// A namespace on an API server, and what an operator needs that watches it.
pub struct Kubernetes {
    control_plane: &'static ControlPlane,
    namespace: String,
    /// Between the operator and the API server.
    pub proxy: Proxy,
}

/// One with the Cluster `es`.
pub struct Bed {
    kubernetes: Kubernetes,
    /// Between the operator and Elasticsearch, or in its place.
    pub elasticsearch: Proxy,
    pub indices: Api<Index>,
}

impl Kubernetes {
    /// A namespace that nobody else has, with the definitions installed.
    pub async fn new(name: &str) -> Self {
        let control_plane = ControlPlane::shared().await;
        let definitions = drover::api::all_crds();
        let definitions = json!({ "apiVersion": "v1", "kind": "List", "items": definitions });
        control_plane.install_crds(&definitions.to_string());
        let namespace = control_plane.namespace(name);
        Self { control_plane, namespace, proxy: Proxy::before_kubernetes(control_plane) }
    }

    /// Applies objects, past the proxy.
    pub fn apply(&self, items: &Value) {
        let objects = json!({ "apiVersion": "v1", "kind": "List", "items": items });
        self.control_plane.apply(&self.namespace, &objects.to_string());
    }

    /// The objects of a kind, past the proxy.
    pub async fn api<K: Kind>(&self) -> Api<K> {
        Api::namespaced(self.control_plane.client().await, &self.namespace)
    }

    /// The operator with the intervals that it has by default.
    pub fn operator(&self) -> Settings {
        let mut kubeconfig = self.control_plane.kubeconfig().at(&self.proxy.url());
        kubeconfig.authority = Authority::shared().file();
        Settings::new(&kubeconfig, &self.namespace).flag("--poll-interval", "10s")
    }

    /// Requests that change nothing; those of the Lease are left out, here and below.
    pub fn reads(&self) -> usize {
        self.proxy.ledger().count(|it| !it.is_write() && !it.is_lease())
    }

    /// Requests that change something; events are left out.
    pub fn writes(&self) -> usize {
        self.proxy.ledger().count(|it| it.is_write() && !it.is_lease() && !is_event(it))
    }

    pub fn events(&self) -> usize {
        self.proxy.ledger().count(|it| it.is_write() && is_event(it))
    }
}

fn is_event(entry: &Entry) -> bool {
    entry.path.ends_with("/events")
}

impl Bed {
    /// A namespace on the API server, with the Cluster `es` behind `elasticsearch`.
    pub async fn new(name: &str, elasticsearch: Proxy) -> Self {
        let kubernetes = Kubernetes::new(name).await;
        kubernetes.apply(&json!([
            {
                "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "credentials" },
                "stringData": { "username": USER, "password": PASSWORD },
            },
            {
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "ca" },
                "data": { "ca.crt": Authority::shared().pem() },
            },
            {
                "apiVersion": "drover.dev/v1alpha1", "kind": "Cluster",
                "metadata": { "name": "es" },
                "spec": { "connection": {
                    "endpoints": [elasticsearch.url()],
                    "auth": { "basic": { "secretName": "credentials" } },
                    "tls": { "ca": { "configMapName": "ca" } },
                }},
            },
        ]));
        let indices = kubernetes.api().await;
        Self { kubernetes, elasticsearch, indices }
    }

    /// The operator with the intervals that it has by default.
    pub fn operator(&self) -> Settings {
        self.kubernetes.operator()
    }

    /// Begins to count requests anew.
    pub fn count_anew(&self) {
        self.kubernetes.proxy.ledger().clear();
        self.elasticsearch.ledger().clear();
    }

    /// The requests since then.
    pub fn requests(&self) -> Requests {
        let elasticsearch = self.elasticsearch.ledger();
        let polls =
            |it: &Entry| it.opaque_id.as_ref().is_some_and(|it| it.starts_with("drover/poll/"));
        Requests {
            polls: elasticsearch.count(polls),
            reads: elasticsearch.count(|it| !polls(it) && !it.is_write()),
            writes: elasticsearch.count(Entry::is_write),
            kubernetes_reads: self.kubernetes.reads(),
            kubernetes_writes: self.kubernetes.writes(),
            events: self.kubernetes.events(),
        }
    }
}

/// How many requests there were of each sort; those of the Lease are left out.
#[derive(Clone, Copy, Debug)]
pub struct Requests {
    /// To Elasticsearch, by the poller, for all objects together.
    pub polls: usize,
    /// To Elasticsearch, by single objects.
    pub reads: usize,
    pub writes: usize,
    pub kubernetes_reads: usize,
    pub kubernetes_writes: usize,
    pub events: usize,
}

/// Waits until so many objects of a kind are told to be Ready by the operator itself, which says so
/// once it has looked.
pub async fn looked_at(operator: &Operator, kind: &str, count: usize) {
    let labels = [&format!(r#"kind="{kind}""#), r#"ready="true""#];
    let end = Instant::now() + Duration::from_mins(5);
    loop {
        let ready = operator.metric("drover_objects", &labels).await;
        if count_of(ready) == count {
            return;
        }
        assert!(Instant::now() < end, "{ready} of {count} are Ready: {}", operator.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until the operator has used next to no CPU for two seconds.
pub async fn quiet(operator: &Operator) {
    let mut last = operator.cpu_time();
    let mut since = Instant::now();
    while since.elapsed() < Duration::from_secs(2) {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = operator.cpu_time();
        if Duration::from_millis(10) < now.saturating_sub(last) {
            (last, since) = (now, Instant::now());
        }
    }
}

/// Index reconciles since the start.
pub async fn reconciles(operator: &Operator) -> usize {
    let labels = [r#"controller="index""#];
    count_of(operator.metric("drover_reconcile_total", &labels).await)
}

/// The value of a metric that counts.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a counter
pub fn count_of(value: f64) -> usize {
    value as usize
}
