#!/bin/bash
# The same container with on-board tools: keep this in a file, and run it as root.
# Steps bear the numbers of `vitrine run --explain`; what no on-board tool can do is marked. Besides:
# - Until its last command the container's process is bash; vitrine's can be neither traced nor read by anybody.
# - No session keyring of its own: that takes keyctl of keyutils, which is not on board.
# - What the container writes has, on disk, the ids of its range; vitrine's start at 0.
# - No seccomp filter: every system call is allowed.
# - After kill -9 of this script the host's device is still in the namespace that $WORK/netns names: nsenter --net=… ip link set … netns 1.

# The functions: src/explain/bash.ts

# Those about networks: src/explain/bashnetwork.ts

# Those about DHCP: src/explain/bashdhcp.ts

LEASED_HOSTS=''
LEASED_RESOLV=''
LEASED_NAMES=''
LEASED_SERVERS=''
LEASED_SEARCH=''
LEASED_OPTIONS=''

# -------- In the container's process

inside_1() {
  begin
  announce

  # Namespaces

  # 28. prctl PR_SET_PDEATHSIG SIGKILL
  # If the stage is killed, the kernel ends the container with it: nothing is left running.
  step 28 'prctl PR_SET_PDEATHSIG SIGKILL'
  CHAIN+=(setpriv --pdeathsig KILL)

  # step 29: prctl PR_SET_DUMPABLE 0: no on-board tool does this
  # Nobody may trace this process, read its memory or take its descriptors before it is the container's program.
  exec "${CHAIN[@]}" bash -c inside_2
}

inside_2() {
  begin

  # 30. mount / recursively private
  # No mount made in here is seen outside, and none made outside arrives in here.
  step 30 'mount / recursively private'
  mount --make-rprivate /

  # 31. sethostname 0123456789ab
  # A name of its own in a UTS namespace of its own; the host keeps its name.
  step 31 'sethostname 0123456789ab'
  hostname 0123456789ab

  # 32. sendto RTM_NEWLINK lo up
  # The new network namespace has only a loopback device, and that is down.
  step 32 'sendto RTM_NEWLINK lo up'
  ip link set lo up

  # 33. write 0 to the tasks files of /vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
  # The process puts itself under the limits, before anything of the container runs.
  step 33 'write 0 to the tasks files of /vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
  ask 33

  # 34. unshare the cgroup namespace
  # From here on the container sees its own groups as the roots, and nothing above them.
  step 34 'unshare the cgroup namespace'
  CHAIN+=(unshare --cgroup)

  # 35. setresuid 0 of the user namespace
  # Until its ids are mapped the process is nobody; now it is root of its own namespace only.
  step 35 'setresuid 0 of the user namespace'
  hear 71
  CHAIN+=(setpriv --reuid 0 --regid 0 --clear-groups)
  exec "${CHAIN[@]}" bash -c inside_3
}

