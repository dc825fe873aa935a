# shellcheck shell=bash
# Shared by the scripts that run hosts and disturb them, and by the one that runs a Node of Kubernetes.

# start_time PID: with the process id, it names a process for ever. The second field may hold spaces, hence from the last ")".
start_time() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# Where the machine's control groups are: one place in version 2, and the two that systemd looks at in version 1.
cgroup_tops() {
  local top
  for top in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
    [ ! -e "$top/cgroup.procs" ] || echo "$top"
  done
}

# All of them: in version 1, each controller has a place of its own.
all_cgroup_tops() {
  local top
  cgroup_tops
  [ -e /sys/fs/cgroup/cgroup.procs ] || for top in /sys/fs/cgroup/*/; do
    top=${top%/}
    case $top in */systemd | */unified) continue ;; esac
    [ -L "$top" ] || [ ! -e "$top/cgroup.procs" ] || echo "$top"
  done
}

# A host's group is named by the process that the host hangs on, once and for all.
cgroup_of() { echo "drover-bed-$1.$(start_time "$1")"; }

# remove_cgroup_at_the_end NAME: once this process and all that it started are gone. What starts that is waited for: as a child that
# has ended it would stand beside those that this process becomes, and be taken for one of them.
remove_cgroup_at_the_end() {
  exec 7> >(exec setsid --fork "$BED_SOURCE/host/remove-cgroup.sh" "$1" >/dev/null 2>&1)
  wait "$!"
}

# remove_cgroup NAME: only ever succeeds when no process is in it.
remove_cgroup() {
  local top rc=0
  for top in $(all_cgroup_tops); do
    [ ! -d "$top/$1" ] || find "$top/$1" -depth -type d -exec rmdir {} + 2>/dev/null || rc=1
  done
  return $rc
}

# Those whose process is gone were left by a machine in trouble.
remove_left_cgroups() {
  local top group name pid
  for top in $(all_cgroup_tops); do
    for group in "$top"/drover-bed-*; do
      name=$(basename "$group") pid=${group##*-}
      pid=${pid%.*}
      [ ! -d "$group" ] || [ "$(cgroup_of "$pid")" = "$name" ] || remove_cgroup "$name" || true
    done
  done
}

# first_process PID: the host's own process 1, as this machine sees it, below the process that run-host.sh became; fails while the
# host is down.
first_process() {
  local supervisor nspawn process
  supervisor=$(pgrep -P "$1") && nspawn=$(pgrep -P "$supervisor" -x systemd-nspawn) || return 1
  for process in $(pgrep -P "$nspawn"); do
    # Each of its process ids, outermost first.
    [ "$(sed -n 's/^NSpid:.*\t//p' "/proc/$process/status" 2>/dev/null)" = 1 ] || continue
    echo "$process"
    return
  done
  return 1
}
