# Stops Elasticsearch, puts back what it ran as before a run took it down, and starts that. $1: a file
# with, a line each, the unit, the run, the version and the revision that ran before, the folder of
# versions, that of settings, the file of the unit, and for how many seconds it may take to stop. The last
# line of the output tells how it went. Another version comes back only where the one that is in place has
# not opened the data: what that writes the older one can't read. What comes back stays where it is kept:
# safe to repeat.
set -u
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH
{
  read -r unit && read -r run && read -r previous && read -r revision && read -r trees &&
    read -r config && read -r unit_file && read -r patience
} <"$1" || { echo "its settings can't be read"; exit 1; }
before=$trees/before back=$config/next/back tree=$trees/$previous
current=$(readlink "$trees/current" 2>/dev/null)
version=${current##*/}

# Hands each place whose content comes back to $1, but for that of the unit.
each() {
  for path in "$config/elasticsearch.yml" "$config/jvm.options.d/drover.options" \
    "$config/jvm.options" "$config/log4j2.properties" "$config/elasticsearch.keystore" \
    "$trees/current"; do
    "$1" "$path" || return
  done
}
is() { [ -e "$1" ] || [ -L "$1" ]; }
take() { ! is "$before/${1##*/}" || cp -dp -- "$before/${1##*/}" "$back/${1##*/}"; }
place() {
  if is "$back/${1##*/}"; then mv -fT -- "$back/${1##*/}" "$1"; else rm -f -- "$1"; fi ||
    fail "$1 can't be written"
}
fail() { echo "$1"; exit 1; }
second() { [ ! -f "$1" ] || sed -n 2p "$1"; }
runs() {
  pid=$(systemctl show -p MainPID --value -- "$unit")
  [ "${pid:-0}" != 0 ] && [ -r "/proc/$pid/environ" ] &&
    tr '\0' '\n' <"/proc/$pid/environ" | grep -qxF "DROVER_REVISION=$revision"
}
# Why what ran before may not be started on the data; nothing where it may.
opened() {
  [ "$version" != "$previous" ] || return 0
  kept=$(cat "$before/data" 2>/dev/null)
  if [ -z "$kept" ]; then
    echo "nobody can tell whether $version has opened the data, which $previous could not read then"
  elif [ "$(trace "$before/elasticsearch.yml")" != "$kept" ]; then
    echo "$version may have opened the data, which $previous can't be trusted with since"
  fi
}

if runs; then
  echo "started"
  exit 0
fi
# One that was begun at the last moment puts the other in place.
case $(systemctl list-units --plain --no-legend --state=activating "drover-$run-swap-*" 2>/dev/null) in
'') ;;
*) fail "what is taken back is being put in place just now" ;;
esac
[ "$(second "$before/run")" = "$run" ] && [ "$(second "$before/revision")" = "$revision" ] ||
  fail "what ran before was not kept"
[ -f "$tree/.drover" ] && [ "$(readlink "$before/current")" = "$tree" ] || fail "$tree is not there"
why=$(opened)
[ -z "$why" ] || fail "$why"

rm -rf -- "$back" && (umask 027 && mkdir -- "$back") && chgrp --reference="$config" -- "$back" || fail "$back can't be made"
each take && take "$unit_file" && take revision || fail "what ran before can't be read"
[ -f "$back/${unit_file##*/}" ] || fail "what ran before was not kept"
sync

timeout -k 5 "$patience" systemctl stop -- "$unit" 2>/dev/null
case $(systemctl show -p ActiveState --value -- "$unit") in
inactive | failed) ;;
*) fail "$unit does not stop" ;;
esac
# It was tried again up to now.
why=$(opened)
[ -z "$why" ] || {
  timeout -k 5 60 systemctl start --no-block -- "$unit"
  fail "$why"
}
# The revision first: nobody takes what is in place for what it was from then on. The unit, by which what
# runs tells its version and settings, comes after all that it speaks of.
place "$config/revision"
each place
sync
place "$unit_file"
sync
if command -v restorecon >/dev/null; then restorecon -R -- "$config" "$unit_file" || true; fi
systemctl daemon-reload
systemctl --quiet enable -- "$unit"
systemctl reset-failed -- "$unit" 2>/dev/null
timeout -k 5 300 systemctl start -- "$unit" || fail "$unit does not start"
rm -rf -- "$back"
echo "started"
