/* SPDX-License-Identifier: Apache-2.0 */
/* What each filter leaves of a small profile, and drop_frames and keep_frames. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "view_common.h"
#include "base/cleanup.h"
#include "profile/build.h"
#include "view/filter.h"
#include "view/flame.h"
#include "view/prune.h"

DEFINE_CLEANUP(struct profile *, profile_free)

static void labelled(struct profile *p, const uint32_t *locations, uint32_t n, int64_t value,
	const char *thread, int64_t bytes)
{
	struct profile_label labels[] = {
		{ .key = string(p, "thread"), .str = string(p, thread) },
		{ .key = string(p, "bytes"), .num = bytes, .num_unit = string(p, "bytes") },
	};
	uint32_t stack, set;

	assert_int_equal(profile_add_stack(p, locations, n, &stack), 0);
	assert_int_equal(profile_intern_label_set(p, labels, 2, &set), 0);
	assert_int_equal(profile_add_sample(p, stack, set, &value, false), 0);
}

/*
 * main;parse;copy 1       io    512 bytes     copy is libc's
 * main;run;work;copy 10   main  2 kB          work is inlined in run
 * main;run;work 100       main  1 MB
 * main;idle 1000          io    64 bytes
 */
static struct profile *of_four(void)
{
	struct profile *p = new_profile(NULL, NULL, "cpu", "nanoseconds");
	uint32_t prog = mapping(p, "/opt/prog", "aa"), libc = mapping(p, "/lib/libc.so.6", "bb");
	uint32_t root = location_in(p, prog, "main", 1), parse = location_in(p, prog, "parse", 2);
	uint32_t idle = location_in(p, prog, "idle", 3), copy = location_in(p, libc, "copy", 4);
	struct profile_line lines[] = { { .function = function(p, "work", "work") },
		{ .function = function(p, "run", "run") } };
	uint32_t inlined;

	ARRAY_AT(&p->functions, struct profile_function, lines[1].function)->file =
		string(p, "/src/engine.c");
	assert_int_equal(profile_add_location(p, 5, prog, lines, 2, false, &inlined), 0);
	labelled(p, (uint32_t[]){ copy, parse, root }, 3, 1, "io", 512);
	labelled(p, (uint32_t[]){ copy, inlined, root }, 3, 10, "main", 2048);
	labelled(p, (uint32_t[]){ inlined, root }, 2, 100, "main", 1 << 20);
	labelled(p, (uint32_t[]){ idle, root }, 2, 1000, "io", 64);
	return p;
}

static void assert_left(const struct filter *f, const char *want, const char *want_notes)
{
	CLEANUP(profile_freep) struct profile *p = of_four();
	_cleanup_free_ char *notes = NULL, *got = NULL;
	struct error e = ERROR_INIT;
	size_t n;
	FILE *out = open_memstream(&notes, &n);

	assert_non_null(out);
	assert_int_equal(filter_apply(p, f, out, &e), 0);
	assert_int_equal(fclose(out), 0);
	got = show(view_folded, p, NULL);
	assert_string_equal(got, want);
	assert_string_equal(notes, want_notes ? want_notes : "");
}

static void nothing_is_left_out_without_filters(void **state)
{
	(void)state;
	assert_left(&(struct filter){ .focus = "" },
		"main;idle 1000\nmain;parse;copy 1\nmain;run;work_[i] 100\nmain;run;work_[i];copy "
		"10\n",
		NULL);
}

static void focus_leaves_samples_with_a_match_by_function_file_or_module(void **state)
{
	(void)state;
	assert_left(&(struct filter){ .focus = "parse" }, "main;parse;copy 1\n", NULL);
	assert_left(&(struct filter){ .focus = "engine" },
		"main;run;work_[i] 100\nmain;run;work_[i];copy 10\n", NULL);
	assert_left(&(struct filter){ .focus = "libc" },
		"main;parse;copy 1\nmain;run;work_[i];copy 10\n", NULL);
	assert_left(&(struct filter){ .focus = "nobody" }, "", "--focus matches nothing\n");
}

static void ignore_takes_samples_with_a_match(void **state)
{
	(void)state;
	assert_left(&(struct filter){ .ignore = "^(idle|work)$" }, "main;parse;copy 1\n", NULL);
	/* Also where they are in focus. */
	assert_left(&(struct filter){ .focus = "copy", .ignore = "parse" },
		"main;run;work_[i];copy 10\n", NULL);
}

