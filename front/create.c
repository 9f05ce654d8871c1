// `create` and `run` of a bundle that came before, in the same words: its plan was kept with the places of all that differs from one time to the
// next (src/runtime/template.ts). Here they are filled in, and this process becomes the stage. See docs/decisions/0026-bundles-again.md.
#include "generated/texts.h"
#include "later.h"

enum { KEY_BYTES = 32768, CONFIG_BYTES = 1 << 19, ID_HEX = 64, PLACES_MAX = 1 << 16, LIMITS = 16 };
enum { DIRECTORY_ONLY = O_PATH_ONLY | O_DIR | O_CLOSE_ON_EXEC, SEEK_TO_END = 2 };
enum { PID_DIGITS = 10, START_DIGITS = 20, CREATED_BYTES = 24 };

struct head {
	char magic[8];
	u32 key, config, paths, places, plan, id; // bytes each, but places are counted; they follow in the order PLACES KEY CONFIG PATHS PLAN
};

struct place {
	u32 at;
	u8 kind, from;
	unsigned short length;
};

struct asked {
	const char *root, *id, *bundle;
	u64 id_length;
};

static char key[KEY_BYTES], config[CONFIG_BYTES];
static u64 key_end;

static int put_bytes(const char *text, u64 bytes)
{
	if (bytes >= KEY_BYTES - key_end)
		return 0;
	for (u64 i = 0; i < bytes; i++)
		key[key_end++] = text[i];
	key[key_end++] = 0;
	return 1;
}

static int put(const char *text)
{
	return put_bytes(text, length(text));
}

static int put_number(u64 n)
{
	char text[20];

	return put_bytes(text, write_number(text, n, 0, '0'));
}

// Bytes read, or -1: not there, or more than that.
static i64 read_file(const char *path, char *to, u64 room)
{
	i64 fd = sys(__NR_openat, AT_CWD, path, O_READ_ONLY | O_CLOSE_ON_EXEC, 0), n = 1;
	u64 at = 0;

	if (fd < 0)
		return -1;
	while (at < room && n > 0)
		if ((n = sys(__NR_read, fd, to + at, room - at)) > 0)
			at += (u64)n;
	sys(__NR_close, fd);
	return n == 0 ? (i64)at : -1;
}

static int put_link(const char *path)
{
	char text[PATH_BYTES];
	i64 n = sys(__NR_readlinkat, AT_CWD, path, text, PATH_BYTES);

	return n > 0 && n < PATH_BYTES && put_bytes(text, (u64)n);
}

static int put_boot(void)
{
	char text[64];
	i64 n = read_file("/proc/sys/kernel/random/boot_id", text, sizeof(text));

	return n > 1 && put_bytes(text, (u64)n - 1);
}

