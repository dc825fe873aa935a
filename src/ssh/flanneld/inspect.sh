# Prints how flanneld is on this host, one "key=value" a line. $1: the unit; $2: the program, or "";
# then Drover's files, of which the first one is the environment and remembers. Of files that may hold
# secrets only the sums are printed.
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH
unit=$1 program=$2
shift 2

say() { printf '%s=%s\n' "$1" "$2"; }

[ -z "$program" ] || [ ! -x "$program" ] || say program yes
[ ! -f "$1" ] || say memory "$(grep -m 1 '^# before: ' "$1" | cut -c 1-100)"
for path in "$@"; do
  [ -e "$path" ] || [ -L "$path" ] || continue
  say "file.$path" "$(stat -c '%F|%a|%U|%G' -- "$path")"
  [ -f "$path" ] || continue
  say "first.$path" "$(head -n 1 -- "$path" | cut -c 1-512)"
  say "sum.$path" "$(sha256sum <"$path" | cut -d ' ' -f 1)"
done

systemctl show --no-pager -p LoadState -p ActiveState -p UnitFileState -p NeedDaemonReload \
  -p Job -p MainPID -- "$unit" 2>/dev/null | head -n 20 | sed 's/^/unit./'
pid=$(systemctl show -p MainPID --value -- "$unit" 2>/dev/null)
if [ "${pid:-0}" != 0 ] && [ -r "/proc/$pid/environ" ]; then
  tr '\0' '\n' <"/proc/$pid/environ" | grep -E '^(FLANNELD_|FLANNEL_ETCD_|DROVER_REVISION=)' |
    head -n 50 | cut -c 1-8192 | sed 's/^/running./'
fi
exit 0
