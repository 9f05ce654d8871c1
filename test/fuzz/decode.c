// Fuzz target for plan_decode: what it accepts is walked as the executor would walk it, every byte touched.
// Built and run by test/fuzz/run.sh; needs nothing of libc but malloc, free and memmove.
#include "wire.h"

int posix_memalign(void **p, u64 alignment, u64 size);
void *malloc(u64 size);
void free(void *p);
void *memcpy(void *to, const void *from, u64 n);
void *memmove(void *to, const void *from, u64 n);
u64 LLVMFuzzerMutate(u8 *data, u64 size, u64 max_size);
int LLVMFuzzerTestOneInput(const u8 *data, u64 size);
u64 LLVMFuzzerCustomMutator(u8 *data, u64 size, u64 max_size, u32 seed);

#define ENOUGH_STEPS 200000 // undo lists may be shared by many ops: without a limit few inputs would take all the time
#define DEEPEST (3 * PLAN_MAX_DEPTH) // of a program, and of an undo list inside it

#ifndef MUTATOR_ONLY // test/fuzz/execute.c has its own entry
static volatile u64 sink;
static u32 steps;

static void check(int holds)
{
	if (!holds)
		__builtin_trap();
}

static void touch(const void *at, u64 size)
{
	const volatile u8 *p = at;
	for (u64 i = 0; i < size; i++)
		sink += p[i];
}

static void rewrite(u8 *at, u64 size)
{
	volatile u8 *p = at;
	for (u64 i = 0; i < size; i++)
		p[i] = p[i];
}

static void touch_record(struct plan *p, u32 index)
{
	struct record *r = &p->report->records[index];
	check(index < p->head->ops);
	r->error = (u32)r->result;
	r->end++;
	__atomic_store_n(&r->state, STARTED, __ATOMIC_RELEASE); // ASan sees the bytes, UBSan the alignment
}

// Behind the data and the output there may be room in the file, so ASan alone would not see their ends.
static void touch_data(struct plan *p, u64 at, u64 width)
{
	check(at < p->head->data && width <= p->head->data - at);
	rewrite(p->data + at, width);
}

static void touch_out(struct plan *p, u64 at, u64 width)
{
	check(at < p->head->out && width <= p->head->out - at);
	rewrite(p->out + at, width);
}

// ops.c: argument(), perform(), expect(), relocate()
static void touch_op(struct plan *p, u32 index)
{
	const struct op *op = &p->ops[index];

	check(index < p->head->ops);
	touch(op, sizeof *op);
	check(op->kind > 0 && op->kind < OP_KINDS);
	touch_record(p, index);
	for (u32 i = 0; i < op->reloc_count; i++) {
		const struct reloc *r = &p->relocs[op->reloc + i];
		check(op->reloc + i < p->head->relocs);
		touch(r, sizeof *r);
		touch_data(p, r->at, r->kind == REL_VALUE || r->kind == REL_DECIMAL ? r->width : 8);
		if (r->kind == REL_DATA)
			touch_data(p, r->of, 1);
		else if (r->kind == REL_OUT)
			touch_out(p, r->of, 1);
		else
			touch_record(p, r->of);
	}
	for (int i = 0; i < 6; i++) {
		u64 width = op->kind == OP_EXPECT && i == 0 && op->nr ? op->nr : 1;
		if (op->args[i] == ARG_DATA)
			touch_data(p, op->a[i], width);
		else if (op->args[i] == ARG_OUT)
			touch_out(p, op->a[i], width);
		else if (op->args[i] == ARG_RESULT)
			touch_record(p, (u32)op->a[i]);
		else
			check((op->args[i] == ARG_NUMBER || op->args[i] == ARG_GIVEN) &&
			      (op->kind != OP_EXPECT || i != 0 || !op->nr));
	}
	if (op->kind == OP_SPAWN && op->a[4])
		touch_data(p, op->a[3], op->a[4]);
	if (op->kind == OP_AWAIT)
		touch_record(p, (u32)op->a[0]);
}

static void walk_undo(struct plan *p, u32 first, u32 end, u32 depth);

// ops.c: run_ops(), alternatives(); clone.c: op_clone(). Every branch is taken.
static void walk_ops(struct plan *p, u32 first, u32 count, u32 depth, int undoing)
{
	check(depth <= DEEPEST);
	for (u32 i = first; i < first + count && steps++ < ENOUGH_STEPS;) {
		const struct op *op = &p->ops[i];
		touch_op(p, i);
		check(!undoing || (op->kind != OP_UNDO && op->kind != OP_CLONE && !op->undo_count));
		if (op->kind == OP_UNDO) {
			const struct program *run = &p->head->programs[RUN];
			walk_undo(p, run->first, run->first + run->count, depth);
		}
		if (op->kind == OP_ALT) {
			u32 other = i + 1 + op->first, rest = op->size - op->first;
			walk_ops(p, i + 1, op->first, depth + 1, undoing);
			if (op->first)
				touch_record(p, other - 1);
			walk_undo(p, i + 1, other, depth);
			walk_ops(p, other, rest, depth + 1, undoing);
			if (rest)
				touch_record(p, other + rest - 1);
		}
		if (op->kind == OP_CLONE)
			walk_ops(p, i + 1, op->size, depth + 1, undoing);
		if (op->kind == OP_ALT || op->kind == OP_CLONE) {
			check(op->size < first + count - i); // groups nest
			i += op->size;
		}
		i++;
	}
}

