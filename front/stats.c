// `events --stats`: figures from control groups, as the templates say that the engine goes by too (src/cgroup/statstemplates.ts). The
// container's plan tells the groups.
#include "generated/texts.h"
#include "later.h"

enum { WORDS = 6, PLACES = 2, FILE_BYTES = 1 << 16, OUT_BYTES = 1 << 17 };

static char out[OUT_BYTES], file[FILE_BYTES], of[PATH_BYTES], groups[4 * PATH_BYTES];
static const char *directory[PLACES];
static u64 at;
static int there, too_much;

static void put_char(char c)
{
	if (at < sizeof(out))
		out[at++] = c;
	else
		too_much = 1;
}

static void put(const char *s)
{
	while (*s)
		put_char(*s++);
}

static void put_number(u64 n)
{
	char digits[21], *d = digits + sizeof(digits) - 1;

	for (*d = 0; n > 9; n /= 10)
		*--d = (char)('0' + n % 10);
	*--d = (char)('0' + n);
	put(d);
}

static void comma(void)
{
	if (at && out[at - 1] != '{' && out[at - 1] != '[')
		put_char(',');
}

static void member(const char *key)
{
	comma();
	put_char('"');
	put(key);
	put("\":");
}

static int is_digit(char c)
{
	return c >= '0' && c <= '9';
}

// Digits, from `s` on; moves behind them. 0: there are none.
static u64 digits(const char **s, u64 *n)
{
	const char *from = *s;

	for (*n = 0; is_digit(**s); (*s)++)
		*n = *n * 10 + (u64)(**s - '0');
	return (u64)(*s - from);
}

// A file of the part into `file`, which ends with 0; "1:" is in its second directory. The one that was read last is still there.
static int read_file(const char *name)
{
	static char path[PATH_BYTES];
	const char *second = behind(name, "1:");
	u64 size = 0;
	i64 fd, got;

	if (!join(path, directory[second != 0], second ? second : name, ""))
		return !(too_much = 1);
	if (equal(path, of))
		return there;
	for (u64 i = 0; i == 0 || path[i - 1]; i++)
		of[i] = path[i];
	file[0] = 0;
	there = (fd = sys(__NR_openat, AT_CWD, path, O_READ_ONLY | O_CLOSE_ON_EXEC, 0)) >= 0;
	if (!there)
		return 0;
	while ((got = sys(__NR_read, fd, file + size, sizeof(file) - 1 - size)) > 0)
		size += (u64)got;
	sys(__NR_close, fd);
	file[size] = 0;
	too_much |= size == sizeof(file) - 1;
	return there = got == 0;
}

// The number that a file is, as text; 0 if it is none.
static const char *number_in(const char *name)
{
	if (!read_file(name))
		return 0;
	const char *s = file + (file[0] == '-');
	return is_digit(*s) ? file : 0;
}

static void put_text_number(const char *s)
{
	do
		put_char(*s++);
	while (is_digit(*s));
}

static const char *next_line(const char *s)
{
	while (*s && *s != '\n')
		s++;
	return *s ? s + 1 : s;
}

// What stands behind a name in a line of a file, or 0.
static const char *named(const char *name, const char *key)
{
	const char *rest;

	if (!read_file(name))
		return 0;
	for (const char *s = file; *s; s = next_line(s))
		if ((rest = behind(s, key)) && *rest == ' ' && is_digit(rest[1]))
			return rest + 1;
	return 0;
}

static void put_sum(const char *a, const char *b, const char *otherwise)
{
	const char *s;
	u64 one = 0, two = 0;
	int both = 1;

	if ((s = number_in(a)))
		digits(&s, &one);
	else
		both = 0;
	if ((s = number_in(b)))
		digits(&s, &two);
	else
		both = 0;
	if (!both && otherwise)
		put(otherwise);
	else
		put_number(one + two);
}

static void put_named(char kind, const char *key, char **w)
{
	const char *value = named(w[0], w[1]), *factor = w[2];
	u64 n = 0, times = 1;

	if (value)
		digits(&value, &n);
	digits(&factor, &times);
	if (kind == 'p' || (kind == 'q' && value) || n) {
		member(key);
		put_number(n * times);
	}
}

static void put_all(const char *name)
{
	put_char('{');
	if (read_file(name))
		for (const char *s = file; *s; s = next_line(s)) {
			const char *value = s;
			while (*value && *value != ' ' && *value != '\n')
				value++;
			if (*value != ' ' || !is_digit(value[1]))
				continue;
			comma();
			put_char('"');
			while (s < value)
				put_char(*s++);
			put("\":");
			put_text_number(value + 1);
		}
	put_char('}');
}

// "0-2,4"
static void put_list(const char *key, const char *first, const char *other)
{
	const char *s = 0;
	u64 from, to;

	if (read_file(first) && is_digit(file[0]))
		s = file;
	else if (read_file(other) && is_digit(file[0]))
		s = file;
	if (!s)
		return;
	member(key);
	put_char('[');
	while (digits(&s, &from)) {
		to = from;
		if (*s == '-')
			s++, digits(&s, &to);
		for (; from <= to && !too_much; from++) {
			comma();
			put_number(from);
		}
		s += *s == ',';
	}
	put_char(']');
}

