// `ps` and `list`: lines that the stage prints of each container, put together.
#include "later.h"

enum { NAMES_MAX = 256, TEXT_BYTES = 1 << 18, PIDS_BYTES = 16384, COLUMNS = 6, NARROWEST = 11 };
enum { READ_DIRECTORY = 02000000 }; // O_CLOEXEC

struct entry { // linux_dirent64
	u64 inode, offset;
	unsigned short size;
	u8 type;
	char name[];
};

static char text[TEXT_BYTES], out[2 * TEXT_BYTES], names[TEXT_BYTES / 2];
static char *sorted[NAMES_MAX];

// The word of --format, "table" if there is none; counts on behind flags. 0: another flag.
static const char *format_of(u64 count, char **words, u64 *i, int *quiet)
{
	const char *format = "table", *rest;

	for (*i = 1; *i < count && words[*i][0] == '-'; (*i)++) {
		if ((rest = behind(words[*i], "--format=")))
			format = rest;
		else if ((equal(words[*i], "--format") || equal(words[*i], "-f")) && *i + 1 < count)
			format = words[++*i];
		else if (quiet && (equal(words[*i], "--quiet") || equal(words[*i], "-q")))
			*quiet = 1;
		else
			return 0;
	}
	return equal(format, "table") || equal(format, "json") ? format : 0;
}

// As `ps -ef`, but of these processes only.
static void show_processes(const char *pids, char **environment)
{
	const char *path = 0, *argv[] = { "ps", "-f", "-q", pids, 0 };
	char file[PATH_BYTES];

	for (char **e = environment; *e; e++)
		if ((path = behind(*e, "PATH=")))
			break;
	for (const char *p = path ? path : ""; *p;) {
		u64 n = 0;
		while (*p && *p != ':' && n < PATH_BYTES - 8)
			file[n++] = *p++;
		if (*p && *p++ != ':')
			return;
		for (const char *c = "/ps"; *c; c++)
			file[n++] = *c;
		file[n] = 0;
		sys(__NR_execve, file, argv, environment);
	}
}

void try_ps(u64 count, char **words, const char *root, char **environment)
{
	u64 i;
	const char *format = format_of(count, words, &i, 0);

	if (!format || i + 1 != count || !is_id(words[i]))
		return;
	i64 size = run_stage(root, words[i], PS, "0", text, PIDS_BYTES);
	if (size <= 0)
		return;
	for (i64 k = 0; k < size; k++)
		if (text[k] == '\n')
			text[k] = ',';
	if (equal(format, "json")) {
		print("[", 1);
		print(text, (u64)size - 1);
		print("]\n", 2);
		leave(0);
	}
	text[size - 1] = 0;
	show_processes(text, environment);
}

// Names in a directory that are ids, in order. -1: it cannot be read, or there are too many.
static i64 read_names(const char *path)
{
	static char block[4096] __attribute__((aligned(8)));
	i64 fd = sys(__NR_openat, AT_CWD, path, READ_DIRECTORY, 0), got, count = 0;
	u64 at = 0;

	if (fd < 0)
		return fd;
	while ((got = sys(__NR_getdents64, fd, block, sizeof(block))) > 0)
		for (i64 b = 0; b < got;) {
			struct entry *e = (struct entry *)(block + b);
			u64 size = length(e->name) + 1;
			b += e->size;
			if (!is_id(e->name))
				continue;
			if (count == NAMES_MAX || at + size > sizeof(names))
				return -1;
			i64 k = count++;
			for (u64 n = 0; n < size; n++)
				names[at + n] = e->name[n];
			for (; k > 0; k--) { // insertion
				const char *a = sorted[k - 1], *b2 = names + at;
				while (*a && *a == *b2)
					a++, b2++;
				if ((u8)*a <= (u8)*b2)
					break;
				sorted[k] = sorted[k - 1];
			}
			sorted[k] = names + at;
			at += size;
		}
	sys(__NR_close, fd);
	return got < 0 ? got : count;
}

