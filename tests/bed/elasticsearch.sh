# shellcheck shell=bash
# The distribution that is published to Maven's central repository for integration tests: the real server with
# security, without most modules. What the tests miss of them is in plugin/.

provision_elasticsearch() {
  local version=$1 home stamp
  home=$(elasticsearch_home "$version")
  # Installed anew when the plugin's source changes.
  stamp=$(cat "$BED_SOURCE"/plugin/*.java | cksum)
  if [ "$(cat "$home/.ready" 2>/dev/null)" != "$stamp" ]; then
    case $version in
    9.*)
      if ! java_home "$version" javac >/dev/null; then
        say "Elasticsearch $version: left out, it needs a JDK 21 or later in JAVA_HOME, /usr/lib/jvm or /opt"
        return
      fi
      ;;
    *)
      java_home "$version" javac >/dev/null || install_package "a JDK of 17 to 21" openjdk-17-jdk-headless
      ;;
    esac
    need mvn maven
    need unzip unzip
    install_elasticsearch "$version" "$home"
    echo "$stamp" >"$home/.ready"
  fi
  say "Elasticsearch $version: $home, on $(java_home "$version")"
}

install_elasticsearch() {
  local version=$1 home=$2 work artifact
  artifact=org.elasticsearch.distribution.integ-test-zip:elasticsearch:$version:zip
  work=$(mktemp -d "$BED_PUBLIC/new.XXXXXX")
  chmod 755 "$work"
  step "downloading Elasticsearch $version" mvn -q -B \
    org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy "-Dartifact=$artifact" "-DoutputDirectory=$work"
  step "unpacking it" unzip -q "$work/elasticsearch-$version.zip" -d "$work"
  case $version in
  7.*) ;; # has what the plugin gives
  *) install_plugin "$version" "$work/elasticsearch-$version" ;;
  esac
  rm -rf "$home"
  mv "$work/elasticsearch-$version" "$home"
  chmod -R a+rX "$home"
  rm -rf "$work"
}

install_plugin() {
  local version=$1 plugin=$2/plugins/bed release=17 classes=$2/plugins/bed/classes
  case $version in 9.*) release=21 ;; esac
  mkdir -p "$classes"
  step "compiling the plugin for it" "$(java_home "$version" javac)/bin/javac" -nowarn -proc:none --release "$release" \
    -d "$classes" -cp "$2/lib/*" "$BED_SOURCE"/plugin/*.java
  (cd "$classes" && "$(java_home "$version" javac)/bin/jar" --create --file ../bed.jar drover)
  rm -rf "$classes"
  cat >"$plugin/plugin-descriptor.properties" <<PROPERTIES
name=bed
description=What the tests need and this distribution lacks
version=1
classname=drover.bed.BedPlugin
java.version=$release
elasticsearch.version=$version
PROPERTIES
}
