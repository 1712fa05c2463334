/* SPDX-License-Identifier: Apache-2.0 */
/* Samples of real processes: as many as the rate and the CPU time say, and every one accounted for.
 */
#include "fixture.h"

static struct seen seen;

/* cpu-clock is periodic, so the count deviates by less than a Poisson count would: five of its
 * standard deviations, plus one at each end; and what did not run may have been of this process. */
static void assert_rate(uint64_t samples, uint64_t not_run, uint32_t freq_hz, uint64_t cpu_ns)
{
	double expected = (double)freq_hz * (double)cpu_ns / 1e9, bound = 2;

	while ((bound - 2) * (bound - 2) < 25 * expected)
		bound++;
	if ((double)(samples + not_run) < expected - bound || (double)samples > expected + bound)
		fail_msg("%llu samples, expected %.1f +- %.1f", (unsigned long long)samples,
			expected, bound);
}

static void check_rate(uint32_t freq_hz)
{
	struct kernel *k = kernel_or_skip(NULL, &seen);
	struct kernel_set_info info;
	pid_t pid = child_spin();
	unsigned set = set_of(k, freq_hz);
	uint64_t before, after;

	assert_int_equal(kernel_target_pid(k, (uint32_t)pid, 1), 0);
	assert_int_equal(kernel_target_of(k, (uint32_t)pid), 1);
	before = cpu_ns_of(pid);
	assert_int_equal(kernel_set_attach(k, set, 1), 0);
	run_for(k, pid, NS_PER_SEC);
	kernel_set_detach(k, set, 1);
	after = cpu_ns_of(pid);
	drain_all(k);
	kernel_set_info(k, set, &info);
	child_end(pid);

	assert_accounted(&info);
	assert_false(info.active);
	assert_int_equal(info.sum.stored, seen.samples);
	assert_int_equal(seen_of(&seen, pid), seen.samples);
	assert_int_equal(seen.unknown, 0);
	assert_true(seen.samples > 50 && seen.with_user * 100 >= seen.samples * 99);
	assert_rate(seen.samples, info.not_run, freq_hz, after - before);
	kernel_free(k);
}

static void one_process_at_99_hz_gives_as_many_samples_as_its_cpu_time_says(void **state)
{
	(void)state;
	check_rate(99);
}

static void one_process_at_999_hz_gives_as_many_samples_as_its_cpu_time_says(void **state)
{
	(void)state;
	check_rate(999);
}

static void every_sample_of_a_ring_that_nobody_reads_is_counted(void **state)
{
	struct kernel_options options = { .ring_bytes = 4096 };
	struct kernel *k = kernel_or_skip(&options, &seen);
	struct kernel_set_info info;
	pid_t pid = child_spin();
	unsigned set = set_of(k, 999);

	(void)state;
	assert_int_equal(kernel_target_pid(k, (uint32_t)pid, 1), 0);
	assert_int_equal(kernel_set_attach(k, set, 1), 0);
	do {
		run_for(NULL, pid, NS_PER_SEC / 5);
		kernel_set_info(k, set, &info);
	} while (info.sum.stored + info.sum.dropped[DROP_RING_FULL] < 300);
	kernel_set_detach(k, set, 1);
	drain_all(k);
	kernel_set_info(k, set, &info);
	child_end(pid);

	assert_accounted(&info);
	assert_int_equal(info.sum.stored, seen.samples);
	assert_true(info.sum.stored > 0);
	assert_true(info.sum.dropped[DROP_RING_FULL] > 200);
	assert_int_equal(seen.unknown, 0);
	kernel_free(k);
}

