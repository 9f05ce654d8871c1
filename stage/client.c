// The command's side of a monitored container: between its standard streams and the monitor.
#include "frame.h"

#define MOST_INPUT 1024
#define GOES_ON 0x10000

struct command {
	int socket;
	u32 flags;
	const u8 *keys;
	u32 key_count, held; // so many of the keys came, one after the other, and are not handed on yet
	struct relay caller; // its terminal's mode only
	int input;	     // standard input is read
	int tell_end, tell_once;
	u32 shut; // streams of ours that nobody reads any more, a bit each: to be told
	int resize; // 1: tell the window's size; 2: another one before
	u64 signals;
	int gone;   // the monitor, our child, has ended: what it said last is in the socket
	i64 status; // -1: not told yet
	i64 end;    // what the service comes to, or GOES_ON
	u32 up_at, up_end;
	u8 up[FRAME_HEAD + MOST_KEYS + MOST_INPUT];
	u32 head_at, left; // of the frame that comes in
	u8 head[FRAME_HEAD];
	struct buffer down;
};

enum { INPUT, SOCKET, OUTPUT, SIGNALS, MONITOR, WATCHED };

static void send_frame(struct command *c, u8 kind, u32 length)
{
	put_head(c->up, kind, length);
	c->up_at = 0;
	c->up_end = FRAME_HEAD + length;
}

// Bytes that are keys so far wait for the next one; docker does the same.
static void scan_keys(struct command *c, const u8 *bytes, u32 count)
{
	u32 n = FRAME_HEAD;

	for (u32 i = 0; i < count; i++) {
		if (c->key_count && bytes[i] != c->keys[c->held]) {
			for (u32 k = 0; k < c->held; k++)
				c->up[n++] = c->keys[k];
			c->held = 0;
		}
		if (!c->key_count || bytes[i] != c->keys[c->held])
			c->up[n++] = bytes[i];
		else if (++c->held == c->key_count) {
			c->end = CLIENT_LEFT;
			break;
		}
	}
	if (n > FRAME_HEAD)
		send_frame(c, FRAME_INPUT, n - FRAME_HEAD);
}

static void take_input(struct command *c)
{
	u8 bytes[MOST_INPUT];
	i64 n = sys(__NR_read, 0, bytes, sizeof bytes);

	if (n > 0) {
		scan_keys(c, bytes, (u32)n);
		return;
	}
	if (n == -E_INTR || n == -E_AGAIN)
		return;
	c->input = 0;
	if (c->held) { // keys that led nowhere
		for (u32 i = 0; i < c->held; i++)
			c->up[FRAME_HEAD + i] = c->keys[i];
		send_frame(c, FRAME_INPUT, c->held);
		c->held = 0;
	}
	if (c->caller.raw) // the terminal is gone: the container goes on without this command
		c->end = 128 + SIG_HUP;
	else if (c->flags & CLIENT_END)
		c->tell_end = 1;
}

static void take_signal(struct command *c, int signals)
{
	u32 info[32];

	if (sys(__NR_read, signals, info, sizeof info) != sizeof info || info[0] == SIG_CHLD)
		return;
	if (info[0] == SIG_WINCH) {
		c->resize = c->resize ? c->resize : (c->flags & CLIENT_WINDOW) != 0;
		return;
	}
	if (info[0] == SIG_CONT)
		relay_continue(&c->caller);
	if (c->flags & CLIENT_SIGNALS && !(info[0] == SIG_HUP && c->caller.raw)) // with the terminal only the command goes
		c->signals |= 1UL << (info[0] - 1);
	else if (info[0] == SIG_HUP || info[0] == SIG_INT || info[0] == SIG_QUIT || info[0] == SIG_TERM)
		c->end = 128 + info[0];
}

static int put_size(struct command *c)
{
	u16 size[4];

	if (!window_size(size)) {
		c->resize = 0;
		return 0;
	}
	if (c->resize == 2) // a size that is not new makes nobody draw
		size[1]++;
	for (int i = 0; i < 2; i++) {
		c->up[FRAME_HEAD + 2 * i] = (u8)(size[i] >> 8);
		c->up[FRAME_HEAD + 2 * i + 1] = (u8)size[i];
	}
	send_frame(c, FRAME_RESIZE, 4);
	c->resize--;
	return 1;
}

// What is to be told besides input, when there is room.
static void put_news(struct command *c)
{
	if (c->up_at < c->up_end || (c->resize && put_size(c)))
		return;
	if (c->signals) {
		int signal = __builtin_ctzl(c->signals) + 1;
		c->signals &= c->signals - 1;
		c->up[FRAME_HEAD] = (u8)signal;
		send_frame(c, FRAME_SIGNAL, 1);
	} else if (c->tell_once) {
		c->tell_once = 0;
		send_frame(c, FRAME_ONCE, 0);
	} else if (c->tell_end) {
		c->tell_end = 0;
		send_frame(c, FRAME_END, 0);
	} else if (c->shut) {
		int stream = __builtin_ctz(c->shut);
		c->shut &= c->shut - 1;
		c->up[FRAME_HEAD] = (u8)stream;
		send_frame(c, FRAME_SHUT, 1);
	}
}

static void send_up(struct command *c)
{
	i64 n = sys(__NR_write, c->socket, c->up + c->up_at, c->up_end - c->up_at);

	if (n > 0)
		c->up_at += (u32)n;
	else if (n != -E_AGAIN && n != -E_INTR) // nobody is there to be told; what was said last still comes
		c->up_at = c->up_end;
}

