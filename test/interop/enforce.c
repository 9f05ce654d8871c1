/*
 * Makes system calls under a filter and prints what each returned. enforce FILE: FILE holds struct sock_filter[]; "-": no filter.
 * On standard input, a line each: "call" or "int80", number, six arguments.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST 4096

static long int80(long nr, const unsigned long *a)
{
#ifdef __x86_64__
	long result;
	/* Arguments of 32 bits; the sixth (ebp) is left out. */
	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(nr), "b"(a[0]), "c"(a[1]), "d"(a[2]), "S"(a[3]), "D"(a[4])
			 : "memory", "r8", "r9", "r10", "r11");
	return result;
#else
	(void)nr, (void)a;
	return -ENOSYS;
#endif
}

int main(int argc, char **argv)
{
	static struct sock_filter program[MOST];
	static char lines[MOST][160];
	static long results[MOST];
	int count = 0;

	if (argc != 2)
		return 2;
	while (count < MOST && fgets(lines[count], sizeof(lines[0]), stdin))
		count++;
	if (strcmp(argv[1], "-")) {
		int fd = open(argv[1], O_RDONLY | O_CLOEXEC);
		ssize_t size = read(fd, program, sizeof(program));
		struct sock_fprog all = { .len = (unsigned short)(size / 8), .filter = program };
		close(fd);
		if (size <= 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &all)) {
			perror("seccomp");
			return 1;
		}
	}
	for (int i = 0; i < count; i++) {
		unsigned long nr, a[6];
		char how[16];
		if (sscanf(lines[i], "%15s %lu %lu %lu %lu %lu %lu %lu", how, &nr, a, a + 1, a + 2, a + 3, a + 4, a + 5) != 8)
			return 2;
		if (!strcmp(how, "int80")) {
			results[i] = int80((long)nr, a);
		} else {
			results[i] = syscall((long)nr, a[0], a[1], a[2], a[3], a[4], a[5]);
			if (results[i] == -1)
				results[i] = -errno;
		}
	}
	for (int i = 0; i < count; i++)
		printf("%ld\n", results[i]);
	return 0;
}
