# Forgets the unit $1, which has come to its end, and removes its files, which come after it.
set -eu
unit=$1
shift
case $(systemctl show -p ActiveState --value -- "$unit") in
activating | deactivating) echo "$unit is under way" >&2; exit 1 ;;
active) systemctl stop -- "$unit" ;;
failed) systemctl reset-failed -- "$unit" ;;
esac
rm -f -- "$@"
