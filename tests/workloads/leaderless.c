/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leaderless SECONDS [PROGRAM ARG...]: the main thread ends at once and another goes on, so that
 * the process lives without its leader; it burns CPU time in orphan_work(). With a PROGRAM it then
 * becomes that, from a thread that is not the leader.
 *
 *   (thread)
 *   `- orphan
 *      `- orphan_work
 */
#include <pthread.h>
#include <unistd.h>
#include "workload.h"

static char **arguments;

FRAME void orphan_work(uint64_t end_ns)
{
	while (wall_ns() < end_ns)
		burn(UNIT);
}

static FRAME void *orphan(void *userdata)
{
	uint64_t start = thread_ns(), spent;

	orphan_work(*(uint64_t *)userdata);
	spent = thread_ns() - start;
	print_function("orphan_work", spent, spent);
	(void)fflush(stdout);
	if (arguments[2]) {
		(void)execv(arguments[2], arguments + 2);
		perror(arguments[2]);
		_exit(1);
	}
	print_total();
	return NULL;
}

int main(int argc, char **argv)
{
	static uint64_t end_ns;
	pthread_t thread;

	if (argc < 2) {
		(void)fprintf(stderr, "usage: leaderless SECONDS [PROGRAM ARG...]\n");
		return 2;
	}
	arguments = argv;
	end_ns = wall_ns() + seconds_ns(argv[1]);
	if (pthread_create(&thread, NULL, orphan, &end_ns)) {
		(void)fprintf(stderr, "leaderless: cannot start a thread\n");
		return 1;
	}
	pthread_exit(NULL);
}
