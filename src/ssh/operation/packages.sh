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
# came to its end, the one that has yet to boot for what it has done, and the image that was judged.
state=$root/var/lib/drover
held='' said='' ended=0 judged='' tried=''
# So often a package manager that somebody else is using is asked again, after 15 s each.
[ "$what" = fetch ] && patience=40 || patience=8
if [ -n "$image" ]; then
  new="the image $image" failure="the image $image can't be deployed"
else
  new='the packages' failure='the upgrade failed'
fi

fail() { echo "$1"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }
last() {
  words=$(printf '%s\n' "$said" | blotted | grep -v '^[[:space:]]*$' | tail -n 1 | cut -c 1-300)
  printf '%s' "${words:-it ended with status $ended}"
}
is_good() { case ",$good," in *",$ended,"*) ;; *) return 1 ;; esac }
clock() { IFS=. read -r now _ <"$root/proc/uptime"; }
is_busy() {
  case $said in
  *'ould not get lock'* | *'nable to lock '* | *'nable to acquire the dpkg frontend lock'*) ;;
  *'ystem management is locked'* | *'transaction lock on'* | *'ransaction in progress'*) ;;
  *) return 1 ;;
  esac
}
# Runs one of the commands of the settings. No word of it holds a blank, or is a pattern. What it says
# may tell of passwords in the addresses of repositories.
act() {
  set -f
  good=${1%% *} words='' left=$patience
  clock
  until=$((now + patience * 15))
  for word in ${1#* }; do
    case $word in
    *HELD) for it in $held; do words="$words ${word%HELD}$it"; done ;;
    *) words="$words $word" ;;
    esac
  done
  while :; do
    said=$($words 2>&1 </dev/null 9>&-)
    ended=$?
    if is_good || [ "$left" -le 0 ] || ! is_busy; then break; fi
    # It may have waited by itself.
    clock
    [ "$now" -lt "$until" ] || break
    left=$((left - 1))
    sleep 15
  done
  set +f
  printf '%s\n' "$said" | blotted
  is_good
}

is_installed() {
  case $family in
  Debian) [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ;;
  *) rpm -q "$1" >/dev/null 2>&1 ;;
  esac
}
# The package that the file $1 is of; "? " and why, where that can't be told.
owner() {
  [ -n "$1" ] && [ -e "$1" ] || return 0
  case $family in
  Debian)
    # Where /usr holds all, a package may still name it by the other path.
    told=$(dpkg-query -S "$1" 2>&1) || told=$(dpkg-query -S "${1#/usr}" 2>&1)
    name=$(printf '%s\n' "$told" | grep -v '^dpkg-query:' | sed -n 's/^\([a-z0-9][a-z0-9+.-]*\)[:,].*/\1/p' | head -n 1)
    ;;
  *)
    told=$(rpm -qf --qf '%{NAME}\n' "$1" 2>&1)
    name=$(printf '%s\n' "$told" | grep -v ' ' | head -n 1)
    ;;
  esac
  case "$name $told" in
  ' '*'no path found'* | ' '*'not owned by any'*) ;;
  ' '*) echo "? nobody tells which package $1 is of" ;;
  *) echo "$name" ;;
  esac
}
show() { systemctl show -p "$1" --value -- "$unit" 2>/dev/null; }
# Where the Java is that Elasticsearch runs by, and that it would be started by; as `owner` tells it, where
# that can't be told.
javas() {
  main='^(org\.elasticsearch\.server/)?org\.elasticsearch\.bootstrap\.Elasticsearch$'
  pid=''
  [ -z "$unit" ] || pid=$(show MainPID)
  found=no
  for it in $(grep -lzE "$main" "$root"/proc/[0-9]*/cmdline 2>/dev/null) "$root/proc/${pid:-0}/cmdline"; do
    it=${it%/cmdline}
    [ -d "$it" ] || continue
    exe=$(readlink "$it/exe") || {
      [ ! -d "$it" ] || echo "? nobody tells what the process ${it##*/} of Elasticsearch runs from"
      continue
    }
    # It may have been replaced while it runs.
    exe=${exe% (deleted)}
    # What starts it may be a shell.
    [ "${it##*/}" != "$pid" ] || [ "${exe##*/}" = java ] || continue
    found=yes
    [ -e "$exe" ] || echo "? $exe, from which Elasticsearch runs, is there no more: restart it first"
    readlink -f "$exe"
  done
  homes=$({
    [ -z "$unit" ] || show Environment | tr ' ' '\n'
    [ -z "$unit" ] || show EnvironmentFiles | sed 's/ (ignore_errors=.*//' | while read -r it; do cat "$it"; done
    cat "$root/etc/default/elasticsearch" "$root/etc/sysconfig/elasticsearch"
  } 2>/dev/null | sed -n 's/^[[:space:]]*\(ES_\)\{0,1\}JAVA_HOME=//p' | tr -d "\"'")
  for it in $homes; do [ ! -e "$it/bin/java" ] || { readlink -f "$it/bin/java" && found=yes; }; done
  [ "$found" = yes ] || ! has java || readlink -f "$(command -v java)"
}
needed() {
  for it in elasticsearch elasticsearch-oss; do ! is_installed "$it" || echo "$it"; done
  [ -z "$unit" ] || owner "$(show FragmentPath)"
  javas | while read -r it; do
    case $it in
    '?'*) echo "$it" ;;
    # The program may be of another package than what it loads.
    *) owner "$it" && owner "${it%/bin/java}/lib/server/libjvm.so" ;;
    esac
  done
}
note_needed() {
  all=$(needed)
  case $all in *'? '*) fail "nobody can tell what Elasticsearch needs: $(printf '%s\n' "$all" | sed -n 's/^? //p' | head -n 1)" ;; esac
  held=$(printf '%s\n' "$all" | grep . | sort -u | tr '\n' ' ')
}

