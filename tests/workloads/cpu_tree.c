/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpu_tree SECONDS
 *
 *   main
 *   `- work                              100 %
 *      |- branch_a                        40 %
 *      |  `- spin_leaf                    40 %
 *      |- branch_b                        30 %
 *      |  `- middle_b
 *      |     `- spin_leaf                 30 %
 *      |- branch_c                        20 %, half of it its own
 *      |  `- spin_leaf                    10 %
 *      `- branch_d                        10 %
 *         `- sort_pair
 *            `- compare_d                 10 %, by a function pointer
 *
 * spin_leaf: self 80 % under three parents. Shares are by iterations; the truth printed is
 * measured.
 */
#include "workload.h"

int main(int argc, char **argv);

enum node { A_LEAF, B_LEAF, C_SELF, C_LEAF, D_COMPARE, NODES };

static uint64_t spent_ns[NODES];
static uint64_t mark_ns;

/* Everything since the mark before belongs to the node: entering and leaving included. */
static void account(enum node n)
{
	uint64_t now = thread_ns();

	spent_ns[n] += now - mark_ns;
	mark_ns = now;
}

FRAME void spin_leaf(unsigned long n)
{
	burn(n);
}

FRAME void branch_a(void)
{
	spin_leaf(4 * UNIT);
	account(A_LEAF);
}

FRAME void middle_b(void)
{
	spin_leaf(3 * UNIT);
	account(B_LEAF);
}

FRAME void branch_b(void)
{
	middle_b();
}

FRAME void branch_c(void)
{
	burn(UNIT);
	account(C_SELF);
	spin_leaf(UNIT);
	account(C_LEAF);
}

FRAME int compare_d(const void *a, const void *b)
{
	burn(UNIT);
	return *(const int *)a - *(const int *)b;
}

FRAME void sort_pair(int *pair, int (*compare)(const void *a, const void *b))
{
	int first = pair[0];

	if (compare(&pair[0], &pair[1]) > 0) {
		pair[0] = pair[1];
		pair[1] = first;
	}
}

FRAME void branch_d(void)
{
	int pair[2] = { 2, 1 };

	sort_pair(pair, compare_d);
	account(D_COMPARE);
}

FRAME void work(void)
{
	branch_a();
	branch_b();
	branch_c();
	branch_d();
}

int main(int argc, char **argv)
{
	uint64_t end, total = 0;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: cpu_tree SECONDS\n");
		return 2;
	}
	end = wall_ns() + seconds_ns(argv[1]);
	mark_ns = thread_ns();
	while (wall_ns() < end)
		work();

	for (int i = 0; i < NODES; i++)
		total += spent_ns[i];
	print_function("main", 0, total);
	print_function("work", 0, total);
	print_function("branch_a", 0, spent_ns[A_LEAF]);
	print_function("branch_b", 0, spent_ns[B_LEAF]);
	print_function("middle_b", 0, spent_ns[B_LEAF]);
	print_function("branch_c", spent_ns[C_SELF], spent_ns[C_SELF] + spent_ns[C_LEAF]);
	print_function("branch_d", 0, spent_ns[D_COMPARE]);
	print_function("sort_pair", 0, spent_ns[D_COMPARE]);
	print_function("compare_d", spent_ns[D_COMPARE], spent_ns[D_COMPARE]);
	print_function("spin_leaf", spent_ns[A_LEAF] + spent_ns[B_LEAF] + spent_ns[C_LEAF],
		spent_ns[A_LEAF] + spent_ns[B_LEAF] + spent_ns[C_LEAF]);
	print_total();
	return 0;
}
