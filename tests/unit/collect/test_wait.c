/* SPDX-License-Identifier: Apache-2.0 */
/* What a record says of time: of each set what it means, whatever its times are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "collect/wait.h"

static struct sample_record record(unsigned set, uint64_t begin, uint64_t woken, uint64_t end)
{
	return (struct sample_record){ .event_set = (uint8_t)set,
		.time_ns = end,
		.wait = { .begin_ns = begin, .woken_ns = woken, .whole_ns = end - begin } };
}

static void assert_span(
	const struct span *s, uint64_t from, uint64_t turn, uint64_t until, unsigned part)
{
	assert_int_equal(s->from_ns, from);
	assert_int_equal(s->turn_ns, turn);
	assert_int_equal(s->until_ns, until);
	assert_int_equal(s->part, part);
}

static void a_wait_is_blocked_until_its_waking(void **state)
{
	struct sample_record r = record(SET_WAITS, 100, 160, 200);
	struct span s;

	(void)state;
	r.wait.flags = WAIT_IS_BLOCKED;
	assert_true(wait_span(&r, &s));
	assert_span(&s, 100, 160, 200, SPAN_BLOCKED);
	assert_true(s.is_over && s.scale == 1);
	r.wait.woken_ns = 0; /* nobody saw it */
	assert_true(wait_span(&r, &s));
	assert_span(&s, 100, 200, 200, SPAN_BLOCKED);
	/* The rest of a wait of which the blocked part was told before. */
	r.wait.woken_ns = 40;
	assert_true(wait_span(&r, &s));
	assert_span(&s, 100, 100, 200, SPAN_BLOCKED);
	r.wait.woken_ns = 999;
	assert_true(wait_span(&r, &s));
	assert_span(&s, 100, 200, 200, SPAN_BLOCKED);
}

static void who_lost_the_cpu_is_runnable_all_the_time(void **state)
{
	struct sample_record r = record(SET_WAITS, 100, 160, 200);
	struct span s;

	(void)state;
	assert_true(wait_span(&r, &s));
	assert_span(&s, 100, 100, 200, SPAN_BLOCKED);
}

static void a_wait_under_way_is_no_event(void **state)
{
	struct sample_record r = record(SET_WAITS, 100, 0, 200);
	struct span s;

	(void)state;
	r.wait.flags = WAIT_IS_BLOCKED | WAIT_IS_UNDER_WAY;
	assert_true(wait_span(&r, &s));
	assert_false(s.is_over);
}

static void a_kept_wait_counts_as_often_as_it_was_likely(void **state)
{
	struct sample_record r = record(SET_WAITS, 100, 0, 200);
	struct span s;

	(void)state;
	r.wait.threshold_ns = 400;
	assert_true(wait_span(&r, &s) && s.scale == 4);
	r.wait.whole_ns = 300; /* the first part was told before */
	r.wait.threshold_ns = 600;
	assert_true(wait_span(&r, &s) && s.scale == 2);
	r.wait.threshold_ns = 300;
	assert_true(wait_span(&r, &s) && s.scale == 1);
	r.wait.threshold_ns = 0;
	assert_true(wait_span(&r, &s) && s.scale == 1);
}

static void times_that_cannot_be_tell_nothing(void **state)
{
	struct sample_record r = record(SET_WAITS, 0, 0, 200);
	struct span s;

	(void)state;
	assert_false(wait_span(&r, &s));
	r = record(SET_WAITS, 201, 0, 200);
	assert_false(wait_span(&r, &s));
	/* Only of CPU time that nobody told. */
	r = record(SET_WAITS, 200, 0, 200);
	assert_false(wait_span(&r, &s));
	r.wait.whole_ns = 50;
	r.wait.flags = WAIT_IS_UNDER_WAY;
	assert_false(wait_span(&r, &s));
	r.wait.flags = 0; /* a wait that ends as its first part was told */
	assert_true(wait_span(&r, &s));
	assert_true(s.is_over);
}

static void an_unlock_is_the_waiting_of_another(void **state)
{
	struct sample_record r = record(SET_UNLOCKS, 100, 200, 200);
	struct span s;

	(void)state;
	r.wait.unsampled_ns = 5;
	assert_true(wait_span(&r, &s));
	assert_span(&s, 100, 200, 200, SPAN_BLOCKED);
	assert_false(wait_unsampled(&r, &s));
}

