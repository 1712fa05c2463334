/* SPDX-License-Identifier: Apache-2.0 */
/*
 * through_libc SECONDS: frames of ours on both sides of libc's, which has no frame pointers on
 * Debian.
 *
 *   main
 *   |- sort_branch                        60 %
 *   |  `- qsort (libc)
 *   |     `- compare                      60 %
 *   `- search_branch                      40 %
 *      `- bsearch (libc)
 *         `- match                        40 %
 */
#include "workload.h"

FRAME int compare(const void *a, const void *b)
{
	burn(6 * UNIT);
	return *(const int *)a - *(const int *)b;
}

FRAME int match(const void *key, const void *element)
{
	burn(4 * UNIT);
	return *(const int *)key - *(const int *)element;
}

/* Two elements: one comparison. */
FRAME void sort_branch(void)
{
	int pair[2] = { 2, 1 };

	qsort(pair, 2, sizeof(pair[0]), compare);
}

FRAME int search_branch(void)
{
	int one = 1, key = 1;

	return bsearch(&key, &one, 1, sizeof(one), match) == &one;
}

int main(int argc, char **argv)
{
	uint64_t end, mark, now, sort_ns = 0, search_ns = 0;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: through_libc SECONDS\n");
		return 2;
	}
	end = wall_ns() + seconds_ns(argv[1]);
	mark = thread_ns();
	while (wall_ns() < end) {
		sort_branch();
		now = thread_ns();
		sort_ns += now - mark;
		mark = now;
		if (!search_branch())
			return 1;
		now = thread_ns();
		search_ns += now - mark;
		mark = now;
	}
	print_function("main", 0, sort_ns + search_ns);
	print_function("sort_branch", 0, sort_ns);
	print_function("compare", sort_ns, sort_ns);
	print_function("search_branch", 0, search_ns);
	print_function("match", search_ns, search_ns);
	print_total();
	return 0;
}
