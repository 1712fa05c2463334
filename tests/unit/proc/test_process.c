/* SPDX-License-Identifier: Apache-2.0 */
/* The process table: lives told in order and out of order, read from /proc, ended and forgotten. */
#include <errno.h>
#include "process_fixture.h"

static void a_child_has_what_its_parent_had(void **state)
{
	(void)state;
	uint64_t offset;

	map(1, 0x1000, 0x2000, 0x500, 11, 10 * MS);
	fork_at(2, 1, 20 * MS);
	map(1, 0x5000, 0x6000, 0, 12, 30 * MS);
	assert_int_equal(inode_at(2, 0x1010, 21 * MS, &offset), 11);
	assert_int_equal(offset, 0x510);
	assert_int_equal(inode_at(2, 0x5000, 40 * MS, NULL), 0);
	assert_int_equal(inode_at(1, 0x5000, 40 * MS, NULL), 12);
	assert_int_equal(users_of(11), 2);
	assert_int_equal(users_of(12), 1);
}

static void an_exec_ends_all_and_the_old_image_is_still_known(void **state)
{
	(void)state;
	fork_at(2, 1, 10 * MS);
	map(2, 0x1000, 0x2000, 0, 11, 20 * MS);
	exec_at(2, 30 * MS);
	map(2, 0x1000, 0x3000, 0, 12, 31 * MS);
	assert_int_equal(inode_at(2, 0x1000, 29 * MS, NULL), 11);
	assert_int_equal(inode_at(2, 0x1000, 30 * MS, NULL), 0);
	assert_int_equal(inode_at(2, 0x1000, 31 * MS, NULL), 12);
	struct process *p = process_table_find(table, 2, 40 * MS, false);
	assert_string_equal(p->exe, "/lib/12");
	assert_string_equal(p->comm, "new");
	assert_true(p->maps_known);
	assert_int_equal(p->exec_ns, 30 * MS);
	assert_int_equal(users_of(11), 0);
	assert_int_equal(users_of(12), 1);
}

static void a_vfork_child_leaves_its_parents_image_alone(void **state)
{
	(void)state;
	map(1, 0x1000, 0x2000, 0, 11, 10 * MS);
	fork_at(2, 1, 20 * MS);
	exec_at(2, 21 * MS);
	map(2, 0x1000, 0x2000, 0, 12, 22 * MS);
	assert_int_equal(inode_at(1, 0x1000, 23 * MS, NULL), 11);
	assert_int_equal(inode_at(2, 0x1000, 23 * MS, NULL), 12);
	assert_int_equal(inode_at(2, 0x1000, 20 * MS, NULL), 11);
}

static void a_reused_pid_is_another_life(void **state)
{
	(void)state;
	fork_at(2, 1, 10 * MS);
	map(2, 0x1000, 0x2000, 0, 11, 11 * MS);
	uint32_t first = process_table_find(table, 2, 12 * MS, false)->id;
	exit_at(2, 20 * MS);
	fork_at(2, 1, 5 * SEC);
	map(2, 0x1000, 0x2000, 0, 12, 5 * SEC + MS);
	assert_int_equal(inode_at(2, 0x1000, 12 * MS, NULL), 11);
	assert_int_equal(inode_at(2, 0x1000, 5 * SEC + 2 * MS, NULL), 12);
	assert_null(process_table_find(table, 2, 3 * SEC, false));
	assert_int_not_equal(process_table_find(table, 2, 6 * SEC, false)->id, first);
	assert_int_equal(process_table_get(table, first)->until_ns, 20 * MS);
}

static void a_lost_exit_ends_with_the_next_fork_of_the_number(void **state)
{
	(void)state;
	fork_at(2, 1, 10 * MS);
	map(2, 0x1000, 0x2000, 0, 11, 11 * MS);
	fork_at(2, 1, 50 * MS);
	assert_int_equal(inode_at(2, 0x1000, 40 * MS, NULL), 11);
	assert_int_equal(inode_at(2, 0x1000, 60 * MS, NULL), 0);
	assert_int_equal(process_table_n_alive(table), 1);
	assert_int_equal(users_of(11), 0);
}

