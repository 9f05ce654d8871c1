// Files that come in a stream of records (stage/stream.h) go below one directory. A record's parent is resolved once, by openat2,
// and its last name is never followed.
#include "stage.h"
#include "stream.h"

struct writer {
	i64 in, root;
	u64 resolve;
	i64 parent; // the directory `above`, or -1: the next record is likely to be in it, too
	i64 file;   // the one that data goes to, or -1
	struct entry last; // of that file
	u64 length;	   // of that file, so far
	u32 at, end;
	char above[STREAM_PATH];
	u8 bytes[STREAM_ROOM];
};

void note_path(char *to, u64 room, const char *path)
{
	u64 n = 0;
	for (; path[n] && n + 1 < room; n++)
		to[n] = path[n];
	to[n] = 0;
}

static int same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static i64 receive(struct writer *w)
{
	i64 n;
	do
		n = sys(__NR_read, w->in, w->bytes + w->end, STREAM_ROOM - w->end);
	while (n == -E_INTR);
	if (n > 0)
		w->end += (u32)n;
	return n == 0 ? -E_PIPE : n;
}

// Sees to it that the next `need` bytes lie together.
static i64 gather(struct writer *w, u32 need)
{
	if (w->end - w->at >= need)
		return 0;
	u32 left = w->end - w->at;
	for (u32 i = 0; i < left; i++)
		w->bytes[i] = w->bytes[w->at + i];
	w->at = 0;
	w->end = left;
	while (w->end < need) {
		i64 n = receive(w);
		if (is_error(n))
			return n;
	}
	return 0;
}

struct text {
	char *path, *more;
	u8 *value;
};

// Behind the text's NUL, or 0 if it has none or is too long.
static u8 *behind(u8 *text, const u8 *end)
{
	for (u32 n = 0; text + n < end && n < STREAM_PATH; n++)
		if (!text[n])
			return text + n + 1;
	return 0;
}

static i64 next_record(struct writer *w, struct entry *e, struct text *t)
{
	i64 bad = gather(w, sizeof *e);
	if (bad)
		return bad;
	u8 *head = (u8 *)e;
	for (u32 i = 0; i < sizeof *e; i++)
		head[i] = w->bytes[w->at + i];
	if (e->size < sizeof *e || e->size > STREAM_RECORD || e->kind == 0 || e->kind >= ENTRY_KINDS)
		return -E_INVAL;
	if ((bad = gather(w, e->size)))
		return bad;
	u8 *text = w->bytes + w->at + sizeof *e, *end = w->bytes + w->at + e->size;
	w->at += e->size;
	t->path = (char *)text;
	if (!(text = behind(text, end)))
		return -E_INVAL;
	t->more = (char *)text;
	if (!(t->value = behind(text, end)))
		return -E_INVAL;
	return e->kind == ENTRY_ATTRIBUTE && e->bytes != (u64)(end - t->value) ? -E_INVAL : 0;
}

static void forget_parent(struct writer *w)
{
	if (w->parent >= 0)
		sys(__NR_close, w->parent);
	w->parent = -1;
}

static i64 open_parent(struct writer *w, const char *path)
{
	struct {
		u64 flags, mode, resolve;
	} how = { O_PATH_ONLY | O_DIR | O_CLOSE_ON_EXEC, 0, w->resolve };
	i64 fd;
	int tries = 0;
	do
		fd = sys(__NR_openat2, w->root, path, &how, sizeof how);
	while (fd == -E_AGAIN && ++tries < 1000); // a rename somewhere on the host: openat2(2)
	return fd;
}

// Splits at the last slash; `above` is then the text before it.
static char *last_name(char *path, char **above)
{
	char *slash = 0;
	for (char *c = path; *c; c++)
		if (*c == '/')
			slash = c;
	*above = slash ? path : 0;
	if (slash)
		*slash = 0;
	return slash ? slash + 1 : *path ? path : ".";
}

static void remember_parent(struct writer *w, i64 fd, const char *path)
{
	forget_parent(w);
	w->parent = fd;
	note_path(w->above, sizeof w->above, path);
}