inside_3() {
  begin

  # 36. sendto RTM_NEWADDR 10.92.7.101/24, db0 up
  # The container's own address.
  step 36 'sendto RTM_NEWADDR 10.92.7.101/24, db0 up'
  hear 73
  sh -c '[ ! -e "$0" ] || echo 0 > "$0"' /proc/sys/net/ipv6/conf/db0/accept_ra
  ip addr add 10.92.7.101/24 brd + dev db0
  ip link set db0 up

  # 37. sendto RTM_NEWADDR 192.0.2.7/24, 2001:db8::7/64, lan0 up
  # The container's own addresses; what is for others goes by the gateway.
  step 37 'sendto RTM_NEWADDR 192.0.2.7/24, 2001:db8::7/64, lan0 up'
  hear 75
  sh -c '[ ! -e "$0" ] || echo 0 > "$0"' /proc/sys/net/ipv6/conf/lan0/accept_ra
  ip addr add 192.0.2.7/24 brd + dev lan0
  ip addr add 2001:db8::7/64 nodad dev lan0
  patiently ip link set lan0 up
  ip route add default via 192.0.2.1 dev lan0

  # 38. sendto RTM_NEWLINK eth2 up
  # It has no address yet.
  step 38 'sendto RTM_NEWLINK eth2 up'
  hear 76
  sh -c '[ ! -e "$0" ] || echo 0 > "$0"' /proc/sys/net/ipv6/conf/eth2/accept_ra
  patiently ip link set eth2 up

  # 39. sendto RTM_NEWLINK host0 up
  # It has no address yet.
  step 39 'sendto RTM_NEWLINK host0 up'
  hear 77
  sh -c '[ ! -e "$0" ] || echo 0 > "$0"' /proc/sys/net/ipv6/conf/host0/accept_ra
  ip link set host0 up

  # 40. sendto RTM_NEWLINK eth4 up
  # It has no address yet.
  step 40 'sendto RTM_NEWLINK eth4 up'
  hear 78
  sh -c '[ ! -e "$0" ] || echo 0 > "$0"' /proc/sys/net/ipv6/conf/eth4/accept_ra
  ip link set eth4 up

  # 41. sendto RTM_NEWLINK wan0 up
  # It has no address yet.
  step 41 'sendto RTM_NEWLINK wan0 up'
  hear 79
  sh -c '[ ! -e "$0" ] || echo 0 > "$0"' /proc/sys/net/ipv6/conf/wan0/accept_ra
  ip link set wan0 up

  # 42. sendto RTM_GETLINK wan0
  # Which device of the host it is: the container may change its names, and give them to others.

  # Root file system

  # 43. move_mount the root file system onto /
  # Only in this mount namespace: the host sees nothing of it, and it goes when the namespace goes.
  step 43 'move_mount the root file system onto /'
  hear 92
  mount --move $MOUNTS/root $ROOT

  # Files inside

  # 44. mount proc on /proc
  # A procfs of this PID namespace: without it ps would show (and kill would reach) other processes.
  step 44 'mount proc on /proc'
  mount -t proc -o nosuid,noexec,nodev proc $ROOT/proc

  # 45. mount tmpfs on /dev
  # Memory, gone with the container.
  step 45 'mount tmpfs on /dev'
  mount -t tmpfs -o nosuid,strictatime,mode=755,size=65536k tmpfs $ROOT/dev

  # 46. move_mount /dev/{null,zero,full,random,urandom,tty}
  # The nodes and the usual links; no disk, no memory, no terminal of the host.
  step 46 'move_mount /dev/{null,zero,full,random,urandom,tty}'
  for n in null zero full random urandom tty; do mount --move $MOUNTS/dev-$n $ROOT/dev/$n; done
  ln -s /proc/self/fd $ROOT/dev/fd
  ln -s /proc/self/fd/0 $ROOT/dev/stdin
  ln -s /proc/self/fd/1 $ROOT/dev/stdout
  ln -s /proc/self/fd/2 $ROOT/dev/stderr
  ln -s pts/ptmx $ROOT/dev/ptmx
  ln -s /proc/kcore $ROOT/dev/core

  # 47. mount devpts on /dev/pts
  # Pseudo terminals of its own: none of the host's can be opened.
  step 47 'mount devpts on /dev/pts'
  mount -t devpts -o nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5 devpts $ROOT/dev/pts

  # 48. mount sysfs on /sys
  # Devices and kernel objects to look at, not to change.
  step 48 'mount sysfs on /sys'
  mount -t sysfs -o nosuid,noexec,nodev,ro sysfs $ROOT/sys

  # 49. mount cpuset,cpu,cpuacct,memory,pids,systemd,unified on /sys/fs/cgroup
  # The limits it sits under, to look at, not to change.
  step 49 'mount cpuset,cpu,cpuacct,memory,pids,systemd,unified on /sys/fs/cgroup'
  mount -t tmpfs -o nosuid,noexec,nodev,relatime,mode=755 tmpfs $ROOT/sys/fs/cgroup
  mount -t cgroup -o nosuid,noexec,nodev,relatime,ro,cpuset cgroup $ROOT/sys/fs/cgroup/cpuset
  mount -t cgroup -o nosuid,noexec,nodev,relatime,ro,cpu,cpuacct cgroup $ROOT/sys/fs/cgroup/cpu,cpuacct
  mount -t cgroup -o nosuid,noexec,nodev,relatime,ro,memory cgroup $ROOT/sys/fs/cgroup/memory
  mount -t cgroup -o nosuid,noexec,nodev,relatime,ro,pids cgroup $ROOT/sys/fs/cgroup/pids
  mount -t cgroup -o nosuid,noexec,nodev,relatime,ro,none,name=systemd cgroup $ROOT/sys/fs/cgroup/systemd
  mount -t cgroup2 -o nosuid,noexec,nodev,relatime,ro cgroup $ROOT/sys/fs/cgroup/unified
  mount -o remount,bind,nosuid,noexec,nodev,relatime,ro $ROOT/sys/fs/cgroup

  # 50. mount mqueue on /dev/mqueue
  # POSIX message queues of this IPC namespace.
  step 50 'mount mqueue on /dev/mqueue'
  mount -t mqueue -o nosuid,noexec,nodev mqueue $ROOT/dev/mqueue

  # 51. mount tmpfs on /dev/shm
  # Memory, gone with the container.
  step 51 'mount tmpfs on /dev/shm'
  mount -t tmpfs -o nosuid,noexec,nodev,mode=1777,size=65536k shm $ROOT/dev/shm

  # 52. move_mount /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hosts on /etc/hosts
  # Visible at /etc/hosts.
  step 52 'move_mount /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hosts on /etc/hosts'
  mount --move $MOUNTS/mount%2Fetc%2Fhosts $ROOT/etc/hosts

  # 53. move_mount /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hostname on /etc/hostname
  # Visible at /etc/hostname.
  step 53 'move_mount /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hostname on /etc/hostname'
  mount --move $MOUNTS/mount%2Fetc%2Fhostname $ROOT/etc/hostname

  # 54. move_mount /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/resolv.conf on /etc/resolv.conf
  # Visible at /etc/resolv.conf.
  step 54 'move_mount /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/resolv.conf on /etc/resolv.conf'
  mount --move $MOUNTS/mount%2Fetc%2Fresolv.conf $ROOT/etc/resolv.conf

  # 55. write 0 65535 to /proc/sys/net/ipv4/ping_group_range
  # A parameter of its own namespace: the host keeps its value.
  step 55 'write 0 65535 to /proc/sys/net/ipv4/ping_group_range'
  echo '0 65535' > $ROOT/proc/sys/net/ipv4/ping_group_range

  # 56. write 0 to /proc/sys/net/ipv4/ip_unprivileged_port_start
  # A parameter of its own namespace: the host keeps its value.
  step 56 'write 0 to /proc/sys/net/ipv4/ip_unprivileged_port_start'
  echo 0 > $ROOT/proc/sys/net/ipv4/ip_unprivileged_port_start

  # 57. mount_setattr /proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger read-only
  # These belong to the one kernel that all share; writing there would reach the host.
  step 57 'mount_setattr /proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger read-only'
  for p in /proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger; do ! [ -e "$ROOT$p" ] || { mount --rbind "$ROOT$p" "$ROOT$p"; mount -o remount,bind,ro,nosuid,nodev,noexec "$ROOT$p"; }; done

  # 58. move_mount covers on /proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/kmsg /proc/latency_stats /proc/sched_debug /proc/scsi /proc/timer_list /proc/timer_stats /sys/devices/virtual/powercap /sys/firmware
  # These tell about the host, or reach it: each is covered by nothing at all.
  step 58 'move_mount covers on /proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/kmsg /proc/latency_stats /proc/sched_debug /proc/scsi /proc/timer_list /proc/timer_stats /sys/devices/virtual/powercap /sys/firmware'
  for p in /proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/kmsg /proc/latency_stats /proc/sched_debug /proc/scsi /proc/timer_list /proc/timer_stats /sys/devices/virtual/powercap /sys/firmware; do if [ -d "$ROOT$p" ]; then mount -t tmpfs -o ro,nosuid,nodev,noexec,size=0,nr_inodes=2 tmpfs "$ROOT$p"; elif [ -e "$ROOT$p" ]; then mount --bind $ROOT/dev/null "$ROOT$p"; fi; done

  # 59. pivot_root . .
  # Unlike chroot this changes the root of the namespace itself: the old one is not hidden, it is gone.
  step 59 'pivot_root . .'
  # Asked for at the very end: after it there are none of the host's tools.

  # Process

  # 60. setsid a session and keyring of its own
  # No controlling terminal and no keys of the caller.
  step 60 'setsid a session and keyring of its own'
  CHAIN+=(setsid)

  # 61. prctl PR_CAPBSET_DROP of 29 capabilities
  # No program started in here can ever get dac_read_search, linux_immutable, net_broadcast, net_admin, net_raw, ipc_lock, ipc_owner, sys_module, sys_rawio, sys_ptrace, sys_pacct, sys_admin, sys_boot, sys_nice, sys_resource, sys_time, sys_tty_config, mknod, lease, audit_control, mac_override, mac_admin, syslog, wake_alarm, block_suspend, audit_read, perfmon, bpf, checkpoint_restore.
  step 61 'prctl PR_CAPBSET_DROP of 29 capabilities'
  CHAIN+=(setpriv --bounding-set -dac_read_search,-linux_immutable,-net_broadcast,-net_admin,-net_raw,-ipc_lock,-ipc_owner,-sys_module,-sys_rawio,-sys_ptrace,-sys_pacct,-sys_admin,-sys_boot,-sys_nice,-sys_resource,-sys_time,-sys_tty_config,-mknod,-lease,-audit_control,-mac_override,-mac_admin,-syslog,-wake_alarm,-block_suspend,-audit_read,-perfmon,-bpf,-checkpoint_restore)

  # 62. fchdir /
  # The working directory, made where it is missing.
  step 62 'fchdir /'
  cd $ROOT/

  # 63. setresuid uid 0, gid 0
  # The user that the container's program runs as.
  step 63 'setresuid uid 0, gid 0'
  umask 022
  CHAIN+=(--reuid 0 --regid 0 --clear-groups)

  # 64. capset chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap,net_bind_service,sys_chroot,audit_write,setfcap
  # The few rights of root that are left to it; inheritable and ambient ones are empty.
  step 64 'capset chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap,net_bind_service,sys_chroot,audit_write,setfcap'
  CHAIN+=(--inh-caps=-all --ambient-caps=-all)

  # 65. prctl PR_SET_NO_NEW_PRIVS
  # A set-user-ID program inside gives nobody more rights.
  step 65 'prctl PR_SET_NO_NEW_PRIVS'
  CHAIN+=(--no-new-privs)

  # 66. prctl PR_SET_PDEATHSIG SIGKILL
  # If the stage is killed, the kernel ends the container with it: nothing is left running.
  step 66 'prctl PR_SET_PDEATHSIG SIGKILL'
  CHAIN+=(--pdeathsig KILL)

  # 67. close_range 3 and above
  # Descriptors are shared with the stage until here; now they are its own, and all but 0, 1 and 2 close at execve.
  step 67 'close_range 3 and above'
  for fd in $(ls /proc/self/fd); do close $fd; done

  # 68. prlimit64 open files 1024
  # The program has the soft limit that the caller had.
  step 68 'prlimit64 open files 1024'
  ulimit -Sn 1024

  # step 69: seccomp SECCOMP_SET_MODE_FILTER of 307 instructions: no on-board tool does this
  # From here on the kernel refuses system calls that the profile does not allow, to this process and all it starts.

  # 70. execve true
  # The program itself. From here on nothing of the engine is inside.
  step 70 'execve true'
  END=$'echo 59 >&9\nread -r vitrine_script_done <&8 || exit 125\nunset PWD OLDPWD\nexec "$@" 8<&- 9>&-'
  CHAIN+=(env -i --default-signal=INT,QUIT --)
  CHAIN+=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
  CHAIN+=(HOSTNAME=0123456789ab)
  CHAIN+=(HOME=/root)
  exec "${CHAIN[@]}" sh -c "$END" sh true
}

