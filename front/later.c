// The short way of the OCI command line: `start`, `state`, `kill` and `delete` are programs of the container's plan, which lies
// in its directory. If the stage can do one as it is, the engine need not start. Whatever is not plain goes the long way, which
// begins anew and tells what is wrong. See docs/decisions/0012-later-programs.md.
#include "front.h"

enum { PATH_BYTES = 4096, VFORK_FLAG = 0x4000, CHILD_SIGNAL = 17 };

static const char *const COMMANDS[] = { "start", "state", "kill", "delete" }; // from the stage's program START on
#define FIRST_PROGRAM 4
#define KILL_PROGRAM 6
#define DELETE_PROGRAM 7

static int equal(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static const char *behind(const char *word, const char *prefix)
{
	while (*prefix && *word == *prefix)
		word++, prefix++;
	return *prefix ? 0 : word;
}

static int is_runtime(const char *name)
{
	static const char suffix[] = "-runtime";
	u64 all = length(name), end = sizeof(suffix) - 1;

	return all >= end && equal(name + all - end, suffix);
}

// An id as src/runtime/id.ts has it: one name in a directory.
static int is_id(const char *s)
{
	if (!*s || equal(s, ".") || equal(s, ".."))
		return 0;
	for (; *s; s++)
		if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') || *s == '_' || *s == '+' ||
		      *s == '.' || *s == '-'))
			return 0;
	return 1;
}

// The commonest ones; others take the long way.
static const char *signal_number(const char *s)
{
	const char *name = behind(s, "SIG");

	if (equal(name ? name : s, "TERM"))
		return "15";
	if (equal(name ? name : s, "KILL"))
		return "9";
	u64 n = 0;
	for (const char *c = s; *c; c++) {
		if (*c < '0' || *c > '9' || c - s > 1)
			return 0;
		n = n * 10 + (u64)(*c - '0');
	}
	return n >= 1 && n <= 64 ? s : 0;
}

static int join(char *to, const char *a, const char *b, const char *c)
{
	const char *parts[] = { a, "/", b, c };
	u64 at = 0;

	for (int i = 0; i < 4; i++)
		for (const char *p = parts[i]; *p; p++) {
			if (at + 1 >= PATH_BYTES)
				return 0;
			to[at++] = *p;
		}
	to[at] = 0;
	return 1;
}

// The value of a flag that takes one, "--root X" or "--root=X"; moves on behind it. 0: another word.
static const char *value_of(char **argv, u64 *i, const char *flag)
{
	const char *rest = behind(argv[*i], flag);

	if (rest && *rest == '=') {
		(*i)++;
		return rest + 1;
	}
	if (!rest || *rest || !argv[*i + 1])
		return 0;
	*i += 2;
	return argv[*i - 1];
}

static void run_stage(const char *stage, const char *plan, u32 program, const char *given)
{
	char number[2] = { (char)('0' + program), 0 };
	const char *argv[] = { "vitrine-stage", plan, number, given, 0 }, *none[] = { 0 };
	int status = 0;

	i64 pid = sys(__NR_clone, VFORK_FLAG | CHILD_SIGNAL, 0, 0, 0, 0);
	if (pid == 0) {
		sys(__NR_execve, stage, argv, none);
		leave(127);
	}
	if (pid < 0)
		return;
	while (sys(__NR_wait4, pid, &status, 0, 0) == -E_INTR)
		;
	if (status == 0)
		leave(0);
}

void try_later(u64 argc, char **argv)
{
	static char plan[PATH_BYTES], stage[PATH_BYTES];
	const char *root = "/run/vitrine-runtime", *value;
	u64 i = 1;

	if (argc < 3 || !is_runtime(argv[0]))
		return;
	while (i < argc && argv[i][0] == '-') {
		if ((value = value_of(argv, &i, "--root")))
			root = value;
		else if (!value_of(argv, &i, "--log") && !value_of(argv, &i, "--log-format")) {
			if (!equal(argv[i], "--systemd-cgroup"))
				return;
			i++;
		}
	}
	u64 left = argc - i;
	u32 program = FIRST_PROGRAM;
	for (; program < FIRST_PROGRAM + 4; program++)
		if (left && equal(argv[i], COMMANDS[program - FIRST_PROGRAM]))
			break;
	int kills = program == KILL_PROGRAM;
	// What has ended is deleted by force as without.
	if (program == DELETE_PROGRAM && left == 3 && (equal(argv[i + 1], "--force") || equal(argv[i + 1], "-f")))
		i++, left--;
	if (program == FIRST_PROGRAM + 4 || left < 2 || left > (kills ? 3 : 2) || !*root || !is_id(argv[i + 1]))
		return;
	const char *given = kills ? signal_number(left == 3 ? argv[i + 2] : "TERM") : "0";
	if (given && join(plan, root, argv[i + 1], "/plan") && join(stage, root, argv[i + 1], "/stage"))
		run_stage(stage, plan, program, given);
}
