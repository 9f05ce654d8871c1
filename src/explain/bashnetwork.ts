/** What lines of scripts about networks use, in bash: only in scripts of containers that are on some. */

export const NETWORK = `# Tries again for some time: the kernel is about to take devices of a container that has just ended.
patiently() {
  local n why=''
  for ((n = 0; n < 40; n++)); do
    why=$("$@" 2>&1) && return 0
    sleep 0.05
  done
  echo "$why" >&2
  return 1
}

# Whether a network is up: its bridge, and the firewall's table.
is_up() {
  [ -n "$(ip link show up dev "$1" 2> /dev/null)" ] && nft list table inet "$2" > /dev/null 2>&1
}

# Of all that set networks up one does at a time: the lock is the descriptor's, which is bash's and perl's.
alone() {
  (umask 077 && mkdir -p "\${1%/*}/networks" && : >> "$1")
  exec {LOCK}>> "$1"
  perl -e 'my $lock = pack "s s x4 q q l x4", 1, (0) x 4; fcntl STDIN, 38, $lock or die "$!\\n"' <&"$LOCK" # F_OFD_SETLKW, F_WRLCK
}

# Of a network: its name, the table, where addresses are taken, and devices of all.
not_flushed() {
  local device
  ! nft list table inet "$2" > /dev/null 2>&1 || return 0
  [ -n "$(find "$3" -type l -path '*/leases/*' 2> /dev/null)" ] || return 0
  for device in "\${@:4}"; do
    if ip link show dev "$device" > /dev/null 2>&1; then
      echo "network $1: the firewall was emptied while containers run; \\"vitrine network up $1\\" puts it right, with their ports" >&2
      return 1
    fi
  done
}

# A port of the host's is held by a socket, in a process that ends with this one. Its number gets into the variable.
hold() {
  local from
  exec {from}< <(exec setpriv --pdeathsig KILL perl -MSocket -e '
    my ($protocol, $address, $port) = @ARGV;
    $SIG{$_} = "IGNORE" for qw(HUP INT QUIT TERM);
    $| = 1;
    my $six = $address =~ /:/;
    my $family = $six ? AF_INET6 : AF_INET;
    my $ip = Socket::inet_pton($family, $address);
    socket my $socket, $family, $protocol eq "tcp" ? SOCK_STREAM : SOCK_DGRAM, 0 or die "socket: $!\\n";
    !$six or setsockopt $socket, 41, 26, 1 or die "IPV6_V6ONLY: $!\\n";
    bind $socket, $six ? Socket::pack_sockaddr_in6($port, $ip) : pack_sockaddr_in($port, $ip)
      or die "$protocol port $port of $address: $!\\n";
    my ($number) = $six ? Socket::unpack_sockaddr_in6(getsockname $socket) : unpack_sockaddr_in(getsockname $socket);
    print "$number\\n";
    sleep 3600 while 1;
  ' "$2" "$3" "$4")
  undo "kill -KILL $! 2> /dev/null || :"
  read -r "$1" <&"$from"
  exec {from}<&-
  [ "$4" != 0 ] || echo "$2 port \${!1} of $3" >&2
}

# A device of the host's goes into the container; it is found again by its number in there, which stays when it gets another name.
lend() {
  local link mtu mac
  link=$(ip -o link show dev "$1")
  mtu=\${link#* mtu } mtu=\${mtu%% *}
  mac=\${link#* link/} mac=\${mac#* } mac=\${mac%% *}
  ip link set dev "$1" name "$2" netns "$PID" up
  link=$(nsenter --net="$WORK/netns" ip -o link show dev "$2")
  echo "\${link%%:*} $mtu $mac" > "$WORK/link-$1"
}

# It is the host's again: under its own name, or that which it had inside, or as it is.
take_home() {
  local number mtu mac name note="$WORK/link-$1" between="vt$$"
  [ -e "$note" ] || return 0
  read -r number mtu mac < "$note"
  if [ "$number" != home ]; then
    name=$(nsenter --net="$WORK/netns" ip -o link | sed -n "s/^$number: \\([^:@]*\\).*/\\1/p")
    if [ -z "$name" ]; then
      echo "$number $mtu $mac lost" > "$note"
      echo "the container has deleted $1, or moved it" >&2
      return 1
    fi
    nsenter --net="$WORK/netns" ip link set dev "$name" down
    nsenter --net="$WORK/netns" ip link set dev "$name" name "$between" netns "$$" || return 1
    echo "home $mtu $mac" > "$note"
  fi
  [ -z "$mtu" ] || ip link set dev "$between" mtu "$mtu"
  case $mac in *:*:*) ip link set dev "$between" address "$mac" ;; esac
  for name in "$1" "$2" "$between"; do
    [ "$name" = "$between" ] || ip link set dev "$between" name "$name" 2> /dev/null || continue
    [ "$3" = down ] || ip link set dev "$name" up || return 1
    break
  done
  rm -f "$note"
}

# The name of the container's network namespace goes when no device of the host's is in there any more.
unname() {
  local device
  for device in "$@"; do
    [ ! -e "$WORK/link-$device" ] || grep -q ' lost$' "$WORK/link-$device" || return 1
  done
  umount -l "$WORK/netns" && rm -f "$WORK/netns"
}
`;

/** Of these also the container's process has some. */
export const NETWORK_EXPORTED = "patiently";
