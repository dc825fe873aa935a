# Stops the unit $1; where $2 is "disable", it is not started at boot any more.
set -u
systemctl stop -- "$1" || exit 1
[ "$2" != disable ] || systemctl --quiet disable -- "$1" || ! systemctl cat -- "$1" >/dev/null 2>&1
