// The executor: one op after the other, a record for each.
#include "stage.h"

#define RETRY_NS 1000000
#define RETRIES 2000

static u64 load(const u8 *at, u32 width)
{
	u64 v = 0;
	for (u32 i = 0; i < width; i++)
		v |= (u64)at[i] << (8 * i);
	return v;
}

static void store(u8 *at, u64 v, u32 width)
{
	for (u32 i = 0; i < width; i++)
		at[i] = (u8)(v >> (8 * i));
}

static i64 result_of(struct stage *s, u32 index, u64 *value)
{
	struct record *r = &s->plan.report->records[index];
	u32 state = __atomic_load_n(&r->state, __ATOMIC_ACQUIRE);
	if (state != DONE && state != UNDONE)
		return -E_CANCELED;
	*value = (u64)r->result;
	return 0;
}

i64 argument(struct stage *s, const struct op *op, int n, u64 *value)
{
	switch (op->args[n]) {
	case ARG_DATA:
		*value = (u64)(s->plan.data + op->a[n]);
		return 0;
	case ARG_OUT:
		*value = (u64)(s->plan.out + op->a[n]);
		return 0;
	case ARG_RESULT:
		return result_of(s, (u32)op->a[n], value);
	case ARG_GIVEN:
		*value = s->given;
		return 0;
	default:
		*value = op->a[n];
		return 0;
	}
}

static i64 relocate(struct stage *s, const struct reloc *r)
{
	u8 *at = s->plan.data + r->at;
	u64 v = 0;

	switch (r->kind) {
	case REL_DATA:
		store(at, (u64)(s->plan.data + r->of), 8);
		return 0;
	case REL_OUT:
		store(at, (u64)(s->plan.out + r->of), 8);
		return 0;
	}
	i64 bad = result_of(s, r->of, &v);
	if (bad)
		return bad;
	if (r->kind == REL_VALUE) {
		store(at, v, r->width);
		return 0;
	}
	for (u32 i = r->width; i-- > 0; v /= 10)
		at[i] = v || i == r->width - 1u ? (u8)('0' + v % 10) : r->pad;
	return v ? -E_RANGE : 0;
}

static u64 digits(const u8 *p)
{
	u64 v = 0;
	for (u32 i = 0; i < EXPECT_DIGITS && p[i] >= '0' && p[i] <= '9'; i++)
		v = v * 10 + (p[i] - '0');
	return v;
}

static i64 expect(const struct op *op, const u64 *a)
{
	u64 v = op->nr == EXPECT_DIGITS ? digits((const u8 *)a[0]) : op->nr ? load((const u8 *)a[0], op->nr) : a[0];
	return (v & a[1]) == a[2] ? (i64)(v & 0x7fffffffffffffff) : -(i64)(a[3] ? a[3] : E_INVAL);
}

static i64 perform(struct stage *s, u32 index)
{
	struct op *op = &s->plan.ops[index];
	u64 a[6];
	i64 bad;

	for (u32 i = 0; i < op->reloc_count; i++)
		if ((bad = relocate(s, &s->plan.relocs[op->reloc + i])))
			return bad;
	for (int i = 0; i < 6; i++)
		if ((bad = argument(s, op, i, &a[i])))
			return bad;
	switch (op->kind) {
	case OP_SYS:
		return sys6(op->nr, (i64)a[0], (i64)a[1], (i64)a[2], (i64)a[3], (i64)a[4], (i64)a[5]);
	case OP_EXPECT:
		return expect(op, a);
	case OP_CLONE:
		return op_clone(s, index);
	case OP_AWAIT:
		return op_await(s, index);
	case OP_SPAWN:
		return op_spawn(a);
	case OP_UNDO: {
		u32 left = undo_ops(s, s->plan.head->programs[RUN].first,
				    s->plan.head->programs[RUN].first + s->plan.head->programs[RUN].count);
		s->plan.report->left = left;
		return left;
	}
	case OP_SERVE:
		return op_serve(s, op->nr, a);
	case OP_WALK:
		return op_walk(op->nr, a);
	case OP_STREAM:
		return op_stream(a);
	}
	return -E_INVAL;
}

static int tolerated(const struct op *op, i64 error)
{
	for (int i = 0; i < 4; i++)
		if (op->ok[i] && op->ok[i] == error)
			return 1;
	return 0;
}

static void finish(struct stage *s, u32 index, u32 state, i64 result)
{
	struct record *r = &s->plan.report->records[index];
	r->result = result;
	r->error = is_error(result) ? (u32)-result : 0;
	r->end = now_ns();
	__atomic_store_n(&r->state, state, __ATOMIC_RELEASE);
	if (s->plan.ops[index].flags & OP_WAKE)
		wake(s, index);
}

// OP_ALT. A result of -errno in *result means that both groups failed, or that the first failed for a reason that
// does not lead to the other.
static u32 alternatives(struct stage *s, u32 index, i64 *result)
{
	struct op *op = &s->plan.ops[index];
	struct record *records = s->plan.report->records;
	u32 other = index + 1 + op->first, rest = op->size - op->first;

	*result = 0;
	u32 bad = run_ops(s, index + 1, op->first, result);
	if (bad) {
		i64 error = records[bad - 1].error;
		int any = !op->ok[0] && !op->ok[1] && !op->ok[2] && !op->ok[3];
		if (!any && !tolerated(op, error))
			return bad;
		kill_children(s, index + 1, op->first);
		undo_ops(s, index + 1, other);
		*result = -error;
		return run_ops(s, other, rest, result);
	}
	return 0;
}

u32 run_ops(struct stage *s, u32 first, u32 count, i64 *last)
{
	for (u32 i = first; i < first + count;) {
		struct op *op = &s->plan.ops[i];
		i64 result;
		__atomic_store_n(&s->plan.report->records[i].state, STARTED, __ATOMIC_RELEASE);
		if (op->kind == OP_ALT) {
			u32 bad = alternatives(s, i, &result);
			if (bad) {
				finish(s, i, FAILED_OP, -(i64)s->plan.report->records[bad - 1].error);
				return bad;
			}
			finish(s, i, DONE, result);
			if (last)
				*last = result;
			i += 1 + op->size;
			continue;
		}
		result = perform(s, i);
		for (int k = 0; op->flags & OP_RETRY && (result == -E_BUSY || result == -E_AGAIN) && k < RETRIES; k++) {
			sleep_ns(RETRY_NS);
			result = perform(s, i);
		}
		if (is_error(result) && !tolerated(op, -result)) {
			finish(s, i, FAILED_OP, result);
			return i + 1;
		}
		finish(s, i, DONE, result);
		if (last)
			*last = result;
		i += op->kind == OP_CLONE ? 1 + op->size : 1;
	}
	return 0;
}

u32 undo_ops(struct stage *s, u32 first, u32 end)
{
	u32 left = 0;
	for (u32 i = end; i-- > first;) {
		struct op *op = &s->plan.ops[i];
		struct record *r = &s->plan.report->records[i];
		if (!op->undo_count || (r->state != DONE && r->state != STARTED))
			continue;
		if (r->state == DONE && r->error) // a tolerated error: it did nothing
			continue;
		u32 bad = 0;
		// Each undo op stands for itself: what can go goes.
		for (u32 k = op->undo; k < op->undo + op->undo_count;) {
			u32 size = s->plan.ops[k].kind == OP_ALT ? 1 + s->plan.ops[k].size : 1;
			if (run_ops(s, k, size, 0))
				bad++;
			k += size;
		}
		if (!bad)
			r->state = UNDONE;
		left += bad;
	}
	return left;
}
