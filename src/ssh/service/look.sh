# Prints how the service $1 is on this host, what Drover started it as, the Elasticsearch processes in
# it and besides, and the host's addresses, one "key=value" a line; what can't be told is left out. "" is no service. What
# follows are units that Drover's own work runs as; each is told as "step.N", counted from 0. Of
# others' processes root alone may see all.
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH
unit=$1
shift

say() { [ -z "$2" ] || printf '%s=%s\n' "$1" "$2"; }
show() {
  systemctl show --no-pager -p LoadState -p ActiveState -p Result -p InvocationID -p ControlGroup \
    -p Job -p ActiveEnterTimestampMonotonic -p NRestarts -- "$2" 2>/dev/null |
    head -n 20 | cut -c 1-4096 | sed "s/^/$1./"
}

say uptime "$(cut -d ' ' -f 1 /proc/uptime)"
say system "$(systemctl is-system-running 2>/dev/null)"
at=0
for it in "$@"; do
  show "step.$at" "$it"
  at=$((at + 1))
done
[ -n "$unit" ] || exit 0

told=$(show unit "$unit")
printf '%s\n' "$told"
pid=$(systemctl show -p MainPID --value -- "$unit" 2>/dev/null)
if [ "${pid:-0}" != 0 ] && [ -r "/proc/$pid/environ" ]; then
  tr '\0' '\n' <"/proc/$pid/environ" | grep -E '^DROVER_(REVISION|VERSION)=' | cut -c 1-200 |
    sed 's/^/running./'
fi
group=$(printf '%s\n' "$told" | sed -n 's/^unit\.ControlGroup=//p')

# Whether the process is in the unit: in the one hierarchy of cgroups, or in systemd's own of many.
is_in_unit() {
  [ -n "$group" ] || return 1
  while IFS=: read -r _ controllers path; do
    case $controllers in '' | name=systemd) ;; *) continue ;; esac
    case $path in "$group" | "$group"/*) return 0 ;; esac
  done <"$1/cgroup"
  return 1
}
in_unit=" "
for it in /proc/[0-9]*; do
  if is_in_unit "$it" 2>/dev/null; then
    in_unit="$in_unit${it#/proc/} "
    say process "${it#/proc/}"
  fi
done 2>/dev/null
# Its main class, or that in its module: not that of what starts it.
main='^(org\.elasticsearch\.server/)?org\.elasticsearch\.bootstrap\.Elasticsearch$'
for it in $(grep -lzE "$main" /proc/[0-9]*/cmdline 2>/dev/null); do
  it=${it#/proc/}
  it=${it%/cmdline}
  case $in_unit in *" $it "*) ;; *) say other_process "$it" ;; esac
done

# Those that a system makes up and gives up again by itself are none to find it by.
if command -v ip >/dev/null 2>&1; then
  ip -o addr show scope global 2>/dev/null | grep -v -w temporary |
    sed -n 's/.* inet6* \([0-9a-fA-F.:]*\)[/ ].*/address=\1/p' | head -n 256
else
  for it in $(hostname -I 2>/dev/null); do say address "$it"; done
fi
exit 0
