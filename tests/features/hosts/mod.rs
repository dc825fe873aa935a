//! Hosts on real machines: a real systemd and a real sshd for each, and the operator that keeps them.

mod canary;
pub mod crash;
mod deletion;
mod deploy;
mod elasticsearch;
mod families;
mod faults;
mod identity;
mod ledger;
mod life;
mod managed;
mod preparation;
mod roll;
mod rotation;
mod trust;
mod upgrade;

use std::time::Duration;

use drover::api::{RESUME, cluster::Cluster, condition, host::Host as HostObject};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, api::DeleteParams};
use serde_json::{Value, json};

use crate::{
    common::{
        certificates::Authority,
        hosts::{Host, SshKey},
        operator::{self, Operator},
        proxy::Proxy,
        wait::eventually,
    },
    world::{control_plane, expect},
};

/// How long anything may take that takes some seconds on an idle machine.
pub const SOON: Duration = Duration::from_mins(2);

/// A namespace with an operator of its own, for Hosts.
pub struct Stage {
    /// The only namespace that the operator watches.
    pub namespace: String,
    /// The operator: it probes each second.
    pub operator: Operator,
    /// Between the operator and the API server.
    pub kubernetes: Proxy,
    /// The administrator's client, past the proxy.
    pub client: kube::Client,
}

impl Stage {
    /// A stage with the Secret `key`, which every host of the bed lets in.
    pub async fn new(name: &str) -> Self {
        Self::with(name, |it| it).await
    }

    /// The same with other flags for the operator.
    pub async fn with(
        name: &str,
        flags: impl FnOnce(operator::Settings) -> operator::Settings,
    ) -> Self {
        let control_plane = control_plane().await;
        let namespace = control_plane.namespace(name);
        let (settings, kubernetes) = operator_for(&namespace).await;
        let operator = flags(settings).start().await;
        let client = control_plane.client().await;
        let stage = Self { namespace, operator, kubernetes, client };
        stage.key("key", SshKey::shared()).await;
        stage
    }

    /// A second operator for the same namespace, which stands by, and the proxy between it and the API
    /// server.
    pub async fn standby(&self) -> (Operator, Proxy) {
        let (settings, kubernetes) = operator_for(&self.namespace).await;
        (settings.start().await, kubernetes)
    }

    /// Applies one object into the stage's namespace.
    pub async fn apply(&self, manifest: &Value) {
        control_plane().await.apply(&self.namespace, &manifest.to_string());
    }

    /// Makes or changes a Secret with a private key.
    pub async fn key(&self, name: &str, key: &SshKey) {
        self.secret(name, &json!({ "ssh-privatekey": key.private() })).await;
    }

    /// Makes or changes a Secret.
    pub async fn secret(&self, name: &str, data: &Value) {
        self.apply(&secret(name, data)).await;
    }

    /// Deletes a Secret.
    pub async fn unmake_secret(&self, name: &str) {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        secrets.delete(name, &DeleteParams::default()).await.expect("it exists");
    }

    /// Applies a Host that stands for `host`, see [`spec_of`].
    pub async fn host(&self, name: &str, host: &Host, spec: &Value) {
        self.apply(&manifest(name, &spec_of(host, spec))).await;
    }

