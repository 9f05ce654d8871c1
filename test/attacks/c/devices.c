/* Device nodes: made here, or brought along by the root file system and by a volume. */
#include "attack.h"
#include <sys/mount.h>
#include <sys/sysmacros.h>

static long make(mode_t type, int major, int minor)
{
	unlink("/tmp/node");
	return mknod("/tmp/node", type | 0666, makedev(major, minor));
}
static long make_char(void) { return make(S_IFCHR, 1, 5); }
static long make_block(void) { return make(S_IFBLK, 7, 250); }
static long make_whiteout(void) { return make(S_IFCHR, 0, 0); } /* of overlay: no device, open to all */
static long make_at_volume(void)
{
	unlink("/volume/made");
	return mknod("/volume/made", S_IFCHR | 0666, makedev(1, 5));
}
static long read_from(const char *path)
{
	char byte;
	int fd = open(path, O_RDONLY);
	return fd < 0 ? -1 : read(fd, &byte, 1);
}
static long make_and_read(void) { return make(S_IFCHR, 1, 5) ? -1 : read_from("/tmp/node"); }
static long of_root(void) { return read_from("/zero"); }
static long of_volume(void) { return read_from("/volume/zero"); }
static long of_host_dev(void) { return read_from("/host-dev/zero"); }
static long through_link(void)
{
	unlink("/tmp/link");
	return symlink("/volume/zero", "/tmp/link") ? -1 : read_from("/tmp/link");
}
static long of_root_remounted(void)
{
	if (mount(0, "/", 0, MS_REMOUNT | MS_BIND, 0))
		return -1;
	return of_root();
}

static const struct attack ATTACKS[] = {
	{ "mknod-char", make_char }, { "mknod-block", make_block }, { "mknod-volume", make_at_volume }, { "mknod-open", make_and_read },
	{ "smuggled-root", of_root }, { "smuggled-volume", of_volume }, { "smuggled-dev", of_host_dev }, { "smuggled-link", through_link },
	{ "smuggled-remounted", of_root_remounted }, { "whiteout", make_whiteout },
	{ 0, 0 },
};

int main(int argc, char **argv)
{
	return attack_main(ATTACKS, argc, argv);
}
