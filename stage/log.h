// What a container has written, as it lies in files: a head, then records. src/engine/logfile.ts reads them.
#ifndef STAGE_LOG_H
#define STAGE_LOG_H

#include "stage.h"

#define LOG_MAGIC 0x31676f6c72746976UL // "vitrlog1"

struct log_head {
	u64 magic;
	u64 mark;   // drawn at random: every record of this file begins with it, and nothing in the container can know it
	u64 number; // so many files came before
};

struct log_record {
	u64 mark;
	u64 time; // nanoseconds since 1970
	u32 length;
	u32 kind; // log_kind
};

enum log_kind {
	LOG_OUTPUT = 1, // bytes of standard output, or of the terminal
	LOG_ERROR,
	LOG_LOST, // 8 bytes, a number: so many bytes could not be kept before this one
};

struct log {
	int directory, file; // -1: nothing is kept; not open
	u32 files;
	u64 most, size, mark, number, lost;
	char name[LOG_NAME];
};

void log_start(struct log *l, const struct held *held);
// Nothing waits for what cannot be kept: it is counted, and told when there is room again.
void log_put(struct log *l, u32 kind, const u8 *bytes, u32 length);

#endif
