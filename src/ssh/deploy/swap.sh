# Stops Elasticsearch, puts its next version and settings in their places, and starts it. $1: a file
# with, a line each, the unit, the revision that is to run, its version, the folder of versions, that
# of settings, the file of the unit and the user. The last line of the output tells how it went. Once
# it has stopped Elasticsearch it starts it again, whatever happens in between. Safe to repeat.
set -u
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH
{
  read -r unit && read -r revision && read -r version && read -r trees && read -r config &&
    read -r unit_file && read -r user
} <"$1" || { echo "its settings can't be read"; exit 1; }
tree=$trees/$version next=$config/next

start() {
  systemctl reset-failed -- "$unit" 2>/dev/null
  systemctl start -- "$unit"
}
fail() { echo "$1"; exit 1; }
back() {
  start
  fail "$1"
}
second() { [ ! -f "$1" ] || sed -n 2p "$1"; }
place() {
  [ ! -f "$1" ] || mv -f -- "$1" "$2" || back "$2 can't be written"
}

[ -f "$tree/.drover" ] || fail "$tree is not there"
if [ "$(second "$config/revision")" != "$revision" ]; then
  [ "$(second "$next/revision")" = "$revision" ] || fail "the settings that are to run are not there"
fi
systemctl stop -- "$unit" 2>/dev/null
case $(systemctl show -p ActiveState --value -- "$unit") in
inactive | failed) ;;
*) fail "$unit does not stop" ;;
esac

# Until the last of these, the next try finds in its place what it needs.
if [ "$(second "$next/revision")" = "$revision" ]; then
  place "$next/elasticsearch.yml" "$config/elasticsearch.yml"
  place "$next/drover.options" "$config/jvm.options.d/drover.options"
  place "$next/${unit_file##*/}" "$unit_file"
fi
for name in jvm.options log4j2.properties; do
  cp -- "$tree/config/$name" "$next/$name" && chown -- "root:$user" "$next/$name" &&
    chmod -- 640 "$next/$name" || back "$config/$name can't be written"
  place "$next/$name" "$config/$name"
done
ln -sfn -- "$tree" "$trees/current.new" && mv -T -- "$trees/current.new" "$trees/current" ||
  back "$trees/current can't be made"
java=$(sed -n 's/^Environment=ES_JAVA_HOME=//p' "$unit_file")
[ -z "$java" ] || export ES_JAVA_HOME="$java"
export ES_PATH_CONF="$config"
verb=upgrade
[ -f "$config/elasticsearch.keystore" ] || verb=create
said=$(umask 027 && timeout 120 "$tree/bin/elasticsearch-keystore" "$verb" 2>&1 </dev/null) ||
  back "its keystore can't be made: $(printf '%s' "$said" | tail -n 1 | cut -c 1-300)"
chown -- "root:$user" "$config/elasticsearch.keystore"
chmod -- 660 "$config/elasticsearch.keystore"
place "$next/revision" "$config/revision"
if command -v restorecon >/dev/null; then restorecon -R -- "$config" "$unit_file" || true; fi
systemctl daemon-reload
systemctl --quiet enable -- "$unit"
start || fail "$unit does not start"
echo "started"
