//! What the features share: one API server with the definitions, one Elasticsearch of each version,
//! and a stage for each test: a namespace, an operator that watches it alone, and fault proxies
//! before both servers.

pub mod expect;

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
    clock,
    control_plane::ControlPlane,
    elasticsearch::{Elasticsearch, Settings},
    operator::{self, Operator},
    proxy::{Entry, Proxy},
};

/// How long anything may take that takes a second on an idle machine.
pub const SOON: Duration = Duration::from_mins(1);
/// The role that the documentation tells people to give Drover's user.
pub const ROLE: &str = include_str!("../../../examples/elasticsearch/role.json");
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
/// A user who may only watch the cluster.
pub const MONITOR_USER: &str = "drover-monitor";
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
        .user(USER_WITHOUT_RIGHTS, PASSWORD, "nothing")
        .role("monitor-alone", r#"{ "cluster": ["monitor"], "indices": [] }"#)
        .user(MONITOR_USER, PASSWORD, "monitor-alone");
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
    let mut own = clock::queue(OWN.lock()).await;
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
