// Fuzz target for the executor: an accepted plan is run by the real stage code, on a kernel that answers at random.
// Nothing reaches the real kernel: run.sh compiles a copy of stage/ whose sys6() is the one below.
#include <setjmp.h>
#include "kernel.h"

int posix_memalign(void **p, u64 alignment, u64 size);
int LLVMFuzzerTestOneInput(const u8 *data, u64 size);

#define ENOUGH_CALLS 4000
#define MOST_MEMORY (4u << 20)

static jmp_buf out_of_here;
static u32 calls, state;
static u8 *file;
static u64 file_size;
static int error;

static u32 below(u32 limit)
{
	state = state * 1664525u + 1013904223u;
	return limit ? (u32)((u64)(state >> 8) * limit >> 24) : 0;
}

static int in_file(i64 at, u64 size)
{
	return (u64)at >= (u64)file && (u64)at - (u64)file <= file_size - size;
}

// The stage's own buffers lie on its stack, a plan's never do: only the former may be written to.
static int on_stack(i64 at)
{
	u64 here = (u64)__builtin_frame_address(0);
	return (u64)at > here && (u64)at - here < 262144;
}

static i64 directory(u8 *buffer)
{
	u64 at = 0;
	for (u32 n = below(4); n > 0; n--) {
		char name[20];
		u64 length = 1 + below(sizeof name);
		for (u64 i = 0; i < length; i++)
			name[i] = below(4) ? 'a' : '.';
		at += put_entry(buffer + at, name, length);
	}
	return (i64)at;
}

// The kernel never says that it has read or written more than there was room for.
static u64 most_of(i64 nr, i64 b, i64 c, i64 d)
{
	switch (nr) {
	case __NR_ppoll:
		return (u64)b;
	case __NR_read:
	case __NR_pread64:
	case __NR_write:
	case __NR_pwrite64:
	case __NR_getdents64:
	case __NR_listxattr:
	case __NR_llistxattr:
	case __NR_flistxattr:
		return (u64)c;
	case __NR_readlinkat:
	case __NR_getxattr:
	case __NR_lgetxattr:
	case __NR_fgetxattr:
	case __NR_sendfile:
		return (u64)d;
	}
	return ~0UL;
}

// Of the stage's own and of the plan's, which may name any address and size.
static i64 memory(i64 nr, i64 a, i64 b, i64 c)
{
	u64 wanted = (u64)(nr == __NR_mremap ? c : b);

	if (nr != __NR_mmap && !is_map(a, (u64)b))
		return -E_INVAL;
	if (nr == __NR_munmap)
		return unmap_some(a, (u64)b);
	if (wanted > MOST_MEMORY)
		return -E_NOMEM;
	if (nr == __NR_mremap)
		return remap_some(a, (u64)b, wanted);
	i64 at = map_some(wanted);
	if (!is_error(at) && wanted == PLAN_PAGE)
		*(int *)at = error; // spawn.c: why a program did not start
	return at;
}

static i64 call(i64 nr, i64 a, i64 b, i64 c)
{
	static const i64 errors[] = { E_NOENT, E_INTR,	 E_AGAIN,    E_BUSY,	 E_EXIST, E_ISDIR,
				      E_INVAL, E_NOSYS, E_NOTEMPTY, E_TIMEDOUT, E_SRCH,	 E_CANCELED };
	if (++calls > ENOUGH_CALLS || nr == __NR_exit_group)
		longjmp(out_of_here, 1);
	if (nr == __NR_mmap || nr == __NR_mremap || nr == __NR_munmap)
		return memory(nr, a, b, c);
	if (below(4) == 0)
		return -errors[below(sizeof errors / sizeof *errors)];
	switch (nr) {
	case __NR_futex:
		if (in_file(a, 4))
			__atomic_store_n((u32 *)a, below(UNDONE + 1), __ATOMIC_RELEASE);
		return 0;
	case __NR_clone3:
		return below(3) ? 1000 + (i64)below(8) : 0;
	case __NR_getdents64:
		return on_stack(b) ? directory((u8 *)b) : 0;
	case __NR_write:
		return (i64)below((u32)c + 1);
	case __NR_ppoll:
		if (on_stack(a))
			for (i64 i = 0; i < b; i++)
				((struct pollfd32 *)a)[i].revents = (short)below(2);
		return (i64)below(3);
	case __NR_read:
		if (on_stack(b) && c == 128)
			((u32 *)b)[0] = 1 + below(64);
		return below(2) ? c : 0;
	}
	return below(3) ? (i64)below(8) : (i64)((u64)below(1 << 24) << below(40));
}

i64 sys6(i64 nr, i64 a, i64 b, i64 c, i64 d, i64 e, i64 f)
{
	i64 ret = call(nr, a, b, c);
	u64 most = most_of(nr, b, c, d);

	(void)e, (void)f;
	return is_error(ret) || (u64)ret <= most ? ret : (i64)most;
}

int LLVMFuzzerTestOneInput(const u8 *data, u64 size)
{
	void *at;
	struct stage s = { 0 };

	if (posix_memalign(&at, PLAN_PAGE, size ? size : 1))
		return 0;
	file = at;
	file_size = size;
	memcpy(file, data, size);
	if (!plan_decode(file, size, &s.plan)) {
		const struct header *h = s.plan.head;
		s.plan.report = (struct report *)(file + h->report);
		s.plan.out = file + h->report + report_size(h) - h->out;
		state = 2166136261u;
		for (u64 i = 0; i < h->size; i++)
			state = (state ^ file[i]) * 16777619u;
		for (volatile u32 i = 0; i < PROGRAMS; i++) {
			calls = 0;
			error = (int)below(3);
			if (!setjmp(out_of_here))
				run_ops(&s, h->programs[i].first, h->programs[i].count, 0);
			calls = 0;
			if (!setjmp(out_of_here))
				kill_children(&s, 0, s.plan.head->ops);
			unmap_all();
		}
	}
	free(at);
	return 0;
}
