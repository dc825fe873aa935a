# shellcheck shell=bash
# Three Linux hosts for the demo, each with a systemd and an sshd of its own, and the Host objects that stand for them.

HOSTS=(debian fedora atomic)

# Namespaces and mounts take root; without it the demo goes on without hosts.
has_hosts() { [ "$(id -u)" = 0 ]; }

start_hosts() {
  has_hosts || { say "left out: the hosts, which take root"; return 0; }
  local at os dir
  [ -e "$RUN/ssh-key" ] || ssh-keygen -q -t ed25519 -N '' -C drover-demo -f "$RUN/ssh-key"
  runs network || background network tests/bed/run-host-network.sh "$RUN/network"
  await 30 network "the hosts' network is up" test -e "$RUN/network/network"
  at=0
  for os in "${HOSTS[@]}"; do
    at=$((at + 1)) dir=$RUN/host-$at
    runs "host-$at" && continue
    mkdir -p "$dir"
    cp "$RUN/ssh-key.pub" "$dir/authorized_keys"
    HOST_NAME=es-$at background "host-$at" tests/bed/run-host.sh "$RUN/network" "$dir" "$at" "$os"
  done
}

# host_address AT
host_address() { echo "$(cat "$RUN/network/network").$((10 + $1))"; }

lets_in() { (exec 3<>"/dev/tcp/$1/22") 2>/dev/null; }

# A Host for each, known by the fingerprint that its machine was given, and all of them members of the Cluster `main`.
apply_hosts() {
  has_hosts || return 0
  local at address fingerprint
  kubectl create secret generic ssh-key --type=kubernetes.io/ssh-auth --dry-run=client -o yaml \
    --from-file=ssh-privatekey="$RUN/ssh-key" | kubectl apply --server-side -f - >/dev/null
  for at in $(seq ${#HOSTS[@]}); do
    address=$(host_address "$at")
    await 60 "host-$at" "host es-$at is up at $address" lets_in "$address"
    fingerprint=$(ssh-keygen -lf "$RUN/host-$at/ssh/ssh_host_ed25519_key.pub" | cut -d' ' -f2)
    kubectl apply --server-side -f - >/dev/null <<HOST
apiVersion: drover.dev/v1alpha1
kind: Host
metadata: {name: es-$at}
spec:
  address: $address
  credentials: {secretName: ssh-key}
  hostKey: {fingerprints: ["$fingerprint"]}
  clusterRef: {name: main}
HOST
  done
}

show_hosts() {
  has_hosts || return 0
  cat <<TEXT
  kubectl describe hosts.drover.dev es-1
  ssh -i $RUN/ssh-key root@$(host_address 1)
TEXT
}
