#include "wire.h"

static int inside(u64 first, u64 count, u64 limit)
{
	return first <= limit && count <= limit - first;
}

static const char *check_reloc(const struct header *h, const struct reloc *r)
{
	if (r->kind == 0 || r->kind >= REL_KINDS)
		return "unknown relocation";
	u64 width = 8;
	if (r->kind == REL_VALUE && r->width != 4 && r->width != 8)
		return "bad relocation width";
	if (r->kind == REL_DECIMAL && (r->width == 0 || r->width > 20))
		return "bad relocation width";
	if (r->kind == REL_VALUE || r->kind == REL_DECIMAL)
		width = r->width;
	if (!inside(r->at, width, h->data))
		return "relocation outside the data";
	u64 limit = r->kind == REL_DATA ? h->data : r->kind == REL_OUT ? h->out : h->ops;
	if (r->of >= limit)
		return "relocation to nowhere";
	return 0;
}

static const char *check_args(const struct header *h, const struct op *op)
{
	for (int i = 0; i < 6; i++) {
		if (op->args[i] >= ARG_KINDS)
			return "unknown kind of argument";
		if (op->args[i] == ARG_DATA && op->a[i] >= h->data)
			return "argument outside the data";
		if (op->args[i] == ARG_OUT && op->a[i] >= h->out)
			return "argument outside the output";
		if (op->args[i] == ARG_RESULT && op->a[i] >= h->ops)
			return "argument names no op";
	}
	return 0;
}

// Groups must nest: an op's group ends within the group (or program) that holds the op.
static const char *check_groups(const struct plan *p, u32 first, u32 count)
{
	u32 end[PLAN_MAX_DEPTH];
	u32 depth = 0;

	end[0] = first + count;
	for (u32 i = first; i < first + count; i++) {
		const struct op *op = &p->ops[i];
		while (depth > 0 && i >= end[depth])
			depth--;
		if (op->kind != OP_CLONE && op->kind != OP_ALT)
			continue;
		if (op->size > end[depth] - i - 1 || op->first > op->size)
			return "a group reaches beyond its program";
		if (depth + 1 >= PLAN_MAX_DEPTH)
			return "groups nest too deeply";
		end[++depth] = i + 1 + op->size;
		if (op->kind == OP_ALT) { // the first part is a group of its own
			if (depth + 1 >= PLAN_MAX_DEPTH)
				return "groups nest too deeply";
			end[depth + 1] = i + 1 + op->first;
			depth++;
		}
	}
	return 0;
}

