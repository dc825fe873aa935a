# shellcheck shell=bash
# Makes of the shared root file system one host: names and keys, its distribution by what programs look at to tell it, and
# stand-ins for the package managers that Debian lacks. Where a host has no network, apt-get too is a stand-in.

dress() {
  local dir=$1 os=$2 root=$1/root
  mkdir -p "$root/var/lib/bed" "$root/usr/lib/bed"
  name_host "$root"
  let_in "$dir" "$root"
  give_boot_unit "$root"
  give_distribution "$root" "$os"
}

name_host() {
  local root=$1
  echo "$HOST_NAME" >"$root/etc/hostname"
  echo "127.0.0.1 localhost $HOST_NAME" >"$root/etc/hosts"
  echo "${HOST_MACHINE_ID:-$(tr -d - </proc/sys/kernel/random/uuid)}" >"$root/etc/machine-id"
}

let_in() {
  local dir=$1 root=$2 home
  mkdir -p "$dir/ssh"
  compgen -G "$dir/ssh/ssh_host_*_key" >/dev/null || ssh-keygen -q -t ed25519 -N '' -C "$HOST_NAME" -f "$dir/ssh/ssh_host_ed25519_key"
  cp -r "$dir/ssh/." "$root/etc/ssh/"
  chown -R root: "$root/etc/ssh"
  chmod 600 "$root"/etc/ssh/ssh_host_*_key
  printf '%s\n' "PasswordAuthentication no" "UseDNS no" >"$root/etc/ssh/sshd_config.d/bed.conf"
  if [ -n "$HOST_USER" ]; then
    chroot "$root" useradd --create-home --shell /bin/bash "$HOST_USER"
    echo "$HOST_USER ALL=(ALL) NOPASSWD: ALL" >"$root/etc/sudoers.d/bed"
  fi
  for home in root ${HOST_USER:+"home/$HOST_USER"}; do
    mkdir -p "$root/$home/.ssh"
    chmod 700 "$root/$home/.ssh"
    cp "$dir/authorized_keys" "$root/$home/.ssh/"
    chown -R --reference="$root/$home" "$root/$home/.ssh"
  done
}

# What a machine does before its first service. The kernel has one vm.* for all hosts, so each gets files of its own, with
# the kernel's defaults at every boot; and /proc/sys is read-only here, for which systemd would leave sysctl.d out.
give_boot_unit() {
  local root=$1 units=$1/etc/systemd/system
  mkdir -p "$units/sysinit.target.wants" "$units/systemd-sysctl.service.d"
  # Debian's own daily work would mix with what is tested.
  rm -f "$units"/timers.target.wants/{apt,dpkg,e2scrub}*
  cat >"$units/bed-boot.service" <<'UNIT'
[Unit]
DefaultDependencies=no
Before=systemd-sysctl.service sysinit.target
[Service]
Type=oneshot
ExecStart=/usr/lib/bed/boot
UNIT
  ln -s ../bed-boot.service "$units/sysinit.target.wants/"
  cat >"$units/systemd-sysctl.service.d/bed.conf" <<'UNIT'
[Unit]
ConditionPathIsReadWrite=
[Service]
ExecStart=
ExecStart=-/usr/sbin/sysctl --system
UNIT
  cat >"$root/usr/lib/bed/boot" <<'BOOT'
#!/bin/sh -e
mkdir -p /run/bed
for setting in max_map_count=65530 swappiness=60; do
  echo "${setting#*=}" >"/run/bed/${setting%=*}"
  mount --bind "/run/bed/${setting%=*}" "/proc/sys/vm/${setting%=*}"
done
# An ostree system starts what was staged.
cd /var/lib/bed
if [ -e booted ]; then
  : >/run/ostree-booted
  if [ -e staged ]; then
    mv booted rollback
    mv staged booted
    cat layered >>installed
    sed -i "s/^OSTREE_VERSION=.*/OSTREE_VERSION='$(cat booted)'/" /usr/lib/os-release
  fi
fi
BOOT
  chmod 755 "$root/usr/lib/bed/boot"
}

