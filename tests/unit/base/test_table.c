/* SPDX-License-Identifier: Apache-2.0 */
/* Hash tables of ids, arrays with a maximum, interned strings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <errno.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/table.h"

/* Entries are numbers; the low bits of their hash are theirs to choose, so that chains collide. */
struct world {
	uint64_t hashes[512];
};

static uint64_t world_hash(const void *ctx, uint32_t id)
{
	const struct world *w = ctx;

	return w->hashes[id];
}

static bool world_equal(const void *ctx, uint32_t id, const void *key)
{
	(void)ctx;
	return id == *(const uint32_t *)key;
}

static uint64_t random_next(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 11;
}

static uint32_t find(const struct table *t, const struct world *w, uint32_t id)
{
	return table_find(t, w->hashes[id], &id);
}

/* Low bits from a few homes only: every chain is long and many wrap around the end. */
static void deletion_keeps_every_other_entry_reachable(void **state)
{
	struct world w;
	bool model[ARRAY_SIZE(w.hashes)] = { false };
	CLEANUP(table_deinit) struct table t;
	uint64_t random = 42;
	uint32_t n = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(w.hashes); i++)
		w.hashes[i] =
			(random_next(&random) % 4) << 32 | (0xfffffffcU + random_next(&random) % 8);
	table_init(&t, ARRAY_SIZE(w.hashes), world_hash, world_equal, &w);
	for (unsigned int step = 0; step < 20000; step++) {
		uint32_t id = (uint32_t)(random_next(&random) % ARRAY_SIZE(w.hashes));

		if (model[id]) {
			table_remove(&t, w.hashes[id], id);
			n--;
		} else {
			assert_int_equal(table_add(&t, w.hashes[id], id), 0);
			n++;
		}
		model[id] = !model[id];
		assert_int_equal(t.n, n);
		if (step % 64 == 0)
			for (uint32_t i = 0; i < ARRAY_SIZE(w.hashes); i++)
				assert_int_equal(find(&t, &w, i), model[i] ? i : TABLE_NONE);
	}
}

static void removing_what_is_not_there_changes_nothing(void **state)
{
	struct world w = { .hashes = { 5, 5, 5 } };
	CLEANUP(table_deinit) struct table t;

	(void)state;
	table_init(&t, 8, world_hash, world_equal, &w);
	table_remove(&t, 5, 1);
	assert_int_equal(table_add(&t, 5, 0), 0);
	assert_int_equal(table_add(&t, 5, 2), 0);
	table_remove(&t, 5, 1);
	table_remove(&t, 5, TABLE_NONE);
	assert_int_equal(t.n, 2);
	assert_int_equal(find(&t, &w, 0), 0);
	assert_int_equal(find(&t, &w, 2), 2);
}

static void a_full_table_refuses_and_keeps_what_it_has(void **state)
{
	struct world w;
	CLEANUP(table_deinit) struct table t;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(w.hashes); i++)
		w.hashes[i] = hash_u64(i, 1);
	table_init(&t, 100, world_hash, world_equal, &w);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(table_add(&t, w.hashes[i], i), 0);
	assert_int_equal(table_add(&t, w.hashes[100], 100), -E2BIG);
	assert_int_equal(find(&t, &w, 100), TABLE_NONE);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(find(&t, &w, i), i);
	assert_true((uint64_t)t.n * 10 <= ((uint64_t)t.mask + 1) * 7);
	table_remove(&t, w.hashes[50], 50);
	assert_int_equal(table_add(&t, w.hashes[100], 100), 0);
	assert_int_equal(find(&t, &w, 100), 100);
}

static void equal_hashes_are_told_apart_by_the_caller(void **state)
{
	struct world w = { .hashes = { 9, 9, 9, 9 } };
	CLEANUP(table_deinit) struct table t;

	(void)state;
	table_init(&t, 8, world_hash, world_equal, &w);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(table_add(&t, 9, i), 0);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(find(&t, &w, i), i);
	assert_int_equal(find(&t, &w, 3), TABLE_NONE);
}

