# shellcheck shell=bash
# What Elasticsearch on hosts is made of: a Java that runs inside them, and archives of the distribution in the shape of the official
# downloads, each with its digest. Hosts see one and the same Java, read-only.

provision_host_elasticsearch() {
  local version=$1 java archive
  # Left out with the distribution itself, and with hosts.
  [ "$(id -u)" = 0 ] && [ -e "$(elasticsearch_home "$version")/.ready" ] || return 0
  java=$(host_java_home "$version") archive=$(archive_home "$version")
  [ -d "$java" ] || make_host_java "$version" "$java"
  [ -d "$archive" ] || make_archive "$version" "$archive"
  say "Elasticsearch $version for hosts: $archive, on $java"
}

# make_host_java VERSION HOME: the part of this machine's Java that runs programs, whole: without links that lead out of it.
make_host_java() {
  local source home=$2 work=$2.new
  source=$(java_home "$1")
  rm -rf "$work"
  mkdir -p "$work/bin"
  # With its times: the classes that it has ready beforehand are refused else.
  step "copying $source" tar -chf "$work/all.tar" -C "$source" --exclude=src.zip conf lib release
  tar -xf "$work/all.tar" -C "$work"
  rm "$work/all.tar"
  cp -L "$source/bin/java" "$work/bin/java-itself"
  cp "$BED_SOURCE/host/java.sh" "$work/bin/java"
  if [ "$(ulimit -Hn)" -lt 65535 ]; then
    step "compiling what makes it content with $(ulimit -Hn) files" \
      cc -shared -fPIC -O2 -o "$work/lib/nofile.so" "$BED_SOURCE/host/nofile.c" -ldl
  fi
  chmod -R a+rX "$work"
  mv "$work" "$home"
}

# make_archive VERSION HOME: as the official one, it brings its own Java: here a word to the one that all hosts have.
make_archive() {
  local version=$1 home=$2 work=$2.new name=elasticsearch-$1 archive=elasticsearch-$1-linux-x86_64.tar.gz
  rm -rf "$work"
  mkdir -p "$work/$name/jdk/bin"
  printf '#!/bin/sh\nexec %s/bin/java "$@"\n' "$(java_in_hosts "$version")" >"$work/$name/jdk/bin/java"
  chmod -R a+rX,a+x "$work/$name"
  step "packing Elasticsearch $version" tar --owner=0 --group=0 --exclude=.ready --exclude='*.bat' --exclude='*.exe' \
    -I 'gzip -1' -cf "$work/$archive" -C "$(dirname "$(elasticsearch_home "$version")")" "$name" -C "$work" "$name/jdk"
  (cd "$work" && sha512sum "$archive" >"$archive.sha512")
  rm -rf "${work:?}/$name"
  mv "$work" "$home"
}
