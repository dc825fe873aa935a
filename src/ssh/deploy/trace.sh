# Prints what changes as soon as any Elasticsearch opens the data that the settings in the file $1 name:
# it writes and removes a file in that directory before all else. Nothing where that can't be told.
trace() {
  where=$(sed -n 's/^path\.data: "\([^"\\]*\)"$/\1/p' "$1" 2>/dev/null)
  case $where in /*) ;; *) return 1 ;; esac
  listed=$(timeout -k 5 60 find "$where/" -xdev -maxdepth 4 -printf '%P %y %i %s %T@ %C@\n' 2>/dev/null) || return
  [ -n "$listed" ] || return
  printf '%s\n' "$listed" | sort | sha256sum | cut -d ' ' -f 1
}
