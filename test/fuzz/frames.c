// Fuzz targets for what goes over the socket between a monitor and its clients: the real stage/attach.c or, AS_CLIENT, stage/client.c,
// on a made-up kernel that gives it the input as frames and answers. Descriptors are open when they are used, and bytes are read
// into and written from the buffers that are meant for them only. run.sh has the stage tell where its state is (the_state).
#include <setjmp.h>
#ifdef AS_CLIENT
#include "client.c"
#define AS_CLIENT_OR_NOT 1
typedef struct command the_type;
#else
#include "attach.c"
#define AS_CLIENT_OR_NOT 0
typedef struct monitor the_type;
#endif
#include "kernel.h"

int LLVMFuzzerTestOneInput(const u8 *data, u64 size);

enum { FD_PROCESS = 10, FD_DOOR, FD_TERMINAL, FD_PIPES, FD_OWNER = FD_PIPES + 3, FD_SOCKET, FD_SIGNALS, FD_LOG, FD_FIRST };
enum kind { OTHER = 1, OF_CLIENT, PIPE_IN, PIPE_OUT, DIRECTORY, OF_LOG };

#define MOST_CALLS 400000

the_type *the_state;
static u64 calls, now;
static int over;
static jmp_buf stuck;

static int within(i64 at, u64 n, const void *from, u64 size)
{
	return (u64)at >= (u64)from && (u64)at - (u64)from <= size && n <= size - ((u64)at - (u64)from);
}

// On the stack, above the callers of this.
static int on_stack(i64 at, u64 n)
{
	return within(at, n, __builtin_frame_address(0), 65536);
}

#ifdef AS_CLIENT
static void check_read(i64 fd, i64 at, u64 n)
{
	const struct command *c = the_state;

	check(n > 0 && is_open(fd, 0));
	touch(at, n);
	if (fd == FD_SIGNALS)
		check(n == 128 && on_stack(at, n));
	else if (fd == 0)
		check(on_stack(at, n));
	else
		check(fd == FD_SOCKET && (within(at, n, c->head, sizeof c->head) || within(at, n, c->down.bytes, sizeof c->down.bytes)));
}

static void check_write(i64 fd, i64 at, u64 n)
{
	const struct command *c = the_state;

	check(n > 0 && is_open(fd, 0));
	touch(at, n);
	check(fd == FD_SOCKET ? within(at, n, c->up, sizeof c->up) : within(at, n, c->down.bytes, sizeof c->down.bytes));
}
#else
static const struct client *client_of(i64 fd)
{
	for (int i = 0; i < MOST_CLIENTS; i++)
		if (the_state->clients[i].fd == fd)
			return &the_state->clients[i];
	return 0;
}

// The newest file of the log: no larger than it may be, and every record of it whole, whatever fails.
static struct held held;
static u64 log_size;
static int log_head; // it has one

static i64 log_answer(void)
{
	static const i64 errors[] = { 28, E_IO, 122, E_INTR }; // ENOSPC, EDQUOT
	return -errors[take(sizeof errors / sizeof *errors)];
}

static int log_fails(void)
{
	return answers_left && take(16) > 12;
}

