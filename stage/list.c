// A tree of files as a stream of records (stage/stream.h): sorted, on one file system, without following links.
#include "stage.h"
#include "stream.h"

#define MAP_ANONYMOUS_OWN 0x22
#define SEEK_DATA_OP 3
#define SEEK_HOLE_OP 4
#define TYPE 0170000
#define LARGEST_NAMES (64u << 10) // of all attributes of a file: XATTR_LIST_MAX

struct lister {
	i64 out, answers;
	u32 used, length; // of the path
	char path[STREAM_PATH];
	char names[LARGEST_NAMES];
	u8 bytes[STREAM_ROOM];
};

static i64 flush(struct lister *l)
{
	for (u32 done = 0; done < l->used;) {
		i64 n = sys(__NR_write, l->out, l->bytes + done, l->used - done);
		if (n == -E_INTR)
			continue;
		if (n <= 0)
			return n ? n : -E_IO;
		done += (u32)n;
	}
	l->used = 0;
	return 0;
}

static void add(struct lister *l, const void *from, u64 n)
{
	const u8 *p = from;
	for (u64 i = 0; i < n; i++)
		l->bytes[l->used + i] = p[i];
	l->used += (u32)n;
}

u64 length_of(const char *s)
{
	u64 n = 0;
	while (s[n])
		n++;
	return n;
}

// Room for the largest record.
static i64 make_room(struct lister *l)
{
	return STREAM_ROOM - l->used < STREAM_RECORD ? flush(l) : 0;
}

static i64 write_record(struct lister *l, struct entry *e, const char *more)
{
	u64 length = length_of(more) + 1;
	i64 bad = make_room(l);
	if (bad)
		return bad;
	e->size = (u32)(sizeof *e + l->length + 1 + length);
	add(l, e, sizeof *e);
	add(l, l->path, l->length + 1);
	add(l, more, length);
	return 0;
}

