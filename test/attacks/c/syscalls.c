/*
 * Calls that a container has no business with, each by the machine's own table and by that of 32-bit x86 (NAME and NAME.32). Whatever
 * is passed in memory is static, below 4 GiB. Arguments are such that the host is not changed where a call gets through.
 */
#include "attack.h"
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/uio.h>

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

static int narrow;

static long int80(long nr, long a, long b, long c, long d, long e)
{
#ifdef __x86_64__
	long result;
	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
			 : "memory", "r8", "r9", "r10", "r11");
	result = (int)result;
	if (result < 0 && result > -4096) {
		errno = -result;
		return -1;
	}
	return result;
#else
	(void)nr, (void)a, (void)b, (void)c, (void)d, (void)e;
	errno = ENOSYS;
	return -1;
#endif
}

static long call(long wide, long nr32, long a, long b, long c, long d, long e)
{
	return narrow ? int80(nr32, a, b, c, d, e) : syscall(wide, a, b, c, d, e);
}
#define P(x) ((long)(x))

static long io_uring(void)
{
	static struct io_uring_params p;
	return call(SYS_io_uring_setup, 425, 1, P(&p), 0, 0, 0);
}
static long userfault(void) { return call(SYS_userfaultfd, 374, UFFD_USER_MODE_ONLY, 0, 0, 0, 0); }
static long bpf_map(void)
{
	static union bpf_attr a = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1 };
	return call(SYS_bpf, 357, BPF_MAP_CREATE, P(&a), sizeof(a), 0, 0);
}
static long perf(void)
{
	static struct perf_event_attr a = { .type = PERF_TYPE_SOFTWARE, .size = sizeof(a), .config = PERF_COUNT_SW_TASK_CLOCK,
		.exclude_kernel = 1, .exclude_hv = 1 };
	return call(SYS_perf_event_open, 336, P(&a), 0, -1, -1, 0);
}
static long keyring_add(void)
{
	static char type[] = "user", name[] = "attack", value[] = "x";
	return call(SYS_add_key, 286, P(type), P(name), P(value), 1, -2); /* this process's own keyring */
}
static long keyring_control(void) { return call(SYS_keyctl, 288, 0, -2, 1, 0, 0); }
static long keyring_request(void)
{
	static char type[] = "user", name[] = "attack-not-there";
	return call(SYS_request_key, 287, P(type), P(name), 0, -2, 0);
}
static long family(long domain, long type, long protocol) { return call(SYS_socket, 359, domain, type, protocol, 0, 0); }
static long socket_alg(void) { return family(38, SOCK_SEQPACKET, 0); }
static long socket_vsock(void) { return family(40, SOCK_STREAM, 0); }
static long socket_raw(void) { return family(AF_INET, SOCK_RAW, 255); }
static long socket_icmp(void) { return family(AF_INET6, SOCK_RAW, 58); }
static long socket_packet(void) { return family(AF_PACKET, SOCK_RAW, 0); }
static long socket_tipc(void) { return family(30, SOCK_DGRAM, 0); }
static long socket_bluetooth(void) { return family(31, SOCK_RAW, 1); }
/* Its arguments lie in memory, where a filter does not see the family. */
static long socketcall_vsock(void)
{
	static unsigned a[3] = { 40, SOCK_STREAM, 0 };
	return int80(102, 1, P(a), 0, 0, 0);
}
static long kexec(void) { return call(SYS_kexec_load, 283, 0, 0, 0, 0, 0); }
static long module(void)
{
	static char none[] = "";
	return call(SYS_init_module, 128, P(none), 0, P(none), 0, 0);
}
static long module_delete(void)
{
	static char none[] = "attack_not_there";
	return call(SYS_delete_module, 129, P(none), 0, 0, 0, 0);
}
#ifdef __x86_64__
static long io_level(void) { return call(SYS_iopl, 110, 0, 0, 0, 0, 0); }
static long io_ports(void) { return call(SYS_ioperm, 101, 0x80, 1, 1, 0, 0); }
#endif
static char nowhere[] = "/attack/not/there";
static long swap_on(void) { return call(SYS_swapon, 87, P(nowhere), 0, 0, 0, 0); }
static long swap_off(void) { return call(SYS_swapoff, 115, P(nowhere), 0, 0, 0, 0); }
static long accounting(void) { return call(SYS_acct, 51, P(nowhere), 0, 0, 0, 0); }
static long quota(void) { return call(SYS_quotactl, 131, 0x800004 << 8, P(nowhere), 0, 0, 0); }
static long set_time(void) { return call(SYS_settimeofday, 79, 0, 0, 0, 0, 0); }
static long tune_time(void)
{
	static char buffer[512];
	*(unsigned *)buffer = 0x4000; /* ADJ_TICK, of 0: never valid */
	return call(SYS_adjtimex, 124, P(buffer), 0, 0, 0, 0);
}
static long restart(void) { return call(SYS_reboot, 88, (int)0xfee1dead, 672274793, 0x12345, 0, 0); /* no such command */ }
static long persona_set(void) { return call(SYS_personality, 136, 0x0400000, 0, 0, 0, 0); }
static long persona_query(void) { return call(SYS_personality, 136, 0xffffffff, 0, 0, 0, 0); }
static long clone_three(void)
{
	static uint64_t a[8];
	long pid;
	a[4] = SIGCHLD;
	pid = call(SYS_clone3, 435, P(a), sizeof(a), 0, 0, 0);
	if (pid == 0)
		_exit(0);
	return pid;
}
static long mount_none(void)
{
	static char type[] = "tmpfs", at[] = "/tmp";
	return call(SYS_mount, 21, P(type), P(at), P(type), 0, 0);
}
static long unshare_user(void) { return call(SYS_unshare, 310, CLONE_NEWUSER, 0, 0, 0, 0); }
static long by_handle(void)
{
	static char handle[64] = { 8, 0, 0, 0, 1 }, at[] = "/";
	long dir = call(SYS_open, 5, P(at), 0, 0, 0, 0);
	return dir < 0 ? -1 : call(SYS_open_by_handle_at, 342, dir, P(handle), 0, 0, 0);
}
static long kernel_log(void)
{
	static char line[256];
	return call(SYS_syslog, 103, 3, P(line), sizeof(line), 0, 0);
}
static long hangup(void) { return call(SYS_vhangup, 111, 0, 0, 0, 0, 0); }
static long move_memory(void) { return call(SYS_migrate_pages, 294, 0, 0, 0, 0, 0); }

