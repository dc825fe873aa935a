#!/bin/bash
# provision.sh [control-plane] [hosts] [kubernetes-node] [elasticsearch VERSION...]
# Brings in the real servers that the tests and the demo run against; all of them when nothing is named.
# What is there already is left alone, so a second run takes no time.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

want_control_plane='' want_hosts='' want_kubernetes_node='' versions=''
if [ $# = 0 ]; then want_control_plane=1 want_hosts=1 want_kubernetes_node=1 versions=$ELASTICSEARCH_VERSIONS; fi
if [ "${1:-}" = control-plane ]; then
  want_control_plane=1
  shift
fi
if [ "${1:-}" = hosts ]; then
  want_hosts=1
  shift
fi
if [ "${1:-}" = kubernetes-node ]; then
  want_kubernetes_node=1
  shift
fi
if [ "${1:-}" = elasticsearch ]; then
  shift
  versions=${*:-$ELASTICSEARCH_VERSIONS}
  shift $#
fi
[ $# = 0 ] || { sed -n '2,4p' "$0"; exit 64; }

mkdir -p "$BED_CACHE" "$BED_PUBLIC"
exec 9>"$BED_CACHE/.lock"
flock -n 9 || { say "another run is at it: waiting for it"; flock -w 3600 9; }

"$BED_SOURCE/needs.sh"
if [ -n "$want_control_plane" ]; then
  # shellcheck source=tests/bed/control-plane.sh
  . "$BED_SOURCE/control-plane.sh"
  provision_control_plane
fi
if [ -n "$want_hosts" ]; then
  # shellcheck source=tests/bed/hosts.sh
  . "$BED_SOURCE/hosts.sh"
  provision_hosts
fi
if [ -n "$want_kubernetes_node" ]; then
  # shellcheck source=tests/bed/control-plane.sh
  . "$BED_SOURCE/control-plane.sh"
  # shellcheck source=tests/bed/kubernetes-node.sh
  . "$BED_SOURCE/kubernetes-node.sh"
  provision_kubernetes_node
fi
if [ -n "$versions" ]; then
  # shellcheck source=tests/bed/elasticsearch.sh
  . "$BED_SOURCE/elasticsearch.sh"
  # shellcheck source=tests/bed/host-elasticsearch.sh
  . "$BED_SOURCE/host-elasticsearch.sh"
  for version in $versions; do
    provision_elasticsearch "$version"
    provision_host_elasticsearch "$version"
  done
fi
