# Takes the units named after $1 away: Drover's own work on this host that is over, with what each has
# in the folder $1. One that is still at it, or is about to be, is left as it is. Prints "left=1" where
# any is left, or could not be told, else "left=0". Packages that are held by what is over, as the file "held"
# in the folder $2 tells, are let go: a machine that lost its power could not.
set -u
left=0
folder=$1 state=$2
shift 2
for unit in "$@"; do
  load='' active='' job=''
  while IFS='=' read -r key value; do
    case $key in
    LoadState) load=$value ;;
    ActiveState) active=$value ;;
    Job) job=$value ;;
    esac
  done <<END
$(timeout -k 1 3 systemctl show -p LoadState -p ActiveState -p Job -- "$unit" </dev/null)
END
  case $load,$active,${job:-0} in
  not-found,*) ;;
  ?*,active,0) timeout -k 1 5 systemctl stop -- "$unit" </dev/null ;;
  ?*,failed,0) timeout -k 1 5 systemctl reset-failed -- "$unit" </dev/null ;;
  *) false ;;
  esac || { left=1; continue; }
  name=$folder/${unit%.service}
  rm -f -- "$name.script" "$name.settings" "$name.log"
done

is_at_work() {
  units=$(timeout -k 1 3 systemctl list-units --no-legend --plain --state=activating \
    'drover-*-fetch-*' 'drover-*-upgrade-*' </dev/null) || return 0
  [ -n "$units" ]
}
let_go() {
  # No name of a package holds a blank, or is a pattern.
  set -f
  held=$(cat "$state/held") || return 1
  # shellcheck disable=SC2086
  if [ -z "${held# }" ]; then
    :
  elif command -v apt-mark >/dev/null 2>&1; then
    timeout -k 1 10 apt-mark unhold $held </dev/null >/dev/null 2>&1 || return 1
  elif command -v zypper >/dev/null 2>&1; then
    timeout -k 1 10 zypper --non-interactive removelock $held </dev/null >/dev/null 2>&1 || return 1
  fi
  rm -f -- "$state/held"
}
if [ -f "$state/held" ] && ! is_at_work; then let_go || left=1; fi
echo "left=$left"