static void all_processes_are_accounted_for_at_the_highest_rate(void **state)
{
	struct kernel *k = kernel_or_skip(NULL, &seen);
	struct kernel_set_info info;
	pid_t pid = child_spin();
	unsigned set = set_of(k, 10000);

	(void)state;
	kernel_target_all(k, 1ULL << 63, true);
	assert_int_equal(kernel_set_attach(k, set, 1ULL << 63), 0);
	run_until(k, &seen, pid, 2000);
	kernel_set_detach(k, set, 1ULL << 63);
	drain_all(k);
	kernel_set_info(k, set, &info);
	child_end(pid);

	assert_accounted(&info);
	assert_int_equal(info.sum.stored, seen.samples);
	assert_int_equal(info.sum.filtered, 0);
	assert_int_equal(info.sum.dropped[DROP_RING_FULL], 0);
	assert_true(kernel_bpf_ns(k) >= info.sum.own_ns);
	kernel_free(k);
}

static void two_rates_at_once_keep_their_own_samples(void **state)
{
	struct kernel *k = kernel_or_skip(NULL, &seen);
	struct kernel_set_info slow, fast;
	pid_t one = child_spin(), two = child_spin();
	unsigned set_slow = set_of(k, 99), set_fast = set_of(k, 997);
	uint64_t before, after;

	(void)state;
	assert_int_not_equal(set_slow, set_fast);
	assert_int_equal(set_of(k, 99), set_slow);
	assert_int_equal(kernel_target_pid(k, (uint32_t)one, 1), 0);
	assert_int_equal(kernel_target_pid(k, (uint32_t)two, 2), 0);
	assert_int_equal(kernel_set_attach(k, set_slow, 1), 0);
	before = cpu_ns_of(two);
	assert_int_equal(kernel_set_attach(k, set_fast, 2), 0);
	run_for(k, two, NS_PER_SEC / 2);
	kernel_set_detach(k, set_fast, 2);
	after = cpu_ns_of(two);
	kernel_set_detach(k, set_slow, 1);
	drain_all(k);
	kernel_set_info(k, set_slow, &slow);
	kernel_set_info(k, set_fast, &fast);
	child_end(one);
	child_end(two);

	assert_accounted(&slow);
	assert_accounted(&fast);
	assert_int_equal(seen.by_set[set_slow], seen_of(&seen, one));
	assert_int_equal(seen.by_set[set_fast], seen_of(&seen, two));
	assert_rate(seen_of(&seen, two), fast.not_run, 997, after - before);
	kernel_free(k);
}

static void samples_of_one_attachment_end_when_it_is_forgotten_and_others_go_on(void **state)
{
	struct kernel *k = kernel_or_skip(NULL, &seen);
	pid_t one = child_spin(), two = child_spin();
	unsigned set = set_of(k, 999);
	uint64_t had;

	(void)state;
	assert_int_equal(kernel_target_pid(k, (uint32_t)one, 1), 0);
	assert_int_equal(kernel_target_pid(k, (uint32_t)two, 2), 0);
	assert_int_equal(kernel_target_pid(k, (uint32_t)two, 1), 0);
	assert_int_equal(kernel_set_attach(k, set, 1), 0);
	assert_int_equal(kernel_set_attach(k, set, 2), 0);
	run_until(k, &seen, one, 20);
	kernel_target_forget(k, 1);
	kernel_set_detach(k, set, 1);
	assert_int_equal(kernel_target_of(k, (uint32_t)one), 0);
	assert_int_equal(kernel_target_of(k, (uint32_t)two), 2);
	drain_all(k);
	had = seen_of(&seen, one);
	assert_true(had > 0);
	run_until(k, &seen, two, seen_of(&seen, two) + 50);
	assert_int_equal(seen_of(&seen, one), had);
	kernel_set_detach(k, set, 2);
	child_end(one);
	child_end(two);
	kernel_free(k);
}

