/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process table: scripted lives, then random ones against a model that is too simple to be
 * wrong: it sorts all events by time and replays them page by page.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "base/cleanup.h"
#include "proc/module.h"
#include "proc/process.h"

#define MS  1000000ULL
#define SEC (1000 * MS)

static struct module_table *modules;
static struct process_table *table;

static int setup(void **state)
{
	(void)state;
	return module_table_new(&modules) < 0 || process_table_new(&table, modules) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	table = process_table_free(table);
	modules = module_table_free(modules);
	return 0;
}

static void map(
	uint32_t pid, uint64_t start, uint64_t end, uint64_t offset, uint64_t inode, uint64_t time)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/lib/%" PRIu64, inode);
	assert_int_equal(
		process_table_mmap(table, pid, start, end, offset, 8, 1, inode, 0, path, time), 0);
}

static void fork_at(uint32_t pid, uint32_t ppid, uint64_t time)
{
	assert_int_equal(process_table_fork(table, pid, ppid, time), 0);
}

static void exec_at(uint32_t pid, uint64_t time)
{
	assert_int_equal(process_table_comm(table, pid, pid, "new", true, time), 0);
}

static void exit_at(uint32_t pid, uint64_t time)
{
	assert_int_equal(process_table_exit(table, pid, time), 0);
}

/* Inode of the file at the address, 0: nothing; with the offset checked against what is wanted. */
static uint64_t inode_at(uint32_t pid, uint64_t address, uint64_t time, uint64_t *ret_offset)
{
	struct process *p = process_table_find(table, pid, time, false);
	uint64_t offset;
	uint32_t module;

	if (!p || process_locate(p, address, time, &module, &offset) < 0)
		return 0;
	if (ret_offset)
		*ret_offset = offset;
	return module_table_get(modules, module)->inode;
}

static uint32_t users_of(uint64_t inode)
{
	return module_table_file(modules, 8, 1, inode, 0, "")->n_processes;
}

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

/* ---- against a model ---- */

enum { PAGES = 24, PIDS = 4, EVENTS = 60, FILES = 6 };
enum event_kind { EVENT_MAP, EVENT_EXEC, EVENT_FORK, EVENT_EXIT };

struct event {
	enum event_kind kind;
	uint32_t pid, ppid;
	uint64_t start, end, inode, offset, time;
};

/* What page maps to: the file, and the page of the file that is at page 0 of the address space. */
struct model_page {
	uint64_t inode;
	int64_t bias;
};
struct model {
	bool alive[PIDS + 1];
	struct model_page pages[PIDS + 1][PAGES];
};

static void model_apply(struct model *m, const struct event *e)
{
	switch (e->kind) {
	case EVENT_MAP:
		for (uint64_t i = e->start; i < e->end; i++)
			m->pages[e->pid][i] = (struct model_page){ e->inode,
				(int64_t)e->offset - (int64_t)e->start };
		break;
	case EVENT_EXEC:
		memset(m->pages[e->pid], 0, sizeof(m->pages[e->pid]));
		break;
	case EVENT_FORK:
		m->alive[e->pid] = true;
		memcpy(m->pages[e->pid], m->pages[e->ppid], sizeof(m->pages[0]));
		break;
	case EVENT_EXIT:
		m->alive[e->pid] = false;
		break;
	}
}

static uint64_t random_state;
static uint64_t rnd(uint64_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 11) % n;
}

/* A story that can happen: pid 1 lives throughout; times are 10 ms apart in seconds' steps on
 * reuse. */
static void make_story(struct event *events)
{
	bool alive[PIDS + 1] = { [1] = true };
	uint64_t time = 10 * SEC;

	for (size_t i = 0; i < EVENTS; i++) {
		struct event *e = &events[i];
		uint32_t pid = 1 + (uint32_t)rnd(PIDS);

		time += 1 + rnd(3);
		*e = (struct event){ .pid = pid, .time = time };
		if (!alive[pid]) {
			do
				e->ppid = 1 + (uint32_t)rnd(PIDS);
			while (!alive[e->ppid]);
			e->kind = EVENT_FORK;
			alive[pid] = true;
		} else if (pid != 1 && rnd(8) == 0) {
			e->kind = EVENT_EXIT;
			alive[pid] = false;
			time += 2 * SEC;
		} else if (rnd(10) == 0) {
			e->kind = EVENT_EXEC;
		} else {
			e->kind = EVENT_MAP;
			e->start = rnd(PAGES - 1);
			e->end = e->start + 1 + rnd(MIN((uint64_t)8, PAGES - e->start));
			e->inode = 1 + rnd(FILES);
			/* No two alike: what is told again is not news. */
			e->offset = 100 * i;
		}
	}
}

