#!/bin/bash
# run-host-network.sh DIR: a network for hosts, as long as this script runs. It takes the first 10.231.N.0/24 that is free, gives
# this machine its .1, and joins the hosts by a bridge; nothing leads beyond. DIR/network then says 10.231.N, and DIR/switch
# which process has the bridge. All of it lives in that process's network namespace, so that the kernel
# removes it when the process ends, however it ends.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$BED_SOURCE/host/lib.sh"
dir=$1
[ "$(id -u)" = 0 ] || die "namespaces and bridges take root"
mkdir -p "$dir"

remove_left_cgroups

setpriv --pdeathsig KILL unshare --net sleep infinity &
switch=$!
until [ "$(readlink "/proc/$switch/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do
  kill -0 "$switch" 2>/dev/null || die "this machine gives no network namespace"
  sleep 0.01
done

# The name of the interface is the claim: the kernel gives each name once, whoever asks.
claim() {
  for number in $(seq 100 227); do
    ! ip -4 route show table all | grep -q "\b10\.231\.$number\." || continue
    ip link add "drover$number" type veth peer name uplink netns "$switch" 2>/dev/null && return
  done
  die "no 10.231.N.0/24 is free"
}
claim
ip addr add "10.231.$number.1/24" dev "drover$number"
ip link set "drover$number" up
nsenter --target "$switch" --net sh -ec '
  ip link set lo up
  ip link add switch type bridge
  ip link set uplink master switch up
  ip link set switch up'

echo "$switch" >"$dir/switch"
# Whoever waits for this one finds it whole, and the other there.
echo "10.231.$number" >"$dir/network.new"
mv "$dir/network.new" "$dir/network"
wait "$switch"
