// `update` with plain limits: each is one value in one file of a control group, which the container's plan writes. What is coupled with
// others, taken away or not known here goes the long way, which begins anew.
#include "later.h"

// As in src/cgroup/plainsettings.ts.
enum { SHARES, WEIGHT, PERIOD, QUOTA, CPU_MAX, CPUS, MEMS, MEMORY, RESERVATION, PIDS, SETTINGS };
enum { VALUE_BYTES = 64, JSON_BYTES = 1 << 16, MOST = 15 /* digits that JavaScript has exactly */ };
enum { CLOSED_ON_EXEC = 1, DUPLICATE_CLOSED_ON_EXEC = 1030, DEFAULT_PERIOD = 100000 };

static char values[SETTINGS][VALUE_BYTES], text[JSON_BYTES];
static int given;

static const struct {
	const char *flag, *section, *key;
	u32 setting;
} NAMES[] = {
	{ "--cpu-share", "cpu", "shares", SHARES },
	{ "--cpu-period", "cpu", "period", PERIOD },
	{ "--cpu-quota", "cpu", "quota", QUOTA },
	{ "--cpuset-cpus", "cpu", "cpus", CPUS },
	{ "--cpuset-mems", "cpu", "mems", MEMS },
	{ "--memory", "memory", "limit", MEMORY },
	{ "--memory-reservation", "memory", "reservation", RESERVATION },
	{ "--pids-limit", "pids", "limit", PIDS },
};

// Digits that begin with none but 1 to 9; moves behind them. 0: something else.
static u64 whole(const char **s)
{
	u64 n = 0, count = 0;

	for (; **s >= '0' && **s <= '9' && (n || **s != '0') && count < MOST; (*s)++, count++)
		n = n * 10 + (u64)(**s - '0');
	return n;
}

static int is_list(const char *s)
{
	const char *c = s;

	while ((*c >= '0' && *c <= '9') || *c == ',' || *c == '-')
		c++;
	return c > s && !*c && c - s < VALUE_BYTES;
}

// Takes a value in, once. `flag`: sizes may have a unit. 0: it is not plain.
static int set(u32 setting, const char *word, int flag)
{
	static const char units[] = "bkmg";
	char *to = values[setting];

	given++;
	if (*to)
		return 0;
	if (setting == CPUS || setting == MEMS) {
		if (!is_list(word))
			return 0;
		while ((*to++ = *word++))
			;
		return 1;
	}
	if (setting == QUOTA && equal(word, "-1")) {
		to[0] = '-', to[1] = '1';
		return 1;
	}
	u64 n = whole(&word);
	if (flag && (setting == MEMORY || setting == RESERVATION) && *word)
		for (u64 i = 0; i < 4; i++)
			if ((*word | 0x20) == units[i] && n < 1ul << 22) {
				n <<= 10 * i;
				word++;
				break;
			}
	if (!n || *word)
		return 0;
	to[write_number(to, n, 0, '0')] = 0;
	return 1;
}

static char *space(char *s)
{
	while (*s == ' ' || *s == '\t' || *s == '\n' || *s == '\r')
		s++;
	return s;
}

// A string without escapes: `*word` is what it says. Gives what stands behind it, or 0.
static char *string(char *s, char **word)
{
	if (*s != '"')
		return 0;
	for (*word = ++s; *s && *s != '"'; s++)
		if (*s == '\\' || (u8)*s < 0x20)
			return 0;
	if (!*s)
		return 0;
	*s = 0;
	return space(s + 1);
}

// Takes a member of a section in. 0: it is not plain.
static int set_member(const char *section, const char *key, const char *word, int quoted)
{
	for (u64 i = 0; i < sizeof(NAMES) / sizeof(*NAMES); i++)
		if (equal(section, NAMES[i].section) && equal(key, NAMES[i].key))
			return quoted == (NAMES[i].setting == CPUS || NAMES[i].setting == MEMS) && set(NAMES[i].setting, word, 0);
	return 0;
}

// "limit": 1000 of a section; gives what stands behind it, or 0.
static char *property(char *s, const char *section)
{
	char *key, *word;

	if (!(s = string(s, &key)) || *s != ':')
		return 0;
	word = s = space(s + 1);
	if (*s == '"')
		return (s = string(s, &word)) && set_member(section, key, word, 1) ? s : 0;
	while (*s == '-' || (*s >= '0' && *s <= '9'))
		s++;
	char *end = s, behind_it = *(s = space(s));
	if (behind_it != ',' && behind_it != '}')
		return 0;
	*end = 0; // if nothing is between, this is what is behind it
	int done = set_member(section, key, word, 0);
	*s = behind_it;
	return done ? s : 0;
}

// Members of an object, each by `property` of its section; without one, sections. Gives what stands behind the object, or 0.
static char *object(char *s, const char *section)
{
	static u64 sections;
	char *name;

	if (*s != '{')
		return 0;
	do {
		s = space(s + 1);
		if (section) {
			s = property(s, section);
		} else {
			u64 bit = 0;
			if (!(s = string(s, &name)) || *s != ':')
				return 0;
			for (u64 i = 0; i < sizeof(NAMES) / sizeof(*NAMES); i++)
				if (equal(name, NAMES[i].section))
					bit |= 1ul << NAMES[i].section[0] % 64; // their first letters differ
			if (!bit || sections & bit)
				return 0;
			sections |= bit;
			s = object(space(s + 1), name);
		}
	} while (s && *s == ',');
	return s && *s == '}' ? space(s + 1) : 0;
}

