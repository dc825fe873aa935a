#!/bin/bash
# needs.sh: what building and testing needs of the machine itself. Installs what it may, and says what to run for the rest.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

need curl curl
need openssl openssl
need setpriv util-linux
# The tests stop and freeze processes by their ids.
type -P kill >/dev/null || install_package "the program kill" procps
[ -e /etc/ssl/certs/ca-certificates.crt ] || install_package "the list of certificate authorities" ca-certificates
# Rust links by the C compiler, and its cryptography is partly C.
links() { echo 'int main(void) { return 0; }' | cc -x c -o /dev/null - 2>/dev/null; }
links || install_package "a C compiler that links" "gcc libc6-dev"

command -v cargo >/dev/null ||
  die "cargo is missing: install Rust with \`curl --proto '=https' -sSf https://sh.rustup.rs | sh\`, and open a new shell"
least=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$BED_SOURCE/../../Cargo.toml")
found=$(cargo --version | cut -d' ' -f2)
[ "$(printf '%s\n' "$least" "$found" | sort -V | head -n 1)" = "$least" ] ||
  die "cargo $found is older than $least: run \`rustup update\`"