static const char *check_op(const struct plan *p, u32 i)
{
	const struct header *h = p->head;
	const struct op *op = &p->ops[i];
	const char *bad;

	if (op->kind == 0 || op->kind >= OP_KINDS)
		return "unknown op";
	if (op->flags & ~OP_FLAGS)
		return "unknown flag";
	if ((bad = check_args(h, op)))
		return bad;
	if (op->kind == OP_AWAIT && (op->args[0] != ARG_NUMBER || op->a[0] >= h->ops))
		return "await names no op";
	if (op->kind == OP_WALK && (op->nr == 0 || op->nr >= WALK_MODES))
		return "unknown walk";
	if ((op->kind == OP_STREAM || (op->kind == OP_WALK && op->nr == WALK_LIST)) &&
	    (op->args[3] != ARG_OUT || op->args[4] != ARG_NUMBER || !op->a[4] || !inside(op->a[3], op->a[4], h->out)))
		return "a path outside the output";
	if (op->kind == OP_SERVE && op->nr >= SERVE_MODES)
		return "unknown way to serve";
	if (op->kind == OP_SERVE && op->nr == SERVE_CLIENT &&
	    (op->args[4] != ARG_NUMBER || op->a[4] > MOST_KEYS || op->args[5] != ARG_NUMBER || op->a[5] > CLIENT_FLAGS ||
	     (op->a[4] && (op->args[3] != ARG_DATA || !inside(op->a[3], op->a[4], h->data)))))
		return "keys outside the data";
	if (op->kind == OP_SERVE && op->nr == SERVE_MONITOR &&
	    (op->args[5] != ARG_DATA || op->a[5] % 8 || !inside(op->a[5], sizeof(struct held), h->data)))
		return "what a monitor holds is outside the data";
	if (op->kind == OP_SPAWN &&
	    (op->args[4] != ARG_NUMBER ||
	     (op->a[4] && (op->args[3] != ARG_DATA || !inside(op->a[3], op->a[4], h->data)))))
		return "a program's input outside the data";
	if (op->kind == OP_EXPECT && (op->args[3] != ARG_NUMBER || op->a[3] > 4095))
		return "bad errno of an expectation";
	if (op->kind == OP_EXPECT && op->nr != 0 && op->nr != 1 && op->nr != 2 && op->nr != 4 && op->nr != 8 &&
	    op->nr != EXPECT_DIGITS)
		return "bad width of an expectation";
	if (op->kind == OP_EXPECT && op->nr != 0 && op->args[0] != ARG_DATA && op->args[0] != ARG_OUT)
		return "an expectation of no data";
	if (op->kind == OP_EXPECT && op->nr != 0 &&
	    !inside(op->a[0], op->nr, op->args[0] == ARG_DATA ? h->data : h->out))
		return "an expectation outside the data";
	if (!inside(op->reloc, op->reloc_count, h->relocs))
		return "relocations that are not there";
	if (!inside(op->undo, op->undo_count, h->ops))
		return "undo ops that are not there";
	if (op->undo_count) {
		// Undo ops stand behind the run and have none themselves: undoing always ends.
		if (op->undo <= i || op->undo < h->programs[RUN].first + h->programs[RUN].count)
			return "undo ops among the program";
		for (u32 k = op->undo; k < op->undo + op->undo_count; k++)
			if (p->ops[k].undo_count || p->ops[k].kind == OP_UNDO || p->ops[k].kind == OP_CLONE)
				return "an undo op that needs undoing";
		return check_groups(p, op->undo, op->undo_count);
	}
	return 0;
}

const char *plan_decode(void *file, u64 size, struct plan *p)
{
	struct header *h = file;
	const char *bad;

	if (size < sizeof *h || h->magic != PLAN_MAGIC)
		return "not a plan of this version";
	if (h->ops > PLAN_MAX_SIZE / sizeof(struct op) || h->relocs > PLAN_MAX_SIZE / sizeof(struct reloc) ||
	    h->data > PLAN_MAX_SIZE || h->out > PLAN_MAX_SIZE)
		return "too large";
	u64 ops = sizeof *h, relocs = ops + (u64)h->ops * sizeof(struct op);
	u64 data = relocs + (u64)h->relocs * sizeof(struct reloc);
	data = (data + 7) & ~7UL;
	if (h->size != data + h->data)
		return "sizes do not add up";
	if (h->report < h->size || h->report % PLAN_PAGE || !inside(h->report, report_size(h), size))
		return "no room for the report";
	p->head = h;
	p->ops = (struct op *)((u8 *)file + ops);
	p->relocs = (struct reloc *)((u8 *)file + relocs);
	p->data = (u8 *)file + data;
	for (u32 i = 0; i < PROGRAMS; i++)
		if (!inside(h->programs[i].first, h->programs[i].count, h->ops))
			return "a program that is not there";
	for (u32 i = 0; i < h->relocs; i++)
		if ((bad = check_reloc(h, &p->relocs[i])))
			return bad;
	for (u32 i = 0; i < h->ops; i++)
		if ((bad = check_op(p, i)))
			return bad;
	for (u32 i = 0; i < PROGRAMS; i++)
		if ((bad = check_groups(p, h->programs[i].first, h->programs[i].count)))
			return bad;
	return 0;
}
