// Fuzz target for listing a tree, which is what packs a layer: the real stage/list.c, on a made-up kernel that keeps the kernel's
// promises but answers whatever the input says. What comes out has to be a stream of whole records with relative paths, and what it
// says of a file's size has to be so; names are looked up in directories that are open, and all are closed at the end.
#include "kernel.h"
#include "stream.h"

int LLVMFuzzerTestOneInput(const u8 *data, u64 size);

enum { ROOT = 240, OUT, ANSWERS };
enum kind { DIRECTORY = 1, FILE_OF_DATA, OTHER };

#define MOST_CALLS 1000000

static u64 calls;
static i64 here; // the current directory
static u8 held[STREAM_ROOM + STREAM_RECORD];
static u64 used, skip; // bytes of a record so far; of data that is still to come
static int ended;
static u64 file_size, file_told;

// What was looked at, by its path, in this order: records tell of some of it, in the same order.
#define MOST_SEEN 65536
static char paths[MOST_FDS][STREAM_PATH]; // of open directories
static u64 seen[MOST_SEEN];
static u32 seen_count, told_of;

static u64 hash(u64 h, const char *text)
{
	for (; *text; text++)
		h = (h ^ (u8)*text) * 1099511628211u;
	return h;
}

static u64 path_hash(i64 dir, const char *name)
{
	u64 h = hash(14695981039346656037u, paths[dir]);

	if (is_dots(name))
		return h;
	return hash(*paths[dir] ? hash(h, "/") : h, name);
}

static void check_order(const char *path)
{
	u64 h = hash(14695981039346656037u, path);

	if (seen_count == MOST_SEEN)
		return;
	while (told_of < seen_count && seen[told_of] != h)
		told_of++;
	check(told_of < seen_count);
}

static i64 open_directory_of(i64 dir, const char *name)
{
	i64 fd = new_fd(3, DIRECTORY);
	u64 n = text_length(paths[dir]), more = text_length(name);

	if (is_error(fd))
		return fd;
	check(n + more + 2 <= STREAM_PATH);
	memcpy(paths[fd], paths[dir], n);
	if (n)
		paths[fd][n++] = '/';
	memcpy(paths[fd] + n, name, more + 1);
	return fd;
}

static void check_path(const char *path)
{
	const char *part = path;

	check(path[0] != '/');
	for (const char *c = path;; c++)
		if (*c == '/' || !*c) {
			u64 n = (u64)(c - part);
			check(!*path || n > 0);
			check(!(n == 1 && part[0] == '.') && !(n == 2 && part[0] == '.' && part[1] == '.'));
			if (!*c)
				return;
			part = c + 1;
		}
}

static void check_record(const u8 *at, const struct entry *e)
{
	const u8 *end = at + e->size, *path = at + sizeof *e, *more = path;

	check(e->kind > 0 && e->kind < ENTRY_KINDS);
	while (more < end && *more)
		more++;
	check(more < end && more - path < (i64)STREAM_PATH);
	const u8 *value = ++more;
	while (value < end && *value)
		value++;
	check(value < end);
	value++;
	check(e->kind == ENTRY_ATTRIBUTE ? e->bytes == (u64)(end - value) : value == end);
	check_path((const char *)path);
	if (e->kind != ENTRY_END)
		check_order((const char *)path);
	if (e->kind == ENTRY_FILE) {
		file_size = e->bytes;
		file_told = 0;
	}
	if (e->kind == ENTRY_DATA || e->kind == ENTRY_HOLE) {
		check(e->bytes > 0 && e->bytes <= file_size - file_told);
		file_told += e->bytes;
	}
	skip = e->kind == ENTRY_DATA ? e->bytes : 0;
	ended = e->kind == ENTRY_END;
}

