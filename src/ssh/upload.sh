# Puts standard input into the file $1, whole or not at all, with mode $2, owner $3 and the SHA-256
# $4. Prints "same" where nothing had to be changed, else "written".
set -eu
umask 077
path=$1 mode=$2 owner=$3 sum=$4
sum_of() { sha256sum <"$1" | cut -d ' ' -f 1; }
if [ -f "$path" ] && [ ! -L "$path" ] && [ "$(sum_of "$path")" = "$sum" ] &&
  [ "$(stat -c '%a %U:%G' -- "$path")" = "$mode $owner" ]; then
  cat >/dev/null
  echo same
  exit 0
fi
# mv would move into it.
[ ! -d "$path" ] || { echo "$path is a directory" >&2; exit 1; }
new=$(mktemp "$(dirname -- "$path")/.drover.XXXXXX")
trap 'rm -f -- "$new"' EXIT
cat >"$new"
[ "$(sum_of "$new")" = "$sum" ] || { echo "the file came in damaged" >&2; exit 1; }
chown -- "$owner" "$new"
chmod -- "$mode" "$new"
# Not all can sync one file alone.
sync -- "$new" 2>/dev/null || sync
mv -f -- "$new" "$path"
trap - EXIT
if command -v restorecon >/dev/null; then restorecon -- "$path" || true; fi
echo written
