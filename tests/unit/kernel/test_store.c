/* SPDX-License-Identifier: Apache-2.0 */
/* Room in the store and rules of tables, without a kernel: nothing overlaps, nothing is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/internal.h"
#include "kernel/tables.h"

#define BYTES (8U << 20)
#define ROOMS 500

static uint64_t random_state = 88172645463325252ULL;

static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* Free extents are sorted, do not touch, and are what is not given out. */
static void assert_sound(const struct store *s, struct room *const *rooms)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < s->n_free; i++) {
		const struct extent *e = &s->free[i];

		assert_true(e->bytes > 0 && e->offset >= STORE_FIRST);
		assert_true(e->offset + e->bytes <= BYTES);
		if (i)
			assert_true(s->free[i - 1].offset + s->free[i - 1].bytes < e->offset);
		for (unsigned j = 0; j < ROOMS; j++)
			if (rooms[j])
				assert_true(rooms[j]->offset + rooms[j]->bytes <= e->offset ||
					    e->offset + e->bytes <= rooms[j]->offset);
		sum += e->bytes;
	}
	assert_int_equal(sum + s->used, BYTES - STORE_FIRST);
}

static void rooms_never_overlap_and_come_back_whole(void **state)
{
	struct room *rooms[ROOMS] = { 0 };
	unsigned full = 0;
	struct store s;

	(void)state;
	store_init(&s, NULL, BYTES);
	for (unsigned turn = 0; turn < 20000; turn++) {
		unsigned i = random_next() % ROOMS;

		if (rooms[i]) {
			rooms[i] = store_release(&s, rooms[i]);
		} else {
			uint64_t n = random_next() % (turn & 1 ? 2000 : 100000) + 1;
			int r = store_take(&s, n, &rooms[i]);

			full += r == -ENOSPC;
			assert_true(r == 0 || r == -ENOSPC);
			if (r == 0)
				assert_true(rooms[i]->bytes >= n && rooms[i]->offset % 64 == 0);
			for (unsigned j = 0; r == 0 && j < ROOMS; j++)
				if (rooms[j] && j != i)
					assert_true(rooms[j]->offset >=
							    rooms[i]->offset + rooms[i]->bytes ||
						    rooms[i]->offset >=
							    rooms[j]->offset + rooms[j]->bytes);
		}
		if (turn % 500 == 0)
			assert_sound(&s, rooms);
	}
	assert_true(full > 0);
	for (unsigned i = 0; i < ROOMS; i++)
		rooms[i] = store_release(&s, rooms[i]);
	assert_int_equal(s.n_free, 1);
	assert_int_equal(s.used, 0);
	store_deinit(&s);
}

static void lists_do_not_cut_up_the_room_of_tables(void **state)
{
	struct room *lists[100], *large;
	struct store s;

	(void)state;
	store_init(&s, NULL, BYTES);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(store_take(&s, 700, &lists[i]), 0);
	for (unsigned i = 0; i < 100; i += 2)
		lists[i] = store_release(&s, lists[i]);
	assert_int_equal(store_take(&s, BYTES - STORE_FIRST - 100 * 704, &large), 0);
	(void)store_release(&s, large);
	for (unsigned i = 1; i < 100; i += 2)
		(void)store_release(&s, lists[i]);
	store_deinit(&s);
}

static void what_never_fits_is_told_from_what_does_not_fit_now(void **state)
{
	struct room *all, *one;
	struct store s;

	(void)state;
	store_init(&s, NULL, BYTES);
	assert_int_equal(store_take(&s, BYTES, &one), -EFBIG);
	assert_int_equal(store_take(&s, UINT64_MAX - 62, &one), -EFBIG);
	assert_int_equal(store_take(&s, BYTES - STORE_FIRST, &all), 0);
	assert_int_equal(store_take(&s, 1, &one), -ENOSPC);
	(void)store_release(&s, all);
	assert_int_equal(store_take(&s, 1, &one), 0);
	(void)store_release(&s, one);
	store_deinit(&s);
}

static struct unwind_rule_entry rule(int offset)
{
	return (struct unwind_rule_entry){ .cfa = UNWIND_CFA_RSP, .cfa_offset = offset };
}

static struct rules *rules_new(struct unwind_rule_entry **ret_entries)
{
	struct rules *r = calloc(1, sizeof(*r));

	*ret_entries = calloc(STORE_IDS, sizeof(**ret_entries));
	assert_int_equal(rules_init(r, *ret_entries), 0);
	return r;
}

static void a_rule_is_kept_once_and_until_its_last_user_goes(void **state)
{
	struct unwind_rule_entry *entries;
	struct rules *r = rules_new(&entries);
	uint32_t a = rules_ref(r, rule(8)), b = rules_ref(r, rule(16));

	(void)state;
	assert_int_not_equal(a, b);
	assert_int_equal(rules_ref(r, rule(8)), a);
	assert_int_equal(entries[b].cfa_offset, 16);
	rules_unref(r, a);
	assert_int_equal(rules_ref(r, rule(8)), a);
	rules_unref(r, a);
	rules_unref(r, a);
	/* Free now: the next new rule has its place. */
	assert_int_equal(rules_ref(r, rule(24)), a);
	assert_int_equal(entries[a].cfa_offset, 24);
	/* What only the programs may say is no rule of a table. */
	assert_int_equal(rules_ref(r, (struct unwind_rule_entry){ .cfa = 0xf2 }), UNWIND_RULE_NONE);
	rules_deinit(r);
	free(entries);
	free(r);
}

