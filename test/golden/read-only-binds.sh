#!/bin/bash
# The same container with on-board tools: keep this in a file, and run it as root.
# Steps bear the numbers of `vitrine run --explain`; what no on-board tool can do is marked. Besides:
# - Until its last command the container's process is bash; vitrine's can be neither traced nor read by anybody.
# - No session keyring of its own: that takes keyctl of keyutils, which is not on board.
# - What the container writes has, on disk, the ids of its range; vitrine's start at 0.
# - No seccomp filter: every system call is allowed.

# The functions: src/explain/bash.ts

# -------- In the container's process

inside_1() {
  begin
  announce

  # Namespaces

  # 18. prctl PR_SET_PDEATHSIG SIGKILL
  # If the stage is killed, the kernel ends the container with it: nothing is left running.
  step 18 'prctl PR_SET_PDEATHSIG SIGKILL'
  CHAIN+=(setpriv --pdeathsig KILL)

  # step 19: prctl PR_SET_DUMPABLE 0: no on-board tool does this
  # Nobody may trace this process, read its memory or take its descriptors before it is the container's program.
  exec "${CHAIN[@]}" bash -c inside_2
}

inside_2() {
  begin

  # 20. mount / recursively private
  # No mount made in here is seen outside, and none made outside arrives in here.
  step 20 'mount / recursively private'
  mount --make-rprivate /

  # 21. sethostname web-1
  # A name of its own in a UTS namespace of its own; the host keeps its name.
  step 21 'sethostname web-1'
  hostname web-1

  # 22. sendto RTM_NEWLINK lo up
  # The new network namespace has only a loopback device, and that is down.
  step 22 'sendto RTM_NEWLINK lo up'
  ip link set lo up

  # 23. write 0 to the tasks files of /vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
  # The process puts itself under the limits, before anything of the container runs.
  step 23 'write 0 to the tasks files of /vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
  ask 23

  # 24. unshare the cgroup namespace
  # From here on the container sees its own groups as the roots, and nothing above them.
  step 24 'unshare the cgroup namespace'
  CHAIN+=(unshare --cgroup)

  # 25. setresuid 0 of the user namespace
  # Until its ids are mapped the process is nobody; now it is root of its own namespace only.
  step 25 'setresuid 0 of the user namespace'
  hear 53
  CHAIN+=(setpriv --reuid 0 --regid 0 --clear-groups)
  exec "${CHAIN[@]}" bash -c inside_3
}

