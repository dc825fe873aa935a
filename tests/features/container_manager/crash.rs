//! SIGKILL before and after every write to the other API server: whatever the operator was at, the next
//! one ends where an undisturbed one ends, and the server has done nothing twice.

use std::sync::atomic::{AtomicUsize, Ordering};

use drover::api::{
    host::Host,
    host_status::{NodeMaintenance, Registration},
};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api,
    api::{DeleteParams, ListParams},
};
use serde_json::{Value, json};

use super::Yard;
use crate::{
    common::{
        certificates::Authority,
        paths::say,
        proxy::{CrashPoint, Entry, Moment, Proxy},
        soak,
        wait::eventually,
    },
    hosts::SOON,
    registration::evictions::pod,
    world::expect,
};

/// The crash points that this run of the tests has reached.
static TOTAL: AtomicUsize = AtomicUsize::new(0);

/// A kill at the so-manieth write since the operator began, counted from 1.
type Kill = (usize, Moment);

/// A Host that is registered, drained, brought back, drained again and deleted; once more for each
/// campaign of kills.
struct Journey {
    yard: Yard<'static>,
    /// Between the operator and the other API server.
    proxy: Proxy,
    /// Whether a kubelet has registered the machine before.
    adopted: bool,
    /// The administrator's client of the other API server.
    client: kube::Client,
    kills: Box<dyn Iterator<Item = Kill>>,
    point: Option<CrashPoint>,
    reached: usize,
}

/// What a journey came to, in words that are the same for every run.
#[derive(Debug, PartialEq)]
struct End {
    /// The record, the Nodes of the Host and the pods after each stretch of the way.
    stretches: Vec<Value>,
    /// What the server was asked to do, and did, in alphabetical order.
    done: Vec<String>,
}

fn is_work(entry: &Entry) -> bool {
    entry.is_write() && entry.path.starts_with("/api/v1/")
}

fn record(host: &Host) -> Option<&Registration> {
    host.status.as_ref()?.container_manager.as_ref()
}

