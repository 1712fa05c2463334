/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles of waiting: from records of the kernel side, which are given here, to values, states and
 * labels of every type. */
#include "waits.h"

static void a_wait_is_in_each_profile_what_it_asks_for(void **state)
{
	struct world *w = world_of(state);
	struct sample_record r = futex(NOW_NS + 1 * MS, NOW_NS + 6 * MS, NOW_NS + 8 * MS);
	struct profile *p;

	tell_a(w, &r);
	p = dump_of(w, &(struct ask){ .type = PROFILE_BLOCK });
	assert_string_equal(profile_text(p, p->types[0].type), "contentions");
	assert_string_equal(profile_text(p, p->types[1].type), "delay");
	assert_int_equal(p->period, 1);
	assert_int_equal(profile_n_samples(p), 1);
	assert_values(p, of_state(p, "futex"), 1, 5 * MS);
	profile_free(p);

	p = dump_of(w, &(struct ask){ .type = PROFILE_RUNQ });
	assert_int_equal(profile_n_samples(p), 1);
	assert_values(p, of_state(p, "runnable"), 1, 2 * MS);
	profile_free(p);

	p = dump_of(w, &(struct ask){ .type = PROFILE_OFFCPU });
	assert_string_equal(profile_text(p, p->types[1].type), "offcpu");
	assert_int_equal(profile_n_samples(p), 2);
	assert_values(p, of_state(p, "futex"), 1, 5 * MS);
	assert_values(p, of_state(p, "runnable"), 0, 2 * MS);
	profile_free(p);

	p = dump_of(w, &(struct ask){ .type = PROFILE_WALL });
	assert_string_equal(profile_text(p, p->types[1].type), "wall");
	assert_values(p, of_state(p, "futex"), 1, 5 * MS);
	assert_values(p, of_state(p, "runnable"), 0, 2 * MS);
	profile_free(p);

	assert_null(dump_of(w, &(struct ask){ .type = PROFILE_CPU }));
	assert_null(dump_of(w, &(struct ask){ .type = PROFILE_MUTEX }));
}

static void who_lost_the_cpu_has_not_blocked(void **state)
{
	struct world *w = world_of(state);
	struct sample_record r = futex(NOW_NS + 1 * MS, 0, NOW_NS + 4 * MS);
	struct profile *p;

	r.wait.flags = 0;
	r.wait.syscall = SYSCALL_NONE;
	tell_a(w, &r);
	assert_null(dump_of(w, &(struct ask){ .type = PROFILE_BLOCK }));
	p = dump_of(w, &(struct ask){ .type = PROFILE_OFFCPU });
	assert_int_equal(profile_n_samples(p), 1);
	assert_values(p, of_state(p, "runnable"), 1, 3 * MS);
	assert_null(label(p, 0, "syscall"));
	assert_null(label(p, 0, "lock"));
	profile_free(p);
}

static void an_unlock_is_of_the_mutex_profile_alone(void **state)
{
	struct world *w = world_of(state);
	struct sample_record r = futex(NOW_NS + 1 * MS, NOW_NS + 4 * MS, NOW_NS + 4 * MS);
	struct profile *p;

	r.event_set = SET_UNLOCKS;
	tell_a(w, &r);
	tell_a(w, &r);
	assert_null(dump_of(w, &(struct ask){ .type = PROFILE_BLOCK }));
	assert_null(dump_of(w, &(struct ask){ .type = PROFILE_WALL }));
	p = dump_of(w, &(struct ask){ .type = PROFILE_MUTEX });
	assert_int_equal(profile_n_samples(p), 1);
	assert_values(p, 0, 2, 6 * MS);
	assert_string_equal(text(p, 0, "lock"), "0x7f0000001000");
	assert_null(label(p, 0, "waker"));
	profile_free(p);
}

static void labels_say_what_is_known(void **state)
{
	struct world *w = world_of(state);
	struct sample_record r = futex(NOW_NS + 1 * MS, NOW_NS + 6 * MS, NOW_NS + 8 * MS);
	struct profile *p;
	size_t i;

	tell_a(w, &r);
	p = dump_of(w, &(struct ask){ .type = PROFILE_OFFCPU, .wakers = true });
	i = of_state(p, "futex");
	assert_int_equal(label(p, i, "pid")->num, PID);
	assert_int_equal(label(p, i, "tid")->num, 11);
	assert_string_equal(text(p, i, "thread"), "worker");
	assert_string_equal(text(p, i, "syscall"), "futex");
	assert_string_equal(text(p, i, "waker"), "other");
	assert_string_equal(text(p, i, "lock"), "0x7f0000001000");
	/* Who woke it had it only where it is known to be a lock (tests/e2e/waits.py). */
	assert_null(label(p, i, "owner"));
	i = of_state(p, "runnable");
	assert_string_equal(text(p, i, "waker"), "other");
	assert_null(label(p, i, "lock"));
	assert_null(label(p, i, "owner"));
	profile_free(p);

	/* What processes of others are called is not for all. */
	p = dump_of(w, &(struct ask){ .type = PROFILE_OFFCPU });
	assert_null(label(p, 0, "waker"));
	profile_free(p);
	r.wait.flags |= WAIT_IS_INTERRUPT;
	r.wait.waker_tid = 27;
	r.wait.lock = 0;
	tell_a(w, &r);
	p = dump_of(w, &(struct ask){ .type = PROFILE_BLOCK });
	assert_string_equal(text(p, 1, "waker"), "irq:27");
	assert_null(label(p, 1, "lock"));
	profile_free(p);
}

