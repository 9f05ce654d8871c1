// The monitor's side: a container's terminal or pipes, whoever is connected to them, and the log of what it writes. Memory is what
// is here; it does not grow.
#include "frame.h"
#include "log.h"

#define MOST_CLIENTS 16 // with those that wait, or send a signal and go
#define MOST_ATTACHED 8
#define MOST_INPUT 512
#define PATIENCE_NS 5000000000u // with a client that does not read, unless it is the command that started it all
#define REPEAT_MS 250
#define END_OF_FILE 4

#define TIOCSWINSZ_REQUEST 0x5414
#define F_SETFD_COMMAND 2
#define SOCKET_FLAGS 02004000 // SOCK_CLOEXEC | SOCK_NONBLOCK

struct client {
	int fd; // 0: this place is free; 0 is /dev/null in a monitor
	u8 wants, once;
	u32 at; // of the chunk
	u32 head_at, left;
	u8 head[FRAME_HEAD];
	u32 in_at, in_end;
	u8 in[MOST_INPUT];
};

struct monitor {
	int pidfd;
	int sink, sources[2]; // standard input; standard output and error. -1: it is shut
	int terminal;	      // all of them are one
	int ended, told, line_begun; // standard input has ended; the container knows; it did so within a line
	int left;	      // the command that started it said that it goes
	struct client *owner; // the command that started it: its standard error is ours
	u64 since;	      // the chunk was put there
	u32 size;
	u8 chunk[FRAME_HEAD + 4096];
	struct client clients[MOST_CLIENTS];
	struct log log;
};

enum { PROCESS, SIGNALS, DOOR, SINK, SOURCE, FIRST_CLIENT = SOURCE + 2, WATCHED = FIRST_CLIENT + MOST_CLIENTS };

static void drop(struct monitor *m, struct client *c)
{
	sys(__NR_close, c->fd);
	c->fd = 0;
	if (c->once && !m->terminal)
		m->ended = 1;
	if (c == m->owner) {
		sys(__NR_dup3, 0, 2, 0); // with the command its standard error goes
		m->owner = 0;
	}
}

static int behind(const struct monitor *m, const struct client *c)
{
	return c->fd && c->wants && c->at < m->size;
}

static int all_have_it(const struct monitor *m)
{
	for (int i = 0; i < MOST_CLIENTS; i++)
		if (behind(m, &m->clients[i]))
			return 0;
	return 1;
}

// The same bytes for every client: the next ones are read when all have these.
static void put_chunk(struct monitor *m, u8 kind, u32 length)
{
	put_head(m->chunk, kind, length);
	m->size = FRAME_HEAD + length;
	m->since = now_ns();
	for (int i = 0; i < MOST_CLIENTS; i++)
		m->clients[i].at = 0;
}

static void send_chunk(struct monitor *m, struct client *c)
{
	i64 n = sys(__NR_write, c->fd, m->chunk + c->at, m->size - c->at);

	if (n > 0)
		c->at += (u32)n;
	else if (n != -E_AGAIN && n != -E_INTR)
		drop(m, c);
}

// Returns 1 if something was read.
static int read_source(struct monitor *m, int i)
{
	i64 n = sys(__NR_read, m->sources[i], m->chunk + FRAME_HEAD, sizeof m->chunk - FRAME_HEAD);

	if (n > 0) {
		put_chunk(m, i ? FRAME_ERROR : FRAME_OUTPUT, (u32)n);
		log_put(&m->log, i ? LOG_ERROR : LOG_OUTPUT, m->chunk + FRAME_HEAD, (u32)n);
	} else if (n != -E_AGAIN && n != -E_INTR && !m->terminal) {
		sys(__NR_close, m->sources[i]);
		m->sources[i] = -1;
	}
	return n > 0;
}

static void shut_sink(struct monitor *m)
{
	if (m->sink >= 0 && !m->terminal)
		sys(__NR_close, m->sink);
	m->sink = -1;
}

