# Upgrades the packages of this host, but for Elasticsearch and the Java that it uses, and boots it
# where what was installed takes that; or deploys an image in which these are the same, and boots it; or
# fetches what will be installed, or deployed, and changes nothing.
# $1: a file with, a line each, the family of the system; "fetch" or "upgrade"; the name of the run; the
# unit that runs Elasticsearch or ""; the second after the boot from which on it may not go down any
# more; what is said then; the root folder or "" for /; the image or "" where packages are upgraded; and
# what refreshes, simulates, downloads, upgrades or deploys, holds packages, lets them go, and takes an
# image back that is staged, or "" for what there is no need of: the statuses that mean success, and then
# the command, in which a word that ends in HELD stands for one for each package that is held. The last
# line of the output tells how it went. Safe to repeat.
set -u
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH
{
  read -r family && read -r what && read -r run && read -r unit && read -r latest && read -r due &&
    read -r root && read -r image && read -r refresh && read -r simulate && read -r download &&
    read -r upgrade && read -r hold && read -r unhold && read -r unstage
} <"$1" || { echo "its settings can't be read"; exit 1; }
# What outlives a boot: packages that are held for as long as this takes, the last run whose upgrade
# came to its end, and the one that has yet to boot for what it has done.
state=$root/var/lib/drover
held='' said='' ended=0
if [ -n "$image" ]; then
  new="the image $image" failure="the image $image can't be deployed"
else
  new='the packages' failure='the upgrade failed'
fi

fail() { echo "$1"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }
last() {
  words=$(printf '%s\n' "$said" | grep -v '^[[:space:]]*$' | tail -n 1 | cut -c 1-300)
  printf '%s' "${words:-it ended with status $ended}"
}
# Runs one of the commands of the settings. No word of it holds a blank, or is a pattern.
act() {
  set -f
  good=${1%% *} words=''
  for word in ${1#* }; do
    case $word in
    *HELD) for it in $held; do words="$words ${word%HELD}$it"; done ;;
    *) words="$words $word" ;;
    esac
  done
  said=$($words 2>&1 </dev/null)
  ended=$?
  set +f
  printf '%s\n' "$said"
  case ",$good," in *",$ended,"*) ;; *) return 1 ;; esac
}

is_installed() {
  case $family in
  Debian) [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ;;
  *) rpm -q "$1" >/dev/null 2>&1 ;;
  esac
}
# The package that the file $1 is of.
owner() {
  [ -n "$1" ] && [ -e "$1" ] || return 0
  case $family in
  Debian) dpkg-query -S "$1" 2>/dev/null | sed -n 's/^\([a-z0-9][a-z0-9+.-]*\)[:,].*/\1/p' | head -n 1 ;;
  *) rpm -qf --qf '%{NAME}\n' "$1" 2>/dev/null | grep -v ' ' | head -n 1 ;;
  esac
}
show() { systemctl show -p "$1" --value -- "$unit" 2>/dev/null; }
# Where the Java is that Elasticsearch runs by; where it does not run, that it would be started by.
javas() {
  main='^(org\.elasticsearch\.server/)?org\.elasticsearch\.bootstrap\.Elasticsearch$'
  found=no
  for it in $(grep -lzE "$main" "$root"/proc/[0-9]*/cmdline 2>/dev/null); do
    readlink -f "${it%/cmdline}/exe" && found=yes
  done
  [ "$found" = no ] || return 0
  homes=$(show Environment | tr ' ' '\n' | sed -n 's/^ES_JAVA_HOME=//p'
    sed -n 's/^ES_JAVA_HOME=//p' "$root/etc/default/elasticsearch" "$root/etc/sysconfig/elasticsearch" 2>/dev/null)
  for it in $homes; do readlink -f "$it/bin/java" && found=yes; done
  [ "$found" = yes ] || ! has java || readlink -f "$(command -v java)"
}
needed() {
  for it in elasticsearch elasticsearch-oss; do ! is_installed "$it" || echo "$it"; done
  [ -z "$unit" ] || owner "$(show FragmentPath)"
  javas | while read -r it; do owner "$it"; done
}

# Lets those go that were held for an earlier time, too, which may have been cut off.
release() {
  [ -f "$state/held" ] || return 0
  all=$held held=$(cat "$state/held")
  if [ -z "$held" ] || [ -z "$unhold" ] || act "$unhold" >/dev/null; then rm -f -- "$state/held"; fi
  held=$all
}
hold_needed() {
  [ -n "$hold" ] && [ -n "$held" ] || return 0
  # What somebody else holds stays held.
  case $family in
  Debian) before=$(apt-mark showhold 2>/dev/null) ;;
  *) before=$(zypper --non-interactive locks 2>/dev/null | awk -F '|' 'NF > 2 { gsub(/ /, "", $2); print $2 }') ;;
  esac
  all=$held held=''
  for it in $all; do
    printf '%s\n' "$before" | grep -qxF -e "$it" || held="$held $it"
  done
  if [ -n "$held" ]; then
    mkdir -p -- "$state" && printf '%s\n' "$held" >"$state/held" && sync ||
      fail "$state/held can't be written"
    act "$hold" || fail "$held can't be held: $(last)"
  fi
  held=$all
}

