/* What a capability is for: probes that each need one, done as root without the others. Run in an empty directory of other owners. */
#include "attack.h"
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

/* /probe/theirs: mode 0600, of user 1000; /probe/ours: mode 0644, of root. /probe/other, lease: mode 0644, of user 1000; group: of root and group 1000. */
static long p_chown(void) { return chown("/probe/ours", 5, 5); }
static long p_write(void) { return open("/probe/other", O_WRONLY); }
static long p_read(void) { return open("/probe/theirs", O_RDONLY); }
static long p_chmod(void) { return chmod("/probe/other", 0644); }
static long p_setid(void)
{
	struct stat st;
	return chmod("/probe/group", 02755) || stat("/probe/group", &st) || !(st.st_mode & S_ISGID) ? -1 : 0;
}
static long p_lease(void) { return fcntl(open("/probe/lease", O_RDONLY), F_SETLEASE, F_RDLCK); }
static long p_setuid(void) { return setresuid(7, 7, 7); }
static long p_setgid(void) { return setresgid(7, 7, 7); }
static long p_bound(void) { return prctl(PR_CAPBSET_DROP, 0, 0, 0, 0); }
static long p_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(81), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	return bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&a, sizeof(a));
}
static long p_raw(void) { return socket(AF_INET, SOCK_RAW, 255); }
static long p_packet(void) { return socket(AF_PACKET, SOCK_RAW, 0); }
static long p_link(void)
{
	struct ifreq r = { .ifr_name = "lo", .ifr_mtu = 1400 };
	return ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCSIFMTU, &r);
}
static long p_chroot(void) { return chroot("/tmp"); }
static long p_mount(void) { return mount("x", "/tmp", "tmpfs", 0, 0); }
static long p_hostname(void) { return sethostname("x", 1); }
static long p_unshare(void) { return unshare(CLONE_NEWUTS); }
static long p_trusted(void) { return setxattr("/probe/ours", "security.attack", "x", 1, 0); }
static long p_filecap(void)
{
	static const unsigned none[5] = { 0x02000000 };
	return setxattr("/probe/ours", "security.capability", none, sizeof(none), 0);
}
static long p_mknod(void) { return mknod("/tmp/node", S_IFCHR | 0600, makedev(1, 5)); }
static long p_time(void) { return syscall(SYS_settimeofday, 0, 0); }
static long p_nice(void) { return setpriority(PRIO_PROCESS, 0, -5); }
static long p_limit(void)
{
	struct rlimit r = { 10, 10 };
	setrlimit(RLIMIT_CORE, &r);
	r.rlim_max = 20;
	return setrlimit(RLIMIT_CORE, &r);
}
static long p_lock(void)
{
	struct rlimit r = { 0, 0 };
	static char page[8192];
	setrlimit(RLIMIT_MEMLOCK, &r);
	return mlock(page, sizeof(page));
}
static long p_boot(void) { return syscall(SYS_reboot, 0xfee1dead, 672274793, 0x12345, 0) && errno == EINVAL ? 0 : -1; }
static long p_log(void) { char c; return syscall(SYS_syslog, 3, &c, 1); }
static long p_handle(void)
{
	static char handle[64] = { 8, 0, 0, 0, 1 };
	return syscall(SYS_open_by_handle_at, open("/", O_RDONLY), handle, 0) && errno != EPERM ? 0 : -1;
}
static long p_acct(void) { return syscall(SYS_acct, "/not/there") && errno == ENOENT ? 0 : -1; }
static long p_bpf(void)
{
	static int attr[32] = { 2, 4, 4, 1 };
	return syscall(SYS_bpf, 0, attr, sizeof(attr));
}
static long p_kcmp(void) { return syscall(SYS_kcmp, getpid(), getpid(), 0, 0, 0); }
static long p_numa(void) { return syscall(SYS_set_mempolicy, 0, 0, 0); }
static long p_perf(void)
{
	static int attr[32] = { 1, 128, 1, 0, 0, 0, 0, 0, 0, 0, 0x60 };
	return syscall(SYS_perf_event_open, attr, 0, -1, -1, 0) < 0 && errno == EPERM ? -1 : 0;
}
static long p_hangup(void) { return syscall(SYS_vhangup); }
#define P(name) { #name, p_##name }
static const struct attack ATTACKS[] = {
	P(chown), P(write), P(read), P(chmod), P(setid), P(setuid), P(setgid), P(bound), P(port), P(raw), P(packet), P(link), P(chroot),
	P(mount), P(hostname), P(unshare), P(trusted), P(filecap), P(mknod), P(time), P(nice), P(limit), P(lock), P(boot), P(log),
	P(handle), P(acct), P(bpf), P(kcmp), P(numa), P(perf), P(hangup), P(lease),
	{ 0, 0 },
};

int main(int argc, char **argv)
{
	char line[256];
	FILE *status = fopen("/proc/self/status", "r");
	while (fgets(line, sizeof(line), status))
		if (!strncmp(line, "Cap", 3))
			printf("%.6s %s", line, strchr(line, '\t') + 1);
	fclose(status);
	return attack_main(ATTACKS, argc, argv);
}