/* What is not filled in by a sample of CPU time may be anything. */
static void a_sample_tells_cpu_time_unscaled(void **state)
{
	struct sample_record r = record(3, 100, 160, 200);
	struct span s;

	(void)state;
	r.wait.threshold_ns = 400;
	r.wait.flags = WAIT_IS_UNDER_WAY;
	assert_true(wait_span(&r, &s));
	assert_span(&s, 100, 200, 200, SPAN_CPU);
	assert_true(s.is_over && s.scale == 1);
	r.wait.begin_ns = 0;
	assert_false(wait_span(&r, &s));
}

static void unsampled_time_is_before_what_is_told(void **state)
{
	struct sample_record r = record(SET_WAITS, 100, 160, 200);
	struct span s;

	(void)state;
	assert_false(wait_unsampled(&r, &s));
	r.wait.unsampled_ns = 30;
	r.wait.threshold_ns = 400;
	assert_true(wait_unsampled(&r, &s));
	assert_span(&s, 70, 100, 100, SPAN_CPU);
	assert_true(!s.is_over && s.scale == 1);
	r.wait.begin_ns = 0;
	assert_true(wait_unsampled(&r, &s));
	assert_span(&s, 170, 200, 200, SPAN_CPU);
	r.wait.unsampled_ns = 201;
	assert_true(wait_unsampled(&r, &s));
	assert_int_equal(s.from_ns, 0);
	r.event_set = SET_CREATES;
	assert_false(wait_unsampled(&r, &s));
}

/* Its record comes when it leaves its first CPU, and is of the wait before. */
static void a_new_threads_unsampled_time_is_after_its_wait(void **state)
{
	struct sample_record r = record(SET_WAITS, 100, 100, 200);
	struct span s;

	(void)state;
	r.wait.flags = WAIT_IS_NEW;
	r.wait.unsampled_ns = 150;
	assert_true(wait_unsampled(&r, &s));
	assert_span(&s, 200, 350, 350, SPAN_CPU);
}

static void a_waker_is_a_thread_or_an_interrupt(void **state)
{
	struct sample_record r = record(SET_WAITS, 100, 160, 200);
	char name[WAIT_WAKER];

	(void)state;
	memcpy(r.wait.waker, "sixteen bytes...", sizeof(r.wait.waker)); /* without a NUL */
	wait_waker(&r, name);
	assert_string_equal(name, "sixteen bytes...");
	r.wait.waker_tid = 27;
	r.wait.flags = WAIT_IS_INTERRUPT;
	wait_waker(&r, name);
	assert_string_equal(name, "irq:27");
	r.wait.waker_tid = 0;
	wait_waker(&r, name);
	assert_string_equal(name, "irq");
	r.event_set = SET_UNLOCKS; /* there it is the waiter */
	wait_waker(&r, name);
	assert_string_equal(name, "");
}

static void a_wait_under_way_is_of_the_series_of_its_end(void **state)
{
	struct sample_record r = record(SET_WAITS, 100, 160, 200);
	struct series_key a = { 0 }, b = { 0 };

	(void)state;
	r.wait.flags = WAIT_IS_BLOCKED;
	r.wait.syscall = 202;
	r.wait.lock = 0x1000;
	wait_key(&r, &a);
	r.wait.flags |= WAIT_IS_UNDER_WAY;
	wait_key(&r, &b);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(a.probe_set, SET_WAITS);
	assert_int_equal(a.lock, 0x1000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wait_is_blocked_until_its_waking),
		cmocka_unit_test(who_lost_the_cpu_is_runnable_all_the_time),
		cmocka_unit_test(a_wait_under_way_is_no_event),
		cmocka_unit_test(a_kept_wait_counts_as_often_as_it_was_likely),
		cmocka_unit_test(times_that_cannot_be_tell_nothing),
		cmocka_unit_test(an_unlock_is_the_waiting_of_another),
		cmocka_unit_test(a_sample_tells_cpu_time_unscaled),
		cmocka_unit_test(unsampled_time_is_before_what_is_told),
		cmocka_unit_test(a_new_threads_unsampled_time_is_after_its_wait),
		cmocka_unit_test(a_waker_is_a_thread_or_an_interrupt),
		cmocka_unit_test(a_wait_under_way_is_of_the_series_of_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
