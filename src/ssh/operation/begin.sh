# Runs the command $5 and what follows, options for systemd-run before it, as the unit $1, and does
# not wait for it: it goes on when this session breaks. A unit of that name that is there already is
# that very work, and is left as it is. $2: the second after the boot from which on it is too late, ""
# where it never is: what was sent in time may come late. $3: the service that it is about, and $4: the run of it that is to end; where
# the service is in another run by now, nothing is done. "" is no service.
# Ends with 0 where the work is there or was done, 75 where it came too late, 74 where nobody knows
# whether systemd took it, and 1 where it did not.
set -u
unit=$1 latest=$2 service=$3 before=$4
shift 4
is_late() {
  [ -n "$latest" ] || return 1
  IFS=. read -r now _ </proc/uptime
  [ "$now" -ge "$latest" ]
}
too_late() {
  echo 'it came too late' >&2
  exit 75
}
show() { timeout -k 1 3 systemctl show -p "$1" --value -- "$2" </dev/null; }

! is_late || too_late
case $(show LoadState "$unit") in
not-found) ;;
'') echo 'systemd does not answer' >&2; exit 1 ;;
*) exit 0 ;;
esac
if [ -n "$service" ]; then
  case $(show ActiveState "$service") in
  inactive | failed) ;;
  *) [ "$(show InvocationID "$service")" = "$before" ] || exit 0 ;;
  esac
fi
# To ask has taken its time.
! is_late || too_late
said=$(timeout -k 1 5 systemd-run --quiet --no-block --unit="$unit" -p Type=oneshot \
  -p RemainAfterExit=yes "$@" 2>&1 </dev/null) && exit 0
ended=$?
# systemd may have taken it all the same, and it may show only in a moment.
left=3
while [ "$left" -gt 0 ]; do
  case $(show LoadState "$unit") in
  not-found) ;;
  '') echo 'systemd does not tell whether it took the work' >&2; exit 74 ;;
  *) exit 0 ;;
  esac
  left=$((left - 1))
  [ "$left" -eq 0 ] || sleep 1
done
case $ended in 124 | 137) echo 'systemd did not answer in time' >&2; exit 74 ;; esac
printf '%s\n' "${said:-systemd-run failed and gave no reason}" >&2
exit 1
