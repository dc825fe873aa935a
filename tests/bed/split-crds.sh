#!/bin/bash
# split-crds.sh DIR: writes the definitions that come in as one YAML stream to a file each, named by their plural.
set -euo pipefail
dir=$1
mkdir -p "$dir"
rm -f "$dir"/*.yaml
awk -v dir="$dir" '
  function flush() { if (name) printf "%s", text >(dir "/" name ".yaml"); text = ""; name = "" }
  /^---$/ { flush(); next }
  /^  name: [a-z]*\.drover\.dev$/ { name = substr($2, 1, index($2, ".") - 1) }
  { text = text $0 "\n" }
  END { flush() }'
