# Tries to connect from this host to others, some at a time, and sends nothing. Needs no rights.
# $1 is how many seconds each try may take; address and port of each other host follow. Prints for
# each, counted from 0, a line with its number and a word:
#   open    a connection came about
#   closed  the other host answered that nobody listens there
#   silent  no answer came in time
#   lost    there is no way there, or the name is unknown
#   unable  this host has nothing to try it with
LC_ALL=C
PATH=$PATH:/usr/local/bin:/usr/bin:/bin
export LC_ALL PATH

seconds=$1
shift

try() {
  said=$(timeout "$seconds" bash -c 'exec 3<"/dev/tcp/$1/$2"' bash "$2" "$3" 2>&1 </dev/null)
  case $? in
  0) word=open ;;
  124) word=silent ;;
  126 | 127) word=unable ;;
  *)
    case $said in
    *'Connection refused'*) word=closed ;;
    *'Connection timed out'*) word=silent ;;
    # A bash that was built without networks takes it for a file.
    *'/dev/tcp/'*'No such file'*) word=unable ;;
    *) word=lost ;;
    esac
    ;;
  esac
  printf '%s %s\n' "$1" "$word"
}

at=0
while [ $# -gt 1 ]; do
  try "$at" "$1" "$2" &
  shift 2
  at=$((at + 1))
  [ $((at % 16)) -ne 0 ] || wait
done
wait
