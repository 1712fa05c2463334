/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who gets a table when, and what becomes of those that cannot be had. The workers, the store of
 * the programs and the clock are played here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "unwind_tables.h"

/* The top floor is no library: what it needs of its neighbour, which of these to drop. */
#include "unwind_list.c"

#define MODULES 12
#define ROOMS	64

/* What the workers and the store were asked for, and what they are to say. */
static struct {
	unwind_source_fn done;
	void *userdata;
	uint32_t asked[ROOMS]; /* modules whose build is under way */
	unsigned n_asked, n_built, trims;
	int build_error;

	int check; /* of kernel_table_check() */
	unsigned checks, check_turns;
	unsigned rooms, used; /* tables that there is place for, and that have one */
	bool has_room[ROOMS];
	unsigned copies, copy_turns;

	uint64_t now_ns;
	uint32_t ready[ROOMS];
	unsigned n_ready, wakes, asked_for_room;
} world;

static struct unwind_tables *tables;
static struct module_table *modules;
static uint32_t ids[MODULES];

uint64_t clock_monotonic_ns(void)
{
	return world.now_ns += NS_PER_US;
}

/* ---- the workers ---- */

struct unwind_source {
	int unused;
};

int unwind_source_new(
	struct unwind_source **ret, sd_event *event, struct target_io *io, unsigned max_workers)
{
	(void)event;
	(void)io;
	(void)max_workers;
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

struct unwind_source *unwind_source_free(struct unwind_source *s)
{
	free(s);
	return NULL;
}

void unwind_source_get_stats(struct unwind_source *s, struct helper_stats *ret)
{
	(void)s;
	*ret = (struct helper_stats){ 0 };
}

void unwind_source_trim(struct unwind_source *s)
{
	(void)s;
	world.trims++;
}

void unwind_answer_deinit(struct unwind_answer *a)
{
	free(a->map);
	*a = (struct unwind_answer){ 0 };
}

int unwind_source_build(
	struct unwind_source *s, struct module *module, unwind_source_fn done, void *userdata)
{
	(void)s;
	if (world.build_error)
		return world.build_error;
	world.done = done;
	world.userdata = userdata;
	world.asked[world.n_asked++] = module->id;
	return 0;
}

/* A worker has answered about the module that it was asked for first. */
static uint32_t answer(int error)
{
	struct unwind_header *h = calloc(1, sizeof(*h));
	struct unwind_answer a = { .view.header = h, .map = h, .map_n = sizeof(*h) };
	uint32_t module = world.asked[0];

	assert_non_null(h);
	assert_true(world.n_asked > 0);
	memmove(world.asked, world.asked + 1, --world.n_asked * sizeof(world.asked[0]));
	h->n_rows = 1000;
	h->n_pages = 10;
	h->n_rules = 1;
	world.n_built++;
	if (error < 0)
		unwind_answer_deinit(&a);
	world.done(world.userdata, module, error, &a);
	unwind_answer_deinit(&a);
	return module;
}

/* ---- the store ---- */

int kernel_table_check(const struct kernel_table_view *view, uint32_t *page, uint64_t budget_ns)
{
	assert_int_equal(view->n_rows, 1000);
	assert_true(budget_ns > 0);
	world.checks++;
	if (*page < world.check_turns) {
		++*page;
		return 0;
	}
	return world.check;
}

int kernel_table_begin(struct kernel *k, const struct kernel_table_view *view, uint32_t *ret_table)
{
	(void)k;
	(void)view;
	if (world.used == world.rooms)
		return -ENOSPC;
	for (uint32_t i = 0; i < ROOMS; i++) {
		if (!world.has_room[i]) {
			world.has_room[i] = true;
			world.used++;
			*ret_table = i;
			return 0;
		}
	}
	return -ENOSPC;
}

int kernel_table_copy(struct kernel *k, uint32_t table, uint64_t budget_ns)
{
	(void)k;
	(void)budget_ns;
	assert_true(world.has_room[table]);
	return ++world.copies > world.copy_turns;
}

void kernel_table_drop(struct kernel *k, uint32_t table)
{
	(void)k;
	assert_true(world.has_room[table]);
	world.has_room[table] = false;
	world.used--;
}

/* ---- who asks ---- */

static void on_ready(void *userdata, uint32_t module)
{
	(void)userdata;
	world.ready[world.n_ready++] = module;
}

static void on_wake(void *userdata)
{
	(void)userdata;
	world.wakes++;
}

static bool make_room(void *userdata)
{
	(void)userdata;
	world.asked_for_room++;
	return false;
}

static int begin(void **state)
{
	struct unwind_tables_rooms rooms = {
		.ready = on_ready, .wake = on_wake, .make_room = make_room
	};

	(void)state;
	memset(&world, 0, sizeof(world));
	world.now_ns = NS_PER_SEC;
	world.check = 1;
	world.rooms = ROOMS;
	if (module_table_new(&modules) < 0)
		return -1;
	for (unsigned i = 0; i < MODULES; i++)
		ids[i] = module_table_file(modules, 8, 1, i + 1, 0, "/usr/lib/libx.so")->id;
	rooms.modules = modules;
	return unwind_tables_new(&tables, &rooms);
}

static int end(void **state)
{
	(void)state;
	tables = unwind_tables_free(tables);
	modules = module_table_free(modules);
	return 0;
}

static uint64_t work(void)
{
	return unwind_tables_work(tables, world.now_ns + 10 * NS_PER_SEC);
}

static struct unwind_tables_stats stats(void)
{
	struct unwind_tables_stats s;

