// Programs of the host that a plan names: hooks, newuidmap, a DHCP client.
#include "stage.h"

#define SIG_SETMASK_OP 2

static i64 stdin_of(const u8 *text, u64 length)
{
	i64 fd = sys(__NR_memfd_create, "stdin", 9); // MFD_CLOEXEC | MFD_NOEXEC_SEAL

	if (fd == -E_INVAL) // Linux before 6.3
		fd = sys(__NR_memfd_create, "stdin", 1);
	if (is_error(fd))
		return fd;
	for (u64 done = 0; done < length;) {
		i64 n = sys(__NR_write, fd, text + done, length - done);
		if (n <= 0) {
			sys(__NR_close, fd);
			return n ? n : -E_IO;
		}
		done += (u64)n;
	}
	sys(__NR_lseek, fd, 0, 0);
	return fd;
}

static void become(i64 in, const u64 *a, int *error) __attribute__((noreturn));
static void become(i64 in, const u64 *a, int *error)
{
	u64 none = 0;

	sys(__NR_setsid); // a session of its own, so that all of it can be ended
	sys(__NR_prctl, 1, SIG_KILL, 0, 0, 0); // PR_SET_PDEATHSIG
	sys(__NR_rt_sigprocmask, SIG_SETMASK_OP, &none, 0, 8);
	sys(__NR_dup3, in, 0, 0);
	sys(__NR_dup3, 2, 1, 0); // standard output is for whoever is waiting for the container's
	sys(__NR_close_range, 3, ~0u, 4); // CLOSE_RANGE_CLOEXEC
	*error = (int)-sys(__NR_execve, a[0], a[1], a[2]);
	leave(127);
}

static i64 left_ms(u64 end)
{
	u64 now = now_ns();
	return now < end ? (i64)((end - now) / 1000000) : 0;
}

// Returns the exit status as a shell gives it; an errno if the program did not start; ETIMEDOUT if it was ended.
i64 op_spawn(const u64 *a)
{
	int pidfd = -1;
	int error = 0;
	i64 in = stdin_of((const u8 *)a[3], a[4]);

	if (is_error(in))
		return in;
	// CLONE_VFORK holds this process until the child has become the program, or has written why it could not.
	struct {
		u64 flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	} args = { 0x1000 | 0x4000, (u64)&pidfd, 0, 0, SIG_CHLD, 0, 0, 0 }; // CLONE_PIDFD | CLONE_VFORK
	int *shared = (int *)sys(__NR_mmap, 0, PLAN_PAGE, PROT_RW, 0x21, -1, 0); // MAP_SHARED | MAP_ANONYMOUS
	if (is_error((i64)shared)) {
		sys(__NR_close, in);
		return (i64)shared;
	}
	i64 pid = sys(__NR_clone3, &args, sizeof args);
	if (pid == -E_NOSYS) // a seccomp filter may hide it, because it cannot look at its arguments
		pid = sys(__NR_clone, args.flags | SIG_CHLD, 0, &pidfd, 0, 0);
	if (pid == 0)
		become(in, a, shared);
	error = *shared;
	sys(__NR_munmap, shared, PLAN_PAGE);
	sys(__NR_close, in);
	if (is_error(pid))
		return pid;
	struct pollfd32 p = { pidfd, POLL_IN, 0 };
	u64 end = now_ns() + a[5] * 1000000;
	int ready;
	do
		ready = poll_ms(&p, 1, a[5] ? left_ms(end) : -1);
	while (ready == -E_INTR);
	int late = ready == 0;
	if (late) {
		sys(__NR_kill, -pid, SIG_KILL);
		sys(__NR_kill, pid, SIG_KILL);
	}
	int status = 0;
	while (sys(__NR_wait4, pid, &status, 0, 0) == -E_INTR)
		;
	sys(__NR_close, pidfd);
	if (error)
		return -error;
	if (late)
		return -E_TIMEDOUT;
	return status & 0x7f ? 128 + (status & 0x7f) : status >> 8 & 0xff;
}
