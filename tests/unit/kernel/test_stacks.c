/* SPDX-License-Identifier: Apache-2.0 */
/* Frame pointer stacks of real processes: depth, the cut at 1024, and who owns the sample. */
#include "fixture.h"

#include <grp.h>

#define FRAME_POINTER __attribute__((noinline, noclone, optimize("no-omit-frame-pointer")))

static struct seen seen;

FRAME_POINTER static void deep(volatile unsigned n)
{
	if (n)
		deep(n - 1);
	else
		spin();
	/* Keeps the call from being a jump. */
	__asm__ volatile("" ::: "memory");
}

static pid_t child_deep(unsigned n)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		deep(n);
	}
	assert_true(pid > 0);
	return pid;
}

static void sample_child(pid_t pid)
{
	struct kernel *k;
	unsigned set;

	memset(&seen, 0, sizeof(seen));
	k = kernel_or_skip(NULL, &seen);
	set = set_of(k, 999);
	assert_int_equal(kernel_target_pid(k, (uint32_t)pid, 1), 0);
	assert_int_equal(kernel_set_attach(k, set, 1), 0);
	run_until(k, &seen, pid, 100);
	kernel_set_detach(k, set, 1);
	drain_all(k);
	kernel_free(k);
	child_end(pid);
}

/* How often the commonest frame is in the deepest stack. */
static unsigned recursion_seen(void)
{
	unsigned most = 0;

	for (unsigned i = 0; i < seen.n_frames; i++) {
		unsigned n = 0;

		for (unsigned j = 0; j < seen.n_frames; j++)
			n += seen.frames[j] == seen.frames[i];
		most = n > most ? n : most;
	}
	return most;
}

static void a_recursion_of_300_is_seen_with_every_frame(void **state)
{
	(void)state;
	sample_child(child_deep(300));
	assert_int_equal(recursion_seen(), 300);
	assert_true(seen.n_frames > 301 && seen.n_frames < 340);
}

static void a_stack_deeper_than_1024_keeps_its_leaf_side_and_says_so(void **state)
{
	(void)state;
	sample_child(child_deep(1500));
	assert_int_equal(seen.n_frames, ABI_USER_FRAMES);
	assert_int_equal(seen.pids[0].last_reason, TRUNCATE_DEPTH);
	assert_true(recursion_seen() >= ABI_USER_FRAMES - 2);
}

static pid_t child_of_user(int dumpable)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (setgroups(0, NULL) || setresgid(4242, 4242, 4242) ||
			setresuid(4243, 4243, 4243))
			_exit(1);
		(void)prctl(PR_SET_DUMPABLE, dumpable);
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		spin();
	}
	(void)close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	(void)close(ready[0]);
	return pid;
}

static void the_owner_is_the_user_that_every_credential_names(void **state)
{
	(void)state;
	sample_child(child_of_user(1));
	assert_int_equal(seen.pids[0].owner_uid, 4243);
}

static void a_process_that_is_not_dumpable_belongs_to_nobody(void **state)
{
	(void)state;
	sample_child(child_of_user(0));
	assert_int_equal(seen.pids[0].owner_uid, OWNER_NOBODY);
}

static void a_process_with_capabilities_belongs_to_nobody(void **state)
{
	(void)state;
	sample_child(child_spin());
	assert_int_equal(seen.pids[0].owner_uid, OWNER_NOBODY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_recursion_of_300_is_seen_with_every_frame),
		cmocka_unit_test(a_stack_deeper_than_1024_keeps_its_leaf_side_and_says_so),
		cmocka_unit_test(the_owner_is_the_user_that_every_credential_names),
		cmocka_unit_test(a_process_that_is_not_dumpable_belongs_to_nobody),
		cmocka_unit_test(a_process_with_capabilities_belongs_to_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
