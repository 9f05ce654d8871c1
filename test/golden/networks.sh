#!/bin/bash
# The same container with on-board tools: keep this in a file, and run it as root.
# Steps bear the numbers of `vitrine run --explain`; what no on-board tool can do is marked. Besides:
# - Until its last command the container's process is bash; vitrine's can be neither traced nor read by anybody.
# - No session keyring of its own: that takes keyctl of keyutils, which is not on board.
# - What the container writes has, on disk, the ids of its range; vitrine's start at 0.
# - No seccomp filter: every system call is allowed.
# - Connections that led to a published port end with the container only where conntrack(8) is.

# The functions: src/explain/bash.ts

# Those about networks: src/explain/bashnetwork.ts

# -------- In the container's process

inside_1() {
  begin
  announce

  # Namespaces

  # 31. prctl PR_SET_PDEATHSIG SIGKILL
  # If the stage is killed, the kernel ends the container with it: nothing is left running.
  step 31 'prctl PR_SET_PDEATHSIG SIGKILL'
  CHAIN+=(setpriv --pdeathsig KILL)

  # step 32: prctl PR_SET_DUMPABLE 0: no on-board tool does this
  # Nobody may trace this process, read its memory or take its descriptors before it is the container's program.
  exec "${CHAIN[@]}" bash -c inside_2
}

inside_2() {
  begin

  # 33. mount / recursively private
  # No mount made in here is seen outside, and none made outside arrives in here.
  step 33 'mount / recursively private'
  mount --make-rprivate /

  # 34. sethostname web.example.org
  # A name of its own in a UTS namespace of its own; the host keeps its name.
  step 34 'sethostname web.example.org'
  hostname web.example.org

  # 35. sendto RTM_NEWLINK lo up
  # The new network namespace has only a loopback device, and that is down.
  step 35 'sendto RTM_NEWLINK lo up'
  ip link set lo up

  # 36. write 0 to the tasks files of /vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
  # The process puts itself under the limits, before anything of the container runs.
  step 36 'write 0 to the tasks files of /vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
  ask 36

  # 37. unshare the cgroup namespace
  # From here on the container sees its own groups as the roots, and nothing above them.
  step 37 'unshare the cgroup namespace'
  CHAIN+=(unshare --cgroup)

  # 38. setresuid 0 of the user namespace
  # Until its ids are mapped the process is nobody; now it is root of its own namespace only.
  step 38 'setresuid 0 of the user namespace'
  hear 69
  CHAIN+=(setpriv --reuid 0 --regid 0 --clear-groups)
  exec "${CHAIN[@]}" bash -c inside_3
}