export -f first step failed hear ask begin announce close mount mount_inside cd in_root patiently inside_1 inside_2 inside_3

# -------- Outside, when the container's process asks for it

for_inside_33() {
  step 33 'write 0 to the tasks files of /vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
  echo $PID > /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/tasks
  echo $PID > /sys/fs/cgroup/cpu,cpuacct/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/tasks
  echo $PID > /sys/fs/cgroup/memory/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/tasks
  echo $PID > /sys/fs/cgroup/pids/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/tasks
  echo $PID > /sys/fs/cgroup/systemd/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/tasks
}

for_inside_59() {
  step 59 'pivot_root . .'
  nsenter -t $PID -m sh -c 'cd $ROOT && pivot_root . .'
  nsenter -t $PID -m umount -l /
}

# -------- Outside


# Claim

# step 1: fcntl lock of /run/vitrine/runs/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.0000004242.00000000000000987654/plan: no on-board tool does this
# As long as this lock is held, the run is alive and nobody else may clean up after it.

# step 2: rt_sigprocmask all signals blocked: no on-board tool does this
# Signals that arrive meanwhile wait, and are then handed to the container.

# step 3: prlimit64 open files of the stage: no on-board tool does this
# Each mount is a descriptor until it is attached: the soft limit is raised to the hard one.