static void write_input(struct monitor *m, struct client *c)
{
	i64 n = m->sink < 0 ? (i64)(c->in_end - c->in_at) : sys(__NR_write, m->sink, c->in + c->in_at, c->in_end - c->in_at);

	if (n > 0) {
		m->line_begun = c->in[c->in_at + n - 1] != '\n';
		c->in_at += (u32)n;
	} else if (n != -E_AGAIN && n != -E_INTR) { // nobody reads it
		shut_sink(m);
		c->in_at = c->in_end;
	}
}

static struct client *with_input(struct monitor *m)
{
	for (int i = 0; i < MOST_CLIENTS; i++)
		if (m->clients[i].fd && m->clients[i].head[0] == FRAME_INPUT && m->clients[i].in_at < m->clients[i].in_end)
			return &m->clients[i];
	return 0;
}

// The end of a file or pipe becomes the character that means it on a terminal; on a line that was begun the first one only
// sends the line. Again and again: a program that sets a mode of its own loses what was typed before.
static void end_input(struct monitor *m)
{
	static const u8 twice[2] = { END_OF_FILE, END_OF_FILE };

	m->told = 1;
	if (m->sink < 0)
		return;
	if (!m->terminal)
		shut_sink(m);
	else if (sys(__NR_write, m->sink, twice, m->line_begun ? 2 : 1) > 0)
		m->line_begun = 0;
}

static void refuse(int fd)
{
	static const char full[] = "vitrine: as many as can be are attached to this container\n";
	u8 head[FRAME_HEAD];

	put_head(head, FRAME_REFUSED, sizeof full - 1);
	sys(__NR_write, fd, head, sizeof head);
	sys(__NR_write, fd, full, sizeof full - 1);
}

static int attached(const struct monitor *m)
{
	int n = 0;

	for (int i = 0; i < MOST_CLIENTS; i++)
		n += m->clients[i].fd && m->clients[i].wants;
	return n;
}

// As a pipe without a reader: the container's next write fails. Not if somebody else is there to read.
static void shut_source(struct monitor *m, int i)
{
	if (m->terminal || m->sources[i] < 0 || attached(m) > 1)
		return;
	sys(__NR_close, m->sources[i]);
	m->sources[i] = -1;
}

// Returns 0 if the frame is none that a client sends, or not to be obeyed.
static int obey(struct monitor *m, struct client *c)
{
	u32 length = length_in(c->head);

	if (c->head[0] == FRAME_RESIZE && length == 4) {
		u16 size[4] = { (u16)(c->in[0] << 8 | c->in[1]), (u16)(c->in[2] << 8 | c->in[3]) };
		if (m->terminal)
			sys(__NR_ioctl, m->sources[0], TIOCSWINSZ_REQUEST, size);
	} else if (c->head[0] == FRAME_SIGNAL && length == 1)
		sys(__NR_pidfd_send_signal, m->pidfd, c->in[0], 0, 0);
	else if (c->head[0] == FRAME_ATTACH && length == 0) {
		if (!c->wants && attached(m) >= MOST_ATTACHED) {
			refuse(c->fd);
			return 0;
		}
		c->at = c->wants ? c->at : m->size;
		c->wants = 1;
	} else if (c->head[0] == FRAME_END && length == 0)
		m->ended = 1;
	else if (c->head[0] == FRAME_ONCE && length == 0)
		c->once = 1;
	else if (c->head[0] == FRAME_SHUT && length == 1 && c == m->owner && (c->in[0] == 1 || c->in[0] == 2))
		shut_source(m, c->in[0] - 1);
	else {
		m->left |= c->head[0] == FRAME_LEAVE && c == m->owner;
		return 0;
	}
	return 1;
}

