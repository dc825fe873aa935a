# shellcheck shell=bash
# Shared by up.sh and down.sh: where the demo lives, and how its processes are started and stopped.
. "$(dirname "${BASH_SOURCE[0]}")/../tests/bed/lib.sh"

REPOSITORY=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Not in the repository: Elasticsearch may run as a user that can't look in there.
RUN=$(realpath -m "${DROVER_DEMO:-${TMPDIR:-/tmp}/drover-demo-$(id -un)}")

born() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# A process id alone may be somebody else's by now: the time of birth tells.
runs() {
  local pid since
  [ -e "$RUN/$1.pid" ] && read -r pid since <"$RUN/$1.pid" && [ "$(born "$pid")" = "$since" ]
}

# background NAME COMMAND...: runs it in the background, its output in NAME.log.
background() {
  local name=$1
  shift
  setsid "$@" >>"$RUN/$name.log" 2>&1 </dev/null &
  echo "$! $(born $!)" >"$RUN/$name.pid"
}

# finish NAME [SIGNAL]: asks it to end, and insists after 20 s.
finish() {
  local pid
  if runs "$1"; then
    read -r pid _ <"$RUN/$1.pid"
    kill -"${2:-TERM}" "$pid"
    for _ in $(seq 200); do
      runs "$1" || break
      sleep 0.1
    done
    ! runs "$1" || kill -KILL -- "-$pid"
    say "stopped $1"
  fi
  rm -f "$RUN/$1.pid"
}

# await SECONDS NAME TEXT COMMAND...: until the command succeeds; shows NAME's log when it never does, or when NAME ends.
await() {
  local seconds=$1 name=$2 text=$3 end
  shift 3
  end=$((SECONDS + seconds))
  until "$@" >/dev/null 2>&1; do
    if ! runs "$name" || [ "$SECONDS" -ge "$end" ]; then
      tail -n 30 "$RUN/$name.log" >&2
      die "$text: not within $seconds s (the log is $RUN/$name.log)"
    fi
    sleep 0.2
  done
  say "$text"
}