# Lets those go that were held for an earlier time, too, which may have been cut off.
release() {
  [ -f "$state/held" ] || return 0
  all=$held held=$(cat "$state/held") freed=yes
  if [ -n "$held" ] && [ -n "$unhold" ]; then act "$unhold" >/dev/null || freed=no; fi
  [ "$freed" = no ] || rm -f -- "$state/held"
  held=$all
  [ "$freed" = yes ]
}
hold_needed() {
  [ -n "$hold" ] && [ -n "$held" ] || return 0
  # What somebody else holds stays held: nothing is, as long as that is not known.
  case $family in
  Debian) before=$(apt-mark showhold 2>&1 </dev/null) ;;
  *) before=$(zypper --non-interactive locks 2>&1 </dev/null) ;;
  esac || fail "nobody can tell what is held already: $(printf '%s\n' "$before" | blotted | tail -n 1 | cut -c 1-300)"
  [ "$family" = Debian ] ||
    before=$(printf '%s\n' "$before" | awk -F '|' 'NF > 2 { gsub(/ /, "", $2); print $2 }')
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

# Takes what is staged back, where it was staged here, and fails.
refuse() {
  if [ -n "$tried" ]; then
    tried=''
    act "$unstage" >/dev/null || fail "$1; it is staged, and can't be taken back: $(last)"
  fi
  fail "$1"
}
# What an image changes, with the packages that were added to it, can be told only once it is staged.
judge() {
  [ "$family" = ostree ] || return 0
  judged=$(pending) || refuse "rpm-ostree does not tell what boots next"
  [ -n "$held" ] && [ -n "$judged" ] || return 0
  said=$(rpm-ostree db diff 2>&1 </dev/null) || {
    ended=$?
    refuse "nobody can tell what the image would change: $(last)"
  }
  changed=$(differences)
  for it in $held; do
    printf '%s\n' "$changed" | grep -qxF -e "$it" || continue
    refuse "the image would change $it, which Elasticsearch needs: add it by its full version, or see to it by hand"
  done
  [ "$(pending)" = "$judged" ] || refuse "another image was staged while it was judged"
}
# Stages what will be booted, so that no boot takes it, judges it, and takes it back: nothing goes down
# for what can't be. What somebody else has staged stays.
try() {
  [ "$family" = ostree ] && [ -n "$held" ] || return 0
  before=$(pending) || fail "rpm-ostree does not tell what boots next"
  if [ -n "$before" ]; then
    [ -n "$image" ] || judge
    return 0
  fi
  tried=yes
  act "$upgrade --lock-finalization" || refuse "nobody can tell what $new would change: $(last)"
  judge
  tried=''
  [ -z "$judged" ] || act "$unstage" >/dev/null || fail "what was staged to be judged can't be taken back: $(last)"
}

