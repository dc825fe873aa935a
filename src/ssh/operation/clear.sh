# Takes the units named after $1 away: Drover's own work on this host that is over, with what each has
# in the folder $1. One that is still at it, or is about to be, is left as it is. Prints "left=1" where
# any is left, or could not be told, else "left=0".
set -u
left=0
folder=$1
shift
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
echo "left=$left"
