#!/bin/bash
# where.sh WHAT [VERSION]: prints where a part of the test bed is; fails when it is not there.
#   control-plane           the folder with etcd, kube-apiserver and kubectl
#   elasticsearch VERSION   the distribution
#   java VERSION            the Java that runs it
#   archive VERSION         the folder with its archive, as hosts fetch it, and the digest
#   hosts                   the root file system that all hosts share
#   kubernetes-node         the folder with kubelet, kube-controller-manager and an image
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
archive)
  home=$(archive_home "$2")
  [ -d "$home" ] && [ -d "$(host_java_home "$2")" ] || die "no Elasticsearch $2 for hosts in $home: run \`make bed\`"
  echo "$home"
  ;;
hosts)
  [ "$(id -u)" = 0 ] || die "hosts have namespaces, bridges and mounts of their own: that takes root"
  home=$(host_base)
  [ -d "$home" ] || die "no base for hosts in $home: run \`make bed\`"
  echo "$home"
  ;;
kubernetes-node)
  [ "$(id -u)" = 0 ] || die "a Node has namespaces, mounts and control groups of its own: that takes root"
  home=$(kubernetes_node_home)
  [ -x "$home/kubelet" ] || die "no kubelet in $home: run \`make bed\`"
  for name in containerd runc; do
    command -v $name >/dev/null || die "$name is missing: run \`make bed\`"
  done
  cni_home >/dev/null || die "the network plugins of containers are missing: run \`make bed\`"
  echo "$home"
  ;;
java) java_home "$2" || die "no Java that runs Elasticsearch $2" ;;
user) echo "$BED_RUN_AS" ;;
*)
  sed -n '2,9p' "$0"
  exit 64
  ;;
esac
