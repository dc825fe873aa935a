#!/bin/bash
# run-control-plane.sh etcd DIR PORT PEER_PORT [ADDRESS]
# run-control-plane.sh kube-apiserver DIR PORT ETCD_PORT
# Runs one of the two in the foreground, with its data in DIR. The API server takes DIR/server.crt and server.key, the users in
# DIR/tokens.csv, and client certificates that DIR/clients.crt has signed, where that is there; RBAC is on. There is no controller
# manager and no node. etcd serves TLS where DIR/etcd.crt and etcd.key are there, and then asks for certificates of DIR/etcd-clients.crt.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
program=$1 dir=$2 port=$3 other=$4
home=$(control_plane_home)
mkdir -p "$dir"

case $program in
etcd)
  address=${5:-127.0.0.1} scheme=http tls=()
  if [ -e "$dir/etcd.crt" ]; then scheme=https tls=(--cert-file="$dir/etcd.crt" --key-file="$dir/etcd.key"); fi
  if [ -e "$dir/etcd-clients.crt" ]; then tls+=(--client-cert-auth --trusted-ca-file="$dir/etcd-clients.crt"); fi
  # Nothing here outlives the machine: no need to wait for the disk.
  exec "$home/etcd" --data-dir="$dir/etcd" --unsafe-no-fsync --log-level=warn "${tls[@]}" \
    --listen-client-urls="$scheme://$address:$port" --advertise-client-urls="$scheme://$address:$port" \
    --listen-peer-urls="http://127.0.0.1:$other" --initial-advertise-peer-urls="http://127.0.0.1:$other" \
    --initial-cluster="default=http://127.0.0.1:$other"
  ;;
kube-apiserver)
  key=$dir/service-accounts.key
  [ -e "$key" ] || openssl genrsa -out "$key" 2048 2>/dev/null
  clients=()
  if [ -e "$dir/clients.crt" ]; then clients=(--client-ca-file="$dir/clients.crt"); fi
  exec "$home/kube-apiserver" "${clients[@]}" --etcd-servers="http://127.0.0.1:$other" --secure-port="$port" --bind-address=127.0.0.1 \
    --cert-dir="$dir" --tls-cert-file="$dir/server.crt" --tls-private-key-file="$dir/server.key" \
    --service-account-issuer=https://kubernetes.default.svc \
    --service-account-key-file="$key" --service-account-signing-key-file="$key" \
    --token-auth-file="$dir/tokens.csv" --authorization-mode=RBAC --disable-admission-plugins=ServiceAccount \
    --service-cluster-ip-range=10.0.0.0/24
  ;;
*)
  sed -n '2,6p' "$0"
  exit 64
  ;;
esac
