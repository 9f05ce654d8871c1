/* A group of attacks is a table. The program makes those that are named, each in a process of its own, and prints "name errno". */
#ifndef ATTACK_H
#define ATTACK_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct attack {
	const char *name;
	/* Negative with errno: refused. */
	long (*make)(void);
};

/* Answers of an attack beside errno: it went through, but did not come to what it wanted. */
#define NOTHING_FOUND (-1000)

static const char *verdict(long result)
{
	return result == NOTHING_FOUND ? "nothing" : result >= 0 ? "ok" : strerrorname_np(errno);
}

static void one(const struct attack *a)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		alarm(10);
		/* For controls: what one did to mounts is not the next one's. */
		if (getenv("APART") && unshare(CLONE_NEWNS))
			_exit(1);
		if (getenv("NESTED") && unshare(CLONE_NEWUSER | CLONE_NEWNS))
			_exit(1);
		errno = 0;
		printf("%s %s\n", a->name, verdict(a->make()));
		fflush(stdout);
		_exit(0);
	}
	if (child < 0)
		printf("%s fork-%s\n", a->name, strerrorname_np(errno));
	else if (waitpid(child, &status, 0) == child && WIFSIGNALED(status))
		printf("%s signal-%d\n", a->name, WTERMSIG(status));
}

__attribute__((unused)) static int attack_main(const struct attack *all, int argc, char **argv)
{
	for (const struct attack *a = all; a->name; a++) {
		int wanted = argc < 2;
		for (int i = 1; i < argc; i++)
			wanted |= !strcmp(argv[i], a->name);
		if (wanted)
			one(a);
	}
	return 0;
}

#endif
