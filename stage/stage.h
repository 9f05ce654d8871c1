// What the parts of the stage know of each other.
#ifndef STAGE_STAGE_H
#define STAGE_STAGE_H

#include "wire.h"

// One per process; a child made by OP_CLONE goes on with its own copy.
struct stage {
	struct plan plan;
};

// ops.c: runs `count` ops from `first`; returns 0, or the number of the op that failed plus one. `last` gets the result of
// the op done last; 0 if that is of no interest.
u32 run_ops(struct stage *s, u32 first, u32 count, i64 *last);
// ops.c: undoes the ops in [first, end), newest first; returns how many undo ops failed.
u32 undo_ops(struct stage *s, u32 first, u32 end);
// ops.c: the value of argument `n` of an op; an unfinished op's result is an error (ECANCELED).
i64 argument(struct stage *s, const struct op *op, int n, u64 *value);

// clone.c
i64 op_clone(struct stage *s, u32 index);
i64 op_await(struct stage *s, u32 index);
void wake(struct stage *s, u32 index);
// Ends and reaps the children that `count` ops from `first` made.
void kill_children(struct stage *s, u32 first, u32 count);

// spawn.c
i64 op_spawn(const u64 *a);
// files.c
i64 op_walk(u32 mode, const u64 *a);
// monitor.c
i64 op_serve(struct stage *s, const u64 *a);

#endif
