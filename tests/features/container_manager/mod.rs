//! `ContainerManager`s before another, real API server, and the real machines that are its Nodes. What a
//! kubelet, a disruption controller and a garbage collector would do there is done by hand, but in
//! `kubelet`, where a real one does it.

mod connection;
mod crash;
mod departure;
mod foreign;
mod kubelet;
mod life;
mod maintenance;
mod moving;

use drover::api::{
    cluster::Cluster,
    condition,
    container_manager::ContainerManager,
    host_status::{HostState, Registration},
};
use kube::{Api, Resource, api::DeleteParams, core::NamespaceResourceScope};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    common::{
        hosts::{Host, Os, Settings},
        wait::eventually,
    },
    hosts::{SOON, Stage},
    registration::Bed,
    world::expect,
};

/// Makes the Secret `token` and the `ConfigMap` `nodes-ca`, which it takes to use the other API server.
pub async fn lend_access(bed: &Bed, stage: &Stage) {
    let (token, ca) = (json!({ "token": bed.token }), json!({ "ca.crt": bed.authority.pem() }));
    let token = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "token" }, "stringData": token,
    });
    let ca = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "nodes-ca" }, "data": ca,
    });
    stage.apply(&token).await;
    stage.apply(&ca).await;
}

/// How the other API server is reached with these.
pub fn options(bed: &Bed) -> Value {
    json!({
        "server": bed.control.kubeconfig().server,
        "ca": { "configMapName": "nodes-ca" },
        "auth": { "token": { "secretName": "token" } },
    })
}

/// A namespace with an operator, and what it takes to use the other API server.
pub struct Yard<'bed> {
    pub stage: Stage,
    pub bed: &'bed Bed,
    /// The machine of all these tests; no test changes anything on it.
    pub machine: &'static Host,
}

impl Yard<'static> {
    /// One before the shared API server, with the Secret `token` and the `ConfigMap` `nodes-ca`, and
    /// no object of Drover yet.
    pub async fn new(name: &str) -> Self {
        Self::before(Bed::shared().await, name).await
    }

    /// The same with the `ContainerManager` `nodes`, the Cluster `es` that names it, and its member,
    /// the Host `es-1`.
    pub async fn with_member(name: &str) -> Self {
        let yard = Self::new(name).await;
        yard.begin().await;
        yard
    }
}

impl<'bed> Yard<'bed> {
    /// One before an API server of the test's own.
    pub async fn before(bed: &'bed Bed, name: &str) -> Self {
        // Without a Lease, a process that follows one that was killed begins at once.
        let stage = Stage::with(name, |it| it.switch("--leader-elect=false")).await;
        let machine = Host::shared("node", || Settings::new(Os::Debian)).await;
        lend_access(bed, &stage).await;
        Self { stage, bed, machine }
    }

    /// Makes the `ContainerManager` `nodes`, the Cluster `es` that names it, and its member `es-1`.
    pub async fn begin(&self) {
        self.manager("nodes", &self.options()).await;
        self.cluster(&json!({ "containerManagerRef": { "name": "nodes" } })).await;
        self.member(&json!({})).await;
    }