// As mknod(2) takes it, below 2^12 and 2^20.
static u32 device(u32 major, u32 minor)
{
	return (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12;
}

static struct entry entry_of(const struct statx256 *s)
{
	struct entry e = { 0 };
	int type = s->mode & TYPE;

	e.kind = type == 0040000 ? ENTRY_DIRECTORY : type == 0100000 ? ENTRY_FILE : type == 0120000 ? ENTRY_SYMLINK : ENTRY_NODE;
	e.mode = s->mode;
	e.uid = s->uid;
	e.gid = s->gid;
	e.seconds = s->mtime.sec;
	e.nanoseconds = s->mtime.nsec;
	e.bytes = e.kind == ENTRY_FILE ? s->size : 0;
	e.device = e.kind == ENTRY_NODE ? device(s->rdev_major, s->rdev_minor) : device(s->dev_major, s->dev_minor);
	e.links = s->nlink;
	e.inode = s->ino;
	return e;
}

// Attributes go by a name in the current directory, because some files cannot be opened.
static i64 list_attributes(struct lister *l, i64 dir, const char *name)
{
	i64 n = sys(__NR_fchdir, dir);
	if (!is_error(n))
		n = sys(__NR_llistxattr, name, l->names, sizeof l->names);
	if (is_error(n))
		return n == -E_NOTSUP ? 0 : n;
	for (i64 at = 0; at < n; at += (i64)length_of(l->names + at) + 1) {
		struct entry e = { 0 };
		e.kind = ENTRY_ATTRIBUTE;
		i64 bad = write_record(l, &e, l->names + at);
		if (bad)
			return bad;
		i64 got = sys(__NR_lgetxattr, name, l->names + at, l->bytes + l->used, STREAM_ROOM - l->used);
		u32 start = l->used - e.size;
		if (is_error(got)) { // it is gone, or not for us
			l->used = start;
			continue;
		}
		e.size += (u32)got;
		e.bytes = (u64)got;
		l->used = start;
		add(l, &e, sizeof e);
		l->used = start + e.size;
	}
	return 0;
}

static i64 write_hole(struct lister *l, u64 bytes)
{
	struct entry e = { 0 };
	e.kind = ENTRY_HOLE;
	e.bytes = bytes;
	return bytes ? write_record(l, &e, "") : 0;
}

// As much as fits into the buffer, right behind its record. Returns how much that was.
static i64 write_piece(struct lister *l, i64 file, u64 most)
{
	struct entry e = { 0 };
	e.kind = ENTRY_DATA;
	i64 bad = write_record(l, &e, "");
	if (bad)
		return bad;
	u64 room = STREAM_ROOM - l->used;
	i64 n = sys(__NR_read, file, l->bytes + l->used, room < most ? room : most);
	u32 start = l->used - e.size;
	l->used = start;
	if (n <= 0)
		return n;
	e.bytes = (u64)n;
	add(l, &e, sizeof e);
	l->used = start + e.size + (u32)n;
	return n;
}

// A file that grows meanwhile is cut; one that shrinks ends early, and the reader sees that.
static i64 write_contents(struct lister *l, i64 file, u64 size)
{
	for (u64 at = 0; at < size;) {
		i64 data = sys(__NR_lseek, file, at, SEEK_DATA_OP);
		if (data == -E_NXIO || (u64)data >= size)
			return write_hole(l, size - at);
		if (is_error(data) || (u64)data < at)
			data = (i64)at;
		i64 bad = write_hole(l, (u64)data - at);
		if (bad)
			return bad;
		i64 end = sys(__NR_lseek, file, data, SEEK_HOLE_OP);
		if (end <= data || (u64)end > size) // a hole was made there meanwhile
			end = (i64)size;
		sys(__NR_lseek, file, data, 0);
		for (at = (u64)data; at < (u64)end;) {
			i64 n = write_piece(l, file, (u64)end - at);
			if (n <= 0)
				return n;
			at += (u64)n;
		}
	}
	return 0;
}

// The reader knows which file has been met under another name: it says by a byte whether it wants the data ('d').
static i64 is_wanted(struct lister *l)
{
	u8 answer = 0;
	i64 n = flush(l);
	if (is_error(n))
		return n;
	do
		n = sys(__NR_read, l->answers, &answer, 1);
	while (n == -E_INTR);
	return n == 1 ? answer == 'd' : n ? n : -E_PIPE;
}

static i64 list_file(struct lister *l, i64 dir, const char *name)
{
	struct statx256 s = { 0 };
	i64 file = sys(__NR_openat, dir, name, O_READ_ONLY | O_NO_FOLLOW | O_NO_BLOCK | O_CLOSE_ON_EXEC, 0);
	if (is_error(file))
		return file;
	i64 ret = sys(__NR_statx, file, "", AT_EMPTY, 0x7ff, &s);
	if (!is_error(ret) && (s.mode & TYPE) != 0100000)
		ret = -E_STALE; // swapped since it was looked at
	struct entry e = entry_of(&s);
	if (!is_error(ret))
		ret = write_record(l, &e, "");
	if (!is_error(ret))
		ret = list_attributes(l, dir, name);
	if (!is_error(ret))
		ret = l->answers < 0 ? 0 : s.nlink > 1 ? is_wanted(l) : 1;
	if (ret > 0)
		ret = write_contents(l, file, s.size);
	sys(__NR_close, file);
	return is_error(ret) ? ret : 0;
}

static i64 list_directory(struct lister *l, i64 dir);

// Returns 1 for a directory.
static i64 list_entry(struct lister *l, i64 dir, const char *name)
{
	struct statx256 s = { 0 };
	char target[STREAM_PATH];
	i64 ret = sys(__NR_statx, dir, name, AT_NO_FOLLOW, 0x7ff, &s);
	int type = s.mode & TYPE;

	if (is_error(ret))
		return ret;
	if (type == 0100000)
		return list_file(l, dir, name);
	target[0] = 0;
	if (type == 0120000) {
		ret = sys(__NR_readlinkat, dir, name, target, sizeof target - 1);
		if (is_error(ret))
			return ret;
		target[ret] = 0;
	}
	struct entry e = entry_of(&s);
	ret = write_record(l, &e, target);
	if (!is_error(ret))
		ret = list_attributes(l, dir, name);
	return is_error(ret) ? ret : type == 0040000;
}

// The names of a directory, in memory of their own.
struct names {
	char *bytes;
	u32 *order; // offsets
	u64 room;
	u32 used, count;
};

static i64 map_memory(u64 size)
{
	return sys(__NR_mmap, 0, size, PROT_RW, MAP_ANONYMOUS_OWN, -1, 0);
}

static i64 keep_name(struct names *n, const char *name)
{
	u64 length = length_of(name) + 1;
	if (n->used + length > n->room) {
		if (n->room > 1u << 30)
			return -E_NOMEM;
		i64 more = n->room ? sys(__NR_mremap, n->bytes, n->room, 2 * n->room, 1) : map_memory(STREAM_ROOM);
		if (is_error(more))
			return more;
		n->room = n->room ? 2 * n->room : STREAM_ROOM;
		n->bytes = (char *)more;
	}
	for (u64 i = 0; i < length; i++)
		n->bytes[n->used + i] = name[i];
	n->used += (u32)length;
	n->count++;
	return 0;
}

static i64 read_names(struct names *n, i64 dir)
{
	u8 buffer[4096] __attribute__((aligned(8)));
	i64 got;

	while ((got = sys(__NR_getdents64, dir, buffer, sizeof buffer)) > 0)
		for (i64 at = 0; at < got;) {
			struct dirent64 *e = (struct dirent64 *)(buffer + at);
			at += e->reclen;
			i64 bad = is_dots(e->name) ? 0 : keep_name(n, e->name);
			if (bad)
				return bad;
		}
	return got;
}

static int is_before(const struct names *n, u32 a, u32 b)
{
	const u8 *p = (const u8 *)n->bytes + a, *q = (const u8 *)n->bytes + b;
	while (*p && *p == *q)
		p++, q++;
	return *p < *q;
}

// Heap sort: no recursion, no memory.
static void sift(struct names *n, u32 root, u32 count)
{
	u32 *o = n->order, top = o[root];
	for (u32 child; (child = 2 * root + 1) < count; root = child) {
		if (child + 1 < count && is_before(n, o[child], o[child + 1]))
			child++;
		if (!is_before(n, top, o[child]))
			break;
		o[root] = o[child];
	}
	o[root] = top;
}

static i64 sort_names(struct names *n)
{
	i64 order = map_memory((u64)n->count * sizeof *n->order + 1);
	if (is_error(order))
		return order;
	n->order = (u32 *)order;
	for (u32 i = 0, at = 0; i < n->count; i++, at += (u32)length_of(n->bytes + at) + 1)
		n->order[i] = at;
	for (u32 i = n->count / 2; i-- > 0;)
		sift(n, i, n->count);
	for (u32 i = n->count; i-- > 1;) {
		u32 last = n->order[i];
		n->order[i] = n->order[0];
		n->order[0] = last;
		sift(n, 0, i);
	}
	return 0;
}

static i64 list_below(struct lister *l, i64 dir, const char *name)
{
	u32 before = l->length, length = (u32)length_of(name);
	if (before + length + 2 > STREAM_PATH)
		return -E_NAMETOOLONG;
	if (before)
		l->path[l->length++] = '/';
	note_path(l->path + l->length, length + 1, name);
	l->length += length;
	i64 ret = list_entry(l, dir, name);
	i64 sub = ret == 1 ? open_below(dir, name) : ret;
	if (ret == 1 && !is_error(sub)) {
		ret = list_directory(l, sub);
		sys(__NR_close, sub);
	} else if (sub != -E_XDEV) { // what is mounted there is not of this tree
		ret = sub;
	}
	if (is_error(ret) && ret != -E_NOENT)
		return ret; // the path tells of which file
	l->path[l->length = before] = 0;
	return 0; // what goes meanwhile was not there
}

static i64 list_directory(struct lister *l, i64 dir)
{
	struct names n = { 0 };
	i64 ret = read_names(&n, dir);

	if (!is_error(ret) && n.count)
		ret = sort_names(&n);
	for (u32 i = 0; i < n.count && !is_error(ret); i++)
		ret = list_below(l, dir, n.bytes + n.order[i]);
	if (n.room)
		sys(__NR_munmap, n.bytes, n.room);
	if (n.order)
		sys(__NR_munmap, n.order, (u64)n.count * sizeof *n.order + 1);
	return ret;
}

i64 list_tree(const u64 *a)
{
	static struct lister l;
	struct entry end = { 0 };

	l.out = (i64)a[1];
	l.answers = (i64)a[2];
	l.used = l.length = 0;
	l.path[0] = 0;
	const char *only = (const char *)a[5];
	i64 ret = only ? list_below(&l, (i64)a[0], only) : list_entry(&l, (i64)a[0], ".");
	if (!is_error(ret) && !only)
		ret = list_directory(&l, (i64)a[0]);
	note_path((char *)a[3], a[4], l.path);
	end.kind = ENTRY_END;
	if (!is_error(ret))
		ret = write_record(&l, &end, "");
	return is_error(ret) ? ret : flush(&l);
}
