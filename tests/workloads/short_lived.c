/* SPDX-License-Identifier: Apache-2.0 */
/*
 * short_lived SECONDS [--unlink]: burns CPU time in short_work() and is gone; with --unlink it
 * first removes its own program file, so that only the running process still has it.
 *
 *   main
 *   `- short_work
 */
#include <string.h>
#include <unistd.h>
#include "workload.h"

FRAME uint64_t short_work(uint64_t end_ns)
{
	uint64_t start = thread_ns();

	while (wall_ns() < end_ns)
		burn(UNIT);
	return thread_ns() - start;
}

int main(int argc, char **argv)
{
	char path[4096];
	uint64_t spent;
	ssize_t n;

	if (argc < 2 || argc > 3 || (argc == 3 && strcmp(argv[2], "--unlink"))) {
		(void)fprintf(stderr, "usage: short_lived SECONDS [--unlink]\n");
		return 2;
	}
	if (argc == 3) {
		n = readlink("/proc/self/exe", path, sizeof(path) - 1);
		if (n < 0)
			return 1;
		path[n] = '\0';
		if (unlink(path) < 0) {
			perror(path);
			return 1;
		}
	}
	spent = short_work(wall_ns() + seconds_ns(argv[1]));
	print_function("short_work", spent, spent);
	print_total();
	return 0;
}