static void a_wait_told_in_parts_is_one_event_and_all_of_its_time(void **state)
{
	struct world *w = world_of(state);
	struct sample_record r = futex(NOW_NS, 0, NOW_NS + 2 * SECOND);
	struct profile *p;

	r.wait.flags |= WAIT_IS_UNDER_WAY;
	tell_a(w, &r);
	p = dump_of(w, &(struct ask){ .type = PROFILE_BLOCK });
	assert_values(p, 0, 0, 2 * SECOND);
	profile_free(p);
	r = futex(NOW_NS + 2 * SECOND, NOW_NS + 5 * SECOND, NOW_NS + 5 * SECOND + MS);
	r.wait.whole_ns = 5 * SECOND + MS;
	tell_a(w, &r);
	p = dump_of(w, &(struct ask){ .type = PROFILE_BLOCK });
	assert_int_equal(total(p, 0), 1);
	assert_int_equal(total(p, 1), 5 * SECOND);
	profile_free(p);
	/* A later attach and what ended before the span see their part of it. */
	p = dump_of(w, &(struct ask){ .type = PROFILE_BLOCK,
			       .from_ns = NOW_NS + 1 * SECOND,
			       .until_ns = NOW_NS + 3 * SECOND });
	assert_int_equal(total(p, 0), 0);
	assert_int_equal(total(p, 1), 2 * SECOND);
	profile_free(p);
}

static void a_long_wait_is_in_each_slot_that_it_covers(void **state)
{
	struct world *w = world_of(state);
	struct sample_record r =
		futex(NOW_NS + 500 * MS, NOW_NS + 30 * SECOND, NOW_NS + 31 * SECOND);
	struct profile *p;

	tell_a(w, &r);
	p = dump_of(w, &(struct ask){ .type = PROFILE_BLOCK, .slots = true });
	assert_int_equal(profile_n_samples(p), 31); /* the last one has the event */
	assert_int_equal(total(p, 1), 29 * SECOND + 500 * MS);
	assert_int_equal(total(p, 0), 1);
	for (size_t i = 0; i < profile_n_samples(p); i++) {
		assert_non_null(label(p, i, "slot_time"));
		assert_true(profile_values(p, i)[1] <= (int64_t)SECOND);
	}
	profile_free(p);
	p = dump_of(w, &(struct ask){ .type = PROFILE_BLOCK,
			       .from_ns = NOW_NS + 10 * SECOND,
			       .until_ns = NOW_NS + 20 * SECOND });
	assert_int_equal(total(p, 1), 10 * SECOND);
	profile_free(p);
	p = dump_of(w, &(struct ask){ .type = PROFILE_BLOCK,
			       .slots = true,
			       .from_ns = NOW_NS + 10 * SECOND,
			       .until_ns = NOW_NS + 20 * SECOND });
	assert_int_equal(profile_n_samples(p), 10);
	assert_int_equal(total(p, 1), 10 * SECOND);
	profile_free(p);
}

/* A thread that runs, waits, and is sampled: `wall` is the time that has passed. */
static void wall_is_all_of_the_time(void **state)
{
	struct world *w = world_of(state);
	struct sample_record cpu = { .time_ns = NOW_NS + 10 * MS, .tgid = PID, .tid = 11 };
	struct sample_record r = futex(NOW_NS + 13 * MS, NOW_NS + 17 * MS, NOW_NS + 18 * MS);
	struct sample_record rest = { .event_set = SET_WAITS,
		.time_ns = NOW_NS + 20 * MS,
		.tgid = PID,
		.tid = 11,
		.wait = { .begin_ns = NOW_NS + 20 * MS,
			.unsampled_ns = 2 * MS,
			.flags = WAIT_IS_UNDER_WAY,
			.syscall = SYSCALL_NONE } };
	struct profile *p;

	cpu.wait.begin_ns = NOW_NS;
	tell(w, &cpu, stack_b, 0, 2);
	r.wait.unsampled_ns = 3 * MS;
	tell_a(w, &r);
	tell(w, &rest, NULL, 0, 0);
	p = dump_of(w, &(struct ask){ .type = PROFILE_WALL });
	assert_int_equal(total(p, 1), 20 * MS);
	assert_int_equal(total(p, 0), 2); /* the sample and the wait */
	assert_int_equal(w->samples, 2);
	int64_t unsampled = 0, sampled = 0;
	for (size_t i = 0; i < profile_n_samples(p); i++) {
		assert_string_not_equal(text(p, i, "state"), "");
		if (strcmp(leaf(p, i), "[unsampled]") == 0)
			unsampled += profile_values(p, i)[1];
		else if (strcmp(text(p, i, "state"), "running") == 0)
			sampled += profile_values(p, i)[1];
	}
	assert_int_equal(unsampled, 5 * MS);
	assert_int_equal(sampled, 10 * MS);
	profile_free(p);

	/* Of the same records, what it always was: */
	p = dump_of(w, &(struct ask){ .type = PROFILE_CPU });
	assert_int_equal(profile_n_samples(p), 1);
	assert_values(p, 0, 1, NS_PER_SEC / 99);
	assert_null(label(p, 0, "state"));
	profile_free(p);
	/* and no waits that the kernel side did not tell. */
	p = dump_of(w, &(struct ask){ .type = PROFILE_OFFCPU });
	assert_int_equal(total(p, 0), 1);
	profile_free(p);
}