static void hide_takes_frames_out_of_stacks(void **state)
{
	(void)state;
	assert_left(&(struct filter){ .hide = "run|parse" },
		"main;copy 1\nmain;idle 1000\nmain;work 100\nmain;work;copy 10\n", NULL);
	/* A module's frames go as a whole; samples without any frame go. */
	assert_left(&(struct filter){ .hide = "prog" }, "copy 11\n", NULL);
	assert_left(&(struct filter){ .hide = "libc" },
		"main;idle 1000\nmain;parse 1\nmain;run;work_[i] 110\n", NULL);
}

static void hidden_frames_are_in_focus_nevertheless(void **state)
{
	(void)state;
	assert_left(&(struct filter){ .focus = "parse", .hide = "parse" }, "main;copy 1\n", NULL);
}

static void show_takes_all_other_frames_out(void **state)
{
	(void)state;
	assert_left(&(struct filter){ .show = "work|idle" }, "idle 1000\nwork 110\n", NULL);
	assert_left(&(struct filter){ .show = "libc" }, "copy 11\n", NULL);
}

static void show_from_cuts_what_is_above_the_first_match(void **state)
{
	(void)state;
	assert_left(&(struct filter){ .show_from = "work|copy" },
		"copy 1\nwork 100\nwork;copy 10\n", NULL);
	assert_left(&(struct filter){ .show_from = "run" },
		"run;work_[i] 100\nrun;work_[i];copy 10\n", NULL);
}

static void tagfocus_and_tagignore_match_labels(void **state)
{
	static const char work[] = "main;run;work_[i] 100\nmain;run;work_[i];copy 10\n";

	(void)state;
	assert_left(&(struct filter){ .tagfocus = "thread=ma" }, work, NULL);
	assert_left(&(struct filter){ .tagfocus = "thread:ma" }, work, NULL);
	assert_left(&(struct filter){ .tagfocus = "thread=nix,ma" }, work, NULL);
	/* Without a key all must match. */
	assert_left(&(struct filter){ .tagfocus = "nix,ma" }, "", "--tagfocus matches nothing\n");
	assert_left(&(struct filter){ .tagignore = "io" }, work, NULL);
	assert_left(&(struct filter){ .tagignore = "nobody" },
		"main;idle 1000\nmain;parse;copy 1\nmain;run;work_[i] 100\nmain;run;work_[i];copy "
		"10\n",
		"--tagignore matches nothing\n");
}

