# Makes the directory $1, for all to read.
umask 022
mkdir -p -- "$1"
