/* SPDX-License-Identifier: Apache-2.0 */
/* Which words are addresses, and which of them have a name: no daemon, no process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "http/limits.h"
#include "http/symbol.h"

#define FIRST "num_symbols: 1\n"

static void add(struct profile *p, uint64_t address, const char *const *names, uint32_t n)
{
	struct profile_line lines[4];
	uint32_t id, mapping;

	/* Each in a module of its own. */
	assert_int_equal(
		profile_add_mapping(p, &(struct profile_mapping){ .limit = UINT64_MAX }, &mapping),
		0);
	assert_true(n <= ARRAY_SIZE(lines));
	for (uint32_t i = 0; i < n; i++) {
		struct profile_function f = { .start_line = 1 };

		assert_int_equal(profile_add_string(p, names[i], &f.name), 0);
		lines[i] = (struct profile_line){ .line = 1 };
		assert_int_equal(profile_add_function(p, &f, &lines[i].function), 0);
	}
	assert_int_equal(profile_add_location(p, address, mapping, lines, n, false, &id), 0);
}

static struct profile *profile_of_all_kinds(void)
{
	struct profile *p;

	assert_int_equal(profile_new(&p), 0);
	add(p, 0x1000, (const char *const[]){ "main.work" }, 1);
	add(p, 0x2000, (const char *const[]){ "inlined", "outer" }, 2);
	add(p, 0x3000, NULL, 0);
	add(p, 0x4000, (const char *const[]){ "lib.so+0x3f00" }, 1);
	add(p, 0x5000, (const char *const[]){ "of_one" }, 1);
	add(p, 0x5000, (const char *const[]){ "of_another" }, 1);
	add(p, 0x6000, (const char *const[]){ "in_both" }, 1);
	add(p, 0x6000, (const char *const[]){ "in_both" }, 1);
	add(p, 0x7000, (const char *const[]){ "named" }, 1);
	add(p, 0x7000, NULL, 0);
	add(p, 0x8000, (const char *const[]){ "a\n0x1 b\033[2J" }, 1);
	add(p, 8, (const char *const[]){ "eight" }, 1);
	add(p, 0, (const char *const[]){ "zero" }, 1);
	add(p, UINT64_MAX, (const char *const[]){ "last" }, 1);
	return p;
}

static void check(const struct profile *p, const char *words, const char *wanted)
{
	struct symbol_words w = { .text = words, .n = strlen(words), .separators = "+" };
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	assert_non_null(out);
	assert_int_equal(symbol_write(&w, p, out), 0);
	assert_int_equal(fclose(out), 0);
	assert_memory_equal(text, FIRST, strlen(FIRST));
	assert_string_equal(text + strlen(FIRST), wanted);
	free(text);
}

static void test_an_address_of_the_profile_has_its_innermost_name(void **state)
{
	struct profile *p = profile_of_all_kinds();

	(void)state;
	check(p, "0x1000", "0x1000 main.work\n");
	check(p, "0x2000+0x1000+0x2000", "0x2000 inlined\n0x1000 main.work\n0x2000 inlined\n");
	check(p, "0x6000", "0x6000 in_both\n");
	check(p, "0xffffffffffffffff", "0xffffffffffffffff last\n");
	profile_free(p);
}

static void test_what_is_not_known_or_not_sure_is_left_out(void **state)
{
	struct profile *p = profile_of_all_kinds();

	(void)state;
	check(p, "", "");
	check(p, "0xfff+0x1001+0x3000", "");
	check(p, "0x4000", ""); /* no name: where a function begins */
	check(p, "0x5000+0x7000", "");
	check(p, "0", "");
	check(NULL, "0x1000", "");
	profile_free(p);
}

static void test_words_are_numbers_as_go_reads_them(void **state)
{
	struct profile *p = profile_of_all_kinds();
	static const char *const eight[] = { "8", "0x8", "0X8", "0b1000", "0B1000", "0o10", "010",
		"0_1_0", "0x_8", "0000010" };
	static const char *const none[] = { "", " 8", "8 ", "+", "-8", "0x", "0b", "08", "8_", "_8",
		"0x8_", "0__10", "0b2", "8g", "0x10000000000000008", "18446744073709551624", "x8",
		"8\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(eight); i++)
		check(p, eight[i], "0x8 eight\n");
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		struct symbol_words w = {
			.text = none[i], .n = strlen(none[i]), .separators = "+"
		};

		check(p, none[i], "");
		assert_false(symbol_words_ask(&w));
	}
	check(p, "x+8++zz+0x1000+", "0x8 eight\n0x1000 main.work\n");
	profile_free(p);
}

static void test_a_name_is_one_line_without_escapes(void **state)
{
	struct profile *p = profile_of_all_kinds();

	(void)state;
	check(p, "0x8000", "0x8000 a?0x1 b?[2J\n");
	profile_free(p);
}

static void test_a_word_longer_than_a_buffer_of_go_ends_it(void **state)
{
	struct profile *p = profile_of_all_kinds();
	char words[4096 + 8];

	(void)state;
	memset(words, '0', sizeof(words));
	words[1] = 'x';
	memcpy(words + 4094, "8+8", 4);
	check(p, words, "0x8 eight\n0x8 eight\n");
	words[4094] = '0';
	memcpy(words + 4095, "8+8", 4);
	check(p, words, "0x8 eight\nreading request: bufio: buffer full\n");
	profile_free(p);
}

static void test_an_answer_is_bounded(void **state)
{
	static char name[64 * 1024], words[2 * (HTTP_SYMBOL_BYTES / sizeof(name) + 1)];
	struct symbol_words w = { .text = words, .n = sizeof(words), .separators = "+" };
	struct profile *p;
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	(void)state;
	assert_non_null(out);
	memset(name, 'x', sizeof(name) - 1);
	for (size_t i = 0; i < sizeof(words); i++)
		words[i] = i % 2 ? '+' : '1';
	assert_int_equal(profile_new(&p), 0);
	add(p, 1, (const char *const[]){ name }, 1);
	assert_int_equal(symbol_write(&w, p, out), -EFBIG);
	assert_int_equal(fclose(out), 0);
	free(text);
	profile_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_address_of_the_profile_has_its_innermost_name),
		cmocka_unit_test(test_what_is_not_known_or_not_sure_is_left_out),
		cmocka_unit_test(test_words_are_numbers_as_go_reads_them),
		cmocka_unit_test(test_a_name_is_one_line_without_escapes),
		cmocka_unit_test(test_a_word_longer_than_a_buffer_of_go_ends_it),
		cmocka_unit_test(test_an_answer_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
