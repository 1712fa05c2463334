/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that live, by who made them: in whatever order beginnings and ends are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "collect/slots.h"
#include "collect/threads.h"

static unsigned released;

static void on_released(void *userdata, uint32_t series)
{
	(void)userdata;
	(void)series;
	released++;
}

static struct thread_table *threads(uint32_t max)
{
	struct thread_table *t;
	released = 0;
	assert_int_equal(thread_table_new(&t, max, on_released, NULL), 0);
	return t;
}

static bool is_gone(void *userdata, uint32_t series)
{
	return series == *(uint32_t *)userdata;
}

static void a_thread_is_known_while_it_lives(void **state)
{
	struct thread_table *t = threads(100);

	(void)state;
	assert_int_equal(thread_table_find(t, 7), SERIES_NONE);
	assert_int_equal(thread_table_made(t, 7, 70, 1000), 0);
	assert_int_equal(thread_table_made(t, 8, 80, 1001), 0);
	assert_int_equal(thread_table_find(t, 7), 70);
	thread_table_ended(t, 7, 2000);
	assert_int_equal(thread_table_find(t, 7), SERIES_NONE);
	assert_int_equal(thread_table_find(t, 8), 80);
	assert_int_equal(released, 1);
	/* Its number is another's. */
	assert_int_equal(thread_table_made(t, 7, 71, 3000), 0);
	assert_int_equal(thread_table_find(t, 7), 71);
	thread_table_free(t);
}

static void an_end_that_is_told_first_counts(void **state)
{
	struct thread_table *t = threads(100);
	uint32_t none = 0;

	(void)state;
	thread_table_ended(t, 7, 2000);
	assert_int_equal(thread_table_made(t, 7, 70, 1000), 1);
	assert_int_equal(thread_table_find(t, 7), SERIES_NONE);
	assert_int_equal(released, 0); /* it is the caller's */
	/* The end of the one before is not that of the next. */
	thread_table_ended(t, 8, 2000);
	assert_int_equal(thread_table_made(t, 8, 80, 2500), 0);
	thread_table_ended(t, 8, 2400);
	assert_int_equal(thread_table_find(t, 8), 80);
	/* Forgotten after a while. */
	thread_table_ended(t, 9, 3000);
	thread_table_expire(t, 3001, is_gone, &none);
	assert_int_equal(thread_table_made(t, 9, 90, 2999), 0);
	thread_table_free(t);
}

static void a_thread_whose_end_was_lost_goes_with_its_process(void **state)
{
	struct thread_table *t = threads(100);
	uint32_t gone = 70;

	(void)state;
	assert_int_equal(thread_table_made(t, 7, 70, 1000), 0);
	assert_int_equal(thread_table_made(t, 8, 80, 1000), 0);
	thread_table_expire(t, UINT64_MAX, is_gone, &gone);
	assert_int_equal(released, 1);
	assert_int_equal(thread_table_find(t, 7), SERIES_NONE);
	assert_int_equal(thread_table_find(t, 8), 80);
	/* Or with the next that has its number. */
	assert_int_equal(thread_table_made(t, 8, 81, 2000), 0);
	assert_int_equal(released, 2);
	thread_table_free(t);
}

static void threads_and_ends_are_bounded(void **state)
{
	struct thread_table *t = threads(64);
	uint32_t tid = 1, n = 0;

	(void)state;
	for (; tid < 1000; tid++)
		thread_table_ended(t, tid, 1000);
	while (thread_table_made(t, tid, tid, 1000) == 0)
		tid++, n++;
	assert_in_range(n, 32, 64); /* ends leave room for the living */
	size_t bytes = thread_table_bytes(t);
	thread_table_ended(t, tid - 1, 2000);
	assert_int_equal(thread_table_made(t, 5000, 5000, 1000), 0);
	assert_int_equal(thread_table_bytes(t), bytes);
	thread_table_free(t);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_is_known_while_it_lives),
		cmocka_unit_test(an_end_that_is_told_first_counts),
		cmocka_unit_test(a_thread_whose_end_was_lost_goes_with_its_process),
		cmocka_unit_test(threads_and_ends_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
