/*
 * libseccomp's program for a profile. On standard input, a line each:
 *   default ACTION | arch TOKEN | without-native | tree | rule ACTION NAME [INDEX OP VALUE VALUETWO]...
 * with numbers as libseccomp has them. On standard output: struct sock_filter[]. Status 3: it refuses the profile.
 */
#include <errno.h>
#include <inttypes.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void check(int rc, const char *what)
{
	if (rc == 0)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(-rc));
	exit(3);
}

int main(void)
{
	static char line[65536];
	scmp_filter_ctx filter = NULL;

	while (fgets(line, sizeof(line), stdin)) {
		char *word = strtok(line, " \n");
		if (!word)
			continue;
		if (!strcmp(word, "default")) {
			filter = seccomp_init((uint32_t)strtoul(strtok(NULL, " \n"), NULL, 0));
			if (!filter)
				return 2;
			check(seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS), "bad architecture");
		} else if (!strcmp(word, "arch")) {
			int rc = seccomp_arch_add(filter, (uint32_t)strtoul(strtok(NULL, " \n"), NULL, 0));
			check(rc == -EEXIST ? 0 : rc, "arch");
		} else if (!strcmp(word, "without-native")) {
			check(seccomp_arch_remove(filter, SCMP_ARCH_NATIVE), "without-native");
		} else if (!strcmp(word, "tree")) {
			check(seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2), "tree");
		} else {
			uint32_t action = (uint32_t)strtoul(strtok(NULL, " \n"), NULL, 0);
			char *name = strtok(NULL, " \n"), *index;
			int number = seccomp_syscall_resolve_name(name);
			struct scmp_arg_cmp args[6];
			unsigned count = 0;
			if (number == __NR_SCMP_ERROR)
				continue;
			while (count < 6 && (index = strtok(NULL, " \n"))) {
				args[count].arg = (unsigned)strtoul(index, NULL, 0);
				args[count].op = (enum scmp_compare)strtoul(strtok(NULL, " \n"), NULL, 0);
				args[count].datum_a = strtoull(strtok(NULL, " \n"), NULL, 0);
				args[count].datum_b = strtoull(strtok(NULL, " \n"), NULL, 0);
				count++;
			}
			check(seccomp_rule_add_array(filter, action, number, count, args), name);
		}
	}
	check(seccomp_export_bpf(filter, STDOUT_FILENO), "export");
	return 0;
}
