/** A DHCP client of the host's in a script, in bash: what it tells is set in the container's network and files. */

export const DHCP = `# A DHCP client in the container's network, from when its device is up; it ends with this script, and gives the address back.
dhcp_start() {
  local device=$1 way=$2 place="$WORK/dhcp-$1"
  shift 2
  [ -z "$LEASED_RESOLV" ] || [ -e "$WORK/resolv" ] || cp "$LEASED_RESOLV" "$WORK/resolv"
  {
    echo '#!/bin/bash'
    declare -p WORK LEASED_HOSTS LEASED_RESOLV LEASED_NAMES LEASED_SERVERS LEASED_SEARCH LEASED_OPTIONS
    declare -f dhcp_heed dhcp_hosts dhcp_resolv is_four
    echo "set -eu; dhcp_heed '$device' '$way' \\"\\\${1:-\\\${reason:-}}\\""
  } > "$place/hook"
  chmod 700 "$place/hook"
  (
    trap - ERR
    exec {TO}>&- {FROM}<&- < /dev/null > "$place/log" 2>&1
    until [ -n "$(nsenter --net="/proc/$PID/ns/net" ip link show up dev "$device")" ]; do
      [ -e "/proc/$PID/ns" ] || exit 1
      sleep 0.02
    done
    exec setpriv --pdeathsig TERM setsid nsenter --net="/proc/$PID/ns/net" "$@"
  ) &
  echo "$!" > "$place/of-client"
}

dhcp_await() {
  local n pid place="$WORK/dhcp-$1"
  STEP="a lease for $1"
  read -r pid < "$place/of-client"
  for ((n = 0; n < $2 * 20; n++)); do
    [ ! -e "$place/lease" ] || return 0
    [ -e "/proc/$pid/exe" ] || break
    sleep 0.05
  done
  tail -n 5 "$place/log" >&2
  return 1
}

# Without its lease the hook does not look after an address that goes with the device.
dhcp_end() {
  local n pid place="$WORK/dhcp-$1"
  rm -f "$place/lease"
  read -r pid < "$place/of-client" || return 0
  kill -TERM "$pid" 2> /dev/null || :
  for ((n = 0; n < 60; n++)); do
    [ -e "/proc/$pid/exe" ] || break
    sleep 0.05
  done
  kill -KILL "$pid" 2> /dev/null || :
  return 0
}

# The hook: what udhcpc says in its variables, and dhclient in others. All of it is another's word.
dhcp_heed() {
  local device=$1 way=$2 word=$3 place="$WORK/dhcp-$1" old='' address bits n gateway=''
  [ ! -e "$place/lease" ] || read -r old < "$place/lease"
  case $word in
    bound | renew | BOUND | RENEW | REBIND | REBOOT) ;;
    deconfig | EXPIRE | RELEASE | STOP)
      [ -n "$old" ] || return 0
      rm -f "$place/lease"
      ip addr del "$old" dev "$device"
      dhcp_hosts "\${old%/*}" ''
      return 0 ;;
    *) return 0 ;;
  esac
  address=\${ip:-\${new_ip_address:-}}
  case $address in 0.* | 127.* | 22[4-9].* | 2[345]?.*) address='' ;; esac
  is_four "$address" || { echo "the server gave no address of a host" >&2; return 1; }
  bits=\${mask:-}
  if ! [[ $bits =~ ^[1-9][0-9]?$ ]]; then
    bits=0
    n=\${subnet:-\${new_subnet_mask:-255.255.255.255}}
    is_four "$n"
    for n in \${n//./ }; do
      while [ "$n" -gt 0 ]; do
        bits=$((bits + n % 2)) n=$((n / 2))
      done
    done
  fi
  n=\${router:-\${new_routers:-}}
  for n in \${n//,/ }; do
    if is_four "$n" && [ "$n" != "$address" ]; then
      gateway=$n
      break
    fi
  done
  if [ "$old" != "$address/$bits" ]; then
    [ -z "$old" ] || ip addr del "$old" dev "$device"
    ip addr replace "$address/$bits" brd + dev "$device"
    dhcp_hosts "\${old%/*}" "$address"
  fi
  [ "$way" != ours ] || [ -z "$gateway" ] || ip route replace default via "$gateway" dev "$device"
  dhcp_resolv "$device"
  echo "$address/$bits" > "$place/lease.new"
  mv "$place/lease.new" "$place/lease"
}

is_four() {
  local n
  [[ $1 =~ ^[0-9]{1,3}(\\.[0-9]{1,3}){3}$ ]] || return 1
  for n in \${1//./ }; do
    [ "$((10#$n))" -le 255 ] || return 1
  done
}

# What is mounted keeps its inode: it is written in place.
dhcp_hosts() {
  local text
  [ -n "$LEASED_HOSTS" ] || return 0
  if [ -n "$1" ]; then
    text=$(grep -v "^\${1//./\\\\.}[[:space:]]" "$LEASED_HOSTS" || :)
    printf '%s\\n' "$text" > "$LEASED_HOSTS"
  fi
  [ -z "$2" ] || printf '%s\\t%s\\n' "$2" "$LEASED_NAMES" >> "$LEASED_HOSTS"
}

# By the first device whose server tells of name servers; what somebody else has written there stays.
dhcp_resolv() {
  local word by='' servers=() domains=() told=\${search:-\${new_domain_search:-\${domain:-\${new_domain_name:-}}}}
  [ -n "$LEASED_RESOLV" ] && cmp -s "$LEASED_RESOLV" "$WORK/resolv" || return 0
  [ ! -e "$WORK/resolv-by" ] || read -r by < "$WORK/resolv-by"
  [ "\${by:-$1}" = "$1" ] || return 0
  word=\${dns:-\${new_domain_name_servers:-}}
  for word in \${word//,/ }; do
    if is_four "$word" && [ "\${#servers[@]}" -lt 6 ]; then servers+=("$word"); fi
  done
  [ "\${#servers[@]}" -gt 0 ] || return 0
  for word in \${told//,/ }; do
    if [[ $word =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}$ ]] && [ "\${#domains[@]}" -lt 6 ]; then domains+=("$word"); fi
  done
  echo "$1" > "$WORK/resolv-by"
  {
    if [ -n "$LEASED_SERVERS" ]; then
      printf '%s\\n' "$LEASED_SERVERS"
    else
      for word in "\${servers[@]}"; do
        case $word in 127.* | 0.0.0.0) ;; *) echo "nameserver $word" ;; esac
      done
    fi
    if [ "$LEASED_SEARCH" = none ]; then
      :
    elif [ -n "$LEASED_SEARCH" ]; then
      printf '%s\\n' "$LEASED_SEARCH"
    elif [ "\${#domains[@]}" -gt 0 ]; then
      echo "search \${domains[*]}"
    fi
    [ -z "$LEASED_OPTIONS" ] || printf '%s\\n' "$LEASED_OPTIONS"
  } > "$WORK/resolv"
  cat "$WORK/resolv" > "$LEASED_RESOLV"
}
`;
