# Prints how Elasticsearch is on this host, one "key=value" a line. $1: the unit; $2: the folder of
# versions; $3: the folder of settings; $4: the data directory; then the files that Drover keeps. Of
# files that may hold secrets only the sums are printed.
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH
unit=$1 trees=$2 config=$3 data=$4
shift 4

say() { printf '%s=%s\n' "$1" "$2"; }
has() { command -v "$1" >/dev/null 2>&1; }
# The line after the one that says whose file it is.
second() { [ ! -f "$1" ] || sed -n 2p "$1" | cut -c 1-200; }
# Whether there is nothing at the path $1 for sure: what is above it can be listed, and lacks it.
is_missing() {
  below=$1
  while above=$(dirname -- "$below") && [ "$above" != "$below" ] && [ ! -e "$above" ]; do below=$above; done
  names=$(ls -A -- "$above" 2>/dev/null) && ! printf '%s\n' "$names" | grep -qxF -e "${below##*/}"
}
free() { df -Pk -- "$1" 2>/dev/null | awk 'NR == 2 { print $4 }'; }

for path in "$@"; do
  [ -e "$path" ] || [ -L "$path" ] || continue
  say "file.$path" "$(stat -c '%F|%a|%U|%G' -- "$path")"
  [ -f "$path" ] || continue
  say "first.$path" "$(head -n 1 -- "$path" | cut -c 1-512)"
  say "sum.$path" "$(sha256sum <"$path" | cut -d ' ' -f 1)"
done
[ ! -f "$config/node.crt" ] || say certified "$(sed -n 's/^# The SHA-256 of node.key: //p' "$config/node.crt" | head -n 1 | cut -c 1-64)"
[ ! -f "$config/node.crt" ] || grep -v '^#' "$config/node.crt" | head -n 200 | cut -c 1-80 | sed 's/^/certificate=/'
[ ! -f "$config/ca.crt" ] || grep -v '^#' "$config/ca.crt" | head -c 200000 | sed 's/^/authority=/'
say cluster_uuid "$(second "$config/cluster-uuid")"
say revision "$(second "$config/revision")"
say next "$(second "$config/next/revision")"
# Where it does not say, Elasticsearch listens on what is its default.
if [ -f "$config/elasticsearch.yml" ]; then
  port=$(sed -n 's/^http\.port: *"\{0,1\}\([0-9]\{1,5\}\)"\{0,1\}$/\1/p' "$config/elasticsearch.yml" | head -n 1)
  say http_port "${port:-9200}"
fi

for tree in "$trees"/*; do
  [ ! -L "$tree" ] && [ -f "$tree/.drover" ] || continue
  name=${tree##*/}
  say "tree.$name" "$(second "$tree/.drover")"
  for plugin in "$tree"/plugins/*/plugin-descriptor.properties; do
    [ ! -f "$plugin" ] || { plugin=${plugin%/*}; say "plugin.$name" "${plugin##*/}"; }
  done
done
# What a run has kept, or was about to.
if [ -e "$trees/before" ] || [ -e "$trees/before.new" ]; then say before kept; fi
say current "$(readlink "$trees/current" 2>/dev/null)"
folder=$trees
while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
say free "$(free "$folder")"
if has curl; then say fetcher curl; elif has wget; then say fetcher wget; fi

# What can't be listed may hold anything. What the file system itself puts into each is no data.
if [ -d "$data" ] && names=$(ls -A -- "$data" 2>/dev/null); then
  if [ -n "$(printf '%s\n' "$names" | grep -vxF lost+found)" ]; then say data used; else say data empty; fi
elif [ ! -d "$data" ] && is_missing "$data"; then
  say data missing
else
  say data unknown
fi

say uptime "$(cut -d . -f 1 /proc/uptime)"
systemctl show --no-pager -p LoadState -p ActiveState -p SubState -p Result -p UnitFileState \
  -p NeedDaemonReload -p InvocationID -p MainPID -p ActiveEnterTimestampMonotonic -- "$unit" 2>/dev/null |
  head -n 20 | sed 's/^/unit./'
pid=$(systemctl show -p MainPID --value -- "$unit" 2>/dev/null)
if [ "${pid:-0}" != 0 ] && [ -r "/proc/$pid/environ" ]; then
  tr '\0' '\n' <"/proc/$pid/environ" | grep -E '^DROVER_(REVISION|VERSION)=' | cut -c 1-200 |
    sed 's/^/running./'
fi
exit 0
