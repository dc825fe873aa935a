#!/bin/bash
# Stands in for a package manager inside a host, by the name it is called: apt-get, apt, dnf, yum, needs-restarting, rpm, zypper,
# rpm-ostree. It knows which packages are installed and which updates wait, speaks and ends as the real one does, brings nothing
# real but what flannel.sh stands in for, and keeps every call in /var/log/stand-in.log. A package called no-such-* is in no
# repository.
# State is in /var/lib/bed: updates, installed (not on Debian, which has dpkg), and on ostree systems the versions booted, staged,
# rollback and latest, and the packages layered.
set -eu
name=$(basename "$0" .real)
cd /var/lib/bed
[ -n "${BED_LOGGED:-}" ] || printf '%s %s%s\n' "$(date -u +%FT%TZ)" "$name" "${*:+ $*}" >>/var/log/stand-in.log

options=' ' command='' packages=()
while [ $# -gt 0 ]; do
  case $1 in
  -o | -c | --qf | --queryformat)
    options+="$1 "
    shift
    ;;
  -*) options+="$1 " ;;
  *) if [ -z "$command" ]; then command=$1; else packages+=("$1"); fi ;;
  esac
  shift
done

option() {
  local it
  for it in "$@"; do [[ $options != *" $it "* ]] || return 0; done
  return 1
}
fail() {
  local status=$1
  shift
  printf '%s\n' "$@" >&2
  exit "$status"
}
# The first of the packages that no repository has.
missing() {
  local it
  for it in "${packages[@]}"; do [[ $it != no-such-* ]] || { echo "$it"; return; }; done
}
# Those that are not there yet.
wanted() {
  local it
  for it in "${packages[@]}"; do is_installed "$it" || echo "$it"; done
}
is_installed() { grep -qx -- "$1" installed; }
# bring PACKAGES: what is in them, then that they are there.
bring() {
  [[ $'\n'$1$'\n' != *$'\n'flannel$'\n'* ]] || /usr/lib/bed/flannel "$name"
  echo "$1" >>installed
}
waiting() { grep -c . updates || true; }

# update_all: brings what waits; what the kernel and its kin bring needs a reboot.
update_all() {
  ! grep -qE '^(kernel|linux-image|glibc|systemd)' updates || : >/run/bed/reboot-required
  : >updates
}
reboot_required() { [ -e /run/bed/reboot-required ]; }

apt() {
  is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' -- "$1" 2>/dev/null)" = installed ]; }
  local it simulate=''
  ! option -s --simulate --dry-run --just-print || simulate=1
  case $command in
  update) echo "Reading package lists..." ;;
  install)
    it=$(missing)
    [ -z "$it" ] || fail 100 "E: Unable to locate package $it"
    for it in $(wanted); do
      if [ -n "$simulate" ]; then
        echo "Inst $it (1.0-1 bed [all])"
      elif ! option -d --download-only; then
        printf 'Package: %s\nStatus: install ok installed\nMaintainer: bed\nArchitecture: all\nVersion: 1.0-1\nDescription: stand-in\n\n' "$it" \
          >>/var/lib/dpkg/status
        echo "Setting up $it (1.0-1) ..."
      fi
    done
    ;;
  upgrade | dist-upgrade | full-upgrade)
    if [ -n "$simulate" ]; then
      for it in $(cat updates); do echo "Inst $it [1.0-1] (1.1-1 bed [all])"; done
    elif ! option -d --download-only; then
      echo "$(waiting) upgraded, 0 newly installed, 0 to remove and 0 not upgraded."
      update_all
      ! reboot_required || echo '*** System restart required ***' >/run/reboot-required
    fi
    ;;
  *) fail 100 "E: Invalid operation $command" ;;
  esac
}

dnf() {
  local it
  case $command in
  check-update | check-upgrade)
    [ "$(waiting)" != 0 ] || return 0
    sed 's/$/.x86_64   1.1-1   updates/' updates
    exit 100
    ;;
  makecache) echo "Metadata cache created." ;;
  install)
    it=$(missing)
    [ -z "$it" ] || fail 1 "Error: Unable to find a match: $it"
    it=$(wanted)
    [ -n "$it" ] || { echo "Nothing to do."; return; }
    option --downloadonly || { bring "$it" && echo "Complete!"; }
    ;;
  upgrade | update)
    [ "$(waiting)" != 0 ] || { echo "Nothing to do."; return; }
    ! option --assumeno || fail 1 "Operation aborted."
    option --downloadonly || { update_all && echo "Complete!"; }
    ;;
  needs-restarting) needs_restarting ;;
  *) fail 1 "No such command: $command." ;;
  esac
}

needs_restarting() {
  option -r --reboothint || return 0
  reboot_required || { echo "Reboot should not be necessary."; return; }
  echo "Reboot is required to fully utilize these updates."
  exit 1
}

