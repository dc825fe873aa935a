# shellcheck shell=bash
# Shared by the scripts of the test bed and of the demo: where things are, how missing ones come in.

CONTROL_PLANE_VERSION=1.35.4
# The oldest Elasticsearch supported, one to upgrade from, the one that most tests run on, and the newest (Java 21 or later).
ELASTICSEARCH_VERSIONS="7.17.29 8.17.0 8.19.0 9.2.0"
# For the long campaigns a patch of one of them besides.
[ -z "${DROVER_SOAK:-}" ] || ELASTICSEARCH_VERSIONS="$ELASTICSEARCH_VERSIONS 8.19.1"
# The Debian under every host of the bed, whatever its os-release says, and the packages it has beyond the minimum.
HOST_SUITE=bookworm
HOST_PACKAGES=systemd,systemd-sysv,dbus,openssh-server,sudo,iproute2,procps,curl

BED_SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
BED_CACHE=${DROVER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/drover}/bed
# Elasticsearch refuses to run as root, and whoever runs it for root can't look into root's home.
if [ "$(id -u)" = 0 ]; then
  BED_RUN_AS=nobody
  BED_PUBLIC=${DROVER_PUBLIC_CACHE:-/var/cache/drover}/bed
else
  BED_RUN_AS=
  BED_PUBLIC=$BED_CACHE
fi

say() { printf '%s %4ds  %s\n' "$(basename "$0" .sh):" "$SECONDS" "$*" >&2; }
die() {
  printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2
  exit 1
}

# step TEXT COMMAND...: runs a long command silently, says that it still runs, shows its output if it fails.
step() {
  local text=$1 log pid rc=0 began=$SECONDS
  shift
  say "$text"
  log=$(mktemp)
  # A process group of its own: what it started ends with it when somebody has enough of waiting.
  set -m
  "$@" >"$log" 2>&1 &
  pid=$!
  set +m
  # shellcheck disable=SC2064
  trap "kill -- -$pid 2>/dev/null; rm -f '$log'; exit 130" INT TERM
  while kill -0 "$pid" 2>/dev/null; do
    sleep 0.2
    if [ $((SECONDS - began)) -ge 30 ]; then
      say "$text (still at it)"
      began=$SECONDS
    fi
  done
  wait "$pid" || rc=$?
  trap - INT TERM
  [ "$rc" = 0 ] || tail -n 40 "$log" >&2
  rm -f "$log"
  [ "$rc" = 0 ] || die "$text: failed with status $rc"
}

# need COMMAND PACKAGES: has it, or installs it where it may, or says what to run.
need() {
  command -v "$1" >/dev/null || install_package "$1" "$2"
}

install_package() {
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    die "$1 is missing: install it, on Debian with \`sudo apt-get install $2\`"
  fi
  if [ -z "${APT_UPDATED:-}" ]; then
    step "updating the package lists" apt-get update -q
    APT_UPDATED=1
  fi
  # shellcheck disable=SC2086
  step "installing $2" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $2
}

control_plane_home() { echo "${KUBEBUILDER_ASSETS:-$BED_CACHE/control-plane-$CONTROL_PLANE_VERSION}"; }
# Never KUBEBUILDER_ASSETS: it has no kubelet by convention.
kubernetes_node_home() { echo "$BED_CACHE/kubernetes-node-$CONTROL_PLANE_VERSION"; }
elasticsearch_home() { echo "$BED_PUBLIC/elasticsearch-$1"; }
# Another set of packages is another base.
host_base() { echo "$BED_CACHE/host-$HOST_SUITE-$(cksum <<<"$HOST_PACKAGES" | cut -d' ' -f1)"; }

# cni_home: prints where the network plugins of containers are, or fails. Debian has them in the first.
cni_home() {
  local home
  for home in /usr/lib/cni /opt/cni/bin /usr/libexec/cni; do
    [ ! -x "$home/loopback" ] || { echo "$home"; return; }
  done
  return 1
}

least_java() { case $1 in 9.*) echo 21 ;; *) echo 17 ;; esac; }

# Where hosts see a Java that runs this Elasticsearch.
java_in_hosts() { echo "/usr/lib/bed/java-$(least_java "$1")"; }

# host_java_home VERSION: where this machine has it; another Java is another folder.
host_java_home() {
  local source
  source=$(java_home "$1") || return
  echo "$BED_CACHE/host-java-$(least_java "$1")-$(cat "$source/release" "$BED_SOURCE"/host/{java.sh,nofile.c} "$BED_SOURCE/host-elasticsearch.sh" | cksum | cut -d' ' -f1)"
}

# archive_home VERSION: the folder with the archive and its digest; another plugin is another archive.
archive_home() { echo "$BED_CACHE/archive-$1-$(cat "$BED_SOURCE"/plugin/*.java "$BED_SOURCE/host-elasticsearch.sh" | cksum | cut -d' ' -f1)"; }

# java_home VERSION [TOOL]: prints the oldest Java that runs this Elasticsearch (and has TOOL), or fails.
java_home() {
  local least most=21 home major found='' found_major=1000
  least=$(least_java "$1")
  case $1 in 9.*) most=999 ;; esac
  for home in "${JAVA_HOME:-}" /usr/lib/jvm/* /opt/*; do
    [ -x "$home/bin/${2:-java}" ] && [ -r "$home/release" ] || continue
    major=$(sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$home/release")
    [ -n "$major" ] && [ "$major" -ge "$least" ] && [ "$major" -le "$most" ] || continue
    [ "$major" -lt "$found_major" ] && found=$home found_major=$major
  done
  [ -n "$found" ] && echo "$found"
}
