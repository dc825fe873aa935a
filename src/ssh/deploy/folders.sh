# Makes the folders of an Elasticsearch that Drover runs: $1 of versions, $2 of settings, $3 of logs,
# $4 of what long commands are told; $5: the group that may read. What Elasticsearch may write is
# below the third alone: root follows no link of its making.
set -eu
umask 022
mkdir -p -- "$1" "$4"
mkdir -p -- "$2/jvm.options.d" "$2/next" "$3"
chown -- "root:$5" "$2" "$2/jvm.options.d" "$2/next"
chmod -- 750 "$2" "$2/jvm.options.d" "$2/next"
chown -- "$5:$5" "$3"
chmod -- 750 "$3"
chmod -- 700 "$4"