static void what_runs_in_its_exit_is_still_the_process(void **state)
{
	(void)state;
	fork_at(2, 1, 10 * MS);
	map(2, 0x1000, 0x2000, 0, 11, 11 * MS);
	uint32_t id = process_table_find(table, 2, 12 * MS, false)->id;
	exit_at(2, 20 * MS);
	assert_int_equal(process_table_find(table, 2, 20 * MS + 10, true)->id, id);
	assert_int_equal(process_table_n_alive(table), 0);
}

static void another_library_at_the_same_address_takes_its_place(void **state)
{
	(void)state;
	map(1, 0x1000, 0x4000, 0, 11, 10 * MS);
	map(1, 0x1000, 0x4000, 0, 12, 20 * MS);
	assert_int_equal(inode_at(1, 0x2000, 15 * MS, NULL), 11);
	assert_int_equal(inode_at(1, 0x2000, 20 * MS, NULL), 12);
	assert_int_equal(users_of(11), 0);
}

static void what_is_left_at_both_sides_goes_on(void **state)
{
	(void)state;
	uint64_t offset;

	map(1, 0x1000, 0x9000, 0x100, 11, 10 * MS);
	map(1, 0x3000, 0x4000, 0, 12, 20 * MS);
	assert_int_equal(inode_at(1, 0x2fff, 30 * MS, &offset), 11);
	assert_int_equal(offset, 0x100 + 0x1fff);
	assert_int_equal(inode_at(1, 0x3000, 30 * MS, NULL), 12);
	assert_int_equal(inode_at(1, 0x4000, 30 * MS, &offset), 11);
	assert_int_equal(offset, 0x100 + 0x3000);
	assert_int_equal(inode_at(1, 0x3000, 19 * MS, &offset), 11);
	assert_int_equal(offset, 0x100 + 0x2000);
	assert_int_equal(users_of(11), 1);
}

static void a_late_event_gives_way_to_newer_ones(void **state)
{
	(void)state;
	map(1, 0x3000, 0x4000, 0, 12, 20 * MS);
	map(1, 0x1000, 0x9000, 0, 11, 10 * MS);
	assert_int_equal(inode_at(1, 0x3000, 15 * MS, NULL), 11);
	assert_int_equal(inode_at(1, 0x3000, 25 * MS, NULL), 12);
	assert_int_equal(inode_at(1, 0x5000, 25 * MS, NULL), 11);
	exec_at(1, 40 * MS);
	map(1, 0xa000, 0xb000, 0, 13, 35 * MS);
	assert_int_equal(inode_at(1, 0xa000, 36 * MS, NULL), 13);
	assert_int_equal(inode_at(1, 0xa000, 41 * MS, NULL), 0);
	assert_int_equal(users_of(13), 0);
}

static void a_child_inherits_what_its_parent_told_late(void **state)
{
	(void)state;
	map(1, 0x1000, 0x2000, 0, 11, 5 * MS);
	fork_at(2, 1, 20 * MS);
	fork_at(3, 2, 21 * MS);
	map(2, 0x7000, 0x8000, 0, 14, 22 * MS);
	map(1, 0x5000, 0x6000, 0, 12, 10 * MS);
	assert_int_equal(inode_at(2, 0x5000, 23 * MS, NULL), 12);
	assert_int_equal(inode_at(2, 0x1000, 23 * MS, NULL), 11);
	assert_int_equal(inode_at(2, 0x7000, 23 * MS, NULL), 14);
	assert_int_equal(inode_at(2, 0x7000, 21 * MS, NULL), 0);
}