// Standard input becomes a file, so that the long way can read it again.
static i64 keep_input(void)
{
	i64 kept = sys(__NR_memfd_create, "resources", CLOSED_ON_EXEC), got, put = 0;

	if (kept < 0)
		return kept;
	while ((got = sys(__NR_read, 0, text, sizeof(text))) > 0)
		for (i64 done = 0; done < got; done += put)
			if ((put = sys(__NR_write, kept, text + done, got - done)) < 0)
				die("standard input", "cannot be kept");
	sys(__NR_dup3, kept, 0, 0);
	sys(__NR_close, kept);
	sys(__NR_lseek, 0, 0, 0);
	return got < 0 ? got : 0;
}

static int read_resources(const char *path)
{
	i64 fd, got;
	u64 size = 0;

	fd = equal(path, "-") ? keep_input() : sys(__NR_openat, AT_CWD, path, O_READ_ONLY | O_CLOSE_ON_EXEC, 0);
	if (fd < 0)
		return 0;
	while (size < sizeof(text) - 1 && (got = sys(__NR_read, fd, text + size, sizeof(text) - 1 - size)) > 0)
		size += (u64)got;
	if (fd > 0)
		sys(__NR_close, fd);
	else
		sys(__NR_lseek, 0, 0, 0);
	text[size] = 0;
	char *end = size < sizeof(text) - 1 ? object(space(text), 0) : 0;
	return end && end == text + size;
}

// Has the plan write one value, which it reads from its standard input.
static int change(const char *root, const char *id, u32 setting, const char *value)
{
	char number[2] = { (char)('0' + setting), 0 };
	int ends[2];

	if (sys(__NR_pipe2, ends, O_CLOSE_ON_EXEC) < 0)
		return 0;
	i64 own = sys(__NR_fcntl, 0, DUPLICATE_CLOSED_ON_EXEC, 3);
	int done = sys(__NR_write, ends[1], value, length(value)) == (i64)length(value) && sys(__NR_dup3, ends[0], 0, 0) == 0;
	sys(__NR_close, ends[1]);
	done = done && run_stage(root, id, UPDATE, number, 0, 0) == 0;
	sys(__NR_close, ends[0]);
	if (own < 0)
		sys(__NR_close, 0);
	else {
		sys(__NR_dup3, own, 0, 0);
		sys(__NR_close, own);
	}
	return done;
}

// Shares on the scale of v2: weightOfShares in src/cgroup/cpu.ts.
static int change_shares(const char *root, const char *id, const char *value)
{
	char weight[VALUE_BYTES];

	if (change(root, id, SHARES, value))
		return 1;
	u64 n = whole(&value);
	n = n < 2 ? 2 : n > 262144 ? 262144 : n;
	weight[write_number(weight, 1 + (n - 2) * 9999 / 262142, 0, '0')] = 0;
	return change(root, id, WEIGHT, weight);
}

// One after the other on v1, both in one file on v2.
static int change_quota(const char *root, const char *id, const char *period, const char *quota)
{
	char both[2 * VALUE_BYTES], *to = both;
	u32 first = *period ? PERIOD : QUOTA;

	if (change(root, id, first, values[first]))
		return first == QUOTA || !*quota || change(root, id, QUOTA, quota);
	const char *word = *quota && *quota != '-' ? quota : "max";
	while ((*to = *word++))
		to++;
	*to++ = ' ';
	if (!*period)
		to[write_number(to, DEFAULT_PERIOD, 0, '0')] = 0;
	else
		while ((*to++ = *period++))
			;
	return change(root, id, CPU_MAX, both);
}

void try_update(u64 count, char **words, const char *root)
{
	static const u32 alone[] = { CPUS, MEMS, MEMORY, RESERVATION, PIDS };
	const char *id = 0, *resources = 0, *word;

	for (u64 i = 1, before; i < count;) {
		before = i;
		for (u64 k = 0; k < sizeof(NAMES) / sizeof(*NAMES) && i == before; k++)
			if ((word = value_of(words, &i, NAMES[k].flag)) && !set(NAMES[k].setting, word, 1))
				return;
		if (i > before)
			continue;
		if ((word = value_of(words, &i, "--resources")) || (word = value_of(words, &i, "-r"))) {
			if (resources)
				return;
			resources = word;
		} else if (!id && is_id(words[i]) && words[i][0] != '-')
			id = words[i++];
		else
			return;
	}
	if (!id || (resources ? given || !read_resources(resources) : !given))
		return;
	if (*values[SHARES] && !change_shares(root, id, values[SHARES]))
		return;
	if ((*values[PERIOD] || *values[QUOTA]) && !change_quota(root, id, values[PERIOD], values[QUOTA]))
		return;
	for (u64 i = 0; i < sizeof(alone) / sizeof(*alone); i++)
		if (*values[alone[i]] && !change(root, id, alone[i], values[alone[i]]))
			return;
	leave(0);
}
