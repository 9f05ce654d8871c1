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
i64 open_directory(i64 at, const char *name);
i64 open_below(i64 dir, const char *name); // not into what is mounted there
i64 remove_tree(i64 at, const char *path);
int is_dots(const char *name);
// stream.c
i64 op_stream(const u64 *a);
// Copies a path, or as much as there is room for; closes it.
void note_path(char *to, u64 room, const char *path);
// list.c
i64 list_tree(const u64 *a);
u64 length_of(const char *s);

struct statx256 {
	u32 mask, blksize;
	u64 attributes;
	u32 nlink, uid, gid;
	u16 mode, pad;
	u64 ino, size, blocks, attributes_mask;
	struct {
		i64 sec;
		u32 nsec, pad;
	} atime, btime, ctime, mtime;
	u32 rdev_major, rdev_minor, dev_major, dev_minor;
	u64 rest[14];
};

struct dirent64 {
	u64 ino;
	i64 off;
	u16 reclen;
	u8 type;
	char name[];
};

#define AT_EMPTY 0x1000
#define AT_NO_FOLLOW 0x100
// monitor.c
i64 op_serve(struct stage *s, u32 mode, const u64 *a);
struct siginfo128 {
	int signo, error, code, pad;
	int pid, uid, status;
	int rest[25];
};
// waitid(2) by pidfd; returns the exit status as a shell gives it, or -errno. `info` tells more if it is not 0.
i64 reap(int pidfd, struct siginfo128 *info);
struct relay;
// Hands a signal that was taken from a signalfd to a process; `ends` kills it instead (0: none does).
void hand_on(int signals, int pidfd, struct relay *relay, int same_group, u32 ends);
void allow_stops(void);
// attach.c
i64 serve_clients(struct stage *s, const u64 *a, int signals);
// client.c
i64 serve_as_client(const u64 *a, int signals);

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

int window_size(u16 *size); // of the first standard stream that has one; rows and columns come first
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
