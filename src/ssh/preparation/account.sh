# Makes the system user $1 and its group.
set -eu
PATH=$PATH:/usr/sbin:/sbin
entry() { if command -v getent >/dev/null; then getent "$1" "$2"; else grep "^$2:" "/etc/$1"; fi >/dev/null; }
entry group "$1" || groupadd --system -- "$1"
entry passwd "$1" || useradd --system --gid "$1" --no-create-home --home-dir /nonexistent \
  --shell "$(command -v nologin || echo /bin/false)" -- "$1"
