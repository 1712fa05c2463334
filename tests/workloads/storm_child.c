/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storm_child [FD]: lives for 0.6 ms of CPU time in storm_work() and exits; writes the nanoseconds
 * of storm_work() to FD as eight bytes.
 *
 *   main
 *   `- storm_work
 */
#include <unistd.h>
#include "workload.h"

#define STORM_NS 600000U

FRAME uint64_t storm_work(void)
{
	uint64_t start = thread_ns(), spent;

	do {
		burn(UNIT / 40);
		spent = thread_ns() - start;
	} while (spent < STORM_NS);
	return spent;
}

int main(int argc, char **argv)
{
	uint64_t spent = storm_work();

	if (argc == 2 && write(atoi(argv[1]), &spent, sizeof(spent)) != sizeof(spent))
		return 1;
	return 0;
}