static i64 log_call(i64 nr, i64 a, i64 b, i64 c, i64 d)
{
	const struct log *l = &the_state->log;

	switch (nr) {
	case __NR_openat:
		check(a == FD_LOG && l->file < 0 && ((const char *)b)[0] == 'l' && text_length((const char *)b) == 3);
		return log_fails() ? log_answer() : new_fd(FD_FIRST, OF_LOG);
	case __NR_lseek:
		check(is_open(a, OF_LOG) && c == 2);
		return (i64)log_size;
	case __NR_pread64:
		check(is_open(a, OF_LOG) && c == sizeof(struct log_head) && on_stack(b, (u64)c));
		*(struct log_head *)b = (struct log_head){ log_head ? LOG_MAGIC : 0, 7, 0 };
		return c;
	case __NR_ftruncate:
		check(is_open(a, OF_LOG) && (u64)b <= log_size);
		if (log_fails())
			return log_answer();
		log_size = (u64)b;
		log_head &= log_size >= sizeof(struct log_head);
		return 0;
	case __NR_getrandom:
		check(on_stack(a, (u64)b) && b == 8);
		return 8;
	case __NR_write: // the head of a file
		check(c == sizeof(struct log_head) && on_stack(b, (u64)c) && log_size == 0);
		if (log_fails()) {
			log_size = take((u32)c);
			return log_size ? (i64)log_size : log_answer();
		}
		log_size = (u64)c;
		log_head = 1;
		return c;
	case __NR_writev: {
		const struct {
			const u8 *bytes;
			u64 length;
		} *parts = (const void *)b;
		const struct log_record *r = (const void *)parts[0].bytes;
		u64 whole = parts[0].length + parts[1].length;
		check(is_open(a, OF_LOG) && c == 2 && log_head && parts[0].length == sizeof *r && r->length == parts[1].length);
		touch((i64)parts[0].bytes, parts[0].length);
		touch((i64)parts[1].bytes, parts[1].length);
		check(r->kind >= LOG_OUTPUT && r->kind <= LOG_LOST && (r->kind != LOG_LOST || r->length == 8));
		check(log_size == l->size && (log_size == sizeof(struct log_head) || log_size + whole <= held.log_most));
		if (log_fails()) {
			u64 part = take((u32)whole);
			log_size += part;
			return part ? (i64)part : log_answer();
		}
		log_size += whole;
		return (i64)whole;
	}
	case __NR_unlinkat:
	case __NR_renameat2:
		check(a == FD_LOG && l->file < 0);
		touch(b, text_length((const char *)b) + 1);
		if (nr == __NR_renameat2) {
			check(c == FD_LOG && text_length((const char *)d) >= 5);
			check(((const char *)d)[3] == '.' && ((const char *)d)[4] > '0' && ((const char *)d)[4] <= '9');
		}
		if (log_fails())
			return log_answer();
		if (text_length((const char *)b) == 3) // the newest: a new one is begun
			log_size = (u64)(log_head = 0);
		return take(4) ? 0 : -E_NOENT;
	}
	return 0;
}

static void check_read(i64 fd, i64 at, u64 n)
{
	const struct monitor *m = the_state;

	check(n > 0 && is_open(fd, 0));
	touch(at, n);
	if (fd == FD_SIGNALS)
		check(n == 128 && on_stack(at, n));
	else if (fds[fd] == OF_CLIENT) {
		const struct client *c = client_of(fd);
		check(c && (within(at, n, c->head, sizeof c->head) || within(at, n, c->in, sizeof c->in)));
	} else {
		check(fd == FD_TERMINAL || fds[fd] == PIPE_OUT);
		check(within(at, n, m->chunk + FRAME_HEAD, sizeof m->chunk - FRAME_HEAD));
	}
}

// To a client what was read for all of them, or a refusal; to the container what one of them has sent, or the end.
static void check_write(i64 fd, i64 at, u64 n)
{
	const struct monitor *m = the_state;
	int sent = 0;

	check(n > 0 && is_open(fd, 0));
	touch(at, n);
	if (fds[fd] == OF_CLIENT) {
		const struct client *c = client_of(fd);
		check(within(at, n, m->chunk, m->size) || !c || !c->wants);
		return;
	}
	for (int i = 0; i < MOST_CLIENTS; i++)
		sent |= m->clients[i].fd && within(at, n, m->clients[i].in, m->clients[i].in_end);
	check(fds[fd] == PIPE_IN ? sent : fd == FD_TERMINAL && (sent || n <= 2));
}
#endif

static i64 some_answer(void)
{
	static const i64 errors[] = { E_INTR, E_AGAIN, E_PIPE, 104, E_IO }; // ECONNRESET
	return -errors[take(sizeof errors / sizeof *errors)];
}

