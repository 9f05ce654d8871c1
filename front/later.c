// The short way of the OCI command line: `start`, `state`, `kill`, `delete`, `pause`, `resume`, `ps`, `list`, `events --stats` and `update`
// are programs of the container's plan, which lies in its directory. If the stage can do one as it is, the engine need not start. Whatever is not plain goes the long way, which
// begins anew and tells what is wrong. See docs/decisions/0012-later-programs.md.
#include "generated/texts.h"
#include "later.h"

enum { FORCED = '2' }; // see src/plan/later.ts
enum { VFORK_FLAG = 0x4000, CHILD_SIGNAL = 17, CLOSE_ON_EXEC = 02000000 };

static const struct {
	const char *name;
	u32 program;
} COMMANDS[] = {
	{ "start", START }, { "state", STATE }, { "kill", KILL }, { "delete", DELETE }, { "pause", PAUSE }, { "resume", UNPAUSE },
};

int equal(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

const char *behind(const char *word, const char *prefix)
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
int is_id(const char *s)
{
	if (!*s || equal(s, ".") || equal(s, ".."))
		return 0;
	for (; *s; s++)
		if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') || *s == '_' || *s == '+' ||
		      *s == '.' || *s == '-'))
			return 0;
	return 1;
}

// Names as they are, numbers, and TERM if there is none; other spellings take the long way.
static const char *signal_number(const char *s)
{
	static char digits[3];
	const char *name = behind(s, "SIG");
	u64 n = 0;

	for (u64 i = 0; i < sizeof(SIGNALS) / sizeof(*SIGNALS); i++)
		if (equal(name ? name : s, SIGNALS[i])) {
			digits[0] = (char)('0' + (i + 1) / 10);
			digits[1] = (char)('0' + (i + 1) % 10);
			return digits;
		}
	for (const char *c = s; *c; c++) {
		if (*c < '0' || *c > '9' || c - s > 1)
			return 0;
		n = n * 10 + (u64)(*c - '0');
	}
	return n >= 1 && n <= 64 ? s : 0;
}

int join(char *to, const char *a, const char *b, const char *c)
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

const char *value_of(char **argv, u64 *i, const char *flag)
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

void print(const char *text, u64 bytes)
{
	for (i64 n; bytes > 0; text += n, bytes -= (u64)n)
		if ((n = sys(__NR_write, 1, text, bytes)) < 0)
			leave(1);
}

i64 run_stage(const char *root, const char *id, u32 program, const char *given, char *take, u64 room)
{
	static char plan[PATH_BYTES], stage[PATH_BYTES];
	char number[3] = { (char)('0' + program / 10), (char)('0' + program % 10), 0 };
	const char *argv[] = { "vitrine-stage", plan, number, given, 0 }, *none[] = { 0 };
	int status = 0, ends[2] = { -1, -1 };
	i64 got = 1;
	u64 taken = 0;

	if (!join(plan, root, id, "/plan") || !join(stage, root, id, "/stage"))
		return -1;
	if (take && sys(__NR_pipe2, ends, CLOSE_ON_EXEC) < 0)
		return -1;
	i64 pid = sys(__NR_clone, VFORK_FLAG | CHILD_SIGNAL, 0, 0, 0, 0);
	if (pid == 0) {
		if (take)
			sys(__NR_dup3, ends[1], 1, 0);
		sys(__NR_execve, stage, argv, none);
		leave(127);
	}
	if (take) {
		sys(__NR_close, ends[1]);
		while (taken < room && (got = sys(__NR_read, ends[0], take + taken, room - taken)) != 0)
			if (got > 0)
				taken += (u64)got;
			else if (got != -E_INTR)
				break;
		sys(__NR_close, ends[0]);
	}
	if (pid < 0)
		return -1;
	while (sys(__NR_wait4, pid, &status, 0, 0) == -E_INTR)
		;
	return status == 0 && got >= 0 && taken < room + !take ? (i64)taken : -1;
}

// What is not there is deleted by force at once.
static int is_absent(const char *root, const char *id)
{
	static char path[PATH_BYTES];

	return join(path, root, id, "") && sys(__NR_faccessat, AT_CWD, path, 0) == -E_NOENT && !has_runs(root);
}

void try_later(u64 argc, char **argv)
{
	const char *root = "/run/vitrine-runtime", *value;
	u64 i = 1;

	if (argc < 2 || !is_runtime(argv[0]))
		return;
	while (i < argc && argv[i][0] == '-' && !equal(argv[i], "--version") && !equal(argv[i], "-v")) {
		if ((value = value_of(argv, &i, "--root")))
			root = value;
		else if (!value_of(argv, &i, "--log") && !value_of(argv, &i, "--log-format")) {
			if (!equal(argv[i], "--systemd-cgroup"))
				return;
			i++;
		}
	}
	char **words = argv + i;
	u64 left = argc - i;
	u32 program = 0;

	if (left == 0 || !*root)
		return;
	try_texts(left, words);
	try_create(argc, argv, left, words, root);
	if (equal(words[0], "ps"))
		try_ps(left, words, root, argv + argc + 1);
	if (equal(words[0], "list"))
		try_list(left, words, root);
	if (equal(words[0], "events"))
		try_stats(left, words, root);
	if (equal(words[0], "update"))
		try_update(left, words, root);
	for (u64 c = 0; c < sizeof(COMMANDS) / sizeof(*COMMANDS); c++)
		if (equal(words[0], COMMANDS[c].name))
			program = COMMANDS[c].program;
	static const char forced[] = { FORCED, 0 };
	const char *given = "0";
	if (program == DELETE && left == 3 && (equal(words[1], "--force") || equal(words[1], "-f")))
		words++, left--, given = forced;
	if (!program || left < 2 || left > (program == KILL ? 3 : 2) || !is_id(words[1]))
		return;
	if (program == KILL)
		given = signal_number(left == 3 ? words[2] : "TERM");
	if (!given)
		return;
	if (run_stage(root, words[1], program, given, 0, 0) == 0)
		leave(0);
	if (given == forced && is_absent(root, words[1]))
		leave(0);
}
