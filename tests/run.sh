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
# Each of these waits on servers more than it computes. What is ignored is for the long campaigns.
features=(--test-threads="${FEATURE_THREADS:-6}")
[ -z "${DROVER_SOAK:-}" ] || features+=(--include-ignored)
times=${CARGO_TARGET_DIR:-target}/tmp/times
if [ -e tests/features/main.rs ]; then
  rm -f "$times"
  phase "on real processes" cargo test --test features -- "${features[@]}"
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
