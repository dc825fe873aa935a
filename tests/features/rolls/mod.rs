//! Clusters whose Elasticsearch runs on hosts: real hosts, real Elasticsearch as a service on each.

mod connected;
mod cordon;
pub mod crash;
mod crowded;
mod deploy;
mod failures;
mod faults;
mod gates;
mod handover;
mod reboot;
mod records;
mod restart;
mod silent;
mod unwell;
mod upgrade;

use std::{ops::Deref, time::Duration};

use drover::api::{
    cluster::Cluster,
    cluster_status::ClusterStatus,
    host_status::RunStatus,
    rollout_status::{RestartStatus, RolloutHost, RolloutStatus},
};
use kube::Api;
use serde_json::{Value, json};

use crate::{
    common::{
        certificates::Authority,
        elasticsearch,
        hosts::{Brownfield, Footprint, Host, Os, Settings},
        operator,
        proxy::Proxy,
        wait::eventually,
    },
    hosts,
    world::{self, PASSWORD, expect},
};

/// How long a step of a roll may take: a node is back some 20 seconds after its start on an idle
/// machine.
pub const LONG: Duration = Duration::from_mins(4);
/// How long a run over three hosts may take.
const WHOLE: Duration = Duration::from_mins(12);
/// The Elasticsearch that runs where nothing else is said.
pub const VERSION: &str = "8.19.0";

/// The role that the documentation tells people to give Drover where it rolls over hosts.
const ROLE: &str = include_str!("../../../examples/elasticsearch/role-with-rolls.json");
/// A user with that.
const USER: &str = "drover-with-rolls";

/// A namespace with an operator of its own, the Cluster `es`, and its machines. It is a stage for Hosts as well.
pub struct Stage {
    around: hosts::Stage,
    /// The machines, and the Elasticsearch on them. The Host of each has the machine's name: `es-1`, `es-2`, ...
    pub field: Brownfield,
    /// Between the operator and each node.
    pub doors: Vec<Proxy>,
    /// What stood on each machine before any Host was declared.
    footprints: Vec<Footprint>,
}

impl Deref for Stage {
    type Target = hosts::Stage;

    fn deref(&self) -> &hosts::Stage {
        &self.around
    }
}

impl Stage {
    /// So many machines on which a package has installed Elasticsearch, each a Host of the Cluster `es`, which is
    /// connected to them. Waits until the Cluster and all Hosts are Ready.
    pub async fn brownfield(name: &str, machines: usize) -> Self {
        Self::flagged(name, machines, |it| it).await
    }

    /// The same with other flags for the operator.
    pub async fn flagged(
        name: &str,
        machines: usize,
        flags: impl FnOnce(operator::Settings) -> operator::Settings,
    ) -> Self {
        let settings = world::secured(VERSION).role(USER, ROLE).user(USER, PASSWORD, USER);
        Self::with(name, settings, vec![Settings::new(Os::Debian); machines], flags).await
    }

