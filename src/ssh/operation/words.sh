# Prints the last words of the service $1, its own and not systemd's, where it has said something since
# it was last started; else what the unit $2, which was to start it, said. Lines that look like they hold
# a secret are left out, and what may be one in the others is blotted out.
LC_ALL=C
export LC_ALL
said() {
  journalctl --no-pager --quiet -o cat -n 30 "$@" 2>/dev/null |
    grep -v -i -E 'passw|secret|token|credential|api.?key|private|BEGIN ' |
    blotted | tail -n 10 | tail -c 800
}
words=
if [ -n "$1" ]; then
  run=$(systemctl show -p InvocationID --value -- "$1" 2>/dev/null)
  [ -z "$run" ] || words=$(said "_SYSTEMD_INVOCATION_ID=$run")
  [ -n "$words" ] || words=$(said -b "_SYSTEMD_UNIT=$1" + "UNIT=$1")
fi
[ -n "$words" ] || words=$(said "_SYSTEMD_UNIT=$2" + "UNIT=$2")
printf '%s\n' "$words"
exit 0
