// Trees of files, without a path that is resolved twice.
#include "stage.h"

int is_dots(const char *n)
{
	return n[0] == '.' && (n[1] == 0 || (n[1] == '.' && n[2] == 0));
}

i64 open_directory(i64 at, const char *name)
{
	return sys(__NR_openat, at, name, O_READ_ONLY | O_DIR | O_NO_FOLLOW | O_CLOSE_ON_EXEC, 0);
}

// A name for a directory that is moved up: no two of one walk are alike, and a clash is tried again.
static void number_name(char *name, u64 n)
{
	static const char hex[] = "0123456789abcdef";
	const char *head = ".vitrine-";
	int i = 0;

	for (; head[i]; i++)
		name[i] = head[i];
	for (int k = 0; k < 16; k++, i++)
		name[i] = hex[n >> (60 - 4 * k) & 15];
	name[i] = 0;
}

// So many levels are taken by recursion, one page of stack each.
#define LEVELS 8
// How long a tree that somebody still writes into is tried.
#define PATIENCE_NS 2000000000u

struct removal {
	i64 top;   // descriptor of the tree's directory
	u64 moved; // directories moved up to it
	u64 gone;  // entries that went in this round
	i64 error; // the first entry that would not go
};

i64 open_below(i64 dir, const char *name)
{
	struct {
		u64 flags, mode, resolve;
	} how = { O_READ_ONLY | O_DIR | O_NO_FOLLOW | O_CLOSE_ON_EXEC, 0, 0x0d }; // NO_XDEV, NO_SYMLINKS, BENEATH
	return sys(__NR_openat2, dir, name, &how, sizeof how);
}

static i64 remove_entry(struct removal *r, i64 dir, const char *name, int levels);

// Takes every entry of a directory away; one that will not go does not keep the others.
static void empty(struct removal *r, i64 dir, int levels)
{
	u8 buffer[4096] __attribute__((aligned(8)));
	i64 n;

	while ((n = sys(__NR_getdents64, dir, buffer, sizeof buffer)) > 0)
		for (i64 at = 0; at < n;) {
			struct dirent64 *e = (struct dirent64 *)(buffer + at);
			at += e->reclen;
			if (is_dots(e->name))
				continue;
			i64 ret = remove_entry(r, dir, e->name, levels);
			if (!is_error(ret))
				r->gone++;
			else if (ret != -E_NOENT && ret != -E_NOTEMPTY && !r->error)
				r->error = ret;
		}
	if (n < 0 && !r->error)
		r->error = n;
}

static i64 remove_entry(struct removal *r, i64 dir, const char *name, int levels)
{
	char up[32];
	i64 ret = sys(__NR_unlinkat, dir, name, 0);

	if (ret == -E_ISDIR) // rmdir first: it does not enter what is mounted there
		ret = sys(__NR_unlinkat, dir, name, AT_REMOVE_DIR);
	if (ret != -E_NOTEMPTY)
		return ret;
	if (levels == 0) { // deeper ones move up to the top, where a later round meets them: depth costs no memory
		do {
			number_name(up, r->moved++);
			ret = sys(__NR_renameat2, dir, name, r->top, up, 1); // RENAME_NOREPLACE
		} while (ret == -E_EXIST);
		return ret;
	}
	i64 sub = open_below(dir, name);
	if (is_error(sub))
		return sub;
	empty(r, sub, levels - 1);
	sys(__NR_close, sub);
	return sys(__NR_unlinkat, dir, name, AT_REMOVE_DIR);
}