static void a_sample_left_to_a_higher_rate_still_tells_its_time(void **state)
{
	struct world *w = world_of(state);
	struct sample_record cpu = { .time_ns = NOW_NS + 10 * MS, .tgid = PID, .tid = 11 };
	struct profile *p;

	assert_int_equal(aggregate_set_rate(w->rooms.aggregate, 1, "cpu-clock", 999), 0);
	cpu.covering_sets = 3;
	cpu.wait.begin_ns = NOW_NS;
	tell_a(w, &cpu);
	assert_null(dump_of(w, &(struct ask){ .type = PROFILE_CPU }));
	p = dump_of(w, &(struct ask){ .type = PROFILE_WALL });
	assert_values(p, of_state(p, "running"), 1, 10 * MS);
	profile_free(p);
}

static void states_not_asked_for_are_left_out_and_summed(void **state)
{
	struct world *w = world_of(state);
	struct sample_record r = futex(NOW_NS + 1 * MS, NOW_NS + 6 * MS, NOW_NS + 8 * MS);
	struct profile *p;

	tell_a(w, &r);
	r.wait.syscall = __NR_clock_nanosleep;
	tell_a(w, &r);
	tell_a(w, &r);
	/* What the type shows by itself: */
	p = dump_of(w, &(struct ask){ .type = PROFILE_BLOCK });
	assert_int_equal(profile_n_samples(p), 1);
	(void)of_state(p, "futex");
	profile_free(p);
	assert_int_equal(w->image.left_out, 2);
	assert_int_equal(w->image.left_out_ns[WAIT_SLEEP] / SPAN_NS, 10 * MS);
	assert_int_equal(w->image.left_out_ns[WAIT_FUTEX], 0);

	p = dump_of(w, &(struct ask){ .type = PROFILE_OFFCPU, .states = 1U << WAIT_RUNNABLE });
	assert_int_equal(total(p, 1), 6 * MS);
	profile_free(p);
	assert_int_equal(w->image.left_out_ns[WAIT_SLEEP] / SPAN_NS, 10 * MS);
	assert_int_equal(w->image.left_out_ns[WAIT_FUTEX] / SPAN_NS, 5 * MS);
	assert_int_equal(w->image.left_out_ns[WAIT_RUNNABLE], 0);

	/* All of it. */
	assert_null(dump_of(w, &(struct ask){ .type = PROFILE_BLOCK, .states = 1U << WAIT_DISK }));
	assert_int_equal(w->image.left_out, 3);
}

/* 1,000 threads with 0.4 of a wait each are 400 waits of their path, not none. */
static void fractions_of_many_threads_add_up(void **state)
{
	struct world *w = world_of(state);
	struct sample_record r = futex(NOW_NS + 1, NOW_NS + 5, NOW_NS + 5);
	struct profile *p;

	r.wait.whole_ns = 10000;
	r.wait.threshold_ns = 14000;
	for (uint32_t i = 0; i < 1000; i++) {
		r.tid = 100 + i;
		tell(w, &r, i % 2 ? stack_a : stack_b, 0, 2);
	}
	p = dump_of(w, &(struct ask){ .type = PROFILE_BLOCK });
	assert_int_equal(total(p, 0), 1400);
	assert_int_equal(total(p, 1), 5600);
	profile_free(p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_wait_is_in_each_profile_what_it_asks_for),
		TEST(who_lost_the_cpu_has_not_blocked),
		TEST(an_unlock_is_of_the_mutex_profile_alone),
		TEST(labels_say_what_is_known),
		TEST(a_wait_told_in_parts_is_one_event_and_all_of_its_time),
		TEST(a_long_wait_is_in_each_slot_that_it_covers),
		TEST(wall_is_all_of_the_time),
		TEST(a_sample_left_to_a_higher_rate_still_tells_its_time),
		TEST(states_not_asked_for_are_left_out_and_summed),
		TEST(fractions_of_many_threads_add_up),
	};

	/* This program is its own target helper; what it is asked to open is not there. */
	if (argc == 3 && strcmp(argv[1], "--helper") == 0)
		return EXIT_FAILURE;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
