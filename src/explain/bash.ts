/** The parts of a script that are the same in all: what its lines use, in bash. */

/** Before anything is done. */
const PRELUDE = `set -Eeuo pipefail
umask 022
[ "$(id -u)" = 0 ] || { echo "$0: has to be run as root" >&2; exit 125; }

# What every step may use:
#   WORK     a directory of this run, taken away at the end
#   ROOT     where the container's root file system is put together, in its mount namespace only
#   MOUNTS   where mounts that are made outside wait until the container's process takes them
#   SCRATCH  what the container writes
#   PID      the container's process, as the host counts
STEP='at the start' WORK='' JOB='' PID='' STATUS=0 STARTED='' STOPPED='' CHAIN=() UNDO=() BEFORE=()
export STEP HEARD='' WHERE=outside

step() {
  STEP="step $1: $2"
  [ -z "\${STOPPED:-}" ] || exit "$STOPPED"
}

failed() {
  echo "\${0##*/}: $STEP: failed" >&2
  exit 125
}

# Before the program starts a signal ends the script, at the next step; then it is the program's.
signal() {
  if [ -n "$STARTED" ]; then kill -s "$1" "$PID" 2> /dev/null || :; else STOPPED=$2; fi
}

undo() { UNDO+=("$1"); }

# Ctrl-C is for every process of a terminal. Whoever made something is not to end before that is noted as to be undone.
whole() { (trap '' HUP INT QUIT TERM; exec "$@"); }
mkdir() { whole mkdir "$@"; }
ln() { whole ln "$@"; }
nft() { whole nft "$@"; }

# At every end: what was made is taken away, newest first. A control group is busy until its last process is reaped.
leave() {
  local status=$? i n why
  trap '' HUP INT QUIT TERM
  trap - EXIT ERR
  set +e
  if [ -n "$JOB" ]; then
    kill -KILL "$JOB" $PID 2> /dev/null
    builtin wait "$JOB" 2> /dev/null
  fi
  for ((i = \${#UNDO[@]} - 1; i >= 0; i--)); do
    for ((n = 0; n < 200; n++)); do
      why=$(eval "\${UNDO[i]}" 2>&1) && break
      sleep 0.01
    done
    [ "$n" -lt 200 ] || { echo "left behind: \${UNDO[i]}: $why" >&2; status=125; }
  done
  [ -z "$WORK" ] || rm -rf --one-file-system "$WORK"
  exit "$status"
}

trap leave EXIT
trap failed ERR
trap : PIPE
for one in HUP:129 INT:130 QUIT:131 TERM:143 USR1:138 USR2:140; do trap "signal \${one%:*} \${one#*:}" "\${one%:*}"; done

WORK=$(whole mktemp -d /var/tmp/vitrine-script.XXXXXX)
chmod 711 "$WORK"
export ROOT=$WORK/root MOUNTS=$WORK/mounts SCRATCH=$WORK/private/rw
mkdir "$ROOT" "$MOUNTS"
mkdir -m 700 "$WORK/private"
`;

