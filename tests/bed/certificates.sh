#!/bin/bash
# certificates.sh authority DIR NAME: makes DIR/NAME.crt and NAME.key, a certificate authority.
# certificates.sh issue DIR AUTHORITY NAME ALTERNATIVE_NAMES [NOT_BEFORE NOT_AFTER]: a certificate signed by it, for servers
#   and clients alike; names as in "DNS:localhost,IP:127.0.0.1", times as in 20200101000000Z (default: ten years from yesterday).
# The tests and the demo both use it.
set -euo pipefail

new_key() {
  openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1"
}

authority() {
  new_key "$1/$2.key"
  openssl req -x509 -new -key "$1/$2.key" -subj "/O=Drover test bed/CN=$2" -days 3650 -out "$1/$2.crt" \
    -addext 'keyUsage=critical,keyCertSign,cRLSign'
}

# `openssl ca` alone sets both ends of the validity in every version in use; it wants a folder for its records.
issue() {
  local dir=$1 authority=$2 name=$3 names=$4 begin=${5:-$(date -u -d '1 day ago' +%Y%m%d000000Z)} end=${6:-$(date -u -d '10 years' +%Y%m%d000000Z)} records
  records=$(mktemp -d)
  cat >"$records/config" <<CONFIG
[ca]
default_ca = bed
[bed]
database = $records/index
new_certs_dir = $records
default_md = sha256
policy = any
rand_serial = yes
[any]
organizationName = optional
commonName = supplied
[extensions]
basicConstraints = critical,CA:false
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth,clientAuth
subjectAltName = $names
CONFIG
  : >"$records/index"
  new_key "$dir/$name.key"
  openssl req -new -key "$dir/$name.key" -subj "/O=Drover test bed/CN=$name" -out "$records/request"
  openssl ca -batch -notext -config "$records/config" -extensions extensions -cert "$dir/$authority.crt" -keyfile "$dir/$authority.key" \
    -startdate "$begin" -enddate "$end" -in "$records/request" -out "$dir/$name.crt" 2>"$records/log" || {
    cat "$records/log" >&2
    return 1
  }
  rm -rf "$records"
}

case ${1:-} in
authority | issue) "$@" ;;
*)
  sed -n '2,5p' "$0"
  exit 64
  ;;
esac
