# Removes the file $1 if its first line is $2, and its directory if $3 is "directory" and that is
# empty then.
set -eu
[ -f "$1" ] || exit 0
[ "$(head -n 1 -- "$1")" = "$2" ] || { echo "Drover did not make $1" >&2; exit 1; }
rm -f -- "$1"
[ "$3" != directory ] || rmdir -- "$(dirname -- "$1")" 2>/dev/null || true
