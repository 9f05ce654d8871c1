// The process that stays beside a container.
#include "stage.h"

struct siginfo128 {
	int signo, error, code, pad;
	int pid, uid, status;
	int rest[25];
};

// waitid(2) by pidfd; returns the exit status as a shell gives it, or -errno.
static i64 reap(int pidfd)
{
	struct siginfo128 info = { 0 };
	i64 ret;

	while ((ret = sys(__NR_waitid, P_BY_PIDFD, pidfd, &info, W_EXITED, 0)) == -E_INTR)
		;
	if (is_error(ret))
		return ret;
	return info.code == 1 ? info.status & 0xff : 128 + info.status; // 1: CLD_EXITED
}

// All signals are blocked by the plan; each one that arrives is handed to the container's first process.
i64 op_serve(struct stage *s, const u64 *a)
{
	int pidfd = (int)a[0];
	u64 all = ~0UL;
	i64 signals = sys(__NR_signalfd4, -1, &all, 8, O_CLOSE_ON_EXEC);
	struct pollfd32 fds[2] = { { pidfd, POLL_IN, 0 }, { (int)signals, POLL_IN, 0 } };
	i64 status;

	if (is_error(signals))
		return signals;
	for (;;) {
		int n = poll_ms(fds, 2, -1);
		if (n < 0 && n != -E_INTR) {
			sys(__NR_close, signals);
			return n;
		}
		if (n > 0 && fds[1].revents) {
			u32 info[32]; // struct signalfd_siginfo
			if (sys(__NR_read, signals, info, sizeof info) == sizeof info && info[0] != SIG_CHLD)
				sys(__NR_pidfd_send_signal, pidfd, info[0], 0, 0);
			continue;
		}
		if (n > 0 && fds[0].revents)
			break;
	}
	status = reap(pidfd);
	sys(__NR_close, signals);
	if (s->plan.report->failed) // the child ended because one of its ops failed
		return -E_CANCELED;
	return status;
}
