#!/bin/sh
# In hosts, in place of a Java's own program, which is beside it: it starts quickly rather than being fast in the end, and believes
# that it may open as many files as Elasticsearch wants where this machine lets nobody have so many.
here=${0%/*}
if [ -e "$here/../lib/nofile.so" ]; then export LD_PRELOAD="$here/../lib/nofile.so"; fi
exec "$here/java-itself" -XX:TieredStopAtLevel=1 -Xshare:auto "$@"
