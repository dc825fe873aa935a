# shellcheck shell=bash
# What a Node of Kubernetes is made of: a kubelet, and the controller manager that judges Nodes, built like the control plane; the
# distribution's containerd, runc and network plugins; and one image, which comes from no registry.

provision_kubernetes_node() {
  local home
  home=$(kubernetes_node_home)
  if [ "$(id -u)" != 0 ]; then
    say "Kubernetes node: left out, it takes root"
    return
  fi
  command -v containerd >/dev/null || install_at_rest containerd
  need runc runc
  cni_home >/dev/null || install_package "CNI, the network plugins of containers," containernetworking-plugins
  need nsenter util-linux
  need pgrep procps
  if [ ! -x "$home/kubelet" ]; then
    find_go
    say "building kubelet $CONTROL_PLANE_VERSION: about four minutes on two cores, once"
    build_kubernetes_node "$home"
  fi
  say "Kubernetes node: $home"
}

# install_at_rest PACKAGE: installs a package with a service of its name, which this machine neither starts now nor at boot. Where there
# is a policy about services already, it stays.
install_at_rest() (
  local policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    # shellcheck disable=SC2064 # now
    trap "rm -f '$policy'" EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  install_package "$1" "$1"
  if command -v systemctl >/dev/null; then
    systemctl --quiet disable "$1.service"
    [ ! -d /run/systemd/system ] || systemctl stop "$1.service"
  fi
)

build_kubernetes_node() {
  local home=$1 work
  work=$(mktemp -d)
  prepare_kubernetes_module "$work" k8s.io/kubernetes/cmd/kube-controller-manager k8s.io/kubernetes/cmd/kubelet
  mkdir -p "$home"
  build_pause_image "$work" "$home/pause.tar"
  build_program "$work" "$home/kube-controller-manager" k8s.io/kubernetes/cmd/kube-controller-manager
  # kubelet comes last: once it is there, so is all.
  build_program "$work" "$home/kubelet" k8s.io/kubernetes/cmd/kubelet
  rm -rf "$work"
}

# build_pause_image WORK FILE: an image with one static program, which waits until it is told to end: what holds a pod's namespaces,
# and a container that does no harm. The archive is laid out as `docker save` does.
build_pause_image() {
  local work=$1 file=$2 image=$1/image
  mkdir -p "$work/pause" "$image/root"
  cat >"$work/pause/main.go" <<'GO'
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM, syscall.SIGINT)
	<-told
}
GO
  step "building an image" env CGO_ENABLED=0 go -C "$work" build -trimpath -ldflags '-s -w' -o "$image/root/pause" ./pause
  tar -C "$image/root" --owner=0 --group=0 -cf "$image/layer.tar" pause
  printf '{"architecture":"%s","os":"linux","config":{"Entrypoint":["/pause"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "$(go env GOARCH)" "$(sha256sum "$image/layer.tar" | cut -d' ' -f1)" >"$image/config.json"
  echo '[{"Config":"config.json","RepoTags":["localhost/pause:1"],"Layers":["layer.tar"]}]' >"$image/manifest.json"
  tar -C "$image" -cf "$file" manifest.json config.json layer.tar
}