// The directory that holds the record's name. Its descriptor stays the writer's.
static i64 directory_of(struct writer *w, char *path, char **name)
{
	char *above;
	if (*path == '/')
		return -E_INVAL;
	*name = last_name(path, &above);
	i64 fd = w->root;
	if (above && w->parent >= 0 && same(above, w->above)) {
		fd = w->parent;
	} else if (above) {
		fd = open_parent(w, above);
		if (!is_error(fd))
			remember_parent(w, fd, above);
	}
	if (above)
		(*name)[-1] = '/';
	return **name == 0 || (*path && is_dots(*name)) ? -E_INVAL : fd;
}

static i64 set_times(i64 at, const char *name, const struct entry *e)
{
	struct timespec64 both[2] = { { e->seconds, e->nanoseconds }, { e->seconds, e->nanoseconds } };
	return sys(__NR_utimensat, at, name, both, name ? AT_NO_FOLLOW : 0);
}

// Of a call that comes after the one that makes something: that there is something of that name can no longer be meant, and
// what is there is not to be replaced.
static i64 afterwards(i64 ret)
{
	return ret == -E_EXIST ? -E_IO : ret;
}

static i64 make_directory(struct writer *w, const struct entry *e, i64 dir, const char *name, const char *path)
{
	i64 ret = sys(__NR_mkdirat, dir, name, e->mode & 01777);
	if (is_error(ret) && (ret != -E_EXIST || e->flags & ENTRY_KEEP))
		return ret;
	i64 fd = open_directory(dir, name);
	if (is_error(fd))
		return fd == -E_NOTDIR || fd == -E_LOOP ? -E_EXIST : fd;
	ret = sys(__NR_fchown, fd, e->uid, e->gid);
	if (!is_error(ret))
		ret = sys(__NR_fchmod, fd, e->mode & 07777);
	remember_parent(w, fd, path);
	return afterwards(ret);
}

static i64 make_file(struct writer *w, const struct entry *e, i64 dir, const char *name)
{
	i64 flags = O_WRITE_ONLY | O_CREATE | O_EXCLUSIVE | O_NO_FOLLOW | O_CLOSE_ON_EXEC;
	i64 fd = sys(__NR_openat, dir, name, flags, e->mode & 0777);
	if (is_error(fd))
		return fd;
	w->file = fd;
	w->last = *e;
	w->length = 0;
	return afterwards(sys(__NR_fchown, fd, e->uid, e->gid));
}

static i64 make_link(struct writer *w, i64 dir, const char *name, char *target)
{
	char *above;
	if (*target == '/')
		return -E_INVAL;
	char *old = last_name(target, &above);
	i64 from = above ? open_parent(w, above) : w->root;
	if (above)
		old[-1] = '/';
	if (is_error(from))
		return afterwards(from);
	i64 ret = *old == 0 || is_dots(old) ? -E_INVAL : sys(__NR_linkat, from, old, dir, name, 0);
	if (from != w->root)
		sys(__NR_close, from);
	return ret;
}

static i64 make(struct writer *w, const struct entry *e, i64 dir, const char *name, const struct text *t)
{
	i64 ret;

	switch (e->kind) {
	case ENTRY_DIRECTORY:
		return make_directory(w, e, dir, name, t->path);
	case ENTRY_FILE:
		return make_file(w, e, dir, name);
	case ENTRY_LINK:
		return make_link(w, dir, name, t->more);
	case ENTRY_SYMLINK:
		ret = sys(__NR_symlinkat, t->more, dir, name);
		break;
	default:
		ret = sys(__NR_mknodat, dir, name, e->mode & 0170777, e->device);
	}
	if (is_error(ret))
		return ret;
	ret = sys(__NR_fchownat, dir, name, e->uid, e->gid, AT_NO_FOLLOW);
	if (!is_error(ret) && e->kind == ENTRY_NODE && e->mode & 07000)
		ret = sys(__NR_fchmodat, dir, name, e->mode & 07777);
	return afterwards(is_error(ret) ? ret : set_times(dir, name, e));
}

static int is_elsewhere(i64 ret)
{
	return ret == -E_NOENT || ret == -E_NOTDIR || ret == -E_LOOP;
}

// By descriptor where it has to be a directory, else by its name in the current directory: no call sets an attribute of a link below
// a descriptor before Linux 6.13.
static i64 set_attribute(const struct entry *e, i64 dir, const char *name, const struct text *t)
{
	i64 ret;
	if (e->flags & ENTRY_ONLY_DIRECTORY) {
		i64 fd = open_directory(dir, name);
		if (is_error(fd))
			return is_elsewhere(fd) ? 0 : fd;
		ret = sys(__NR_fsetxattr, fd, t->more, t->value, e->bytes, 0);
		sys(__NR_close, fd);
		return ret;
	}
	ret = sys(__NR_fchdir, dir);
	return is_error(ret) ? ret : sys(__NR_lsetxattr, name, t->more, t->value, e->bytes, 0);
}