# step 4: mkdirat /run/vitrine/runs/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.0000004242.00000000000000987654/connected: no on-board tool does this
# Networks that it is connected to later are noted here: their addresses are free when it ends.

# 5. readlinkat the address 10.92.7.101 of network back
# A link, made whole or not at all, and only by one: the address is taken, and by us.
step 5 'readlinkat the address 10.92.7.101 of network back'
(umask 077 && mkdir -p /run/vitrine/networks/back/leases)
ln -s 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef /run/vitrine/networks/back/leases/10.92.7.101
undo 'rm -f /run/vitrine/networks/back/leases/10.92.7.101'

# 6. symlinkat the name calm_heron_3f2a
# A link to the id, made whole or not at all, and only by one: the name is taken, or it is ours.
step 6 'symlinkat the name calm_heron_3f2a'
mkdir -p /var/lib/vitrine/names && ln -s 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef /var/lib/vitrine/names/calm_heron_3f2a
undo 'rm -f /var/lib/vitrine/names/calm_heron_3f2a'

# 7. mkdirat /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
# Room for what the container writes.
step 7 'mkdirat /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
mkdir -p $SCRATCH/upper $SCRATCH/work
undo 'rm -rf $SCRATCH'

# 8. write /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hosts
# Will be /etc/hosts: of this container alone, and the image's stays as it is.
step 8 'write /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hosts'
mkdir -p /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef && printf %s $'127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n10.92.7.101    \t0123456789ab\n192.0.2.7\t0123456789ab\n2001:db8::7\t0123456789ab\n' > /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hosts
undo 'rm -f /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hosts; rmdir --ignore-fail-on-non-empty /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'