static void an_array_grows_to_its_maximum_zeroed(void **state)
{
	CLEANUP(array_deinit) struct array a = ARRAY_INIT(uint64_t, 10);
	uint64_t sum = 0;

	(void)state;
	for (uint64_t i = 0; i < 10; i++) {
		uint64_t *p = array_push(&a);

		assert_non_null(p);
		assert_true(*p == 0);
		*p = i;
	}
	assert_null(array_push(&a));
	ARRAY_EACH(&a, uint64_t, it)
		sum += *it;
	assert_true(sum == 45);
	assert_true(array_bytes(&a) <= 10 * sizeof(uint64_t));
}

static void an_array_of_pointers_is_walked_to_its_end(void **state)
{
	CLEANUP(array_deinit) struct array a = ARRAY_INIT(const char *, 4);
	size_t n = 0;

	(void)state;
	ARRAY_EACH(&a, const char *, it)
		n += strlen(*it);
	assert_int_equal(n, 0);
	*(const char **)array_push(&a) = "ab";
	*(const char **)array_push(&a) = "cde";
	ARRAY_EACH(&a, const char *, it)
		n += strlen(*it);
	assert_int_equal(n, 5);
}

static void resizing_zeroes_what_is_new_and_bounds_it(void **state)
{
	CLEANUP(array_deinit) struct array a = ARRAY_INIT(uint32_t, 100);

	(void)state;
	assert_int_equal(array_resize(&a, 50), 0);
	memset(a.data, 0xff, 50 * sizeof(uint32_t));
	assert_int_equal(array_resize(&a, 10), 0);
	assert_int_equal(array_resize(&a, 100), 0);
	assert_true(*ARRAY_AT(&a, uint32_t, 9) == UINT32_MAX);
	for (size_t i = 10; i < 100; i++)
		assert_true(*ARRAY_AT(&a, uint32_t, i) == 0);
	assert_int_equal(array_resize(&a, 101), -E2BIG);
	assert_int_equal(a.n, 100);
}

static void an_array_of_more_bytes_than_memory_is_refused(void **state)
{
	struct array a = { .size = 1 << 20, .max = SIZE_MAX };

	(void)state;
	assert_int_equal(array_resize(&a, SIZE_MAX / 2), -ENOMEM);
	assert_null(a.data);
}

static void equal_strings_have_one_id(void **state)
{
	CLEANUP(strings_deinit) struct strings s;
	char text[32];
	uint32_t id, again;
	size_t n;

	(void)state;
	assert_int_equal(strings_init(&s, 2000, 1 << 20), 0);
	assert_int_equal(strings_intern(&s, "", 0, &id), 0);
	assert_int_equal(id, 0);
	for (unsigned int i = 1; i < 2000; i++) {
		int length = snprintf(text, sizeof(text), "name %u", i * 7919);

		assert_int_equal(strings_intern(&s, text, (size_t)length, &id), 0);
		assert_int_equal(id, i);
	}
	for (unsigned int i = 1; i < 2000; i++) {
		int length = snprintf(text, sizeof(text), "name %u", i * 7919);

		assert_int_equal(strings_intern(&s, text, (size_t)length, &again), 0);
		assert_int_equal(again, i);
		assert_string_equal(strings_get(&s, i, &n), text);
		assert_int_equal(n, length);
	}
	assert_int_equal(strings_intern(&s, "one more", 8, &id), -E2BIG);
	assert_int_equal(strings_intern(&s, "name 7919", 9, &id), 0);
	assert_int_equal(id, 1);
}

static void strings_hold_any_byte_and_differ_in_length(void **state)
{
	CLEANUP(strings_deinit) struct strings s;
	uint32_t a, b, c;
	size_t n;

	(void)state;
	assert_int_equal(strings_init(&s, 16, 1024), 0);
	assert_int_equal(strings_intern(&s, "a", 1, &a), 0);
	assert_int_equal(strings_intern(&s, "a\0", 2, &b), 0);
	assert_int_equal(strings_intern(&s, "\0", 1, &c), 0);
	assert_true(a != b && b != c && a != c && c != 0);
	assert_memory_equal(strings_get(&s, b, &n), "a\0\0", 3);
	assert_int_equal(n, 2);
}

static void an_unknown_id_is_the_empty_string(void **state)
{
	CLEANUP(strings_deinit) struct strings s;
	size_t n = 9;

	(void)state;
	assert_int_equal(strings_init(&s, 4, 64), 0);
	assert_string_equal(strings_get(&s, 77, &n), "");
	assert_int_equal(n, 0);
	assert_string_equal(strings_get(&s, UINT32_MAX, NULL), "");
}

