//! Machines of a run that are Nodes of another, real Kubernetes: whatever happens on the way, none is left
//! out of service, but by whoever else wants it so.

use drover::api::rollout_status::RolloutStep;
use serde_json::{Value, json};

use super::{LONG, Stage, at};
use crate::{
    common::wait::eventually,
    container_manager::{lend_access, options},
    registration::{Bed, evictions::pod},
};

/// What a cordon of Drover's bears.
const MARK: &str = "drover.dev/cordoned-by";

impl Stage {
    /// A name that no other test has.
    fn node_name(&self, host: &str) -> String {
        format!("{}-{host}", self.namespace)
    }

    /// Makes each machine a Node, as its kubelet would, which its Host is to be registered as.
    async fn joins(&self, bed: &Bed) {
        lend_access(bed, self).await;
        self.apply(&json!({
            "apiVersion": "drover.dev/v1alpha1", "kind": "ContainerManager",
            "metadata": { "name": "nodes" },
            "spec": { "type": "Kubernetes", "options": options(bed) },
        }))
        .await;
        let ready = json!([{ "type": "Ready", "status": "True", "reason": "KubeletReady" }]);
        for (name, host) in self.machines() {
            let node = self.node_name(&name);
            bed.foreign_node(&node, &host.machine_id().await, &json!({}));
            bed.patch_status("default", "node", &node, &json!({ "conditions": ready }));
            let spec = json!({ "clusterRef": { "name": "es" }, "nodeName": node });
            self.host(&name, host, &spec).await;
        }
        self.cluster(&named()).await;
        for (name, _) in self.machines() {
            self.until(&name, "Registered", "True").await;
            self.until(&name, "Ready", "True").await;
        }
        self.cluster_until("Ready", "True").await;
    }

    /// Whether the Node of a Host takes no pods, and on whose behalf by Drover's mark.
    fn out_of_service(&self, bed: &Bed, host: &str) -> (bool, Option<String>) {
        let node = bed.node(&self.node_name(host)).expect("it stays");
        let mark = node["metadata"]["annotations"][MARK].as_str().map(str::to_owned);
        (node["spec"]["unschedulable"] == true, mark)
    }
}

/// What the Cluster says of its `ContainerManager`.
fn named() -> Value {
    json!({ "containerManagerRef": { "name": "nodes" } })
}

#[tokio::test]
#[ignore = "minutes long: `make soak` runs it"]
async fn a_run_that_fails_and_whose_operator_dies_leaves_no_node_cordoned_but_by_others() {
    // The next one need not wait for the Lease of the last.
    let mut stage = Stage::flagged("cordon", 3, |it| it.switch("--leader-elect=false")).await;
    let bed = Bed::shared().await;
    let settings = stage.settings().await;
    stage.joins(bed).await;
    let names: Vec<String> = stage.machines().map(|(name, _)| name).collect();
    let pods = bed.control.namespace("pods");
    for name in &names {
        assert_eq!(stage.out_of_service(bed, name), (false, None), "{name}");
        pod(bed, &pods, name, &stage.node_name(name), Some("StatefulSet"));
    }

    // Nothing goes down while its Node has a pod that goes.
    let before = stage.runs();
    for host in &stage.field.hosts {
        host.inside("echo 'no.such.setting: 1' >> /etc/elasticsearch/elasticsearch.yml");
    }
    stage.ask("one", "Elasticsearch", &json!({}), &named()).await;
    let evicted = eventually("a pod is evicted", LONG, async || {
        let is_going = |name: &&String| {
            let pod = bed.control.get(&pods, "pod", name);
            pod.is_some_and(|it| it["metadata"]["deletionTimestamp"].is_string())
        };
        names.iter().find(is_going).cloned().ok_or("none yet")
    })
    .await;
    let drover = (true, Some("maintenance".to_owned()));
    assert_eq!(stage.out_of_service(bed, &evicted), drover, "evicted from there");
    assert_eq!(stage.runs(), before, "a machine went down under a pod");
    // As kubelets do once the containers have ended.
    let force = ["delete", "pods", "--all", "-n", &pods, "--force", "--grace-period=0"];
    bed.control.kubectl(&force, "");

    // It is down and does not come back: its Node stays out of service, whoever looks after it.
    let run = stage.run_when("it waits for a person", |it| it.pause.is_some()).await;
    let failed = run.hosts.iter().find(|it| it.message.is_some()).expect("it says why").clone();
    assert!(matches!(failed.step, RolloutStep::Stop | RolloutStep::Rejoin), "{failed:?}");
    assert_eq!(failed.name, evicted);
    assert_eq!(stage.out_of_service(bed, &failed.name), drover);
    let others: Vec<&String> = names.iter().filter(|it| **it != failed.name).collect();
    for other in &others {
        assert_eq!(stage.out_of_service(bed, other), (false, None), "{other}");
    }
    stage.around.operator.kill();
    // Meanwhile a person takes one of the others out of service.
    bed.control.kubectl(&["cordon", &stage.node_name(others[0])], "");
    stage.around.operator.restart().await;
    for host in &stage.field.hosts {
        host.inside("sed -i '/no.such.setting/d' /etc/elasticsearch/elasticsearch.yml");
    }
    assert_eq!(stage.out_of_service(bed, &failed.name), drover, "it is down yet");
    stage.field.hosts[at(&failed.name)]
        .inside("systemctl reset-failed elasticsearch; systemctl start elasticsearch");

    // The next one dies as well, while another host is in hand.
    let last = others[1];
    eventually("another Node is cordoned", LONG, async || {
        let now = stage.out_of_service(bed, last);
        if now == drover { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    stage.around.operator.kill();
    stage.around.operator.restart().await;
    stage.restarted("one").await;
    for name in [&failed.name, last] {
        assert_eq!(stage.out_of_service(bed, name), (false, None), "{name}");
    }
    let person = stage.out_of_service(bed, others[0]);
    assert_eq!(person, (true, None), "a person wants it so");
    stage.assert_nothing_left(&settings).await;
}