static i64 set_directory_times(const struct entry *e, i64 dir, const char *name)
{
	i64 fd = open_directory(dir, name);
	if (is_error(fd))
		return e->flags & ENTRY_ONLY_DIRECTORY && is_elsewhere(fd) ? 0 : fd;
	i64 ret = set_times(fd, 0, e);
	sys(__NR_close, fd);
	return ret;
}

static i64 put(struct writer *w, const struct entry *e, const struct text *t)
{
	char *name;
	i64 dir = directory_of(w, t->path, &name);

	if (is_error(dir))
		return e->flags & ENTRY_ONLY_DIRECTORY && is_elsewhere(dir) ? 0 : dir;
	if (e->kind == ENTRY_ATTRIBUTE)
		return set_attribute(e, dir, name, t);
	if (e->kind == ENTRY_TIMES)
		return set_directory_times(e, dir, name);
	i64 ret = make(w, e, dir, name, t);
	if (ret != -E_EXIST)
		return ret;
	if (e->flags & (ENTRY_KEEP | ENTRY_ONLY_DIRECTORY))
		return 0;
	if (e->flags & ENTRY_ALIKE && e->kind == ENTRY_DIRECTORY)
		return -E_NOTDIR;
	ret = e->flags & ENTRY_ALIKE ? sys(__NR_unlinkat, dir, name, 0) : remove_tree(dir, name);
	if (dir == w->root) // the remembered directory may have been in there
		forget_parent(w);
	return is_error(ret) ? ret : make(w, e, dir, name, t);
}

static i64 write_data(struct writer *w, u64 left)
{
	while (left) {
		if (w->at == w->end) {
			w->at = w->end = 0;
			i64 n = receive(w);
			if (is_error(n))
				return n;
		}
		u64 there = w->end - w->at;
		i64 n = sys(__NR_write, w->file, w->bytes + w->at, there < left ? there : left);
		if (n <= 0)
			return n ? n : -E_IO;
		w->at += (u32)n;
		w->length += (u64)n;
		left -= (u64)n;
	}
	return 0;
}

static i64 write_hole(struct writer *w, u64 bytes)
{
	w->length += bytes;
	i64 ret = sys(__NR_ftruncate, w->file, w->length);
	return is_error(ret) ? ret : sys(__NR_lseek, w->file, w->length, 0);
}

// A change of owner takes set-id bits away, and every write changes the time: so they come last.
static i64 close_file(struct writer *w)
{
	if (w->file < 0)
		return 0;
	i64 ret = w->last.mode & 07000 ? sys(__NR_fchmod, w->file, w->last.mode & 07777) : 0;
	if (!is_error(ret))
		ret = set_times(w->file, 0, &w->last);
	sys(__NR_close, w->file);
	w->file = -1;
	return ret;
}

i64 op_stream(const u64 *a)
{
	static struct writer w;
	struct entry e;
	struct text t;
	i64 ret, records = 0;

	w.root = (i64)a[0];
	w.in = (i64)a[1];
	w.resolve = a[2];
	w.parent = w.file = -1;
	w.at = w.end = 0;
	while (!is_error(ret = next_record(&w, &e, &t))) {
		records++;
		if (e.kind == ENTRY_DATA || e.kind == ENTRY_HOLE) {
			ret = w.file < 0 ? -E_INVAL : e.kind == ENTRY_DATA ? write_data(&w, e.bytes) : write_hole(&w, e.bytes);
			if (is_error(ret))
				break;
			continue;
		}
		// An attribute is set when the data is there: writing takes capabilities away. The file stays open for what follows.
		if (e.kind != ENTRY_ATTRIBUTE && is_error(ret = close_file(&w)))
			break;
		note_path((char *)a[3], a[4], t.path);
		if (e.kind == ENTRY_END || is_error(ret = put(&w, &e, &t)))
			break;
	}
	if (w.file >= 0)
		sys(__NR_close, w.file);
	forget_parent(&w);
	return is_error(ret) ? ret : records;
}