# What kind of kernel it is, such as -generic, besides its version.
flavour() { printf '%s\n' "$1" | sed -E 's/^[0-9.]+(-[0-9][^-+]*)?//'; }
# The newest kernel of the kind that runs.
newest_kernel() {
  kind=$(flavour "$(uname -r)")
  for it in "$root"/lib/modules/*/kernel; do
    it=${it%/kernel} && it=${it##*/}
    [ ! -d "$root/lib/modules/$it/kernel" ] || [ "$(flavour "$it")" != "$kind" ] || echo "$it"
  done | sort -V | tail -n 1
}
# What the distribution itself says; where nothing there can tell, the kernels do.
is_boot_due() {
  [ -z "$image" ] && [ ! -e "$root/run/reboot-required" ] || return 0
  case $family in
  ostree)
    [ -n "$(pending)" ]
    return
    ;;
  SUSE)
    zypper --non-interactive needs-rebooting >/dev/null 2>&1
    case $? in 0) return 1 ;; 102) return 0 ;; esac
    ;;
  Fedora | RHEL)
    if has needs-restarting; then
      # It fails with the same status as where a boot is due.
      answer=$(needs-restarting -r 2>/dev/null)
      case "$? $answer" in 0\ *) return 1 ;; 1\ *'Reboot is required'*) return 0 ;; esac
    fi
    # Without the plug-in it fails with the same status as where a boot is due.
    answer=$(dnf -q -C needs-restarting -r 2>/dev/null)
    case "$? $answer" in 0\ *) return 1 ;; 1\ *'Reboot is required'*) return 0 ;; esac
    ;;
  esac
  kernel=$(newest_kernel)
  # One that runs may be newer than what is installed: no boot takes it away.
  [ -n "$kernel" ] && [ "$(printf '%s\n' "$kernel" "$(uname -r)" | sort -V | tail -n 1)" != "$(uname -r)" ]
}
is_late() {
  [ -n "$latest" ] || return 1
  clock
  [ "$now" -ge "$latest" ]
}
boot() {
  # It may take its time.
  sync
  if [ "$family" = ostree ] && { [ -z "$judged" ] || [ "$(pending)" != "$judged" ]; }; then
    rm -f -- "$state/due" "$state/upgraded" "$state/judged"
    fail "the image that would boot is not the one that was judged: it was not booted, and is judged by the next permit"
  fi
  # The gates were asked a while ago: the next permit has no time for more questions.
  if is_late; then
    mkdir -p -- "$state" && printf '%s\n' "$run" >"$state/due" && sync || fail "$state/due can't be written"
    fail "$due"
  fi
  rm -f -- "$state/due"
  [ "$family" != ostree ] || rm -f -- "$root/run/ostree/staged-deployment-locked"
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

clean_up() {
  if [ -n "$tried" ]; then act "$unstage" >/dev/null; fi
  release
}

mkdir -p -- "$state" || fail "$state can't be made"
if has flock; then
  # An earlier attempt may be at work still.
  exec 9>"$state/lock"
  flock -w 120 9 || fail "another upgrade of Drover's is at work there"
fi
trap clean_up EXIT
trap 'patience=0; exit 1' TERM INT
release || fail "what was held for an earlier upgrade can't be let go, see $state/held: $(last)"
if is_over; then
  judged=$(cat "$state/judged" 2>/dev/null)
  upgraded
fi
note_needed
[ "$what" = upgrade ] || [ -z "$refresh" ] || act "$refresh" || fail "what is known of packages can't be brought up to date: $(last)"
hold_needed
[ -z "$simulate" ] || simulated
if [ "$what" = fetch ]; then
  act "$download" || fail "$new can't be fetched: $(last)"
  try
  echo "fetched"
  exit 0
fi
act "$upgrade" || fail "$failure: $(last)"
tried=${unstage:+yes}
judge
tried=''
printf '%s\n' "$judged" >"$state/judged" || fail "$state/judged can't be written"
release
[ -z "$image" ] || upgraded
printf '%s\n' "$run" >"$state/upgraded.new" && sync &&
  mv -fT -- "$state/upgraded.new" "$state/upgraded" || fail "$state/upgraded can't be written"
upgraded
