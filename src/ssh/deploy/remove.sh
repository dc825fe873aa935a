# Stops Elasticsearch for good and removes what Drover put there. $1: the unit; $2: its file; $3: the
# folder of versions, $4 of settings, $5 of logs; $6: the line by which Drover knows its files; $7: the
# data directory, $8: "data" to remove what is in it, if it is that of the user $9; what the file system
# itself put there stays. ${10}: the name of the cluster that it has to be of, ${11}: its uuid, empty where
# none was formed.
set -eu
known=
if [ -e "$4/cluster-uuid" ]; then
  known=$(sed -n 2p "$4/cluster-uuid")
  [ -n "$known" ] && [ "$known" = "${11}" ] ||
    { echo "this host is a member of another cluster: $(printf %s "$known" | cut -c 1-64)" >&2; exit 1; }
else
  # Until that is noted the settings tell: those that run, and before there are any, those that wait.
  for settings in "$4/elasticsearch.yml" "$4/next/elasticsearch.yml"; do
    [ -z "$known" ] && [ -f "$settings" ] || continue
    known=$settings
    grep -qxF "cluster.name: \"${10}\"" "$settings" ||
      { echo "$settings is of another cluster than ${10}" >&2; exit 1; }
  done
fi
if [ -z "$known" ] && [ "$8" = data ] && [ -d "$7" ] &&
  ls -A -- "$7" | grep -qvxF lost+found; then
  echo "nobody can tell of which cluster the data in $7 is" >&2
  exit 1
fi
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