# 9. write /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hostname
# Will be /etc/hostname: of this container alone, and the image's stays as it is.
step 9 'write /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hostname'
mkdir -p /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef && printf %s $'0123456789ab\n' > /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hostname
undo 'rm -f /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hostname; rmdir --ignore-fail-on-non-empty /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'

# 10. write /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/resolv.conf
# Will be /etc/resolv.conf: of this container alone, and the image's stays as it is.
step 10 'write /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/resolv.conf'
mkdir -p /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef && printf %s $'nameserver 10.92.7.1\nsearch example.org\noptions ndots:0\n' > /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/resolv.conf
undo 'rm -f /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/resolv.conf; rmdir --ignore-fail-on-non-empty /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'

# step 11: fsmount a private procfs: no on-board tool does this
# The id maps are written through a procfs that nobody else can reach or cover.

# step 12: pidfd_open the stage itself: no on-board tool does this
# The container's process can see through this whether the stage still lives.

# 13. sendto RTM_GETLINK vt-765432107654 and NFT_MSG_GETTABLE vitrine
# The bridge is up and the firewall stands; else both are set up first, once after each boot.
step 13 'sendto RTM_GETLINK vt-765432107654 and NFT_MSG_GETTABLE vitrine'
ip link show up dev vt-765432107654 | grep . > /dev/null
nft list table inet vitrine > /dev/null

# 14. sendto RTM_GETLINK eth0
# The host's device has to be there.
step 14 'sendto RTM_GETLINK eth0'
ip link show dev eth0 > /dev/null

# 15. sendto RTM_GETLINK eth1
# The host's device has to be there.
step 15 'sendto RTM_GETLINK eth1'
ip link show dev eth1 > /dev/null

# 16. sendto RTM_GETLINK br0
# The host's device has to be there.
step 16 'sendto RTM_GETLINK br0'
ip link show dev br0 > /dev/null

# 17. sendto RTM_GETLINK eth2
# The host's device has to be there.
step 17 'sendto RTM_GETLINK eth2'
ip link show dev eth2 > /dev/null

# Limits

# 18. mkdirat /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
# A control group of its own (cpuset), so that this container can be limited, measured and ended as a whole.
step 18 'mkdirat /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
mkdir /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
undo 'rmdir /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'