static void ranges_match_numbers_in_any_unit(void **state)
{
	static const struct {
		const char *range, *want;
	} cases[] = {
		{ "2kb", "main;run;work_[i];copy 10\n" },
		{ "2kb:", "main;run;work_[i] 100\nmain;run;work_[i];copy 10\n" },
		{ ":512b", "main;idle 1000\nmain;parse;copy 1\n" },
		{ "100b:3kb", "main;parse;copy 1\nmain;run;work_[i];copy 10\n" },
		{ "bytes=1mb", "main;run;work_[i] 100\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *range = strchr(cases[i].range, '=');
		char note[80];
		(void)snprintf(note, sizeof(note),
			"--tagfocus: '%s' is read as a range of numbers\n",
			range ? range + 1 : cases[i].range);
		assert_left(&(struct filter){ .tagfocus = cases[i].range }, cases[i].want, note);
	}
	assert_left(&(struct filter){ .tagfocus = "other=1mb" }, "",
		"--tagfocus: '1mb' is read as a range of numbers\n--tagfocus matches nothing\n");
}

static void bad_expressions_are_named(void **state)
{
	CLEANUP(profile_freep) struct profile *p = of_four();
	const struct filter bad[] = { { .focus = "(" }, { .ignore = "(" }, { .hide = "(" },
		{ .show = "(" }, { .show_from = "(" }, { .tagfocus = "(" },
		{ .tagignore = "a=(" } };
	static const char *const names[] = { "--focus", "--ignore", "--hide", "--show",
		"--show-from", "--tagfocus", "--tagignore" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error e = ERROR_INIT;
		assert_int_equal(filter_apply(p, &bad[i], stderr, &e), -EINVAL);
		assert_int_equal(e.code, EXIT_CODE_USAGE);
		assert_non_null(strstr(e.text, names[i]));
	}
}

static void assert_pruned(const char *drop, const char *keep, const char *want)
{
	CLEANUP(profile_freep) struct profile *p = of_four();

	p->drop_frames = string(p, drop);
	p->keep_frames = string(p, keep);
	assert_int_equal(prune_apply(p), 0);
	assert_int_equal(p->drop_frames, 0);
	assert_int_equal(p->keep_frames, 0);
	_cleanup_free_ char *got = show(view_folded, p, NULL);
	assert_string_equal(got, want);
}

static void drop_frames_takes_what_matches_and_what_it_calls(void **state)
{
	(void)state;
	assert_pruned("copy", "", "main;idle 1000\nmain;parse 1\nmain;run;work_[i] 110\n");
	assert_pruned("parse", "",
		"main 1\nmain;idle 1000\nmain;run;work_[i] 100\nmain;run;work_[i];copy 10\n");
	/* The whole name, not a part of it. */
	assert_pruned("cop|par", "",
		"main;idle 1000\nmain;parse;copy 1\nmain;run;work_[i] 100\nmain;run;work_[i];copy "
		"10\n");
	/* What a thread begins with is not what the user calls. */
	assert_pruned("main", "",
		"main;idle 1000\nmain;parse;copy 1\nmain;run;work_[i] 100\nmain;run;work_[i];copy "
		"10\n");
}

static void keep_frames_overrides_drop_frames(void **state)
{
	(void)state;
	assert_pruned(
		"copy|parse", "par.*", "main;idle 1000\nmain;parse 1\nmain;run;work_[i] 110\n");
}

static void shares_are_of_the_whole_though_filtered(void **state)
{
	CLEANUP(profile_freep) struct profile *p = of_four();
	CLEANUP(flame_tree_deinit) struct flame_tree t = { 0 };
	struct error e = ERROR_INIT;

	(void)state;
	assert_int_equal(flame_tree_init(&t, false, false), 0);
	flame_tree_count(&t, p, 0, FLAME_NEW);
	assert_int_equal(filter_apply(p, &(struct filter){ .focus = "run" }, stderr, &e), 0);
	assert_int_equal(flame_tree_add(&t, p, 0, FLAME_NEW), 0);
	assert_int_equal(flame_tree_finish(&t), 0);
	assert_int_equal(flame_node(&t, 0)->value[FLAME_NEW], 110);
	assert_int_equal(flame_tree_whole(&t, FLAME_NEW), 1111);
}

static void tagroot_and_tagleaf_make_frames_of_labels(void **state)
{
	(void)state;
	assert_left(&(struct filter){ .tagleaf = "thread" },
		"main;idle;io 1000\nmain;parse;copy;io 1\nmain;run;work_[i];copy;main 10\n"
		"main;run;work_[i];main 100\n",
		NULL);
	assert_left(&(struct filter){ .tagroot = "thread,bytes" },
		"io;512B;main;parse;copy 1\nio;64B;main;idle 1000\n"
		"main;1MB;main;run;work_[i] 100\nmain;2kB;main;run;work_[i];copy 10\n",
		NULL);
	assert_left(&(struct filter){ .tagleaf = "bytes", .unit = "kb", .focus = "^2kB$" },
		"main;run;work_[i];copy;2kB 10\n", NULL);
	assert_left(&(struct filter){ .tagroot = "nix", .tagleaf = ",", .tagfocus = "thread=io" },
		"[unknown];main;idle 1000\n[unknown];main;parse;copy 1\n",
		"--tagroot matches nothing\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_left_out_without_filters),
		cmocka_unit_test(focus_leaves_samples_with_a_match_by_function_file_or_module),
		cmocka_unit_test(ignore_takes_samples_with_a_match),
		cmocka_unit_test(hide_takes_frames_out_of_stacks),
		cmocka_unit_test(hidden_frames_are_in_focus_nevertheless),
		cmocka_unit_test(show_takes_all_other_frames_out),
		cmocka_unit_test(show_from_cuts_what_is_above_the_first_match),
		cmocka_unit_test(tagfocus_and_tagignore_match_labels),
		cmocka_unit_test(tagroot_and_tagleaf_make_frames_of_labels),
		cmocka_unit_test(ranges_match_numbers_in_any_unit),
		cmocka_unit_test(bad_expressions_are_named),
		cmocka_unit_test(drop_frames_takes_what_matches_and_what_it_calls),
		cmocka_unit_test(keep_frames_overrides_drop_frames),
		cmocka_unit_test(shares_are_of_the_whole_though_filtered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
