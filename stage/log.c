// The monitor's log: records in NAME, and when that is full in a new one; older ones become NAME.1, NAME.2 and so on.
#include "log.h"

#define O_APPENDING 02000
#define FILE_NAME (LOG_NAME + 12)

struct part {
	const void *bytes;
	u64 length;
};

void log_start(struct log *l, const struct held *held)
{
	*l = (struct log){ .directory = held->log, .file = -1, .files = held->log_files, .most = held->log_most };
	for (int i = 0; i < LOG_NAME - 1; i++)
		l->name[i] = held->log_name[i];
}

// NAME, or NAME.n
static void name_of(const struct log *l, u32 n, char *to)
{
	char digits[10];
	u32 count = 0, at = 0;

	while (at < LOG_NAME - 1 && l->name[at]) {
		to[at] = l->name[at];
		at++;
	}
	for (u32 left = n; left; left /= 10)
		digits[count++] = (char)('0' + left % 10);
	if (count)
		to[at++] = '.';
	while (count)
		to[at++] = digits[--count];
	to[at] = 0;
}

static void shut(struct log *l)
{
	if (l->file >= 0)
		sys(__NR_close, l->file);
	l->file = -1;
}

// Each becomes the next older one, and the oldest goes. What was done halfway is so again the next time.
static int make_room(struct log *l)
{
	char from[FILE_NAME], to[FILE_NAME];

	shut(l);
	l->number++;
	name_of(l, 0, from);
	if (l->files <= 1) {
		i64 gone = sys(__NR_unlinkat, l->directory, from, 0);
		return !is_error(gone) || gone == -E_NOENT;
	}
	for (u32 n = l->files - 1; n > 0; n--) {
		name_of(l, n - 1, from);
		name_of(l, n, to);
		i64 moved = sys(__NR_renameat2, l->directory, from, l->directory, to, 0);
		if (is_error(moved) && moved != -E_NOENT)
			return 0;
	}
	return 1;
}

// Returns 0 if it cannot be had. A file without our head is begun anew: nobody could read it.
static int open_file(struct log *l)
{
	struct log_head head = { 0 };
	char name[FILE_NAME];

	if (l->file >= 0)
		return 1;
	name_of(l, 0, name);
	i64 fd = sys(__NR_openat, l->directory, name, O_READ_WRITE | O_CREATE | O_APPENDING | O_CLOSE_ON_EXEC | O_NO_FOLLOW, 0600);
	if (is_error(fd))
		return 0;
	l->file = (int)fd;
	i64 size = sys(__NR_lseek, fd, 0, 2);
	i64 n = size >= (i64)sizeof head ? sys(__NR_pread64, fd, &head, sizeof head, 0) : 0;
	if (n == sizeof head && head.magic == LOG_MAGIC) {
		l->mark = head.mark;
		l->number = head.number;
		l->size = (u64)size;
		return 1;
	}
	head = (struct log_head){ LOG_MAGIC, now_ns(), l->number };
	sys(__NR_getrandom, &head.mark, sizeof head.mark, 0);
	if (!is_error(sys(__NR_ftruncate, fd, 0)) && sys(__NR_write, fd, &head, sizeof head) == sizeof head) {
		l->mark = head.mark;
		l->size = sizeof head;
		return 1;
	}
	sys(__NR_ftruncate, fd, 0);
	shut(l);
	return 0;
}

// One whole record or nothing of it.
static int put(struct log *l, u32 kind, const void *bytes, u32 length)
{
	struct timespec64 t = { 0, 0 };
	u64 whole = sizeof(struct log_record) + length;

	if (!open_file(l))
		return 0;
	if (l->size > sizeof(struct log_head) && l->size + whole > l->most && (!make_room(l) || !open_file(l)))
		return 0;
	sys(__NR_clock_gettime, 0, &t); // CLOCK_REALTIME
	struct log_record head = { l->mark, (u64)t.sec * 1000000000u + (u64)t.nsec, length, kind };
	struct part parts[2] = { { &head, sizeof head }, { bytes, length } };
	i64 n = sys(__NR_writev, l->file, parts, 2);
	if (n == (i64)whole) {
		l->size += whole;
		return 1;
	}
	if (n > 0 && is_error(sys(__NR_ftruncate, l->file, l->size))) // a reader finds the next record by its mark
		shut(l);
	return 0;
}

void log_put(struct log *l, u32 kind, const u8 *bytes, u32 length)
{
	u64 lost = l->lost;

	if (l->directory < 0)
		return;
	if (lost && put(l, LOG_LOST, &lost, sizeof lost))
		l->lost = 0;
	if (l->lost || !put(l, kind, bytes, length))
		l->lost += length;
}
