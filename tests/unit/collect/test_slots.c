/* SPDX-License-Identifier: Apache-2.0 */
/* Counts by series and second: exact boundaries, the oldest go first, references hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <errno.h>
#include <cmocka.h>
#include "base/cleanup.h"
#include "collect/slots.h"

#define SECOND 1000000000ULL

static unsigned released;

static void on_released(void *userdata, const struct series_key *key)
{
	(void)userdata;
	(void)key;
	released++;
}

static struct slots *slots(uint64_t history_ns)
{
	struct slots *s;
	released = 0;
	assert_int_equal(slots_new(&s, history_ns, on_released, NULL), 0);
	return s;
}

static struct series_key key(uint32_t process)
{
	return (struct series_key){ .process = process, .tid = 5 };
}

static uint64_t total(const struct slots *s, uint32_t process)
{
	uint64_t n = 0;
	for (size_t i = 0; i < slots_n(s); i++)
		ARRAY_EACH(&slots_at(s, i)->counts, struct slot_count, c)
			if (slots_series(s, c->series)->key.process == process)
				n += c->count;
	return n;
}

static int count(struct slots *s, uint32_t process, uint64_t at)
{
	struct series_key k = key(process);
	bool is_new;
	return slots_count(s, &k, at, &is_new);
}

static void equal_samples_of_a_second_are_one_count(void **state)
{
	struct slots *s = slots(3600 * SECOND);
	(void)state;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(count(s, i % 2, 10 * SECOND + i), 0);
	assert_int_equal(slots_n(s), 1);
	assert_int_equal(slots_at(s, 0)->counts.n, 2);
	assert_int_equal(total(s, 0), 50);
	slots_free(s);
}

static void a_split_is_an_exact_boundary(void **state)
{
	struct slots *s = slots(3600 * SECOND);
	(void)state;
	assert_int_equal(count(s, 1, 10 * SECOND + 100), 0);
	assert_int_equal(slots_split(s, 10 * SECOND + 500), 0);
	assert_int_equal(count(s, 1, 10 * SECOND + 500), 0);
	assert_int_equal(count(s, 1, 10 * SECOND + 499), 0); /* drained later, taken before */
	assert_int_equal(count(s, 1, 11 * SECOND), 0);
	assert_int_equal(slots_n(s), 3);
	assert_int_equal(slots_at(s, 0)->until_ns, 10 * SECOND + 500);
	assert_int_equal(slots_at(s, 1)->until_ns, 11 * SECOND);
	uint64_t first = 0;
	ARRAY_EACH(&slots_at(s, 0)->counts, struct slot_count, c)
		first += c->count;
	assert_int_equal(first, 2);
	assert_int_equal(total(s, 1), 4);
	slots_free(s);
}

static void slots_never_overlap(void **state)
{
	struct slots *s = slots(3600 * SECOND);
	uint64_t at = 10 * SECOND;
	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		at += (uint64_t)(i * 7919) % (SECOND / 3);
		if (i % 3 == 0)
			assert_int_equal(slots_split(s, at), 0);
		assert_int_equal(count(s, i % 5, at), 0);
	}
	for (size_t i = 0; i + 1 < slots_n(s); i++) {
		assert_true(slots_at(s, i)->from_ns < slots_at(s, i)->until_ns);
		assert_true(slots_at(s, i)->until_ns <= slots_at(s, i + 1)->from_ns);
		assert_int_equal(slots_at(s, i)->sequence + 1, slots_at(s, i + 1)->sequence);
	}
	slots_free(s);
}

static void the_oldest_go_first_and_let_their_series_go(void **state)
{
	struct slots *s = slots(5 * SECOND);
	(void)state;
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(count(s, i, (10 + i) * SECOND), 0);
	slots_expire(s, 30 * SECOND);
	assert_int_equal(slots_at(s, 0)->from_ns, 24 * SECOND);
	assert_int_equal(released, 14);
	assert_int_equal(total(s, 19), 1);
	assert_int_equal(count(s, 1, 3 * SECOND), -ESTALE);
	slots_free(s);
}

static void a_series_that_is_held_outlives_its_slots(void **state)
{
	struct slots *s = slots(5 * SECOND);
	(void)state;
	assert_int_equal(count(s, 7, 10 * SECOND), 0);
	uint32_t series = ARRAY_AT(&slots_at(s, 0)->counts, struct slot_count, 0)->series;
	slots_ref(s, series);
	assert_int_equal(count(s, 8, 20 * SECOND), 0);
	slots_expire(s, 100 * SECOND);
	assert_int_equal(slots_series(s, series)->key.process, 7);
	assert_int_equal(released, 0);
	slots_unref(s, series);
	assert_int_equal(released, 1);
	slots_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_samples_of_a_second_are_one_count),
		cmocka_unit_test(a_split_is_an_exact_boundary),
		cmocka_unit_test(slots_never_overlap),
		cmocka_unit_test(the_oldest_go_first_and_let_their_series_go),
		cmocka_unit_test(a_series_that_is_held_outlives_its_slots),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
