# Has systemd run the script $2 with the file of its settings $3 as the unit $1, at most $4 seconds:
# it goes on when this session breaks. What is under way or was done under this name is not begun
# again; what failed is. $5: the second after the boot from which on it is too late, "" where it never
# is: what was sent in time may come late.
set -u
if [ -n "$5" ]; then
  IFS=. read -r now _ </proc/uptime
  [ "$now" -lt "$5" ] || { echo 'it came too late' >&2; exit 75; }
fi
case $(systemctl show -p ActiveState --value -- "$1") in
active | activating) exit 0 ;;
failed) systemctl reset-failed -- "$1" ;;
esac
rm -f -- "${3%.settings}.log"
if systemd-run --quiet --no-block --unit="$1" -p Type=oneshot -p RemainAfterExit=yes -p UMask=0022 \
  -p "TimeoutStartSec=$4" -p "StandardOutput=file:${3%.settings}.log" -p StandardError=inherit \
  /bin/sh "$2" "$3"; then
  exit 0
fi
# Somebody else was first.
case $(systemctl show -p ActiveState --value -- "$1") in active | activating) exit 0 ;; esac
exit 1