i64 remove_tree(i64 at, const char *path)
{
	struct removal r = { 0, 0, 0, 0 };
	u64 end = now_ns() + PATIENCE_NS;
	i64 ret = sys(__NR_unlinkat, at, path, 0);

	if (ret == -E_ISDIR)
		ret = sys(__NR_unlinkat, at, path, AT_REMOVE_DIR);
	if (ret != -E_NOTEMPTY)
		return ret;
	// rmdir(2) says of "a/.." what it says of a full directory; rename(2) tells them apart: only a name is there already.
	if (sys(__NR_renameat2, at, path, at, path, 1) != -E_EXIST) // RENAME_NOREPLACE
		return -E_INVAL;
	r.top = open_directory(at, path);
	if (is_error(r.top))
		return r.top;
	do {
		r.gone = 0;
		sys(__NR_lseek, r.top, 0, 0);
		empty(&r, r.top, LEVELS);
		ret = sys(__NR_unlinkat, at, path, AT_REMOVE_DIR);
	} while (ret == -E_NOTEMPTY && (r.gone || (!r.error && now_ns() < end)));
	sys(__NR_close, r.top);
	return ret == -E_NOTEMPTY && r.error ? r.error : ret;
}

#define COPY_LEVELS 32

static i64 copy_directory(i64 from, i64 to, int levels);

static i64 copy_times(i64 to, const char *name, const struct statx256 *s)
{
	struct timespec64 both[2] = { { s->atime.sec, s->atime.nsec }, { s->mtime.sec, s->mtime.nsec } };
	return sys(__NR_utimensat, to, name, both, name ? AT_NO_FOLLOW : 0);
}

static int begins(const char *text, const char *with)
{
	while (*with && *text == *with)
		text++, with++;
	return *with == 0;
}

// What programs set themselves, ACLs and file capabilities; what the other file system has no place for, or does not let this user
// set, is left out.
static i64 copy_attributes(i64 from, i64 to)
{
	static char names[65536], value[65536]; // XATTR_LIST_MAX, XATTR_SIZE_MAX
	i64 n = sys(__NR_flistxattr, from, names, sizeof names);

	for (i64 at = 0; at < n; at += (i64)length_of(names + at) + 1) {
		const char *name = names + at;
		if (!begins(name, "user.") && !begins(name, "system.posix_acl_") && !begins(name, "security.capability"))
			continue;
		i64 size = sys(__NR_fgetxattr, from, name, value, sizeof value);
		i64 ret = is_error(size) ? 0 : sys(__NR_fsetxattr, to, name, value, size, 0);
		if (is_error(ret) && ret != -E_NOTSUP && ret != -E_PERM)
			return ret;
	}
	return is_error(n) && n != -E_NOTSUP ? n : 0;
}

// What a file or directory has besides what is in it, in this order: a new owner takes set-id bits and capabilities away, and a mode
// changes an ACL.
static i64 copy_marks(i64 from, i64 to)
{
	struct statx256 s = { 0 };
	i64 ret = sys(__NR_statx, from, "", AT_EMPTY, 0x7ff, &s);

	if (!is_error(ret))
		ret = sys(__NR_fchown, to, s.uid, s.gid);
	if (!is_error(ret))
		ret = sys(__NR_fchmod, to, s.mode & 07777);
	if (!is_error(ret))
		ret = copy_attributes(from, to);
	return is_error(ret) ? ret : copy_times(to, 0, &s);
}

static i64 copy_file(i64 from, i64 to, const char *name)
{
	i64 in = sys(__NR_openat, from, name, O_READ_ONLY | O_NO_FOLLOW | O_CLOSE_ON_EXEC, 0);
	if (is_error(in))
		return in;
	i64 out = sys(__NR_openat, to, name, O_WRITE_ONLY | O_CREATE | O_EXCLUSIVE | O_CLOSE_ON_EXEC, 0600);
	i64 n = out;
	while (!is_error(out) && (n = sys(__NR_sendfile, out, in, 0, 1 << 30)) > 0)
		;
	if (!is_error(n))
		n = copy_marks(in, out);
	sys(__NR_close, in);
	if (!is_error(out))
		sys(__NR_close, out);
	return n;
}

static i64 copy_link(i64 from, i64 to, const char *name)
{
	char target[4096];
	i64 n = sys(__NR_readlinkat, from, name, target, sizeof target - 1);

	if (is_error(n))
		return n;
	target[n] = 0;
	return sys(__NR_symlinkat, target, to, name);
}

