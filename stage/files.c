// Trees of files, without a path that is resolved twice.
#include "stage.h"

struct dirent64 {
	u64 ino;
	i64 off;
	u16 reclen;
	u8 type;
	char name[];
};

static int is_dots(const char *n)
{
	return n[0] == '.' && (n[1] == 0 || (n[1] == '.' && n[2] == 0));
}

static i64 open_dir(i64 at, const char *name)
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

// Empties directory `dir`. A directory deeper than LEVELS moves up to `top`, where a later round meets it: depth costs
// no memory. Returns entries met, or -errno.
static i64 empty(i64 dir, i64 top, u64 *moved, int levels)
{
	u8 buffer[4096] __attribute__((aligned(8)));
	char up[32];
	i64 met = 0;

	for (;;) {
		i64 n = sys(__NR_getdents64, dir, buffer, sizeof buffer);
		if (n <= 0)
			return n < 0 ? n : met;
		for (i64 at = 0; at < n;) {
			struct dirent64 *e = (struct dirent64 *)(buffer + at);
			at += e->reclen;
			if (is_dots(e->name))
				continue;
			met++;
			i64 ret = sys(__NR_unlinkat, dir, e->name, 0);
			if (ret == -E_ISDIR)
				ret = sys(__NR_unlinkat, dir, e->name, AT_REMOVE_DIR);
			if (ret == -E_NOTEMPTY && levels == 0) {
				do {
					number_name(up, (*moved)++);
					ret = sys(__NR_renameat2, dir, e->name, top, up, 1); // RENAME_NOREPLACE
				} while (ret == -E_EXIST);
			} else if (ret == -E_NOTEMPTY) {
				i64 sub = open_dir(dir, e->name);
				ret = is_error(sub) ? sub : empty(sub, top, moved, levels - 1);
				if (!is_error(sub))
					sys(__NR_close, sub);
				if (!is_error(ret))
					ret = sys(__NR_unlinkat, dir, e->name, AT_REMOVE_DIR);
				if (ret == -E_NOTEMPTY) // entries came while it was read: the next round takes it
					ret = 0;
			}
			if (is_error(ret) && ret != -E_NOENT)
				return ret;
		}
	}
}

static i64 remove_tree(i64 at, const char *path)
{
	u64 moved = 0;
	i64 ret = sys(__NR_unlinkat, at, path, 0);

	if (ret != -E_ISDIR)
		return ret;
	i64 top = open_dir(at, path);
	if (is_error(top))
		return top;
	do {
		sys(__NR_lseek, top, 0, 0);
		ret = empty(top, top, &moved, LEVELS);
	} while (ret > 0);
	sys(__NR_close, top);
	return is_error(ret) ? ret : sys(__NR_unlinkat, at, path, AT_REMOVE_DIR);
}

i64 op_walk(u32 mode, const u64 *a)
{
	return mode == WALK_REMOVE ? remove_tree((i64)a[0], (const char *)a[1]) : -E_INVAL;
}
