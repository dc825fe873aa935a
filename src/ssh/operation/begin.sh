# Runs the command $3 and what follows as the unit $1, and does not wait for it: it goes on when this
# session breaks. A unit of that name that is there already is that very work, and is left as it is.
# $2: the second after the boot from which on it is too late, "" where it never is: what was sent in
# time may come late.
set -u
unit=$1 latest=$2
shift 2
if [ -n "$latest" ]; then
  IFS=. read -r now _ </proc/uptime
  [ "$now" -lt "$latest" ] || { echo 'it came too late' >&2; exit 75; }
fi
case $(systemctl show -p LoadState --value -- "$unit") in
not-found) ;;
'') echo 'systemd does not answer' >&2; exit 1 ;;
*) exit 0 ;;
esac
exec systemd-run --quiet --no-block --unit="$unit" -p Type=oneshot -p RemainAfterExit=yes -- "$@"