static i64 copy_below(i64 from, i64 to, const char *name, int levels)
{
	i64 in = open_directory(from, name);
	if (is_error(in))
		return in;
	i64 ret = sys(__NR_mkdirat, to, name, 0700);
	i64 out = is_error(ret) ? ret : open_directory(to, name);
	ret = is_error(out) ? out : copy_directory(in, out, levels);
	sys(__NR_close, in);
	if (!is_error(out))
		sys(__NR_close, out);
	return ret;
}

static i64 copy_entry(i64 from, i64 to, const char *name, int levels)
{
	struct statx256 s = { 0 };
	i64 ret = sys(__NR_statx, from, name, AT_NO_FOLLOW, 0x7ff, &s);
	int type = s.mode & 0170000;

	if (is_error(ret))
		return ret;
	if (type == 0040000)
		return levels ? copy_below(from, to, name, levels - 1) : -E_LOOP;
	if (type == 0100000)
		return copy_file(from, to, name);
	if (type == 0120000)
		ret = copy_link(from, to, name);
	else if (type == 0010000)
		ret = sys(__NR_mknodat, to, name, 0010600, 0);
	else
		return 0;
	if (!is_error(ret))
		ret = sys(__NR_fchownat, to, name, s.uid, s.gid, AT_NO_FOLLOW);
	if (!is_error(ret) && type != 0120000)
		ret = sys(__NR_fchmodat, to, name, s.mode & 07777);
	return is_error(ret) ? ret : copy_times(to, name, &s);
}

// A directory that is open, into another one that is; its marks last, so that it can be written to until then.
static i64 copy_directory(i64 from, i64 to, int levels)
{
	u8 buffer[4096] __attribute__((aligned(8)));
	i64 n;

	while ((n = sys(__NR_getdents64, from, buffer, sizeof buffer)) > 0)
		for (i64 at = 0; at < n;) {
			struct dirent64 *e = (struct dirent64 *)(buffer + at);
			at += e->reclen;
			i64 ret = is_dots(e->name) ? 0 : copy_entry(from, to, e->name, levels);
			if (is_error(ret))
				return ret;
		}
	return is_error(n) ? n : copy_marks(from, to);
}

// Kills every process that a cgroup.procs file names until it names none, for hosts without cgroup.kill; or writes each to `to`,
// another group's such file. The file is read again each time, so that a pid is not used long after it was seen.
static i64 each_listed(i64 at, const char *path, i64 to)
{
	char list[4096];

	for (int round = 0; round < 2000; round++) {
		i64 fd = sys(__NR_openat, at, path, O_READ_ONLY | O_CLOSE_ON_EXEC, 0);
		if (is_error(fd))
			return fd == -E_NOENT ? 0 : fd;
		i64 n = sys(__NR_read, fd, list, sizeof list - 1);
		sys(__NR_close, fd);
		if (n <= 0)
			return n;
		i64 pid = 0, begin = 0;
		for (i64 i = 0; i < n; i++) {
			if (list[i] >= '0' && list[i] <= '9') {
				pid = pid * 10 + (list[i] - '0');
				continue;
			}
			if (pid > 1 && to >= 0)
				sys(__NR_write, to, list + begin, i - begin); // it may have ended: then it is not named again
			else if (pid > 1)
				sys(__NR_kill, pid, SIG_KILL);
			pid = 0;
			begin = i + 1;
		}
		if (to < 0)
			sleep_ns(1000000);
	}
	return -E_BUSY;
}

i64 op_walk(u32 mode, const u64 *a)
{
	const char *path = (const char *)a[1];
	if (mode == WALK_LIST)
		return list_tree(a);
	if (mode == WALK_COPY)
		return copy_directory((i64)a[0], (i64)a[1], COPY_LEVELS);
	return mode == WALK_REMOVE ? remove_tree((i64)a[0], path) : each_listed((i64)a[0], path, mode == WALK_MOVE ? (i64)a[2] : -1);
}