static void a_process_met_before_its_fork_is_the_same_one(void **state)
{
	(void)state;
	map(1, 0x1000, 0x2000, 0, 11, 5 * MS);
	map(2, 0x5000, 0x6000, 0, 12, 30 * MS);
	uint32_t id = process_table_find(table, 2, 31 * MS, false)->id;
	fork_at(2, 1, 20 * MS);
	assert_int_equal(process_table_find(table, 2, 25 * MS, false)->id, id);
	assert_int_equal(inode_at(2, 0x1000, 25 * MS, NULL), 11);
	assert_int_equal(inode_at(2, 0x5000, 31 * MS, NULL), 12);
	assert_int_equal(inode_at(2, 0x5000, 25 * MS, NULL), 0);
	assert_int_equal(process_table_n_alive(table), 2);
}

static void memory_without_a_file_is_told_apart(void **state)
{
	(void)state;
	static const char *const jit[] = { "//anon", "", "[heap]", "[stack]",
		"/memfd:jit (deleted)", "/dev/zero (deleted)", "/SYSV00000000 (deleted)",
		"anon_inode:[x]" };
	uint64_t offset, address = 0x10000;
	uint32_t module, first = TABLE_NONE;

	for (size_t i = 0; i < ARRAY_SIZE(jit); i++, address += 0x1000) {
		assert_int_equal(process_table_mmap(table, 1, address, address + 0x1000, 0x77000, 0,
					 1, i, 0, jit[i], 10 * MS),
			0);
		struct process *p = process_table_find(table, 1, 11 * MS, false);
		assert_int_equal(process_locate(p, address + 8, 11 * MS, &module, &offset), 0);
		assert_int_equal(offset, address + 8);
		assert_int_equal(module_table_get(modules, module)->kind, MODULE_JIT);
		assert_int_equal(module_table_get(modules, module)->pid, 1);
		first = first == TABLE_NONE ? module : first;
		assert_int_equal(module, first);
	}
	assert_int_equal(process_table_mmap(
				 table, 1, 0x90000, 0x92000, 0x5000, 0, 0, 0, 0, "[vdso]", 10 * MS),
		0);
	struct process *p = process_table_find(table, 1, 11 * MS, false);
	assert_int_equal(process_locate(p, 0x90010, 11 * MS, &module, &offset), 0);
	assert_int_equal(module_table_get(modules, module)->kind, MODULE_VDSO);
	assert_int_equal(offset, 0x10);
	assert_int_equal(process_table_mmap(
				 table, 1, 0xa0000, 0xa1000, 0, 0, 0, 0, 0, "[vsyscall]", 10 * MS),
		0);
	assert_int_equal(process_locate(p, 0xa0010, 11 * MS, &module, &offset), 0);
	assert_int_equal(module_table_get(modules, module)->kind, MODULE_UNKNOWN);
	assert_int_equal(process_locate(p, 0xb0000, 11 * MS, &module, &offset), -ENOENT);
}

static struct target_process_info info_of(uint32_t pid, const char *maps, uint64_t before)
{
	return (struct target_process_info){ .pid = pid,
		.before_ns = before,
		.after_ns = before + MS,
		.comm = "comm",
		.exe = "/bin/exe",
		.cmdline = "",
		.cgroup = "",
		.maps = maps,
		.maps_n = maps ? strlen(maps) : 0 };
}

static void what_proc_says_fills_in_and_what_is_newer_stays(void **state)
{
	(void)state;
	/* told by events: 11 (before the read), 12 over part of it (after the read began), and 15,
	 * which has been unmapped since */
	map(1, 0x1000, 0x3000, 0, 11, 10 * MS);
	map(1, 0x20000, 0x21000, 0, 15, 11 * MS);
	map(1, 0x2000, 0x3000, 0, 12, 60 * MS);
	struct target_process_info info = info_of(1,
		"1000-3000 r-xp 00000000 08:01 11 /lib/11\n"
		"5000-6000 r-xp 00002000 08:01 13 /lib/13\n"
		"7000-8000 r--p 00002000 08:01 14 /lib/14\n",
		50 * MS);

	assert_int_equal(process_table_read(table, &info), 0);
	assert_int_equal(inode_at(1, 0x2000, 55 * MS, NULL), 11);
	assert_int_equal(inode_at(1, 0x2000, 60 * MS, NULL), 12);
	uint64_t offset;
	assert_int_equal(inode_at(1, 0x5010, 20 * MS, &offset), 13);
	assert_int_equal(offset, 0x2010);
	assert_int_equal(inode_at(1, 0x7000, 55 * MS, NULL), 0);
	assert_int_equal(inode_at(1, 0x20000, 49 * MS, NULL), 15);
	assert_int_equal(inode_at(1, 0x20000, 50 * MS, NULL), 0);
	struct process *p = process_table_find(table, 1, 60 * MS, false);
	assert_true(p->maps_known);
	assert_string_equal(p->exe, "/bin/exe");
	assert_string_equal(p->comm, "comm");
	assert_int_equal(users_of(15), 0);
}

