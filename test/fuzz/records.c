// Fuzz target for the reader of record streams, which is what unpacks a layer: the real stage/stream.c, on a made-up kernel that
// holds every call against what must be so whatever the stream says. All paths are relative; every name is one name in a directory
// that is the root or was opened below it; links are not followed; descriptors are open when they are used and closed at the end.
#include "kernel.h"
#include "stream.h"

int LLVMFuzzerTestOneInput(const u8 *data, u64 size);
u64 LLVMFuzzerCustomMutator(u8 *data, u64 size, u64 max_size, u32 seed);
u64 LLVMFuzzerMutate(u8 *data, u64 size, u64 max_size);

// An input: a seed of chance, how many calls in 256 fail, the room for a path in the output, how much a read may bring; the stream.
#define HEAD 8

enum { ROOT = 200, IN };
enum kind { DIRECTORY = 1, FILE_OF_DATA, PATH_ONLY, OTHER };

#define RESOLVE 0x13 // IN_ROOT | NO_MAGICLINKS | NO_XDEV: what src/plan/layer.ts asks for
#define BELOW 0x0d   // files.c: open_below()
#define MOST_ENTRIES 200 // of all directories that are removed

static const u8 *stream;
static u64 left;
static u32 state, failures, most_read, entries;
static u64 calls, most_calls, now;
static u64 entered; // the call that changed the directory
static char node[STREAM_PATH]; // made last
static i64 node_at;

static u32 below(u32 limit)
{
	state = state * 1664525u + 1013904223u;
	return limit ? (u32)((u64)(state >> 8) * limit >> 24) : 0;
}

static int is_directory(i64 fd)
{
	return fd == ROOT || is_open(fd, DIRECTORY) || is_open(fd, PATH_ONLY);
}

// One name, in a directory of ours; "." is the root alone.
static int is_here(const char *name, i64 dir)
{
	return name[0] == '.' && !name[1] && dir == ROOT;
}

static void check_name(i64 dir, const char *name)
{
	u64 n = text_length(name);

	check(is_directory(dir));
	check(n > 0 && n < STREAM_PATH);
	for (u64 i = 0; i < n; i++)
		check(name[i] != '/');
	check(!is_dots(name) || is_here(name, dir));
}

static int is_same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static void check_open(const char *path, i64 dir, const u64 *how)
{
	touch((i64)how, 24);
	check(path[0] != '/');
	check(text_length(path) < STREAM_PATH);
	check(how[2] == RESOLVE ? dir == ROOT : how[2] == BELOW);
	if (how[2] == BELOW)
		check_name(dir, path);
}

// A few names, until there have been enough of them.
static i64 directory(u8 *to, u64 room)
{
	u64 at = 0;

	check(room >= 4096);
	for (u32 n = below(4); n > 0 && entries < MOST_ENTRIES; n--, entries++) {
		char name[255];
		u64 length = 1 + below(below(8) ? 8 : 255);
		for (u64 i = 0; i < length; i++)
			name[i] = below(3) ? '.' : (char)('a' + below(26));
		at += put_entry(to + at, name, length);
	}
	return (i64)at;
}

static i64 read_stream(u8 *to, u64 room)
{
	u64 n = 1 + below(most_read);

	if (!left || !room)
		return 0;
	n = n < room ? n : room;
	n = n < left ? n : left;
	memcpy(to, stream, n);
	stream += n;
	left -= n;
	return (i64)n;
}

// What happens before chance has its say: the caller is held to what it may ask.
static void check_call(i64 nr, i64 a, i64 b, i64 c, i64 d, i64 e)
{
	const char *name = (const char *)b;

	switch (nr) {
	case __NR_openat2:
		check_open(name, a, (const u64 *)c);
		break;
	case __NR_openat:
		check_name(a, name);
		check((c & O_NO_FOLLOW) && (c & O_CLOSE_ON_EXEC));
		break;
	case __NR_mkdirat:
	case __NR_mknodat:
	case __NR_unlinkat:
		check_name(a, name);
		break;
	case __NR_symlinkat:
		check(text_length((const char *)a) < STREAM_PATH);
		check_name(b, (const char *)c);
		break;
	case __NR_linkat:
	case __NR_renameat2:
		check_name(a, name);
		check_name(c, (const char *)d);
		check(nr == __NR_renameat2 ? e == 1 : e == 0); // RENAME_NOREPLACE; the link itself
		break;
	case __NR_fchownat:
		check_name(a, name);
		check(e == AT_NO_FOLLOW);
		break;
	case __NR_fchmodat: // it follows links: so only what was just made
		check_name(a, name);
		check(a == node_at && is_same(name, node));
		break;
	case __NR_utimensat:
		touch(c, 32);
		if (name) {
			check_name(a, name);
			check(d == AT_NO_FOLLOW);
		} else
			check(is_open(a, DIRECTORY) || is_open(a, FILE_OF_DATA));
		break;
	case __NR_fchown:
	case __NR_fchmod:
		check(is_open(a, DIRECTORY) || is_open(a, FILE_OF_DATA));
		break;
	case __NR_fsetxattr:
		check(is_open(a, DIRECTORY));
		check(text_length(name) < STREAM_PATH);
		touch(c, (u64)d);
		break;
	case __NR_fchdir:
		check(is_directory(a));
		break;
	case __NR_lsetxattr: // in the current directory, which was entered just before
		check(entered == calls - 1);
		check_name(ROOT, (const char *)a);
		check(text_length(name) < STREAM_PATH);
		touch(c, (u64)d);
		break;
	case __NR_getdents64:
		check(is_open(a, DIRECTORY));
		touch(b, (u64)c);
		break;
	case __NR_read:
		check(a == IN && c > 0);
		touch(b, (u64)c);
		break;
	case __NR_write:
		check(is_open(a, FILE_OF_DATA) && c > 0);
		touch(b, (u64)c);
		break;
	case __NR_ftruncate:
		check(is_open(a, FILE_OF_DATA));
		break;
	case __NR_lseek:
		check(is_open(a, 0));
		break;
	case __NR_close:
		check(a != ROOT && a != IN && is_open(a, 0));
		break;
	case __NR_clock_gettime:
	case __NR_nanosleep:
		break;
	default:
		check(0);
	}
}