// ops.c: undo_ops()
static void walk_undo(struct plan *p, u32 first, u32 end, u32 depth)
{
	for (u32 i = end; i-- > first && steps < ENOUGH_STEPS;) {
		const struct op *op = &p->ops[i];
		touch_record(p, i);
		for (u32 k = op->undo; op->undo_count && k < op->undo + op->undo_count && steps < ENOUGH_STEPS;) {
			u32 size = p->ops[k].kind == OP_ALT ? 1 + p->ops[k].size : 1;
			check(k + size <= op->undo + op->undo_count);
			walk_ops(p, k, size, depth + 1, 1);
			k += size;
		}
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, u64 size)
{
	// Page-aligned like the stage's mapping, but with ASan's red zone directly behind the last byte.
	void *file_at;
	struct plan plan = { 0 };

	if (posix_memalign(&file_at, PLAN_PAGE, size ? size : 1))
		return 0;
	u8 *file = file_at;
	memcpy(file, data, size);
	if (!plan_decode(file, size, &plan)) {
		const struct header *h = plan.head;
		plan.report = (struct report *)(file + h->report); // stage.c: map_plan()
		plan.out = file + h->report + report_size(h) - h->out;
		check((u8 *)&plan.report->records[h->ops] == plan.out);
		check(plan.data + h->data == file + h->size && h->size <= h->report);
		plan.report->failed++;
		rewrite(plan.data, h->data);
		rewrite(plan.out, h->out);
		steps = 0;
		for (u32 i = 0; i < PROGRAMS; i++)
			walk_ops(&plan, h->programs[i].first, h->programs[i].count, 0, 0);
		walk_undo(&plan, h->programs[RUN].first, h->programs[RUN].first + h->programs[RUN].count, 0);
	}
	free(file);
	return 0;
}

#endif

// The mutator knows the format: it changes fields to values near a limit, adds and takes ops and relocations, and puts
// a fitting header in front, so that most inputs get past the sums and reach the checks behind them.

static u32 state;

static u32 below(u32 limit)
{
	state = state * 1664525u + 1013904223u;
	return limit ? (u32)((u64)(state >> 8) * limit >> 24) : 0;
}

// A number near one of the borders that the decoder has to watch.
static u32 near(u32 limit)
{
	static const u32 ends[] = { 0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff0 };
	switch (below(8)) {
	case 0:
		return ends[below(6)];
	case 1:
	case 2:
		return limit + below(5) - 2;
	case 3:
		return below(4);
	default:
		return below(limit);
	}
}

static void mutate_op(const struct header *h, struct op *op, u32 index)
{
	int n = (int)below(6);

	switch (below(14)) {
	case 0:
		op->kind = (u8)below(OP_KINDS + 1);
		break;
	case 1:
		op->flags = (u8)below(OP_FLAGS + 2);
		break;
	case 2:
		op->nr = below(2) ? near(WALK_MODES) : 1u << below(5);
		break;
	case 3:
		op->kind = OP_ALT;
		op->size = near(h->ops - index);
		op->first = near(op->size);
		break;
	case 4:
		op->kind = OP_CLONE;
		op->size = near(h->ops - index);
		op->first = 0;
		break;
	case 5:
		op->first = near(op->size);
		break;
	case 6:
	case 7:
		op->undo = below(2) ? near(h->ops) : h->ops - below(8);
		op->undo_count = below(3) ? below(8) : near(h->ops);
		break;
	case 8:
		op->reloc = near(h->relocs);
		op->reloc_count = below(3) ? below(4) : near(h->relocs);
		break;
	case 9:
		op->args[n] = ARG_NUMBER;
		op->a[n] = below(2) ? near(h->ops) : (u64)near(h->ops) << 32;
		break;
	case 10:
		op->args[n] = ARG_DATA;
		op->a[n] = near(h->data);
		break;
	case 11:
		op->args[n] = ARG_OUT;
		op->a[n] = near(h->out);
		break;
	case 12:
		op->args[n] = (u8)below(ARG_KINDS + 1);
		op->a[n] = near(h->ops);
		break;
	case 13:
		op->kind = OP_EXPECT;
		op->nr = 1u << below(4);
		op->args[0] = below(2) ? ARG_DATA : ARG_OUT;
		op->a[0] = near(op->args[0] == ARG_DATA ? h->data : h->out);
		break;
	}
}

static void mutate_reloc(const struct header *h, struct reloc *r)
{
	r->kind = (u8)(1 + below(REL_KINDS));
	r->width = (u8)(r->kind == REL_VALUE ? 4 << below(2) : below(22));
	r->at = near(h->data);
	r->of = near(r->kind == REL_DATA ? h->data : r->kind == REL_OUT ? h->out : h->ops);
}

static u32 fit(u64 want, u64 most)
{
	return (u32)(want < most ? want : most);
}

u64 LLVMFuzzerCustomMutator(u8 *data, u64 size, u64 max_size, u32 seed)
{
	state = seed;
	if (below(16) == 0 || size < sizeof(struct header) || max_size < 2 * PLAN_PAGE)
		return LLVMFuzzerMutate(data, size, max_size);

	// Take it apart: whatever its header says, parts end where the file does.
	struct header h;
	memcpy(&h, data, sizeof h);
	u64 at = sizeof h;
	h.ops = fit(h.ops, (size - at) / sizeof(struct op));
	const u8 *ops = data + at;
	at += h.ops * sizeof(struct op);
	h.relocs = fit(h.relocs, (size - at) / sizeof(struct reloc));
	const u8 *relocs = data + at;
	at = (at + h.relocs * sizeof(struct reloc) + 7) & ~7UL;
	h.data = at < size ? fit(h.data, size - at) : 0;
	const u8 *bytes = data + at;

	// Put it together with room for one more op and one more relocation.
	u64 room = sizeof h + (h.ops + 1) * sizeof(struct op) + (h.relocs + 1) * sizeof(struct reloc) + 8 + h.data + 64;
	u8 *file = malloc(room);
	struct op *new_ops = malloc((h.ops + 1) * sizeof(struct op));
	struct reloc *new_relocs = malloc((h.relocs + 1) * sizeof(struct reloc));
	memcpy(new_ops, ops, h.ops * sizeof(struct op));
	memcpy(new_relocs, relocs, h.relocs * sizeof(struct reloc));

	int wild = 0; // the header is left wrong
	for (u32 turns = 1 + below(4); turns-- > 0;) {
		u32 i = below(h.ops), k = below(h.ops + 1);
		switch (below(10)) {
		case 0: // one op more
			if (h.ops == 0 || room < sizeof h + (h.ops + 1) * sizeof(struct op) || turns)
				break;
			memmove(&new_ops[k + 1], &new_ops[k], (h.ops - k) * sizeof(struct op));
			new_ops[k] = new_ops[k > i ? i : i + 1];
			h.ops++;
			break;
		case 1: // one less
			if (h.ops == 0)
				break;
			memmove(&new_ops[i], &new_ops[i + 1], (h.ops - i - 1) * sizeof(struct op));
			h.ops--;
			break;
		case 2: { // a program moves
			struct program *p = &h.programs[below(PROGRAMS)];
			p->first = near(h.ops);
			p->count = near(h.ops - p->first);
			break;
		}
		case 3:
			if (h.relocs)
				mutate_reloc(&h, &new_relocs[below(h.relocs)]);
			break;
		case 4:
			h.out = below(3) ? below(64) : near(4096);
			break;
		case 5:
			h.data = below(h.data + 1);
			break;
		case 6:
			if (h.ops) {
				u8 *op = (u8 *)&new_ops[i];
				LLVMFuzzerMutate(op, sizeof(struct op), sizeof(struct op));
			}
			break;
		case 7:
			wild = below(8) == 0;
			break;
		default:
			if (h.ops)
				mutate_op(&h, &new_ops[i], i);
		}
	}

	u64 relocs_at = sizeof h + h.ops * sizeof(struct op);
	u64 data_at = (relocs_at + h.relocs * sizeof(struct reloc) + 7) & ~7UL;
	u64 whole = data_at + h.data;
	h.magic = PLAN_MAGIC;
	h.size = (u32)whole;
	h.report = (u32)((whole + PLAN_PAGE - 1) & -(u64)PLAN_PAGE);
	u64 end = h.report + report_size(&h) + below(2) * below(16);
	if (end <= max_size && whole <= room) {
		for (u64 i = 0; i < whole; i++)
			file[i] = 0;
		memcpy(file + sizeof h, new_ops, h.ops * sizeof(struct op));
		memcpy(file + relocs_at, new_relocs, h.relocs * sizeof(struct reloc));
		memcpy(file + data_at, bytes, h.data);
		if (wild)
			((u32 *)&h)[below(sizeof h / 4)] = near((u32)end);
		memcpy(file, &h, sizeof h);
		memcpy(data, file, whole);
		for (u64 i = whole; i < end; i++)
			data[i] = 0;
		size = end;
	} else {
		size = LLVMFuzzerMutate(data, size, max_size);
	}
	free(new_relocs);
	free(new_ops);
	free(file);
	return size;
}
