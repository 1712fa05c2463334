/* SPDX-License-Identifier: Apache-2.0 */
/*
 * multiseg SECONDS: a program with three executable segments, megabytes apart (the linker is told
 * where the sections go), so that one file is three executable mappings.
 *
 *   main
 *   |- first_segment                      50 %   (.text)
 *   |- second_segment                     30 %   (.second)
 *   `- third_segment                      20 %   (.third)
 */
#include "workload.h"

FRAME void first_segment(void)
{
	burn(5 * UNIT);
}

__attribute__((section(".second"))) FRAME void second_segment(void)
{
	burn(3 * UNIT);
}

__attribute__((section(".third"))) FRAME void third_segment(void)
{
	burn(2 * UNIT);
}

int main(int argc, char **argv)
{
	void (*const work[3])(void) = { first_segment, second_segment, third_segment };
	static const char *const names[3] = { "first_segment", "second_segment", "third_segment" };
	uint64_t end, mark, spent[3] = { 0 };

	if (argc != 2) {
		(void)fprintf(stderr, "usage: multiseg SECONDS\n");
		return 2;
	}
	end = wall_ns() + seconds_ns(argv[1]);
	mark = thread_ns();
	while (wall_ns() < end) {
		for (int i = 0; i < 3; i++) {
			uint64_t now;

			work[i]();
			now = thread_ns();
			spent[i] += now - mark;
			mark = now;
		}
	}
	for (int i = 0; i < 3; i++)
		print_function(names[i], spent[i], spent[i]);
	print_total();
	return 0;
}