inside_3() {
  begin

  # 39. sendto RTM_NEWADDR 10.91.0.7/16, fd12:3456:789a:1::10.91.0.7/64, eth0 up
  # The container's own addresses; what is for others goes by the bridge.
  step 39 'sendto RTM_NEWADDR 10.91.0.7/16, fd12:3456:789a:1::10.91.0.7/64, eth0 up'
  hear 70
  sh -c '[ ! -e "$0" ] || echo 0 > "$0"' /proc/sys/net/ipv6/conf/eth0/accept_ra
  ip addr add 10.91.0.7/16 brd + dev eth0
  ip addr add fd12:3456:789a:1::10.91.0.7/64 nodad dev eth0
  ip link set eth0 up
  ip route add default via 10.91.0.1 dev eth0
  ip -6 route add default via fd12:3456:789a:1::1 dev eth0

  # 40. sendto RTM_NEWADDR 10.92.7.101/24, db0 up
  # The container's own address.
  step 40 'sendto RTM_NEWADDR 10.92.7.101/24, db0 up'
  hear 71
  sh -c '[ ! -e "$0" ] || echo 0 > "$0"' /proc/sys/net/ipv6/conf/db0/accept_ra
  ip addr add 10.92.7.101/24 brd + dev db0
  ip link set db0 up

  # Root file system

  # 41. move_mount the root file system onto /
  # Only in this mount namespace: the host sees nothing of it, and it goes when the namespace goes.
  step 41 'move_mount the root file system onto /'
  hear 81
  mount --move $MOUNTS/root $ROOT

  # Files inside

  # 42. mount proc on /proc
  # A procfs of this PID namespace: without it ps would show (and kill would reach) other processes.
  step 42 'mount proc on /proc'
  mount -t proc -o nosuid,noexec,nodev proc $ROOT/proc

  # 43. mount tmpfs on /dev
  # Memory, gone with the container.
  step 43 'mount tmpfs on /dev'
  mount -t tmpfs -o nosuid,strictatime,mode=755,size=65536k tmpfs $ROOT/dev

  # 44. move_mount /dev/{null,zero,full,random,urandom,tty}
  # The nodes and the usual links; no disk, no memory, no terminal of the host.
  step 44 'move_mount /dev/{null,zero,full,random,urandom,tty}'
  for n in null zero full random urandom tty; do mount --move $MOUNTS/dev-$n $ROOT/dev/$n; done
  ln -s /proc/self/fd $ROOT/dev/fd
  ln -s /proc/self/fd/0 $ROOT/dev/stdin
  ln -s /proc/self/fd/1 $ROOT/dev/stdout
  ln -s /proc/self/fd/2 $ROOT/dev/stderr
  ln -s pts/ptmx $ROOT/dev/ptmx
  ln -s /proc/kcore $ROOT/dev/core

  # 45. mount devpts on /dev/pts
  # Pseudo terminals of its own: none of the host's can be opened.
  step 45 'mount devpts on /dev/pts'
  mount -t devpts -o nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5 devpts $ROOT/dev/pts

  # 46. mount sysfs on /sys
  # Devices and kernel objects to look at, not to change.
  step 46 'mount sysfs on /sys'
  mount -t sysfs -o nosuid,noexec,nodev,ro sysfs $ROOT/sys

  # 47. mount cpuset,cpu,cpuacct,memory,pids,systemd,unified on /sys/fs/cgroup
  # The limits it sits under, to look at, not to change.
  step 47 'mount cpuset,cpu,cpuacct,memory,pids,systemd,unified on /sys/fs/cgroup'
  mount -t tmpfs -o nosuid,noexec,nodev,relatime,mode=755 tmpfs $ROOT/sys/fs/cgroup
  mount -t cgroup -o nosuid,noexec,nodev,relatime,ro,cpuset cgroup $ROOT/sys/fs/cgroup/cpuset
  mount -t cgroup -o nosuid,noexec,nodev,relatime,ro,cpu,cpuacct cgroup $ROOT/sys/fs/cgroup/cpu,cpuacct
  mount -t cgroup -o nosuid,noexec,nodev,relatime,ro,memory cgroup $ROOT/sys/fs/cgroup/memory
  mount -t cgroup -o nosuid,noexec,nodev,relatime,ro,pids cgroup $ROOT/sys/fs/cgroup/pids
  mount -t cgroup -o nosuid,noexec,nodev,relatime,ro,none,name=systemd cgroup $ROOT/sys/fs/cgroup/systemd
  mount -t cgroup2 -o nosuid,noexec,nodev,relatime,ro cgroup $ROOT/sys/fs/cgroup/unified
  mount -o remount,bind,nosuid,noexec,nodev,relatime,ro $ROOT/sys/fs/cgroup

  # 48. mount mqueue on /dev/mqueue
  # POSIX message queues of this IPC namespace.
  step 48 'mount mqueue on /dev/mqueue'
  mount -t mqueue -o nosuid,noexec,nodev mqueue $ROOT/dev/mqueue

  # 49. mount tmpfs on /dev/shm
  # Memory, gone with the container.
  step 49 'mount tmpfs on /dev/shm'
  mount -t tmpfs -o nosuid,noexec,nodev,mode=1777,size=65536k shm $ROOT/dev/shm

  # 50. move_mount /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hosts on /etc/hosts
  # Visible at /etc/hosts.
  step 50 'move_mount /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hosts on /etc/hosts'
  mount --move $MOUNTS/mount%2Fetc%2Fhosts $ROOT/etc/hosts

  # 51. move_mount /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hostname on /etc/hostname
  # Visible at /etc/hostname.
  step 51 'move_mount /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hostname on /etc/hostname'
  mount --move $MOUNTS/mount%2Fetc%2Fhostname $ROOT/etc/hostname

  # 52. move_mount /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/resolv.conf on /etc/resolv.conf
  # Visible at /etc/resolv.conf.
  step 52 'move_mount /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/resolv.conf on /etc/resolv.conf'
  mount --move $MOUNTS/mount%2Fetc%2Fresolv.conf $ROOT/etc/resolv.conf

  # 53. write 0 65535 to /proc/sys/net/ipv4/ping_group_range
  # A parameter of its own namespace: the host keeps its value.
  step 53 'write 0 65535 to /proc/sys/net/ipv4/ping_group_range'
  echo '0 65535' > $ROOT/proc/sys/net/ipv4/ping_group_range

  # 54. write 0 to /proc/sys/net/ipv4/ip_unprivileged_port_start
  # A parameter of its own namespace: the host keeps its value.
  step 54 'write 0 to /proc/sys/net/ipv4/ip_unprivileged_port_start'
  echo 0 > $ROOT/proc/sys/net/ipv4/ip_unprivileged_port_start

  # 55. mount_setattr /proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger read-only
  # These belong to the one kernel that all share; writing there would reach the host.
  step 55 'mount_setattr /proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger read-only'
  for p in /proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger; do ! [ -e "$ROOT$p" ] || { mount --rbind "$ROOT$p" "$ROOT$p"; mount -o remount,bind,ro,nosuid,nodev,noexec "$ROOT$p"; }; done

  # 56. move_mount covers on /proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/kmsg /proc/latency_stats /proc/sched_debug /proc/scsi /proc/timer_list /proc/timer_stats /sys/devices/virtual/powercap /sys/firmware
  # These tell about the host, or reach it: each is covered by nothing at all.
  step 56 'move_mount covers on /proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/kmsg /proc/latency_stats /proc/sched_debug /proc/scsi /proc/timer_list /proc/timer_stats /sys/devices/virtual/powercap /sys/firmware'
  for p in /proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/kmsg /proc/latency_stats /proc/sched_debug /proc/scsi /proc/timer_list /proc/timer_stats /sys/devices/virtual/powercap /sys/firmware; do if [ -d "$ROOT$p" ]; then mount -t tmpfs -o ro,nosuid,nodev,noexec,size=0,nr_inodes=2 tmpfs "$ROOT$p"; elif [ -e "$ROOT$p" ]; then mount --bind $ROOT/dev/null "$ROOT$p"; fi; done

  # 57. pivot_root . .
  # Unlike chroot this changes the root of the namespace itself: the old one is not hidden, it is gone.
  step 57 'pivot_root . .'
  # Asked for at the very end: after it there are none of the host's tools.

  # Process

  # 58. setsid a session and keyring of its own
  # No controlling terminal and no keys of the caller.
  step 58 'setsid a session and keyring of its own'
  CHAIN+=(setsid)

  # 59. prctl PR_CAPBSET_DROP of 29 capabilities
  # No program started in here can ever get dac_read_search, linux_immutable, net_broadcast, net_admin, net_raw, ipc_lock, ipc_owner, sys_module, sys_rawio, sys_ptrace, sys_pacct, sys_admin, sys_boot, sys_nice, sys_resource, sys_time, sys_tty_config, mknod, lease, audit_control, mac_override, mac_admin, syslog, wake_alarm, block_suspend, audit_read, perfmon, bpf, checkpoint_restore.
  step 59 'prctl PR_CAPBSET_DROP of 29 capabilities'
  CHAIN+=(setpriv --bounding-set -dac_read_search,-linux_immutable,-net_broadcast,-net_admin,-net_raw,-ipc_lock,-ipc_owner,-sys_module,-sys_rawio,-sys_ptrace,-sys_pacct,-sys_admin,-sys_boot,-sys_nice,-sys_resource,-sys_time,-sys_tty_config,-mknod,-lease,-audit_control,-mac_override,-mac_admin,-syslog,-wake_alarm,-block_suspend,-audit_read,-perfmon,-bpf,-checkpoint_restore)

  # 60. fchdir /
  # The working directory, made where it is missing.
  step 60 'fchdir /'
  cd $ROOT/

  # 61. setresuid uid 0, gid 0
  # The user that the container's program runs as.
  step 61 'setresuid uid 0, gid 0'
  umask 022
  CHAIN+=(--reuid 0 --regid 0 --clear-groups)

  # 62. capset chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap,net_bind_service,sys_chroot,audit_write,setfcap
  # The few rights of root that are left to it; inheritable and ambient ones are empty.
  step 62 'capset chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap,net_bind_service,sys_chroot,audit_write,setfcap'
  CHAIN+=(--inh-caps=-all --ambient-caps=-all)

  # 63. prctl PR_SET_NO_NEW_PRIVS
  # A set-user-ID program inside gives nobody more rights.
  step 63 'prctl PR_SET_NO_NEW_PRIVS'
  CHAIN+=(--no-new-privs)

  # 64. prctl PR_SET_PDEATHSIG SIGKILL
  # If the stage is killed, the kernel ends the container with it: nothing is left running.
  step 64 'prctl PR_SET_PDEATHSIG SIGKILL'
  CHAIN+=(--pdeathsig KILL)

  # 65. close_range 3 and above
  # Descriptors are shared with the stage until here; now they are its own, and all but 0, 1 and 2 close at execve.
  step 65 'close_range 3 and above'
  for fd in $(ls /proc/self/fd); do close $fd; done

  # 66. prlimit64 open files 1024
  # The program has the soft limit that the caller had.
  step 66 'prlimit64 open files 1024'
  ulimit -Sn 1024

  # step 67: seccomp SECCOMP_SET_MODE_FILTER of 307 instructions: no on-board tool does this
  # From here on the kernel refuses system calls that the profile does not allow, to this process and all it starts.

  # 68. execve true
  # The program itself. From here on nothing of the engine is inside.
  step 68 'execve true'
  END=$'echo 57 >&9\nread -r vitrine_script_done <&8 || exit 125\nunset PWD OLDPWD\nexec "$@" 8<&- 9>&-'
  CHAIN+=(env -i --default-signal=INT,QUIT --)
  CHAIN+=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
  CHAIN+=(HOSTNAME=web.example.org)
  CHAIN+=(HOME=/root)
  exec "${CHAIN[@]}" sh -c "$END" sh true
}

