# Installs a package by the command $3 and what follows, run by systemd as the unit $1: it goes on
# when this session breaks, and one that goes on is waited for. $2: statuses besides 0 with which the
# command ends well. Tells the command's last words where it fails.
set -u
unit=$1 success=$2 log=/run/$1.log
shift 2
waited=0
while [ "$(systemctl show -p ActiveState --value -- "$unit")" = activating ]; do
  [ "$waited" -lt 600 ] || { echo "$unit, which was begun before, does not end" >&2; exit 1; }
  sleep 1
  waited=$((waited + 1))
done
systemctl reset-failed -- "$unit" 2>/dev/null
rm -f -- "$log"
set -- -- "$@"
[ -z "$success" ] || set -- -p "SuccessExitStatus=$success" "$@"
if systemd-run --quiet --unit="$unit" -p Type=oneshot -p TimeoutStartSec=600 \
  -p "StandardOutput=file:$log" -p StandardError=inherit "$@"; then
  rm -f -- "$log"
  exit 0
fi
# How old dnf's metadata is, and how fast it came, differs from try to try.
[ ! -f "$log" ] || sed -e '/[Mm]etadata expiration/d' -e '/B\/s |/d' -- "$log" | tail -c 900 >&2
exit 1
