// The front of dist/vitrine, in two parts: front.c makes the start, load.c maps programs.
#ifndef FRONT_H
#define FRONT_H

#include <linux/elf.h>

#include "../stage/sys.h"

enum { HEADERS_MAX = 32, LOADER_PATH_MAX = 256 };

struct program {
	u64 base, entry, headers_at; // addresses in memory
	char loader[LOADER_PATH_MAX]; // empty for a static program
	Elf64_Ehdr head;
	Elf64_Phdr header[HEADERS_MAX];
};

// Maps the program that begins at an offset of a file, and tells what a start of it needs. Ends the process if it cannot.
void load(struct program *p, i64 fd, u64 at, u64 page, const char *name);

// Private memory, or the end.
u64 map(u64 at, u64 bytes, int prot, int flags, i64 fd, u64 offset, const char *name);

u64 length(const char *s);

// Decimal, at least so wide; without an end. How many bytes.
u64 write_number(char *to, u64 n, u64 width, char pad);

// Does a later command of the OCI command line by the container's own plan, and ends; or returns, with nothing done.
void try_later(u64 argc, char **argv);

// "vitrine: WHAT: WHY" and the status of an engine that cannot start anything.
void die(const char *what, const char *why) __attribute__((noreturn));

#endif
