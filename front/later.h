// The short ways of the OCI command line: later.c finds them, texts.c, list.c and stats.c print, update.c changes limits, create.c makes
// containers of bundles that are known.
#ifndef FRONT_LATER_H
#define FRONT_LATER_H

#include "front.h"

enum { PATH_BYTES = 4096 };

// Of the stage, see stage/wire.h.
enum later_program { START = 4, STATE, KILL, DELETE, PAUSE, UNPAUSE, PS, LIST, GROUPS, UPDATE };

int equal(const char *a, const char *b);
// Behind the prefix of a word, or 0.
const char *behind(const char *word, const char *prefix);
int is_id(const char *s);
// The value of a flag that takes one, "--root X" or "--root=X"; moves on behind it. 0: another word.
const char *value_of(char **argv, u64 *i, const char *flag);
// "A/BC" into PATH_BYTES; 0 if it is too long.
int join(char *to, const char *a, const char *b, const char *c);
// Whether commands are at work in ROOT, or killed ones have left something, which is for the engine.
int has_runs(const char *root);

// Runs the program of the plan in ROOT/ID. What it writes goes into `take` if that is given, else to standard output.
// The number of bytes taken, or -1: it did not do it.
i64 run_stage(const char *root, const char *id, u32 program, const char *given, char *take, u64 room);

// Whether one of them has ended without taking its run away.
int has_dead_runs(const char *root);

void print(const char *text, u64 bytes);

// Each ends the process, or returns with nothing done. `words` are the command and what stands behind it.
void try_texts(u64 count, char **words);
void try_create(u64 argc, char **argv, u64 count, char **words, const char *root);
void try_ps(u64 count, char **words, const char *root, char **environment);
void try_list(u64 count, char **words, const char *root);
void try_update(u64 count, char **words, const char *root);
void try_stats(u64 count, char **words, const char *root);

#endif
