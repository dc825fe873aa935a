# Stops Elasticsearch for good and removes what Drover put there. $1: the unit; $2: its file; $3: the
# folder of versions, $4 of settings, $5 of logs; $6: the line by which Drover knows its files; $7: the
# data directory, $8: "data" to remove what is in it, if it is that of the user $9; what the file system
# itself put there stays.
set -eu
if [ "$8" = data ] && [ -d "$7" ] && [ "$(stat -L -c %U -- "$7")" != "$9" ]; then
  echo "$7 does not belong to $9: what is in it may be others'" >&2
  exit 1
fi
[ -f "$2" ] || [ ! -e "$2" ] || { echo "$2 is no file" >&2; exit 1; }
if [ -f "$2" ]; then
  [ "$(head -n 1 -- "$2")" = "$6" ] || { echo "Drover did not make $2" >&2; exit 1; }
  systemctl --quiet disable -- "$1"
fi
is_down() { case $(systemctl show -p ActiveState --value -- "$1") in inactive | failed) ;; *) return 1 ;; esac; }
# It may run though somebody took its file away.
is_down "$1" || systemctl stop -- "$1"
systemctl reset-failed -- "$1" 2>/dev/null || true
# What the unit left behind would go on writing.
is_down "$1" || { echo "$1 does not stop" >&2; exit 1; }
if [ "$8" = data ] && [ -d "$7" ]; then
  find "$7/" -mindepth 1 -maxdepth 1 ! -name lost+found -exec rm -rf -- {} +
fi
rm -rf -- "$3" "$4" "$5"
rmdir -- "$(dirname -- "$3")" 2>/dev/null || true
# Last: without it the next try would not know that there is anything to stop.
rm -f -- "$2"
systemctl daemon-reload
