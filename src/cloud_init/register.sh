#!/bin/sh
# Makes the Host object of this machine, once, and then forgets the token. POSIX sh and curl.
# Beside it lie: hosts (the URL to send to), host.json (the object, with gaps), curl.conf (the token), ca.crt where the
# server has an authority of its own.
set -u
umask 077
cd "$(dirname "$0")" || exit 1
say() { echo "drover: $*"; }
end() {
  rm -f curl.conf host.json sent.json answer
  exit "$1"
}
fail() {
  say "$*"
  end 1
}
# How often the API server is asked, and how long it is waited for in between, in seconds.
tries=${DROVER_TRIES:-60} pause=${DROVER_PAUSE:-10}

command -v curl >/dev/null || fail "curl is missing and could not be installed"
url=$(cat hosts)

# What the machine's sshd will show: of each public key its fingerprint.
prints=
for key in /etc/ssh/ssh_host_*_key.pub; do
  print=$(ssh-keygen -l -E sha256 -f "$key" 2>/dev/null | cut -d' ' -f2)
  case $print in
  SHA256:*[!A-Za-z0-9+/:]*) ;;
  SHA256:*) prints="$prints${prints:+\",\"}$print" ;;
  esac
done
[ -n "$prints" ] || fail "no public host key in /etc/ssh: is sshd installed?"

# The name of the object: that of the machine, or its machine-id where it has none of its own.
name=$(cut -d. -f1 /proc/sys/kernel/hostname | tr 'A-Z_' 'a-z-' | tr -cd 'a-z0-9-' | sed 's/^-*//; s/-*$//')
case $name in
"" | localhost) name=host-$(cut -c1-12 /etc/machine-id) ;;
esac

ask() {
  if [ -e ca.crt ]; then set -- --cacert ca.crt "$@"; fi
  curl --silent --show-error --config curl.conf --proto '=https' --connect-timeout 10 --max-time 30 "$@"
}

# The address by which the machine reaches the API server; sets `address`.
find_address() {
  address=$(ask --output answer --write-out '%{local_ip}' "${url%%/apis/*}/version" 2>&1) || return 1
  case $address in
  "" | *[!0-9a-fA-F.:]*) return 1 ;;
  esac
}

at=0
while :; do
  at=$((at + 1))
  code=000
  if find_address; then
    sed -e "s|@NAME@|$name|" -e "s|@ADDRESS@|$address|" -e "s|@FINGERPRINTS@|$prints|" host.json >sent.json
    code=$(ask --output answer --write-out '%{http_code}' --header 'Content-Type: application/json' \
      --data-binary @sent.json "$url" 2>/dev/null) || code=000
  fi
  case $code in
  201)
    say "Host $name ($address) waits for approval"
    end 0
    ;;
  409)
    say "there is a Host $name already; if it does not stand for this machine, give the machine another host name"
    end 0
    ;;
  400 | 401 | 403 | 404 | 422)
    fail "the API server refuses Host $name with status $code: $(head -c 1000 answer | tr '\n' ' ')"
    ;;
  esac
  [ "$at" -lt "$tries" ] || fail "the API server did not take Host $name in $tries tries (last status: $code)"
  say "the API server can't be reached yet (status $code): again in $pause seconds"
  sleep "$pause"
done
