/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deep DEPTH SECONDS: DEPTH frames of descend() above each other, and bottom() below them.
 *
 *   main
 *   `- descend x DEPTH
 *      `- bottom                          100 %
 */
#include "workload.h"

FRAME uint64_t bottom(uint64_t end_ns)
{
	uint64_t start = thread_ns();

	while (wall_ns() < end_ns)
		burn(UNIT);
	return thread_ns() - start;
}

/* Adding after the call keeps every frame. */
FRAME uint64_t descend(unsigned long depth, uint64_t end_ns)
{
	uint64_t spent = depth > 1 ? descend(depth - 1, end_ns) : bottom(end_ns);

	__asm__ volatile("" : "+r"(spent));
	return spent;
}

int main(int argc, char **argv)
{
	unsigned long depth;
	uint64_t spent;

	if (argc != 3 || (depth = strtoul(argv[1], NULL, 10)) == 0 || depth > 50000) {
		(void)fprintf(stderr, "usage: deep DEPTH SECONDS    DEPTH in 1..50000\n");
		return 2;
	}
	spent = descend(depth, wall_ns() + seconds_ns(argv[2]));
	(void)printf("{\"depth\":%lu}\n", depth);
	print_function("bottom", spent, spent);
	print_function("descend", 0, spent);
	print_total();
	return 0;
}