# 19. write /sys/fs/cgroup/cpuset/cpuset.cpus to /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/cpuset.cpus
# A new cpuset is empty, and an empty one takes no process: it gets its parent's.
step 19 'write /sys/fs/cgroup/cpuset/cpuset.cpus to /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/cpuset.cpus'
cat /sys/fs/cgroup/cpuset/cpuset.cpus > /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/cpuset.cpus

# 20. write /sys/fs/cgroup/cpuset/cpuset.mems to /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/cpuset.mems
# A new cpuset is empty, and an empty one takes no process: it gets its parent's.
step 20 'write /sys/fs/cgroup/cpuset/cpuset.mems to /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/cpuset.mems'
cat /sys/fs/cgroup/cpuset/cpuset.mems > /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/cpuset.mems

# 21. mkdirat /sys/fs/cgroup/cpu,cpuacct/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
# A control group of its own (cpu,cpuacct), so that this container can be limited, measured and ended as a whole.
step 21 'mkdirat /sys/fs/cgroup/cpu,cpuacct/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
mkdir /sys/fs/cgroup/cpu,cpuacct/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
undo 'rmdir /sys/fs/cgroup/cpu,cpuacct/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'

# 22. mkdirat /sys/fs/cgroup/memory/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
# A control group of its own (memory), so that this container can be limited, measured and ended as a whole.
step 22 'mkdirat /sys/fs/cgroup/memory/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
mkdir /sys/fs/cgroup/memory/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
undo 'rmdir /sys/fs/cgroup/memory/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'

# 23. mkdirat /sys/fs/cgroup/pids/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
# A control group of its own (pids), so that this container can be limited, measured and ended as a whole.
step 23 'mkdirat /sys/fs/cgroup/pids/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
mkdir /sys/fs/cgroup/pids/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
undo 'rmdir /sys/fs/cgroup/pids/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'

# 24. write 2048 to /sys/fs/cgroup/pids/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/pids.max
# Limit: at most 2048 processes.
step 24 'write 2048 to /sys/fs/cgroup/pids/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/pids.max'
echo 2048 > /sys/fs/cgroup/pids/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/pids.max

# 25. mkdirat /sys/fs/cgroup/systemd/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
# A control group of its own (name=systemd), so that this container can be limited, measured and ended as a whole.
step 25 'mkdirat /sys/fs/cgroup/systemd/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
mkdir /sys/fs/cgroup/systemd/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
undo 'rmdir /sys/fs/cgroup/systemd/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'

# 26. mkdirat /sys/fs/cgroup/unified/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
# A control group of its own (v2), so that this container can be limited, measured and ended as a whole.
step 26 'mkdirat /sys/fs/cgroup/unified/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
mkdir /sys/fs/cgroup/unified/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
undo 'rmdir /sys/fs/cgroup/unified/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'

# Namespaces

# 27. clone3 a process with its own mount, pid, network, ipc, uts, user
# The process that becomes the container's first one, in namespaces of its own: what it cannot name it cannot touch.
step 27 'clone3 a process with its own mount, pid, network, ipc, uts, user'
CHAIN+=(unshare --mount --pid --net --ipc --uts --user --keep-caps)
start
echo $PID > /sys/fs/cgroup/unified/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/cgroup.procs
tell go
undo 'echo 1 > /sys/fs/cgroup/unified/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/cgroup.kill'

# 71. write uid_map and gid_map "0 1879113728 65536"
# Root inside is an ordinary, unused id outside: what breaks out has no rights on the host.
step 71 'write uid_map and gid_map "0 1879113728 65536"'
echo '0 1879113728 65536' > /proc/$PID/uid_map; echo '0 1879113728 65536' > /proc/$PID/gid_map
tell 71

# 72. move_mount the container's network namespace on /run/vitrine/runs/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.0000004242.00000000000000987654/netns
# As long as it has a name it outlives its processes, and the host's device in it can be taken back.
step 72 'move_mount the container'\''s network namespace on /run/vitrine/runs/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.0000004242.00000000000000987654/netns'
: > $WORK/netns
command mount --bind /proc/$PID/ns/net $WORK/netns
undo 'unname eth2'

