# Prints facts about this host, one "key=value" a line; what can't be told is left out. Needs no
# rights. $1 is "all", or "probe" for what tells whether it is still the same host and still up;
# $2 is the directory for data, $3 where Elasticsearch is, each "" where there is none.
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH

say() { [ -z "$2" ] || printf '%s=%s\n' "$1" "$2"; }
line() { head -n 1 | cut -c 1-256; }
first_line() { [ ! -r "$2" ] || say "$1" "$(line <"$2")"; }
has() { command -v "$1" >/dev/null 2>&1; }
# A dead network file system or a stuck daemon must not keep back all the rest.
limited() { if has timeout; then timeout 15 "$@"; else "$@"; fi; }

say clock "$(date +%s)"
first_line boot_id /proc/sys/kernel/random/boot_id
# Ticks after boot at which the first process began: in a container this moves where boot_id, the
# outer machine's, does not. The name in brackets may hold anything.
say init_started "$(sed 's/.*) //' /proc/1/stat 2>/dev/null | line | cut -d ' ' -f 20)"
first_line machine_id /etc/machine-id
first_line machine_id /var/lib/dbus/machine-id
[ "$1" = all ] || exit 0

release=/etc/os-release
[ -r "$release" ] || release=/usr/lib/os-release
if [ -r "$release" ]; then
  grep -E '^(ID|ID_LIKE|VERSION_ID|VARIANT_ID)=' "$release" | head -n 8 | cut -c 1-256 | sed 's/^/os./'
fi
say kernel "$(uname -r)"
say architecture "$(uname -m)"
say hostname "$(uname -n)"
say cpus "$(getconf _NPROCESSORS_ONLN 2>/dev/null || nproc 2>/dev/null || grep -c '^processor' /proc/cpuinfo)"
say memory "$(sed -n 's/^MemTotal: *//p' /proc/meminfo | line)"
if [ -d /run/systemd/system ]; then
  say init systemd
  say system "$(limited systemctl is-system-running 2>/dev/null | line)"
  ! has systemd-run || say runs_units yes
fi

disk() {
  directory=$2
  while [ ! -d "$directory" ]; do directory=$(dirname -- "$directory"); done
  say "$1" "$(limited df -Pk -- "$directory" 2>/dev/null | tail -n 1 | cut -c 1-1024)"
}
disk disk_root /
[ -z "$2" ] || disk disk_data "$2"

for it in rpm-ostree apt-get dnf yum zypper; do
  ! has "$it" || say package_manager "$it"
done
if [ -e /run/ostree-booted ]; then
  say ostree yes
  ! has rpm-ostree || say ostree_status "$(limited rpm-ostree status --json 2>/dev/null | tr -d '\n\r' | head -c 262144)"
fi

if has dpkg-query; then
  version=$(dpkg-query -W -f '${db:Status-Status} ${Version}' elasticsearch 2>/dev/null)
  case $version in installed\ *) say elasticsearch_package "${version#installed }" ;; esac
fi
if has rpm; then
  ! version=$(rpm -q --qf '%{VERSION}' elasticsearch 2>/dev/null) || say elasticsearch_package "$version"
fi
if [ -n "$3" ]; then
  for jar in "$3"/lib/elasticsearch-[0-9]*.jar; do
    [ ! -e "$jar" ] || say elasticsearch_jar "${jar##*/}"
  done
fi

# What the distribution itself says of a restart that is due; else the kernels tell.
if [ -e /run/reboot-required ]; then
  say reboot yes
elif has needs-restarting; then
  limited needs-restarting -r >/dev/null 2>&1
  case $? in 0) say reboot no ;; 1) say reboot yes ;; esac
elif has dnf; then
  # Without the plug-in dnf fails with the same status as where a restart is due.
  answer=$(limited dnf -q -C needs-restarting -r 2>/dev/null)
  case "$? $answer" in
    0\ *) say reboot no ;;
    1\ *'Reboot is required'*) say reboot yes ;;
  esac
elif has zypper; then
  limited zypper -n needs-rebooting >/dev/null 2>&1
  case $? in 0) say reboot no ;; 102) say reboot yes ;; esac
fi
for it in /lib/modules/*/kernel; do
  it=${it%/kernel}
  [ ! -d "$it/kernel" ] || say installed_kernel "${it##*/}"
done
exit 0
