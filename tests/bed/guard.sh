#!/bin/sh
# guard.sh LOG COMMAND...: runs COMMAND, prints its process id, passes its exit status on; kills it and its children when stdin
# closes. That is when whoever holds the other end is gone, even by a panic or by SIGKILL: no test leaves a server behind. Nor does
# a guard that is killed itself.
log=$1
shift
exec 3<&0
setsid setpriv --pdeathsig KILL "$@" </dev/null >>"$log" 2>&1 3<&- &
pid=$!
echo "$pid"
exec >/dev/null 2>&1
{ read -r _ <&3; kill -KILL "-$pid" "$pid"; } &
watcher=$!
wait "$pid"
status=$?
kill -KILL "$watcher" "-$pid"
exit "$status"