static const struct attack ATTACKS[] = {
	{ "io_uring", io_uring }, { "userfaultfd", userfault }, { "bpf", bpf_map }, { "perf_event_open", perf },
	{ "add_key", keyring_add }, { "keyctl", keyring_control }, { "request_key", keyring_request },
	{ "AF_ALG", socket_alg }, { "AF_VSOCK", socket_vsock }, { "AF_TIPC", socket_tipc }, { "AF_BLUETOOTH", socket_bluetooth },
	{ "raw", socket_raw }, { "raw-v6", socket_icmp }, { "AF_PACKET", socket_packet }, { "socketcall", socketcall_vsock },
	{ "kexec_load", kexec }, { "init_module", module }, { "delete_module", module_delete },
#ifdef __x86_64__
	{ "iopl", io_level }, { "ioperm", io_ports },
#endif
	{ "swapon", swap_on }, { "swapoff", swap_off }, { "acct", accounting }, { "quotactl", quota },
	{ "settimeofday", set_time }, { "adjtimex", tune_time }, { "reboot", restart },
	{ "personality", persona_set }, { "personality-query", persona_query }, { "clone3", clone_three },
	{ "mount", mount_none }, { "unshare", unshare_user }, { "open_by_handle_at", by_handle }, { "syslog", kernel_log },
	{ "vhangup", hangup }, { "migrate_pages", move_memory },
	{ 0, 0 },
};

int main(int argc, char **argv)
{
	narrow = getenv("NARROW") != 0;
	return attack_main(ATTACKS, argc, argv);
}