/** How the two processes talk, and start. */
const TALK = `# The container's process is started by a chain of commands, each of which runs the next. It tells its pid on
# descriptor 9, and hears on descriptor 8 what is done; what it cannot do itself it asks for by the step's number.
start() {
  local pipe
  mkfifo "$WORK/private/to" "$WORK/private/from"
  exec {pipe}<> "$WORK/private/to" {TO}> "$WORK/private/to" 8< "$WORK/private/to" {pipe}>&-
  exec {pipe}<> "$WORK/private/from" {FROM}< "$WORK/private/from" 9> "$WORK/private/from" {pipe}>&-
  (
    trap - ERR
    WHERE=inside
    builtin cd /
    exec {TO}>&- {FROM}<&-
    exec setpriv --pdeathsig KILL "\${CHAIN[@]}" bash -c first
  ) <&0 &
  JOB=$!
  exec 8<&- 9>&-
  CHAIN=()
  read -r PID <&"$FROM"
}

# A process enters a PID namespace only by being born there; this one is its parent, and ends with its status.
first() {
  local status=0
  bash -c inside_1 <&0 &
  exec 8<&- 9>&-
  builtin wait $! 2> /dev/null || status=$?
  exit "$status"
}

tell() { echo "$1" >&"$TO"; }

# What has to be so before the program begins: waited for at the last.
before_program() { BEFORE+=("$*"); }

# Does what the container's process asks for, until that was the step with this number.
attend() {
  local asked one
  while :; do
    read -r asked <&"$FROM" || { echo "the container's process ended before its program" >&2; exit 125; }
    if [ "$asked" = "$1" ]; then
      for one in "\${BEFORE[@]}"; do $one; done
    fi
    "for_inside_$asked"
    [ "$asked" != "$1" ] || STARTED=yes
    tell "$asked"
    [ "$asked" != "$1" ] || return 0
  done
}

hear() {
  local word
  until [[ " $HEARD " == *" $1 "* ]]; do
    read -r word <&8
    HEARD+=" $word"
  done
}

ask() {
  echo "$1" >&9
  hear "$1"
}

begin() {
  set -Eeuo pipefail
  trap failed ERR
  CHAIN=()
}

announce() {
  local pid
  read -r pid _ < /proc/self/stat # still the host's /proc
  echo "$pid" >&9
  hear go
}

# 0, 1 and 2 are the program's; 8 and 9 are closed by the last command.
close() {
  local fd=$1
  case $fd in 0 | 1 | 2 | 8 | 9) ;; *) exec {fd}>&- ;; esac
}

# The container's exit status, as soon as it has one; signals that arrive meanwhile are handed on. After $2 seconds it is killed.
wait() {
  local status=0 clock=''
  if [ -n "\${2:-}" ]; then
    sleep "$2" > /dev/null 2>&1 < /dev/null &
    clock=$!
  fi
  while kill -0 "$JOB" 2> /dev/null; do
    builtin wait -n "$JOB" $clock || :
    if [ -n "$clock" ] && ! kill -0 "$clock" 2> /dev/null; then
      kill -KILL "$PID" 2> /dev/null || :
      clock=''
    fi
  done
  builtin wait "$JOB" || status=$?
  JOB=''
  [ -z "$clock" ] || kill "$clock" 2> /dev/null || :
  return "$status"
}
`;