static void text_stays_within_its_bytes(void **state)
{
	CLEANUP(strings_deinit) struct strings s;
	CLEANUP(strings_deinit) struct strings t;
	uint32_t id;

	(void)state;
	assert_int_equal(strings_init(&s, 100, 11), 0);
	assert_int_equal(strings_intern(&s, "123456789", 9, &id), 0);
	assert_int_equal(strings_intern(&s, "x", 1, &id), -E2BIG);
	assert_true(s.text_allocated <= 11);
	assert_int_equal(strings_init(&t, 100, 11), 0);
	assert_int_equal(strings_intern(&t, "1234567890", 10, &id), -E2BIG);
}

static void a_piece_of_an_interned_string_can_be_interned(void **state)
{
	CLEANUP(strings_deinit) struct strings s;
	uint32_t id, piece;

	(void)state;
	assert_int_equal(strings_init(&s, 4096, 1 << 20), 0);
	assert_int_equal(strings_intern(&s, "abcdefghijklmnopqrstuvwxyz", 26, &id), 0);
	/* Every other piece is new; some of them move the text they come from. */
	for (size_t n = 25; n > 0; n--) {
		assert_int_equal(strings_intern(&s, strings_get(&s, id, NULL), n, &piece), 0);
		assert_memory_equal(strings_get(&s, piece, NULL), "abcdefghijklmnopqrstuvwxyz", n);
	}
}

static void the_hash_depends_on_every_byte_the_length_and_the_seed(void **state)
{
	uint8_t bytes[64] = { 0 };
	uint64_t plain[sizeof(bytes) + 1];

	(void)state;
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		plain[n] = hash_bytes(bytes, n, 1);
		assert_true(plain[n] != hash_bytes(bytes, n, 2));
		for (size_t i = 0; i < n; i++)
			assert_true(plain[i] != plain[n]);
		for (size_t i = 0; i < n; i++) {
			bytes[i] = 0x80;
			assert_true(hash_bytes(bytes, n, 1) != plain[n]);
			bytes[i] = 0;
		}
	}
	assert_true(hash_seed() == hash_seed() && hash_seed() != 0);
}

/* Sequential addresses are what tables see most. 4096 of them in 4096 slots: a random function
 * leaves 1/e = 36.8 % free, sigma 0.5 %; the bounds are 10 sigma. */
static void similar_keys_spread_over_low_and_high_bits(void **state)
{
	static uint8_t low[4096], high[4096];
	size_t free_low = 0, free_high = 0;

	(void)state;
	for (uint64_t i = 0; i < 4096; i++) {
		uint64_t address = 0x7f0000000000ULL + i * 4096;
		uint64_t hash = hash_bytes(&address, sizeof(address), 12345);

		low[hash & 4095] = 1;
		high[hash >> 52] = 1;
	}
	for (size_t i = 0; i < 4096; i++) {
		free_low += !low[i];
		free_high += !high[i];
	}
	assert_in_range(free_low, 1302, 1712);
	assert_in_range(free_high, 1302, 1712);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deletion_keeps_every_other_entry_reachable),
		cmocka_unit_test(removing_what_is_not_there_changes_nothing),
		cmocka_unit_test(a_full_table_refuses_and_keeps_what_it_has),
		cmocka_unit_test(equal_hashes_are_told_apart_by_the_caller),
		cmocka_unit_test(an_array_grows_to_its_maximum_zeroed),
		cmocka_unit_test(an_array_of_pointers_is_walked_to_its_end),
		cmocka_unit_test(resizing_zeroes_what_is_new_and_bounds_it),
		cmocka_unit_test(an_array_of_more_bytes_than_memory_is_refused),
		cmocka_unit_test(equal_strings_have_one_id),
		cmocka_unit_test(strings_hold_any_byte_and_differ_in_length),
		cmocka_unit_test(an_unknown_id_is_the_empty_string),
		cmocka_unit_test(text_stays_within_its_bytes),
		cmocka_unit_test(a_piece_of_an_interned_string_can_be_interned),
		cmocka_unit_test(the_hash_depends_on_every_byte_the_length_and_the_seed),
		cmocka_unit_test(similar_keys_spread_over_low_and_high_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
