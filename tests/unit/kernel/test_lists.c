/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs know of processes: published, replaced, inherited, dropped; and the room. */
#include "child_down.h"
#include "tables.h"

#include <sys/syscall.h>
#include "kernel/internal.h"

static struct {
	uint32_t pid;
	uint64_t samples, complete, reasons[TRUNCATE_COUNT];
} watched;

static void on_sample(void *userdata, const struct sample_record *r)
{
	(void)userdata;
	if (r->tgid != watched.pid)
		return;
	watched.samples++;
	watched.reasons[r->truncated]++;
}

static void on_sideband(void *userdata, const struct sideband_event *e)
{
	(void)userdata;
	(void)e;
}

static struct kernel *kernel_with(enum kernel_store store)
{
	struct kernel_options options = { .store = store, .table_bytes = 16U << 20 };
	struct kernel_callbacks callbacks = { on_sideband, on_sample, NULL };
	struct error error = ERROR_INIT;
	struct kernel *k;

	if (kernel_new(&k, NULL, &options, &callbacks, &error) < 0)
		fail_msg("%s", error.text);
	return k;
}

static void watch(struct kernel *k, pid_t pid, uint64_t samples)
{
	uint64_t until = cpu_ns_of(pid) + 60 * NS_PER_SEC;

	drain_all(k);
	memset(&watched, 0, sizeof(watched));
	watched.pid = (uint32_t)pid;
	while (watched.samples < samples && cpu_ns_of(pid) < until) {
		sleep_ms(10);
		drain_all(k);
	}
	assert_true(watched.samples >= samples);
}

static void assert_mostly(enum truncate_reason reason)
{
	if (watched.reasons[reason] * 100 < watched.samples * 99)
		fail_msg("%llu of %llu", (unsigned long long)watched.reasons[reason],
			(unsigned long long)watched.samples);
}

static void sample(struct kernel *k, pid_t pid)
{
	assert_int_equal(kernel_target_pid(k, (uint32_t)pid, 1), 0);
	assert_int_equal(kernel_set_attach(k, set_of(k, 4999), 1), 0);
}

/* Waits until what was dropped is free again. */
static void reclaim(struct kernel *k, const struct kernel_tables_stats *as)
{
	struct kernel_tables_stats now;

	for (unsigned i = 0; i < 500; i++) {
		drain_all(k);
		kernel_tables_get_stats(k, &now);
		if (now.bytes == as->bytes)
			break;
		sleep_ms(10);
	}
	assert_memory_equal(&now, as, sizeof(now));
}

static void check_lists(enum kernel_store store)
{
	struct kernel *k = kernel_with(store);
	struct test_tables tables = { .k = k };
	struct kernel_tables_stats empty, full;
	struct kernel_set_info info;
	pid_t pid = child_down();

	kernel_tables_get_stats(k, &empty);
	sample(k, pid);
	watch(k, pid, 100);
	assert_int_equal(watched.reasons[TRUNCATE_NONE], 0);
	kernel_set_info(k, 0, &info);
	assert_true(info.sum.stacks_without_tables >= 100);

	tables_publish(&tables, pid);
	watch(k, pid, 300);
	assert_mostly(TRUNCATE_NONE);
	kernel_tables_get_stats(k, &full);
	assert_int_equal(full.processes, 1);
	assert_true(full.tables >= 2 && full.rows > 10000 && full.rules > 100);

	/* Other rules at the same addresses: nothing of the old list is believed. */
	for (unsigned i = 0; i < tables.n_mappings; i++)
		tables.mappings[i].table = KERNEL_TABLE_PENDING;
	assert_int_equal(
		kernel_process_publish(k, (uint32_t)pid, 0, tables.mappings, tables.n_mappings), 0);
	watch(k, pid, 300);
	assert_mostly(TRUNCATE_NO_TABLE_YET);
	assert_int_equal(kernel_process_publish(k, (uint32_t)pid, 0, NULL, 0), 0);
	watch(k, pid, 300);
	assert_mostly(TRUNCATE_NO_MAPPING);

	/* In use by a list, so it stays when it is dropped; until the list goes. */
	tables_publish(&tables, pid);
	reclaim(k, &full);
	for (unsigned i = 0; i < tables.n_files; i++)
		kernel_table_drop(k, tables.files[i].table);
	watch(k, pid, 300);
	assert_mostly(TRUNCATE_NONE);
	reclaim(k, &full);
	kernel_process_drop(k, (uint32_t)pid);
	watch(k, pid, 100);
	assert_int_equal(watched.reasons[TRUNCATE_NONE], 0);
	reclaim(k, &empty);
	child_end(pid);
	kernel_free(k);
}

