/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of mappings for the programs, and which table goes first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/limits.h"
#include "unwind_list.h"

#define PIE 0x555555554000ULL

static const struct unwind_segment segments[] = {
	{ .offset = 0x1240, .vaddr = 0x3240, .size = 0x2000 },
	{ .offset = 0x5000, .vaddr = 0x800000, .size = 0x10 },
};
static const struct unwind_place places[] = {
	{ .table = 7, .vaddr = 0x3000, .segments = segments, .n_segments = 2 },
	{ .table = KERNEL_TABLE_NONE, .vaddr = 0x3000, .segments = segments, .n_segments = 2 },
};

static const struct unwind_place *place(void *userdata, uint32_t module)
{
	(void)userdata;
	return module < 2 ? &places[module] : NULL;
}

static void map(struct process *p, uint64_t start, uint64_t size, uint64_t offset, uint32_t module)
{
	struct process_mapping *m = array_push(&p->mappings);

	assert_non_null(m);
	*m = (struct process_mapping){
		.start = start,
		.end = start + size,
		.offset = offset,
		.until_ns = PROCESS_FOREVER_NS,
		.module = module,
	};
}

static struct process process(void)
{
	return (struct process){ .mappings = ARRAY_INIT(struct process_mapping, 64) };
}

static void base_is_where_page_0_of_the_table_is(void **state)
{
	uint64_t base;

	(void)state;
	/* The segment begins at 0x1240, its page at 0x1000; vaddr 0x3000 is page 0. */
	assert_true(unwind_list_base(&places[0], PIE + 0x3000, 0x1000, &base));
	assert_int_equal(base, PIE + 0x3000);
	/* A later part of it, as mprotect() splits it off. */
	assert_true(unwind_list_base(&places[0], PIE + 0x4000, 0x2000, &base));
	assert_int_equal(base, PIE + 0x3000);
	/* Another segment is further from its place in the file. */
	assert_true(unwind_list_base(&places[0], 0x800000, 0x5000, &base));
	assert_int_equal(base, 0x3000);
	assert_false(unwind_list_base(&places[0], PIE, 0, &base));
	assert_false(unwind_list_base(&places[0], PIE, 0x4000, &base));
	assert_false(unwind_list_base(&places[0], PIE, 0x6000, &base));
}

static void hostile_segments_and_offsets_are_only_wrong(void **state)
{
	const struct unwind_segment odd = { .offset = UINT64_MAX, .vaddr = 3, .size = UINT64_MAX };
	const struct unwind_place p = { .table = 1, .segments = &odd, .n_segments = 1 };
	uint64_t base;

	(void)state;
	(void)unwind_list_base(&p, UINT64_MAX, UINT64_MAX, &base);
	(void)unwind_list_base(&p, 0, 0, &base);
}

static void mappings_in_force_are_listed_with_their_tables(void **state)
{
	struct kernel_mapping out[8];
	struct process p = process();

	(void)state;
	map(&p, PIE + 0x3000, 0x2000, 0x1000, 0);
	map(&p, PIE + 0x8000, 0x1000, 0, 0); /* not in a segment */
	map(&p, 0x7f0000000000, 0x1000, 0x1000, 1);
	map(&p, 0x7f0000010000, 0x1000, 0x1000, 0);
	ARRAY_AT(&p.mappings, struct process_mapping, 3)->until_ns = 5; /* ended */
	map(&p, 0x7f0000020000, 0x1000, 0x7f0000020000, 9);
	assert_int_equal(unwind_list_make(&p, place, NULL, out, 8), 4);
	assert_int_equal(out[0].start, PIE + 0x3000);
	assert_int_equal(out[0].end, PIE + 0x5000);
	assert_int_equal(out[0].base, PIE + 0x3000);
	assert_int_equal(out[0].table, 7);
	assert_int_equal(out[1].table, KERNEL_TABLE_NONE);
	assert_int_equal(out[2].table, KERNEL_TABLE_NONE);
	assert_int_equal(out[3].start, 0x7f0000020000);
	assert_int_equal(out[3].table, KERNEL_TABLE_NONE);
	array_deinit(&p.mappings);
}

static void parts_that_go_on_are_joined_and_overlaps_left_out(void **state)
{
	struct kernel_mapping out[8];
	struct process p = process();

	(void)state;
	map(&p, PIE + 0x3000, 0x1000, 0x1000, 0);
	map(&p, PIE + 0x4000, 0x1000, 0x2000, 0);
	map(&p, PIE + 0x4800, 0x1000, 0x2000, 0); /* reaches into the one before */
	map(&p, PIE + 0x6000, 0x1000, 0x2000, 0); /* elsewhere: another base */
	assert_int_equal(unwind_list_make(&p, place, NULL, out, 8), 2);
	assert_int_equal(out[0].end, PIE + 0x5000);
	assert_int_equal(out[1].base, PIE + 0x5000);
	assert_int_equal(unwind_list_make(&p, place, NULL, out, 1), 1);
	array_deinit(&p.mappings);
}

static void oldest_table_that_no_list_names_goes_first(void **state)
{
	const struct unwind_use uses[] = {
		{ .used_ns = 1, .n_lists = 1, .whole = true },
		{ .used_ns = 9, .whole = true },
		{ .used_ns = 5, .whole = true },
		{ .used_ns = 2, .whole = false },
	};

	(void)state;
	assert_int_equal(unwind_list_oldest(uses, 4), 2);
	assert_int_equal(unwind_list_oldest(uses, 2), 1);
	assert_int_equal(unwind_list_oldest(uses, 1), UINT32_MAX);
	assert_int_equal(unwind_list_oldest(uses, 0), UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base_is_where_page_0_of_the_table_is),
		cmocka_unit_test(hostile_segments_and_offsets_are_only_wrong),
		cmocka_unit_test(mappings_in_force_are_listed_with_their_tables),
		cmocka_unit_test(parts_that_go_on_are_joined_and_overlaps_left_out),
		cmocka_unit_test(oldest_table_that_no_list_names_goes_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
