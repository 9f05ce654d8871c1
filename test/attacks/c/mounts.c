/* Mounts and namespaces: whatever would change what the container sees, or let it join what others see. */
#include "attack.h"
#include <linux/mount.h>
#include <sys/mount.h>

static long mount_tmpfs(void) { return mount("attack", "/tmp", "tmpfs", 0, ""); }
static long mount_proc(void) { return mount("attack", "/tmp", "proc", 0, ""); }
static long mount_sysfs(void) { return mount("attack", "/tmp", "sysfs", 0, ""); }
static long mount_bind(void) { return mount("/proc/sys", "/tmp", 0, MS_BIND | MS_REC, 0); }
static long mount_move(void) { return mount("/dev/shm", "/tmp", 0, MS_MOVE, 0); }
static long mount_shared(void) { return mount(0, "/", 0, MS_SHARED | MS_REC, 0); }
static long mount_overlay(void)
{
	return mount("attack", "/tmp", "overlay", 0, "lowerdir=/bin:/etc");
}
static long remount_proc_sys(void) { return mount(0, "/proc/sys", 0, MS_REMOUNT | MS_BIND, 0); }
static long remount_sys(void) { return mount(0, "/sys", 0, MS_REMOUNT | MS_BIND, 0); }
static long remount_cgroup(void) { return mount(0, "/sys/fs/cgroup", 0, MS_REMOUNT | MS_BIND, 0); }
static long remount_masked(void) { return mount(0, "/sys/firmware", 0, MS_REMOUNT | MS_BIND, 0); }
static long remount_root_dev(void) { return mount(0, "/", 0, MS_REMOUNT | MS_BIND, 0); }
static long remount_volume(void) { return mount(0, "/volume", 0, MS_REMOUNT | MS_BIND, 0); }
static long unmask_directory(void) { return umount2("/sys/firmware", MNT_DETACH); }
static long unmask_file(void) { return umount2("/proc/timer_list", MNT_DETACH); }
static long umount_proc(void) { return umount2("/proc", MNT_DETACH); }
static long umount_proc_sys(void) { return umount2("/proc/sys", MNT_DETACH); }
static long umount_root(void) { return umount2("/", MNT_DETACH); }
static long pivot(void)
{
	if (chdir("/dev/shm"))
		return -1;
	mkdir("old", 0755);
	return syscall(SYS_pivot_root, ".", "old");
}

static long fs_open(void) { return syscall(SYS_fsopen, "tmpfs", 0); }
static long fs_pick(void) { return syscall(SYS_fspick, AT_FDCWD, "/dev/shm", 0); }
static long fs_whole(void)
{
	int fs = syscall(SYS_fsopen, "tmpfs", 0), mnt;
	if (fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, 0, 0, 0))
		return -1;
	mnt = syscall(SYS_fsmount, fs, 0, 0);
	return mnt < 0 ? -1 : syscall(SYS_move_mount, mnt, "", AT_FDCWD, "/tmp", MOVE_MOUNT_F_EMPTY_PATH);
}
static long tree_clone(void) { return syscall(SYS_open_tree, AT_FDCWD, "/proc", OPEN_TREE_CLONE); }
static long tree_move(void) { return syscall(SYS_move_mount, AT_FDCWD, "/dev/shm", AT_FDCWD, "/tmp", 0); }
static long set_attr(const char *path, unsigned long long clear)
{
	struct mount_attr a = { .attr_clr = clear };
	return syscall(SYS_mount_setattr, AT_FDCWD, path, 0, &a, sizeof(a));
}
static long setattr_proc_sys(void) { return set_attr("/proc/sys", MOUNT_ATTR_RDONLY); }
static long setattr_dev(void) { return set_attr("/", MOUNT_ATTR_NODEV); }

#define UNSHARE(name, flag) \
	static long unshare_##name(void) { return unshare(flag); } \
	static long clone_##name(void) \
	{ \
		long pid = syscall(SYS_clone, (flag) | SIGCHLD, 0, 0, 0, 0); \
		if (pid == 0) \
			_exit(0); \
		return pid; \
	} \
	static long setns_##name(void) \
	{ \
		int fd = open("/proc/self/ns/" #name, O_RDONLY); \
		return fd < 0 ? -1 : setns(fd, 0); \
	}
UNSHARE(mnt, CLONE_NEWNS)
UNSHARE(uts, CLONE_NEWUTS)
UNSHARE(ipc, CLONE_NEWIPC)
UNSHARE(pid, CLONE_NEWPID)
UNSHARE(net, CLONE_NEWNET)
UNSHARE(cgroup, CLONE_NEWCGROUP)
UNSHARE(user, CLONE_NEWUSER)
#define CLONE_TIME 0x80
static long unshare_time(void) { return unshare(CLONE_TIME); }

/* A user namespace of its own gives all capabilities back; there a mount is a matter of course. */
static long nested(void) { return unshare(CLONE_NEWUSER | CLONE_NEWNS) ? -1 : mount_tmpfs(); }

static long setns_pidfd(void)
{
	int fd = syscall(SYS_pidfd_open, getppid(), 0);
	return fd < 0 ? -1 : setns(fd, CLONE_NEWNET | CLONE_NEWUTS);
}

/* The namespaces of a process of the host ($HOST), and its root directory: is the canary there? */
static long enter_host(void)
{
	static const char *const types[] = { "ns/net", "ns/uts", "ns/ipc", "ns/mnt" };
	char path[64];
	long result = 0;
	for (int i = 0; i < 4; i++) {
		int fd;
		snprintf(path, sizeof(path), "/proc/%s/%s", getenv("HOST"), types[i]);
		fd = open(path, O_RDONLY);
		result |= fd < 0 ? -1 : setns(fd, 0);
	}
	return result ? -1 : access(getenv("CANARY"), F_OK);
}
static long root_of_host(void)
{
	char path[4200];
	snprintf(path, sizeof(path), "/proc/%s/root%s", getenv("HOST"), getenv("CANARY"));
	return access(path, F_OK);
}

#define A(name) { #name, name }
#define N(name) A(unshare_##name), A(clone_##name), A(setns_##name)
static const struct attack ATTACKS[] = {
	A(mount_tmpfs), A(mount_proc), A(mount_sysfs), A(mount_bind), A(mount_move), A(mount_shared), A(mount_overlay),
	A(remount_proc_sys), A(remount_sys), A(remount_cgroup), A(remount_masked), A(remount_root_dev), A(remount_volume),
	A(unmask_directory), A(unmask_file), A(umount_proc), A(umount_proc_sys), A(umount_root), A(pivot),
	A(fs_open), A(fs_pick), A(fs_whole), A(tree_clone), A(tree_move), A(setattr_proc_sys), A(setattr_dev),
	N(mnt), N(uts), N(ipc), N(pid), N(net), N(cgroup), N(user), A(unshare_time), A(nested), A(setns_pidfd),
	A(enter_host), A(root_of_host),
	{ 0, 0 },
};

int main(int argc, char **argv)
{
	return attack_main(ATTACKS, argc, argv);
}