	unwind_tables_get_stats(tables, &s);
	return s;
}

/* Asks for it and has it built. */
static void have(uint32_t module)
{
	assert_true(unwind_tables_want(tables, module));
	(void)work();
	assert_int_equal(answer(0), module);
	assert_int_equal(work(), UINT64_MAX);
	assert_true(unwind_tables_is_whole(tables, module));
}

/* ---- the tests ---- */

static void a_table_is_built_once_and_told_of_when_it_is_whole(void **state)
{
	(void)state;
	assert_null(unwind_tables_place(tables, ids[0]));
	assert_true(unwind_tables_want(tables, ids[0]));
	assert_true(unwind_tables_want(tables, ids[0]));
	assert_true(world.wakes > 0);
	assert_int_equal(unwind_tables_place(tables, ids[0])->table, KERNEL_TABLE_PENDING);
	assert_int_equal(work(), UINT64_MAX);
	assert_int_equal(world.n_asked, 1);
	assert_true(unwind_tables_is_pending(tables, ids[0]));
	(void)answer(0);
	assert_int_equal(world.n_ready, 0);
	assert_int_equal(work(), UINT64_MAX);
	assert_int_equal(world.n_ready, 1);
	assert_int_equal(world.ready[0], ids[0]);
	assert_true(unwind_tables_is_whole(tables, ids[0]));
	assert_true(unwind_tables_place(tables, ids[0])->table < KERNEL_TABLE_PENDING);
	assert_false(unwind_tables_want(tables, ids[0]));
	assert_int_equal(stats().built, 1);
	assert_int_equal(stats().pending, 0);
}

static void what_was_asked_for_last_is_built_first_and_few_at_once(void **state)
{
	unsigned most = 0;

	(void)state;
	for (unsigned i = 0; i < MODULES; i++)
		assert_true(unwind_tables_want(tables, ids[i]));
	(void)work();
	assert_int_equal(world.asked[0], ids[MODULES - 1]);
	assert_int_equal(stats().pending, MODULES);
	while (world.n_asked) {
		most = world.n_asked > most ? world.n_asked : most;
		(void)answer(0);
		(void)work();
	}
	assert_in_range(most, 1, 4);
	assert_int_equal(world.n_built, MODULES);
	assert_int_equal(stats().built, MODULES);
}

static void a_large_table_is_checked_to_the_end_before_it_is_copied(void **state)
{
	unsigned turns = 0;

	(void)state;
	world.check_turns = 5;
	world.copy_turns = 5;
	assert_true(unwind_tables_want(tables, ids[0]));
	(void)work();
	(void)answer(0);
	/* Each look at the clock takes a microsecond here: a turn is a piece or two. */
	while (unwind_tables_work(tables, world.now_ns + 2 * NS_PER_US) == 0)
		turns++;
	assert_in_range(turns, 6, 12);
	assert_int_equal(world.checks, 6);
	assert_int_equal(world.copies, 6);
	assert_true(unwind_tables_is_whole(tables, ids[0]));
}

static void without_time_left_nothing_is_done(void **state)
{
	(void)state;
	assert_true(unwind_tables_want(tables, ids[0]));
	(void)work();
	(void)answer(0);
	assert_int_equal(unwind_tables_work(tables, 0), 0);
	assert_int_equal(world.checks, 0);
	assert_int_equal(work(), UINT64_MAX);
	assert_true(unwind_tables_is_whole(tables, ids[0]));
}

static void a_bad_table_is_refused_for_good_and_never_copied(void **state)
{
	(void)state;
	world.check_turns = 2;
	world.check = -EBADMSG;
	assert_true(unwind_tables_want(tables, ids[0]));
	(void)work();
	(void)answer(0);
	assert_int_equal(work(), UINT64_MAX);
	assert_int_equal(world.used + world.copies, 0);
	assert_int_equal(world.ready[0], ids[0]);
	assert_int_equal(stats().failed[UNWIND_FAILURE_BAD], 1);
	assert_false(unwind_tables_want(tables, ids[0]));
	assert_false(unwind_tables_is_due(tables, ids[0]));
	/* There would be one, so frame pointers are only a guess there. */
	assert_int_equal(unwind_tables_place(tables, ids[0])->table, KERNEL_TABLE_PENDING);
}

static void failures_have_their_reasons(void **state)
{
	static const struct {
		int error;
		enum unwind_failure failure;
		bool is_none; /* it is known that there is none */
	} cases[] = {
		{ -ENODATA, UNWIND_FAILURE_NO_CFI, true },
		{ -EBADMSG, UNWIND_FAILURE_BAD, false },
		{ -EPIPE, UNWIND_FAILURE_CRASHED, false },
		{ -ETIMEDOUT, UNWIND_FAILURE_TIMEOUT, false },
		{ -ENOENT, UNWIND_FAILURE_OPEN, false },
		{ -ENOMEM, UNWIND_FAILURE_OTHER, false },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(unwind_tables_want(tables, ids[i]));
		(void)work();
		(void)answer(cases[i].error);
		assert_int_equal(world.n_ready, i + 1);
		assert_int_equal(stats().failed[cases[i].failure], 1);
		assert_int_equal(!unwind_tables_place(tables, ids[i]), cases[i].is_none);
		assert_false(unwind_tables_is_pending(tables, ids[i]));
		assert_false(unwind_tables_want(tables, ids[i]));
	}
	world.build_error = -EBUSY;
	assert_true(unwind_tables_want(tables, ids[MODULES - 1]));
	assert_int_equal(work(), UINT64_MAX);
	assert_int_equal(stats().failed[UNWIND_FAILURE_OTHER], 2);
}

static void the_oldest_that_no_list_names_makes_room(void **state)
{
	(void)state;
	world.rooms = 3;
	have(ids[0]);
	have(ids[1]);
	have(ids[2]);
	unwind_tables_ref(tables, ids[0]);
	(void)unwind_tables_want(tables, ids[1]); /* used just now */
	assert_true(unwind_tables_want(tables, ids[3]));
	(void)work();
	(void)answer(0);
	/* What was dropped is not room at once: walks may still be in it. */
	for (unsigned i = 0; i < 1000 && !unwind_tables_is_whole(tables, ids[3]); i++) {
		uint64_t wait_ns = work();

		world.now_ns += wait_ns != UINT64_MAX ? wait_ns : 0;
	}
	assert_true(unwind_tables_is_whole(tables, ids[3]));
	assert_true(unwind_tables_is_whole(tables, ids[0]));
	assert_true(unwind_tables_is_whole(tables, ids[1]));
	assert_false(unwind_tables_is_whole(tables, ids[2]));
	assert_int_equal(stats().evicted, 1);
	/* It is built again when it is asked for. */
	assert_true(unwind_tables_is_due(tables, ids[2]));
	unwind_tables_unref(tables, ids[0]);
}

static void a_store_that_is_in_use_is_full(void **state)
{
	(void)state;
	world.rooms = 2;
	for (unsigned i = 0; i < 2; i++) {
		have(ids[i]);
		unwind_tables_ref(tables, ids[i]);
	}
	assert_true(unwind_tables_want(tables, ids[2]));
	(void)work();
	(void)answer(0);
	assert_int_equal(work(), UINT64_MAX);
	assert_true(world.asked_for_room > 0);
	assert_int_equal(stats().failed[UNWIND_FAILURE_ROOM], 1);
	assert_int_equal(stats().evicted, 0);
	assert_int_equal(world.used, 2);
	unwind_tables_unref(tables, ids[0]);
	unwind_tables_unref(tables, ids[1]);
}

static void what_is_in_use_or_on_its_way_is_not_forgotten(void **state)
{
	(void)state;
	assert_true(unwind_tables_forget(tables, ids[5]));
	assert_true(unwind_tables_want(tables, ids[0]));
	assert_false(unwind_tables_forget(tables, ids[0]));
	(void)work();
	assert_false(unwind_tables_forget(tables, ids[0]));
	(void)answer(0);
	assert_false(unwind_tables_forget(tables, ids[0]));
	(void)work();
	unwind_tables_ref(tables, ids[0]);
	assert_false(unwind_tables_forget(tables, ids[0]));
	unwind_tables_unref(tables, ids[0]);
	assert_true(unwind_tables_forget(tables, ids[0]));
	assert_int_equal(world.used, 0);
	assert_false(unwind_tables_is_whole(tables, ids[0]));
}

static void idle_workers_are_ended_after_a_while(void **state)
{
	(void)state;
	have(ids[0]);
	unwind_tables_trim(tables);
	assert_int_equal(world.trims, 0);
	world.now_ns += 60 * NS_PER_SEC;
	assert_true(unwind_tables_want(tables, ids[1]));
	unwind_tables_trim(tables);
	(void)work();
	unwind_tables_trim(tables);
	assert_int_equal(world.trims, 0); /* one is at work */
	(void)answer(0);
	(void)work();
	world.now_ns += 60 * NS_PER_SEC;
	unwind_tables_trim(tables);
	unwind_tables_trim(tables);
	assert_int_equal(world.trims, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_table_is_built_once_and_told_of_when_it_is_whole),
		TEST(what_was_asked_for_last_is_built_first_and_few_at_once),
		TEST(a_large_table_is_checked_to_the_end_before_it_is_copied),
		TEST(without_time_left_nothing_is_done),
		TEST(a_bad_table_is_refused_for_good_and_never_copied),
		TEST(failures_have_their_reasons),
		TEST(the_oldest_that_no_list_names_makes_room),
		TEST(a_store_that_is_in_use_is_full),
		TEST(what_is_in_use_or_on_its_way_is_not_forgotten),
		TEST(idle_workers_are_ended_after_a_while),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
