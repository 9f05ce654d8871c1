// System calls without a libc, on x86-64 and aarch64. See syscall(2), "Architecture calling conventions".
#ifndef STAGE_SYS_H
#define STAGE_SYS_H

#include <asm/unistd.h>

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef long i64;

#if defined(__x86_64__)
static inline i64 sys6(i64 nr, i64 a, i64 b, i64 c, i64 d, i64 e, i64 f)
{
	register i64 r10 __asm__("r10") = d;
	register i64 r8 __asm__("r8") = e;
	register i64 r9 __asm__("r9") = f;
	i64 ret;
	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}
#elif defined(__aarch64__)
static inline i64 sys6(i64 nr, i64 a, i64 b, i64 c, i64 d, i64 e, i64 f)
{
	register i64 x8 __asm__("x8") = nr;
	register i64 x0 __asm__("x0") = a;
	register i64 x1 __asm__("x1") = b;
	register i64 x2 __asm__("x2") = c;
	register i64 x3 __asm__("x3") = d;
	register i64 x4 __asm__("x4") = e;
	register i64 x5 __asm__("x5") = f;
	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}
#else
#error "the stage is written for x86-64 and aarch64"
#endif

#define SYS_PICK(nr, a, b, c, d, e, f, ...) \
	sys6((nr), (i64)(a), (i64)(b), (i64)(c), (i64)(d), (i64)(e), (i64)(f))
#define sys(...) SYS_PICK(__VA_ARGS__, 0, 0, 0, 0, 0, 0)

// The few kernel constants that the stage itself needs (the same on both architectures but for O_*).
enum {
	E_NOENT = 2,
	E_BADF = 9,
	E_CHILD = 10,
	E_PERM = 1,
	E_INTR = 4,
	E_AGAIN = 11,
	E_BUSY = 16,
	E_EXIST = 17,
	E_NOTDIR = 20,
	E_ISDIR = 21,
	E_INVAL = 22,
	E_NOSYS = 38,
	E_NOTEMPTY = 39,
	E_LOOP = 40,
	E_TIMEDOUT = 110,
	E_CANCELED = 125,
	E_RANGE = 34,
	E_PIPE = 32,
	E_NAMETOOLONG = 36,
	E_NODATA = 61,
	E_STALE = 116,
	E_NXIO = 6,
	E_NOMEM = 12,
	E_XDEV = 18,
	E_NOTSUP = 95,
	E_SRCH = 3,
	AT_CWD = -100,
	AT_REMOVE_DIR = 0x200,
	SIG_KILL = 9,
	SIG_CHLD = 17,
	SIG_HUP = 1,
	SIG_INT = 2,
	SIG_QUIT = 3,
	SIG_TERM = 15,
	SIG_PIPE = 13,
	SIG_XFSZ = 25,
	SIG_CONT = 18,
	SIG_TTIN = 21,
	SIG_TTOU = 22,
	SIG_WINCH = 28,
	NSIG_MAX = 64,
	POLL_IN = 1,
	POLL_OUT = 4,
	O_READ_ONLY = 0,
	O_WRITE_ONLY = 1,
	O_READ_WRITE = 2,
	O_CREATE = 0100,
	O_EXCLUSIVE = 0200,
	O_CLOSE_ON_EXEC = 02000000,
	O_NO_BLOCK = 04000,
	O_PATH_ONLY = 010000000,
	W_EXITED = 4,
	W_NO_HANG = 1,
	W_NO_REAP = 0x01000000,
	W_ALL = 0x40000000,
	E_IO = 5,
	P_ANY = 0,
	P_BY_PID = 1,
	P_BY_PIDFD = 3,
	MAP_BOTH = 1,
	MAP_OWN = 2,
	PROT_RW = 3,
#if defined(__aarch64__)
	O_DIR = 040000,
	O_NO_FOLLOW = 0100000,
#else
	O_DIR = 0200000,
	O_NO_FOLLOW = 0400000,
#endif
};

struct timespec64 {
	i64 sec, nsec;
};

struct pollfd32 {
	int fd;
	short events, revents;
};

static inline int is_error(i64 ret)
{
	return ret < 0 && ret >= -4095;
}

static inline void sleep_ns(i64 ns)
{
	struct timespec64 t = { ns / 1000000000, ns % 1000000000 };
	sys(__NR_nanosleep, &t, 0);
}

// CLOCK_MONOTONIC, nanoseconds.
static inline u64 now_ns(void)
{
	struct timespec64 t = { 0, 0 };
	sys(__NR_clock_gettime, 1, &t);
	return (u64)t.sec * 1000000000u + (u64)t.nsec;
}

static inline int poll_ms(struct pollfd32 *fds, u32 n, i64 ms)
{
	struct timespec64 t = { ms / 1000, ms % 1000 * 1000000 };
	return (int)sys(__NR_ppoll, fds, n, ms < 0 ? 0 : &t, 0, 8);
}

static inline void leave(int status) __attribute__((noreturn));
static inline void leave(int status)
{
	for (;;)
		sys(__NR_exit_group, status);
}

#endif