static void a_rule_too_many_becomes_one_that_says_so(void **state)
{
	struct unwind_rule_entry *entries;
	struct rules *r = rules_new(&entries);
	uint32_t id, last = 0;

	(void)state;
	for (int i = 0; i < (int)STORE_IDS; i++) {
		id = rules_ref(r, rule(8 * i));
		if (entries[id].cfa == UNWIND_CFA_UNKNOWN)
			break;
		last = id;
	}
	assert_int_equal(entries[id].cfa_offset, UNWIND_UNKNOWN_RULES);
	rules_unref(r, id);
	rules_unref(r, last);
	assert_int_equal(rules_ref(r, rule(-8)), last);
	rules_deinit(r);
	free(entries);
	free(r);
}

#define ROW(offset, id) ((uint32_t)(offset) << UNWIND_ROW_SHIFT | (id))

static int checked(const struct kernel_table_view *v)
{
	uint32_t page = 0;

	return kernel_table_check(v, &page, UINT32_MAX);
}

static void tables_of_a_worker_are_checked(void **state)
{
	const struct unwind_rule_entry rules[] = { { 0 }, rule(8), rule(16) };
	const uint32_t rows[] = { 0, ROW(0, 1), ROW(5, 2), ROW(4, 0), ROW(4095, 2) };
	const uint32_t index[] = { 1, 3, 3, 5 };
	const struct kernel_table_view good = { rows, index, rules, 5, 3, 3 };
	uint32_t bad_rows[5], bad_index[4];
	struct kernel_table_view bad;

	(void)state;
	assert_int_equal(checked(&good), 1);
	for (unsigned i = 0; i < 5; i++) {
		static const uint32_t wrong[] = { ROW(0, 1), ROW(0, 3), ROW(0, 1), ROW(0, 99),
			ROW(4, 1) };

		memcpy(bad_rows, rows, sizeof(rows));
		bad_rows[i] = wrong[i];
		bad = good;
		bad.rows = bad_rows;
		assert_int_equal(checked(&bad), -EBADMSG);
	}
	for (unsigned i = 0; i < 4; i++) {
		static const uint32_t wrong[] = { 0, 4, 6, 4 };

		memcpy(bad_index, index, sizeof(index));
		bad_index[i] = wrong[i];
		bad = good;
		bad.page_index = bad_index;
		assert_int_equal(checked(&bad), -EBADMSG);
	}
	bad = good;
	bad.n_rules = 2;
	assert_int_equal(checked(&bad), -EBADMSG);
	bad.n_rules = UINT32_MAX;
	assert_int_equal(checked(&bad), -EBADMSG);
	bad = good;
	bad.n_pages = 0;
	assert_int_equal(checked(&bad), -EBADMSG);
	bad = good;
	bad.n_rows = 0;
	assert_int_equal(checked(&bad), -EBADMSG);
	bad = good;
	bad.rules = rules + 1;
	assert_int_equal(checked(&bad), -EBADMSG);
}

static void large_tables_are_checked_in_pieces_to_the_end(void **state)
{
	enum { PAGES = 1000, ROWS_A_PAGE = 100, ROWS = 1 + PAGES * ROWS_A_PAGE };
	const struct unwind_rule_entry rules[] = { { 0 }, rule(8) };
	static uint32_t rows[ROWS], index[PAGES + 1];
	const struct kernel_table_view view = { rows, index, rules, ROWS, PAGES, 2 };
	uint32_t page = 0, before = 0, turns = 1;
	int r;

	(void)state;
	for (uint32_t i = 1; i < ROWS; i++)
		rows[i] = ROW((i - 1) % ROWS_A_PAGE, 1);
	for (uint32_t i = 0; i <= PAGES; i++)
		index[i] = 1 + i * ROWS_A_PAGE;
	for (; (r = kernel_table_check(&view, &page, 0)) == 0; turns++) {
		assert_in_range(page - before, 1, PAGES / 10);
		before = page;
	}
	assert_int_equal(r, 1);
	assert_true(turns > 10);

	rows[ROWS - 1] = ROW(ROWS_A_PAGE - 1, 2);
	page = 0;
	for (turns = 1; (r = kernel_table_check(&view, &page, 0)) == 0; turns++)
		;
	assert_int_equal(r, -EBADMSG);
	assert_true(turns > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rooms_never_overlap_and_come_back_whole),
		cmocka_unit_test(lists_do_not_cut_up_the_room_of_tables),
		cmocka_unit_test(what_never_fits_is_told_from_what_does_not_fit_now),
		cmocka_unit_test(a_rule_is_kept_once_and_until_its_last_user_goes),
		cmocka_unit_test(a_rule_too_many_becomes_one_that_says_so),
		cmocka_unit_test(tables_of_a_worker_are_checked),
		cmocka_unit_test(large_tables_are_checked_in_pieces_to_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
