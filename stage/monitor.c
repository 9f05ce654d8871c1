// The process that stays beside a container, or inside as its first one.
#include "stage.h"

#define SIG_UNBLOCK_OP 1

static int status_of(const struct siginfo128 *info)
{
	return info->code == 1 ? info->status & 0xff : 128 + info->status; // 1: CLD_EXITED
}

i64 reap(int pidfd, struct siginfo128 *told)
{
	struct siginfo128 own = { 0 }, *info = told ? told : &own;
	i64 ret;

	while ((ret = sys(__NR_waitid, P_BY_PIDFD, pidfd, info, W_EXITED, 0)) == -E_INTR)
		;
	return is_error(ret) ? ret : status_of(info);
}

// struct signalfd_siginfo begins with these.
enum { SIGNAL, ERROR, CODE };

#define FROM_KERNEL 0x80 // SI_KERNEL: keys of a terminal, and its hang-up

// All signals are blocked by the plan; each one that arrives is handed to the container's first process.
void hand_on(int signals, int pidfd, struct relay *relay, int same_group, u32 ends)
{
	u32 info[32];

	if (sys(__NR_read, signals, info, sizeof info) != sizeof info || info[SIGNAL] == SIG_CHLD)
		return;
	if (same_group && info[CODE] == FROM_KERNEL) // the terminal has sent it to the other process as well
		return;
	if (info[SIGNAL] == ends) {
		sys(__NR_pidfd_send_signal, pidfd, SIG_KILL, 0, 0);
		return;
	}
	if (relay && info[SIGNAL] == SIG_WINCH) {
		relay_resize(relay); // the kernel tells whoever is in the foreground there
		return;
	}
	if (relay && info[SIGNAL] == SIG_CONT)
		relay_continue(relay);
	sys(__NR_pidfd_send_signal, pidfd, info[SIGNAL], 0, 0);
}

// A first process: orphans of the container end up here.
static void serve_as_reaper(struct stage *s, int pidfd, int signals) __attribute__((noreturn));
static void serve_as_reaper(struct stage *s, int pidfd, int signals)
{
	struct pollfd32 fds[2] = { { pidfd, POLL_IN, 0 }, { signals, POLL_IN, 0 } };

	if (s->plan.report->failed) // the program did not start
		leave(125);
	// Nothing inside may reach the journal through this process.
	sys(__NR_munmap, s->plan.shared, s->plan.size);
	for (;;) {
		struct siginfo128 info = { 0 };
		poll_ms(fds, 2, -1);
		if (fds[0].revents) {
			i64 status = reap(pidfd, 0);
			leave(is_error(status) ? 125 : (int)status);
		}
		if (fds[1].revents)
			hand_on(signals, pidfd, 0, 1, 0);
		// The program itself is reaped above only, so that its status is not lost.
		while (sys(__NR_waitid, P_ANY, 0, &info, W_EXITED | W_NO_HANG | W_NO_REAP | W_ALL, 0) == 0 && info.pid) {
			struct pollfd32 own = { pidfd, POLL_IN, 0 };
			if (poll_ms(&own, 1, 0) == 1)
				break;
			sys(__NR_wait4, info.pid, 0, W_NO_HANG | W_ALL, 0);
			info.pid = 0;
		}
	}
}

// A terminal stops what uses it from the background (job control): that is right for this process too.
void allow_stops(void)
{
	u64 stops = 1UL << (SIG_TTIN - 1) | 1UL << (SIG_TTOU - 1);
	sys(__NR_rt_sigprocmask, SIG_UNBLOCK_OP, &stops, 0, 8);
}

static i64 patience(u64 deadline, const struct relay *relay)
{
	i64 ms = relay ? relay_patience(relay) : -1;
	u64 now = deadline ? now_ns() : 0;
	i64 left = !deadline ? -1 : now >= deadline ? 0 : (i64)((deadline - now) / 1000000) + 1;
	return left < 0 || (ms >= 0 && ms < left) ? ms : left;
}

i64 op_serve(struct stage *s, u32 mode, const u64 *a)
{
	static struct relay relay;
	int with_terminal = mode == SERVE_OUTPUT || mode == SERVE_TERMINAL;
	int pidfd = (int)a[0];
	u64 taken = ~0UL;
	if (mode == SERVE_TERMINAL || mode == SERVE_CLIENT)
		taken &= ~(1UL << (SIG_TTIN - 1) | 1UL << (SIG_TTOU - 1));
	if (mode == SERVE_MONITOR || mode == SERVE_CLIENT) // of our own writing, and nobody else's business
		taken &= ~(1UL << (SIG_PIPE - 1) | 1UL << (SIG_XFSZ - 1));
	i64 signals = sys(__NR_signalfd4, -1, &taken, 8, O_CLOSE_ON_EXEC);
	if (is_error(signals))
		return signals;
	if (mode == SERVE_REAPER)
		serve_as_reaper(s, pidfd, (int)signals);
	if (mode == SERVE_MONITOR || mode == SERVE_CLIENT) {
		i64 end = mode == SERVE_MONITOR ? serve_clients(s, a, (int)signals) : serve_as_client(a, (int)signals);
		sys(__NR_close, signals);
		return s->plan.report->failed && end != CLIENT_LEFT ? -E_CANCELED : end;
	}
	if (mode == SERVE_TERMINAL)
		allow_stops();
	if (with_terminal)
		relay_start(&relay, (int)a[1], mode == SERVE_TERMINAL);
	struct pollfd32 fds[5] = { { pidfd, POLL_IN, 0 }, { (int)signals, POLL_IN, 0 } };
	i64 bad = 0;
	u64 deadline = a[2] ? now_ns() + a[2] * 1000000 : 0;
	for (;;) {
		if (with_terminal)
			relay_watch(&relay, fds + 2);
		int n = poll_ms(fds, with_terminal ? 5 : 2, patience(deadline, with_terminal ? &relay : 0));
		if (deadline && now_ns() >= deadline) {
			sys(__NR_pidfd_send_signal, pidfd, SIG_KILL, 0, 0);
			deadline = 0;
		}
		if (n < 0 && n != -E_INTR) {
			bad = n;
			break;
		}
		if (n == 0 && with_terminal)
			relay_idle(&relay);
		if (n <= 0)
			continue;
		if (fds[1].revents)
			hand_on((int)signals, pidfd, with_terminal ? &relay : 0, 0, (u32)a[3]);
		if (with_terminal && relay_move(&relay, fds + 2))
			sys(__NR_pidfd_send_signal, pidfd, SIG_HUP, 0, 0);
		if (fds[0].revents)
			break;
	}
	i64 status = bad ? bad : reap(pidfd, 0);
	if (with_terminal) {
		relay_rest(&relay);
		relay_end(&relay);
	}
	sys(__NR_close, signals);
	if (s->plan.report->failed) // the child ended because one of its ops failed
		return -E_CANCELED;
	return status;
}