# 73. sendto RTM_NEWLINK veth0badcafe, port of vt-765432107654, and db0 in the container
# Two ends of a cable: what goes in at one comes out at the other. They go with the container's network namespace.
step 73 'sendto RTM_NEWLINK veth0badcafe, port of vt-765432107654, and db0 in the container'
patiently ip link add veth0badcafe mtu 1400 gso_max_size 196608 gro_max_size 196608 master vt-765432107654 up type veth peer name db0 address 02:00:00:00:00:07 mtu 1400 gso_max_size 196608 gro_max_size 196608 netns $PID
ip link set veth0badcafe gso_ipv4_max_size 196608 gro_ipv4_max_size 196608 2>/dev/null || : iproute2 before 6.3
nsenter --net=/proc/$PID/ns/net ip link set db0 gso_ipv4_max_size 196608 gro_ipv4_max_size 196608 2>/dev/null || : iproute2 before 6.3
tell 73

# 74. sendto RTM_NEWLINK vt-765432107654, packets of 196608 bytes
# What the host sends in bulk comes in larger pieces, too: fewer of them, for the same work each.
step 74 'sendto RTM_NEWLINK vt-765432107654, packets of 196608 bytes'
ip link set vt-765432107654 gso_max_size 196608 gro_max_size 196608 || : a smaller port
ip link set vt-765432107654 gso_ipv4_max_size 196608 gro_ipv4_max_size 196608 2>/dev/null || : iproute2 before 6.3

# 75. sendto RTM_NEWLINK lan0 in the container, a macvlan of eth0 (private)
# A host of its own on the parent's network, with a MAC address of its own; it goes with the container's network namespace.
step 75 'sendto RTM_NEWLINK lan0 in the container, a macvlan of eth0 (private)'
patiently ip link add link eth0 name lan0 address 02:42:c0:00:02:07 netns $PID type macvlan mode private
tell 75

# 76. sendto RTM_NEWLINK eth2 in the container, a macvlan of eth1 (bridge)
# A host of its own on the parent's network, with a MAC address of its own; it goes with the container's network namespace.
step 76 'sendto RTM_NEWLINK eth2 in the container, a macvlan of eth1 (bridge)'
patiently ip link add link eth1 name eth2 address 02:42:f2:03:04:05 netns $PID type macvlan mode bridge
tell 76

# 77. sendto RTM_NEWLINK ve-calm_herXMTK and host0 in the container
# Two ends of a cable: what goes in at one comes out at the other. They go with the container's network namespace.
step 77 'sendto RTM_NEWLINK ve-calm_herXMTK and host0 in the container'
patiently ip link add ve-calm_herXMTK up type veth peer name host0 address 02:42:f3:04:05:06 netns $PID
[ ! -e /proc/sys/net/ipv6/conf/ve-calm_herXMTK/accept_ra ] || echo 0 > /proc/sys/net/ipv6/conf/ve-calm_herXMTK/accept_ra
tell 77

# 78. sendto RTM_NEWLINK vb-mine, port of br0, and eth4 in the container
# Two ends of a cable: what goes in at one comes out at the other. They go with the container's network namespace.
step 78 'sendto RTM_NEWLINK vb-mine, port of br0, and eth4 in the container'
patiently ip link add vb-mine master br0 up type veth peer name eth4 address 02:42:f4:05:06:07 netns $PID
tell 78

# 79. sendto RTM_NEWLINK eth2 into the container as wan0
# Asked for: the device leaves the host for as long as the container runs.
step 79 'sendto RTM_NEWLINK eth2 into the container as wan0'
lend eth2 wan0
undo 'take_home eth2 wan0 up'
tell 79

# 80. mkdirat /run/vitrine/runs/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.0000004242.00000000000000987654/dhcp-eth2
# What the DHCP client works with: a hook that sets what the server says, and a pipe by which that tells of it.
step 80 'mkdirat /run/vitrine/runs/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.0000004242.00000000000000987654/dhcp-eth2'
mkdir -m 700 "$WORK"/dhcp-eth2

# 81. clone3 a DHCP client for eth2
# The container's address is another's to give: the host's own client asks for it, in the container's network namespace.
step 81 'clone3 a DHCP client for eth2'
dhcp_start eth2 others /usr/bin/busybox udhcpc -f -R -i eth2 -s "$WORK"/dhcp-eth2/hook -t 5 -T 2 -A 2 -x hostname:0123456789ab
undo 'dhcp_end eth2'