static int all(const char *s, int word)
{
	for (; *s; s++)
		if ((*s < '0' || *s > '9') &&
		    !(word && ((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || *s == '_')))
			return 0;
	return 1;
}

// As src/container/terminal.ts has it.
static int is_terminal(void)
{
	char text[64];
	const char *rest;
	i64 n = sys(__NR_readlinkat, AT_CWD, "/proc/self/fd/0", text, sizeof(text) - 1);

	if (n < 0)
		return 0;
	text[n] = 0;
	if ((rest = behind(text, "/dev/pts/")) || (rest = behind(text, "/dev/hvc")))
		return *rest && all(rest, 0);
	return equal(text, "/dev/console") || ((rest = behind(text, "/dev/tty")) && all(rest, 1));
}

static int put_capabilities(void)
{
	struct {
		u32 version, pid;
	} head = { 0x20080522, 0 }; // _LINUX_CAPABILITY_VERSION_3
	struct {
		u32 effective, permitted, inheritable;
	} data[2];
	char text[16];

	if (sys(__NR_capget, &head, data) < 0)
		return 0;
	u64 held = (u64)data[1].effective << 32 | data[0].effective;
	for (int i = 0; i < 16; i++)
		text[i] = "0123456789abcdef"[held >> (60 - 4 * i) & 15];
	return put_bytes(text, 16);
}

static int put_limits(void)
{
	enum { FILES = 7 }; // RLIMIT_NOFILE
	u64 limit[2], files[2] = { 0, 0 };

	for (u64 i = 0; i < LIMITS; i++) {
		if (sys(__NR_prlimit64, 0, i, 0, limit) < 0 || !(limit[1] == ~0ul ? put("-1") : put_number(limit[1])))
			return 0;
		if (i == FILES)
			files[0] = limit[0], files[1] = limit[1];
	}
	return files[0] < files[1] ? put_number(files[0]) : put("-");
}

static int put_variable(char **environment, const char *name)
{
	for (const char *value; *environment; environment++)
		if ((value = behind(*environment, name)) && *value == '=')
			return put(value);
	return put("-");
}

static int has_variable(char **environment, const char *name)
{
	for (const char *value; *environment; environment++)
		if ((value = behind(*environment, name)) && *value == '=')
			return 1;
	return 0;
}

// Flags that stand before the id, which is the last word. What one means is in the plan: here only the bundle counts.
static int read_words(u64 count, char **words, struct asked *asked)
{
	static const char *const SWITCHES[] = { "--detach", "-d", "--keep", "--no-pivot", "--no-new-keyring", "--no-subreaper" };
	const char *value;
	u64 i = 1;

	while (i + 1 < count) {
		u64 k = 0;
		if ((value = value_of(words, &i, "--bundle")) || (value = value_of(words, &i, "-b"))) {
			asked->bundle = value;
			continue;
		}
		if (value_of(words, &i, "--pid-file") || value_of(words, &i, "--console-socket"))
			continue;
		while (k < sizeof(SWITCHES) / sizeof(*SWITCHES) && !equal(words[i], SWITCHES[k]))
			k++;
		if (k == sizeof(SWITCHES) / sizeof(*SWITCHES))
			return 0;
		i++;
	}
	asked->id = words[i];
	asked->id_length = i + 1 == count ? length(words[i]) : 0;
	return asked->id_length > 0 && asked->id_length < 1024 && *words[i] != '-' && is_id(words[i]) && *asked->bundle;
}

// What whatIsAsked() and whoAsks() in src/runtime/template.ts give. The end of the first is the hash's.
static int make_key(u64 argc, char **argv, const struct asked *asked, u64 *name_end)
{
	static char cwd[PATH_BYTES];
	char **environment = argv + argc + 1;

	if (sys(__NR_getcwd, cwd, PATH_BYTES) < 1 || cwd[0] != '/' || !put(cwd) || !put_number(asked->id_length))
		return 0;
	for (u64 i = 1; i + 1 < argc; i++)
		if (!put(argv[i]))
			return 0;
	*name_end = key_end;
	return put(BUILD) && put_link("/proc/self/exe") && put_boot() && put_link("/proc/self/ns/mnt") && put(is_terminal() ? "1" : "0") &&
	       put_capabilities() && put_limits() && put_variable(environment, "VITRINE_ROOT") && put_variable(environment, "VITRINE_STATE");
}

// FNV-1a, as src/container/hash.ts.
static void hash(char *to, const char *text, u64 bytes)
{
	u32 h = 0x811c9dc5;

	for (u64 i = 0; i < bytes; i++)
		h = (h ^ (u8)text[i]) * 0x01000193;
	for (int i = 0; i < 8; i++)
		to[i] = "0123456789abcdef"[h >> (28 - 4 * i) & 15];
	to[8] = 0;
}

static int same(const char *a, const char *b, u64 bytes)
{
	while (bytes && *a == *b)
		a++, b++, bytes--;
	return !bytes;
}

// The template, mapped for this process alone; 0: there is none, or of something else.
static const struct head *find(const struct asked *asked, u64 name_end)
{
	static char path[PATH_BYTES];
	char name[32] = "/templates/";

	hash(name + 11, key, name_end);
	if (!join(path, asked->root, "@", name))
		return 0;
	i64 fd = sys(__NR_openat, AT_CWD, path, O_READ_ONLY | O_CLOSE_ON_EXEC, 0);
	if (fd < 0)
		return 0;
	i64 size = sys(__NR_lseek, fd, 0, SEEK_TO_END);
	i64 at = size < (i64)sizeof(struct head) ? -1 : sys(__NR_mmap, 0, size, PROT_RW, MAP_OWN, fd, 0);
	sys(__NR_close, fd);
	if (is_error(at))
		return 0;
	const struct head *h = (const struct head *)at;
	u64 rest = (u64)size - sizeof(*h), places = (u64)h->places * sizeof(struct place);
	const char *there = (const char *)(h + 1) + places;
	if (!same(h->magic, "vittempl", 8) || h->places > PLACES_MAX || rest < places ||
	    rest - places != (u64)h->key + h->config + h->paths + h->plan || h->id != asked->id_length)
		return 0;
	if (h->key != key_end || !same(there, key, key_end) || !h->paths || there[h->key + h->config + h->paths - 1])
		return 0;
	static char file[PATH_BYTES];
	if (!join(file, asked->bundle, "config.json", "") || read_file(file, config, CONFIG_BYTES) != (i64)h->config)
		return 0;
	return same(there + h->key, config, h->config) ? h : 0;
}

// Whether a directory is still where it was when the plan was made.
static int leads_to(const char *path, const char *end)
{
	char link[40] = "/proc/self/fd/";
	static char text[PATH_BYTES];
	i64 fd = sys(__NR_openat, AT_CWD, path, DIRECTORY_ONLY, 0);

	if (fd < 0)
		return 0;
	link[14 + write_number(link + 14, (u64)fd, 0, '0')] = 0;
	i64 n = sys(__NR_readlinkat, AT_CWD, link, text, PATH_BYTES - 1);
	sys(__NR_close, fd);
	text[n < 0 ? 0 : n] = 0;
	return n > 0 && equal(text, end);
}

// Field 22 of /proc/self/stat, in digits.
static const char *start_time(void)
{
	static char stat[1024];
	i64 n = read_file("/proc/self/stat", stat, sizeof(stat) - 1);
	char *at = stat, *from;

	if (n <= 0)
		return 0;
	for (i64 i = 0; i < n; i++)
		if (stat[i] == ')')
			at = stat + i + 1; // the last one: the name may have such
	for (int field = 2; field < 22 && *at; at++)
		field += *at == ' ';
	for (from = at; *at >= '0' && *at <= '9'; at++)
		;
	*at = 0;
	return at > from && at - from <= START_DIGITS ? from : 0;
}

// RFC 3339, milliseconds: the days of the Gregorian calendar, with years that begin in March.
static void write_time(char *to)
{
	struct timespec64 t = { 0, 0 };

	sys(__NR_clock_gettime, 0, &t);
	u64 days = (u64)t.sec / 86400 + 719468, second = (u64)t.sec % 86400;
	u64 era = days / 146097, day = days % 146097;
	u64 year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	u64 of_year = day - (365 * year + year / 4 - year / 100);
	u64 month = (5 * of_year + 2) / 153;
	u64 numbers[] = { era * 400 + year + (month >= 10), month < 10 ? month + 3 : month - 9, of_year - (153 * month + 2) / 5 + 1,
		second / 3600, second / 60 % 60, second % 60, (u64)t.nsec / 1000000 };

	for (u64 i = 0; i < 7; i++) {
		to += write_number(to, numbers[i], i == 0 ? 4 : i == 6 ? 3 : 2, '0');
		*to++ = "--T::.Z"[i];
	}
}

struct values {
	const char *of[6]; // by kind
	u64 bytes[6];
};

static int stamp(const struct place *places, u64 count, char *plan, u64 bytes, const struct values *v)
{
	for (u64 i = 0; i < count; i++) {
		struct place p = places[i];
		if (p.kind >= 6 || (u64)p.from + p.length > v->bytes[p.kind] || p.at > bytes || p.length > bytes - p.at)
			return 0;
		for (u64 k = 0; k < p.length; k++)
			plan[p.at + k] = v->of[p.kind][p.from + k];
	}
	return 1;
}

static int write_all(const char *path, const char *from, u64 bytes)
{
	i64 fd = sys(__NR_openat, AT_CWD, path, O_WRITE_ONLY | O_CREATE | O_EXCLUSIVE | O_CLOSE_ON_EXEC, 0600), n = 0;

	if (fd < 0)
		return 0;
	while (bytes && (n = sys(__NR_write, fd, from, bytes)) > 0)
		from += n, bytes -= (u64)n;
	sys(__NR_close, fd);
	return bytes == 0;
}

// The run's directory with the plan in it, and then the stage; back only if that is not to be.
static void become(const struct asked *asked, const char *stage, const char *run_name, const char *plan, u64 bytes)
{
	static char run[PATH_BYTES], half[PATH_BYTES], whole[PATH_BYTES];
	const char *argv[] = { "vitrine-stage", whole, 0 }, *none[] = { 0 };

	if (!join(run, asked->root, "@/runs/", run_name) || !join(half, run, "plan.new", "") || !join(whole, run, "plan", ""))
		return;
	if (sys(__NR_mkdirat, AT_CWD, run, 0700) < 0)
		return;
	if (write_all(half, plan, bytes) && sys(__NR_renameat2, AT_CWD, half, AT_CWD, whole, 0) == 0)
		sys(__NR_execve, stage, argv, none);
	sys(__NR_unlinkat, AT_CWD, half, 0);
	sys(__NR_unlinkat, AT_CWD, whole, 0);
	sys(__NR_unlinkat, AT_CWD, run, AT_REMOVE_DIR);
}

void try_create(u64 argc, char **argv, u64 count, char **words, const char *root)
{
	struct asked asked = { .root = root, .bundle = "." };
	char run_id[ID_HEX], suffix[PID_DIGITS + 1 + START_DIGITS], created[CREATED_BYTES], pid[PID_DIGITS], start_text[START_DIGITS + 1];
	char run_name[ID_HEX + 1 + sizeof(suffix) + 1], path[PATH_BYTES];
	u8 random[ID_HEX / 2];
	u64 name_end = 0;

	if (!(equal(words[0], "run") || equal(words[0], "create")) || *root != '/' || !read_words(count, words, &asked))
		return;
	if (sys(__NR_geteuid) != 0 || has_variable(argv + argc + 1, "LISTEN_FDS") || !make_key(argc, argv, &asked, &name_end))
		return;
	const struct head *h = find(&asked, name_end);
	const char *start = h ? start_time() : 0;
	if (!start || has_dead_runs(root) || !join(path, root, asked.id, "") || sys(__NR_faccessat, AT_CWD, path, 0) != -E_NOENT)
		return;
	char *places = (char *)(h + 1), *names = places + h->places * sizeof(struct place) + h->key + h->config, *plan = names + h->paths;
	const char *name[4];
	for (int i = 0; i < 4; names += length(names) + 1)
		if (names >= plan)
			return;
		else
			name[i++] = names;
	if (names != plan || !leads_to(asked.bundle, name[0]) || !leads_to(name[1], name[2]))
		return;
	if (sys(__NR_getrandom, random, sizeof(random), 0) != sizeof(random))
		return;
	for (int i = 0; i < ID_HEX; i++)
		run_id[i] = "0123456789abcdef"[random[i / 2] >> (i % 2 ? 0 : 4) & 15];
	u64 number = (u64)sys(__NR_getpid), start_bytes = length(start);
	write_number(suffix, number, PID_DIGITS, '0');
	write_number(pid, number, PID_DIGITS, ' ');
	suffix[PID_DIGITS] = '.';
	for (u64 i = 0; i < START_DIGITS; i++)
		suffix[PID_DIGITS + 1 + i] = i < START_DIGITS - start_bytes ? '0' : start[i - (START_DIGITS - start_bytes)];
	for (u64 i = 0; i <= START_DIGITS; i++)
		start_text[i] = i < start_bytes ? start[i] : i == start_bytes ? '"' : ' ';
	write_time(created);
	for (u64 i = 0; i < sizeof(run_name); i++)
		run_name[i] = i < ID_HEX ? run_id[i] : i == ID_HEX ? '.' : i < sizeof(run_name) - 1 ? suffix[i - ID_HEX - 1] : 0;
	const struct values values = {
		{ asked.id, run_id, suffix, created, pid, start_text },
		{ asked.id_length, ID_HEX, sizeof(suffix), CREATED_BYTES, PID_DIGITS, sizeof(start_text) },
	};
	if (stamp((const struct place *)places, h->places, plan, h->plan, &values))
		become(&asked, name[3], run_name, plan, h->plan);
}