inside_3() {
  begin

  # Root file system

  # 26. move_mount the root file system onto /
  # Only in this mount namespace: the host sees nothing of it, and it goes when the namespace goes.
  step 26 'move_mount the root file system onto /'
  hear 59
  mount --move $MOUNTS/root $ROOT

  # Files inside

  # 27. mount proc on /proc
  # A procfs of this PID namespace: without it ps would show (and kill would reach) other processes.
  step 27 'mount proc on /proc'
  mount -t proc -o nosuid,noexec,nodev proc $ROOT/proc

  # 28. mount tmpfs on /dev
  # Memory, gone with the container.
  step 28 'mount tmpfs on /dev'
  mount -t tmpfs -o nosuid,strictatime,mode=755,size=65536k tmpfs $ROOT/dev

  # 29. move_mount /dev/{null,zero,full,random,urandom,tty}
  # The nodes and the usual links; no disk, no memory, no terminal of the host.
  step 29 'move_mount /dev/{null,zero,full,random,urandom,tty}'
  for n in null zero full random urandom tty; do mount --move $MOUNTS/dev-$n $ROOT/dev/$n; done
  ln -s /proc/self/fd $ROOT/dev/fd
  ln -s /proc/self/fd/0 $ROOT/dev/stdin
  ln -s /proc/self/fd/1 $ROOT/dev/stdout
  ln -s /proc/self/fd/2 $ROOT/dev/stderr
  ln -s pts/ptmx $ROOT/dev/ptmx
  ln -s /proc/kcore $ROOT/dev/core

  # 30. mount devpts on /dev/pts
  # Pseudo terminals of its own: none of the host's can be opened.
  step 30 'mount devpts on /dev/pts'
  mount -t devpts -o nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5 devpts $ROOT/dev/pts

  # 31. mount sysfs on /sys
  # Devices and kernel objects to look at, not to change.
  step 31 'mount sysfs on /sys'
  mount -t sysfs -o nosuid,noexec,nodev,ro sysfs $ROOT/sys

  # 32. mount cpuset,cpu,cpuacct,memory,pids,systemd,unified on /sys/fs/cgroup
  # The limits it sits under, to look at, not to change.
  step 32 'mount cpuset,cpu,cpuacct,memory,pids,systemd,unified on /sys/fs/cgroup'
  mount -t tmpfs -o nosuid,noexec,nodev,relatime,mode=755 tmpfs $ROOT/sys/fs/cgroup
  mount -t cgroup -o nosuid,noexec,nodev,relatime,ro,cpuset cgroup $ROOT/sys/fs/cgroup/cpuset
  mount -t cgroup -o nosuid,noexec,nodev,relatime,ro,cpu,cpuacct cgroup $ROOT/sys/fs/cgroup/cpu,cpuacct
  mount -t cgroup -o nosuid,noexec,nodev,relatime,ro,memory cgroup $ROOT/sys/fs/cgroup/memory
  mount -t cgroup -o nosuid,noexec,nodev,relatime,ro,pids cgroup $ROOT/sys/fs/cgroup/pids
  mount -t cgroup -o nosuid,noexec,nodev,relatime,ro,none,name=systemd cgroup $ROOT/sys/fs/cgroup/systemd
  mount -t cgroup2 -o nosuid,noexec,nodev,relatime,ro cgroup $ROOT/sys/fs/cgroup/unified
  mount -o remount,bind,nosuid,noexec,nodev,relatime,ro $ROOT/sys/fs/cgroup

  # 33. mount mqueue on /dev/mqueue
  # POSIX message queues of this IPC namespace.
  step 33 'mount mqueue on /dev/mqueue'
  mount -t mqueue -o nosuid,noexec,nodev mqueue $ROOT/dev/mqueue

  # 34. mount tmpfs on /dev/shm
  # Memory, gone with the container.
  step 34 'mount tmpfs on /dev/shm'
  mount -t tmpfs -o nosuid,noexec,nodev,mode=1777,size=65536k shm $ROOT/dev/shm

  # 35. move_mount /srv/data on /data
  # Visible at /data, read-only.
  step 35 'move_mount /srv/data on /data'
  mount --move $MOUNTS/mount%2Fdata $ROOT/data

  # 36. mount tmpfs on /scratch
  # Memory, gone with the container.
  step 36 'mount tmpfs on /scratch'
  mount -t tmpfs -o nosuid,nodev,noexec,size=1m tmpfs $ROOT/scratch

  # 37. move_mount /etc/hosts on /etc/hosts
  # Visible at /etc/hosts.
  step 37 'move_mount /etc/hosts on /etc/hosts'
  mount --move $MOUNTS/mount%2Fetc%2Fhosts $ROOT/etc/hosts

  # 38. mount_setattr /proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger read-only
  # These belong to the one kernel that all share; writing there would reach the host.
  step 38 'mount_setattr /proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger read-only'
  for p in /proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger; do ! [ -e "$ROOT$p" ] || { mount --rbind "$ROOT$p" "$ROOT$p"; mount -o remount,bind,ro,nosuid,nodev,noexec "$ROOT$p"; }; done

  # 39. move_mount covers on /proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/kmsg /proc/latency_stats /proc/sched_debug /proc/scsi /proc/timer_list /proc/timer_stats /sys/devices/virtual/powercap /sys/firmware
  # These tell about the host, or reach it: each is covered by nothing at all.
  step 39 'move_mount covers on /proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/kmsg /proc/latency_stats /proc/sched_debug /proc/scsi /proc/timer_list /proc/timer_stats /sys/devices/virtual/powercap /sys/firmware'
  for p in /proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/kmsg /proc/latency_stats /proc/sched_debug /proc/scsi /proc/timer_list /proc/timer_stats /sys/devices/virtual/powercap /sys/firmware; do if [ -d "$ROOT$p" ]; then mount -t tmpfs -o ro,nosuid,nodev,noexec,size=0,nr_inodes=2 tmpfs "$ROOT$p"; elif [ -e "$ROOT$p" ]; then mount --bind $ROOT/dev/null "$ROOT$p"; fi; done

  # 40. pivot_root . .
  # Unlike chroot this changes the root of the namespace itself: the old one is not hidden, it is gone.
  step 40 'pivot_root . .'
  # Asked for at the very end: after it there are none of the host's tools.

  # 41. mount_setattr / read-only
  # Asked for: nothing can be written to the root file system.
  step 41 'mount_setattr / read-only'
  mount -o remount,bind,ro,nodev $ROOT

  # Process

  # 42. setsid a session and keyring of its own
  # No controlling terminal and no keys of the caller.
  step 42 'setsid a session and keyring of its own'
  CHAIN+=(setsid)

  # 43. prctl PR_CAPBSET_DROP of 29 capabilities
  # No program started in here can ever get dac_read_search, linux_immutable, net_broadcast, net_admin, net_raw, ipc_lock, ipc_owner, sys_module, sys_rawio, sys_ptrace, sys_pacct, sys_admin, sys_boot, sys_nice, sys_resource, sys_time, sys_tty_config, mknod, lease, audit_control, mac_override, mac_admin, syslog, wake_alarm, block_suspend, audit_read, perfmon, bpf, checkpoint_restore.
  step 43 'prctl PR_CAPBSET_DROP of 29 capabilities'
  CHAIN+=(setpriv --bounding-set -dac_read_search,-linux_immutable,-net_broadcast,-net_admin,-net_raw,-ipc_lock,-ipc_owner,-sys_module,-sys_rawio,-sys_ptrace,-sys_pacct,-sys_admin,-sys_boot,-sys_nice,-sys_resource,-sys_time,-sys_tty_config,-mknod,-lease,-audit_control,-mac_override,-mac_admin,-syslog,-wake_alarm,-block_suspend,-audit_read,-perfmon,-bpf,-checkpoint_restore)

  # 44. fchdir /data/in
  # The working directory, made where it is missing.
  step 44 'fchdir /data/in'
  cd $ROOT/data/in

  # 45. setresuid uid 0, gid 0
  # The user that the container's program runs as.
  step 45 'setresuid uid 0, gid 0'
  umask 022
  CHAIN+=(--reuid 0 --regid 0 --clear-groups)

  # 46. capset chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap,net_bind_service,sys_chroot,audit_write,setfcap
  # The few rights of root that are left to it; inheritable and ambient ones are empty.
  step 46 'capset chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap,net_bind_service,sys_chroot,audit_write,setfcap'
  CHAIN+=(--inh-caps=-all --ambient-caps=-all)

  # 47. prctl PR_SET_NO_NEW_PRIVS
  # A set-user-ID program inside gives nobody more rights.
  step 47 'prctl PR_SET_NO_NEW_PRIVS'
  CHAIN+=(--no-new-privs)

  # 48. prctl PR_SET_PDEATHSIG SIGKILL
  # If the stage is killed, the kernel ends the container with it: nothing is left running.
  step 48 'prctl PR_SET_PDEATHSIG SIGKILL'
  CHAIN+=(--pdeathsig KILL)

  # 49. close_range 3 and above
  # Descriptors are shared with the stage until here; now they are its own, and all but 0, 1 and 2 close at execve.
  step 49 'close_range 3 and above'
  for fd in $(ls /proc/self/fd); do close $fd; done

  # 50. prlimit64 open files 1024
  # The program has the soft limit that the caller had.
  step 50 'prlimit64 open files 1024'
  ulimit -Sn 1024

  # step 51: seccomp SECCOMP_SET_MODE_FILTER of 307 instructions: no on-board tool does this
  # From here on the kernel refuses system calls that the profile does not allow, to this process and all it starts.

  # 52. execve sh -c 'echo '\''it works'\'''
  # The program itself. From here on nothing of the engine is inside.
  step 52 'execve sh -c '\''echo '\''\'\'''\''it works'\''\'\'''\'''\'''
  END=$'echo 40 >&9\nread -r vitrine_script_done <&8 || exit 125\nunset PWD OLDPWD\nexec "$@" 8<&- 9>&-'
  CHAIN+=(env -i --default-signal=INT,QUIT --)
  CHAIN+=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
  CHAIN+=(HOSTNAME=web-1)
  CHAIN+=(HOME=/root)
  exec "${CHAIN[@]}" sh -c "$END" sh sh -c 'echo '\''it works'\'''
}

