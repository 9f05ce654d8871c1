// vitrine-stage PLAN [PROGRAM [NUMBER]]: makes the calls that a plan names and writes down what came of them.
#include "stage.h"

static u64 length(const char *s)
{
	u64 n = 0;
	while (s[n])
		n++;
	return n;
}

static u64 number(const char *s)
{
	u64 n = 0;
	for (; *s >= '0' && *s <= '9'; s++)
		n = n * 10 + (u64)(*s - '0');
	return n;
}

static int complain(const char *what, const char *path)
{
	const char *parts[] = { "vitrine-stage: ", path, ": ", what, "\n" };
	for (int i = 0; i < 5; i++)
		sys(__NR_write, 2, parts[i], length(parts[i]));
	return 125;
}

static const char *map_plan(const char *path, struct plan *plan, int reports)
{
	i64 fd = sys(__NR_openat, AT_CWD, path, O_READ_WRITE | O_CLOSE_ON_EXEC | O_NO_FOLLOW, 0);
	if (is_error(fd))
		return "cannot be opened";
	i64 size = sys(__NR_lseek, fd, 0, 2);
	if (size < (i64)sizeof(struct header) || size > PLAN_MAX_SIZE) {
		sys(__NR_close, fd);
		return "no plan has this size";
	}
	u8 *own = (u8 *)sys(__NR_mmap, 0, size, PROT_RW, MAP_OWN, fd, 0);
	const char *bad = is_error((i64)own) ? "cannot be mapped" : plan_decode(own, (u64)size, plan);
	if (!bad && !reports) {
		plan->report = (struct report *)(own + plan->head->report);
		plan->out = own + plan->head->report + report_size(plan->head) - plan->head->out;
	} else if (!bad) {
		// From the start of the file: its page may be larger than the plan's.
		u8 *both = (u8 *)sys(__NR_mmap, 0, size, PROT_RW, MAP_BOTH, fd, 0);
		if (is_error((i64)both))
			return "the report cannot be mapped";
		plan->shared = both;
		plan->size = (u64)size;
		both += plan->head->report;
		plan->report = (struct report *)both;
		plan->out = both + report_size(plan->head) - plan->head->out;
	}
	sys(__NR_close, fd);
	return bad;
}

// signal(7): an ignored signal stays ignored across execve(2); what the container starts must not inherit that.
static void reset_signals(void)
{
	struct {
		u64 handler, flags, restorer, mask;
	} normal = { 0, 0, 0, 0 };
	for (int i = 1; i <= NSIG_MAX; i++)
		sys(__NR_rt_sigaction, i, &normal, 0, 8);
}

// A plan that is opened as descriptor 2 would be overwritten by the first message.
static void open_standard_streams(void)
{
	i64 fd;

	do
		fd = sys(__NR_openat, AT_CWD, "/dev/null", O_READ_WRITE, 0);
	while (fd >= 0 && fd < 3);
	if (fd > 2)
		sys(__NR_close, fd);
}

int stage_main(int argc, char **argv);
int stage_main(int argc, char **argv)
{
	static struct stage s;
	u32 program = RUN;

	open_standard_streams();
	if (argc < 2)
		return complain("usage: vitrine-stage PLAN [PROGRAM [NUMBER]]", "no plan");
	if (argc > 2)
		program = (u32)number(argv[2]);
	s.given = number(argc > 3 ? argv[3] : "");
	if (program >= PROGRAMS)
		return complain("no such program", argv[1]);
	const char *bad = map_plan(argv[1], &s.plan, program < START);
	if (bad)
		return complain(bad, argv[1]);
	reset_signals();
	if (program == RUN)
		s.plan.report->start = now_ns();
	struct program *p = &s.plan.head->programs[program];
	u32 failed = run_ops(&s, p->first, p->count, 0);
	if (program == RECOVER || program >= START) // the report is about an earlier run
		return failed ? 1 : 0;
	if (!failed && !s.plan.report->failed)
		return 0;
	u32 none = 0;
	__atomic_compare_exchange_n(&s.plan.report->failed, &none, failed, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
	kill_children(&s, 0, s.plan.head->ops);
	p = &s.plan.head->programs[FAILED];
	run_ops(&s, p->first, p->count, 0);
	return complain("the run failed, and so did the program that would say why; the report is in this file", argv[1]);
}

#ifdef STAGE_HOSTED
int main(int argc, char **argv)
{
	leave(stage_main(argc, argv));
}
#else
// A compiler may turn loops into these even in a freestanding program.
void *memset(void *to, int c, u64 n)
{
	u8 *p = to;
	while (n--)
		*p++ = (u8)c;
	return to;
}

void *memcpy(void *to, const void *from, u64 n)
{
	u8 *p = to;
	const u8 *q = from;
	while (n--)
		*p++ = *q++;
	return to;
}

void enter(u64 *sp);
void enter(u64 *sp)
{
	leave(stage_main((int)sp[0], (char **)(sp + 1)));
}

#if defined(__x86_64__)
__asm__(".global _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall enter\n");
#else
__asm__(".global _start\n_start:\n\tmov x29, #0\n\tmov x0, sp\n\tbl enter\n");
#endif
#endif
