/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fixed_work DEPTH UNITS [MIB]: the same work each time, DEPTH frames deep: UNITS of arithmetic,
 * and between them, where MIB is given, dependent loads all over that much memory. Prints what it
 * took: CPU and wall nanoseconds.
 */
#include "workload.h"

static uint64_t *memory;
static size_t n_memory;

FRAME void bottom(unsigned long units)
{
	size_t at = 0;

	for (unsigned long i = 0; i < units; i++) {
		burn(UNIT / 4);
		for (unsigned long loads = 0; n_memory && loads < 2000; loads++)
			at = (size_t)memory[at];
	}
	__asm__ volatile("" : : "r"(at));
}

FRAME void descend(unsigned long depth, unsigned long units)
{
	if (depth > 1)
		descend(depth - 1, units);
	else
		bottom(units);
	__asm__ volatile("");
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		(void)fprintf(stderr, "usage: fixed_work DEPTH UNITS [MIB]\n");
		return 2;
	}
	if (argc > 3) {
		uint64_t x = 1;

		n_memory = strtoul(argv[3], NULL, 10) << 17;
		memory = malloc(n_memory * sizeof(*memory));
		if (!memory)
			return 1;
		for (size_t i = 0; i < n_memory; i++) {
			x = x * 6364136223846793005U + 1442695040888963407U;
			memory[i] = (x >> 20) % n_memory;
		}
	}
	uint64_t cpu = thread_ns(), wall = wall_ns();

	descend(strtoul(argv[1], NULL, 10), strtoul(argv[2], NULL, 10));
	cpu = thread_ns() - cpu;
	wall = wall_ns() - wall;
	(void)printf("%llu %llu\n", (unsigned long long)cpu, (unsigned long long)wall);
	return 0;
}
