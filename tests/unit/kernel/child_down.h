/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A child at the bottom of a recursion of code without frame pointers, as a distribution compiles,
 * whatever the test is compiled with.
 */
#ifndef PROFD_TESTS_UNIT_KERNEL_CHILD_DOWN_H
#define PROFD_TESTS_UNIT_KERNEL_CHILD_DOWN_H

#include "fixture.h"

#define DOWN_LEVELS 20 /* deep enough that no frame pointer gets through by chance */
#define PLAIN                                                                  \
	__attribute__((noinline, noclone, no_sanitize("address", "undefined"), \
		optimize("O2", "omit-frame-pointer", "no-optimize-sibling-calls")))

static volatile uint64_t down_sink;
static int told_when_down = -1; /* a byte is written here at the bottom */

PLAIN static uint64_t down(unsigned n)
{
	uint64_t r;

	if (n == 0) {
		if (told_when_down >= 0 && write(told_when_down, "x", 1) != 1)
			_exit(1);
		while (spinning)
			down_sink = down_sink * 3 + 1;
		return 1;
	}
	r = down(n - 1);
	return r * n + down_sink;
}

/* On its way there the frame pointers of the test itself may do, so it is waited for. */
static inline pid_t child_down(void)
{
	int ends[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		told_when_down = ends[1];
		down_sink += down(DOWN_LEVELS);
		_exit(0);
	}
	assert_true(pid > 0);
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	return pid;
}

#endif
