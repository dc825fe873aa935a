#!/bin/bash
# fault.sh DIR FAULT [ARGUMENT]: disturbs the host that run-host.sh runs in DIR, from outside.
#   blackhole         no packet comes or goes
#   apart ADDRESS     no packet comes from there or goes there
#   drop PERCENT      so many of the packets that come are lost
#   reset             connections to sshd are refused, and those that are there are cut
#   slow KBIT         so many kbit/s in each direction
#   network-ok        ends these five
#   lost              no fault: prints how many packets the first four have kept from it since they began
#   freeze, thaw      every process stops, and goes on: connections are accepted, and nothing answers
#   cut               power fails; it stays off until DIR/off is removed
#   exec COMMAND...   no fault: runs a command as root in the host, whatever its network and its sshd do
set -euo pipefail
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib.sh"
dir=$1 fault=$2
pid=$(cat "$dir/pid")
first() { first_process "$pid" || die "the host in $dir is down"; }

in_network() { nsenter --target "$pid" --net "$@"; }
on_switch() { nsenter --target "$(cat "$dir/switch")" --net "$@"; }
port=port$(cat "$dir/index")

# filter HOOK RULE: one rule for packets of the wire.
filter() {
  in_network nft "add table inet fault; add chain inet fault $1 { type filter hook $1 priority 0; }; add rule inet fault $1 $2"
}

# processes: all of the host, as this machine sees them.
processes() { pgrep --ns "$1" --nslist pid; }

# The kernel answers pings and connections for a process that is stopped.
freeze() {
  local first left
  first=$(first)
  # Whatever a process started before it stopped is stopped in the next round.
  for _ in $(seq 20); do
    # shellcheck disable=SC2046 # many
    kill -STOP $(processes "$first") 2>/dev/null || true
    left=$(for process in $(processes "$first"); do sed 's/.*) //' "/proc/$process/stat" 2>/dev/null | cut -d' ' -f1; done | grep -cv '[TtZ]' || true)
    [ "$left" != 0 ] || return 0
  done
  die "$left processes of the host don't stop"
}

case $fault in
blackhole)
  filter input 'iif != lo counter drop'
  filter output 'oif != lo counter drop'
  ;;
apart)
  filter input "ip saddr $3 counter drop"
  filter output "ip daddr $3 counter drop"
  ;;
drop) filter input "iif != lo numgen random mod 100 < $3 counter drop" ;;
reset) filter input 'tcp dport 22 counter reject with tcp reset' ;;
slow)
  in_network tc qdisc replace dev eth0 root tbf rate "$3kbit" burst 4kb latency 400ms
  on_switch tc qdisc replace dev "$port" root tbf rate "$3kbit" burst 4kb latency 400ms
  ;;
network-ok)
  in_network nft 'add table inet fault; delete table inet fault'
  in_network tc qdisc del dev eth0 root 2>/dev/null || true
  on_switch tc qdisc del dev "$port" root 2>/dev/null || true
  ;;
lost) in_network nft list ruleset | awk '$0 ~ /counter packets/ { sub(/.*counter packets /, ""); lost += $1 } END { print lost + 0 }' ;;
freeze) freeze ;;
thaw)
  # shellcheck disable=SC2046 # many
  ! first=$(first_process "$pid") || kill -CONT $(processes "$first") 2>/dev/null || true
  ;;
cut)
  first=$(first)
  : >"$dir/off"
  # Nobody is told.
  in_network ip link set eth0 down
  kill -KILL "$first"
  ;;
exec)
  shift 2
  exec nsenter --target "$(first)" --all \
    env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin "$@"
  ;;
*)
  sed -n '2,12p' "$0"
  exit 64
  ;;
esac
