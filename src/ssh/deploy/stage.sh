# Fetches an archive of Elasticsearch and unpacks it, whole or not at all. $1: a file with, a line
# each, the URL, the SHA-512 of the archive, the version, the folder of versions, that of logs, the
# user that will run it, the folder of Java or "", the most kilobytes that it may have, and what to do
# where nothing can fetch it. The last line of the output tells how it went. Safe to repeat: it goes on
# where it was.
set -u
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH
{
  read -r url && read -r digest && read -r version && read -r trees && read -r logs && read -r user &&
    read -r java && read -r most && read -r advice
} <"$1" || { echo "its settings can't be read"; exit 1; }
header='# Drover made this file, keeps it as it is, and removes it.'
tree=$trees/$version part=$trees/$version.tar.gz.part new=$trees/$version.part

fail() { echo "$1"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }
free() { df -Pk -- "$trees" | awk 'NR == 2 { print $4 }'; }
size() { wc -c <"$part" 2>/dev/null || echo 0; }
# With less than 4 MB left, that is what was wrong.
full() { [ "$(free)" -lt 4096 ]; }
no_room() {
  rm -f -- "$part"
  fail "the disk under $trees is full: what was fetched is removed, and needs more room"
}
lacks_room() {
  fail "the disk under $trees has $(($(free) / 1024)) MB left, and $1: make room there"
}
is_right() { [ -f "$part" ] && [ "$(sha512sum <"$part" | cut -d ' ' -f 1)" = "$digest" ]; }
# How many bytes may come yet, so that all of it can be unpacked: that takes less than twice the room
# of the archive, beside that.
fits() { echo $((($(free) * 1024 - 2 * $(size)) / 3)); }
fetch() (
  # In blocks of 512 bytes; whatever the server says of the size.
  ulimit -f $((most * 2))
  if has curl; then
    # What is larger than that is not begun, where the server tells.
    curl -fsS --location --max-redirs 5 --proto-redir =https,http --connect-timeout 20 \
      --max-filesize "$(fits)" --speed-limit 1000 --speed-time 60 --max-time 3000 -C - -o "$part" -- "$url" 2>&1
  else
    wget -q --max-redirect=5 --timeout=60 --tries=1 -c -O "$part" -- "$url" 2>&1
  fi
)

if [ -f "$tree/.drover" ]; then
  rm -rf -- "$part" "$new"
  echo "staged"
  exit 0
fi
[ ! -e "$tree" ] || fail "$tree is there, and Drover did not make it"
has curl || has wget || fail "neither curl nor wget is installed: $advice"
if [ -f "$part" ] && [ "$(size)" -ge $((most * 1024)) ]; then rm -f -- "$part"; fi
rm -rf -- "$new"
tries=0
while ! is_right; do
  tries=$((tries + 1))
  [ "$tries" -le 4 ] || fail "the archive can't be fetched: $said"
  before=$(size)
  if [ "$(fits)" -le 0 ]; then
    rm -f -- "$part"
    lacks_room "the archive takes more"
  fi
  said=$(fetch)
  status=$?
  said=$(printf '%s' "$said" | tail -n 1 | cut -c 1-300)
  [ -n "$said" ] || said="it ended with status $status"
  is_right && break
  ! full || no_room
  # The status of curl for what is larger than it may be.
  if [ "$status" = 63 ]; then
    rm -f -- "$part"
    lacks_room "the archive takes three times as much as it is large"
  fi
  if [ "$status" = 0 ]; then
    rm -f -- "$part"
    # What was there before may have been the beginning of another file.
    [ "$before" != 0 ] && [ "$tries" = 1 ] && continue
    fail "the archive is damaged, or another one: its SHA-512 is not the given one"
  fi
  if [ "$(size)" -ge $((most * 1024)) ]; then
    rm -f -- "$part"
    fail "the archive is larger than $most kilobytes"
  fi
  # A server that can't go on in the middle, or has no more than is here.
  [ "$(size)" != "$before" ] || rm -f -- "$part"
  [ "$tries" = 4 ] || sleep "$tries"
done

needed=$(($(size) * 2 / 1024 + 4096))
[ "$(free)" -ge "$needed" ] || lacks_room "to unpack the archive takes $((needed / 1024)) MB"
mkdir -- "$new" || fail "$new can't be made"
if ! said=$(tar -xzf "$part" -C "$new" --strip-components=1 --no-same-owner --no-same-permissions 2>&1); then
  rm -rf -- "$new"
  fail "the archive can't be unpacked: $(printf '%s' "$said" | tail -n 1 | cut -c 1-300)"
fi
[ -x "$new/bin/elasticsearch" ] && [ -d "$new/lib" ] || {
  rm -rf -- "$new"
  fail "the archive holds no Elasticsearch"
}
chmod -R u+rwX,go+rX,go-w -- "$new"
# What the archive's own options write goes where it may.
rm -rf -- "$new/logs" "$new/data"
ln -s -- "$logs" "$new/logs"

if [ -n "$java" ]; then
  [ -x "$java/bin/java" ] || fail "there is no Java in $java"
elif [ ! -x "$new/jdk/bin/java" ]; then
  fail "the archive has no Java of its own: install one, and name it in javaHome"
fi
# With settings of its own, so that it touches nothing of what runs.
check=$(mktemp -d) || fail "there is no room for temporary files"
trap 'rm -rf -- "$check"' EXIT
printf '%s\n' -Xms32m -Xmx64m >"$check/jvm.options"
: >"$check/elasticsearch.yml"
: >"$check/log4j2.properties"
chmod -R a+rX -- "$check"
[ -z "$java" ] || export ES_JAVA_HOME="$java"
said=$(cd / && timeout 120 runuser -u "$user" -- env ES_PATH_CONF="$check" ES_TMPDIR=/tmp CLI_JAVA_OPTS=-Xmx64m \
  "$new/bin/elasticsearch" --version 2>&1) || fail "it does not run here: $(printf '%s' "$said" | tail -n 1 | cut -c 1-300)"
build=$(printf '%s\n' "$said" | grep -m 1 '^Version: ' | cut -c 1-200)
case $build in
"Version: $version,"* | "Version: $version-SNAPSHOT,"*) ;;
*)
  rm -rf -- "$new"
  fail "the archive is not of version $version, but says: $(printf '%s' "$said" | tail -n 1 | cut -c 1-200)"
  ;;
esac
printf '%s\n%s\n' "$header" "$build" >"$new/.drover" || fail "$new/.drover can't be written"
sync
mv -T -- "$new" "$tree" || fail "$tree can't be made"
rm -f -- "$part"
echo "staged"