/// Ready for its current generation, and on record as in this part of a maintenance.
fn is_at(host: Option<&Host>, maintenance: Option<NodeMaintenance>) -> Result<(), String> {
    let host = host.ok_or("no Host")?;
    let conditions = host.status.as_ref().map(|it| it.conditions.as_slice()).unwrap_or_default();
    expect::told(conditions, "Ready", "True", host.metadata.generation)?;
    match record(host) {
        Some(it) if it.registered && it.maintenance == maintenance => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

impl Journey {
    async fn new(name: &str, adopted: bool) -> Self {
        let yard = Yard::new(name).await;
        let proxy = Proxy::before_kubernetes(&yard.bed.control);
        let ca = json!({ "ca.crt": Authority::shared().pem() });
        let ca = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "proxy-ca" }, "data": ca,
        });
        yard.stage.apply(&ca).await;
        let mut options = yard.options();
        options["server"] = json!(proxy.url());
        options["ca"]["configMapName"] = json!("proxy-ca");
        yard.manager("nodes", &options).await;
        yard.cluster(&json!({ "containerManagerRef": { "name": "nodes" } })).await;
        yard.manager_tells("nodes", "Ready", "True", "AsExpected").await;
        let client = yard.bed.control.client().await;
        let kills = Box::new(std::iter::empty());
        Self { yard, proxy, adopted, client, kills, point: None, reached: 0 }
    }

    /// Goes all the way; the operator is killed at each of `kills`, one after the other.
    async fn run(&mut self, kills: impl Iterator<Item = Kill> + 'static) -> End {
        let machine_id = self.yard.machine.machine_id().await;
        let node = self.yard.node_name();
        if self.adopted {
            self.yard.bed.foreign_node(&node, &machine_id, &json!({ "zone": "a" }));
        }
        let before = self.yard.node();
        let pods = self.yard.bed.control.namespace("pods");
        let bystanders = self.bystanders(&pods);
        let add = |name, owner| pod(self.yard.bed, &pods, name, &node, Some(owner));
        add("web", "StatefulSet");
        add("free", "ReplicaSet");
        add("daemon", "DaemonSet");
        self.proxy.ledger().clear();
        self.kills = Box::new(kills);
        self.reached = 0;
        self.arm();

        let mut stretches = Vec::new();
        let maintenance = |it: bool| json!({ "maintenance": it });
        for (spec, record) in [
            (maintenance(false), None),
            (maintenance(true), Some(NodeMaintenance::Drained)),
            (maintenance(false), None),
            (maintenance(true), Some(NodeMaintenance::Drained)),
        ] {
            self.yard.member(&spec).await;
            self.until(&format!("{spec}"), &pods, |host| is_at(host, record)).await;
            stretches.push(self.seen(&pods).await);
        }
        self.yard.stage.delete("es-1").await;
        self.until("gone", &pods, |host| host.map_or(Ok(()), |it| Err(format!("{it:?}")))).await;
        if let Some(point) = self.point.take() {
            self.proxy.remove(point.rule());
        }

        // An adopted Node is as it was, but for what no one can take back; one that was made is gone.
        let lasting = |it: &Value| {
            let of = |key: &str| it["metadata"][key].clone();
            json!([of("uid"), of("labels"), of("annotations"), it["spec"]])
        };
        let after = self.yard.node();
        assert_eq!(after.as_ref().map(lasting), before.as_ref().map(lasting));
        assert_eq!(self.bystanders(&pods), bystanders, "not even written to");
        if self.adopted {
            self.yard.bed.control.kubectl(&["delete", "node", &node], "");
        }
        let force = ["delete", "pods", "--all", "-n", &pods, "--force", "--grace-period=0"];
        self.yard.bed.control.kubectl(&force, "");
        let is_done = |it: &Entry| is_work(it) && it.status().is_some_and(|it| it < 300);
        let done = self.proxy.ledger().find(is_done);
        let line = |it: &Entry| format!("{} {}", it.method, it.path).replace(&pods, "PODS");
        let mut done: Vec<String> = done.iter().map(line).collect();
        done.sort();
        End { stretches, done }
    }

    /// Two Nodes that are nothing to the Host, with a pod on each, made when they are not there.
    fn bystanders(&self, pods: &str) -> Vec<Value> {
        let bed = self.yard.bed;
        let mut all = Vec::new();
        let marked = json!({ "drover.dev/host-uid": "another-host" });
        for (kind, labels) in [("foreign", &json!({})), ("of-another", &marked)] {
            let node = format!("{}-{kind}", self.yard.stage.namespace);
            if bed.node(&node).is_none() {
                bed.foreign_node(&node, "another-machine", labels);
                bed.control.kubectl(&["cordon", &node], "");
            }
            if bed.control.get(pods, "pod", kind).is_none() {
                pod(bed, pods, kind, &node, Some("StatefulSet"));
            }
            all.push(bed.node(&node).unwrap());
            all.push(bed.control.get(pods, "pod", kind).unwrap());
        }
        all
    }

    /// Sets up the next kill.
    fn arm(&mut self) {
        let killer = self.yard.stage.operator.killer();
        self.point = self
            .kills
            .next()
            .map(|(write, moment)| self.proxy.crash_at(write, moment, is_work, killer));
    }

    /// Waits until the Host is as `check` wants it; a killed operator is followed by another, and
    /// evicted pods go, as they do where a kubelet is.
    async fn until(
        &mut self,
        what: &str,
        pods: &str,
        check: impl Fn(Option<&Host>) -> Result<(), String>,
    ) {
        let hosts = self.yard.stage.hosts();
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), pods);
        eventually(what, SOON, async || {
            if self.point.as_ref().is_some_and(|it| it.reached().is_some()) {
                self.reached += 1;
                self.yard.stage.operator.relaunch();
                // Before it is ready: it writes as soon as it knows the objects.
                self.arm();
            }
            let all = pods.list(&ListParams::default()).await.map_err(|it| it.to_string())?;
            for pod in all.items.iter().filter(|it| it.metadata.deletion_timestamp.is_some()) {
                let name = pod.metadata.name.as_deref().unwrap_or_default();
                let now = DeleteParams::default().grace_period(0);
                pods.delete(name, &now).await.map_err(|it| it.to_string())?;
            }
            check(hosts.get_opt("es-1").await.map_err(|it| it.to_string())?.as_ref())
        })
        .await;
    }

    /// The record, the Nodes that bear the Host's uid, and the pods.
    async fn seen(&self, pods: &str) -> Value {
        let host = self.yard.stage.hosts().get("es-1").await.unwrap();
        let uid = host.metadata.uid.clone().unwrap();
        let nodes: Api<Node> = Api::all(self.client.clone());
        let of_this = ListParams::default().labels(&format!("drover.dev/host-uid={uid}"));
        let nodes = nodes.list(&of_this).await.unwrap().items;
        assert_eq!(nodes.len(), 1, "one machine, one Node: {nodes:?}");
        let node = serde_json::to_value(&nodes[0]).unwrap();
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), pods);
        let pods = pods.list(&ListParams::default()).await.unwrap().items;
        let seen = json!({
            "record": record(&host),
            "node": [node["metadata"]["labels"], node["metadata"]["annotations"], node["spec"]],
            "pods": pods.iter().map(|it| &it.metadata.name).collect::<Vec<_>>(),
        });
        serde_json::from_str(&seen.to_string().replace(&uid, "UID")).unwrap()
    }
}

/// Goes undisturbed first; then with a kill before each write, and one after it, all on the same way;
/// and, in the long campaign, with one kill alone, at each of these points.
async fn crash_everywhere(name: &str, adopted: bool) {
    let mut journey = Journey::new(name, adopted).await;
    let reference = journey.run(std::iter::empty()).await;
    let writes = reference.done.len();
    let both = [Moment::BeforeForward, Moment::AfterAnswer];
    let always = std::iter::repeat(both).flatten().map(|moment| (1, moment));
    assert_eq!(journey.run(always).await, reference, "killed at each write");
    let mut reached = journey.reached;
    assert!(2 * writes <= reached, "{reached} kills at {writes} writes");
    if soak() {
        for (write, moment) in (1..=writes).flat_map(|write| both.map(|it| (write, it))) {
            let end = journey.run(std::iter::once((write, moment))).await;
            assert_eq!(end, reference, "write {write}, {moment:?}");
            assert_eq!(journey.reached, 1, "write {write}, {moment:?}");
            reached += 1;
        }
    }
    let total = TOTAL.fetch_add(reached, Ordering::Relaxed) + reached;
    say(&format!("{name}: {reached} crash points at {writes} writes, {total} in all so far"));
}

#[tokio::test]
async fn a_node_that_drover_made_is_kept_and_given_up_wherever_the_operator_is_killed() {
    crash_everywhere("cut-made", false).await;
}

#[tokio::test]
async fn an_adopted_node_is_kept_and_released_wherever_the_operator_is_killed() {
    crash_everywhere("cut-adopted", true).await;
}