    pub async fn secret(&self, name: &str, data: &Value) {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": data,
        });
        self.stage.apply(&secret).await;
    }

    /// How the other API server is reached.
    pub fn options(&self) -> Value {
        options(self.bed)
    }

    pub async fn manager(&self, name: &str, options: &Value) {
        self.drover("ContainerManager", name, &json!({ "type": "Kubernetes", "options": options }))
            .await;
    }

    pub async fn cluster(&self, spec: &Value) {
        self.drover("Cluster", "es", spec).await;
    }

    async fn drover(&self, kind: &str, name: &str, spec: &Value) {
        let object = json!({
            "apiVersion": "drover.dev/v1alpha1", "kind": kind,
            "metadata": { "name": name }, "spec": spec,
        });
        self.stage.apply(&object).await;
    }

    /// Applies the Host `es-1`; `spec` is merged over what it needs.
    pub async fn member(&self, spec: &Value) {
        let mut whole = json!({ "clusterRef": { "name": "es" }, "nodeName": self.node_name() });
        whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        self.stage.host("es-1", self.machine, &whole).await;
    }

    /// A name that no other test has.
    pub fn node_name(&self) -> String {
        format!("{}-es-1", self.stage.namespace)
    }

    /// The Node of that name, as it is now.
    pub fn node(&self) -> Option<Value> {
        self.bed.node(&self.node_name())
    }

    /// What a kubelet would say of it.
    pub fn says(&self, status: &str) {
        let ready = json!([{ "type": "Ready", "status": status, "reason": "ByHand" }]);
        let conditions = json!({ "conditions": ready });
        self.bed.patch_status("default", "node", &self.node_name(), &conditions);
    }

    /// Waits until the Host `es-1` is registered.
    pub async fn registered(&self) -> Registration {
        let host = self.stage.until("es-1", "Registered", "True").await;
        host.status.unwrap().container_manager.unwrap()
    }

    pub async fn state(&self, state: HostState) {
        let what = format!("state {}", state.as_str());
        self.stage
            .when("es-1", &what, |host| match host.status.as_ref().and_then(|it| it.state) {
                Some(is) if is == state => Ok(()),
                other => Err(format!("{other:?}")),
            })
            .await;
    }

    /// Waits until a condition has a status and a reason; returns its message.
    pub async fn manager_tells(
        &self,
        name: &str,
        kind: &str,
        status: &str,
        reason: &str,
    ) -> String {
        let of = |it: &ContainerManager| {
            let conditions = it.status.as_ref().map(|it| it.conditions.as_slice());
            condition::find(conditions.unwrap_or_default(), kind).cloned()
        };
        let what = format!("{kind}={status}, {reason}");
        let manager = self
            .when(name, &what, |manager: &ContainerManager| match of(manager) {
                Some(it) if it.status == status && it.reason == reason => Ok(()),
                other => Err(format!("{other:#?}")),
            })
            .await;
        of(&manager).unwrap().message.to_string()
    }

    pub async fn cluster_when(
        &self,
        what: &str,
        check: impl Fn(&Cluster) -> Result<(), String>,
    ) -> Cluster {
        self.when("es", what, check).await
    }

    /// Waits until the Cluster's only host counts so.
    pub async fn cluster_counts(&self, available: u32, state: &str) {
        self.cluster_when(&format!("{available} available, {state}"), |cluster| {
            let status = serde_json::to_value(cluster.status.as_ref()).unwrap();
            let expected = json!({
                "total": 1, "available": available, "unavailable": 1 - available,
            });
            if status["hosts"] == expected && status["state"] == state {
                Ok(())
            } else {
                Err(format!("{} {}", status["hosts"], status["state"]))
            }
        })
        .await;
    }

    /// Waits until an object is as `check` wants it; it says what is amiss.
    pub async fn when<K>(
        &self,
        name: &str,
        what: &str,
        check: impl Fn(&K) -> Result<(), String>,
    ) -> K
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned,
    {
        let api = self.api::<K>();
        eventually(&format!("{name}: {what}"), SOON, async || {
            let object = api.get(name).await.map_err(|it| it.to_string())?;
            check(&object).map(|()| object)
        })
        .await
    }

    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.stage.client.clone(), &self.stage.namespace)
    }

    /// Deletes an object and does not wait.
    pub async fn delete<K>(&self, name: &str)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned,
    {
        self.api::<K>().delete(name, &DeleteParams::default()).await.expect("it exists");
    }

    /// Waits until an object is gone.
    pub async fn gone<K>(&self, name: &str)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned,
    {
        let api = self.api::<K>();
        eventually(&format!("{name} is gone"), SOON, async || {
            match api.get_opt(name).await.map_err(|it| it.to_string())? {
                None => Ok(()),
                Some(it) => Err(format!("still there: {it:?}")),
            }
        })
        .await;
    }

    /// How many events with this reason there are about the Host `es-1`.
    pub async fn events(&self, reason: &str) -> usize {
        expect::events(&self.stage.client, &self.stage.namespace, "es-1", reason).await
    }

    /// How many steps of Hosts in a `ContainerManager` the operator has counted.
    pub async fn steps(&self, step: &str, result: &str) -> f64 {
        let labels = [
            r#"controller="host""#.to_owned(),
            format!(r#"step="{step}""#),
            format!(r#"result="{result}""#),
        ];
        let labels = labels.each_ref().map(String::as_str);
        self.stage.operator.metric("drover_step_total", &labels).await
    }
}
