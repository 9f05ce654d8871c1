/* What the host offers on its network, by names that no mount hides. $PORT, $NAME. "serve": be that on the host. */
#include "attack.h"
#include <arpa/inet.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static const char *name;
static int port;

static socklen_t abstract(struct sockaddr_un *a)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	strcpy(a->sun_path + 1, name);
	return offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name);
}
static long abstract_socket(void)
{
	struct sockaddr_un a;
	socklen_t size = abstract(&a);
	return connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&a, size);
}
static long loopback(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	return connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&a, sizeof(a));
}
/* All interfaces but "lo", as netlink lists them. */
static long links(void)
{
	static char buffer[65536];
	struct {
		struct nlmsghdr head;
		struct ifinfomsg info;
	} ask = { { sizeof(ask), RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 1, 0 }, { .ifi_family = AF_UNSPEC } };
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), found = 0;
	if (fd < 0 || send(fd, &ask, sizeof(ask), 0) < 0)
		return -1;
	for (;;) {
		int size = recv(fd, buffer, sizeof(buffer), 0);
		if (size < 0)
			return -1;
		for (struct nlmsghdr *m = (void *)buffer; NLMSG_OK(m, (unsigned)size); m = NLMSG_NEXT(m, size)) {
			if (m->nlmsg_type == NLMSG_DONE || m->nlmsg_type == NLMSG_ERROR)
				return found ? 0 : NOTHING_FOUND;
			found += ((struct ifinfomsg *)NLMSG_DATA(m))->ifi_index != 1;
		}
	}
}
static int join(int protocol, int group)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK, .nl_groups = group };
	int fd = socket(AF_NETLINK, SOCK_DGRAM, protocol);
	return fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) ? -1 : fd;
}
/* The events of every process of the host: asked for, and waited for. */
static long process_events(void)
{
	struct __attribute__((packed)) {
		struct nlmsghdr head;
		struct cn_msg message;
		int listen;
	} ask = { { sizeof(ask), NLMSG_DONE, 0, 0, 0 }, { .id = { CN_IDX_PROC, CN_VAL_PROC }, .len = 4 }, 1 };
	int fd = join(NETLINK_CONNECTOR, CN_IDX_PROC);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	if (fd < 0 || send(fd, &ask, sizeof(ask), 0) < 0)
		return -1;
	if (fork() == 0)
		_exit(0);
	return poll(&p, 1, 500) > 0 ? 0 : NOTHING_FOUND;
}
static long audit(void) { return join(NETLINK_AUDIT, 1); }
static long set_link(void)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg info;
	} ask = { { sizeof(ask), RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, 1, 0 }, { .ifi_index = 1, .ifi_change = 0 } };
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		char room[512];
	} reply;
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	if (fd < 0 || send(fd, &ask, sizeof(ask), 0) < 0 || recv(fd, &reply, sizeof(reply), 0) < 0)
		return -1;
	errno = -reply.error.error;
	return errno ? -1 : 0;
}

static const struct attack ATTACKS[] = {
	{ "abstract", abstract_socket }, { "loopback", loopback }, { "links", links }, { "process-events", process_events },
	{ "audit", audit }, { "set-link", set_link },
	{ 0, 0 },
};

int main(int argc, char **argv)
{
	name = getenv("NAME");
	port = atoi(getenv("PORT"));
	if (argc == 2 && !strcmp(argv[1], "serve")) {
		struct sockaddr_un a;
		struct sockaddr_in i = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		socklen_t size = sizeof(i);
		int u = socket(AF_UNIX, SOCK_STREAM, 0), t = socket(AF_INET, SOCK_STREAM, 0);
		if (bind(u, (struct sockaddr *)&a, abstract(&a)) || listen(u, 9) || bind(t, (struct sockaddr *)&i, size) || listen(t, 9) ||
		    getsockname(t, (struct sockaddr *)&i, &size))
			return 1;
		printf("%d\n", ntohs(i.sin_port));
		fflush(stdout);
		for (;;)
			pause();
	}
	return attack_main(ATTACKS, argc, argv);
}
