/**
 * The engine's own profile: what programs need is allowed, by purpose; calls that answer to one capability come with it.
 * The rest answers EPERM, and what is newer than these lists ENOSYS (compileSeccomp() sees to that), so that programs
 * fall back to what they did before. Names that a machine does not have count for nothing. docs/decisions/0008-seccomp.md
 */
import type { Arch } from "../linux/arch.ts";
import type { Capability } from "../linux/capabilities.ts";
import {
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
} from "../linux/constants.ts";
import { ERRNO } from "../linux/errno.ts";
import type { Seccomp, SeccompArch, SeccompArg, SeccompOp, SeccompRule } from "./seccomp.ts";

const words = (text: string) => text.trim().split(/\s+/);

/** Allowed to everybody. */
export const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  "reading and writing": words(`
    read readv pread64 preadv preadv2 write writev pwrite64 pwritev pwritev2 lseek _llseek sendfile sendfile64
    copy_file_range splice tee vmsplice readahead fadvise64 fadvise64_64 arm_fadvise64_64 fsync fdatasync sync syncfs
    sync_file_range arm_sync_file_range fallocate truncate truncate64 ftruncate ftruncate64 cachestat`),
  descriptors: words(`
    open openat openat2 creat close close_range dup dup2 dup3 pipe pipe2 fcntl fcntl64 flock ioctl memfd_create
    memfd_secret name_to_handle_at`),
  waiting: words(`
    poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64 epoll_create epoll_create1 epoll_ctl
    epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2 eventfd eventfd2 signalfd signalfd4 timerfd_create
    timerfd_settime timerfd_settime64 timerfd_gettime timerfd_gettime64 inotify_init inotify_init1 inotify_add_watch
    inotify_rm_watch fanotify_mark`),
  "older asynchronous input and output": words(`
    io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents io_pgetevents_time64`),
  "files and directories": words(`
    stat stat64 lstat lstat64 fstat fstat64 newfstatat fstatat64 statx statfs statfs64 fstatfs fstatfs64 access
    faccessat faccessat2 readlink readlinkat getdents getdents64 getcwd chdir fchdir mkdir mkdirat rmdir link linkat
    symlink symlinkat unlink unlinkat rename renameat renameat2 mknod mknodat chmod fchmod fchmodat fchmodat2 chown
    chown32 fchown fchown32 lchown lchown32 fchownat umask utime utimes futimesat utimensat utimensat_time64
    file_getattr file_setattr statmount listmount`),
  "extended attributes": words(`
    getxattr lgetxattr fgetxattr getxattrat setxattr lsetxattr fsetxattr setxattrat listxattr llistxattr flistxattr
    listxattrat removexattr lremovexattr fremovexattr removexattrat`),
  memory: words(`
    brk mmap mmap2 munmap mremap mprotect madvise mincore msync mlock mlock2 mlockall munlock munlockall mseal
    membarrier remap_file_pages pkey_alloc pkey_free pkey_mprotect map_shadow_stack`),
  processes: words(`
    fork vfork execve execveat exit exit_group wait4 waitpid waitid getpid getppid gettid getpgid getpgrp getsid setpgid
    setsid kill tkill tgkill pidfd_open pidfd_send_signal process_mrelease prctl arch_prctl set_tid_address
    set_robust_list get_robust_list set_thread_area get_thread_area set_tls get_tls cacheflush breakpoint modify_ldt
    rseq rseq_slice_yield restart_syscall uretprobe uprobe`),
  futexes: words(`
    futex futex_time64 futex_waitv futex_wake futex_wait futex_requeue`),
  signals: words(`
    rt_sigaction rt_sigprocmask rt_sigpending rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_sigqueueinfo
    rt_tgsigqueueinfo rt_sigreturn sigaltstack sigaction sigprocmask sigpending sigsuspend sigreturn signal pause`),
  "who and how much": words(`
    getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getresuid getresuid32 getresgid getresgid32
    getgroups getgroups32 setuid setuid32 setgid setgid32 setreuid setreuid32 setregid setregid32 setresuid setresuid32
    setresgid setresgid32 setfsuid setfsuid32 setfsgid setfsgid32 setgroups setgroups32 capget capset getrlimit
    ugetrlimit setrlimit prlimit64 getrusage times sysinfo uname getcpu getpriority setpriority nice ioprio_get
    ioprio_set`),
  scheduling: words(`
    sched_yield sched_getaffinity sched_setaffinity sched_getattr sched_setattr sched_getparam sched_setparam
    sched_getscheduler sched_setscheduler sched_get_priority_max sched_get_priority_min sched_rr_get_interval
    sched_rr_get_interval_time64`),
  // Setting the clock with adjtimex(2) and clock_adjtime(2) is told from reading it by a structure; the kernel asks for SYS_TIME.
  time: words(`
    time gettimeofday clock_gettime clock_gettime64 clock_getres clock_getres_time64 clock_nanosleep
    clock_nanosleep_time64 nanosleep alarm getitimer setitimer timer_create timer_delete timer_settime timer_settime64
    timer_gettime timer_gettime64 timer_getoverrun adjtimex clock_adjtime clock_adjtime64 getrandom`),
  // socket(2) and socketpair(2) go by family, below.
  network: words(`
    bind connect listen accept accept4 getsockname getpeername getsockopt setsockopt shutdown send sendto sendmsg
    sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64`),
  "System V and POSIX objects, of a namespace of their own": words(`
    ipc shmget shmat shmctl shmdt semget semop semctl semtimedop semtimedop_time64 msgget msgsnd msgrcv msgctl mq_open
    mq_unlink mq_timedsend mq_timedsend_time64 mq_timedreceive mq_timedreceive_time64 mq_notify mq_getsetattr`),
  "giving up rights": words(`
    seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self`),
  // Since Linux 4.8 a tracer cannot get round the filter; processes outside are not in the PID namespace, and
  // ptrace(2) asks for the rights over a process that a debugger inside has.
  debuggers: words(`
    ptrace process_vm_readv process_vm_writev`),
};