static void read_client(struct monitor *m, struct client *c)
{
	int in_head = c->left == 0;
	int input = !in_head && c->head[0] == FRAME_INPUT;
	u32 room = c->left < sizeof c->in ? c->left : sizeof c->in;
	i64 n = in_head ? sys(__NR_read, c->fd, c->head + c->head_at, FRAME_HEAD - c->head_at)
			: sys(__NR_read, c->fd, c->in + (input ? 0 : c->in_end), room);

	if (n == -E_AGAIN || n == -E_INTR)
		return;
	if (n <= 0) {
		drop(m, c);
		return;
	}
	if (!in_head) {
		c->left -= (u32)n;
		c->in_at = 0;
		c->in_end = input ? (u32)n : c->in_end + (u32)n;
	} else if ((c->head_at += (u32)n) == FRAME_HEAD) {
		c->head_at = c->in_at = c->in_end = 0;
		c->left = length_in(c->head);
		input = c->head[0] == FRAME_INPUT;
		if (!input && c->left > 4) {
			drop(m, c);
			return;
		}
	} else
		return;
	if (!input && c->left == 0) {
		c->in_at = c->in_end;
		if (!obey(m, c))
			drop(m, c);
	}
}

static void admit(struct monitor *m, int door)
{
	i64 fd = sys(__NR_accept4, door, 0, 0, SOCKET_FLAGS);

	for (int i = 0; i < MOST_CLIENTS && !is_error(fd); i++)
		if (!m->clients[i].fd) {
			m->clients[i] = (struct client){ .fd = (int)fd, .at = m->size };
			return;
		}
	if (!is_error(fd)) {
		refuse((int)fd);
		sys(__NR_close, fd);
	}
}

// Whoever does not read is let go after a while, so that the others and the container go on.
static i64 wait_for_readers(struct monitor *m)
{
	i64 ms = -1;
	u64 now = now_ns();

	for (int i = 0; i < MOST_CLIENTS; i++) {
		struct client *c = &m->clients[i];
		if (!behind(m, c) || c == m->owner)
			continue;
		if (now - m->since >= PATIENCE_NS)
			drop(m, c);
		else
			ms = (i64)((m->since + PATIENCE_NS - now) / 1000000) + 1;
	}
	return ms;
}

