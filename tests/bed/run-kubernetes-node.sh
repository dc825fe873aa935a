#!/bin/bash
# run-kubernetes-node.sh machine DIR MACHINE_ID
# run-kubernetes-node.sh kubelet DIR NAME ADDRESS PORT
# run-kubernetes-node.sh controllers DIR
# A Node of the Kubernetes that DIR/kubeconfig leads to; each of the three runs in the foreground.
#   machine      containerd, with the image localhost/pause:1, in namespaces with process ids, mounts, control groups and a machine-id of
#                their own; DIR/ready is there once it takes orders. Whoever kills this process leaves nothing of the Node's behind.
#   kubelet      the Node NAME on that machine, at an ADDRESS of this machine's; it listens at 127.0.0.1:PORT. It is not Ready before
#                DIR/cni has the configuration of a network.
#   controllers  what judges Nodes by what their kubelets say, or no longer say: after 8 s without a word a Node counts as lost.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$BED_SOURCE/host/lib.sh"
[ $# -ge 2 ] || { sed -n '2,10p' "$0"; exit 64; }
part=$1 dir=$2
home=$(kubernetes_node_home)

machine() {
  local name top
  [ "$(id -u)" = 0 ] || die "namespaces and mounts take root"
  remove_left_cgroups
  mkdir -p "$dir/cni"
  name=$(cgroup_of $$)
  remove_cgroup_at_the_end "$name"
  hand_down_controllers
  for top in $(all_cgroup_tops); do mkdir -p "$top/$name"; done
  echo "$name" >"$dir/cgroup"
  echo $$ >"$dir/pid"
  BED_INSIDE=1 exec unshare --mount --pid --fork --kill-child --mount-proc "$0" machine "$dir" "$1"
}

# In version 2 a control group has the controllers that the one above hands down. A kubelet wants these, where they are.
hand_down_controllers() {
  local controller
  [ -e /sys/fs/cgroup/cgroup.controllers ] || return 0
  for controller in cpu cpuset memory pids hugetlb; do
    { echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control; } 2>/dev/null || true
  done
}

# All places that containerd, runc and kubelet write to are in memory and in this namespace alone.
inside() {
  local place
  for place in /run /var/lib /var/log; do mount -t tmpfs -o mode=755,size=512m "$dir" "$place"; done
  [ -x "$home/kubelet" ] && [ -e "$dir/pid" ] || die "$home and $dir may not be below /run, /var/lib or /var/log"
  mkdir /var/lib/dbus
  echo "$1" >/var/lib/dbus/machine-id
  [ ! -e /etc/machine-id ] || mount --bind /var/lib/dbus/machine-id /etc/machine-id
  spare_kernel_parameters
  containerd --config "$(containerd_config)" &
  for _ in $(seq 300); do
    ctr version >/dev/null 2>&1 && break
    sleep 0.1
  done
  ctr --namespace k8s.io images import "$home/pause.tar" >/dev/null
  : >"$dir/ready"
  # As process 1 this shell buries what the containers leave.
  wait $!
}

# A kubelet sets some for the whole machine: it finds them set.
spare_kernel_parameters() {
  local parameter file
  for parameter in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    file=/run/sysctl/${parameter%=*}
    mkdir -p "$(dirname "$file")"
    echo "${parameter#*=}" >"$file"
    mount --bind "$file" "/proc/sys/${parameter%=*}"
  done
}

# Where root may not lower the score by which the kernel picks its victims, runc would fail.
containerd_config() {
  cat >/run/containerd.toml <<TOML
version = 2
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$(cni_home)"
    conf_dir = "$dir/cni"
TOML
  echo /run/containerd.toml
}

kubelet() {
  local name=$1 address=$2 port=$3 target
  target=$(pgrep -P "$(cat "$dir/pid")") || die "the machine does not run"
  # Nobody asks it anything, it leaves this machine's packet filter alone, and a full disk is no business of the tests'.
  cat >"$dir/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 127.0.0.1
port: $port
healthzPort: 0
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupRoot: /$(cat "$dir/cgroup")
failCgroupV1: false
failSwapOn: false
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
localStorageCapacityIsolation: false
enforceNodeAllocatable: []
makeIPTablesUtilChains: false
resolvConf: ""
volumePluginDir: /var/lib/kubelet/plugins
evictionHard: {memory.available: 0%, nodefs.available: 0%, nodefs.inodesFree: 0%, imagefs.available: 0%, imagefs.inodesFree: 0%}
nodeStatusUpdateFrequency: 1s
nodeStatusReportFrequency: 1m
nodeLeaseDurationSeconds: 4
YAML
  exec nsenter --target "$target" --mount --pid "$home/kubelet" --config="$dir/kubelet.yaml" --kubeconfig="$dir/kubeconfig" \
    --hostname-override="$name" --node-ip="$address"
}

controllers() {
  exec "$home/kube-controller-manager" --kubeconfig="$dir/kubeconfig" --leader-elect=false --secure-port=0 \
    --controllers=node-lifecycle-controller --node-monitor-period=1s --node-monitor-grace-period=8s
}

shift 2
if [ -n "${BED_INSIDE:-}" ]; then
  unset BED_INSIDE
  inside "$@"
else
  case $part in
  machine | kubelet | controllers) "$part" "$@" ;;
  *) die "$part is none of machine, kubelet and controllers" ;;
  esac
fi
