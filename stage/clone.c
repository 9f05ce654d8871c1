// Processes of a run: making one, waiting for each other's ops, ending those of a failed run.
#include "stage.h"

#define FUTEX_WAIT_OP 0
#define FUTEX_WAKE_OP 1
#define AWAIT_NS 20000000

// clone3(2). CLONE_FILES in the arguments hands descriptors made later by the parent to the child.
i64 op_clone(struct stage *s, u32 index)
{
	struct op *op = &s->plan.ops[index];
	u64 args, size;
	i64 bad;

	if ((bad = argument(s, op, 0, &args)) || (bad = argument(s, op, 1, &size)))
		return bad;
	i64 pid = sys(__NR_clone3, args, size);
	if (pid != 0)
		return pid;
	u32 failed = run_ops(s, index + 1, op->size, 0);
	if (failed) {
		u32 none = 0;
		__atomic_compare_exchange_n(&s->plan.report->failed, &none, failed, 0, __ATOMIC_ACQ_REL,
					    __ATOMIC_RELAXED);
		for (u32 i = 0; i < s->plan.head->ops; i++) // whoever awaits something learns of it at once
			if (s->plan.ops[i].flags & OP_WAKE)
				wake(s, i);
		kill_children(s, index + 1, op->size);
	}
	leave(failed ? 125 : 0);
}

void wake(struct stage *s, u32 index)
{
	sys(__NR_futex, &s->plan.report->records[index].state, FUTEX_WAKE_OP, 0x7fffffff);
}

i64 op_await(struct stage *s, u32 index)
{
	struct op *op = &s->plan.ops[index];
	struct record *r = &s->plan.report->records[op->a[0]];
	struct timespec64 t = { 0, AWAIT_NS };
	u64 peer;
	i64 bad = argument(s, op, 1, &peer);

	if (bad)
		return bad;
	for (;;) {
		u32 state = __atomic_load_n(&r->state, __ATOMIC_ACQUIRE);
		if (state == DONE || state == UNDONE)
			return 0;
		// The other process says itself which of its ops ended the run: a failed one may be rolled back instead.
		if (__atomic_load_n(&s->plan.report->failed, __ATOMIC_ACQUIRE))
			return -E_CANCELED;
		i64 waited = sys(__NR_futex, &r->state, FUTEX_WAIT_OP, state, &t);
		if (waited == 0 || waited == -E_AGAIN || waited == -E_INTR)
			continue;
		if (waited != -E_TIMEDOUT)
			return waited;
		struct pollfd32 p = { (int)peer, POLL_IN, 0 };
		if (poll_ms(&p, 1, 0) == 1 && __atomic_load_n(&r->state, __ATOMIC_ACQUIRE) != DONE)
			return __atomic_load_n(&s->plan.report->failed, __ATOMIC_ACQUIRE) ? -E_CANCELED : -E_SRCH;
	}
}

// A pid in a record may have been reaped since, and then be a stranger's: only a child of this process is meant. With
// CLONE_PARENT that is also a child that another process made.
static int is_own_child(i64 pid)
{
	return pid > 0 && sys(__NR_waitid, P_BY_PID, pid, 0, W_EXITED | W_NO_HANG | W_NO_REAP | W_ALL, 0) == 0;
}

// A child that is not reaped keeps its pid: no stranger is hit.
void kill_children(struct stage *s, u32 first, u32 count)
{
	for (u32 i = first; i < first + count; i++) {
		struct record *r = &s->plan.report->records[i];
		if (s->plan.ops[i].kind != OP_CLONE || __atomic_load_n(&r->state, __ATOMIC_ACQUIRE) != DONE)
			continue;
		if (!is_own_child(r->result))
			continue;
		sys(__NR_kill, r->result, SIG_KILL);
		while (sys(__NR_wait4, r->result, 0, W_ALL, 0) == -E_INTR)
			;
	}
}