// Frames of the right form are rare by chance: most heads are made so.
static i64 give(i64 fd, u8 *to, u64 n)
{
	if (fd == FD_SIGNALS) {
		((u32 *)to)[0] = 1 + take(NSIG_MAX);
		((u32 *)to)[2] = take(2) ? 0x80 : 0;
		return take(16) == 15 ? 8 : 128;
	}
	if (n == FRAME_HEAD && take(8)) {
		put_head(to, (u8)take(FRAME_KINDS), take(4) ? take(6) : take(3000));
		return FRAME_HEAD;
	}
	u64 part = 1 + take(take(2) ? 16 : 4096);
	part = part < n ? part : n;
	take_bytes((i64)to, part);
	return (i64)part;
}

static i64 wait_for_some(struct pollfd32 *p, u64 n, const struct timespec64 *patience)
{
	i64 ready = 0;

	touch((i64)p, n * sizeof *p);
	for (u64 i = 0; i < n; i++) {
		p[i].revents = 0;
		if (p[i].fd < 0)
			continue;
		check(is_open(p[i].fd, 0));
		short may = (short)(p[i].events | 8 | 16); // POLLERR, POLLHUP
		if (p[i].fd == FD_PROCESS)
			p[i].revents = !answers_left || take(64) == 63 ? POLL_IN : 0;
		else if (!answers_left)
			p[i].revents = p[i].events & POLL_OUT;
		else
			p[i].revents = take(3) ? 0 : (short)(take_byte() & may);
		if (p[i].fd == FD_DOOR || p[i].fd == FD_SIGNALS)
			p[i].revents &= POLL_IN;
		ready += p[i].revents != 0;
	}
	if (patience) // it may be over
		now += (u64)patience->sec * 1000000000u + (u64)patience->nsec;
	if (!ready && !patience && !answers_left)
		longjmp(stuck, 1); // nothing happens any more: a real one would sleep
	return ready ? ready : take(8) == 7 ? -E_INTR : 0;
}

i64 sys6(i64 nr, i64 a, i64 b, i64 c, i64 d, i64 e, i64 f)
{
	(void)d, (void)e, (void)f;
	check(++calls < MOST_CALLS);
	now += 1000;
#ifndef AS_CLIENT
	if (nr == __NR_openat || nr == __NR_lseek || nr == __NR_pread64 || nr == __NR_ftruncate || nr == __NR_getrandom ||
	    nr == __NR_writev || nr == __NR_unlinkat || nr == __NR_renameat2 || (nr == __NR_write && is_open(a, OF_LOG)))
		return log_call(nr, a, b, c, d);
#endif
	switch (nr) {
	case __NR_clock_gettime:
		*(struct timespec64 *)b = (struct timespec64){ (i64)(now / 1000000000), (i64)(now % 1000000000) };
		return 0;
	case __NR_signalfd4:
		fds[FD_SIGNALS] = OTHER;
		return FD_SIGNALS;
	case __NR_rt_sigprocmask:
	case __NR_rt_sigtimedwait:
	case __NR_madvise:
		return 0;
	case __NR_ppoll:
		return wait_for_some((struct pollfd32 *)a, (u64)b, (const struct timespec64 *)c);
	case __NR_accept4:
		check(a == FD_DOOR && is_open(FD_DOOR, 0));
		return take(16) == 15 ? some_answer() : new_fd(FD_FIRST, OF_CLIENT);
	case __NR_close:
		check(is_open(a, 0) && a > 2 && a != FD_PROCESS);
		fds[a] = 0;
		return 0;
	case __NR_dup3:
		check(a == 0 && b == 2);
		return 2;
	case __NR_fcntl:
		check(is_open(a, OF_CLIENT) && over);
		return 0;
	case __NR_waitid:
		check(a == P_BY_PIDFD && b == FD_PROCESS && !over);
		over = 1;
		((struct siginfo128 *)c)->code = (int)(1 + take(3));
		((struct siginfo128 *)c)->status = (int)(((struct siginfo128 *)c)->code == 1 ? take(256) : 1 + take(NSIG_MAX));
		return take(16) == 15 ? -E_CHILD : 0;
	case __NR_pidfd_send_signal:
		check(a == FD_PROCESS);
		return b > 0 && b <= NSIG_MAX ? 0 : -E_INVAL;
	case __NR_ioctl:
		check(is_open(a, 0));
		touch(c, b == 0x5414 || b == 0x5413 ? 8 : 36);
		if (b == 0x5413)
			take_bytes(c, 8);
		return take(2) ? -25 : 0; // ENOTTY
	case __NR_read:
		check_read(a, b, (u64)c);
		if (!answers_left)
			return 0;
		if (take(8) == 7)
			return take(2) ? 0 : some_answer();
		return give(a, (u8 *)b, (u64)c);
	case __NR_write:
		check_write(a, b, (u64)c);
		if (!answers_left || take(4))
			return c;
		return take(3) == 2 ? some_answer() : 1 + (i64)take((u32)c);
	}
	check(0);
	return 0;
}

