/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dropper UID SECONDS: works as who started it, then a child of it becomes UID (user and group, all
 * ids) and works as that; for tests of who may see which of a target's children.
 *
 *   main
 *   |- before_drop                        half of the time, this process
 *   `- fork: after_drop                   half of the time, the child as UID
 */
#include <grp.h>
#include <sys/wait.h>
#include <unistd.h>
#include "workload.h"

FRAME uint64_t before_drop(uint64_t for_ns)
{
	uint64_t end = wall_ns() + for_ns, start = thread_ns();

	while (wall_ns() < end)
		burn(UNIT);
	return thread_ns() - start;
}

FRAME uint64_t after_drop(uint64_t for_ns)
{
	uint64_t end = wall_ns() + for_ns, start = thread_ns();

	while (wall_ns() < end)
		burn(UNIT);
	return thread_ns() - start;
}

static void report(const char *function, uint64_t spent)
{
	(void)printf("{\"pid\":%d,\"uid\":%u}\n", (int)getpid(), (unsigned)getuid());
	print_function(function, spent, spent);
	print_total();
}

int main(int argc, char **argv)
{
	uint64_t half_ns;
	int status;
	uid_t uid;
	pid_t pid;

	if (argc != 3) {
		(void)fprintf(stderr, "usage: dropper UID SECONDS\n");
		return 2;
	}
	uid = (uid_t)strtoul(argv[1], NULL, 10);
	half_ns = seconds_ns(argv[2]) / 2;
	report("before_drop", before_drop(half_ns));
	pid = fork();
	if (pid == 0) {
		if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 ||
			setresuid(uid, uid, uid) < 0) {
			perror("dropper");
			_exit(1);
		}
		report("after_drop", after_drop(half_ns));
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
