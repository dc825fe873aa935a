# Stops the unit $1, and leaves no mark of a failure that looks like somebody else's; where $2 is "disable", it is not started at boot any more.
set -u
systemctl stop -- "$1" || exit 1
systemctl reset-failed -- "$1" 2>/dev/null
[ "$2" != disable ] || systemctl --quiet disable -- "$1" || ! systemctl cat -- "$1" >/dev/null 2>&1