i64 sys6(i64 nr, i64 a, i64 b, i64 c, i64 d, i64 e, i64 f)
{
	static const i64 errors[] = { E_NOENT, E_INTR, E_AGAIN, E_BUSY, E_EXIST, E_ISDIR, E_INVAL, E_NOSYS, E_NOTEMPTY, E_NOTDIR, E_LOOP, E_XDEV, 28 };
	int fails = below(256) < failures;

	(void)f;
	check(++calls < most_calls);
	now += 1000000;
	check_call(nr, a, b, c, d, e);
	if (nr == __NR_close) {
		fds[a] = 0;
		return 0;
	}
	if (nr == __NR_clock_gettime) {
		*(struct timespec64 *)b = (struct timespec64){ (i64)(now / 1000000000), (i64)(now % 1000000000) };
		return 0;
	}
	// "." cannot be taken away, whatever else happens.
	if (nr == __NR_unlinkat && is_here((const char *)b, a))
		return c & AT_REMOVE_DIR ? -E_INVAL : -E_ISDIR;
	if (fails)
		return -errors[below(sizeof errors / sizeof *errors)];
	switch (nr) {
	case __NR_openat2:
		return new_fd(3, ((const u64 *)c)[0] & O_PATH_ONLY ? PATH_ONLY : DIRECTORY);
	case __NR_openat:
		if (c & O_CREATE && is_here((const char *)b, a))
			return -E_EXIST;
		return new_fd(3, c & O_DIR ? DIRECTORY : FILE_OF_DATA);
	case __NR_mknodat:
		note_path(node, sizeof node, (const char *)b);
		node_at = a;
		return 0;
	case __NR_fchdir:
		entered = calls;
		return 0;
	case __NR_getdents64:
		return directory((u8 *)b, (u64)c);
	case __NR_read:
		return read_stream((u8 *)b, (u64)c);
	case __NR_write:
		return 1 + (i64)below(c < 1 << 20 ? (u32)c : 1 << 20);
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const u8 *data, u64 size)
{
	u64 a[6] = { ROOT, IN, RESOLVE };

	if (size < HEAD)
		return 0;
	memcpy(&state, data, 4);
	failures = data[4];
	most_read = data[7] ? data[7] * 16u : STREAM_ROOM;
	stream = data + HEAD;
	left = size - HEAD;
	calls = now = entered = entries = 0;
	node_at = -1;
	// A round of a removal may find nothing for as long as its patience lasts.
	most_calls = 40000 + 200 * size;
	for (int i = 0; i < MOST_FDS; i++)
		fds[i] = 0;
	fds[ROOT] = fds[IN] = OTHER;
	for (int i = 0; i < 3; i++)
		fds[i] = OTHER;
	u64 room = data[5] ? data[5] : STREAM_PATH;
	char *path = malloc(room);
	path[room - 1] = 1;
	path[0] = 0;
	a[3] = (u64)path;
	a[4] = room;
	i64 ret = op_stream(a);
	check(text_length(path) < room || path[0] == 0);
	check(ret != 0 && ret >= -4095);
	free(path);
	for (int i = 0; i < MOST_FDS; i++)
		check(fds[i] == 0 || fds[i] == OTHER);
	return 0;
}

// The mutator knows the format: whole records are put in, taken out and changed, and sizes fit mostly.

static const char *const PATHS[] = { "", ".", "..", "a", "a/b", "a/b/c", "a/..", "a/../b", "../a", "/a", "/", "a/", "a//b", "/etc/passwd",
				     "../../etc/passwd", "link", "link/a", "./a", "a/.", "user.a", "security.capability" };

struct parts {
	struct entry e;
	const u8 *text, *data;
	u64 text_size, data_size;
};

static int next_part(const u8 **at, const u8 *end, struct parts *p)
{
	if ((u64)(end - *at) < sizeof p->e)
		return 0;
	memcpy(&p->e, *at, sizeof p->e);
	if (p->e.size < sizeof p->e || p->e.size > (u64)(end - *at))
		return 0;
	p->text = *at + sizeof p->e;
	p->text_size = p->e.size - sizeof p->e;
	*at += p->e.size;
	p->data = *at;
	p->data_size = p->e.kind == ENTRY_DATA ? p->e.bytes : 0;
	if (p->data_size > (u64)(end - *at))
		p->data_size = (u64)(end - *at);
	*at += p->data_size;
	return 1;
}

static u64 put_text(u8 *to, const u8 *old, u64 old_size, int change)
{
	u64 n = 0;
	if (!change) {
		while (n < old_size && old[n])
			n++;
		memmove(to, old, n);
	} else if (below(8) == 0) { // a long one
		u64 length = below(2) ? STREAM_PATH - 3 + below(6) : below(5000);
		for (; n < length; n++)
			to[n] = n % 32 == 31 ? '/' : 'x';
	} else
		for (u32 k = 1 + below(2); k > 0; k--) {
			const char *p = PATHS[below(sizeof PATHS / sizeof *PATHS)];
			if (n && below(2))
				to[n++] = '/';
			for (; *p; p++)
				to[n++] = (u8)*p;
		}
	to[n] = 0;
	return n + 1;
}

// One record, somehow changed.
static u64 put_changed(u8 *to, struct parts *p)
{
	static u8 value[STREAM_RECORD];
	u32 what = below(10);
	const u8 *end = p->text + p->text_size;
	u64 path = 0, more, at = sizeof p->e;

	if (what == 0)
		p->e.kind = (u8)below(ENTRY_KINDS + 1);
	if (what == 1)
		p->e.flags = (u8)below(8);
	if (what == 2)
		p->e.mode = below(2) ? below(0200000) : 06777;
	if (what == 3)
		p->e.bytes = below(2) ? below(70000) : (u64)below(256) << 56;
	while (p->text + path < end && p->text[path])
		path++;
	const u8 *second = p->text + path < end ? p->text + path + 1 : end;
	for (more = 0; second + more < end && second[more];)
		more++;
	const u8 *third = second + more < end ? second + more + 1 : end;
	at += put_text(to + at, p->text, p->text_size, what == 4 || what == 5);
	at += put_text(to + at, second, (u64)(end - second), what == 6);
	if (p->e.kind == ENTRY_ATTRIBUTE) {
		u64 n = (u64)(end - third);
		n = what == 7 ? (below(4) ? below(64) : below(65536)) : n;
		for (u64 i = 0; i < n; i++)
			value[i] = third + i < end ? third[i] : (u8)i;
		memmove(to + at, value, n);
		at += n;
		if (what != 3)
			p->e.bytes = n;
	}
	p->e.size = (u32)(what == 8 && below(4) == 0 ? at + below(16) - 8 : at);
	memcpy(to, &p->e, sizeof p->e);
	return at;
}

u64 LLVMFuzzerCustomMutator(u8 *data, u64 size, u64 max_size, u32 seed)
{
	static u8 file[2 << 20];
	struct parts p, chosen;
	const u8 *at = data + HEAD, *end = data + size;
	u32 count = 0;

	state = seed;
	if (size < HEAD || size > sizeof file / 8 || below(16) == 0)
		return LLVMFuzzerMutate(data, size, max_size);
	if (below(8) == 0) { // another kernel
		for (u32 i = below(HEAD); i < HEAD; i++)
			data[i] = below(3) ? (u8)below(256) : 0;
		return size;
	}
	while (next_part(&at, end, &p))
		count++;
	if (!count)
		return LLVMFuzzerMutate(data, size, max_size);
	u32 where = below(count + 1), from = below(count), how = below(6), n = 0;
	at = data + HEAD;
	for (u32 i = 0; i <= from; i++)
		next_part(&at, end, &chosen);
	u64 used = HEAD;
	memcpy(file, data, HEAD);
	at = data + HEAD;
	for (;; n++) {
		const u8 *start = at;
		if (n == where && how < 3) { // one more: another one as it is, or changed
			used += put_changed(file + used, &chosen);
			memcpy(file + used, chosen.data, chosen.data_size);
			used += chosen.data_size;
		}
		if (!next_part(&at, end, &p))
			break;
		if (n == where && how == 3) // one less
			continue;
		if (n == where && how > 3) {
			used += put_changed(file + used, &p);
			start = p.data;
		}
		memcpy(file + used, start, (u64)(at - start));
		used += (u64)(at - start);
	}
	memcpy(file + used, at, (u64)(end - at));
	used += (u64)(end - at);
	if (used > max_size)
		return LLVMFuzzerMutate(data, size, max_size);
	memcpy(data, file, used);
	return used;
}
