//! What the features share: one API server with the definitions, one Elasticsearch of each version,
//! and a stage for each test: a namespace, an operator that watches it alone, and fault proxies
//! before both servers.

use std::{collections::HashMap, time::Duration};

use drover::api::{
    cluster::Cluster,
    condition::{self, Condition},
    index::Index,
};
use kube::Api;
use serde_json::{Value, json};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard, OnceCell};

use crate::common::{
    certificates::Authority,
    control_plane::ControlPlane,
    elasticsearch::{Elasticsearch, Settings},
    operator::{self, Operator},
    proxy::{Entry, Outcome, Proxy},
    wait::eventually,
};

/// How long anything may take that takes a second on an idle machine.
pub const SOON: Duration = Duration::from_mins(1);
/// The role that the documentation tells people to give Drover's user.
pub const ROLE: &str = include_str!("../../examples/elasticsearch/role.json");
/// Drover's user in Elasticsearch.
pub const USER: &str = "drover";
/// Its password: a word that must turn up nowhere else.
pub const PASSWORD: &str = "canary-password-of-drover";

/// The API server of this run, with Drover's definitions in it.
pub async fn control_plane() -> &'static ControlPlane {
    static DEFINITIONS: OnceCell<()> = OnceCell::const_new();
    crate::common::init();
    let control_plane = ControlPlane::shared().await;
    let install = async {
        let definitions = drover::api::all_crds();
        let definitions = json!({ "apiVersion": "v1", "kind": "List", "items": definitions });
        control_plane.install_crds(&definitions.to_string());
    };
    DEFINITIONS.get_or_init(|| install).await;
    control_plane
}

/// A user with the same rights, for the rotation of credentials.
pub const SECOND_USER: &str = "drover-second";
/// A user who may do nothing.
pub const USER_WITHOUT_RIGHTS: &str = "drover-without-rights";
/// The common name of the client certificate that Elasticsearch takes for Drover, on 8.x.
pub const CERTIFICATE_USER: &str = "drover-by-certificate";
/// The name of a file token of a service account, on 8.x.
pub const TOKEN: &str = "drover";

/// Settings of a secured Elasticsearch with Drover's least-privilege user in it. 8.x has the trial
/// licence, so that client certificates are taken too.
pub fn secured(version: &str) -> Settings {
    let settings = Settings::new(version)
        .role(USER, ROLE)
        .user(USER, PASSWORD, USER)
        .user(SECOND_USER, PASSWORD, USER)
        .role("nothing", r#"{ "cluster": [], "indices": [] }"#)
        .user(USER_WITHOUT_RIGHTS, PASSWORD, "nothing");
    if version.starts_with("8.") {
        settings.client_certificate_user(CERTIFICATE_USER, USER).service_token(TOKEN)
    } else {
        settings
    }
}

/// An Elasticsearch 8.19 without security, for one test at a time: whoever holds it may stop,
/// freeze or redden it, and gives it back as it was.
pub async fn own_elasticsearch() -> MappedMutexGuard<'static, Elasticsearch> {
    static OWN: Mutex<Option<Elasticsearch>> = Mutex::const_new(None);
    let mut own = OWN.lock().await;
    if own.is_none() {
        *own = Some(Settings::new("8.19.0").name("own").without_security().start().await);
    }
    MutexGuard::map(own, |it| it.as_mut().expect("set above"))
}

