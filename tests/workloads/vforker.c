/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vforker SECONDS: over and over vfork()s a child that works in the parent's memory before it execs
 * storm_child, which lies beside it. The child is another process with the same address space.
 *
 *   main                                  (this process)
 *   |- parent_work
 *   `- vfork: child_work                  (children, comm vforker until they exec)
 *      `- exec: storm_child: main -> storm_work
 */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "workload.h"

static char child_path[4096];
/* Written by the child, in memory it shares with us. */
static volatile uint64_t child_spent_ns;
static volatile unsigned long children;

FRAME void parent_work(void)
{
	burn(4 * UNIT);
}

FRAME void child_work(void)
{
	burn(2 * UNIT);
}

static FRAME int once(void)
{
	int status;
	pid_t pid = vfork();

	if (pid == 0) {
		uint64_t start = thread_ns();

		child_work();
		child_spent_ns = child_spent_ns + (thread_ns() - start);
		(void)execl(child_path, "storm_child", (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status))
		return 1;
	children = children + 1;
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t end, parent_ns = 0;
	ssize_t n;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: vforker SECONDS\n");
		return 2;
	}
	n = readlink("/proc/self/exe", child_path, sizeof(child_path) - sizeof("storm_child"));
	if (n < 0)
		return 1;
	child_path[n] = '\0';
	(void)strcpy(strrchr(child_path, '/') + 1, "storm_child");
	end = wall_ns() + seconds_ns(argv[1]);
	while (wall_ns() < end) {
		uint64_t start = thread_ns();

		parent_work();
		parent_ns += thread_ns() - start;
		if (once()) {
			(void)fprintf(stderr, "%s: a child failed\n", child_path);
			return 1;
		}
	}
	(void)printf("{\"children\":%lu}\n", children);
	print_function("parent_work", parent_ns, parent_ns);
	print_function("child_work", child_spent_ns, child_spent_ns);
	print_total();
	return 0;
}
