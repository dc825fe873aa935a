#!/bin/bash
# where.sh WHAT [VERSION]: prints where a part of the test bed is; fails when it is not there.
#   control-plane           the folder with etcd, kube-apiserver and kubectl
#   elasticsearch VERSION   the distribution
#   java VERSION            the Java that runs it
#   hosts                   the root file system that all hosts share
#   user                    who has to run it; empty: whoever asks
set -euo pipefail
. "$(dirname "$0")/lib.sh"

case ${1:-} in
control-plane)
  home=$(control_plane_home)
  [ -x "$home/kube-apiserver" ] || die "no control plane in $home: run \`make bed\`"
  echo "$home"
  ;;
elasticsearch)
  home=$(elasticsearch_home "$2")
  [ -e "$home/.ready" ] || die "no Elasticsearch $2 in $home: run \`make bed\`"
  echo "$home"
  ;;
hosts)
  [ "$(id -u)" = 0 ] || die "hosts have namespaces, bridges and mounts of their own: that takes root"
  home=$(host_base)
  [ -d "$home" ] || die "no base for hosts in $home: run \`make bed\`"
  echo "$home"
  ;;
java) java_home "$2" || die "no Java that runs Elasticsearch $2" ;;
user) echo "$BED_RUN_AS" ;;
*)
  sed -n '2,7p' "$0"
  exit 64
  ;;
esac