export -f first step failed hear ask begin announce close mount mount_inside cd in_root inside_1 inside_2 inside_3

# -------- Outside, when the container's process asks for it

for_inside_23() {
  step 23 'write 0 to the tasks files of /vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
  echo $PID > /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/tasks
  echo $PID > /sys/fs/cgroup/cpu,cpuacct/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/tasks
  echo $PID > /sys/fs/cgroup/memory/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/tasks
  echo $PID > /sys/fs/cgroup/pids/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/tasks
  echo $PID > /sys/fs/cgroup/systemd/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/tasks
}

for_inside_40() {
  step 40 'pivot_root . .'
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

# 4. symlinkat the name calm_heron_3f2a
# A link to the id, made whole or not at all, and only by one: the name is taken, or it is ours.
step 4 'symlinkat the name calm_heron_3f2a'
mkdir -p /var/lib/vitrine/names && ln -s 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef /var/lib/vitrine/names/calm_heron_3f2a
undo 'rm -f /var/lib/vitrine/names/calm_heron_3f2a'

# 5. mkdirat /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
# Room for what the container writes.
step 5 'mkdirat /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
mkdir -p $SCRATCH/upper $SCRATCH/work
undo 'rm -rf $SCRATCH'

# step 6: fsmount a private procfs: no on-board tool does this
# The id maps are written through a procfs that nobody else can reach or cover.

# step 7: pidfd_open the stage itself: no on-board tool does this
# The container's process can see through this whether the stage still lives.

# Limits

# 8. mkdirat /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
# A control group of its own (cpuset), so that this container can be limited, measured and ended as a whole.
step 8 'mkdirat /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
mkdir /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
undo 'rmdir /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'

# 9. write /sys/fs/cgroup/cpuset/cpuset.cpus to /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/cpuset.cpus
# A new cpuset is empty, and an empty one takes no process: it gets its parent's.
step 9 'write /sys/fs/cgroup/cpuset/cpuset.cpus to /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/cpuset.cpus'
cat /sys/fs/cgroup/cpuset/cpuset.cpus > /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/cpuset.cpus

# 10. write /sys/fs/cgroup/cpuset/cpuset.mems to /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/cpuset.mems
# A new cpuset is empty, and an empty one takes no process: it gets its parent's.
step 10 'write /sys/fs/cgroup/cpuset/cpuset.mems to /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/cpuset.mems'
cat /sys/fs/cgroup/cpuset/cpuset.mems > /sys/fs/cgroup/cpuset/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/cpuset.mems

# 11. mkdirat /sys/fs/cgroup/cpu,cpuacct/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
# A control group of its own (cpu,cpuacct), so that this container can be limited, measured and ended as a whole.
step 11 'mkdirat /sys/fs/cgroup/cpu,cpuacct/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
mkdir /sys/fs/cgroup/cpu,cpuacct/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
undo 'rmdir /sys/fs/cgroup/cpu,cpuacct/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'

# 12. mkdirat /sys/fs/cgroup/memory/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
# A control group of its own (memory), so that this container can be limited, measured and ended as a whole.
step 12 'mkdirat /sys/fs/cgroup/memory/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
mkdir /sys/fs/cgroup/memory/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
undo 'rmdir /sys/fs/cgroup/memory/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'

# 13. mkdirat /sys/fs/cgroup/pids/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
# A control group of its own (pids), so that this container can be limited, measured and ended as a whole.
step 13 'mkdirat /sys/fs/cgroup/pids/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
mkdir /sys/fs/cgroup/pids/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
undo 'rmdir /sys/fs/cgroup/pids/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'

# 14. write 2048 to /sys/fs/cgroup/pids/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/pids.max
# Limit: at most 2048 processes.
step 14 'write 2048 to /sys/fs/cgroup/pids/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/pids.max'
echo 2048 > /sys/fs/cgroup/pids/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/pids.max

# 15. mkdirat /sys/fs/cgroup/systemd/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
# A control group of its own (name=systemd), so that this container can be limited, measured and ended as a whole.
step 15 'mkdirat /sys/fs/cgroup/systemd/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
mkdir /sys/fs/cgroup/systemd/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
undo 'rmdir /sys/fs/cgroup/systemd/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'

# 16. mkdirat /sys/fs/cgroup/unified/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
# A control group of its own (v2), so that this container can be limited, measured and ended as a whole.
step 16 'mkdirat /sys/fs/cgroup/unified/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
mkdir /sys/fs/cgroup/unified/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
undo 'rmdir /sys/fs/cgroup/unified/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'

# Namespaces

# 17. clone3 a process with its own mount, pid, network, ipc, uts, user
# The process that becomes the container's first one, in namespaces of its own: what it cannot name it cannot touch.
step 17 'clone3 a process with its own mount, pid, network, ipc, uts, user'
CHAIN+=(unshare --mount --pid --net --ipc --uts --user --keep-caps)
start
echo $PID > /sys/fs/cgroup/unified/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/cgroup.procs
tell go
undo 'echo 1 > /sys/fs/cgroup/unified/vitrine-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/cgroup.kill'

# 53. write uid_map and gid_map "0 1879113728 65536"
# Root inside is an ordinary, unused id outside: what breaks out has no rights on the host.
step 53 'write uid_map and gid_map "0 1879113728 65536"'
echo '0 1879113728 65536' > /proc/$PID/uid_map; echo '0 1879113728 65536' > /proc/$PID/gid_map
tell 53

# Root file system

# 54. open_tree /srv/root
# A layer of the image, read only. Id-mapped: nothing is chowned.
step 54 'open_tree /srv/root'
mount --bind -o X-mount.idmap=/proc/$PID/ns/user /srv/root $MOUNTS/layer0

# 55. open_tree /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
# What the container writes goes here; ids on disk start at 0. Id-mapped: nothing is chowned.
step 55 'open_tree /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
chown 1879113728:1879113728 $SCRATCH/upper $SCRATCH/work

# 56. mount overlay of /srv/root and /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/upper
# Layers below, a writable directory on top: the image stays as it is, however often it is used.
step 56 'mount overlay of /srv/root and /var/lib/vitrine/containers/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/upper'
mount -t overlay -o nodev,lowerdir=$MOUNTS/layer0,upperdir=$SCRATCH/upper,workdir=$SCRATCH/work,volatile overlay $MOUNTS/root

# 57. open_tree /dev/{null,zero,full,random,urandom,tty}
# The host's null, zero, full, random, urandom, tty, checked by device number; a user namespace cannot make nodes, and needs no others.
step 57 'open_tree /dev/{null,zero,full,random,urandom,tty}'
for n in null zero full random urandom tty; do mount -o bind,ro /dev/$n $MOUNTS/dev-$n; done

# 58. open_tree /srv/data
# A directory or file of the host; ids inside and outside mean the same there.
step 58 'open_tree /srv/data'
mount --rbind -o X-mount.idmap=/proc/$PID/ns/user,ro=recursive,nodev=recursive /srv/data $MOUNTS/mount%2Fdata

# 59. open_tree /etc/hosts
# A directory or file of the host.
step 59 'open_tree /etc/hosts'
mount --bind -o nodev /etc/hosts $MOUNTS/mount%2Fetc%2Fhosts
tell 59

# Life and end

# step 60: close_range all but the lock and the pidfd: no on-board tool does this
# The stage holds nothing of the container while it runs: when its last process goes, the kernel takes the rest.
attend 40

# step 61: writev create, start to /run/vitrine/events: no on-board tool does this
# Whoever follows the events of this host is told.

# 62. waitid the container
# Signals go to the container's first process; its exit status becomes ours.
step 62 'waitid the container'
wait $PID || STATUS=$?

# step 63: writev die to /run/vitrine/events: no on-board tool does this
# Whoever follows the events of this host is told.

# step 64: execve vitrine ended, if the status is 128 or more: no on-board tool does this
# A process that was killed may have met a limit: the program looks into the groups before they go.

# 65. unlinkat what the run left
# Every op that left something has an undo; they run now, newest first. Then the plan itself goes.

# step 66: writev destroy to /run/vitrine/events: no on-board tool does this
# Whoever follows the events of this host is told.

# 67. exit_group the container's status
# The command ends as the container did.
step 67 'exit_group the container'\''s status'
exit $STATUS
