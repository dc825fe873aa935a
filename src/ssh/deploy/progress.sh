# Prints how far the unit $1 is, whose words are in $2: "key=value" a line.
LC_ALL=C
export LC_ALL
systemctl show --no-pager -p LoadState -p ActiveState -p Result -p ExecMainStatus -- "$1" | head -n 10
[ ! -f "$2" ] || tail -n 3 -- "$2" | cut -c 1-900 | sed 's/^/said=/'
exit 0
