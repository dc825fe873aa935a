#!/bin/bash
# Inside a host: what the package flannel brings, by the package manager that installs it. dnf: a unit that makes flags of
# /etc/sysconfig/flanneld, as Fedora's does; zypper: the program alone.
# Its flanneld does what others see of the real one: it reads its network from etcd with its certificate, takes a part of it for its
# public address, tells systemd, and stays. Each start is a line in /var/log/flanneld.log.
set -eu

# The program at $1.
bring_program() {
  cat >"$1" <<'PROGRAM'
#!/bin/bash
set -eu
# A flag counts more than a variable.
for flag in "$@"; do
  case $flag in
  -etcd-endpoints=*) FLANNELD_ETCD_ENDPOINTS=${flag#*=} ;;
  -etcd-prefix=*) FLANNELD_ETCD_PREFIX=${flag#*=} ;;
  *) ;;
  esac
done
base64_of() { printf %s "$1" | base64 -w 0; }
# call PATH BODY
call() {
  curl --silent --show-error --fail --max-time 5 \
    --cacert "$FLANNELD_ETCD_CAFILE" --cert "$FLANNELD_ETCD_CERTFILE" --key "$FLANNELD_ETCD_KEYFILE" \
    --data "$2" "${FLANNELD_ETCD_ENDPOINTS%%,*}$1"
}
# fail WORDS: with the head that glog gives a line.
fail() {
  printf 'E%(%m%d %H:%M:%S)T.%06d %7d main.go:335] %s\n' -1 "$RANDOM" $$ "$1" >&2
  exit 1
}
printf '%s %s %s %s\n' "$(date -u +%FT%TZ)" "$FLANNELD_ETCD_ENDPOINTS" "$FLANNELD_ETCD_PREFIX" \
  "$(sha256sum <"$FLANNELD_ETCD_CERTFILE" | cut -c 1-16)" >>/var/log/flanneld.log
found=$(call /v3/kv/range "{\"key\": \"$(base64_of "$FLANNELD_ETCD_PREFIX/config")\"}") || fail "Couldn't fetch network config: no answer"
[[ $found == *'"kvs"'* ]] || fail "Couldn't fetch network config: key not found"
lease=$(base64_of "{\"PublicIP\":\"$FLANNELD_PUBLIC_IP\",\"BackendType\":\"vxlan\"}")
subnet=$FLANNELD_ETCD_PREFIX/subnets/10.5.${FLANNELD_PUBLIC_IP##*.}.0-24
call /v3/kv/put "{\"key\": \"$(base64_of "$subnet")\", \"value\": \"$lease\"}" >/dev/null
systemd-notify --ready
exec sleep infinity
PROGRAM
  chmod 755 "$1"
}

case $1 in
dnf | yum)
  bring_program /usr/bin/flanneld
  mkdir -p /etc/sysconfig
  printf '%s\n' 'FLANNEL_ETCD_ENDPOINTS="http://127.0.0.1:2379"' 'FLANNEL_ETCD_PREFIX="/atomic.io/network"' \
    >/etc/sysconfig/flanneld
  # shellcheck disable=SC2016 # systemd fills in the values
  printf '%s\n' '[Service]' Type=notify EnvironmentFile=/etc/sysconfig/flanneld \
    'ExecStart=/usr/bin/flanneld -etcd-endpoints=${FLANNEL_ETCD_ENDPOINTS} -etcd-prefix=${FLANNEL_ETCD_PREFIX} $FLANNEL_OPTIONS' \
    Restart=on-failure '[Install]' WantedBy=multi-user.target >/usr/lib/systemd/system/flanneld.service
  ;;
zypper) bring_program /usr/sbin/flanneld ;;
*) exit 64 ;;
esac
