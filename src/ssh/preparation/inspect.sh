# Prints how far this host is prepared, one "key=value" a line. $1: the file of kernel parameters;
# $2: the unit whose limits count, $3: the file that sets them, $4: the data directory, each ""
# where there is none; $5: the user; $6: the file of the unit that runs an Elasticsearch of Drover's;
# then the names of kernel parameters.
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH
sysctls=$1 unit=$2 drop_in=$3 data=$4 user=$5 home=$6
shift 6

say() { printf '%s=%s\n' "$1" "$2"; }
has() { command -v "$1" >/dev/null 2>&1; }
file() {
  [ -e "$2" ] || [ -L "$2" ] || return 0
  say "$1" "$(stat -c '%F|%a|%U|%G' -- "$2")"
  [ ! -f "$2" ] || head -n 500 "$2" | cut -c 1-512 | sed "s/^/$1.line=/"
}
entry() { if has getent; then getent "$1" "$2"; else grep "^$2:" "/etc/$1"; fi | head -n 1; }

file sysctls "$sysctls"
recorded=$([ ! -f "$sysctls" ] || sed -n 's/^# before: \([A-Za-z0-9_.-]*\) = .*/\1/p' "$sysctls" | head -n 200)
for name in "$@" $recorded; do
  path=/proc/sys/$(printf '%s' "$name" | tr . /)
  [ ! -r "$path" ] || say "sysctl.$name" "$(head -n 1 "$path" | cut -c 1-512)"
done

if [ -n "$unit" ] && [ -d /run/systemd/system ]; then
  file limits "$drop_in"
  systemctl show --no-pager -p LoadState -p LimitNOFILE -p LimitNPROC -p LimitMEMLOCK \
    -p LimitFSIZE -p LimitAS -- "$unit" 2>/dev/null | head -n 20 | sed 's/^/unit./'
fi

[ ! -f "$home" ] || say home "$(head -n 1 -- "$home" | cut -c 1-512)"
[ -z "$(entry passwd "$user")" ] || say user yes
[ -z "$(entry group "$user")" ] || say group yes
if [ -n "$data" ] && { [ -e "$data" ] || [ -L "$data" ]; }; then
  say data "$(stat -L -c '%F|%a|%U|%G' -- "$data" 2>/dev/null)"
fi
[ ! -r /proc/swaps ] || say swaps "$(tail -n +2 /proc/swaps | grep -c .)"
if has timedatectl; then
  say time_synchronized "$(timedatectl show -p NTPSynchronized --value 2>/dev/null | head -n 1)"
fi
exit 0