/** Mounts, outside and inside. */
const MOUNT = `mount() { "mount_$WHERE" "$@"; }

# Outside: as the host's root, in the mount namespace of the container, so that the host sees nothing of it.
mount_outside() {
  local source="\${*: -2:1}" target="\${*: -1}"
  if ! [ -e "$target" ]; then
    if [ "$1" = -t ] || [ -d "$source" ]; then mkdir "$target"; else : > "$target"; fi
  fi
  case "$2,$3," in
    -o,*X-mount.idmap=* | -o,*=recursive,* | -o,*slave,* | -o,*shared,* | -o,*unbindable,*) mount_of_today "$@" ;;
    *) nsenter --mount="/proc/$PID/ns/mnt" mount -n "$@" ;;
  esac
}

# mount(8) knows X-mount.idmap and =recursive from util-linux 2.39 on, Debian 12 has 2.38: the same three calls by perl-base,
# which every Debian has. A file system below the source may refuse an id map; then only the source itself gets one.
mount_of_today() {
  local user='' deep=0 set=0 top=0 clear=0 spread=$((1 << 18)) word name bit # MS_PRIVATE
  [ "$1" = --bind ] || deep=$((0x8000)) # AT_RECURSIVE
  for word in \${3//,/ }; do
    name=\${word%=recursive} bit=0
    case $name in
      X-mount.idmap=*) user=\${word#*=} ;;
      ro) bit=1 ;;
      nosuid) bit=2 ;;
      nodev) bit=4 ;;
      noexec) bit=8 ;;
      noatime) bit=$((0x10)) clear=$((0x70)) ;;
      strictatime) bit=$((0x20)) clear=$((0x70)) ;;
      nodiratime) bit=$((0x80)) ;;
      nosymfollow) bit=$((0x200000)) ;;
      unbindable | runbindable) spread=$((1 << 17)) ;;
      slave | rslave) spread=$((1 << 19)) ;;
      shared | rshared) spread=$((1 << 20)) ;;
    esac
    if [ "$word" != "$name" ] || [ "$deep" = 0 ]; then set=$((set | bit)); else top=$((top | bit)); fi
  done
  perl -e '
    my ($from, $to, $top, $set, $clear, $spread, $deep, $space, $user) = @ARGV;
    my $here = "";
    $_ += 0 for $top, $set, $clear, $spread, $deep;
    my $tree = syscall(428, -100, $from, 1 | $deep); # open_tree
    $tree >= 0 or die "open_tree $from: $!\\n";
    sub attributes { # mount_setattr
      my ($how, $flags, $map, $spread) = @_;
      my $attributes = pack "Q4", $flags | (defined $map ? 0x100000 : 0), $flags & 0x70 ? $clear : 0, $spread // 0, $map // 0;
      syscall(442, $tree, $here, 0x1000 | $how, $attributes, 32) == 0;
    }
    my ($file, $map);
    if ($user ne "") { open $file, "<", $user or die "$user: $!\\n"; $map = fileno $file }
    attributes($deep, $set, $map, $spread)
      or ($deep and defined $map and attributes(0, 0, $map) and attributes($deep, $set, undef, $spread))
      or die "mount_setattr $from: $!\\n";
    $top == 0 or attributes(0, $top) or die "mount_setattr $from: $!\\n";
    exec "nsenter", "--mount=$space", "perl", "-e", q{ # move_mount
      my ($tree, $to) = @ARGV;
      my $here = "";
      syscall(429, $tree + 0, $here, -100, $to, 4) == 0 or die "move_mount $to: $!\\n";
    }, $tree, $to or die "nsenter: $!\\n";
  ' "\${*: -2:1}" "\${*: -1}" "$top" "$set" "$clear" "$spread" "$deep" "/proc/$PID/ns/mnt" "$user"
}

# Inside: a link in the image leads to a place in the image, never to one of the host; what is missing is made.
mount_inside() {
  local source="\${*: -2:1}" target="\${*: -1}" at
  if [[ "$target/" != "$ROOT/"* ]]; then
    [ "$EUID" != 0 ] || command mount -n "$@" # nobody yet: that is --make-rprivate, and unshare has done it already
    return
  fi
  at=$(in_root "\${target#"$ROOT"}" && printf x)
  at=\${at%x}
  case "$* " in
    *' proc '* | *' sysfs '* | *' cgroup '* | *"$MOUNTS/mount%2Fproc "* | *"$MOUNTS/mount%2Fsys "*)
      [ "$at" = "$target" ] || { echo "$target: a link" >&2; return 1; } ;;
  esac
  if ! [ -e "$at" ]; then
    if [ "$1" = -t ] || [ -d "$source" ]; then mkdir -p "$at"; else mkdir -p "\${at%/*}" && : > "$at"; fi
  fi
  case $target in
    "$ROOT/proc"* | "$ROOT/sys"*) ;;
    *) case $(stat -f -c %T "$at") in proc | sysfs) echo "$target: what keeps the container in stands there" >&2; return 1 ;; esac ;;
  esac
  command mount -n "\${@:1:$#-1}" "$at"
}

cd() {
  local at
  at=$(in_root "\${1#"$ROOT"}" && printf x)
  at=\${at%x}
  mkdir -p "$at"
  builtin cd "$at"
}

# Where a path of the container lies.
in_root() {
  local left=$1 at='' name link links=0
  while [ -n "$left" ]; do
    name=\${left%%/*}
    if [ "$left" = "$name" ]; then left=''; else left=\${left#*/}; fi
    case $name in
      '' | .) continue ;;
      ..) at=\${at%/*} && continue ;;
    esac
    if ! [ -L "$ROOT$at/$name" ]; then
      at=$at/$name
      continue
    fi
    links=$((links + 1))
    [ "$links" -le 40 ] || { echo "$1: too many links" >&2; return 1; }
    link=$(readlink -n "$ROOT$at/$name" && printf x)
    link=\${link%x}
    case $link in /*) at='' ;; esac
    left=$link/$left
  done
  printf %s "$ROOT$at"
}
`;

/** What every script begins with, whatever the plan is. */
export const LIBRARY = [PRELUDE, TALK, MOUNT].join("\n");

/** Functions that the container's process has, too. */
export const EXPORTED = "first step failed hear ask begin announce close mount mount_inside cd in_root";
