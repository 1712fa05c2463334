/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions: what RE2 says of the same expression and text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/cleanup.h"
#include "view/expression.h"

struct question {
	const char *expression, *text;
	bool whole, answer;
};

static void matches_are_those_of_re2(void **state)
{
	static const struct question questions[] = {
		{ "foo", "a foobar", false, true },
		{ "foo", "a foobar", true, false },
		{ "f.o|b.r", "bar", true, true },
		{ "^foo", "a foo", false, false },
		{ "foo$", "a foo", false, true },
		{ "a|b|c", "xxcxx", false, true },
		{ "(a|b)*c", "ababc", true, true },
		{ "(a|b)*c", "abadc", true, false },
		{ "a+b?", "aaa", true, true },
		{ "a{2}", "aaa", true, false },
		{ "a{2,}", "aaa", true, true },
		{ "a{2,3}b", "aaab", true, true },
		{ "a{2,3}b", "aaaab", true, false },
		{ "(ab){2}", "abab", true, true },
		{ "(a|bc){2,3}?d", "abcad", true, true },
		{ "a{0}b", "b", true, true },
		{ "a{,2}", "a{,2}", true, true },
		{ "x{y", "x{y", true, true },
		{ "", "", true, true },
		{ "", "x", false, true },
		{ "(?i)MAIN\\.", "main.run", false, true },
		{ "(?i:M)ain", "main", true, true },
		{ "(?i:M)AIN", "main", true, false },
		{ "a(?i)B|c", "aB", true, true },
		{ "(?P<name>x)y", "xy", true, true },
		{ "\\d+\\.\\w", "12.a", true, true },
		{ "\\D", "1", false, false },
		{ "\\S\\s\\S", "a b", true, true },
		{ "\\bfoo\\b", "a foo.b", false, true },
		{ "\\bfoo\\b", "a food", false, false },
		{ "\\Boo", "foo", false, true },
		{ "\\Afoo\\z", "foo", false, true },
		{ "[a-c]+", "abcd", true, false },
		{ "[^a-c]+", "xyz", true, true },
		{ "[]a]+", "]a", true, true },
		{ "[a-]+", "a-", true, true },
		{ "[[:alpha:]_]+", "ab_", true, true },
		{ "[[:^digit:]]", "1", false, false },
		{ "[\\d.]+", "1.2", true, true },
		{ "[\\]]", "]", true, true },
		{ "\\Q.*\\E(a)", ".*a", true, true },
		{ "\\x41\\x{e9}\\101",
			"Aé"
			"A",
			true, true },
		{ "^.$", "é", false, true },
		{ "^..$", "é", false, false },
		{ "^.$", "\xff", false, true },
		{ "a.c", "a\nc", false, false },
		{ "(?s)a.c", "a\nc", false, true },
		{ "^b", "a\nb", false, false },
		{ "(?m)^b$", "a\nb\nc", false, true },
		{ "std::(vector|map)<.*>::~?\\w+", "std::vector<int>::push_back", true, true },
		{ "runtime\\.(goexit|mcall)", "runtime.mcall", true, true },
		{ "(a*)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", false, false },
		{ "(|a)*", "aa", true, true },
		{ "(a?){20}a{20}", "aaaaaaaaaaaaaaaaaaaa", true, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(questions); i++) {
		const struct question *q = &questions[i];
		CLEANUP(expression_freep) struct expression *e = NULL;
		struct error error = ERROR_INIT;
		if (expression_new(&e, q->expression, q->whole, "test", &error) < 0)
			fail_msg("'%s': %s", q->expression, error.text);
		if (expression_matches(e, q->text) != q->answer)
			fail_msg("'%s' and '%s': not %d", q->expression, q->text, q->answer);
	}
}

static void what_is_not_supported_is_said(void **state)
{
	static const char *const bad[] = { "(", ")", "(a", "a)", "[a", "[b-a]", "*a", "a**", "a|*",
		"\\", "\\pL", "\\C", "\\8", "\\y", "a{1001}", "a{3,2}", "(?<x>a)", "(?z)",
		"[[:x:]]", "((a{100}){100}){100}", "\\x{110000}", "\\xg", "\\Qa\\E+" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CLEANUP(expression_freep) struct expression *e = NULL;
		struct error error = ERROR_INIT;
		if (expression_new(&e, bad[i], false, "--focus", &error) >= 0)
			fail_msg("'%s' is accepted", bad[i]);
		assert_int_equal(error.code, EXIT_CODE_USAGE);
		assert_non_null(strstr(error.text, "--focus"));
	}
}

static void depth_and_size_have_bounds(void **state)
{
	char text[9001];
	struct expression *e = NULL;

	(void)state;
	memset(text, '(', 9000);
	text[9000] = '\0';
	assert_true(expression_new(&e, text, false, "test", NULL) < 0);
	for (size_t i = 0; i < 9000; i++)
		text[i] = i % 2 ? '|' : 'a';
	assert_true(expression_new(&e, text, false, "test", NULL) < 0);
	memset(text, 'a', 9000);
	assert_true(expression_new(&e, text, false, "test", NULL) < 0);
	assert_null(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches_are_those_of_re2),
		cmocka_unit_test(what_is_not_supported_is_said),
		cmocka_unit_test(depth_and_size_have_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
