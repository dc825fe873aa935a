#!/bin/bash
# up.sh: a Kubernetes control plane, a secured Elasticsearch with TLS, three bare Linux hosts, and Drover, all on this machine's
# loopback and a bridge of its own; then the examples, until they are Ready and the hosts a cluster. What runs already is kept, so it can be run again after a change.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hosts.sh"
cd "$REPOSITORY"

VERSION=8.19.0
# The examples name this one; the others are what is free.
ELASTICSEARCH_PORT=9200
# Three nodes are fetched, unpacked and started.
READY_WITHIN=10m
export KUBECONFIG=$RUN/kubeconfig

main() {
  tests/bed/provision.sh control-plane hosts elasticsearch "$VERSION"
  build
  umask 077
  mkdir -p "$RUN"
  [ -O "$RUN" ] || die "$RUN belongs to somebody else: set DROVER_DEMO to another folder"
  chmod 755 "$RUN"
  choose_ports
  make_secrets
  start_control_plane
  start_elasticsearch
  start_hosts
  await 120 kube-apiserver "the API server is ready" kubectl get namespace default
  await 180 elasticsearch "Elasticsearch is ready" ask_elasticsearch /_cluster/health
  apply_prerequisites
  start_drover
  apply_examples
  start_mirror
  apply_hosts
  await_ready
  show
}

build() {
  say "building drover"
  export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-${DROVER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/drover}/target}
  cargo build
}

kubectl() { "$(control_plane_home)/kubectl" "$@"; }

ask_elasticsearch() {
  curl -sS --fail --noproxy '*' --cacert "$RUN/certificates/ca.crt" --config "$RUN/elasticsearch.curl" \
    "https://localhost:$ELASTICSEARCH_PORT$1" "${@:2}"
}

taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() {
  local port=$1
  while taken "$port"; do port=$((port + 1)); done
  echo "$port"
}

# A demo that runs keeps its ports.
choose_ports() {
  if [ ! -e "$RUN/ports" ]; then
    ! taken "$ELASTICSEARCH_PORT" ||
      die "port $ELASTICSEARCH_PORT, where the examples look for Elasticsearch, is taken by another process"
    cat >"$RUN/ports" <<PORTS
ETCD_PORT=$(free_port 12379)
ETCD_PEER_PORT=$(free_port 12479)
API_PORT=$(free_port 16443)
TRANSPORT_PORT=$(free_port 19300)
METRICS_PORT=$(free_port 18080)
MIRROR_PORT=18090
PORTS
  fi
  # shellcheck source=/dev/null
  . "$RUN/ports"
}

# Each demo has its own.
make_secrets() {
  [ ! -e "$RUN/kubeconfig" ] || return 0
  local certificates=$RUN/certificates token
  mkdir -p "$certificates" "$RUN/control-plane"
  tests/bed/certificates.sh authority "$certificates" ca
  tests/bed/certificates.sh issue "$certificates" ca server DNS:localhost,IP:127.0.0.1
  cp "$certificates/server.crt" "$certificates/server.key" "$RUN/control-plane/"
  openssl rand -hex 16 >"$RUN/superuser.password"
  openssl rand -hex 16 >"$RUN/drover.password"
  echo "user = \"admin:$(cat "$RUN/superuser.password")\"" >"$RUN/elasticsearch.curl"
  token=$(openssl rand -hex 16)
  echo "$token,admin,admin,system:masters" >"$RUN/control-plane/tokens.csv"
  cat >"$RUN/kubeconfig" <<KUBECONFIG
apiVersion: v1
kind: Config
current-context: drover-demo
contexts: [{name: drover-demo, context: {cluster: drover-demo, user: admin}}]
clusters: [{name: drover-demo, cluster: {server: "https://127.0.0.1:$API_PORT", certificate-authority: $certificates/ca.crt}}]
users: [{name: admin, user: {token: $token}}]
KUBECONFIG
}

start_control_plane() {
  local run=tests/bed/run-control-plane.sh
  runs etcd || background etcd $run etcd "$RUN/control-plane" "$ETCD_PORT" "$ETCD_PEER_PORT"
  runs kube-apiserver || background kube-apiserver $run kube-apiserver "$RUN/control-plane" "$API_PORT" "$ETCD_PORT"
}

