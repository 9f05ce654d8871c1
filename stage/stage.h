// What the parts of the stage know of each other.
#ifndef STAGE_STAGE_H
#define STAGE_STAGE_H

#include "wire.h"

// One per process; a child made by OP_CLONE goes on with its own copy.
struct stage {
	struct plan plan;
	u64 given; // ARG_GIVEN
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
i64 op_serve(struct stage *s, u32 mode, const u64 *a);

// terminal.c: between the caller's standard streams and the container's terminal.
struct termios36 { // struct termios of the kernel, not of a libc
	u32 iflag, oflag, cflag, lflag;
	u8 line, cc[19];
};

struct buffer {
	u32 at, end;
	u8 bytes[4096];
};

struct relay {
	int master;
	int input;	// standard input is handed on
	int ended;	// it came to its end
	int raw;	// it is a terminal, and in raw mode
	int line_begun; // the last byte handed on was not the end of a line
	struct termios36 saved;
	struct buffer in, out;
};

void relay_start(struct relay *r, int master, int input);
void relay_continue(const struct relay *r); // after a stop, when the shell has set its own mode
void relay_resize(const struct relay *r);
i64 relay_patience(const struct relay *r); // milliseconds, -1 for ever
void relay_idle(struct relay *r);	   // that time is over
void relay_watch(const struct relay *r, struct pollfd32 *three);
int relay_move(struct relay *r, const struct pollfd32 *three); // returns 1 if the caller's terminal is gone
void relay_rest(struct relay *r);			       // what the container wrote last
void relay_end(struct relay *r);

#endif