/// The Elasticsearch of a version that tests share, each with index names of its own. It is never
/// harmed: a test that stops or freezes one starts its own.
pub async fn elasticsearch(version: &'static str) -> &'static Elasticsearch {
    static SHARED: Mutex<Option<HashMap<&'static str, &'static OnceCell<Elasticsearch>>>> =
        Mutex::const_new(None);
    let cell = {
        let mut shared = SHARED.lock().await;
        let shared = shared.get_or_insert_default();
        *shared.entry(version).or_insert_with(|| Box::leak(Box::default()))
    };
    cell.get_or_init(async || secured(version).start().await).await
}

/// A namespace with an operator of its own.
pub struct Stage {
    /// The API server.
    pub control_plane: &'static ControlPlane,
    /// The only namespace that the operator watches.
    pub namespace: String,
    /// The operator.
    pub operator: Operator,
    /// Between the operator and the API server.
    pub kubernetes: Proxy,
    /// Between the operator and Elasticsearch.
    pub elasticsearch: Proxy,
    /// The administrator's client, past the proxy.
    pub client: kube::Client,
}

impl Stage {
    /// A stage before `elasticsearch`, with the Secret `credentials` and the `ConfigMap` `ca`, and
    /// no object of Drover yet. The operator polls each second.
    pub async fn new(name: &str, elasticsearch: &Elasticsearch) -> Self {
        Self::with(name, elasticsearch, |it| it).await
    }

    /// The same with other flags for the operator.
    pub async fn with(
        name: &str,
        elasticsearch: &Elasticsearch,
        flags: impl FnOnce(operator::Settings) -> operator::Settings,
    ) -> Self {
        let control_plane = control_plane().await;
        let namespace = control_plane.namespace(name);
        let kubernetes = Proxy::before_kubernetes(control_plane);
        let proxy = Proxy::before_elasticsearch(elasticsearch);
        let mut kubeconfig = control_plane.kubeconfig().at(&kubernetes.url());
        kubeconfig.authority = Authority::shared().file();
        let operator = flags(operator::Settings::new(&kubeconfig, &namespace)).start().await;
        let client = control_plane.client().await;
        let stage =
            Self { control_plane, namespace, operator, kubernetes, elasticsearch: proxy, client };
        stage.secret("credentials", &json!({ "username": USER, "password": PASSWORD }));
        stage.apply(&json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": "ca" },
            "data": { "ca.crt": Authority::shared().pem() },
        }));
        stage
    }

    /// Applies one object into the stage's namespace.
    pub fn apply(&self, manifest: &Value) {
        self.control_plane.apply(&self.namespace, &manifest.to_string());
    }

    /// Makes or changes a Secret.
    pub fn secret(&self, name: &str, data: &Value) {
        self.apply(&json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": name },
            "stringData": data,
        }));
    }

    /// The connection through the proxy that the `Secret` and `ConfigMap` of the stage are for.
    pub fn connection(&self) -> Value {
        json!({
            "endpoints": [self.elasticsearch.url()],
            "auth": { "basic": { "secretName": "credentials" } },
            "tls": { "ca": { "configMapName": "ca" } },
            "timeout": "30s",
        })
    }

    /// Applies the Cluster `es` with that connection, and waits until it is Ready.
    pub async fn connect(&self) -> Cluster {
        self.cluster("es", &self.connection());
        self.cluster_until("es", "Ready", "True").await
    }

    /// Applies a Cluster.
    pub fn cluster(&self, name: &str, connection: &Value) {
        self.apply(&json!({
            "apiVersion": "drover.dev/v1alpha1",
            "kind": "Cluster",
            "metadata": { "name": name },
            "spec": { "connection": connection },
        }));
    }

    /// Applies an Index of the Cluster `es`; `spec` is merged over its `clusterRef`.
    pub fn index(&self, name: &str, spec: &Value) {
        let mut whole = json!({ "clusterRef": { "name": "es" } });
        let fields = spec.as_object().expect("a spec is an object").clone();
        whole.as_object_mut().expect("made above").extend(fields);
        self.apply(&json!({
            "apiVersion": "drover.dev/v1alpha1",
            "kind": "Index",
            "metadata": { "name": name },
            "spec": whole,
        }));
    }

    /// The Clusters of the stage.
    pub fn clusters(&self) -> Api<Cluster> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The Indices of the stage.
    pub fn indices(&self) -> Api<Index> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

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

/// The condition of a Cluster or an Index; panics where it is not there.
pub fn get<'a>(conditions: &'a [Condition], kind: &str) -> &'a Condition {
    condition::find(conditions, kind).unwrap_or_else(|| panic!("no {kind} in {conditions:?}"))
}

/// The calls of some entries, as in `PUT /books/_settings`.
pub fn calls(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|it| format!("{} {}", it.method, it.path)).collect()
}

/// The uuid of a live index.
pub fn uuid(live: &Value) -> String {
    live["settings"]["index"]["uuid"].as_str().expect("a uuid").to_owned()
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
