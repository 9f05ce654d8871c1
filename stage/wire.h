// The plan as the stage reads it: one file, little endian, written by src/stage/encode.ts.
//
//   header | ops | relocs | data | (page) report: head, one record an op, output bytes | (page) not read by the stage
//
// The part before the report is mapped privately, so that relocations may patch the data. The report is mapped
// shared: it carries results between the processes of a run, and it is the journal that survives a kill.
#ifndef STAGE_WIRE_H
#define STAGE_WIRE_H

#include "sys.h"

#define PLAN_MAGIC 0x31656e6972746976UL // "vitrine1"
#define PLAN_PAGE 4096u
#define PLAN_MAX_SIZE (64u << 20)
#define PLAN_MAX_DEPTH 32u

enum op_kind {
	OP_SYS = 1,   // nr(a0..a5)
	OP_CLONE,     // clone3(a0 args, a1 size); the next `size` ops are the child's program
	OP_ALT,       // try the next `first` ops; if they fail, roll them back and do the rest of the `size` ops
	OP_EXPECT,    // (load(a0, nr bytes; 0 = a0 itself, EXPECT_DIGITS = a decimal number) & a1) == a2, or errno a3
	OP_AWAIT,     // until op a0 of the other process is done; a1 is that process's pidfd
	OP_SPAWN,     // a0 path, a1 argv, a2 envp, a3/a4 standard input and its length, a5 milliseconds. It writes to standard error only
	OP_UNDO,      // undo what the run did so far, newest first; the result counts what would not go
	OP_SERVE,     // nr serve_mode, a0 pidfd: hand signals on until that process ends; the result is its exit status.
		      // a2 milliseconds after which it is killed, 0: never. What the other arguments are is said there
	OP_WALK,      // nr walk_mode, a0 directory descriptor, a1 path
	OP_STREAM,    // a0 directory descriptor, a1 descriptor of a stream of records (stage/stream.h), a2 how openat2 resolves,
		      // a3/a4 output bytes and their size: the path of the last record, that of the end record at the end
	OP_KINDS,
};

// A number as files of the kernel and of programs have it: so many digits at most, fewer where another byte follows.
#define EXPECT_DIGITS 10

enum walk_mode {
	WALK_REMOVE = 1, // remove the tree a1 below a0
	WALK_KILL,       // kill the processes that the cgroup.procs file a1 names
	WALK_COPY,       // copy what is in directory a0 into the directory that descriptor a1 stands for
	WALK_LIST,       // write what is in directory a0 to descriptor a1 as records, answers come from descriptor a2; a3/a4 as above;
			 // a2 -1: no data; a5: only what has this name there, 0: all
	WALK_MOVE,       // the processes that the cgroup.procs file a1 names go into the group whose cgroup.procs is descriptor a2
	WALK_MODES,
};

enum serve_mode {
	SERVE_SIGNALS,	// the standard streams are the container's own
	SERVE_OUTPUT,	// what comes from the terminal a1 goes to standard output
	SERVE_TERMINAL, // and standard input, in raw mode if it is a terminal, goes there
	SERVE_REAPER,	// as a first process: reap whatever ends, and end with that process; does not return
	SERVE_MONITOR,	// hold the terminal a1, or (a1 -1) pipes, for whoever connects to the socket a3; a4 is connected to the
			// command that started it, -1: to none. a5: struct held
	SERVE_CLIENT,	// hand the standard streams to the monitor at the other end of the socket a1; a0 is its pidfd, -1: of a
			// stranger. a3 and a4: keys that leave it, and how many; a5: client_flag. May result in client_end
	SERVE_MODES,
};

