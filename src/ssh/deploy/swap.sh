# Stops Elasticsearch, puts its next version and settings in their places, and starts it. $1: a file
# with, a line each, the unit, the revision that is to run, its version, the folder of versions, that
# of settings, the file of the unit, the user, for how many seconds it may take to stop, and the run. The
# last line of the output tells how it went. All that may take time or room is done before Elasticsearch is
# stopped; once it is, it is started again, whatever happens: as it was, unless all is in place. Safe
# to repeat.
set -u
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH
{
  read -r unit && read -r revision && read -r version && read -r trees && read -r config &&
    read -r unit_file && read -r user && read -r patience && read -r run
} <"$1" || { echo "its settings can't be read"; exit 1; }
tree=$trees/$version next=$config/next
# What goes into place, and what was there before, by the last part of its path.
new=$next/new old=$next/old
# What was in service before the run took it down stays, for whoever puts it back.
# Elsewhere: Elasticsearch reads each log4j2.properties below its settings.
before=$trees/before

# Hands each place whose content is replaced to $1, but for that of the unit.
each() {
  for path in "$config/elasticsearch.yml" "$config/jvm.options.d/drover.options" \
    "$config/jvm.options" "$config/log4j2.properties" "$config/elasticsearch.keystore" \
    "$trees/current"; do
    "$1" "$path" || return
  done
}
is() { [ -e "$1" ] || [ -L "$1" ]; }
keep() { ! is "$1" || cp -dp -- "$1" "$old/${1##*/}"; }
restore() { if is "$old/${1##*/}"; then mv -fT -- "$old/${1##*/}" "$1"; else rm -f -- "$1"; fi; }
place() { ! is "$new/${1##*/}" || mv -fT -- "$new/${1##*/}" "$1" || back "$1 can't be written"; }
announce() {
  if command -v restorecon >/dev/null; then restorecon -R -- "$config" "$unit_file" || true; fi
  systemctl daemon-reload
}
start() {
  systemctl reset-failed -- "$unit" 2>/dev/null
  timeout -k 5 300 systemctl start "$@" -- "$unit"
}
fail() { echo "$1"; exit 1; }
back() {
  each restore
  restore "$unit_file"
  announce
  # Of one that is still about to stop the start waits until it has, and nobody waits for that.
  start --no-block
  fail "$1"
}
second() { [ ! -f "$1" ] || sed -n 2p "$1"; }

[ -f "$tree/.drover" ] || fail "$tree is not there"
waits=no
[ "$(second "$next/revision")" != "$revision" ] || waits=yes
[ "$waits" = yes ] || [ "$(second "$config/revision")" = "$revision" ] ||
  fail "the settings that are to run are not there"

# Elasticsearch looks into them too, where power was cut before they are gone.
rm -rf -- "$new" "$old" && (umask 027 && mkdir -- "$new" "$old") &&
  chgrp --reference="$config" -- "$new" "$old" || fail "$new can't be made"
each keep && keep "$unit_file" || fail "what there is can't be kept in $old"
if [ "$waits" = yes ]; then
  for name in elasticsearch.yml drover.options "${unit_file##*/}"; do
    [ ! -f "$next/$name" ] || cp -p -- "$next/$name" "$new/$name" || fail "$new/$name can't be written"
  done
fi
ln -s -- "$tree" "$new/current" || fail "$new/current can't be made"
for name in jvm.options log4j2.properties; do
  cp -- "$tree/config/$name" "$new/$name" || fail "$new/$name can't be written"
done
verb=create
if [ -f "$config/elasticsearch.keystore" ]; then
  verb=upgrade
  cp -p -- "$config/elasticsearch.keystore" "$new" || fail "$new/elasticsearch.keystore can't be written"
fi
java=$(sed -n 's/^Environment=ES_JAVA_HOME=//p' "$new/${unit_file##*/}" 2>/dev/null ||
  sed -n 's/^Environment=ES_JAVA_HOME=//p' "$unit_file")
[ -z "$java" ] || export ES_JAVA_HOME="$java"
said=$(umask 027 && ES_PATH_CONF="$new" timeout 120 "$tree/bin/elasticsearch-keystore" "$verb" 2>&1 </dev/null) ||
  fail "its keystore can't be made: $(printf '%s' "$said" | tail -n 1 | cut -c 1-300)"
chown -- "root:$user" "$new/jvm.options" "$new/log4j2.properties" "$new/elasticsearch.keystore" &&
  chmod -- 640 "$new/jvm.options" "$new/log4j2.properties" &&
  chmod -- 660 "$new/elasticsearch.keystore" || fail "the files in $new can't be given to $user"
# What was down before is nothing to come back to.
is_up=no
case $(systemctl show -p ActiveState --value -- "$unit") in active | reloading) is_up=yes ;; esac
if [ "$(second "$before/run")" != "$run" ]; then rm -rf -- "$before" "$before.new"; fi
if [ "$is_up" = yes ] && [ ! -e "$before" ] && [ -f "$config/revision" ]; then
  cp -a -- "$old" "$before.new" && chmod 700 -- "$before.new" && cp -p -- "$config/revision" "$before.new/revision" &&
    printf '# Of the run:\n%s\n' "$run" >"$before.new/run" && sync &&
    mv -T -- "$before.new" "$before" || fail "what there is can't be kept in $before"
fi
sync

timeout -k 5 "$patience" systemctl stop -- "$unit" 2>/dev/null
case $(systemctl show -p ActiveState --value -- "$unit") in
inactive | failed) ;;
*) back "$unit does not stop" ;;
esac
# At a later attempt something else may have been started meanwhile. The same version reads what it wrote.
if [ "$is_up" = yes ] && [ -f "$before/revision" ] && [ "$(readlink "$before/current")" != "$tree" ] &&
  [ "$(second "$config/revision")" = "$(second "$before/revision")" ] &&
  [ "$(readlink "$trees/current")" = "$(readlink "$before/current")" ] &&
  said=$(trace "$old/elasticsearch.yml") && [ -n "$said" ]; then
  printf '%s\n' "$said" >"$before/data" || true
fi
# The unit, by which what runs tells its version and settings, comes after all that it speaks of, and
# the revision last: until then the next try finds all that it needs where it waits.
each place
sync
place "$unit_file"
[ "$waits" = no ] || mv -fT -- "$next/revision" "$config/revision" ||
  back "$config/revision can't be written"
# Without a revision nothing waits any more.
[ -f "$next/revision" ] || rm -f -- "$next/elasticsearch.yml" "$next/drover.options" "$next/${unit_file##*/}"
sync
announce
systemctl --quiet enable -- "$unit"
start || fail "$unit does not start"
rm -rf -- "$new" "$old"
echo "started"