# give_distribution ROOT OS: debian, ubuntu, fedora, rhel, centos, opensuse, sles or atomic (Fedora on ostree).
give_distribution() {
  local root=$1 os=$2
  # Everybody's calls are kept.
  install -m 666 /dev/null "$root/var/log/stand-in.log"
  touch "$root/var/lib/bed/"{installed,updates,layered}
  install -m 755 "$BED_SOURCE/host/stand-in.sh" "$root/usr/lib/bed/stand-in"
  install -m 755 "$BED_SOURCE/host/command.sh" "$root/usr/lib/bed/command"
  install -m 755 "$BED_SOURCE/host/flannel.sh" "$root/usr/lib/bed/flannel"
  case $os in
  debian) stand_ins "$root" apt-get apt ;;
  ubuntu)
    os_release "$root" ubuntu Ubuntu 24.04 debian 'VERSION_CODENAME=noble'
    stand_ins "$root" apt-get apt
    ;;
  fedora)
    os_release "$root" fedora "Fedora Linux" 40 '' 'VARIANT_ID=server'
    stand_ins "$root" rpm dnf yum needs-restarting
    ;;
  rhel)
    os_release "$root" '"rhel"' "Red Hat Enterprise Linux" 9.4 fedora 'PLATFORM_ID="platform:el9"'
    stand_ins "$root" rpm dnf yum needs-restarting
    ;;
  centos)
    os_release "$root" '"centos"' "CentOS Stream" 9 'rhel fedora' 'PLATFORM_ID="platform:el9"'
    stand_ins "$root" rpm dnf yum needs-restarting
    ;;
  opensuse)
    os_release "$root" '"opensuse-leap"' "openSUSE Leap" 15.6 'suse opensuse'
    stand_ins "$root" rpm zypper
    ;;
  sles)
    os_release "$root" '"sles"' SLES 15.6 suse
    stand_ins "$root" rpm zypper
    ;;
  atomic)
    os_release "$root" fedora "Fedora Linux" 40.20240416.3.1 '' 'VARIANT_ID=coreos' "OSTREE_VERSION='40.20240416.3.1'"
    sed -i 's/^VERSION_ID=.*/VERSION_ID=40/' "$root/usr/lib/os-release"
    echo 40.20240416.3.1 >"$root/var/lib/bed/booted"
    echo 40.20240519.3.0 >"$root/var/lib/bed/latest"
    stand_ins "$root" rpm rpm-ostree
    ;;
  *) die "no operating system \"$os\" in the bed" ;;
  esac
  case $os in
  debian | ubuntu) printf '%s\n' linux-image-amd64 openssl >"$root/var/lib/bed/updates" ;;
  *)
    rm -f "$root"/usr/bin/apt* "$root"/usr/bin/dpkg*
    printf '%s\n' kernel openssl >"$root/var/lib/bed/updates"
    printf '%s\n' systemd openssh-server sudo >"$root/var/lib/bed/installed"
    ;;
  esac
}

# os_release ROOT ID NAME VERSION LIKE [LINE...]: each distribution has its own mind about quotes.
os_release() {
  local file=$1/usr/lib/os-release id=$2 name=$3 version=$4 like=$5
  shift 5
  {
    printf 'NAME="%s"\nVERSION="%s"\nID=%s\nVERSION_ID="%s"\n' "$name" "$version" "$id" "$version"
    [ -z "$like" ] || printf 'ID_LIKE="%s"\n' "$like"
    printf 'PRETTY_NAME="%s %s"\n' "$name" "$version"
    [ $# = 0 ] || printf '%s\n' "$@"
  } >"$file"
}

stand_ins() {
  local root=$1 name
  shift
  for name in "$@"; do
    rm -f "$root/usr/bin/$name"
    ln -s /usr/lib/bed/stand-in "$root/usr/bin/$name"
  done
}