static void forgotten_stacks_are_sent_again(void **state)
{
	struct kernel *k = kernel_or_skip(NULL, &seen);
	pid_t pid = child_spin();
	unsigned set = set_of(k, 999);
	uint64_t had;

	(void)state;
	kernel_set_walk(k, set, KERNEL_WALK_POINTERS);
	assert_int_equal(kernel_target_pid(k, (uint32_t)pid, 1), 0);
	assert_int_equal(kernel_set_attach(k, set, 1), 0);
	run_until(k, &seen, pid, 200);
	had = seen.stacks;
	/* One hot loop: nearly every sample names a stack that was sent before. */
	assert_true(had > 0 && had * 4 < seen.samples);
	kernel_forget_stacks(k);
	drain_all(k);
	memset(seen.hashes, 0, sizeof(seen.hashes));
	seen.unknown = 0;
	run_until(k, &seen, pid, 400);
	assert_true(seen.stacks > had);
	assert_in_range(seen.unknown, 0, 2);
	kernel_set_detach(k, set, 1);
	child_end(pid);
	kernel_free(k);
}

static void a_ninth_rate_is_refused_and_an_unknown_event_is_named(void **state)
{
	struct kernel *k = kernel_or_skip(NULL, &seen);
	struct error error = ERROR_INIT;
	unsigned set;

	(void)state;
	for (uint32_t i = 0; i < ABI_EVENT_SETS; i++) {
		set = set_of(k, 100 + i);
		assert_int_equal(set, i);
		assert_int_equal(kernel_set_attach(k, set, 1), 0);
	}
	assert_int_equal(kernel_set_get(k, "cpu-clock", 500, &set, &error), -ENOSPC);
	assert_int_not_equal(error.text[0], 0);
	kernel_set_detach(k, 3, 1);
	assert_int_equal(set_of(k, 500), 3);

	error = (struct error)ERROR_INIT;
	assert_int_equal(kernel_set_get(k, "cycels", 99, &set, &error), -EOPNOTSUPP);
	assert_non_null(strstr(error.text, "cycles"));
	error = (struct error)ERROR_INIT;
	assert_int_equal(kernel_set_get(k, "cpu-clock", 20000, &set, &error), -EINVAL);
	kernel_free(k);
}

static void samples_come_by_themselves_where_there_is_a_loop(void **state)
{
	sd_event *event = NULL;
	struct kernel *k;
	pid_t pid = child_spin();
	uint64_t until;

	(void)state;
	assert_true(sd_event_new(&event) >= 0);
	k = kernel_on_loop_or_skip(event, NULL, &seen);
	assert_int_equal(kernel_target_pid(k, (uint32_t)pid, 1), 0);
	assert_int_equal(kernel_set_attach(k, set_of(k, 99), 1), 0);
	until = cpu_ns_of(pid) + 60 * NS_PER_SEC;
	while (seen.samples < 50 && cpu_ns_of(pid) < until)
		assert_true(sd_event_run(event, 1000000) >= 0);
	assert_true(seen.samples >= 50);
	child_end(pid);
	kernel_free(k);
	sd_event_unref(event);
}

static int reset(void **state)
{
	(void)state;
	memset(&seen, 0, sizeof(seen));
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			one_process_at_99_hz_gives_as_many_samples_as_its_cpu_time_says, reset),
		cmocka_unit_test_setup(
			one_process_at_999_hz_gives_as_many_samples_as_its_cpu_time_says, reset),
		cmocka_unit_test_setup(every_sample_of_a_ring_that_nobody_reads_is_counted, reset),
		cmocka_unit_test_setup(all_processes_are_accounted_for_at_the_highest_rate, reset),
		cmocka_unit_test_setup(samples_come_by_themselves_where_there_is_a_loop, reset),
		cmocka_unit_test_setup(two_rates_at_once_keep_their_own_samples, reset),
		cmocka_unit_test_setup(
			samples_of_one_attachment_end_when_it_is_forgotten_and_others_go_on, reset),
		cmocka_unit_test_setup(forgotten_stacks_are_sent_again, reset),
		cmocka_unit_test_setup(
			a_ninth_rate_is_refused_and_an_unknown_event_is_named, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
