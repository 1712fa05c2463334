/* SPDX-License-Identifier: Apache-2.0 */
/* Which samples come with their registers and stack, and that these are what the child has. */
#include "child_down.h"
#include "tables.h"

static struct {
	uint32_t pid;
	uint64_t samples, windows, sound;
} watched;

static bool in_down(uint64_t address)
{
	return address - (uintptr_t)down < 512;
}

/* The child is at the bottom: its leaf is there, and a return address for each level. */
static bool is_sound(const struct stack_window *w)
{
	const uint64_t *words = (const void *)(w + 1);
	unsigned levels = 0;

	for (uint32_t i = 0; i < w->bytes / 8; i++)
		levels += in_down(words[i]);
	return in_down(w->ip) && w->start == (w->sp & ~7ULL) && levels >= DOWN_LEVELS;
}

static void on_sample(void *userdata, const struct sample_record *r)
{
	(void)userdata;
	watched.samples += r->tgid == watched.pid;
}

static void on_window(
	void *userdata, const struct sample_record *r, const struct stack_window *window)
{
	(void)userdata;
	if (r->tgid != watched.pid)
		return;
	watched.windows++;
	watched.sound += is_sound(window);
}

static void on_sideband(void *userdata, const struct sideband_event *e)
{
	(void)userdata;
	(void)e;
}

/* Counts from now on, until there are so many of either kind. */
static void watch(struct kernel *k, pid_t pid, uint64_t n)
{
	uint64_t until = cpu_ns_of(pid) + 60 * NS_PER_SEC;

	drain_all(k);
	memset(&watched, 0, sizeof(watched));
	watched.pid = (uint32_t)pid;
	while (watched.samples + watched.windows < n && cpu_ns_of(pid) < until) {
		sleep_ms(10);
		drain_all(k);
	}
	assert_true(watched.samples + watched.windows >= n);
}

static void those_whose_tables_are_not_there_come_with_their_stack(void **state)
{
	struct kernel_callbacks callbacks = { on_sideband, on_sample, NULL, on_window };
	struct kernel_options options = { .table_bytes = 16U << 20 };
	struct error error = ERROR_INIT;
	struct kernel_set_info info;
	struct test_tables tables = { 0 };
	pid_t pid = child_down();
	struct kernel *k;
	unsigned set;

	(void)state;
	if (kernel_new(&k, NULL, &options, &callbacks, &error) < 0)
		fail_msg("%s", error.text);
	tables.k = k;
	set = set_of(k, 997);
	assert_int_equal(kernel_target_pid(k, (uint32_t)pid, 1), 0);
	assert_int_equal(kernel_set_attach(k, set, 1), 0);
	watch(k, pid, 200);
	assert_int_equal(watched.samples, 0);
	/* Of its 200 samples, a few may be of the kernel on its way back from an interrupt. */
	assert_true(watched.sound * 100 >= watched.windows * 99);
	kernel_set_info(k, set, &info);
	assert_true(info.sum.windows >= 200);

	/* Frame pointers alone: nothing will be known later. */
	kernel_set_walk(k, set, KERNEL_WALK_POINTERS);
	watch(k, pid, 200);
	assert_int_equal(watched.windows, 0);

	kernel_set_walk(k, set, KERNEL_WALK_TABLES);
	tables_publish(&tables, pid);
	watch(k, pid, 200);
	assert_int_equal(watched.windows, 0);
	kernel_set_walk(k, set, KERNEL_WALK_WINDOWS);
	watch(k, pid, 200);
	assert_int_equal(watched.samples, 0);
	assert_true(watched.sound * 100 >= watched.windows * 99);
	child_end(pid);
	kernel_free(k);
}

static void a_stack_that_was_walked_again_is_counted_under_its_new_reason(void **state)
{
	struct kernel_callbacks callbacks = { on_sideband, on_sample, NULL, on_window };
	struct kernel_options options = { .table_bytes = 16U << 20 };
	struct error error = ERROR_INIT;
	struct kernel_set_info before, after;
	pid_t pid = child_down();
	struct kernel *k;
	unsigned set;

	(void)state;
	if (kernel_new(&k, NULL, &options, &callbacks, &error) < 0)
		fail_msg("%s", error.text);
	set = set_of(k, 997);
	assert_int_equal(kernel_target_pid(k, (uint32_t)pid, 1), 0);
	assert_int_equal(kernel_set_attach(k, set, 1), 0);
	watch(k, pid, 50);
	kernel_set_detach(k, set, 1);
	kernel_set_info(k, set, &before);
	kernel_set_moved(k, set, TRUNCATE_FP_END, TRUNCATE_NONE);
	kernel_set_info(k, set, &after);
	assert_int_equal(
		after.sum.truncated[TRUNCATE_NONE], before.sum.truncated[TRUNCATE_NONE] + 1);
	assert_int_equal(
		after.sum.truncated[TRUNCATE_FP_END] + 1, before.sum.truncated[TRUNCATE_FP_END]);
	child_end(pid);
	kernel_free(k);
}

static int can_load(void **state)
{
	static struct seen unused;

	(void)state;
	kernel_free(kernel_or_skip(NULL, &unused));
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(those_whose_tables_are_not_there_come_with_their_stack),
		cmocka_unit_test(a_stack_that_was_walked_again_is_counted_under_its_new_reason),
	};

	return cmocka_run_group_tests(tests, can_load, NULL);
}
