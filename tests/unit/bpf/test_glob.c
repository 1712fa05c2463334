/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns over comms, stepped as the program steps them; fnmatch(3) is the truth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "bpf/glob.h"

/* 1, 0, or -1 when the promised number of steps was not enough. */
static int matches(const char *pattern, const char *text)
{
	char p[ABI_GLOB] = "", t[ABI_COMM] = "";
	struct glob g = { 0 };

	(void)snprintf(p, sizeof(p), "%s", pattern);
	(void)snprintf(t, sizeof(t), "%s", text);
	for (unsigned i = 0; i < GLOB_STEPS; i++)
		if (glob_step(&g, p, t))
			return g.matched;
	return -1;
}

static void patterns_match_as_fnmatch_says(void **state)
{
	static const char *const patterns[] = { "", "*", "?", "a", "a*", "*a", "*a*", "a?c", "a*c",
		"a*b*c", "[abc]", "[a-c]x", "[!a-c]x", "[]a]", "[!]a]", "[a-]", "*[0-9]",
		"worker-[0-9]*", "**", "*?*", "?*?", "[a", "a[", "[", "a*a*a*a*b", "[b-a]", "node",
		"*.test", "kworker/*", "[a-c][d-f]*" };
	static const char *const texts[] = { "", "a", "b", "c", "ab", "ac", "abc", "abbc", "aXc",
		"cx", "dx", "]", "-", "worker-7", "worker-", "worker-x7", "aaaaaaaaaaaaaab",
		"aaaaaaaaaaaaaaa", "node", "nodes", "bench.test", "kworker/0:1", "[a", "a[", "[",
		"ad", "cfz" };

	(void)state;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++)
		for (size_t j = 0; j < sizeof(texts) / sizeof(*texts); j++) {
			int expected = fnmatch(patterns[i], texts[j], FNM_NOESCAPE) == 0;

			if (matches(patterns[i], texts[j]) != expected)
				fail_msg("\"%s\" and \"%s\": not %d", patterns[i], texts[j],
					expected);
		}
}

static void the_longest_pattern_against_the_longest_name_ends_within_its_steps(void **state)
{
	char pattern[ABI_GLOB];

	(void)state;
	memset(pattern, '*', sizeof(pattern) - 1);
	pattern[sizeof(pattern) - 1] = 0;
	pattern[sizeof(pattern) - 2] = 'b';
	assert_int_equal(matches(pattern, "aaaaaaaaaaaaaaa"), 0);
	assert_int_equal(matches("*[cdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_]",
				 "aaaaaaaaaaaaaaa"),
		0);
	assert_int_equal(matches("*[cdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ012345678b]",
				 "aaaaaaaaaaaaaab"),
		1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_match_as_fnmatch_says),
		cmocka_unit_test(
			the_longest_pattern_against_the_longest_name_ends_within_its_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