# 82. wait4 the DHCP client of eth2
# Ends with the stage, by the kernel's hand; then the client is told to end, and gives the address back.

# 83. execve /usr/bin/busybox udhcpc -f -R -i eth2 -s /run/vitrine/runs/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.0000004242.00000000000000987654/dhcp-eth2/hook -t 5 -T 2 -A 2 -x hostname:0123456789ab
# The host's program, on the host's files, in the container's network: it renews the lease in time, and gives it back when it is told to end.

# Root file system

# 84. open_tree /srv/root
# A layer of the image, read only. Id-mapped: nothing is chowned.
step 84 'open_tree /srv/root'
mount --bind -o X-mount.idmap=/proc/$PID/ns/user /srv/root $MOUNTS/layer0

# 85. open_tree /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
# What the container writes goes here; ids on disk start at 0. Id-mapped: nothing is chowned.
step 85 'open_tree /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
chown 1879113728:1879113728 $SCRATCH/upper $SCRATCH/work

# 86. mount overlay of /srv/root and /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/upper
# Layers below, a writable directory on top: the image stays as it is, however often it is used.
step 86 'mount overlay of /srv/root and /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/upper'
mount -t overlay -o nodev,lowerdir=$MOUNTS/layer0,upperdir=$SCRATCH/upper,workdir=$SCRATCH/work,volatile overlay $MOUNTS/root

# 87. open_tree /dev/{null,zero,full,random,urandom,tty}
# The host's null, zero, full, random, urandom, tty, checked by device number; a user namespace cannot make nodes, and needs no others.
step 87 'open_tree /dev/{null,zero,full,random,urandom,tty}'
for n in null zero full random urandom tty; do mount -o bind,ro /dev/$n $MOUNTS/dev-$n; done

# 88. open_tree /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hosts
# A directory or file of the host; ids inside and outside mean the same there.
step 88 'open_tree /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hosts'
mount --bind -o X-mount.idmap=/proc/$PID/ns/user,nosuid,nodev,noexec /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hosts $MOUNTS/mount%2Fetc%2Fhosts

# 89. open_tree /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hostname
# A directory or file of the host; ids inside and outside mean the same there.
step 89 'open_tree /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hostname'
mount --bind -o X-mount.idmap=/proc/$PID/ns/user,nosuid,nodev,noexec /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hostname $MOUNTS/mount%2Fetc%2Fhostname

# 90. open_tree /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/resolv.conf
# A directory or file of the host; ids inside and outside mean the same there.
step 90 'open_tree /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/resolv.conf'
mount --bind -o X-mount.idmap=/proc/$PID/ns/user,nosuid,nodev,noexec /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/resolv.conf $MOUNTS/mount%2Fetc%2Fresolv.conf

# 91. write /run/vitrine/runs/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.0000004242.00000000000000987654/link-wan0
# By this the device is found again when the container has ended.

# 92. ppoll a lease for eth2, for 15 s at most
# Its program does not begin without an address. What the server says of routes and name servers is set by then.
step 92 'ppoll a lease for eth2, for 15 s at most'
before_program dhcp_await eth2 15
tell 92

# Life and end

# step 93: close_range all but the lock and the pidfd: no on-board tool does this
# The stage holds nothing of the container while it runs: when its last process goes, the kernel takes the rest.
attend 59

# step 94: writev create, start to /run/vitrine/events: no on-board tool does this
# Whoever follows the events of this host is told.

# 95. waitid the container
# Signals go to the container's first process; its exit status becomes ours.
step 95 'waitid the container'
wait $PID || STATUS=$?

# 96. kill the DHCP client of eth2
# It gives the address back and ends; after 3 s it is ended.
step 96 'kill the DHCP client of eth2'
dhcp_end eth2

# step 97: writev die to /run/vitrine/events: no on-board tool does this
# Whoever follows the events of this host is told.

# step 98: execve vitrine ended, if the status is 128 or more: no on-board tool does this
# A process that was killed may have met a limit: the program looks into the groups before they go.

# 99. unlinkat what the run left
# Every op that left something has an undo; they run now, newest first. Then the plan itself goes.

# step 100: writev destroy to /run/vitrine/events: no on-board tool does this
# Whoever follows the events of this host is told.

# 101. exit_group the container's status
# The command ends as the container did.
step 101 'exit_group the container'\''s status'
exit $STATUS