// Returns 1 when the monitor has nothing more to say.
static int receive(struct command *c)
{
	if (c->left == 0) {
		i64 n = sys(__NR_read, c->socket, c->head + c->head_at, FRAME_HEAD - c->head_at);
		if (n == -E_INTR || (n == -E_AGAIN && !c->gone))
			return 0;
		if (n <= 0)
			return 1;
		c->head_at += (u32)n;
		if (c->head_at == FRAME_HEAD) {
			c->left = length_in(c->head);
			c->head_at = 0;
		}
		return 0;
	}
	u32 room = c->left < sizeof c->down.bytes ? c->left : sizeof c->down.bytes;
	i64 n = sys(__NR_read, c->socket, c->down.bytes, room);
	if (n == -E_INTR || (n == -E_AGAIN && !c->gone))
		return 0;
	if (n <= 0)
		return 1;
	c->left -= (u32)n;
	if (c->head[0] == FRAME_STATUS)
		c->status = c->down.bytes[0];
	if (c->head[0] == FRAME_REFUSED)
		c->status = CLIENT_REFUSED;
	if (c->head[0] != FRAME_OUTPUT && c->head[0] != FRAME_ERROR && c->head[0] != FRAME_REFUSED)
		return 0;
	c->down.at = 0;
	c->down.end = c->flags & (c->head[0] == FRAME_OUTPUT ? CLIENT_NO_OUTPUT : c->head[0] == FRAME_ERROR ? CLIENT_NO_ERROR : 0)
			      ? 0
			      : (u32)n;
	return 0;
}

static void show(struct command *c)
{
	i64 n = sys(__NR_write, c->head[0] == FRAME_OUTPUT ? 1 : 2, c->down.bytes + c->down.at, c->down.end - c->down.at);

	if (n > 0)
		c->down.at += (u32)n;
	else if (n != -E_AGAIN && n != -E_INTR) { // nobody reads any more: what is left is lost
		c->down.at = c->down.end;
		if (c->flags & CLIENT_STARTER)
			c->shut |= c->head[0] == FRAME_OUTPUT ? 2 : 4;
	}
}

static void watch(struct command *c, struct pollfd32 *fds)
{
	int up = c->up_at < c->up_end, down = c->down.at < c->down.end;

	fds[INPUT] = (struct pollfd32){ c->input && !up ? 0 : -1, POLL_IN, 0 };
	fds[SOCKET] = (struct pollfd32){ up || !down ? c->socket : -1, (short)((up ? POLL_OUT : 0) | (down ? 0 : POLL_IN)), 0 };
	fds[OUTPUT] = (struct pollfd32){ down ? (c->head[0] == FRAME_OUTPUT ? 1 : 2) : -1, POLL_OUT, 0 };
}

// The status of a monitor that is our own child; another one has told it, or was killed.
static i64 end_of(const struct command *c, int monitor)
{
	struct siginfo128 info = { 0 };

	if (monitor < 0)
		return c->status < 0 ? CLIENT_LOST : c->status;
	i64 status = reap(monitor, &info);
	return is_error(status) || info.code == 1 ? status : CLIENT_LOST; // 1: CLD_EXITED
}

i64 serve_as_client(const u64 *a, int signals)
{
	static struct command c;
	struct pollfd32 fds[WATCHED] = { [SIGNALS] = { signals, POLL_IN, 0 }, [MONITOR] = { (int)a[0], POLL_IN, 0 } };
	int over = 0;

	c = (struct command){ .socket = (int)a[1], .flags = (u32)a[5], .keys = (const u8 *)a[3], .key_count = (u32)a[4] };
	c.status = -1;
	c.end = GOES_ON;
	c.input = (c.flags & CLIENT_INPUT) != 0;
	c.tell_once = c.input && c.flags & CLIENT_ONCE;
	allow_stops();
	relay_start(&c.caller, -1, c.input && c.flags & CLIENT_WINDOW); // raw only for a terminal at the other end
	if (c.flags & CLIENT_OUTPUT)
		send_frame(&c, FRAME_ATTACH, 0);
	c.resize = c.flags & CLIENT_REDRAW ? 2 : (c.flags & CLIENT_WINDOW) != 0;
	while (c.end == GOES_ON && (!over || c.down.at < c.down.end)) {
		put_news(&c);
		watch(&c, fds);
		if (over)
			fds[SOCKET].fd = fds[INPUT].fd = -1;
		int n = poll_ms(fds, WATCHED, c.gone && c.down.at == c.down.end ? 0 : -1);
		if (n < 0 && n != -E_INTR) {
			c.end = n;
			break;
		}
		if (n < 0 || (n == 0 && !c.gone))
			continue;
		if (fds[SIGNALS].revents)
			take_signal(&c, signals);
		if (fds[INPUT].revents)
			take_input(&c);
		if (fds[OUTPUT].revents)
			show(&c);
		if (fds[SOCKET].revents & POLL_OUT)
			send_up(&c);
		if (fds[MONITOR].fd >= 0 && fds[MONITOR].revents) {
			c.gone = 1;
			fds[MONITOR].fd = -1;
		}
		if ((c.gone || fds[SOCKET].revents & ~POLL_OUT) && c.down.at == c.down.end)
			over = over || receive(&c);
	}
	i64 end = c.end;
	// What was typed before the keys that leave is not lost.
	for (int tries = 0; end == CLIENT_LEFT && c.up_at < c.up_end && tries < 100; tries++) {
		struct pollfd32 out = { c.socket, POLL_OUT, 0 };
		poll_ms(&out, 1, 10);
		send_up(&c);
	}
	relay_end(&c.caller);
	sys(__NR_close, c.socket);
	// Of a monitor that went first: it is blocked here, and would end the program that tells why.
	u64 pipe = 1UL << (SIG_PIPE - 1);
	struct timespec64 now = { 0, 0 };
	sys(__NR_rt_sigtimedwait, &pipe, 0, &now, 8);
	return end == GOES_ON ? end_of(&c, (int)a[0]) : end;
}
