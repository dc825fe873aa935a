# Hands each place that a run changes to $1, but for that of the unit: $config is the folder of settings,
# and $trees that of versions.
each() {
  for path in "$config/elasticsearch.yml" "$config/jvm.options.d/drover.options" \
    "$config/jvm.options" "$config/log4j2.properties" "$config/elasticsearch.keystore" \
    "$trees/current"; do
    "$1" "$path" || return
  done
}
is() { [ -e "$1" ] || [ -L "$1" ]; }
# Ends the script with why.
fail() { echo "$1"; exit 1; }
# What such a file says below its header.
second() { [ ! -f "$1" ] || sed -n 2p "$1"; }
