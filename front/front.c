// The front of dist/vitrine: hands on a clean environment, then starts the engine, the Bun-compiled program that lies behind
// it in the same file, as execve(2) would have done. See docs/decisions/0007-the-front.md.
#include <linux/mman.h>
#include <linux/auxvec.h>

#include "front.h"

#ifndef ENGINE_AT
#error "ENGINE_AT: where in the file the engine begins, a multiple of every page size"
#endif

enum { CANNOT_START = 125 };

// What the caller's variable is called behind the front if its own name would steer the engine: src/cli/caller.ts.
#define HELD "VITRINE_HELD_"

// JavaScriptCore starts faster without its compilers, and a run is over before they would help; or before its first garbage was worth
// collecting, which it would else begin at 1 MB. Only variables can say so.
static const char *const OURS[] = { "BUN_JSC_useJIT=0", "BUN_JSC_smallHeapSize=8388608" };
enum { OURS_COUNT = sizeof(OURS) / sizeof(*OURS) };
// With this one it does not say so, and hands it on to nobody: a command that goes on for long starts itself again (src/cli/compilers.ts).
#define WITH_COMPILERS "VITRINE_COMPILERS=1"

// Bun raises the soft limit on open files to the hard one: containers get the caller's, by src/engine/limits.ts.
#define SOFT_FILES "VITRINE_SOFT_FILES="

// How names begin that steer what runs before our first line. In any case of letters, as mimalloc reads its own.
static const char STEERING[][16] = {
	// ld.so(8), and glibc's list for set-user-ID programs (sysdeps/generic/unsecvars.h) but for TMPDIR, which steers no code
	"LD_", "GLIBC_", "GCONV_PATH", "GETCONF_DIR", "HOSTALIASES", "LOCALDOMAIN", "LOCPATH", "MALLOC", "NIS_PATH", "NLSPATH",
	"RESOLV_", "RES_OPTIONS", "TZDIR",
	// Bun, and what it takes over from Node
	"BUN_", "NODE_", "GOMAXPROCS", "UV_",
	// its parts: JavaScriptCore, allocators, ICU, BoringSSL
	"JSC_", "WTF_", "BMALLOC", "GIGACAGE", "PAS_", "MIMALLOC", "ICU_", "OPENSSL_"
};

struct aux {
	u64 type, value;
};

// What the kernel leaves on the stack: create_elf_tables() in fs/binfmt_elf.c. The counts are without the ends.
struct start {
	u64 argc, envc, auxc;
	char **argv, **envp;
	struct aux *aux;
};

u64 length(const char *s)
{
	u64 n = 0;

	while (s[n])
		n++;
	return n;
}

u64 write_number(char *to, u64 n, u64 width, char pad)
{
	char reversed[20];
	u64 count = 0, at = 0;

	do
		reversed[count++] = (char)('0' + n % 10);
	while (n /= 10);
	while (at + count < width)
		to[at++] = pad;
	while (count)
		to[at++] = reversed[--count];
	return at;
}

void die(const char *what, const char *why)
{
	struct {
		const char *text;
		u64 length;
	} line[] = { { "vitrine: ", 9 }, { what, length(what) }, { ": ", 2 }, { why, length(why) }, { "\n", 1 } };

	sys(__NR_writev, 2, line, 5);
	leave(CANNOT_START);
}

static int begins(const char *s, const char *with)
{
	for (; *with; s++, with++)
		if (*s != *with && (*s < 'a' || *s > 'z' || *s - 'a' + 'A' != *with))
			return 0;
	return 1;
}

static int steers(const char *variable)
{
	for (u64 i = 0; i < sizeof(STEERING) / sizeof(STEERING[0]); i++)
		if (begins(variable, STEERING[i]))
			return 1;
	return 0;
}

static struct start read_start(u64 *sp)
{
	struct start s = { .argc = sp[0], .argv = (char **)(sp + 1) };

	s.envp = s.argv + s.argc + 1;
	while (s.envp[s.envc])
		s.envc++;
	s.aux = (struct aux *)(s.envp + s.envc + 1);
	while (s.aux[s.auxc].type != AT_NULL)
		s.auxc++;
	return s;
}

static u64 auxiliary(const struct start *s, u64 type)
{
	for (u64 i = 0; i < s->auxc; i++)
		if (s->aux[i].type == type)
			return s->aux[i].value;
	return 0;
}

// Room for the variables that get a longer name; not on the stack, whose limit the caller sets.
static char *room_for_held(const struct start *s)
{
	u64 bytes = 0;

	for (u64 i = 0; i < s->envc; i++)
		if (steers(s->envp[i]))
			bytes += sizeof(HELD) + length(s->envp[i]);
	return bytes ? (char *)map(0, bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS, -1, 0, "the environment") : 0;
}

static char *copy(char *to, const char *from)
{
	while ((*to = *from++))
		to++;
	return to;
}

