#!/bin/bash
# run-elasticsearch.sh VERSION DIR: runs one Elasticsearch in the foreground with DIR/config, which the caller fills, as
# a user that Elasticsearch accepts. The server's own process id goes to DIR/pid, which is not this script's from 8.x on.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
version=$1 dir=$2

home=$(elasticsearch_home "$version")
JAVA_HOME=$(java_home "$version")
export ES_JAVA_HOME=$JAVA_HOME JAVA_HOME ES_PATH_CONF=$dir/config
export ES_TMPDIR=$dir/tmp HOME=$dir
# Tests start servers often and ask little of them: quick starts matter, peak speed does not.
quick="-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto"
export CLI_JAVA_OPTS="$quick -Xmx64m"
# Else the server makes its security index in the first seconds, and refuses users in the meantime.
export ES_JAVA_OPTS="$quick -Des.queryable_built_in_roles_enabled=false ${ES_JAVA_OPTS:-}"
mkdir -p "$dir/tmp" "$dir/data" "$dir/logs"
[ -e "$dir/config/jvm.options" ] || printf '%s\n' -Xms400m -Xmx400m -XX:-UsePerfData "-Djava.io.tmpdir=$dir/tmp" >"$dir/config/jvm.options"
[ -e "$dir/config/log4j2.properties" ] || cat >"$dir/config/log4j2.properties" <<'LOG'
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%-25c{1.}] [%node_name] %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
LOG
rm -f "$dir/pid"
if [ -n "$BED_RUN_AS" ]; then
  chown -R "$BED_RUN_AS:" "$dir"
  exec setpriv --reuid="$BED_RUN_AS" --regid="$(id -g "$BED_RUN_AS")" --clear-groups "$home/bin/elasticsearch" -p "$dir/pid"
fi
exec "$home/bin/elasticsearch" -p "$dir/pid"
