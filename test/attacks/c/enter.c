/* enter PID PROGRAM: as a runtime does it that nobody has taught better: enters the namespaces, and starts the program in there. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (strstr(argv[0], "/exe")) { // it was started again, by itself
		usleep(300000);
		return 0;
	}
	if (argc < 3)
		return 2;
	int pidfd = (int)syscall(SYS_pidfd_open, atoi(argv[1]), 0);
	if (pidfd < 0 || setns(pidfd, CLONE_NEWNS | CLONE_NEWPID))
		return 3;
	if (fork() == 0) {
		execv(argv[2], argv + 2);
		_exit(127);
	}
	wait(0);
	return 0;
}