// "NAME=limit", or 0: it is as high as the hard one.
static const char *soft_files(void)
{
	enum { FILES = 7 }; // RLIMIT_NOFILE
	static char variable[sizeof(SOFT_FILES) + 20] = SOFT_FILES;
	u64 limit[2];

	if (sys(__NR_prlimit64, 0, FILES, 0, limit) < 0 || limit[0] >= limit[1])
		return 0;
	write_number(variable + sizeof(SOFT_FILES) - 1, limit[0], 0, '0');
	return variable;
}

// Writes pointers to the environment behind the front, and gives the end. A name that only the front may give is dropped.
static char **write_environment(const struct start *s, char **to)
{
	char *room = room_for_held(s);
	int compilers = 0;

	for (u64 i = 0; i < s->envc; i++) {
		char *variable = s->envp[i];
		if (begins(variable, HELD) || begins(variable, SOFT_FILES))
			continue;
		if (begins(variable, WITH_COMPILERS)) {
			compilers = 1;
			continue;
		}
		*to++ = variable;
		if (!steers(variable))
			continue;
		to[-1] = room;
		room = copy(copy(room, HELD), variable) + 1;
	}
	for (u64 i = 0; !compilers && i < OURS_COUNT; i++)
		*to++ = (char *)OURS[i];
	if ((*to = (char *)soft_files()))
		to++;
	*to++ = 0;
	return to;
}

static u64 changed(struct aux aux, const struct program *engine, u64 base)
{
	switch (aux.type) {
	case AT_PHDR:
		return engine->headers_at;
	case AT_PHNUM:
		return engine->head.e_phnum;
	case AT_ENTRY:
		return engine->entry;
	case AT_BASE:
		return base;
	default:
		return aux.value;
	}
}

static void write_start(const struct start *s, char **to, const struct program *engine, u64 base)
{
	*to++ = (char *)s->argc;
	for (u64 i = 0; i <= s->argc; i++)
		*to++ = s->argv[i];
	to = write_environment(s, to);
	struct aux *aux = (struct aux *)to;
	for (u64 i = 0; i <= s->auxc; i++)
		aux[i] = (struct aux){ s->aux[i].type, changed(s->aux[i], engine, base) };
}

static i64 open_program(const char *path, const char *missing)
{
	i64 fd = sys(__NR_openat, AT_CWD, path, O_READ_ONLY | O_CLOSE_ON_EXEC, 0);

	if (fd < 0)
		die(path, missing);
	return fd;
}

// Leaves for a program as the kernel enters one.
static void jump(u64 entry, char **stack) __attribute__((noreturn));
static void jump(u64 entry, char **stack)
{
#if defined(__x86_64__)
	// rdx: no function to be called at exit (System V ABI, "Process Initialization")
	__asm__ volatile("mov %0, %%rsp\n\txor %%edx, %%edx\n\txor %%ebp, %%ebp\n\tjmp *%1" : : "S"(stack), "D"(entry) : "memory");
#else
	register u64 to __asm__("x16") = entry;
	register char **sp __asm__("x17") = stack;
	__asm__ volatile("mov sp, %1\n\tmov x0, #0\n\tmov x29, #0\n\tmov x30, #0\n\tbr %0" : : "r"(to), "r"(sp) : "memory");
#endif
	__builtin_unreachable();
}

// Big enough for the caller's own, our variables, and one word to end on 16 bytes.
static u64 stack_bytes(const struct start *s)
{
	return (1 + s->argc + 1 + s->envc + OURS_COUNT + 1 + 1 + 2 * (s->auxc + 1) + 1) * sizeof(u64) & -16ul;
}

void enter(u64 *sp) __attribute__((noreturn));
void enter(u64 *sp)
{
	struct start start = read_start(sp);
	const u64 page = auxiliary(&start, AT_PAGESZ);
	const char *self = "/proc/self/exe";
	struct program engine, loader;

	try_later(start.argc, start.argv);
	i64 fd = open_program(self, "cannot be opened: is /proc mounted, and may you read this file?");
	load(&engine, fd, ENGINE_AT, page, self);
	sys(__NR_close, fd);
	if (!engine.loader[0])
		die(self, "the engine names no loader");
	fd = open_program(engine.loader, "is missing: the engine needs the GNU C library");
	load(&loader, fd, 0, page, engine.loader);
	sys(__NR_close, fd);

	char **stack = __builtin_alloca_with_align(stack_bytes(&start), 128);
	write_start(&start, stack, &engine, loader.base);
	jump(loader.entry, stack);
}

#if defined(__x86_64__)
__asm__(".global _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall enter\n");
#else
__asm__(".global _start\n_start:\n\tmov x29, #0\n\tmov x0, sp\n\tbl enter\n");
#endif

// A compiler may turn loops and copies into these even in a freestanding program.
void *memset(void *to, int c, u64 n)
{
	for (u8 *p = to; n; n--)
		*p++ = (u8)c;
	return to;
}

void *memcpy(void *to, const void *from, u64 n)
{
	const u8 *q = from;

	for (u8 *p = to; n; n--)
		*p++ = *q++;
	return to;
}
