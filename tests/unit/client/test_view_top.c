/* SPDX-License-Identifier: Apache-2.0 */
/* The table of `report --top`: numbers counted by hand, order, names that are hostile or not there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "view_common.h"

/* main -> loop -> work 30, main -> loop -> loop -> work 10, main 2. */
static struct profile *small(void)
{
	struct profile *p = new_profile("samples", "count", "cpu", "nanoseconds");
	uint32_t m = location(p, "main", 0x10), l = location(p, "loop", 0x20),
		 w = location(p, "work", 0x30);

	sample(p, (uint32_t[]){ w, l, m }, 3, 3, 30000000);
	sample(p, (uint32_t[]){ w, l, l, m }, 4, 1, 10000000);
	sample(p, (uint32_t[]){ m }, 1, 1, 2000000);
	return p;
}

static void flat_is_the_leaf_and_cum_counts_a_recursing_function_once(void **state)
{
	struct profile *p = small();
	_cleanup_free_ char *text = show(view_top, p, NULL);

	(void)state;
	assert_string_equal(text, "Type: cpu\n"
				  "Showing nodes accounting for 42ms, 100% of 42ms total\n"
				  "      flat  flat%   sum%        cum   cum%\n"
				  "      40ms 95.24% 95.24%       40ms 95.24%  work\n"
				  "       2ms  4.76%   100%       42ms   100%  main\n"
				  "         0     0%   100%       40ms 95.24%  loop\n");
	profile_free(p);
}

static void cum_sorts_by_what_is_below_too(void **state)
{
	struct profile *p = small();
	struct view_options o = { .cum = true, .n = 2, .sample_index = "samples" };
	_cleanup_free_ char *text = show(view_top, p, &o);

	(void)state;
	assert_string_equal(text, "Type: samples\n"
				  "Showing nodes accounting for 1, 20.00% of 5 total\n"
				  "Showing top 2 nodes out of 3\n"
				  "      flat  flat%   sum%        cum   cum%\n"
				  "         1 20.00% 20.00%          5   100%  main\n"
				  "         0     0% 20.00%          4 80.00%  loop\n");
	profile_free(p);
}

static void rows_below_half_a_percent_are_left_out_unless_asked_for(void **state)
{
	struct profile *p = new_profile(NULL, NULL, "space", "bytes");
	uint32_t big = location(p, "big", 1), tiny = location(p, "tiny", 2);
	struct view_options all = { .n = -1 };

	(void)state;
	sample(p, &big, 1, 1024 * 1024, 0);
	sample(p, &tiny, 1, 1024, 0);
	_cleanup_free_ char *some = show(view_top, p, NULL), *every = show(view_top, p, &all);
	assert_non_null(strstr(some, "Dropped 1 node (cum <= 0.01MB)\n"));
	assert_null(strstr(some, "tiny"));
	assert_non_null(strstr(every, "    1024kB 99.90% 99.90%     1024kB 99.90%  big\n"));
	assert_non_null(strstr(every, "       1kB 0.098%   100%        1kB 0.098%  tiny\n"));
	profile_free(p);
}

static void the_default_sample_type_is_shown_else_the_last(void **state)
{
	struct profile *p = small();
	struct error e = ERROR_INIT;
	uint32_t i;

	(void)state;
	assert_int_equal(view_sample_index(p, NULL, &i, NULL), 0);
	assert_int_equal(i, 1);
	p->default_sample_type = p->types[0].type;
	assert_int_equal(view_sample_index(p, "", &i, NULL), 0);
	assert_int_equal(i, 0);
	assert_int_equal(view_sample_index(p, "cpu", &i, NULL), 0);
	assert_int_equal(i, 1);
	assert_int_equal(view_sample_index(p, "0", &i, NULL), 0);
	assert_int_equal(i, 0);
	assert_int_equal(view_sample_index(p, "inuse_cpu", &i, NULL), 0);
	assert_int_equal(i, 1);
	assert_int_equal(view_sample_index(p, "2", &i, NULL), -EINVAL);
	assert_int_equal(view_sample_index(p, "heap", &i, &e), -EINVAL);
	assert_int_equal(e.code, EXIT_CODE_USAGE);
	assert_string_equal(e.text, "the profile has no sample type 'heap'; it has samples, cpu");
	profile_free(p);
}

static void a_profile_without_types_is_one_line(void **state)
{
	struct view_options o = { 0 };
	struct error e = ERROR_INIT;
	struct profile *p;

	(void)state;
	assert_int_equal(profile_new(&p), 0);
	assert_int_equal(view_top(p, &o, stdout, &e), -EINVAL);
	assert_string_equal(e.text, "the profile has no sample types");
	profile_free(p);
}