static void lists_and_tables_come_and_go_arena(void **state)
{
	(void)state;
	check_lists(KERNEL_STORE_ARENA);
}

static void lists_and_tables_come_and_go_array(void **state)
{
	(void)state;
	check_lists(KERNEL_STORE_ARRAY);
}

/* All of the first 16 MiB behind `base`: the caller cannot be found. */
static uint32_t table_without_callers(struct kernel *k)
{
	static uint32_t rows[4097], index[4097];
	const struct unwind_rule_entry rules[] = { { 0 },
		{ .cfa = UNWIND_CFA_UNKNOWN, .cfa_offset = UNWIND_UNKNOWN_EXPRESSION } };
	const struct unwind_rule_entry other[] = { { 0 },
		{ .cfa = UNWIND_CFA_UNKNOWN, .cfa_offset = UNWIND_UNKNOWN_REGISTER } };
	static unsigned calls;
	const struct unwind_table t = {
		.rows = rows,
		.index = index,
		.rules = (struct unwind_rule_entry *)(calls++ % 2 ? other : rules),
		.n_rows = 4097,
		.n_pages = 4096,
		.n_rules = 2,
	};

	for (uint32_t i = 0; i < 4096; i++) {
		rows[i + 1] = 1;
		index[i] = i + 1;
	}
	index[4096] = 4097;
	return table_load(k, &t);
}

static void publish_one(struct kernel *k, pid_t pid, uint32_t table)
{
	uint64_t base = (uintptr_t)down & ~0xfffffULL;
	struct kernel_mapping m = { base, base + (16U << 20), base, table, 0 };

	assert_int_equal(kernel_process_publish(k, (uint32_t)pid, 0, &m, 1), 0);
}

static void rules_are_not_those_of_a_table_that_was_at_the_same_place(void **state)
{
	struct kernel *k = kernel_with(KERNEL_STORE_AUTO);
	struct kernel_tables_stats empty;
	pid_t pid = child_down();
	uint32_t table, index;

	(void)state;
	kernel_tables_get_stats(k, &empty);
	sample(k, pid);
	table = table_without_callers(k);
	index = tables_mapping(k, table).index;
	publish_one(k, pid, table);
	watch(k, pid, 300);
	assert_mostly(TRUNCATE_CFI_EXPRESSION);
	kernel_process_drop(k, (uint32_t)pid);
	kernel_table_drop(k, table);
	reclaim(k, &empty);

	table = table_without_callers(k);
	assert_int_equal(tables_mapping(k, table).index, index);
	publish_one(k, pid, table);
	watch(k, pid, 300);
	assert_mostly(TRUNCATE_CFI_REGISTER);
	child_end(pid);
	kernel_free(k);
}

static void a_list_is_that_of_one_process_not_of_its_number(void **state)
{
	struct kernel *k = kernel_with(KERNEL_STORE_AUTO);
	struct test_tables tables = { .k = k };
	pid_t pid = child_down();

	(void)state;
	sample(k, pid);
	tables_publish(&tables, pid);
	watch(k, pid, 200);
	assert_mostly(TRUNCATE_NONE);
	assert_int_equal(
		kernel_process_publish(k, (uint32_t)pid, 1, tables.mappings, tables.n_mappings), 0);
	watch(k, pid, 200);
	assert_int_equal(watched.reasons[TRUNCATE_NONE], 0);
	child_end(pid);
	kernel_free(k);
}