static void tell(const struct event *e)
{
	switch (e->kind) {
	case EVENT_MAP:
		map(e->pid, (e->start + 1) << 12, (e->end + 1) << 12, e->offset << 12, e->inode,
			e->time);
		break;
	case EVENT_EXEC:
		exec_at(e->pid, e->time);
		break;
	case EVENT_FORK:
		fork_at(e->pid, e->ppid, e->time);
		break;
	case EVENT_EXIT:
		exit_at(e->pid, e->time);
		break;
	}
}

static void compare(const struct model *m, uint64_t time, uint64_t seed)
{
	for (uint32_t pid = 1; pid <= PIDS; pid++)
		for (uint64_t page = 0; m->alive[pid] && page < PAGES; page++) {
			const struct model_page *want = &m->pages[pid][page];
			uint64_t offset = 0;
			uint64_t got = inode_at(pid, (page + 1) << 12, time, &offset);

			if (got != want->inode ||
				(got != 0 && offset != (uint64_t)((int64_t)page + want->bias)
							       << 12))
				fail_msg("seed %" PRIu64 " pid %u page %" PRIu64 " time %" PRIu64
					 ": inode %" PRIu64 ", not %" PRIu64,
					seed, pid, page, time, got, want->inode);
		}
}

/* `late`: each event may be told after up to that many that follow it and are of the same life. */
static void replay_against_model(uint64_t seed, size_t late)
{
	struct event events[EVENTS], told[EVENTS];
	struct model m = { .alive = { [1] = true } };

	random_state = seed * 0x9e3779b97f4a7c15ULL + 1;
	make_story(events);
	memcpy(told, events, sizeof(told));
	for (size_t i = 0; late > 0 && i + 1 < EVENTS; i++) {
		size_t j = i + rnd(MIN(late, EVENTS - 1 - i) + 1);
		bool mappings = true;

		/* Only what a life does between its fork and its exit changes places. */
		for (size_t k = i; k <= j; k++)
			mappings &= told[k].kind == EVENT_MAP || told[k].kind == EVENT_EXEC;
		if (!mappings)
			continue;
		struct event moved = told[i];
		memmove(&told[i], &told[i + 1], (j - i) * sizeof(moved));
		told[j] = moved;
	}
	/* Pid 1 is there from the beginning. */
	fork_at(1, 0, 9 * SEC);
	for (size_t i = 0; i < EVENTS; i++)
		tell(&told[i]);
	for (size_t i = 0; i < EVENTS; i++) {
		model_apply(&m, &events[i]);
		if (i + 1 == EVENTS || events[i + 1].time > events[i].time)
			compare(&m, events[i].time, seed);
	}
	for (uint64_t inode = 1; inode <= FILES; inode++) {
		uint32_t users = 0;

		for (uint32_t pid = 1; pid <= PIDS; pid++)
			for (uint64_t page = 0; page < PAGES; page++)
				if (m.alive[pid] && m.pages[pid][page].inode == inode) {
					users++;
					break;
				}
		assert_int_equal(users_of(inode), users);
	}
}

static void random_lives_are_as_the_model_has_them(void **state)
{
	for (uint64_t seed = 1; seed <= 400; seed++) {
		replay_against_model(seed, 0);
		teardown(state);
		assert_int_equal(setup(state), 0);
	}
}

static void the_order_of_arrival_makes_no_difference(void **state)
{
	for (uint64_t seed = 1; seed <= 400; seed++) {
		replay_against_model(seed, 4);
		teardown(state);
		assert_int_equal(setup(state), 0);
	}
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
		T(random_lives_are_as_the_model_has_them),
		T(the_order_of_arrival_makes_no_difference),
		T(interpreters_are_recognised_with_their_switch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