static void terminal_escapes_in_names_do_not_pass(void **state)
{
	struct profile *p = new_profile(NULL, NULL, "cpu", "nanoseconds");
	uint32_t l = location(p, "evil\033[2J\n\xff name", 1);

	(void)state;
	assert_int_equal(profile_add_comment(p, "a \033]0;title\a comment"), 0);
	sample(p, &l, 1, 5, 0);
	_cleanup_free_ char *top = show(view_top, p, NULL), *folded = show(view_folded, p, NULL),
			    *text = show(view_text, p, NULL);
	assert_non_null(strstr(top, "evil?[2J?? name\n"));
	assert_non_null(strstr(top, "a ?]0;title? comment\n"));
	assert_string_equal(folded, "evil?[2J?? name 5\n");
	assert_null(strchr(text, '\033'));
	profile_free(p);
}

static void what_has_no_name_is_said_with_what_would_name_it(void **state)
{
	struct profile *p = new_profile(NULL, NULL, "samples", "count");
	uint32_t lib = mapping(p, "/usr/lib/libx.so.1", "abcd"), jit = mapping(p, "//anon", ""),
		 main = location(p, "main", 1);
	uint32_t unnamed = location_in(p, lib, "libx.so.1+0x1230", 0x1234),
		 anon = location_in(p, jit, NULL, 0x99);

	(void)state;
	sample(p, (uint32_t[]){ unnamed, unnamed, main }, 3, 30, 0);
	sample(p, (uint32_t[]){ main, anon, unnamed }, 3, 20, 0);
	sample(p, (uint32_t[]){ main }, 1, 50, 0);
	_cleanup_free_ char *top = show(view_top, p, NULL);
	const char *tail = strstr(top, "\nFunctions without");
	assert_non_null(tail);
	assert_string_equal(tail,
		"\nFunctions without a name: 30.00% of the total ends in one, "
		"50.00% passes through one\n"
		"  flat%    cum%\n"
		" 30.00%  50.00%  /usr/lib/libx.so.1 (build ID abcd): its -dbgsym package or "
		"debuginfod would name it\n"
		"     0%  20.00%  //anon: code made at run time: a perf map names it "
		"(node --perf-basic-prof, python3 -X perf, jcmd PID Compiler.perfmap)\n");
	profile_free(p);
}

static void nothing_is_said_where_everything_has_its_name(void **state)
{
	struct profile *p = small();

	(void)state;
	/* What profd says in the place of a stack is no frame that something would name. */
	sample(p, (uint32_t[]){ location(p, "[unsampled]", 0) }, 1, 9, 90000000);
	sample(p, (uint32_t[]){ location(p, "[before attach]", 0) }, 1, 9, 90000000);
	_cleanup_free_ char *top = show(view_top, p, NULL);
	assert_non_null(strstr(top, "[unsampled]"));
	assert_null(strstr(top, "without a name"));
	profile_free(p);
}

static void long_names_are_cut_at_a_terminals_edge(void **state)
{
	struct profile *p = new_profile(NULL, NULL, "samples", "count");
	char name[300];
	struct view_options o = { .width = 100 };

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	uint32_t l = location(p, name, 1);
	sample(p, &l, 1, 5, 0);
	_cleanup_free_ char *cut = show(view_top, p, &o), *whole = show(view_top, p, NULL);
	assert_non_null(strstr(whole, name));
	for (char *line = strtok(cut, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(strlen(line) <= 100);
	profile_free(p);
}

static void a_stream_that_fails_is_an_error(void **state)
{
	struct profile *p = small();
	struct view_options o = { 0 };
	static const view_fn views[] = { view_top, view_folded, view_text, view_json };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(views); i++) {
		struct error e = ERROR_INIT;
		_cleanup_fclose_ FILE *full = fopen("/dev/full", "w");
		assert_int_equal(views[i](p, &o, full, &e), -EIO);
		assert_string_equal(e.text, "cannot write: No space left on device");
	}
	profile_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flat_is_the_leaf_and_cum_counts_a_recursing_function_once),
		cmocka_unit_test(cum_sorts_by_what_is_below_too),
		cmocka_unit_test(rows_below_half_a_percent_are_left_out_unless_asked_for),
		cmocka_unit_test(the_default_sample_type_is_shown_else_the_last),
		cmocka_unit_test(a_profile_without_types_is_one_line),
		cmocka_unit_test(terminal_escapes_in_names_do_not_pass),
		cmocka_unit_test(what_has_no_name_is_said_with_what_would_name_it),
		cmocka_unit_test(nothing_is_said_where_everything_has_its_name),
		cmocka_unit_test(long_names_are_cut_at_a_terminals_edge),
		cmocka_unit_test(a_stream_that_fails_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