/* A parent that forks one child when it is told to; the child spins or execs. */
static pid_t parent_of(int go[2], int told[2], const char *exec)
{
	pid_t pid, child;
	char byte;

	assert_int_equal(pipe(go), 0);
	assert_int_equal(pipe(told), 0);
	pid = fork();
	if (pid)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (read(go[0], &byte, 1) != 1)
		_exit(1);
	child = fork();
	if (child == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (exec)
			(void)execl(exec, exec, "-c", "while :; do :; done", NULL);
		down_sink += down(DOWN_LEVELS);
		_exit(0);
	}
	if (write(told[1], &child, sizeof(child)) != (ssize_t)sizeof(child))
		_exit(1);
	(void)waitpid(child, NULL, 0);
	_exit(0);
}

static pid_t grandchild_of(struct kernel *k, pid_t parent, int go[2], int told[2])
{
	struct test_tables tables = { .k = k };
	pid_t child;

	tables_publish(&tables, parent);
	sample(k, parent);
	assert_int_equal(write(go[1], "x", 1), 1);
	assert_int_equal(read(told[0], &child, sizeof(child)), sizeof(child));
	return child;
}

static void a_child_has_the_list_of_its_parent_from_the_first_sample(void **state)
{
	struct kernel *k = kernel_with(KERNEL_STORE_AUTO);
	int go[2], told[2];
	pid_t parent = parent_of(go, told, NULL), child = grandchild_of(k, parent, go, told);

	(void)state;
	watch(k, child, 300);
	assert_mostly(TRUNCATE_NONE);
	(void)kill(child, SIGKILL);
	child_end(parent);
	kernel_free(k);
}

static void exec_ends_a_list(void **state)
{
	struct kernel *k = kernel_with(KERNEL_STORE_AUTO);
	struct kernel_set_info before, after;
	int go[2], told[2];
	pid_t parent = parent_of(go, told, "/bin/sh"), child = grandchild_of(k, parent, go, told);

	(void)state;
	sleep_ms(300);
	kernel_set_info(k, 0, &before);
	watch(k, child, 300);
	kernel_set_info(k, 0, &after);
	assert_true(after.sum.stacks_without_tables >= before.sum.stacks_without_tables + 290);
	assert_int_equal(after.sum.rule_hits, before.sum.rule_hits);
	(void)kill(child, SIGKILL);
	child_end(parent);
	kernel_free(k);
}

static void bad_lists_are_refused(void **state)
{
	struct kernel *k = kernel_with(KERNEL_STORE_AUTO);
	struct kernel_mapping m[2] = { { 0x1000, 0x3000, 0, KERNEL_TABLE_NONE, 0 },
		{ 0x2000, 0x4000, 0, KERNEL_TABLE_NONE, 0 } };
	uint32_t pid = (uint32_t)getpid();

	(void)state;
	assert_int_equal(kernel_process_publish(k, pid, 0, m, 2), -EINVAL);
	m[1].start = 0x3000;
	assert_int_equal(kernel_process_publish(k, pid, 0, m, 2), 0);
	m[1].end = m[1].start;
	assert_int_equal(kernel_process_publish(k, pid, 0, m, 2), -EINVAL);
	m[1].end = 0x5000;
	m[1].table = 0;
	assert_int_equal(kernel_process_publish(k, pid, 0, m, 2), -EINVAL);
	kernel_process_drop(k, pid);
	kernel_process_drop(k, pid);
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
		cmocka_unit_test(lists_and_tables_come_and_go_arena),
		cmocka_unit_test(lists_and_tables_come_and_go_array),
		cmocka_unit_test(rules_are_not_those_of_a_table_that_was_at_the_same_place),
		cmocka_unit_test(a_list_is_that_of_one_process_not_of_its_number),
		cmocka_unit_test(a_child_has_the_list_of_its_parent_from_the_first_sample),
		cmocka_unit_test(exec_ends_a_list),
		cmocka_unit_test(bad_lists_are_refused),
	};

	return cmocka_run_group_tests(tests, can_load, NULL);
}
