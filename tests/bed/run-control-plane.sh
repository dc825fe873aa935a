#!/bin/bash
# run-control-plane.sh etcd DIR PORT PEER_PORT
# run-control-plane.sh kube-apiserver DIR PORT ETCD_PORT
# Runs one of the two in the foreground, with its data in DIR. The API server takes DIR/server.crt and server.key, and the
# users in DIR/tokens.csv; RBAC is on. There is no controller manager and no node.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
program=$1 dir=$2 port=$3 other=$4
home=$(control_plane_home)
mkdir -p "$dir"

case $program in
etcd)
  # Nothing here outlives the machine: no need to wait for the disk.
  exec "$home/etcd" --data-dir="$dir/etcd" --unsafe-no-fsync --log-level=warn \
    --listen-client-urls="http://127.0.0.1:$port" --advertise-client-urls="http://127.0.0.1:$port" \
    --listen-peer-urls="http://127.0.0.1:$other" --initial-advertise-peer-urls="http://127.0.0.1:$other" \
    --initial-cluster="default=http://127.0.0.1:$other"
  ;;
kube-apiserver)
  key=$dir/service-accounts.key
  [ -e "$key" ] || openssl genrsa -out "$key" 2048 2>/dev/null
  exec "$home/kube-apiserver" --etcd-servers="http://127.0.0.1:$other" --secure-port="$port" --bind-address=127.0.0.1 \
    --cert-dir="$dir" --tls-cert-file="$dir/server.crt" --tls-private-key-file="$dir/server.key" \
    --service-account-issuer=https://kubernetes.default.svc \
    --service-account-key-file="$key" --service-account-signing-key-file="$key" \
    --token-auth-file="$dir/tokens.csv" --authorization-mode=RBAC --disable-admission-plugins=ServiceAccount \
    --service-cluster-ip-range=10.0.0.0/24
  ;;
*)
  sed -n '2,5p' "$0"
  exit 64
  ;;
esac