# The packages that would change, as the simulation tells them.
changes() {
  case $family in
  Debian) sed -nE 's/^(Inst|Remv|Purg) ([^ ]+).*/\2/p' ;;
  SUSE) awk '/ going to be /{ on = 1; next } /^[^ ]/ || !NF { on = 0 } on' | tr -s ' ' '\n' ;;
  *) awk '/^ / { print $1 == "replacing" ? $2 : $1 }' ;;
  esac
}
simulated() {
  act "$simulate" || fail "the upgrade can't be simulated: $(last)"
  case $family,$ended in
  Fedora,1 | RHEL,1)
    # It was told to say no, and ends in the same way where it fails.
    case $said in
    *[Aa]borted* | *'Exiting on user command'*) ;;
    *) fail "the upgrade can't be simulated: $(last)" ;;
    esac
    ;;
  esac
  for it in $(printf '%s\n' "$said" | changes); do
    # Without the architecture.
    case " $held " in
    *" ${it%%:*} "* | *" ${it%.*} "*)
      fail "the upgrade would change $it, which Elasticsearch needs: hold it back, or see to it by hand"
      ;;
    esac
  done
}

is_staged() { rpm-ostree status --json 2>/dev/null | tr -d ' \n' | grep -q '"staged":true'; }
# The packages that are not the same in what is staged: their names, or these with all that comes after.
differences() { printf '%s\n' "$said" | awk '/^  [^ ]/ { print $1 }'; }
take_back() {
  act "$unstage" >/dev/null || fail "$1; it is staged, and can't be taken back: $(last)"
  fail "$1"
}
# What an image changes, with the packages that were added to it, can be told only once it is staged.
check_staged() {
  [ "$family" = ostree ] && [ -n "$held" ] || return 0
  [ -n "$image" ] || is_staged || return 0
  said=$(rpm-ostree db diff 2>&1 </dev/null) || {
    ended=$?
    take_back "nobody can tell what the image would change: $(last)"
  }
  changed=$(differences)
  for it in $held; do
    for name in "$it" $(rpm -q "$it" 2>/dev/null | grep -v ' '); do
      printf '%s\n' "$changed" | grep -qxF -e "$name" || continue
      take_back "the image would change $it, which Elasticsearch needs: add it by its full version, or see to it by hand"
    done
  done
}

newest_kernel() {
  for it in "$root"/lib/modules/*/kernel; do
    [ ! -d "$it" ] || { it=${it%/kernel} && echo "${it##*/}"; }
  done | sort -V | tail -n 1
}
# What the distribution itself says; where nothing there can tell, the kernels do.
is_boot_due() {
  [ -z "$image" ] && [ ! -e "$root/run/reboot-required" ] || return 0
  case $family in
  ostree)
    is_staged
    return
    ;;
  SUSE)
    zypper --non-interactive needs-rebooting >/dev/null 2>&1
    case $? in 0) return 1 ;; 102) return 0 ;; esac
    ;;
  Fedora | RHEL)
    if has needs-restarting; then
      needs-restarting -r >/dev/null 2>&1
      case $? in 0) return 1 ;; 1) return 0 ;; esac
    fi
    # Without the plug-in it fails with the same status as where a boot is due.
    answer=$(dnf -q -C needs-restarting -r 2>/dev/null)
    case "$? $answer" in 0\ *) return 1 ;; 1\ *'Reboot is required'*) return 0 ;; esac
    ;;
  esac
  kernel=$(newest_kernel)
  [ -n "$kernel" ] && [ "$kernel" != "$(uname -r)" ]
}
is_late() {
  [ -n "$latest" ] || return 1
  IFS=. read -r now _ <"$root/proc/uptime"
  [ "$now" -ge "$latest" ]
}
boot() {
  # The gates were asked a while ago: the next permit has no time for more questions.
  if is_late; then
    mkdir -p -- "$state" && printf '%s\n' "$run" >"$state/due" || fail "$state/due can't be written"
    fail "$due"
  fi
  rm -f -- "$state/due"
  sync
  said=$(systemctl reboot 2>&1) || fail "it does not boot: $said"
  sleep 300
  fail "it was told to boot, and did not"
}
is_due() { [ "$(cat "$state/due" 2>/dev/null)" = "$run" ]; }
# Whether nothing is left to do but to boot, if that. An image is used up by the boot that it was
# deployed for: where another one came up, it is deployed anew.
is_over() {
  [ "$what" = upgrade ] || return 1
  if [ -n "$image" ]; then is_due; else [ "$(cat "$state/upgraded" 2>/dev/null)" = "$run" ]; fi
}
upgraded() {
  if is_due || is_boot_due; then boot; fi
  echo "upgraded"
  exit 0
}

trap release EXIT
trap 'exit 1' TERM INT
release
! is_over || upgraded
held=$(needed | sort -u | tr '\n' ' ')
[ "$what" = upgrade ] || [ -z "$refresh" ] || act "$refresh" || fail "what is known of packages can't be brought up to date: $(last)"
hold_needed
[ -z "$simulate" ] || simulated
if [ "$what" = fetch ]; then
  act "$download" || fail "$new can't be fetched: $(last)"
  echo "fetched"
  exit 0
fi
act "$upgrade" || fail "$failure: $(last)"
check_staged
release
[ -z "$image" ] || upgraded
mkdir -p -- "$state" && printf '%s\n' "$run" >"$state/upgraded.new" && sync &&
  mv -fT -- "$state/upgraded.new" "$state/upgraded" || fail "$state/upgraded can't be written"
upgraded
