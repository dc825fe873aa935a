#!/bin/bash
# down.sh: stops what up.sh started, and removes its folder.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

[ -d "$RUN" ] || { say "there is no demo in $RUN"; exit 0; }
[ -O "$RUN" ] || die "$RUN belongs to somebody else"
finish drover
# Machines of which nothing is kept: cutting the power is quickest.
for name in host-{1..3} mirror network; do finish "$name" KILL; done
for name in elasticsearch kube-apiserver etcd; do finish "$name"; done
rm -rf "$RUN"
say "removed $RUN; what was built and brought in stays in $(dirname "$BED_CACHE") and $(dirname "$BED_PUBLIC")"