// Words of a file, or a column of a table behind its head (column > 0).
static void put_numbers(const char *key, const char *name, u64 column)
{
	int any = column == 0;

	if (!read_file(name))
		return;
	const char *s = column ? next_line(file) : file;
	if (!any && !*s)
		return;
	member(key);
	put_char('[');
	while (*s) {
		for (u64 i = 0; i < column; i++) {
			while (is_digit(*s))
				s++;
			s += *s == ' ';
		}
		if (is_digit(*s)) {
			comma();
			put_text_number(s);
		}
		if (column)
			s = next_line(s);
		else {
			while (is_digit(*s))
				s++;
			if (*s && !is_digit(*s))
				s++;
		}
	}
	put_char(']');
}

// A device's number of an operation, whose name goes up to `end`.
static void put_entry(u64 major, u64 minor, const char *op, const char *end, const char *value)
{
	comma();
	put("{\"major\":");
	put_number(major);
	put(",\"minor\":");
	put_number(minor);
	put(",\"op\":\"");
	while (op < end)
		put_char(*op++);
	put("\",\"value\":");
	put_text_number(value);
	put_char('}');
}

// Lines of "major:minor op number", or of "major:minor name=number …" of which two names count.
static void put_devices(const char *key, const char *name, const char *read, const char *write)
{
	const u64 before = at;
	u64 major, minor;

	if (!read_file(name))
		return;
	member(key);
	put_char('[');
	const u64 first = at;
	for (const char *s = file, *value; *s; s = next_line(s)) {
		if (!digits(&s, &major) || *s++ != ':' || !digits(&s, &minor))
			continue;
		while (*s == ' ') {
			const char *word = ++s, *op = word;
			while (*s && *s != ' ' && *s != '\n' && *s != '=')
				s++;
			if (!read) {
				if (*s == ' ' && is_digit(s[1]))
					put_entry(major, minor, word, s, s + 1);
				break;
			}
			if ((value = behind(word, read)) && *value == '=')
				op = "Read";
			else if ((value = behind(word, write)) && *value == '=')
				op = "Write";
			if (op != word && is_digit(value[1]))
				put_entry(major, minor, op, op + length(op), value + 1);
			while (*s && *s != ' ' && *s != '\n')
				s++;
		}
	}
	if (at == first)
		at = before;
	else
		put_char(']');
}

static void put_value(char kind, const char *key, char **w)
{
	const char *s;

	switch (kind) {
	case '=':
		member(key);
		put(w[0]);
		return;
	case 'n':
	case 'z':
		s = number_in(w[0]);
		if (kind == 'z' && s && s[0] == '0')
			return;
		if (!s && !w[1])
			return;
		member(key);
		if (s)
			put_text_number(s);
		else
			put(w[1]);
		return;
	case 's':
		member(key);
		put_sum(w[0], w[1], w[2]);
		return;
	case 'p':
	case 'q':
	case '?':
		put_named(kind, key, w);
		return;
	case 'a':
		member(key);
		put_all(w[0]);
		return;
	case 'w':
		put_numbers(key, w[0], 0);
		return;
	case 'c':
		put_numbers(key, w[0], (u64)(*w[1] - '0'));
		return;
	case 'l':
		put_list(key, w[0], w[1]);
		return;
	case 'b':
	case 'i':
		put_devices(key, w[0], w[1], w[2]);
		return;
	default:
		too_much = 1;
	}
}

static void fill_in(const char *template)
{
	static char line[256];
	char *w[WORDS];

	for (int left_out = 0; *template;) {
		u64 n = 0, words = 0;
		for (; *template && *template != '\n'; template++)
			line[n++] = *template;
		template += *template == '\n';
		line[n] = 0;
		for (u64 i = 0; i < WORDS; i++)
			w[i] = 0;
		for (u64 i = 0; i < n && words < WORDS; i++)
			if (line[i] == ' ')
				line[i] = 0;
			else if (i == 0 || !line[i - 1])
				w[words++] = line + i;
		if (*w[0] == '}') {
			if (!left_out)
				put_char('}');
			left_out = 0;
		} else if (*w[0] == 'f' && !number_in(w[2]))
			left_out = 1;
		else if (*w[0] == '{' || *w[0] == 'f') {
			member(w[1]);
			put_char('{');
		} else if (!left_out)
			put_value(*w[0], w[1], w + 2);
	}
}

// The text of a part, by its name; 0 if it is one of another version of ours.
static const char *template_of(const char *name)
{
	for (u64 i = 0; i < sizeof(STATS) / sizeof(*STATS); i++)
		if (equal(name, STATS[i].name))
			return STATS[i].text;
	return 0;
}

void try_stats(u64 count, char **words, const char *root)
{
	const char *id = count == 3 ? words[equal(words[1], "--stats") ? 2 : 1] : "";

	if (count != 3 || !equal(words[id == words[1] ? 2 : 1], "--stats") || !is_id(id))
		return;
	i64 size = run_stage(root, id, GROUPS, "0", groups, sizeof(groups) - 1);
	if (size <= 0)
		return;
	put("{\"type\":\"stats\",\"id\":\"");
	put(id);
	put("\",\"data\":{");
	for (char *s = groups; *s;) {
		char *part = s;
		for (int i = 0; *s && *s != '\n'; s++)
			if (*s == '\t' && i < PLACES) {
				*s = 0;
				directory[i++] = s + 1;
			}
		if (!*s)
			return;
		*s++ = 0;
		const char *template = template_of(part);
		if (!template)
			return;
		fill_in(template);
	}
	fill_in(STATS_END);
	put("}}\n");
	if (too_much)
		return;
	print(out, at);
	leave(0);
}