zypper() {
  local it
  case $command in
  refresh | ref) echo "All repositories have been refreshed." ;;
  list-updates | lu) sed 's/^/v | updates | /; s/$/ | 1.0-1 | 1.1-1 | x86_64/' updates ;;
  install | in)
    it=$(missing)
    [ -z "$it" ] || fail 104 "No provider of '$it' found."
    it=$(wanted)
    [ -n "$it" ] || { echo "Nothing to do."; return; }
    option --dry-run -D --download-only -d || bring "$it"
    ;;
  update | up | patch | dist-upgrade | dup)
    [ "$(waiting)" != 0 ] || { echo "Nothing to do."; return; }
    ! option --dry-run -D --download-only -d || return 0
    update_all
    ! reboot_required || exit 102
    ;;
  locks | ll) echo "There are no package locks defined." ;;
  addlock | al) echo "Specified lock has been successfully added." ;;
  removelock | rl) echo "1 lock has been successfully removed." ;;
  needs-rebooting) ! reboot_required || exit 102 ;;
  *) fail 1 "Unknown command '$command'" ;;
  esac
}

rpm() {
  local it status=0
  if option -qf; then
    for it in "$command" "${packages[@]}"; do echo "file $it is not owned by any package"; done
    exit 1
  fi
  option -q --query || fail 1 "rpm: only queries in the bed"
  for it in "$command" "${packages[@]}"; do
    if ! is_installed "$it"; then
      echo "package $it is not installed"
      status=$((status + 1))
    elif option --qf --queryformat; then
      echo 1.0-1
    else
      echo "$it-1.0-1.x86_64"
    fi
  done
  exit $status
}

# deployment FILE BOOTED STAGED: one element of the array.
deployment() {
  local version layered=''
  version=$(cat "$1")
  [ ! -s layered ] || layered=$(sed 's/.*/"&"/' layered | paste -sd,)
  printf '{"id":"fedora-coreos-%s.0","osname":"fedora-coreos","version":"%s","checksum":"%s","booted":%s,"staged":%s,"pinned":false,"requested-packages":[%s]}' \
    "$version" "$version" "$(sha256sum <<<"$version" | cut -d' ' -f1)" "$2" "$3" "$layered"
}

rpm_ostree() {
  is_installed() { grep -qx -- "$1" installed layered; }
  local version list=()
  case $command in
  status)
    if option --json; then
      [ ! -e staged ] || option --booted || list+=("$(deployment staged false true)")
      list+=("$(deployment booted true false)")
      [ ! -e rollback ] || option --booted || list+=("$(deployment rollback false false)")
      (IFS=, && printf '{"deployments":[%s],"transaction":null,"cached-update":null}\n' "${list[*]}")
    else
      echo "State: idle"
      [ ! -e staged ] || printf '  fedora:fedora/x86_64/coreos/stable\n      Version: %s\n' "$(cat staged)"
      printf '* fedora:fedora/x86_64/coreos/stable\n      Version: %s\n' "$(cat booted)"
    fi
    ;;
  deploy)
    version=${packages[0]#*=}
    case $version in no-such-*) fail 1 "error: Version $version not found" ;; esac
    option --download-only || stage "$version"
    ;;
  db) echo "ostree diff commit from: booted deployment" ;;
  upgrade)
    if [ "$(cat latest)" = "$(cat staged 2>/dev/null || cat booted)" ]; then
      echo "No upgrade available."
      ! option --check --preview --unchanged-exit-77 || exit 77
      return 0
    fi
    echo "AvailableUpdate: $(cat latest)"
    option --check --preview --download-only || stage "$(cat latest)"
    ;;
  rollback)
    [ -e rollback ] || fail 1 "error: No rollback deployment"
    stage "$(cat rollback)"
    ;;
  refresh-md) echo "Updating metadata for 'fedora'...done" ;;
  cleanup)
    ! option -p --pending || rm -f staged
    ! option -r --rollback || rm -f rollback
    ;;
  install)
    version=$(missing)
    [ -z "$version" ] || fail 1 "error: Packages not found: $version"
    version=$(wanted)
    [ -n "$version" ] || { echo "No change."; return; }
    echo "$version" >>layered
    cp booted staged
    # What is layered is there from the next boot on.
    ! option --apply-live -A || echo "$version" >>installed
    ;;
  *) fail 64 "error: Unknown command '$command'" ;;
  esac
}

stage() {
  if [ "$1" = "$(cat booted)" ]; then
    echo "No change."
    return
  fi
  echo "$1" >staged
  echo 'Run "systemctl reboot" to start a reboot'
  ! option -r --reboot || systemctl reboot
}

case $name in
apt | apt-get) apt ;;
dnf | yum) dnf ;;
needs-restarting) needs_restarting ;;
*) "${name//-/_}" ;;
esac
