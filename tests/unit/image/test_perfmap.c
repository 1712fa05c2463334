/* SPDX-License-Identifier: Apache-2.0 */
/* Perf maps as runtimes write them, and as nobody should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/limits.h"
#include "image/perfmap.h"

static const char *look(const char *text, uint64_t address)
{
	static char name[LIMIT_PERF_MAP_LINE + 1];
	struct perfmap_entry e;

	assert_int_equal(perfmap_lookup(text, strlen(text), &address, 1, &e), 0);
	if (!e.name)
		return NULL;
	assert_true(e.start <= address);
	(void)snprintf(name, sizeof(name), "%.*s", (int)e.name_n, e.name);
	return name;
}

static void range_is_half_open(void **state)
{
	static const char text[] = "1000 10 one\n1010 8 two\n";

	(void)state;
	assert_null(look(text, 0xfff));
	assert_string_equal(look(text, 0x1000), "one");
	assert_string_equal(look(text, 0x100f), "one");
	assert_string_equal(look(text, 0x1010), "two");
	assert_null(look(text, 0x1018));
}

static void name_is_the_rest_of_the_line(void **state)
{
	(void)state;
	assert_string_equal(
		look("10 10 LazyCompile:~f /a b.js:1:2\n", 0x10), "LazyCompile:~f /a b.js:1:2");
	assert_string_equal(look("10 10 with crlf\r\n", 0x10), "with crlf");
	assert_string_equal(look("0x10 0x10 prefixed\n", 0x1f), "prefixed");
	assert_string_equal(look("7FFFF7FC2000 1A UPPER\n", 0x7ffff7fc2019), "UPPER");
}

static void last_writer_wins(void **state)
{
	static const char text[] =
		"1000 100 old\n1040 20 inner\n2000 10 a\n2000 10 b\n0ff0 18 new\n";

	(void)state;
	assert_string_equal(look(text, 0x1000), "new");
	assert_string_equal(look(text, 0x1007), "new");
	assert_string_equal(look(text, 0x1008), "old");
	assert_string_equal(look(text, 0x1040), "inner");
	assert_string_equal(look(text, 0x1060), "old");
	assert_string_equal(look(text, 0x2000), "b");
}

static void many_addresses_are_answered_as_one_by_one(void **state)
{
	enum { N = 400 };
	static struct perfmap_entry together[N];
	static uint64_t addresses[N];
	static char text[64 * N];
	size_t n = 0;

	(void)state;
	srand(7);
	for (int i = 0; i < N; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%x %x name%d\n",
			0x1000 + rand() % 2000, 1 + rand() % 64, i);
	for (uint64_t i = 0; i < N; i++)
		addresses[i] = 0x1000 + i * 5;
	assert_int_equal(perfmap_lookup(text, n, addresses, N, together), 0);
	for (size_t i = 0; i < N; i++) {
		const char *alone = look(text, addresses[i]);

		assert_int_equal(alone != NULL, together[i].name != NULL);
		if (alone)
			assert_memory_equal(alone, together[i].name, together[i].name_n);
	}
}

static void bad_lines_are_passed_over(void **state)
{
	static const char *const bad[] = { "", "\n", "1000\n", "1000 10\n", "1000 10 \n",
		"1000 0 x\n", "zz 10 x\n", "1000 zz x\n", "11112222333344445 10 x\n",
		"ffffffffffffffff 10 x\n", "1000 ffffffffffffffff x\n", "-1000 10 x\n",
		"1000-10 x\n" };
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		(void)snprintf(text, sizeof(text), "2000 10 before\n%s3000 10 after\n", bad[i]);
		assert_string_equal(look(text, 0x2000), "before");
		assert_null(look(text, 0x1000));
		assert_string_equal(look(text, 0x3000), "after");
	}
}

static void line_that_is_still_written_is_left_out(void **state)
{
	(void)state;
	assert_null(look("1000 10 unfin", 0x1000));
	assert_string_equal(look("1000 10 done\n1000 10 unfin", 0x1000), "done");
}

static void line_over_the_limit_is_left_out(void **state)
{
	size_t n = LIMIT_PERF_MAP_LINE;
	char *text = malloc(n + 64);
	size_t start;

	(void)state;
	assert_non_null(text);
	start = (size_t)sprintf(text, "1000 10 ");
	memset(text + start, 'x', n - start);
	strcpy(text + n, "\n2000 10 next\n");
	assert_int_equal(strlen(look(text, 0x1000)), n - start);
	memset(text + start, 'x', n + 1 - start);
	strcpy(text + n + 1, "\n2000 10 next\n");
	assert_null(look(text, 0x1000));
	assert_string_equal(look(text, 0x2000), "next");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(range_is_half_open),
		cmocka_unit_test(name_is_the_rest_of_the_line),
		cmocka_unit_test(last_writer_wins),
		cmocka_unit_test(many_addresses_are_answered_as_one_by_one),
		cmocka_unit_test(bad_lines_are_passed_over),
		cmocka_unit_test(line_that_is_still_written_is_left_out),
		cmocka_unit_test(line_over_the_limit_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
