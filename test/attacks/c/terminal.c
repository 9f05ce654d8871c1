/* A terminal that is inherited on standard input: typing into it, taking it over, asking a console for more. */
#include "attack.h"
#include <sys/ioctl.h>

static long type_text(int fd)
{
	for (const char *c = "echo typed by $((1+1)) attackers\n"; *c; c++)
		if (ioctl(fd, TIOCSTI, c))
			return -1;
	return 0;
}
static long push(void) { return type_text(0); }
static long push_output(void) { return type_text(2); }
static long steal(void)
{
	setsid();
	return ioctl(0, TIOCSCTTY, 0) ? -1 : type_text(0);
}
static long steal_by_force(void)
{
	setsid();
	return ioctl(0, TIOCSCTTY, 1) ? -1 : type_text(0);
}
static long by_name(void)
{
	int fd = open("/dev/tty", O_RDWR);
	return fd < 0 ? -1 : type_text(fd);
}
/* What a console would paste; the one asked here is harmless: which shift keys are down. */
static long console(void)
{
	char what = 6;
	return ioctl(0, TIOCLINUX, &what);
}

static const struct attack ATTACKS[] = {
	{ "TIOCSTI", push }, { "TIOCSTI-output", push_output }, { "TIOCSCTTY", steal }, { "TIOCSCTTY-force", steal_by_force },
	{ "dev-tty", by_name }, { "TIOCLINUX", console },
	{ 0, 0 },
};

int main(int argc, char **argv)
{
	return attack_main(ATTACKS, argc, argv);
}
