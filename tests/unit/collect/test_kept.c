/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of waits and threads, for how long, and in how much memory. */
#include "waits.h"

static void made(struct world *w, uint32_t tid, const uint64_t *frames, uint64_t time_ns)
{
	struct sample_record r = { .event_set = SET_CREATES,
		.time_ns = time_ns,
		.tgid = PID,
		.tid = PID,
		.wait = { .waker_tid = tid, .unsampled_ns = 77, .begin_ns = 5 } };

	tell(w, &r, frames, 0, 2);
}

static void threads_that_live_have_the_stack_that_made_them(void **state)
{
	struct world *w = world_of(state);
	const struct dump_thread threads[] = { { PID, 10 }, { PID, 11 }, { PID, 12 }, { PID, 14 },
		{ 99, 15 } };
	struct profile *p;
	unsigned before = 0;

	made(w, 11, stack_a, NOW_NS + 1);
	made(w, 12, stack_b, NOW_NS + 2);
	made(w, 13, stack_b, NOW_NS + 3);
	made(w, 14, stack_b, NOW_NS + 4);
	made(w, 15, stack_b, NOW_NS + 4); /* of our process, not of 99 */
	aggregate_thread_exit(w->rooms.aggregate, PID, 13, NOW_NS + 10);
	aggregate_thread_exit(w->rooms.aggregate, PID, 14, NOW_NS + 10);
	/* They outlive the history, and nothing of them is time. */
	(void)aggregate_maintain(w->rooms.aggregate, NOW_NS + 1000 * SECOND);
	p = dump_of(w, &(struct ask){ .type = PROFILE_THREADCREATE,
			       .threads = threads,
			       .n_threads = ARRAY_SIZE(threads) });
	assert_int_equal(p->n_types, 1);
	assert_int_equal(total(p, 0), ARRAY_SIZE(threads));
	assert_int_equal(profile_n_samples(p), ARRAY_SIZE(threads));
	for (size_t i = 0; i < profile_n_samples(p); i++) {
		assert_int_equal(label(p, i, "tid")->num, threads[i].tid);
		assert_int_equal(label(p, i, "pid")->num, threads[i].pid);
		bool is_before = strcmp(leaf(p, i), "[before attach]") == 0;
		assert_int_equal(is_before, i != 1 && i != 2);
		before += is_before;
	}
	assert_int_equal(before, 3);
	assert_int_not_equal(*ARRAY_AT(&p->sample_stacks, uint32_t, 1),
		*ARRAY_AT(&p->sample_stacks, uint32_t, 2));
	profile_free(p);
	assert_null(dump_of(w, &(struct ask){ .type = PROFILE_WALL }));
}

/* Series without a stack among others, while slots end and stacks are swept. */
static void time_without_a_stack_ends_with_its_slots(void **state)
{
	struct world *w = world_of(state);
	struct aggregate *a = w->rooms.aggregate;
	struct sample_record r = futex(NOW_NS + 10 * MS, NOW_NS + 11 * MS, NOW_NS + 12 * MS);
	struct sample_record cpu = { .time_ns = NOW_NS + 500 * SECOND, .tgid = PID, .tid = 11 };
	struct profile *p;

	r.wait.unsampled_ns = 9 * MS;
	tell_a(w, &r);
	(void)aggregate_maintain(a, NOW_NS + 50 * SECOND);
	p = dump_of(w, &(struct ask){ .type = PROFILE_WALL });
	assert_int_equal(total(p, 1), 11 * MS);
	profile_free(p);
	tell(w, &cpu, stack_b, 0, 2);
	(void)aggregate_maintain(a, NOW_NS + 500 * SECOND);
	assert_null(dump_of(w, &(struct ask){ .type = PROFILE_WALL }));
	/* One life is left: of the process, held by what is left of it. */
	assert_int_equal(process_table_find(w->rooms.processes, PID, NOW_NS, false)->n_refs, 2);
}

static void any_number_of_locks_and_wakers_fits(void **state)
{
	struct world *w = world_of(state);
	const uint64_t memory = 64 * MIB;
	struct sample_record r;
	uint64_t n = 300000;
	struct profile *p;

	for (uint64_t i = 0; i < n; i++) {
		r = futex(NOW_NS + i * 10000, NOW_NS + i * 10000 + 5000, NOW_NS + i * 10000 + 6000);
		r.wait.lock = 0x1000 + i * 8;
		snprintf(r.wait.waker, sizeof(r.wait.waker), "w%llu", (unsigned long long)i);
		tell_a(w, &r);
		assert_true(aggregate_bytes(w->rooms.aggregate) <= memory);
	}
	/* The time is all there. */
	p = dump_of(w, &(struct ask){ .type = PROFILE_BLOCK });
	assert_int_equal(total(p, 0), n);
	assert_int_equal(total(p, 1), n * 5000);
	profile_free(p);
	assert_int_equal(
		aggregate_set_stats(w->rooms.aggregate, SET_WAITS)->dropped[DROP_MEMORY], 0);
}

static void a_flood_of_threads_drops_the_oldest_and_counts_the_rest(void **state)
{
	struct world *w = world_of(state);
	struct sample_record r;

	for (uint32_t i = 0; i < 600000; i++) {
		r = futex(NOW_NS + i, NOW_NS + i + 5, NOW_NS + i + 6);
		r.tid = i + 1;
		tell_a(w, &r);
		if (i % 4096 == 0)
			assert_true(aggregate_bytes(w->rooms.aggregate) <= 64 * MIB);
	}
	assert_true(aggregate_bytes(w->rooms.aggregate) <= 64 * MIB);
	assert_true(aggregate_set_stats(w->rooms.aggregate, SET_WAITS)->dropped[DROP_MEMORY] > 0);
	/* Later seconds have room again. */
	r = futex(NOW_NS + 5 * SECOND, NOW_NS + 5 * SECOND + 5, NOW_NS + 5 * SECOND + 6);
	r.tid = 4000000;
	uint64_t dropped = aggregate_set_stats(w->rooms.aggregate, SET_WAITS)->dropped[DROP_MEMORY];
	tell_a(w, &r);
	assert_int_equal(
		aggregate_set_stats(w->rooms.aggregate, SET_WAITS)->dropped[DROP_MEMORY], dropped);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		TEST(threads_that_live_have_the_stack_that_made_them),
		TEST(time_without_a_stack_ends_with_its_slots),
		TEST(any_number_of_locks_and_wakers_fits),
		TEST(a_flood_of_threads_drops_the_oldest_and_counts_the_rest),
	};

	/* This program is its own target helper; what it is asked to open is not there. */
	if (argc == 3 && strcmp(argv[1], "--helper") == 0)
		return EXIT_FAILURE;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