# A line of the file realm's `users`.
user() { printf '%s:{SHA}%s\n' "$1" "$(tr -d '\n' <"$RUN/$2.password" | openssl dgst -sha1 -binary | base64)"; }

start_elasticsearch() {
  ! runs elasticsearch || return 0
  local config=$RUN/elasticsearch/config
  mkdir -p "$config"
  cp "$RUN/certificates/"{ca.crt,server.crt,server.key} "$config/"
  { user admin superuser; user drover drover; } >"$config/users"
  printf 'superuser:admin\ndrover:drover\n' >"$config/users_roles"
  # The role that the documentation tells people to make; JSON is YAML.
  echo "drover: $(tr -d '\n' <"$REPOSITORY/examples/elasticsearch/role.json")" >"$config/roles.yml"
  cat >"$config/elasticsearch.yml" <<YML
cluster.name: demo
node.name: demo-1
path.data: $RUN/elasticsearch/data
path.logs: $RUN/elasticsearch/logs
network.host: 127.0.0.1
http.port: $ELASTICSEARCH_PORT
transport.port: $TRANSPORT_PORT
discovery.type: single-node
# The demo holds no data to speak of, however full the disk is.
cluster.routing.allocation.disk.threshold_enabled: false
cluster.routing.allocation.disk.watermark: {low: 3mb, high: 2mb, flood_stage: 1mb}
xpack.security.enabled: true
xpack.security.http.ssl: {enabled: true, key: server.key, certificate: server.crt, certificate_authorities: ca.crt}
YML
  background elasticsearch tests/bed/run-elasticsearch.sh "$VERSION" "$RUN/elasticsearch"
}

# The definitions, and what the examples refer to.
apply_prerequisites() {
  local drover=$CARGO_TARGET_DIR/debug/drover
  "$drover" crd | kubectl apply --server-side -f - >/dev/null
  "$drover" crd | kubectl wait --for=condition=Established --timeout=60s -f - >/dev/null
  printf drover >"$RUN/username"
  tr -d '\n' <"$RUN/drover.password" >"$RUN/password"
  kubectl create secret generic elasticsearch-credentials --dry-run=client -o yaml \
    --from-file="$RUN/username" --from-file="$RUN/password" | kubectl apply --server-side -f - >/dev/null
  kubectl create configmap elasticsearch-ca --dry-run=client -o yaml \
    --from-file="$RUN/certificates/ca.crt" | kubectl apply --server-side -f - >/dev/null
  say "applied the definitions and the secrets"
}

start_drover() {
  # Always the one just built.
  finish drover
  background drover "$CARGO_TARGET_DIR/debug/drover" run --metrics-address "127.0.0.1:$METRICS_PORT"
  await 60 drover "drover is ready" curl -sS --fail --noproxy '*' "http://127.0.0.1:$METRICS_PORT/readyz"
}

# Those that need no other machine than this one.
apply_examples() {
  kubectl apply --server-side -f examples/cluster.yaml -f examples/index.yaml -f examples/full.yaml >/dev/null
}

await_ready() {
  local kind kinds=(indices clusters)
  ! has_hosts || kinds+=(hosts)
  for kind in "${kinds[@]}"; do
    say "waiting until all $kind are Ready"
    kubectl wait --for=condition=Ready --timeout="$READY_WITHIN" --all "$kind.drover.dev" >&2 || {
      kubectl get drover >&2
      tail -n 20 "$RUN/drover.log" >&2
      die "the objects do not become Ready (the log is $RUN/drover.log)"
    }
  done
}

show() {
  kubectl get drover
  cat <<TEXT

The demo is up. To look further:
  export KUBECONFIG=$KUBECONFIG PATH=\$PATH:$(control_plane_home)
  kubectl describe clusters.drover.dev
  kubectl get indices.drover.dev -o yaml
  curl --cacert $RUN/certificates/ca.crt --config $RUN/elasticsearch.curl https://localhost:$ELASTICSEARCH_PORT/_cat/indices?v
  curl http://127.0.0.1:$METRICS_PORT/metrics
  tail -f $RUN/drover.log
TEXT
  show_hosts
  echo "To stop it: make demo-down"
}

main
