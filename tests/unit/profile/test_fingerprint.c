/* SPDX-License-Identifier: Apache-2.0 */
/* Stacks are told apart by what they hold, and found again however many there are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "profile/fingerprint.h"

#define MANY 300000U /* the table becomes larger than what goes at once when it grows */

/* Stacks of one to nine frames. */
static struct fingerprint of_number(uint32_t i)
{
	uint32_t slots[9];

	for (uint32_t k = 0; k < 9; k++)
		slots[k] = i * k + 1;
	slots[i % 9] = i;
	return fingerprint_of(slots, i % 9 + 1);
}

static void all_are_found_and_nothing_else_is(void **state)
{
	struct fingerprints f = { 0 };

	(void)state;
	for (uint32_t i = 0; i < MANY; i++) {
		struct fingerprint key = of_number(i);
		assert_int_equal(fingerprints_find(&f, &key), 0);
		assert_int_equal(fingerprints_add(&f, &key, i + 1), 0);
	}
	for (uint32_t i = 0; i < 2 * MANY; i++) {
		struct fingerprint key = of_number(i);
		assert_int_equal(fingerprints_find(&f, &key), i < MANY ? i + 1 : 0);
	}
	assert_true(fingerprints_bytes(&f) >= MANY * sizeof(struct fingerprint_slot));
	fingerprints_deinit(&f);
	assert_int_equal(fingerprints_bytes(&f), 0);
}

/* Also those whose home is at the end, where a search goes on at the beginning. */
static void a_full_end_goes_on_at_the_beginning(void **state)
{
	struct fingerprints f = { 0 };

	(void)state;
	for (uint32_t i = 0; i < 6000; i++) {
		struct fingerprint key = { { UINT32_MAX - i % 2, i, 0 } };
		assert_int_equal(fingerprints_find(&f, &key), 0);
		assert_int_equal(fingerprints_add(&f, &key, i + 1), 0);
	}
	for (uint32_t i = 0; i < 6000; i++) {
		struct fingerprint key = { { UINT32_MAX - i % 2, i, 0 } };
		assert_int_equal(fingerprints_find(&f, &key), i + 1);
	}
	fingerprints_deinit(&f);
}

static void length_and_each_frame_make_a_difference(void **state)
{
	uint32_t slots[40] = { 0 };
	struct fingerprint seen[80];
	uint32_t n = 0;

	(void)state;
	for (uint32_t i = 1; i <= 40; i++)
		seen[n++] = fingerprint_of(slots, i);
	for (uint32_t i = 0; i < 40; i++) {
		slots[i] = 1;
		seen[n++] = fingerprint_of(slots, 40);
		slots[i] = 0;
	}
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < i; k++)
			for (uint32_t part = 0; part < 3; part++)
				assert_int_not_equal(seen[i].parts[part], seen[k].parts[part]);
	struct fingerprint again = fingerprint_of(slots, 40);
	assert_memory_equal(&again, &seen[39], sizeof(again));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_are_found_and_nothing_else_is),
		cmocka_unit_test(a_full_end_goes_on_at_the_beginning),
		cmocka_unit_test(length_and_each_frame_make_a_difference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