static void receive(const u8 *from, u64 n)
{
	while (n) {
		check(!ended);
		if (skip) {
			u64 part = skip < n ? skip : n;
			skip -= part;
			from += part;
			n -= part;
			continue;
		}
		u32 need = sizeof(struct entry);
		struct entry e;
		if (used >= need) {
			memcpy(&e, held, sizeof e);
			check(e.size >= sizeof e + 2 && e.size <= STREAM_RECORD);
			need = e.size;
		}
		u64 part = need - used < n ? need - used : n;
		memcpy(held + used, from, part);
		used += part;
		from += part;
		n -= part;
		memcpy(&e, held, sizeof e);
		if (used >= sizeof e && used == e.size) {
			used = 0;
			check_record(held, &e);
		}
	}
}

static void check_name(i64 dir, const char *name)
{
	u64 n = text_length(name);

	check(is_open(dir, DIRECTORY) || dir == ROOT);
	check(n > 0 && n < 256);
	for (u64 i = 0; i < n; i++)
		check(name[i] != '/');
	check(!is_dots(name) || (!name[1] && dir == ROOT));
}

static u64 take_name(char *name)
{
	u64 n = 1 + take(take(16) ? 8 : 255);

	for (u64 i = 0; i < n; i++) {
		char c = (char)take_byte();
		name[i] = c && c != '/' ? c : '.';
	}
	return n;
}

static i64 directory(u8 *to, u64 room)
{
	u64 at = 0;

	check(room >= 4096);
	for (u32 n = take(12); n > 0 && answers_left && room - at >= 280; n--) {
		char name[256];
		u64 length = take_name(name);
		at += put_entry(to + at, name, length);
	}
	return (i64)at;
}

static i64 attributes(u8 *to, u64 room)
{
	u64 at = 0;

	for (u32 n = take(4); n > 0 && answers_left && room - at >= 256; n--) {
		at += take_name((char *)to + at);
		to[at++] = 0;
	}
	return (i64)at;
}

// As many bytes as the answer says, at most so many; large ones are all alike.
static i64 some(i64 to, u64 most)
{
	u64 n = take(4) ? take(64) : take(1 << 18);

	n = n < most ? n : most;
	memset((void *)to, (int)take_byte(), n);
	return (i64)n;
}

static i64 describe(struct statx256 *s)
{
	static const u16 types[] = { 0040000, 0100000, 0100000, 0120000, 0010000, 0020000, 0060000, 0140000, 0 };

	touch((i64)s, sizeof *s);
	take_bytes((i64)s, take(8) ? 40 : sizeof *s);
	s->mode = (u16)((s->mode & 07777) | types[take(sizeof types / sizeof *types)]);
	s->size = take(4) ? take(1 << 17) : (u64)take_byte() << 56 | take(1 << 17);
	s->nlink = take(4) ? 1 : take(3);
	return 0;
}

