/* SPDX-License-Identifier: Apache-2.0 */
/* Samples of real processes: as many as the rate and the CPU time say, and every one accounted for. */
#include "fixture.h"

static struct seen seen;

static unsigned set_of(struct kernel *k, uint32_t freq_hz)
{
	struct error error = ERROR_INIT;
	unsigned set = 99;

	if (kernel_set_get(k, "cpu-clock", freq_hz, &set, &error) < 0)
		fail_msg("%s", error.text);
	return set;
}

/* cpu-clock is periodic, so the count deviates by less than a Poisson count would: five of its
 * standard deviations, plus one at each end. */
static void assert_rate(uint64_t samples, uint32_t freq_hz, uint64_t cpu_ns)
{
	double expected = (double)freq_hz * (double)cpu_ns / 1e9, bound = 2;

	while ((bound - 2) * (bound - 2) < 25 * expected)
		bound++;
	if ((double)samples < expected - bound || (double)samples > expected + bound)
		fail_msg("%llu samples, expected %.1f +- %.1f", (unsigned long long)samples, expected,
			bound);
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
	assert_true(seen.with_user * 100 >= seen.samples * 99);
	assert_true(info.not_run * 20 <= info.triggered);
	assert_rate(seen.samples, freq_hz, after - before);
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