static void a_read_that_an_exec_overtook_changes_no_mapping(void **state)
{
	(void)state;
	fork_at(1, 9, MS);
	exec_at(1, 60 * MS);
	map(1, 0x1000, 0x2000, 0, 12, 61 * MS);
	struct target_process_info info =
		info_of(1, "1000-2000 r-xp 00000000 08:01 11 /lib/11\n", 50 * MS);
	assert_int_equal(process_table_read(table, &info), 0);
	assert_int_equal(inode_at(1, 0x1000, 62 * MS, NULL), 12);
	assert_string_equal(process_table_find(table, 1, 62 * MS, false)->exe, "/lib/12");
}

static void an_unknown_process_is_met_at_a_sample_and_read_later(void **state)
{
	(void)state;
	struct process *p = process_table_find(table, 7, 50 * MS, true);
	assert_non_null(p);
	assert_false(p->maps_known);
	struct target_process_info info =
		info_of(7, "1000-2000 r-xp 00000000 08:01 11 /lib/11\n", 70 * MS);
	assert_int_equal(process_table_read(table, &info), 0);
	/* Also the sample before, and one that comes late. */
	assert_int_equal(inode_at(7, 0x1000, 50 * MS, NULL), 11);
	assert_int_equal(inode_at(7, 0x1000, 40 * MS, NULL), 11);
	assert_int_equal(process_table_n_alive(table), 1);
}

static void the_ended_are_kept_for_a_while_and_while_referenced(void **state)
{
	(void)state;
	fork_at(2, 1, 10 * MS);
	fork_at(3, 1, 10 * MS);
	uint32_t a = process_table_find(table, 2, 11 * MS, false)->id;
	uint32_t b = process_table_find(table, 3, 11 * MS, false)->id;
	process_table_get(table, b)->n_refs = 1;
	exit_at(2, 20 * MS);
	exit_at(3, 20 * MS);
	process_table_expire(table, 5 * SEC, 100);
	assert_non_null(process_table_get(table, a));
	process_table_expire(table, 20 * MS + PROCESS_KEEP_NS, 100);
	assert_null(process_table_get(table, a));
	assert_non_null(process_table_get(table, b));
	process_table_get(table, b)->n_refs = 0;
	process_table_expire(table, 20 * MS + PROCESS_KEEP_NS, 100);
	assert_null(process_table_get(table, b));
	assert_null(process_table_find(table, 3, 11 * MS, false));
}

static void old_versions_of_mappings_go_too(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 100; i++)
		map(1, 0x1000, 0x2000, 0, 11 + i, (i + 1) * MS);
	struct process *p = process_table_find(table, 1, SEC, false);
	assert_int_equal(p->mappings.n, 100);
	process_table_expire(table, SEC + PROCESS_KEEP_NS, 100);
	assert_int_equal(p->mappings.n, 1);
	assert_int_equal(inode_at(1, 0x1000, SEC, NULL), 110);
}

static void the_same_mapping_told_twice_changes_nothing(void **state)
{
	(void)state;
	map(1, 0x1000, 0x4000, 0x1000, 11, 10 * MS);
	struct process *p = process_table_find(table, 1, SEC, false);
	uint32_t epoch = p->epoch;
	map(1, 0x2000, 0x3000, 0x2000, 11, 20 * MS);
	assert_int_equal(p->epoch, epoch);
	assert_int_equal(p->mappings.n, 1);
}