static i64 sooner(i64 a, i64 b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

static void watch(struct monitor *m, struct pollfd32 *fds)
{
	int free = all_have_it(m);
	struct client *typing = with_input(m);

	fds[SINK] = (struct pollfd32){ typing && m->sink >= 0 && !m->terminal ? m->sink : -1, POLL_OUT, 0 };
	for (int i = 0; i < 2; i++)
		fds[SOURCE + i] = (struct pollfd32){ free ? m->sources[i] : -1, POLL_IN, 0 };
	if (m->terminal && typing)
		fds[SOURCE] = (struct pollfd32){ m->sources[0], (short)(POLL_OUT | (free ? POLL_IN : 0)), 0 };
	for (int i = 0; i < MOST_CLIENTS; i++) {
		struct client *c = &m->clients[i];
		int full = c->head[0] == FRAME_INPUT && c->in_at < c->in_end;
		short wanted = (short)((behind(m, c) ? POLL_OUT : 0) | (full ? 0 : POLL_IN));
		fds[FIRST_CLIENT + i] = (struct pollfd32){ c->fd && wanted ? c->fd : -1, wanted, 0 };
	}
}

static void serve_client(struct monitor *m, struct client *c, short events)
{
	int full = c->head[0] == FRAME_INPUT && c->in_at < c->in_end;

	if (events & POLL_OUT && behind(m, c))
		send_chunk(m, c);
	if (c->fd && events & ~POLL_OUT && !full)
		read_client(m, c);
}

// What the container wrote last, and how it ended.
static void finish(struct monitor *m, u8 status)
{
	int told = 0;

	for (;;) {
		while (all_have_it(m) && !told) {
			if ((m->sources[0] >= 0 && read_source(m, 0)) || (m->sources[1] >= 0 && read_source(m, 1)))
				continue;
			m->chunk[FRAME_HEAD] = status;
			put_chunk(m, FRAME_STATUS, 1);
			for (int i = 0; i < MOST_CLIENTS; i++) // also for those that wait for nothing else
				m->clients[i].wants = 1;
			told = 1;
		}
		i64 ms = wait_for_readers(m);
		if (told && all_have_it(m))
			return;
		struct pollfd32 fds[MOST_CLIENTS];
		for (int i = 0; i < MOST_CLIENTS; i++)
			fds[i] = (struct pollfd32){ behind(m, &m->clients[i]) ? m->clients[i].fd : -1, POLL_OUT, 0 };
		poll_ms(fds, MOST_CLIENTS, ms);
		for (int i = 0; i < MOST_CLIENTS; i++)
			if (fds[i].revents)
				send_chunk(m, &m->clients[i]);
	}
}

i64 serve_clients(struct stage *s, const u64 *a, int signals)
{
	static struct monitor m;
	struct pollfd32 fds[WATCHED];
	struct held held = *(const struct held *)a[5]; // now: the pages go below
	int pidfd = (int)a[0], master = (int)a[1], door = (int)a[3];
	u64 deadline = a[2] ? now_ns() + a[2] * 1000000 : 0;

	// The plan is not needed until the end: its pages come back from the file, and what is filled in there is so before use.
	sys(__NR_madvise, s->plan.head, s->plan.size, 4); // MADV_DONTNEED
	sys(__NR_madvise, s->plan.shared, s->plan.size, 4);
	m = (struct monitor){ .pidfd = pidfd, .terminal = master >= 0 };
	m.sink = m.terminal ? master : held.input;
	m.sources[0] = m.terminal ? master : held.output;
	m.sources[1] = m.terminal ? -1 : held.error;
	log_start(&m.log, &held);
	if ((int)a[4] >= 0) {
		m.owner = m.clients;
		*m.owner = (struct client){ .fd = (int)a[4], .wants = 1 };
	}
	for (;;) {
		i64 ms = wait_for_readers(&m);
		int ending = m.ended && !with_input(&m);
		if (ending && (m.terminal || !m.told))
			ms = sooner(ms, m.told ? REPEAT_MS : 0);
		if (deadline)
			ms = sooner(ms, now_ns() >= deadline ? 0 : (i64)((deadline - now_ns()) / 1000000) + 1);
		watch(&m, fds);
		fds[PROCESS] = (struct pollfd32){ pidfd, POLL_IN, 0 };
		fds[SIGNALS] = (struct pollfd32){ signals, POLL_IN, 0 };
		fds[DOOR] = (struct pollfd32){ door, POLL_IN, 0 };
		int n = poll_ms(fds, WATCHED, ms);
		if (deadline && now_ns() >= deadline) {
			sys(__NR_pidfd_send_signal, pidfd, SIG_KILL, 0, 0);
			deadline = 0;
		}
		if (n < 0 && n != -E_INTR)
			return n;
		if (ending && (n == 0 || !m.told))
			end_input(&m);
		if (n <= 0)
			continue;
		if (fds[PROCESS].revents)
			break;
		if (fds[SIGNALS].revents)
			hand_on(signals, pidfd, 0, 0, 0);
		struct client *typing = with_input(&m);
		if (typing && (m.sink < 0 || fds[SINK].revents || fds[SOURCE].revents & POLL_OUT))
			write_input(&m, typing);
		for (int i = 0; i < 2; i++)
			if (fds[SOURCE + i].revents & ~POLL_OUT && all_have_it(&m))
				read_source(&m, i);
		for (int i = 0; i < MOST_CLIENTS; i++)
			if (fds[FIRST_CLIENT + i].revents && m.clients[i].fd == fds[FIRST_CLIENT + i].fd)
				serve_client(&m, &m.clients[i], fds[FIRST_CLIENT + i].revents);
		if (m.left) { // what is done without it, the plan says
			sys(__NR_close, door);
			return CLIENT_LEFT;
		}
		if (fds[DOOR].revents)
			admit(&m, door);
	}
	i64 status = reap(pidfd, 0);
	sys(__NR_close, door); // who comes now is told by the kernel
	if (!is_error(status))
		finish(&m, (u8)status);
	// Whoever is connected stays so until all is taken away: its end tells that.
	for (int i = 0; i < MOST_CLIENTS; i++)
		if (m.clients[i].fd)
			sys(__NR_fcntl, m.clients[i].fd, F_SETFD_COMMAND, 0);
	return status;
}