    /// The same with another Elasticsearch and other machines.
    pub async fn with(
        name: &str,
        settings: elasticsearch::Settings,
        machines: Vec<Settings>,
        flags: impl FnOnce(operator::Settings) -> operator::Settings,
    ) -> Self {
        let settings = settings.name("es").heap_megabytes(320);
        let (around, field) =
            tokio::join!(hosts::Stage::with(name, flags), Brownfield::start(settings, machines));
        let nodes = 0..field.hosts.len();
        let doors = nodes.map(|it| Proxy::before_node(&field.elasticsearch, it)).collect();
        let footprints = field.hosts.iter().map(Footprint::of).collect();
        let it = Self { around, field, doors, footprints };
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
        let endpoints: Vec<String> = self.doors.iter().map(Proxy::url).collect();
        let mut whole = json!({ "connection": {
            "endpoints": endpoints,
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

    /// Asks for a restart; `rollout` is `spec.rollout`, and `more` is merged over the spec.
    pub async fn ask(&self, request: &str, target: &str, rollout: &Value, more: &Value) {
        let restart = json!({ "requestId": request, "target": target });
        let mut spec = json!({ "operations": { "restart": restart }, "rollout": rollout });
        let fields = more.as_object().expect("a spec is an object").clone();
        spec.as_object_mut().expect("made above").extend(fields);
        self.cluster(&spec).await;
    }

    /// Waits until the restart of this id has come to its end, and returns the status.
    pub async fn restarted(&self, request: &str) -> ClusterStatus {
        self.cluster_within(WHOLE, &format!("restart {request} is finished"), |cluster| {
            let status = cluster.status.clone().unwrap_or_default();
            if is_restarted(&status, request) {
                Ok(())
            } else {
                Err(format!("{:#?}", (status.rollout, status.restart)))
            }
        })
        .await
    }

    /// Whether the restart of this id has come to its end.
    pub async fn is_restarted(&self, request: &str) -> bool {
        let api: Api<Cluster> = Api::namespaced(self.client.clone(), &self.namespace);
        let status = api.get("es").await.expect("it is there").status.unwrap_or_default();
        is_restarted(&status, request)
    }

    /// Waits until the run is as `check` wants it.
    pub async fn run_when(
        &self,
        what: &str,
        check: impl Fn(&RolloutStatus) -> bool,
    ) -> RolloutStatus {
        let status = self
            .cluster_when(what, |cluster| {
                let status = cluster.status.clone().unwrap_or_default();
                let is_so = status.rollout.as_ref().is_some_and(&check);
                if is_so { Ok(()) } else { Err(format!("{:#?}", (status.rollout, status.restart))) }
            })
            .await;
        status.rollout.expect("checked")
    }

    /// Waits until a host of the run is as `check` wants it, and returns how it is in the run.
    pub async fn host_when(&self, what: &str, check: impl Fn(&RolloutHost) -> bool) -> RolloutHost {
        let run = self.run_when(what, |it| it.hosts.iter().any(&check)).await;
        run.hosts.into_iter().find(check).expect("checked")
    }

    /// Waits until this gate keeps the next host up, and returns its words.
    pub async fn blocked_by(&self, gate: &str) -> String {
        let run = self
            .run_when(&format!("{gate} is shut"), |it| {
                it.blocked_by.iter().any(|it| it.gate == gate)
            })
            .await;
        let block = run.blocked_by.iter().find(|it| it.gate == gate).expect("checked");
        block.message.to_string()
    }

    /// systemd's ids of the runs of Elasticsearch, and of the boots, machine by machine.
    pub fn runs(&self) -> Vec<(String, String)> {
        (0..self.field.hosts.len()).map(|it| self.run_at(it)).collect()
    }

    /// Those of one machine.
    pub fn run_at(&self, at: usize) -> (String, String) {
        let host = &self.field.hosts[at];
        let unit = host.inside("systemctl show --value -p InvocationID elasticsearch");
        (unit, host.inside("cat /proc/sys/kernel/random/boot_id"))
    }

    /// How often Elasticsearch was started on a machine since it booted.
    pub fn starts(&self, at: usize) -> usize {
        let journal = "journalctl --no-pager -b -o cat -u elasticsearch";
        self.field.hosts[at].inside(journal).matches("Starting ").count()
    }

    /// The persistent settings of the cluster.
    pub async fn settings(&self) -> Value {
        let path = "/_cluster/settings?flat_settings=true";
        self.elasticsearch("GET", path, None).await["persistent"].take()
    }

    /// Asks whichever node answers, as the superuser.
    pub async fn elasticsearch(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let superuser = elasticsearch::basic(elasticsearch::SUPERUSER, elasticsearch::PASSWORD);
        eventually(&format!("{method} {path}"), LONG, async || {
            let mut last = String::new();
            for node in 0..self.field.hosts.len() {
                let cluster = &self.field.elasticsearch;
                match cluster.request_as(node, method, path, body, &superuser).await {
                    Ok((200, answer)) => return Ok(answer),
                    other => last = format!("{other:?}"),
                }
            }
            Err(last)
        })
        .await
    }

    /// Nothing is left of a run: no setting in the cluster, no cordoned host.
    pub async fn assert_nothing_left(&self, settings: &Value) {
        assert_eq!(self.settings().await, *settings);
        for (name, _) in self.machines() {
            let host = self.hosts().get(&name).await.expect("it is there");
            let operation = host.status.and_then(|it| it.operation);
            assert!(operation.as_ref().is_none_or(|it| !it.cordoned_by_us), "{operation:?}");
        }
        self.field.green().await;
    }

    /// Nothing was installed on any machine, and no file of anybody's was changed.
    pub fn assert_nothing_installed(&self) {
        for ((name, host), before) in self.machines().zip(&self.footprints) {
            assert_eq!(before.changes(host), [""; 0], "{name}");
        }
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
        self.cluster_within(LONG, what, check).await
    }

    async fn cluster_within(
        &self,
        limit: Duration,
        what: &str,
        check: impl Fn(&Cluster) -> Result<(), String>,
    ) -> ClusterStatus {
        let api: Api<Cluster> = Api::namespaced(self.client.clone(), &self.namespace);
        eventually(&format!("Cluster es: {what}"), limit, async || {
            let cluster = api.get("es").await.map_err(|it| it.to_string())?;
            check(&cluster).map(|()| cluster.status.unwrap_or_default())
        })
        .await
    }
}

/// Which machine the Host of this name stands for.
pub fn at(name: &str) -> usize {
    name[3..].parse::<usize>().expect("es- and a number") - 1
}

fn is_restarted(status: &ClusterStatus, request: &str) -> bool {
    let is_it = |it: &RestartStatus| it.request_id == request && it.status == RunStatus::Finished;
    status.rollout.is_none() && status.restart.as_ref().is_some_and(is_it)
}