// A line of the table is a line of columns; each second line is JSON.
static u64 put_table(const char *from, u64 size)
{
	static const char head[] = "ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER\n";
	u64 width[COLUMNS], at = 0;

	for (int i = 0; i < COLUMNS; i++)
		width[i] = NARROWEST;
	for (int pass = 0; pass < 2; pass++) {
		const char *p = head, *end = head + sizeof(head) - 1;
		for (int line = 0;; line++) {
			u64 column = 0, n = 0, first = at;
			for (; p < end && *p != '\n'; p++) {
				if (*p != '\t') {
					n++;
					if (pass)
						out[at++] = *p;
					continue;
				}
				for (; pass && n <= width[column]; n++)
					out[at++] = ' ';
				if (!pass && n > width[column])
					width[column] = n;
				if (++column == COLUMNS)
					return 0;
				n = 0;
			}
			while (pass && at > first && out[at - 1] == ' ')
				at--;
			if (pass)
				out[at++] = '\n';
			if (line == 0)
				p = from, end = from + size;
			else
				for (p++; p < end && *p != '\n'; p++)
					;
			p += line > 0;
			if (p >= end)
				break;
			if (at + 3 * PATH_BYTES > sizeof(out))
				return 0;
		}
	}
	return at;
}

static u64 put_lines(const char *from, u64 size, int json)
{
	u64 at = 0;
	int line = 0;

	if (json)
		out[at++] = '[';
	for (u64 i = 0; i < size; i++) {
		int wanted = json ? line == 1 : line == 0;
		if (from[i] == '\n') {
			line = !line;
			if (wanted)
				out[at++] = json ? ',' : '\n';
		} else if (wanted && (json || line == 0))
			out[at++] = from[i];
		if (!json && wanted && from[i] == '\t') {
			at--; // ids alone
			while (from[i + 1] != '\n')
				i++;
		}
	}
	if (json) {
		at -= size > 0;
		out[at++] = ']';
		out[at++] = '\n';
	}
	return at;
}

int has_runs(const char *root)
{
	static char runs[PATH_BYTES];

	if (!join(runs, root, "@", "/runs"))
		return 1;
	i64 count = read_names(runs);
	return count != 0 && count != -E_NOENT;
}

// Their names are ID.PID.START, see src/container/runs.ts; as mayBeAlive() there, this is a little too kind.
int has_dead_runs(const char *root)
{
	static char runs[PATH_BYTES];

	if (!join(runs, root, "@", "/runs"))
		return 1;
	i64 count = read_names(runs);
	if (count < 0)
		return count != -E_NOENT;
	for (i64 i = 0; i < count; i++) {
		const char *c = sorted[i];
		i64 pid = 0;
		while (*c && *c != '.')
			c++;
		for (c += *c == '.'; *c >= '0' && *c <= '9' && pid < 1 << 24; c++)
			pid = pid * 10 + *c - '0';
		if (pid == 0 || sys(__NR_kill, pid, 0) == -E_SRCH)
			return 1;
	}
	return 0;
}

void try_list(u64 count, char **words, const char *root)
{
	u64 i, size = 0;
	int quiet = 0;
	const char *format = format_of(count, words, &i, &quiet);

	if (!format || i != count)
		return;
	if (has_runs(root))
		return;
	i64 all = read_names(root);
	if (all < 0)
		return;
	for (i64 k = 0; k < all; k++) {
		i64 got = run_stage(root, sorted[k], LIST, "0", text + size, TEXT_BYTES - size);
		if (got <= 0)
			return;
		size += (u64)got;
	}
	u64 bytes = quiet || equal(format, "json") ? put_lines(text, size, !quiet) : put_table(text, size);
	if (bytes == 0 && !(quiet && size == 0))
		return;
	print(out, bytes);
	leave(0);
}
