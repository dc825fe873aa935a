# shellcheck shell=bash
# Three bare Linux hosts for the demo, each with a systemd and an sshd of its own, where they fetch Elasticsearch from, and the objects
# of examples/managed.yaml that make a cluster of them.

HOSTS=(debian fedora rhel)

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
    HOST_NAME=logs-$at HOST_DISK=900m background "host-$at" tests/bed/run-host.sh "$RUN/network" "$dir" "$at" "$os"
  done
}

# host_address AT
host_address() { echo "$(cat "$RUN/network/network").$((10 + $1))"; }

lets_in() { (exec 3<>"/dev/tcp/$1/22") 2>/dev/null; }

# A mirror of the archive for the hosts.
start_mirror() {
  has_hosts || return 0
  local gateway
  gateway=$(cat "$RUN/network/network").1
  runs mirror || background mirror demo/serve.pl "$gateway" "$MIRROR_PORT" "$(tests/bed/where.sh archive "$VERSION")"
}

# All of examples/managed.yaml at once, with the addresses and the mirror of this machine, and a heap that fits on it.
apply_hosts() {
  has_hosts || return 0
  local at mirror digest
  kubectl create secret generic ssh-key --type=kubernetes.io/ssh-auth --dry-run=client -o yaml \
    --from-file=ssh-privatekey="$RUN/ssh-key" | kubectl apply --server-side -f - >/dev/null
  for at in $(seq ${#HOSTS[@]}); do
    await 60 "host-$at" "host logs-$at is up at $(host_address "$at")" lets_in "$(host_address "$at")"
  done
  mirror=http://$(cat "$RUN/network/network").1:$MIRROR_PORT
  digest=$(cat "$(tests/bed/where.sh archive "$VERSION")"/*.sha512)
  sed -e "s#https://mirror.example#$mirror#" \
    -e "s#^\( *\)distribution:#\1nodeGroups: [{name: all, heap: 320m}]\n&\n\1  sha512: {${digest##* }: ${digest%% *}}#" \
    -e "$(for at in $(seq ${#HOSTS[@]}); do echo "s#192.0.2.2$at#$(host_address "$at")#"; done)" \
    examples/managed.yaml | kubectl apply --server-side -f - >/dev/null
}

show_hosts() {
  has_hosts || return 0
  cat <<TEXT
  kubectl describe hosts.drover.dev logs-1
  ssh -i $RUN/ssh-key root@$(host_address 1)
  kubectl patch dcl logs --type=merge -p '{"spec":{"operations":{"restart":{"requestId":"1","target":"Elasticsearch"}}}}'
TEXT
}