static void a_full_table_makes_room_from_the_ended(void **state)
{
	(void)state;
	for (uint32_t pid = 1; pid <= 65536; pid++)
		fork_at(pid, 0, pid * 10);
	assert_int_equal(process_table_fork(table, 70000, 0, SEC), -E2BIG);
	for (uint32_t pid = 1; pid <= 65536; pid++)
		exit_at(pid, SEC);
	fork_at(70000, 0, SEC + 1);
	assert_int_equal(process_table_n_alive(table), 1);
}

/* Who asks for a process wants its grandchildren too, long after the child between has gone. */
static void a_parent_is_known_as_long_as_its_children(void **state)
{
	struct process *child, *grandchild;
	uint64_t late = 100 * PROCESS_KEEP_NS;

	(void)state;
	assert_non_null(process_table_find(table, 10, 5, true));
	fork_at(12, 10, 10);
	fork_at(13, 12, 20);
	exit_at(12, 30);
	process_table_expire(table, late, 100);
	grandchild = process_table_find(table, 13, late, false);
	assert_non_null(grandchild);
	child = process_table_get(table, grandchild->parent);
	assert_non_null(child);
	assert_int_equal(child->pid, 12);
	exit_at(13, late);
	for (unsigned i = 0; i < 4; i++)
		process_table_expire(table, 2 * late, 100);
	assert_null(process_table_find(table, 13, late - 1, false));
	assert_null(process_table_find(table, 12, 25, false));
}

/* ---- runtimes ---- */

static void interpreters_are_recognised_with_their_switch(void **state)
{
	(void)state;
	static const char perf[] = "python3\0-X\0perf\0x.py";

	assert_string_equal(process_runtime("/usr/bin/python3.11", "", 0).name, "cpython");
	assert_non_null(strstr(process_runtime("/usr/bin/python3.11", "", 0).hint, "-X perf"));
	assert_string_equal(process_runtime("/usr/bin/python3.12", perf, sizeof(perf)).hint, "");
	assert_string_equal(process_runtime("/usr/bin/node", "", 0).name, "node");
	assert_non_null(strstr(process_runtime("/usr/bin/node", "", 0).hint, "--perf-basic-prof"));
	assert_string_equal(process_runtime("/opt/jdk/bin/java", "", 0).name, "jvm");
	assert_string_equal(process_runtime("/usr/bin/pythonista", "", 0).name, "");
	assert_string_equal(process_runtime("/bin/bash", "", 0).name, "");
	assert_string_equal(process_runtime("", "", 0).hint, "");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_child_has_what_its_parent_had),
		T(an_exec_ends_all_and_the_old_image_is_still_known),
		T(a_vfork_child_leaves_its_parents_image_alone),
		T(a_reused_pid_is_another_life),
		T(a_lost_exit_ends_with_the_next_fork_of_the_number),
		T(what_runs_in_its_exit_is_still_the_process),
		T(another_library_at_the_same_address_takes_its_place),
		T(what_is_left_at_both_sides_goes_on),
		T(a_late_event_gives_way_to_newer_ones),
		T(a_child_inherits_what_its_parent_told_late),
		T(a_process_met_before_its_fork_is_the_same_one),
		T(memory_without_a_file_is_told_apart),
		T(what_proc_says_fills_in_and_what_is_newer_stays),
		T(a_read_that_an_exec_overtook_changes_no_mapping),
		T(an_unknown_process_is_met_at_a_sample_and_read_later),
		T(the_ended_are_kept_for_a_while_and_while_referenced),
		T(old_versions_of_mappings_go_too),
		T(the_same_mapping_told_twice_changes_nothing),
		T(a_full_table_makes_room_from_the_ended),
		T(a_parent_is_known_as_long_as_its_children),
		T(interpreters_are_recognised_with_their_switch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
