# Sets kernel parameters: a name, a value, a name, a value, ...
failed=0
while [ $# -gt 1 ]; do
  path=/proc/sys/$(printf '%s' "$1" | tr . /)
  if ! (printf '%s\n' "$2" >"$path") 2>/dev/null; then
    echo "$1 can't be set to $2" >&2
    failed=1
  fi
  shift 2
done
exit $failed
