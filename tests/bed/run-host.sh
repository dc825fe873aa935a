#!/bin/bash
# run-host.sh NETWORK_DIR DIR INDEX OS: one host in the foreground: systemd as process 1, sshd, and namespaces and a root
# file system of its own, at 10.231.N.(10 + INDEX) on the network of run-host-network.sh. OS is one of host/dress.sh's.
# DIR/authorized_keys lets in; DIR/ssh has the host's keys and whatever else belongs into its /etc/ssh, or gets a key. In the environment:
#   HOST_NAME        default h-INDEX
#   HOST_MACHINE_ID  default a new one
#   HOST_USER        who may use sudo without a password, besides root (default: nobody)
#   HOST_DISK        size of the root file system, in memory (default 400m)
#   HOST_ELASTICSEARCH  a version that is installed as its package does, with the configuration in HOST_ELASTICSEARCH_CONFIG (default: none)
# DIR has the power switch too: while `off` is there the host is down, while `never` is there it does not come back from a reboot,
# and `delay` says how many seconds a boot takes. Whoever kills this process leaves nothing of the host behind.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$BED_SOURCE/host/lib.sh"
# Whoever starts this may keep its own files to itself; those of a host are not its.
umask 022
network_dir=$1 dir=$2 index=$3 os=$4
export HOST_NAME=${HOST_NAME:-h-$index} HOST_USER=${HOST_USER:-}

outside() {
  [ "$(id -u)" = 0 ] || die "namespaces and mounts take root"
  [ -d "$(host_base)" ] || die "no base for hosts in $(host_base): run \`make bed\`"
  mkdir -p "$dir"
  enter_own_cgroup
  echo $$ >"$dir/pid"
  echo "$index" >"$dir/index"
  cp "$network_dir/switch" "$dir/switch"
  # The way to the switch for the inside, which has other process ids.
  exec 8<"/proc/$(cat "$dir/switch")/ns/net"
  BED_INSIDE=1 exec unshare --net --mount --pid --fork --kill-child --mount-proc "$0" "$network_dir" "$dir" "$index" "$os"
}

# A systemd wants a part of the hierarchy for itself. Who removes it is not in it, and outlives this process.
enter_own_cgroup() {
  local name top
  name=$(cgroup_of $$)
  remove_cgroup_at_the_end "$name"
  for top in $(cgroup_tops); do
    mkdir -p "$top/$name"
    echo $$ >"$top/$name/cgroup.procs"
  done
}

inside() {
  plug_in
  mkdir -p "$dir/disk" "$dir/root"
  mount -t tmpfs -o "size=${HOST_DISK:-400m},mode=755" host "$dir/disk"
  mkdir "$dir/disk/changes" "$dir/disk/work"
  mount -t overlay -o "lowerdir=$(host_base),upperdir=$dir/disk/changes,workdir=$dir/disk/work" host "$dir/root"
  # shellcheck source=tests/bed/host/dress.sh
  . "$BED_SOURCE/host/dress.sh"
  dress "$dir" "$os"
  if [ -n "${HOST_ELASTICSEARCH:-}" ]; then
    # shellcheck source=tests/bed/host/elasticsearch.sh
    . "$BED_SOURCE/host/elasticsearch.sh"
    install_elasticsearch "$dir/root" "$HOST_ELASTICSEARCH_CONFIG" "$HOST_ELASTICSEARCH"
  fi
  run
}

# An address always has the same MAC: nobody remembers a wrong one when the address is used again.
plug_in() {
  local address
  address=$(cat "$network_dir/network").$((10 + index))
  nsenter --net=/proc/self/fd/8 ip link add "port$index" type veth \
    peer name eth0 address "02:00:0a:e7:00:$(printf %02x $((10 + index)))" netns $$
  nsenter --net=/proc/self/fd/8 ip link set "port$index" master switch up
  exec 8<&-
  ip link set lo up
  ip addr add "$address/24" dev eth0
}

# shared: the folders of this machine that the host has as well, as arguments of systemd-nspawn. A Java for each Elasticsearch
# is in all hosts, since the archives bring none.
shared() {
  local version home
  for version in $ELASTICSEARCH_VERSIONS; do
    ! home=$(host_java_home "$version") || [ ! -d "$home" ] || echo "--bind-ro=$home:$(java_in_hosts "$version")"
  done | sort -u
  [ -z "${HOST_ELASTICSEARCH:-}" ] || echo "--bind-ro=$(elasticsearch_home "$HOST_ELASTICSEARCH"):/usr/share/elasticsearch"
}

# Plays the firmware: systemd-nspawn ends with 133 when the host asks for a reboot. A host that is down has no link.
run() {
  local status delay=0 shared
  mapfile -t shared < <(shared)
  while :; do
    while [ -e "$dir/off" ]; do sleep 0.1; done
    sleep "$delay"
    ip link set eth0 up
    status=0
    systemd-nspawn --quiet --directory="$dir/root" --boot --register=no --keep-unit --network-namespace-path=/proc/1/ns/net \
      --hostname="$HOST_NAME" --link-journal=no --resolv-conf=off --timezone=off --console=read-only "${shared[@]}" 7>&- </dev/null || status=$?
    ip link set eth0 down
    echo "run-host: the system ended with $status"
    [ "$status" = 133 ] || : >"$dir/off"
    while [ -e "$dir/never" ]; do sleep 0.1; done
    delay=$(cat "$dir/delay" 2>/dev/null || echo 0.5)
  done
}

if [ -n "${BED_INSIDE:-}" ]; then
  unset BED_INSIDE
  inside
else
  outside
fi
