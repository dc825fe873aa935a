#!/bin/bash
# run.sh: builds all tests once, runs them from the quickest to the slowest, and ends with how many passed and failed.
set -euo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0

say() { printf '\n== %3ds  %s\n' "$SECONDS" "$*"; }
phase() {
  say "$1"
  shift
  "$@" 2>&1 | tee -a "$log" || failed=1
}

say "building the tests"
cargo test --no-run --lib --bins --tests
phase "pure" cargo test --no-fail-fast --lib --bins
scripted=()
for file in tests/*.rs; do [ -e "$file" ] && scripted+=(--test "$(basename "$file" .rs)"); done
[ ! -e tests/simulation/main.rs ] || scripted+=(--test simulation)
[ ${#scripted[@]} = 0 ] || phase "scripted" cargo test --no-fail-fast "${scripted[@]}"

# Those with a cluster on hosts of its own wait for room most of the time: they run beside the others, or these would wait with them.
on_hosts=(rolls:: managed:: hosts::deploy::)
# What is ignored is for the long campaigns.
campaigns=()
[ -z "${DROVER_SOAK:-}" ] || campaigns=(--include-ignored)

# Each of these waits on servers more than it computes.
features() {
  local clusters rc=0
  # A process group of its own: it ends when somebody has enough of waiting.
  set -m
  cargo test --test features -- --test-threads="${CLUSTER_THREADS:-3}" "${campaigns[@]}" "${on_hosts[@]}" &
  clusters=$!
  set +m
  # shellcheck disable=SC2064
  trap "kill -- -$clusters 2>/dev/null; exit 130" INT TERM
  cargo test --test features -- --test-threads="${FEATURE_THREADS:-5}" "${campaigns[@]}" "${on_hosts[@]/#/--skip=}" || rc=1
  wait "$clusters" || rc=1
  return $rc
}
times=${CARGO_TARGET_DIR:-target}/tmp/times
if [ -e tests/features/main.rs ]; then
  rm -f "$times"
  phase "on real processes, with clusters on hosts beside the others" features
  # What the harness does not tell.
  say "the longest of them: seconds at work, and waiting for others"
  [ ! -e "$times" ] || sort -rn "$times" | sed -n 1,20p
fi
[ -z "${DROVER_SOAK:-}" ] || phase "the demo" tests/demo.sh

say "done"
# A test binary that was killed has no result of its own, and yet failed.
awk -v broken="$failed" '/^test result:/ { passed += $4; failed += $6; ignored += $8 }
  END { if (broken && !failed) failed = 1; if (ignored) printf "%d ignored\n", ignored; printf "%d passed, %d failed\n", passed, failed }' "$log"
exit "$failed"
