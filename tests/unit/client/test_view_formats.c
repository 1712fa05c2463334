/* SPDX-License-Identifier: Apache-2.0 */
/* The formats that carry a whole profile: folded, text, JSON. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "view_common.h"

static void folded_marks_kernel_and_inlined_frames(void **state)
{
	struct profile *p = new_profile(NULL, NULL, "samples", "count");
	uint32_t kernel = mapping(p, "[kernel.kallsyms]", ""),
		 module = mapping(p, "nf_tables.ko", ""), lib = mapping(p, "/lib/libx.so", "");
	struct profile_line lines[] = {
		{ .function = function(p, "inner", "inner") },
		{ .function = function(p, "outer", "outer") },
	};
	uint32_t both, nameless = location_in(p, lib, NULL, 7), nowhere = location(p, NULL, 8);

	(void)state;
	assert_int_equal(profile_add_location(p, 5, lib, lines, 2, false, &both), 0);
	sample(p,
		(uint32_t[]){ location_in(p, kernel, "sys_read", 1),
			location_in(p, module, "nft", 2), both, location(p, "a;b c", 3) },
		4, 7, 0);
	sample(p, (uint32_t[]){ nameless, nowhere }, 2, 3, 0);
	sample(p, NULL, 0, 2, 0);
	_cleanup_free_ char *text = show(view_folded, p, NULL);
	assert_string_equal(text, "[no stack] 2\n"
				  "[unknown];[libx.so] 3\n"
				  "a:b c;outer;inner_[i];nft_[k];sys_read_[k] 7\n");
	profile_free(p);
}

static void folded_adds_up_stacks_that_read_the_same(void **state)
{
	struct profile *p = new_profile("samples", "count", "cpu", "nanoseconds");
	struct view_options samples = { .sample_index = "samples" };
	uint32_t a = location(p, "f", 1), b = location(p, "f", 2), c = location(p, "g", 3);

	(void)state;
	sample(p, &a, 1, 1, 100);
	sample(p, &b, 1, 2, 200);
	sample(p, &c, 1, 0, 5);
	_cleanup_free_ char *cpu = show(view_folded, p, NULL), *n = show(view_folded, p, &samples);
	assert_string_equal(cpu, "f 300\ng 5\n");
	assert_string_equal(n, "f 3\n");
	profile_free(p);
}

static struct profile *everything(void)
{
	struct profile *p = new_profile("samples", "count", "cpu", "nanoseconds");
	uint32_t lib = mapping(p, "/lib/lib\"\\\xff\n.so", "beef"), l, stack, labels;
	struct profile_function f = { .name = string(p, "f\xc3\xa9"),
		.system_name = string(p, "_Zf"),
		.file = string(p, "/src/f.c"),
		.start_line = 10 };
	struct profile_line line = { .line = 12, .column = 3 };

	assert_int_equal(profile_set_period(p, "cpu", "nanoseconds", 10101010), 0);
	assert_int_equal(profile_add_comment(p, "made by hand"), 0);
	p->time_nanos = 1700000000000000000;
	p->duration_nanos = 1500000000;
	assert_int_equal(profile_add_function(p, &f, &line.function), 0);
	assert_int_equal(profile_add_location(p, 0xffffffff81000000, lib, &line, 1, true, &l), 0);
	assert_int_equal(profile_add_stack(p, &l, 1, &stack), 0);
	struct profile_label set[] = {
		{ .key = string(p, "thread"), .str = string(p, "main") },
		{ .key = string(p, "slot_time"), .num = 5, .num_unit = string(p, "nanoseconds") },
	};
	assert_int_equal(profile_add_label_set(p, set, 2, &labels), 0);
	assert_int_equal(
		profile_add_sample(p, stack, labels, (int64_t[]){ 3, 30303030 }, false), 0);
	return p;
}

static void json_is_valid_and_says_everything(void **state)
{
	struct profile *p = everything();
	_cleanup_free_ char *text = show(view_json, p, NULL);
	json_error_t error;
	json_t *j = json_loads(text, 0, &error), *m, *l, *s;

	(void)state;
	if (!j)
		fail_msg("line %d: %s", error.line, error.text);
	assert_string_equal(json_string_value(json_object_get(j, "schema")), "profd.profile");
	assert_int_equal(json_integer_value(json_object_get(j, "version")), 1);
	assert_int_equal(json_array_size(json_object_get(j, "sample_types")), 2);
	assert_int_equal(json_integer_value(json_object_get(j, "period")), 10101010);
	m = json_array_get(json_object_get(j, "mappings"), 0);
	assert_string_equal(
		json_string_value(json_object_get(m, "file")), "/lib/lib\"\\\xef\xbf\xbd\n.so");
	assert_string_equal(json_string_value(json_object_get(m, "build_id")), "beef");
	assert_true(json_is_true(json_object_get(m, "has_functions")));
	assert_true(json_is_false(json_object_get(m, "has_inline_frames")));
	l = json_array_get(json_object_get(j, "locations"), 0);
	assert_string_equal(json_string_value(json_object_get(l, "address")), "0xffffffff81000000");
	assert_true(json_is_true(json_object_get(l, "is_folded")));
	l = json_array_get(json_object_get(l, "lines"), 0);
	assert_int_equal(json_integer_value(json_object_get(l, "line")), 12);
	assert_int_equal(json_integer_value(json_object_get(l, "column")), 3);
	s = json_array_get(json_object_get(j, "functions"), 0);
	assert_string_equal(json_string_value(json_object_get(s, "name")), "f\xc3\xa9");
	s = json_array_get(json_object_get(j, "samples"), 0);
	assert_int_equal(
		json_integer_value(json_array_get(json_object_get(s, "values"), 1)), 30303030);
	l = json_object_get(s, "labels");
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(l, 0), "value")), "main");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(l, 1), "value")), 5);
	json_decref(j);
	profile_free(p);
}

static void text_is_for_reading(void **state)
{
	struct profile *p = everything();
	_cleanup_free_ char *text = show(view_text, p, NULL);

	(void)state;
	assert_non_null(strstr(text, "sample types: samples/count, cpu/nanoseconds\n"));
	assert_non_null(strstr(text, "period: 10101010 cpu/nanoseconds\n"));
	assert_non_null(strstr(text, "comment: made by hand\n"));
	assert_non_null(strstr(text,
		"\nsamples=3  cpu=30.30ms  thread=main  slot_time=5 nanoseconds\n"
		"    ffffffff81000000  f\xc3\xa9 /src/f.c:12:3 (/lib/lib\"\\??.so) [folded]\n"));
	profile_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(folded_marks_kernel_and_inlined_frames),
		cmocka_unit_test(folded_adds_up_stacks_that_read_the_same),
		cmocka_unit_test(json_is_valid_and_says_everything),
		cmocka_unit_test(text_is_for_reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
