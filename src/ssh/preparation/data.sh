# Makes the directory $1 one of the user and group $2, with mode $3. One that somebody else uses is
# left alone; what the file system itself puts into each is no use.
set -eu
umask 022
mkdir -p -- "$1"
owner=$(stat -L -c %U -- "$1")
names=$(ls -A -- "$1")
if [ "$owner" != "$2" ] && [ -n "$(printf '%s\n' "$names" | grep -vxF lost+found)" ]; then
  echo "$1 belongs to $owner and is not empty" >&2
  exit 1
fi
chown -- "$2:$2" "$1"
chmod -- "$3" "$1"
