# Makes the unit $1 run, by $2: "start" or "restart". Where $3 is "enable", also at each boot. Tells
# its last words where it does not come up in two minutes: its own, not systemd's, each once and in
# alphabetical order, without times and process ids, so that the next try in vain tells the same.
set -u
systemctl reset-failed -- "$1" 2>/dev/null
[ "$3" != enable ] || systemctl --quiet enable -- "$1" || exit 1
timeout 120 systemctl "$2" -- "$1" && exit 0
journalctl --no-pager --quiet -o cat -n 20 "_SYSTEMD_UNIT=$1" |
  sed 's/^[IWEF][0-9]\{4\} [0-9:.]* *[0-9]* [^] ]*\] //' | LC_ALL=C sort -u | head -n 5 >&2
exit 1