export -f first step failed hear ask begin announce close mount mount_inside cd in_root patiently inside_1 inside_2 inside_3

# -------- Outside, when the container's process asks for it

for_inside_36() {
  step 36 'write 0 to the tasks files of /vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
  echo $PID > /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/tasks
  echo $PID > /sys/fs/cgroup/cpu,cpuacct/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/tasks
  echo $PID > /sys/fs/cgroup/memory/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/tasks
  echo $PID > /sys/fs/cgroup/pids/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/tasks
  echo $PID > /sys/fs/cgroup/systemd/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/tasks
}

for_inside_57() {
  step 57 'pivot_root . .'
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

# 5. readlinkat the address 10.91.0.7 of network bridge
# A link, made whole or not at all, and only by one: the address is taken, and by us.
step 5 'readlinkat the address 10.91.0.7 of network bridge'
(umask 077 && mkdir -p /run/vitrine/networks/bridge/leases)
ln -s 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef /run/vitrine/networks/bridge/leases/10.91.0.7
undo 'rm -f /run/vitrine/networks/bridge/leases/10.91.0.7'

# 6. readlinkat the address 10.92.7.101 of network back
# A link, made whole or not at all, and only by one: the address is taken, and by us.
step 6 'readlinkat the address 10.92.7.101 of network back'
(umask 077 && mkdir -p /run/vitrine/networks/back/leases)
ln -s 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef /run/vitrine/networks/back/leases/10.92.7.101
undo 'rm -f /run/vitrine/networks/back/leases/10.92.7.101'

# 7. symlinkat the name calm_heron_3f2a
# A link to the id, made whole or not at all, and only by one: the name is taken, or it is ours.
step 7 'symlinkat the name calm_heron_3f2a'
mkdir -p /var/lib/vitrine/names && ln -s 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef /var/lib/vitrine/names/calm_heron_3f2a
undo 'rm -f /var/lib/vitrine/names/calm_heron_3f2a'

# 8. mkdirat /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
# Room for what the container writes.
step 8 'mkdirat /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
mkdir -p $SCRATCH/upper $SCRATCH/work
undo 'rm -rf $SCRATCH'

# 9. write /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hosts
# Will be /etc/hosts: of this container alone, and the image's stays as it is.
step 9 'write /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hosts'
mkdir -p /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef && printf %s $'127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n10.91.0.1\th\n10.91.0.7      \tweb.example.org web\nfd12:3456:789a:1::10.91.0.7      \tweb.example.org web\n10.92.7.101    \tweb.example.org web\n' > /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hosts
undo 'rm -f /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hosts; rmdir --ignore-fail-on-non-empty /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'

# 10. write /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hostname
# Will be /etc/hostname: of this container alone, and the image's stays as it is.
step 10 'write /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hostname'
mkdir -p /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef && printf %s $'web.example.org\n' > /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hostname
undo 'rm -f /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hostname; rmdir --ignore-fail-on-non-empty /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'

# 11. write /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/resolv.conf
# Will be /etc/resolv.conf: of this container alone, and the image's stays as it is.
step 11 'write /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/resolv.conf'
mkdir -p /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef && printf %s $'nameserver 10.92.7.1\nsearch example.org\noptions ndots:0\n' > /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/resolv.conf
undo 'rm -f /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/resolv.conf; rmdir --ignore-fail-on-non-empty /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'

# step 12: fsmount a private procfs: no on-board tool does this
# The id maps are written through a procfs that nobody else can reach or cover.

# step 13: pidfd_open the stage itself: no on-board tool does this
# The container's process can see through this whether the stage still lives.

# 14. socketpair where the sockets of published ports are kept
# Sockets on their way to the other end stay open as long as that is: one descriptor for all of them.

# 15. bind tcp port 127.0.0.1:8080
# Held as long as the container runs: no other program gets it, and none that has it loses what is sent to it.
step 15 'bind tcp port 127.0.0.1:8080'
hold PORT1 tcp 127.0.0.1 8080

# 16. bind udp port 0.0.0.0:53
# Held as long as the container runs: no other program gets it, and none that has it loses what is sent to it.
step 16 'bind udp port 0.0.0.0:53'
hold PORT2 udp 0.0.0.0 53

# 17. bind tcp port [::]:0, any that is free
# Held as long as the container runs: no other program gets it, and none that has it loses what is sent to it.
step 17 'bind tcp port [::]:0, any that is free'
hold PORT3 tcp :: 0

# 18. close this end of it
# Nothing more goes in; the ports are ours.

# 19. sendto RTM_GETLINK vitrine0 and NFT_MSG_GETTABLE vitrine
# The bridge is up and the firewall stands; else both are set up first, once after each boot.
step 19 'sendto RTM_GETLINK vitrine0 and NFT_MSG_GETTABLE vitrine'
ip link show up dev vitrine0 | grep . > /dev/null
nft list table inet vitrine > /dev/null

# 20. sendto RTM_GETLINK vt-765432107654 and NFT_MSG_GETTABLE vitrine
# The bridge is up and the firewall stands; else both are set up first, once after each boot.
step 20 'sendto RTM_GETLINK vt-765432107654 and NFT_MSG_GETTABLE vitrine'
ip link show up dev vt-765432107654 | grep . > /dev/null
nft list table inet vitrine > /dev/null

# Limits

# 21. mkdirat /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
# A control group of its own (cpuset), so that this container can be limited, measured and ended as a whole.
step 21 'mkdirat /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
mkdir /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
undo 'rmdir /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'

# 22. write /sys/fs/cgroup/cpuset/cpuset.cpus to /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/cpuset.cpus
# A new cpuset is empty, and an empty one takes no process: it gets its parent's.
step 22 'write /sys/fs/cgroup/cpuset/cpuset.cpus to /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/cpuset.cpus'
cat /sys/fs/cgroup/cpuset/cpuset.cpus > /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/cpuset.cpus

# 23. write /sys/fs/cgroup/cpuset/cpuset.mems to /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/cpuset.mems
# A new cpuset is empty, and an empty one takes no process: it gets its parent's.
step 23 'write /sys/fs/cgroup/cpuset/cpuset.mems to /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/cpuset.mems'
cat /sys/fs/cgroup/cpuset/cpuset.mems > /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/cpuset.mems

# 24. mkdirat /sys/fs/cgroup/cpu,cpuacct/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
# A control group of its own (cpu,cpuacct), so that this container can be limited, measured and ended as a whole.
step 24 'mkdirat /sys/fs/cgroup/cpu,cpuacct/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
mkdir /sys/fs/cgroup/cpu,cpuacct/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
undo 'rmdir /sys/fs/cgroup/cpu,cpuacct/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'

# 25. mkdirat /sys/fs/cgroup/memory/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
# A control group of its own (memory), so that this container can be limited, measured and ended as a whole.
step 25 'mkdirat /sys/fs/cgroup/memory/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
mkdir /sys/fs/cgroup/memory/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
undo 'rmdir /sys/fs/cgroup/memory/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'

# 26. mkdirat /sys/fs/cgroup/pids/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
# A control group of its own (pids), so that this container can be limited, measured and ended as a whole.
step 26 'mkdirat /sys/fs/cgroup/pids/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
mkdir /sys/fs/cgroup/pids/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
undo 'rmdir /sys/fs/cgroup/pids/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'

# 27. write 2048 to /sys/fs/cgroup/pids/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/pids.max
# Limit: at most 2048 processes.
step 27 'write 2048 to /sys/fs/cgroup/pids/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/pids.max'
echo 2048 > /sys/fs/cgroup/pids/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/pids.max

# 28. mkdirat /sys/fs/cgroup/systemd/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
# A control group of its own (name=systemd), so that this container can be limited, measured and ended as a whole.
step 28 'mkdirat /sys/fs/cgroup/systemd/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
mkdir /sys/fs/cgroup/systemd/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
undo 'rmdir /sys/fs/cgroup/systemd/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'

# 29. mkdirat /sys/fs/cgroup/unified/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
# A control group of its own (v2), so that this container can be limited, measured and ended as a whole.
step 29 'mkdirat /sys/fs/cgroup/unified/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
mkdir /sys/fs/cgroup/unified/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
undo 'rmdir /sys/fs/cgroup/unified/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'

# Namespaces

# 30. clone3 a process with its own mount, pid, network, ipc, uts, user
# The process that becomes the container's first one, in namespaces of its own: what it cannot name it cannot touch.
step 30 'clone3 a process with its own mount, pid, network, ipc, uts, user'
CHAIN+=(unshare --mount --pid --net --ipc --uts --user --keep-caps)
start
echo $PID > /sys/fs/cgroup/unified/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/cgroup.procs
tell go
undo 'echo 1 > /sys/fs/cgroup/unified/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/cgroup.kill'

# 69. write uid_map and gid_map "0 1879113728 65536"
# Root inside is an ordinary, unused id outside: what breaks out has no rights on the host.
step 69 'write uid_map and gid_map "0 1879113728 65536"'
echo '0 1879113728 65536' > /proc/$PID/uid_map; echo '0 1879113728 65536' > /proc/$PID/gid_map
tell 69

# 70. sendto RTM_NEWLINK veth0badcafe, port of vitrine0, and eth0 in the container
# Two ends of a cable: what goes in at one comes out at the other. They go with the container's network namespace.
step 70 'sendto RTM_NEWLINK veth0badcafe, port of vitrine0, and eth0 in the container'
patiently ip link add veth0badcafe master vitrine0 up type veth peer name eth0 address 02:42:0a:5b:00:07 netns $PID
tell 70

# 71. sendto RTM_NEWLINK veth0badcafe1, port of vt-765432107654, and db0 in the container
# Two ends of a cable: what goes in at one comes out at the other. They go with the container's network namespace.
step 71 'sendto RTM_NEWLINK veth0badcafe1, port of vt-765432107654, and db0 in the container'
patiently ip link add veth0badcafe1 mtu 1400 gso_max_size 196608 gro_max_size 196608 master vt-765432107654 up type veth peer name db0 address 02:00:00:00:00:07 mtu 1400 gso_max_size 196608 gro_max_size 196608 netns $PID
ip link set veth0badcafe1 gso_ipv4_max_size 196608 gro_ipv4_max_size 196608 2>/dev/null || : iproute2 before 6.3
nsenter --net=/proc/$PID/ns/net ip link set db0 gso_ipv4_max_size 196608 gro_ipv4_max_size 196608 2>/dev/null || : iproute2 before 6.3
tell 71

# 72. sendto RTM_NEWLINK vt-765432107654, packets of 196608 bytes
# What the host sends in bulk comes in larger pieces, too: fewer of them, for the same work each.
step 72 'sendto RTM_NEWLINK vt-765432107654, packets of 196608 bytes'
ip link set vt-765432107654 gso_max_size 196608 gro_max_size 196608 || : a smaller port
ip link set vt-765432107654 gso_ipv4_max_size 196608 gro_ipv4_max_size 196608 2>/dev/null || : iproute2 before 6.3

# 73. sendto NFT_MSG_NEWSETELEM 127.0.0.1:8080/tcp to 10.91.0.7:80, 0.0.0.0:53/udp to 10.91.0.7:53, [::]:0/tcp to [fd12:3456:789a:1::10.91.0.7]:443
# What comes for these ports of the host is turned to the container; nothing else reaches it from outside.
step 73 'sendto NFT_MSG_NEWSETELEM 127.0.0.1:8080/tcp to 10.91.0.7:80, 0.0.0.0:53/udp to 10.91.0.7:53, [::]:0/tcp to [fd12:3456:789a:1::10.91.0.7]:443'
nft create element inet vitrine published4 '{ 127.0.0.1 . tcp . 8080 : 10.91.0.7 . 80 }'
nft create element inet vitrine anywhere4 '{ udp . 53 : 10.91.0.7 . 53 }'
nft create element inet vitrine anywhere6 "{ tcp . $PORT3 : fd12:3456:789a:1::a5b:7 . 443 }"
undo $'nft delete element inet vitrine published4 \'{ 127.0.0.1 . tcp . 8080 }\' 2> /dev/null || : gone already\nnft delete element inet vitrine anywhere4 \'{ udp . 53 }\' 2> /dev/null || : gone already\nnft delete element inet vitrine anywhere6 "{ tcp . $PORT3 }" 2> /dev/null || : gone already\nconntrack -D -r 10.91.0.7 > /dev/null 2>&1 || :\nconntrack -f ipv6 -D -r fd12:3456:789a:1::10.91.0.7 > /dev/null 2>&1 || :'

# 74. sendto IPCTNL_MSG_CT_GET, UDP to 53
# Whoever has sent to the port before goes on being led elsewhere as long as he sends: that is forgotten, if there is one.
step 74 'sendto IPCTNL_MSG_CT_GET, UDP to 53'
conntrack -D -p udp --orig-port-dst 53 > /dev/null 2>&1 || :

# Root file system

# 75. open_tree /srv/root
# A layer of the image, read only. Id-mapped: nothing is chowned.
step 75 'open_tree /srv/root'
mount --bind -o X-mount.idmap=/proc/$PID/ns/user /srv/root $MOUNTS/layer0

# 76. open_tree /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
# What the container writes goes here; ids on disk start at 0. Id-mapped: nothing is chowned.
step 76 'open_tree /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
chown 1879113728:1879113728 $SCRATCH/upper $SCRATCH/work

# 77. mount overlay of /srv/root and /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/upper
# Layers below, a writable directory on top: the image stays as it is, however often it is used.
step 77 'mount overlay of /srv/root and /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/upper'
mount -t overlay -o nodev,lowerdir=$MOUNTS/layer0,upperdir=$SCRATCH/upper,workdir=$SCRATCH/work,volatile overlay $MOUNTS/root

# 78. open_tree /dev/{null,zero,full,random,urandom,tty}
# The host's null, zero, full, random, urandom, tty, checked by device number; a user namespace cannot make nodes, and needs no others.
step 78 'open_tree /dev/{null,zero,full,random,urandom,tty}'
for n in null zero full random urandom tty; do mount -o bind,ro /dev/$n $MOUNTS/dev-$n; done

# 79. open_tree /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hosts
# A directory or file of the host; ids inside and outside mean the same there.
step 79 'open_tree /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hosts'
mount --bind -o X-mount.idmap=/proc/$PID/ns/user,nosuid,nodev,noexec /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hosts $MOUNTS/mount%2Fetc%2Fhosts

# 80. open_tree /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hostname
# A directory or file of the host; ids inside and outside mean the same there.
step 80 'open_tree /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hostname'
mount --bind -o X-mount.idmap=/proc/$PID/ns/user,nosuid,nodev,noexec /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/hostname $MOUNTS/mount%2Fetc%2Fhostname

# 81. open_tree /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/resolv.conf
# A directory or file of the host; ids inside and outside mean the same there.
step 81 'open_tree /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/resolv.conf'
mount --bind -o X-mount.idmap=/proc/$PID/ns/user,nosuid,nodev,noexec /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/resolv.conf $MOUNTS/mount%2Fetc%2Fresolv.conf
tell 81

# Life and end

# step 82: close_range all but the lock and the pidfd: no on-board tool does this
# The stage holds nothing of the container while it runs: when its last process goes, the kernel takes the rest.
attend 57

# step 83: writev create, start to /run/vitrine/events: no on-board tool does this
# Whoever follows the events of this host is told.

# 84. waitid the container
# Signals go to the container's first process; its exit status becomes ours.
step 84 'waitid the container'
wait $PID || STATUS=$?

# step 85: writev die to /run/vitrine/events: no on-board tool does this
# Whoever follows the events of this host is told.

# step 86: execve vitrine ended, if the status is 128 or more: no on-board tool does this
# A process that was killed may have met a limit: the program looks into the groups before they go.

# 87. unlinkat what the run left
# Every op that left something has an undo; they run now, newest first. Then the plan itself goes.

# step 88: writev destroy to /run/vitrine/events: no on-board tool does this
# Whoever follows the events of this host is told.

# 89. exit_group the container's status
# The command ends as the container did.
step 89 'exit_group the container'\''s status'
exit $STATUS