i64 sys6(i64 nr, i64 a, i64 b, i64 c, i64 d, i64 e, i64 f)
{
	static const i64 errors[] = { E_NOENT, E_INTR, E_AGAIN, E_INVAL, E_NOTSUP, E_NXIO, E_LOOP, E_XDEV, E_RANGE, E_NOTDIR, E_IO };
	const char *name = (const char *)b;

	(void)e, (void)f;
	check(++calls < MOST_CALLS);
	switch (nr) { // these do not fail
	case __NR_close:
		check(is_open(a, DIRECTORY) || is_open(a, FILE_OF_DATA));
		fds[a] = 0;
		return 0;
	case __NR_munmap:
		return unmap_some(a, (u64)b);
	case __NR_mmap:
		return take(64) == 63 ? -E_NOMEM : map_some((u64)b);
	case __NR_mremap:
		return take(64) == 63 ? -E_NOMEM : remap_some(a, (u64)b, (u64)c);
	}
	int fails = take(32) == 31;
	i64 error = -errors[fails ? take(sizeof errors / sizeof *errors) : 0];
	switch (nr) {
	case __NR_openat:
		check_name(a, name);
		check((c & O_NO_FOLLOW) && (c & O_NO_BLOCK) && (c & O_CLOSE_ON_EXEC));
		return fails ? error : new_fd(3, FILE_OF_DATA);
	case __NR_openat2:
		check_name(a, name);
		check(((const u64 *)c)[2] == 0x0d && ((const u64 *)c)[0] & O_NO_FOLLOW);
		return fails ? error : open_directory_of(a, name);
	case __NR_statx:
		if (*name)
			check_name(a, name);
		else
			check(is_open(a, FILE_OF_DATA) && c == AT_EMPTY);
		check(!*name || c == AT_NO_FOLLOW);
		if (fails)
			return error;
		if (*name && seen_count < MOST_SEEN)
			seen[seen_count++] = path_hash(a, name);
		return describe((struct statx256 *)e);
	case __NR_getdents64:
		check(is_open(a, DIRECTORY) || a == ROOT);
		touch(b, (u64)c);
		return fails ? error : directory((u8 *)b, (u64)c);
	case __NR_readlinkat:
		check_name(a, name);
		touch(c, (u64)d);
		if (fails)
			return error;
		i64 n = some(c, (u64)d);
		for (i64 i = 0; i < n; i++)
			((u8 *)c)[i] |= 1;
		return n;
	case __NR_fchdir:
		check(is_open(a, DIRECTORY) || a == ROOT);
		here = a;
		return fails ? error : 0;
	case __NR_llistxattr:
		check_name(here, (const char *)a);
		touch(b, (u64)c);
		return fails ? error : attributes((u8 *)b, (u64)c);
	case __NR_lgetxattr:
		check_name(here, (const char *)a);
		check(text_length(name) < 256);
		touch(c, (u64)d);
		return fails ? error : some(c, d < 65536 ? (u64)d : 65536);
	case __NR_read:
		check(a == ANSWERS ? c == 1 : is_open(a, FILE_OF_DATA));
		touch(b, (u64)c);
		if (fails)
			return error;
		if (a != ANSWERS)
			return some(b, (u64)c);
		*(u8 *)b = take(2) ? 'd' : 's';
		return take(16) != 15;
	case __NR_lseek:
		check(is_open(a, FILE_OF_DATA));
		return fails || take(2) ? error : take(2) ? (i64)take(1 << 17) : (i64)take_byte() << 55;
	case __NR_write:
		check(a == OUT && c > 0);
		touch(b, (u64)c);
		if (fails) // a pipe says nothing else
			return take(2) ? -E_INTR : -E_PIPE;
		i64 written = take(2) ? 1 + (i64)take(1 << 16) : c;
		written = written < c ? written : c;
		receive((const u8 *)b, (u64)written);
		return written;
	}
	check(0);
	return 0;
}

int LLVMFuzzerTestOneInput(const u8 *data, u64 size)
{
	u64 room = size && data[0] ? data[0] : STREAM_PATH;
	char *path = malloc(room);
	u64 a[6] = { ROOT, OUT, ANSWERS, (u64)path, room };

	if (size && data[size - 1] & 1) // one entry by its name
		a[5] = (u64)"only";
	if (size && data[size - 1] & 2) // no data
		a[2] = (u64)-1;
	answers = data;
	answers_left = size;
	calls = used = skip = 0;
	seen_count = told_of = 0;
	paths[ROOT][0] = 0;
	file_size = file_told = 0;
	ended = 0;
	for (int i = 0; i < MOST_FDS; i++)
		fds[i] = 0;
	for (int i = 0; i < 3; i++)
		fds[i] = OTHER;
	fds[ROOT] = fds[OUT] = fds[ANSWERS] = OTHER;
	here = ROOT;
	i64 ret = op_walk(WALK_LIST, a);
	check(text_length(path) < room);
	check(ret >= -4095 && ret <= 0);
	if (!ret)
		check(ended && !used && !skip);
	free(path);
	for (int i = 0; i < MOST_FDS; i++)
		check(fds[i] == 0 || fds[i] == OTHER);
	check(maps_left() == 0);
	return 0;
}
