// What the made-up kernels of the fuzz targets have in common. Each target brings its own sys6(): run.sh compiles a copy of stage/
// that calls it, so nothing reaches the real kernel.
#ifndef FUZZ_KERNEL_H
#define FUZZ_KERNEL_H

#include "stage.h"

void *malloc(u64 size);
void free(void *p);
void *memcpy(void *to, const void *from, u64 n);
void *memmove(void *to, const void *from, u64 n);
void *memset(void *to, int c, u64 n);

// Whatever does not hold ends the fuzzer, which keeps the input.
static inline void check(int holds)
{
	if (!holds)
		__builtin_trap();
}

void *__asan_region_is_poisoned(void *from, u64 size);

// All of it is memory that the caller has.
static inline void touch(i64 at, u64 size)
{
	check(!size || !__asan_region_is_poisoned((void *)at, size));
}

static inline u64 text_length(const char *s)
{
	u64 n = 0;
	while (s[n])
		n++;
	return n;
}

// Descriptors: what each one is, 0 if it is not open.
#define MOST_FDS 256
static u8 fds[MOST_FDS];

static inline int is_open(i64 fd, u8 kind)
{
	return fd >= 0 && fd < MOST_FDS && (kind ? fds[fd] == kind : fds[fd] != 0);
}

static inline i64 new_fd(i64 from, u8 kind)
{
	for (i64 fd = from; fd < MOST_FDS; fd++)
		if (!fds[fd]) {
			fds[fd] = kind;
			return fd;
		}
	return -24; // EMFILE
}

// Answers that the fuzzer chooses: it learns which byte leads where. When they have come to their end they are all 0.
static const u8 *answers;
static u64 answers_left;

static inline u32 take_byte(void)
{
	if (!answers_left)
		return 0;
	answers_left--;
	return *answers++;
}

static inline u32 take(u32 limit)
{
	u32 v = take_byte();
	if (limit > 256)
		v |= take_byte() << 8;
	if (limit > 65536)
		v |= take_byte() << 16;
	return limit ? v % limit : 0;
}

static inline void take_bytes(i64 to, u64 size)
{
	u8 *p = (u8 *)to;
	for (u64 i = 0; i < size; i++)
		p[i] = (u8)take_byte();
}

// Anonymous memory, from the heap: ASan sees its end, and what is not given back.
#define MOST_MAPS 1024
static struct {
	u8 *at;
	u64 size;
} maps[MOST_MAPS];

static inline i64 map_some(u64 size)
{
	for (int i = 0; i < MOST_MAPS; i++)
		if (!maps[i].at) {
			if (!(maps[i].at = malloc(size ? size : 1)))
				return -E_NOMEM;
			maps[i].size = size;
			memset(maps[i].at, 0, size);
			return (i64)maps[i].at;
		}
	return -E_NOMEM;
}

static inline int is_map(i64 at, u64 size)
{
	for (int i = 0; i < MOST_MAPS; i++)
		if (maps[i].at && maps[i].at == (u8 *)at)
			return maps[i].size == size;
	return 0;
}

static inline i64 unmap_some(i64 at, u64 size)
{
	check(is_map(at, size));
	for (int i = 0; i < MOST_MAPS; i++)
		if (maps[i].at == (u8 *)at) {
			free(maps[i].at);
			maps[i].at = 0;
			return 0;
		}
	return -E_INVAL;
}

static inline i64 remap_some(i64 at, u64 size, u64 wanted)
{
	i64 more = map_some(wanted);
	if (is_error(more))
		return more;
	memcpy((void *)more, (void *)at, size < wanted ? size : wanted);
	check(unmap_some(at, size) == 0);
	return more;
}

static inline u32 maps_left(void)
{
	u32 n = 0;
	for (int i = 0; i < MOST_MAPS; i++)
		n += maps[i].at != 0;
	return n;
}

static inline void unmap_all(void)
{
	for (int i = 0; i < MOST_MAPS; i++)
		if (maps[i].at)
			unmap_some((i64)maps[i].at, maps[i].size);
}

// One entry of a directory, as getdents64(2) has them; returns how large it is.
static inline u64 put_entry(u8 *at, const char *name, u64 length)
{
	u64 size = (sizeof(struct dirent64) + length + 1 + 7) & ~7UL;
	memset(at, 0, size);
	at[16] = (u8)size;
	at[17] = (u8)(size >> 8);
	memcpy(at + 19, name, length);
	return size;
}

#endif
