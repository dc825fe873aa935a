# shellcheck shell=bash
# What hosts need: the tools that give each its own namespaces and faults, and one root file system, made by debootstrap,
# that all of them share and none of them changes.

provision_hosts() {
  local home
  home=$(host_base)
  if [ "$(id -u)" != 0 ]; then
    say "hosts: left out, they take root"
    return
  fi
  need debootstrap debootstrap
  # Other distributions don't know Debian's keys.
  [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || install_package "Debian's keyring" debian-archive-keyring
  need systemd-nspawn systemd-container
  need nft nftables
  need ip iproute2
  need pgrep procps
  need ssh openssh-client
  [ -d "$home" ] || build_host_base "$home"
  raise_inotify_limit
  say "hosts: $home"
}

build_host_base() {
  local home=$1 work=$1.new mirror
  rm -rf --one-file-system "$work"
  # This machine's own mirror, where it names one; else debootstrap's.
  # shellcheck disable=SC2016 # the format is apt's
  mirror=$(apt-get indextargets --format '$(REPO_URI)' "Codename: $HOST_SUITE" "Created-By: Packages" 2>/dev/null | head -n 1 || true)
  # shellcheck disable=SC2086 # no mirror, no argument
  step "building the hosts' root file system: two minutes, once" \
    debootstrap --variant=minbase --include="$HOST_PACKAGES" "$HOST_SUITE" "$work" $mirror
  # Each host gets its own.
  rm -f "$work"/etc/ssh/ssh_host_*_key "$work"/etc/ssh/ssh_host_*_key.pub
  : >"$work/etc/machine-id"
  rm -rf "$work"/var/cache/apt/archives/*.deb "$work"/var/lib/apt/lists/*
  mv "$work" "$home"
}

# A systemd takes about seven inotify instances, and root's are counted for the whole machine: with the usual 128, the
# eighteenth host would not come up.
raise_inotify_limit() {
  local limit=/proc/sys/fs/inotify/max_user_instances
  [ "$(cat $limit)" -lt 1024 ] || return 0
  if { echo 1024 >$limit; } 2>/dev/null; then
    say "raised fs.inotify.max_user_instances to 1024"
  else
    say "fs.inotify.max_user_instances is $(cat $limit) and can't be raised: expect about $(($(cat $limit) / 8)) hosts at once"
  fi
}
