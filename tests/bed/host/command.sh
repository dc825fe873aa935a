#!/bin/bash
# Inside a host: puts something else in place of a command, real or stand-in, wherever it is called from. Calls go to the log
# of the stand-ins.
#   command slow NAME SECONDS [BEGIN]  does its work, that much later; with BEGIN only where its arguments begin so
#   command fail NAME STATUS TEXT      says TEXT on stderr, and ends so
#   command endless NAME               prints for ever
#   command mend                       ends all of these
set -eu
begin=${4:-}

# replace NAME BODY
replace() {
  local path
  path=$(command -v "$1") || path=/usr/bin/$1
  [ -e "$path.real" ] || [ ! -e "$path" ] || mv "$path" "$path.real"
  cat >"$path.new" <<WRAPPER
#!/bin/bash
printf '%s %s%s\n' "\$(date -u +%FT%TZ)" $1 "\${*:+ \$*}" >>/var/log/stand-in.log
$2
WRAPPER
  chmod 755 "$path.new"
  mv "$path.new" "$path"
  echo "$path" >>/var/lib/bed/replaced
}

case ${1:-} in
# Waits without a child that would outlive it.
slow) replace "$2" "[[ \"\$*\" != ${begin@Q}* ]] || read -rt $3 <> <(:) || true; BED_LOGGED=1 exec -a $2 \"\$0.real\" \"\$@\"" ;;
fail) replace "$2" "echo ${4@Q} >&2; exit $3" ;;
endless) replace "$2" "exec yes 'this never ends'" ;;
mend)
  [ -e /var/lib/bed/replaced ] || exit 0
  sort -u /var/lib/bed/replaced | while read -r path; do
    if [ -e "$path.real" ]; then mv "$path.real" "$path"; else rm -f "$path"; fi
  done
  rm /var/lib/bed/replaced
  ;;
*) exit 64 ;;
esac