    /// Makes a Host with this very spec, or tells why the API server does not take it.
    pub async fn try_host(&self, name: &str, spec: &Value) -> Result<(), String> {
        let kind = kube::core::ApiResource::erase::<HostObject>(&());
        let api: Api<kube::core::DynamicObject> =
            Api::namespaced_with(self.client.clone(), &self.namespace, &kind);
        let object = serde_json::from_value(manifest(name, spec)).expect("an object");
        match api.create(&kube::api::PostParams::default(), &object).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(it)) if it.code == 422 => Err(it.message.clone()),
            Err(other) => panic!("{name}: {other}"),
        }
    }

    /// The Hosts of the stage.
    pub fn hosts(&self) -> Api<HostObject> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Applies a Host, and waits until it is Ready.
    pub async fn ready(&self, name: &str, host: &Host, spec: &Value) -> HostObject {
        self.host(name, host, spec).await;
        self.until(name, "Ready", "True").await
    }

    /// Waits until a condition of the Host has a status, for its current generation.
    pub async fn until(&self, name: &str, kind: &str, status: &str) -> HostObject {
        self.when(name, &format!("{kind}={status}"), |host| {
            let seen = host.status.clone().unwrap_or_default();
            expect::told(&seen.conditions, kind, status, host.metadata.generation)
        })
        .await
    }

    /// Waits until a condition of the Host has a status and a reason, for its current generation,
    /// and returns its message.
    pub async fn tells(&self, name: &str, kind: &str, status: &str, reason: &str) -> String {
        let host = self
            .when(name, &format!("{kind}={status}, {reason}"), |host| {
                let seen = host.status.clone().unwrap_or_default();
                expect::told(&seen.conditions, kind, status, host.metadata.generation)?;
                let found = condition::find(&seen.conditions, kind);
                let fits = found.is_some_and(|it| it.reason == reason);
                if fits { Ok(()) } else { Err(format!("{:#?}", seen.conditions)) }
            })
            .await;
        let conditions = host.status.unwrap_or_default().conditions;
        condition::find(&conditions, kind).map(|it| it.message.to_string()).unwrap_or_default()
    }

    /// Waits until the Host is as `check` wants it; it says what is amiss.
    pub async fn when(
        &self,
        name: &str,
        what: &str,
        check: impl Fn(&HostObject) -> Result<(), String>,
    ) -> HostObject {
        let api = self.hosts();
        eventually(&format!("Host {name}: {what}"), SOON, async || {
            let host = api.get(name).await.map_err(|it| it.to_string())?;
            check(&host).map(|()| host)
        })
        .await
    }

    /// Sets an annotation or a label of a Host: `metadata` is merged.
    pub async fn mark(&self, name: &str, metadata: &Value) {
        let patch = kube::api::Patch::Merge(json!({ "metadata": metadata }));
        self.hosts().patch(name, &kube::api::PatchParams::default(), &patch).await.expect("a Host");
    }

    /// A person lets the run of the Cluster `es` go on, with this word.
    pub async fn resume(&self, token: &str) {
        let api: Api<Cluster> = Api::namespaced(self.client.clone(), &self.namespace);
        let metadata = json!({ "annotations": { RESUME: token } });
        let patch = kube::api::Patch::Merge(json!({ "metadata": metadata }));
        api.patch("es", &kube::api::PatchParams::default(), &patch).await.expect("a Cluster");
    }

    /// Waits until the operator has looked into everything anew: the look began after this was called.
    /// To be used where the stage has one Host, which may be looked into already.
    pub async fn look_anew(&self, name: &str) {
        for word in ["once", "and once more"] {
            let before = self.ran("gather facts").await;
            let annotations = json!({ "drover.dev/reconcile-at": word });
            self.mark(name, &json!({ "annotations": annotations })).await;
            eventually(&format!("Host {name} is looked into {word}"), SOON, async || {
                let now = self.ran("gather facts").await;
                if before < now { Ok(()) } else { Err(format!("{now}")) }
            })
            .await;
        }
    }

    /// How often the operator has run a command of this name on machines, and it has ended.
    pub async fn ran(&self, what: &str) -> f64 {
        let label = format!("command=\"{what}\"");
        self.operator.metric("drover_ssh_command_duration_seconds_count", &[&label]).await
    }

    /// Deletes all objects of these kinds at once, one kind after the other, and does not wait.
    pub async fn delete_all(&self, kinds: &str) {
        let arguments = ["delete", kinds, "--all", "--wait=false", "-n", &self.namespace];
        control_plane().await.kubectl(&arguments, "");
    }

    /// Deletes the Host and does not wait.
    pub async fn delete(&self, name: &str) {
        self.hosts().delete(name, &DeleteParams::default()).await.expect("it exists");
    }

    /// Waits until the Host object is gone.
    pub async fn gone(&self, name: &str) {
        let api = self.hosts();
        eventually(&format!("Host {name} is gone"), SOON, async || {
            match api.get_opt(name).await.map_err(|it| it.to_string())? {
                None => Ok(()),
                Some(it) => Err(format!("still there: {:?}", it.status)),
            }
        })
        .await;
    }

    /// Waits for an event with this reason about an object of this name, and returns its note.
    pub async fn event(&self, object: &str, reason: &str) -> String {
        expect::event(&self.client, &self.namespace, object, reason).await
    }
}

/// An operator that watches `namespace` alone and probes each second, and the proxy between it and the
/// API server.
async fn operator_for(namespace: &str) -> (operator::Settings, Proxy) {
    let control_plane = control_plane().await;
    let kubernetes = Proxy::before_kubernetes(control_plane);
    let mut kubeconfig = control_plane.kubeconfig().at(&kubernetes.url());
    kubeconfig.authority = Authority::shared().file();
    let settings = operator::Settings::new(&kubeconfig, namespace)
        .flag("--probe-interval", "1s")
        .flag("--stats-interval", "5s");
    (settings, kubernetes)
}

/// The spec of a Host that stands for `host`, with its right fingerprint, as root; `spec` is merged
/// over that.
pub fn spec_of(host: &Host, spec: &Value) -> Value {
    let mut whole = json!({
        "address": host.address(),
        "credentials": { "secretName": "key" },
        "hostKey": { "fingerprints": [host.fingerprint()] },
    });
    let fields = spec.as_object().expect("a spec is an object").clone();
    whole.as_object_mut().expect("made above").extend(fields);
    whole
}

/// A Secret of the kind that Hosts name.
pub fn secret(name: &str, data: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/ssh-auth",
        "metadata": { "name": name },
        "stringData": data,
    })
}

/// A Host of this name and spec.
pub fn manifest(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "drover.dev/v1alpha1",
        "kind": "Host",
        "metadata": { "name": name },
        "spec": spec,
    })
}

/// Ends the sessions that are open on a host, and not sshd itself.
pub fn cut_sessions(host: &Host) {
    host.inside("for it in $(pgrep -x sshd); do [ \"$it\" = \"$(cat /run/sshd.pid)\" ] || kill -9 \"$it\"; done; true");
}

/// How often somebody logged in, or tried to, as sshd's journal has it.
pub fn attempts(host: &Host) -> usize {
    let log = host.inside("journalctl --no-pager -u ssh -o cat");
    log.lines().filter(|it| it.contains("Accepted ") || it.contains("Failed ")).count()
}
