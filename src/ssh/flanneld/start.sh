# Makes the unit $1 run, by $2: "start" or "restart". Where $3 is "enable", also at each boot. Tells
# its last words where it does not come up in two minutes.
set -u
systemctl reset-failed -- "$1" 2>/dev/null
[ "$3" != enable ] || systemctl --quiet enable -- "$1" || exit 1
timeout 120 systemctl "$2" -- "$1" && exit 0
journalctl --no-pager --quiet -o cat -n 5 -u "$1" >&2
exit 1