int LLVMFuzzerTestOneInput(const u8 *data, u64 size)
{
	static struct report report;
#ifdef AS_CLIENT
	static const u8 keys[MOST_KEYS] = { 16, 17, 16, 18 };
#endif
	struct stage s = { .plan.report = &report };
	u64 a[6] = { FD_PROCESS, (u64)-1 };

	answers = data;
	answers_left = size;
	calls = 0;
	now = 1;
	over = 0;
	for (int i = 0; i < MOST_FDS; i++)
		fds[i] = 0;
	for (int i = 0; i < 3; i++)
		fds[i] = OTHER;
	fds[FD_PROCESS] = OTHER;
	a[2] = take(4) ? 0 : 1 + take(1000); // milliseconds until it is killed
#ifdef AS_CLIENT
	fds[FD_SOCKET] = OTHER;
	a[0] = take(2) ? FD_PROCESS : (u64)-1;
	a[1] = FD_SOCKET;
	a[3] = (u64)keys;
	a[4] = take(5);
	a[5] = take(CLIENT_FLAGS + 1);
#else
	fds[FD_DOOR] = OTHER;
	a[3] = FD_DOOR;
	a[4] = (u64)-1;
	held = (struct held){ -1, -1, -1, -1, 0, 0, { 'l', 'o', 'g' } };
	a[5] = (u64)&held;
	log_size = (u64)(log_head = 0);
	if (take(4)) {
		fds[FD_LOG] = DIRECTORY;
		held.log = FD_LOG;
		held.log_most = take(2) ? 5000 + take(20000) : take(300);
		held.log_files = take(5);
	}
	if (take(2)) {
		fds[FD_OWNER] = OF_CLIENT;
		a[4] = FD_OWNER;
	}
	if (take(2)) {
		fds[FD_TERMINAL] = OTHER;
		a[1] = FD_TERMINAL;
	} else {
		held.output = FD_PIPES + 1;
		held.error = FD_PIPES + 2;
		fds[FD_PIPES + 1] = fds[FD_PIPES + 2] = PIPE_OUT;
		if (take(2)) {
			held.input = FD_PIPES;
			fds[FD_PIPES] = PIPE_IN;
		}
	}
#endif
	if (!setjmp(stuck)) {
		i64 end = op_serve(&s, AS_CLIENT_OR_NOT ? SERVE_CLIENT : SERVE_MONITOR, a);
		check(end >= -4095 && end <= CLIENT_REFUSED);
		check(!fds[FD_SIGNALS]);
		check(!fds[AS_CLIENT_OR_NOT ? FD_SOCKET : FD_DOOR]);
	}
	return 0;
}
