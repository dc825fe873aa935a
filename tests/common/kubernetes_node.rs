//! A real Node: containerd, runc and a kubelet in namespaces of their own, which go with their first process, and
//! the controller that judges Nodes by what their kubelets say. Pods share this machine's network, and run from
//! [`IMAGE`] alone. A scheduler, and the other controllers, are not there: a pod names its Node.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::control_plane::ControlPlane;
use super::hosts::HostNetwork;
use super::paths;
use super::process::{Process, free_port, logs};
use super::wait::eventually;

/// An image that every Node has: its only program waits until it is told to end.
pub const IMAGE: &str = "localhost/pause:1";

/// Room for a start beside a compiler.
const START: Duration = Duration::from_mins(1);

/// A running Node; all of it stops when dropped, or with the test process.
#[derive(Debug)]
pub struct KubernetesNode {
    name: String,
    dir: PathBuf,
    address: String,
    kubelet: Process,
    _controllers: Process,
    machine: Process,
}

impl KubernetesNode {
    /// The Node `name` of this Kubernetes, on a machine with this machine-id. It registers itself, and is not
    /// Ready before [`Self::connect`]. The Kubernetes has no other Nodes: those would count as lost.
    pub async fn start(control: &ControlPlane, name: &str, machine_id: &str) -> Self {
        paths::require_kubernetes_node();
        let dir = paths::scratch("kubernetes-node");
        std::fs::copy(control.kubeconfig().write(), dir.join("kubeconfig")).expect("own folder");
        let address = HostNetwork::shared().await.gateway();
        let machine = part(&dir, "machine", &[machine_id]);
        eventually("containerd takes orders", START, async || {
            if let Some(status) = machine.status() {
                panic!("containerd ended with {status}{}", logs());
            }
            if dir.join("ready").exists() { Ok(()) } else { Err("not yet") }
        })
        .await;
        let controllers = part(&dir, "controllers", &[]);
        let kubelet = kubelet(&dir, name, &address);
        let name = name.to_owned();
        Self { name, dir, address, kubelet, _controllers: controllers, machine }
    }

    /// Gives it the network that a kubelet waits for. There is but the loopback interface in it: pods that are to be
    /// reached use the machine's.
    pub fn connect(&self) {
        let network =
            json!({ "cniVersion": "1.0.0", "name": "bed", "plugins": [{ "type": "loopback" }] });
        // containerd wakes up when a file is written to, not when one is moved in.
        std::fs::write(self.dir.join("cni/10-bed.conflist"), network.to_string())
            .expect("own folder");
    }

    /// Kills the kubelet. Pods run on.
    pub fn stop_kubelet(&self) {
        self.kubelet.kill();
    }

    /// Starts another one.
    pub fn start_kubelet(&mut self) {
        self.kubelet = kubelet(&self.dir, &self.name, &self.address);
    }

    /// A pod for this Node, which runs until it is told to end; some controller seems to own it.
    pub fn pod(&self, name: &str) -> Value {
        let owner = json!({
            "kind": "ReplicaSet", "apiVersion": "apps/v1", "name": "owner", "uid": "0a", "controller": true,
        });
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "ownerReferences": [owner] },
            "spec": {
                "nodeName": self.name, "hostNetwork": true, "automountServiceAccountToken": false,
                "containers": [{ "name": "a", "image": IMAGE, "imagePullPolicy": "Never" }],
            },
        })
    }

    /// The process that all of the Node but its kubelet hangs on.
    pub fn pid(&self) -> u32 {
        self.machine.pid()
    }

    /// Its own folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

fn kubelet(dir: &Path, name: &str, address: &str) -> Process {
    part(dir, "kubelet", &[name, address, &free_port().to_string()])
}

fn part(dir: &Path, name: &str, arguments: &[&str]) -> Process {
    let log = dir.join(format!("{name}.log"));
    let folder = dir.to_str().expect("a plain path");
    let arguments = [&[name, folder], arguments].concat();
    Process::spawn(name, &log, paths::script("run-kubernetes-node.sh"), arguments, &[])
}