/** Allowed to who has the capability. */
export const BY_CAPABILITY: Readonly<Partial<Record<Capability, readonly string[]>>> = {
  CAP_SYS_ADMIN: words(`
    mount umount umount2 pivot_root mount_setattr open_tree open_tree_attr move_mount fsopen fsconfig fsmount fspick
    clone clone3 unshare setns sethostname setdomainname quotactl quotactl_fd fanotify_init bpf perf_event_open syslog
    lookup_dcookie lsm_get_self_attr lsm_set_self_attr lsm_list_modules listns`),
  CAP_DAC_READ_SEARCH: words("open_by_handle_at"),
  CAP_SYS_CHROOT: words("chroot"),
  CAP_SYS_PTRACE: words("kcmp pidfd_getfd process_madvise"),
  CAP_SYS_NICE: words("get_mempolicy set_mempolicy set_mempolicy_home_node mbind"),
  CAP_SYS_TIME: words("settimeofday stime clock_settime clock_settime64"),
  CAP_SYS_BOOT: words("reboot"),
  CAP_SYS_MODULE: words("init_module finit_module delete_module"),
  CAP_SYS_RAWIO: words("iopl ioperm"),
  CAP_SYS_PACCT: words("acct"),
  CAP_SYS_TTY_CONFIG: words("vhangup"),
  CAP_SYSLOG: words("syslog"),
  CAP_BPF: words("bpf"),
  CAP_PERFMON: words("perf_event_open"),
};

/** Allowed to nobody, each for a reason. These make no rule: the test holds that every call of every machine is in one of the lists. */
export const DENIED: Readonly<Record<string, readonly string[]>> = {
  "its requests pass the filter by": words("io_uring_setup io_uring_enter io_uring_register"),
  "makes races in the kernel winnable": words("userfaultfd"),
  "keyrings are not of a namespace": words("add_key request_key keyctl"),
  "another kernel": words("kexec_load kexec_file_load"),
  "the whole machine": words("swapon swapoff nfsservctl vserver"),
  "moves memory of others between nodes": words("migrate_pages move_pages"),
  "its arguments lie in memory, and so the family of a socket; see below": words("socketcall"),
  "16-bit code": words("vm86 vm86old"),
  "old, and nothing needs it": words(`
    uselib ustat sysfs _sysctl create_module get_kernel_syms query_module bdflush oldstat oldlstat oldfstat olduname
    oldolduname sgetmask ssetmask readdir pciconfig_iobase pciconfig_read pciconfig_write usr26 usr32`),
  "never implemented": words(`
    afs_syscall break ftime getpmsg gtty idle lock mpx prof profil putpmsg security stty tuxcall ulimit`),
};

const NAMESPACES =
  CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

/** AF_UNIX, AF_INET, AF_INET6, AF_NETLINK. Not there: AF_ALG, AF_VSOCK, and forty that hardly anybody uses. */
const FAMILIES = [1, 2, 10, 16];
const AF_PACKET = 17;

/** PER_LINUX, PER_LINUX32, each also with UNAME26; and the query. Others bring back weak old behaviour: READ_IMPLIES_EXEC. */
const PERSONALITIES = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];

const ARCHITECTURES: Record<Arch, SeccompArch[]> = {
  x64: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
  arm64: ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
};

/** For a container whose bounding set is `capabilities`. */
export function defaultSeccomp(arch: Arch, capabilities: readonly string[]): Seccomp {
  const has = (capability: Capability) => capabilities.includes(capability);
  const syscalls: SeccompRule[] = [allow(Object.values(ALLOWED).flat())];
  for (const [capability, names] of Object.entries(BY_CAPABILITY))
    if (has(capability as Capability)) syscalls.push(allow([...names]));
  if (!has("CAP_SYS_ADMIN")) {
    syscalls.push(allow(["clone"], [argument(0, "SCMP_CMP_MASKED_EQ", NAMESPACES, 0)]));
    // Its flags lie in memory. Who hears ENOSYS goes on with clone(2).
    syscalls.push(unknown(["clone3"]));
  }
  // Libraries that are built for Linux 4.3 or later go on with socket(2) and the like.
  syscalls.push(unknown(["socketcall"]));
  for (const family of has("CAP_NET_RAW") ? [...FAMILIES, AF_PACKET] : FAMILIES)
    syscalls.push(allow(["socket"], [argument(0, "SCMP_CMP_EQ", family)]));
  syscalls.push(allow(["socketpair"], [argument(0, "SCMP_CMP_EQ", 1)]));
  for (const persona of PERSONALITIES) syscalls.push(allow(["personality"], [argument(0, "SCMP_CMP_EQ", persona)]));
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: ERRNO.EPERM,
    architectures: ARCHITECTURES[arch],
    syscalls,
  };
}

function allow(names: string[], args?: SeccompArg[]): SeccompRule {
  return { names, action: "SCMP_ACT_ALLOW", ...(args ? { args } : {}) };
}

function unknown(names: string[]): SeccompRule {
  return { names, action: "SCMP_ACT_ERRNO", errnoRet: ERRNO.ENOSYS };
}

function argument(index: number, op: SeccompOp, value: number, valueTwo?: number): SeccompArg {
  return { index, value, op, ...(valueTwo === undefined ? {} : { valueTwo }) };
}
