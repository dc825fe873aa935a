# Removes versions below $1 that Drover unpacked, but for the one that runs and those named after it,
# what is left of fetching others, and what a run has kept of what ran before it, unless one of them
# may need that just now.
set -eu
trees=$1
shift
current=$(readlink "$trees/current" 2>/dev/null || true)
for path in "$trees"/*; do
  [ -d "$path" ] && [ ! -L "$path" ] && [ -f "$path/.drover" ] && [ "$path" != "$current" ] || continue
  keep=no
  for name in "$@"; do [ "$path" != "$trees/$name" ] || keep=yes; done
  [ "$keep" = yes ] || rm -rf -- "$path"
done
for path in "$trees"/*.part; do
  keep=no
  for name in "$@"; do
    case $path in "$trees/$name.part" | "$trees/$name.tar.gz.part") keep=yes ;; esac
  done
  [ "$keep" = yes ] || rm -rf -- "$path"
done
at_work=$(systemctl list-units --plain --no-legend --state=activating 'drover-*-swap-*' 'drover-*-recall-*' </dev/null)
[ -n "$at_work" ] || rm -rf -- "$trees/before" "$trees/before.new"