enum client_flag {
	CLIENT_INPUT = 1,    // standard input is handed on
	CLIENT_OUTPUT = 2,   // output is asked for
	CLIENT_SIGNALS = 4,  // signals are handed on; else they end the client
	CLIENT_END = 8,	     // the end of standard input is told
	CLIENT_WINDOW = 16,  // there is a terminal, as large as the caller's
	CLIENT_REDRAW = 32,  // what is on it is to be shown anew
	CLIENT_ONCE = 64,    // also if it is told by nobody: the client is killed
	CLIENT_NO_OUTPUT = 128, // the container's standard output is not shown
	CLIENT_NO_ERROR = 256,	// nor is its standard error
	CLIENT_STARTER = 512,	// it has started the container: a stream of its own that nobody reads any more is told
	CLIENT_FLAGS = 1023,
};

// What a monitor holds besides: descriptors, -1 for none, and how it keeps what the container writes.
#define LOG_NAME 12
struct held {
	int input, output, error; // the outer ends of pipes
	int log;		  // a directory: NAME, and NAME.1 and so on, the older the higher
	u64 log_most;		  // bytes of a file
	u32 log_files;		  // so many
	char log_name[LOG_NAME];  // NAME; the last byte is 0
};

// What a client's service comes to if it is not the container's exit status.
enum client_end {
	CLIENT_LEFT = 256, // by the keys; the container goes on
	CLIENT_LOST,	   // the monitor was killed
	CLIENT_REFUSED,	   // it has told why
};

#define MOST_KEYS 16

enum op_flag {
	OP_WAKE = 1,  // another process awaits this op
	OP_RETRY = 2, // once a millisecond while EBUSY or EAGAIN, two seconds at most
	OP_FLAGS = 3,
};

enum arg_kind {
	ARG_NUMBER,
	ARG_DATA,   // address of data + n
	ARG_RESULT, // the result of op n
	ARG_OUT,    // address of the report's output bytes + n
	ARG_GIVEN,  // the number on the stage's command line
	ARG_KINDS,
};

enum reloc_kind {
	REL_DATA = 1, // 8 bytes: address of data + of
	REL_OUT,      // 8 bytes: address of output + of
	REL_VALUE,    // `width` (4 or 8) bytes: the result of op `of`
	REL_DECIMAL,  // `width` bytes: the result of op `of` in decimal, on the right, padded with `pad` on the left
	REL_KINDS,
};

// From START on: what is done later with a container that RUN has made. These read what RUN reported, and write down nothing,
// so that several may work on one plan.
enum program_name { RUN, FAILED, RECOVER, RESUME, START, STATE, KILL, DELETE, PAUSE, UNPAUSE, PS, LIST, GROUPS, UPDATE, PROGRAMS };

struct program {
	u32 first, count;
};

struct header {
	u64 magic;
	u32 size; // of everything before the report
	u32 ops, relocs, data;
	u32 report; // offset of the report, a multiple of the page
	u32 out;    // output bytes
	struct program programs[PROGRAMS];
};

struct op {
	u8 kind, flags, args[6];
	u32 nr, size, first;
	u32 undo, undo_count;
	u32 reloc, reloc_count;
	u16 ok[4]; // errnos that are no failure; for OP_ALT those that lead to the other group (none: all)
	u32 reserved;
	u64 a[6];
};

struct reloc {
	u32 at, of;
	u8 kind, width, pad, reserved;
};

enum record_state { PENDING, STARTED, DONE, FAILED_OP, UNDONE };

struct record {
	i64 result;
	u64 end; // CLOCK_MONOTONIC, nanoseconds
	u32 state, error;
};

struct report {
	u64 start;
	u32 failed; // number of the op that ended the run, plus one
	u32 left;   // undo ops that failed
	struct record records[];
};

struct plan {
	struct header *head;
	struct op *ops;
	struct reloc *relocs;
	u8 *data;
	struct report *report;
	u8 *out;
	void *shared; // the whole file, mapped shared; of `size` bytes
	u64 size;
};

static inline u64 report_size(const struct header *h)
{
	return sizeof(struct report) + (u64)h->ops * sizeof(struct record) + h->out;
}

// Checks every count, offset and reference of a plan of `size` bytes; returns 0 or what is wrong with it.
const char *plan_decode(void *file, u64 size, struct plan *plan);

#endif
