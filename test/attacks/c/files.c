/*
 * Files of the kernel. Writing is tried by opening only, so that a control does no harm; what was opened for writing is printed.
 * "write PATH…" and "read PATH…": one line each. "walk DIR…": all files below that open for writing.
 */
#include "attack.h"
#include <ftw.h>
#include <sys/mount.h>

static int opened;

static int try_open(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)at;
	if (type == FTW_F) {
		int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (fd >= 0) {
			puts(path);
			opened++;
			close(fd);
		}
	}
	return 0;
}

static void read_one(const char *path)
{
	char text[4096];
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof(text));
	const char *said = size < 0 ? strerrorname_np(errno) : "empty";
	for (ssize_t i = 0; i < size; i++)
		if (text[i] != '0' && text[i] != '\n' && text[i] != ' ') {
			said = "text";
			/* Of addresses: is there one but 0? */
			if (strstr(path, "kallsyms"))
				said = strncmp(text, "0000000000000000", 16) ? "text" : "zeros";
			break;
		}
	printf("%s %s\n", path, said);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	/* What is read-only or covered might be made otherwise. */
	if (getenv("REMOUNT")) {
		for (int i = 2; i < argc; i++)
			umount2(argv[i], MNT_DETACH);
		mount(0, "/proc/sys", 0, MS_REMOUNT | MS_BIND, 0);
		mount(0, "/sys", 0, MS_REMOUNT | MS_BIND, 0);
	}
	for (int i = 2; i < argc; i++)
		if (!strcmp(argv[1], "walk"))
			nftw(argv[i], try_open, 32, FTW_PHYS | FTW_MOUNT);
		else if (!strcmp(argv[1], "read"))
			read_one(argv[i]);
		else {
			int fd = open(argv[i], O_WRONLY | O_NONBLOCK | O_CLOEXEC);
			printf("%s %s\n", argv[i], fd < 0 ? strerrorname_np(errno) : "ok");
		}
	return 0;
}
