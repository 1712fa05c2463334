/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of profile types: names of a request, what serves what, what skews what. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "session/types.h"

#define CPU    (1U << PROFILE_CPU)
#define BLOCK  (1U << PROFILE_BLOCK)
#define MUTEX  (1U << PROFILE_MUTEX)
#define RUNQ   (1U << PROFILE_RUNQ)
#define OFFCPU (1U << PROFILE_OFFCPU)
#define WALL   (1U << PROFILE_WALL)
#define CREATE (1U << PROFILE_THREADCREATE)

static void names_become_bits_and_none_is_cpu(void **state)
{
	const char *const names[] = { "wall", "cpu", "threadcreate", "cpu" };
	uint32_t types = 0;

	(void)state;
	assert_int_equal(types_from_names(NULL, 0, &types, NULL), 0);
	assert_int_equal(types, CPU);
	assert_int_equal(types_from_names(names, ARRAY_SIZE(names), &types, NULL), 0);
	assert_int_equal(types, CPU | WALL | CREATE);
}

static void an_unknown_name_is_told_with_all_there_are(void **state)
{
	const char *const names[] = { "cpu", "blo\nck" };
	struct error error = ERROR_INIT;
	uint32_t types = 77;

	(void)state;
	assert_int_equal(types_from_names(names, 2, &types, &error), -EINVAL);
	assert_int_equal(error.code, EXIT_CODE_USAGE);
	assert_int_equal(types, 77);
	assert_string_equal(error.text,
		"no profile type blo?ck: this daemon has cpu, block, mutex, runq, offcpu, wall, "
		"threadcreate");
}

static void an_endless_name_does_not_push_out_the_list(void **state)
{
	char text[4096];
	const char *const names[] = { text };
	struct error error = ERROR_INIT;
	uint32_t types;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(types_from_names(names, 1, &types, &error), -EINVAL);
	assert_non_null(strstr(error.text, "threadcreate"));
}

static void types_are_written_as_a_request_names_them(void **state)
{
	char text[TYPES_TEXT], small[8];

	(void)state;
	assert_string_equal(types_format(BLOCK | CPU, text, sizeof(text)), "cpu, block");
	assert_string_equal(types_format(0, text, sizeof(text)), "");
	assert_string_equal(types_format(UINT32_MAX, text, sizeof(text)),
		"cpu, block, mutex, runq, offcpu, wall, threadcreate");
	assert_string_equal(types_format(UINT32_MAX, small, sizeof(small)), "cpu, bl");
}

static void a_threshold_is_ten_microseconds_unless_said(void **state)
{
	struct error error = ERROR_INIT;
	uint64_t ns = 1;

	(void)state;
	assert_int_equal(types_threshold(0, false, &ns, NULL), 0);
	assert_int_equal(ns, 10000);
	assert_int_equal(types_threshold(0, true, &ns, NULL), 0);
	assert_int_equal(ns, 0);
	assert_int_equal(types_threshold(5, false, &ns, NULL), 0);
	assert_int_equal(ns, 5);
	assert_int_equal(types_threshold(5, true, &ns, &error), -EINVAL);
	assert_int_equal(error.code, EXIT_CODE_USAGE);
	assert_int_equal(types_threshold(TYPES_THRESHOLD_MAX_NS, false, &ns, NULL), 0);
	assert_int_equal(types_threshold(TYPES_THRESHOLD_MAX_NS + 1, false, &ns, NULL), -EINVAL);
	assert_int_equal(ns, TYPES_THRESHOLD_MAX_NS);
}

static void waits_collected_for_one_type_serve_the_others(void **state)
{
	(void)state;
	assert_true(types_serve(BLOCK, PROFILE_RUNQ));
	assert_true(types_serve(OFFCPU, PROFILE_BLOCK));
	assert_true(types_serve(WALL, PROFILE_OFFCPU));
	assert_true(types_serve(WALL, PROFILE_CPU));
	assert_false(types_serve(CPU, PROFILE_BLOCK));
	assert_false(types_serve(BLOCK, PROFILE_MUTEX));
	assert_false(types_serve(MUTEX, PROFILE_BLOCK));
	assert_false(types_serve(0, PROFILE_CPU));
	/* Without exact CPU time the parts are not elapsed time. */
	assert_false(types_serve(CPU | OFFCPU, PROFILE_WALL));
	assert_true(types_serve(CPU | CREATE, PROFILE_THREADCREATE));
}

static void only_what_lasts_goes_on(void **state)
{
	(void)state;
	assert_true(types_go_on(BLOCK));
	assert_true(types_go_on(CPU | RUNQ));
	assert_true(types_go_on(WALL));
	assert_false(types_go_on(CPU | MUTEX | CREATE));
	assert_true(types_have_threshold(MUTEX));
	assert_true(types_have_threshold(WALL));
	assert_false(types_have_threshold(CPU | CREATE));
}

static void probes_of_several_kinds_skew_each_other_but_not_in_wall(void **state)
{
	static const uint32_t skewed[] = { CPU | BLOCK, CPU | OFFCPU, CPU | MUTEX, BLOCK | MUTEX,
		WALL | MUTEX, CPU | BLOCK | CREATE };
	static const uint32_t fine[] = { 0, CPU, BLOCK, MUTEX, RUNQ, OFFCPU, WALL, CREATE,
		BLOCK | RUNQ | OFFCPU, WALL | CPU, WALL | BLOCK | OFFCPU | RUNQ | CPU,
		CPU | CREATE };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(skewed); i++)
		assert_true(types_skew(skewed[i]));
	for (size_t i = 0; i < ARRAY_SIZE(fine); i++)
		assert_false(types_skew(fine[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_become_bits_and_none_is_cpu),
		cmocka_unit_test(an_unknown_name_is_told_with_all_there_are),
		cmocka_unit_test(an_endless_name_does_not_push_out_the_list),
		cmocka_unit_test(types_are_written_as_a_request_names_them),
		cmocka_unit_test(a_threshold_is_ten_microseconds_unless_said),
		cmocka_unit_test(waits_collected_for_one_type_serve_the_others),
		cmocka_unit_test(only_what_lasts_goes_on),
		cmocka_unit_test(probes_of_several_kinds_skew_each_other_but_not_in_wall),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
