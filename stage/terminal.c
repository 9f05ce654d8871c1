// A container's pseudo terminal, and the caller's one that stands before it. See pty(7), termios(3), ioctl_tty(2).
#include "stage.h"

#define TCGETS_REQUEST 0x5401
#define TCSETS_REQUEST 0x5402
#define TIOCGWINSZ_REQUEST 0x5413
#define TIOCSWINSZ_REQUEST 0x5414
#define END_OF_FILE 4 // the character that a terminal in its normal mode takes for it

// cfmakeraw(3): every byte goes through as it is; Ctrl-C is the container's business.
static void set_raw(const struct relay *r)
{
	struct termios36 t = r->saved;
	t.iflag &= ~(u32)(01 | 02 | 010 | 040 | 0100 | 0200 | 0400 | 02000);
	t.oflag &= ~(u32)01;
	t.lflag &= ~(u32)(010 | 0100 | 02 | 01 | 0100000);
	t.cflag = (t.cflag & ~(u32)(060 | 0400)) | 060;
	t.cc[5] = 0; // VTIME
	t.cc[6] = 1; // VMIN
	sys(__NR_ioctl, 0, TCSETS_REQUEST, &t);
}

void relay_start(struct relay *r, int master, int input)
{
	*r = (struct relay){ .master = master, .input = input };
	r->raw = input && !is_error(sys(__NR_ioctl, 0, TCGETS_REQUEST, &r->saved));
	if (r->raw)
		set_raw(r);
}

void relay_continue(const struct relay *r)
{
	if (r->raw)
		set_raw(r);
}

void relay_end(struct relay *r)
{
	if (r->raw)
		sys(__NR_ioctl, 0, TCSETS_REQUEST, &r->saved);
}

int window_size(u16 *size)
{
	for (int fd = 0; fd < 3; fd++)
		if (!is_error(sys(__NR_ioctl, fd, TIOCGWINSZ_REQUEST, size)))
			return 1;
	return 0;
}

void relay_resize(const struct relay *r)
{
	u16 size[4];
	if (window_size(size))
		sys(__NR_ioctl, r->master, TIOCSWINSZ_REQUEST, size);
}

void relay_watch(const struct relay *r, struct pollfd32 *fds)
{
	int to_master = r->in.at < r->in.end, to_output = r->out.at < r->out.end;
	fds[0] = (struct pollfd32){ r->input && !to_master ? 0 : -1, POLL_IN, 0 };
	fds[1] = (struct pollfd32){ to_output ? 1 : -1, POLL_OUT, 0 };
	fds[2] = (struct pollfd32){ r->master, (short)((to_master ? POLL_OUT : 0) | (to_output ? 0 : POLL_IN)), 0 };
}

static void fill(struct buffer *b, i64 n)
{
	b->at = 0;
	b->end = n > 0 ? (u32)n : 0;
}

static void drain(struct buffer *b, int fd)
{
	i64 n = sys(__NR_write, fd, b->bytes + b->at, b->end - b->at);
	if (n > 0)
		b->at += (u32)n;
	else if (n != -E_AGAIN && n != -E_INTR)
		b->at = b->end; // nobody reads any more: what is left is lost, the container goes on
}

// The end of a file or pipe becomes the character that means it on a terminal. On a line that was begun the first one
// only sends the line.
static void end_input(struct relay *r)
{
	r->in.bytes[0] = r->in.bytes[1] = END_OF_FILE;
	fill(&r->in, r->line_begun ? 2 : 1);
	r->input = r->line_begun = 0;
	r->ended = 1;
}

// A program that sets a mode of its own loses what was typed before (a shell with line editing): it is told again.
#define REPEAT_MS 250

i64 relay_patience(const struct relay *r)
{
	return r->ended && r->in.at == r->in.end ? REPEAT_MS : -1;
}

void relay_idle(struct relay *r)
{
	if (r->ended && r->master >= 0)
		end_input(r);
}

// The caller's terminal is gone: so is the container's, and its processes learn of it as on any terminal.
static void hang_up(struct relay *r)
{
	sys(__NR_close, r->master);
	r->master = -1;
	r->input = r->raw = 0;
	fill(&r->in, 0);
}

int relay_move(struct relay *r, const struct pollfd32 *fds)
{
	if (fds[0].revents) {
		i64 n = sys(__NR_read, 0, r->in.bytes, sizeof r->in.bytes);
		if (n > 0) {
			fill(&r->in, n);
			r->line_begun = r->in.bytes[n - 1] != '\n';
		} else if (r->raw && n != -E_INTR && n != -E_AGAIN) {
			hang_up(r);
			return 1;
		} else if (n != -E_INTR && n != -E_AGAIN)
			end_input(r);
	}
	if (fds[1].revents)
		drain(&r->out, 1);
	if (fds[2].revents & POLL_OUT)
		drain(&r->in, r->master);
	if (fds[2].revents & ~POLL_OUT) {
		i64 n = sys(__NR_read, r->master, r->out.bytes, sizeof r->out.bytes);
		fill(&r->out, n);
	}
	return 0;
}

void relay_rest(struct relay *r)
{
	while (r->master >= 0) {
		while (r->out.at < r->out.end) {
			struct pollfd32 p = { 1, POLL_OUT, 0 };
			poll_ms(&p, 1, -1);
			drain(&r->out, 1);
		}
		i64 n = sys(__NR_read, r->master, r->out.bytes, sizeof r->out.bytes);
		if (n <= 0)
			return;
		fill(&r->out, n);
	}
}
