#!/bin/bash
# demo.sh: the demo comes up, comes up again quickly, and leaves no process and no folder behind. Part of `make soak`.
set -euo pipefail
cd "$(dirname "$0")/.."
DROVER_DEMO=$(mktemp -u "${TMPDIR:-/tmp}/drover-demo-test-XXXXXX")
export DROVER_DEMO
trap demo/down.sh EXIT

demo/up.sh
began=$SECONDS
demo/up.sh
[ $((SECONDS - began)) -lt 60 ] || { echo "the second run took $((SECONDS - began)) s" >&2; exit 1; }
trap - EXIT
demo/down.sh
[ ! -e "$DROVER_DEMO" ] || { echo "$DROVER_DEMO is left" >&2; exit 1; }
! grep -lsF "$DROVER_DEMO" /proc/[0-9]*/cmdline || { echo "these processes are left" >&2; exit 1; }
echo "test result: ok. 1 passed; 0 failed; 0 ignored"
