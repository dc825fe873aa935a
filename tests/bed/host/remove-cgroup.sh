#!/bin/bash
# remove-cgroup.sh NAME: waits until stdin closes, which is when the last process that runs a host is gone, and removes the host's
# control group.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
cat >/dev/null
for _ in $(seq 50); do
  remove_cgroup "$1" && exit
  sleep 0.1
done
