/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of a worker that a crafted file took over: nothing of them is used unchecked. */
#include "fixture.h"
#include "symbol/answer.h"
#include "symbol/cache.h"

struct sample {
	uint64_t aligned[512];
	size_t n;
};

/* Two addresses: the first with two lines, the second without. */
static void make(struct sample *s)
{
	struct answer a;
	int64_t n;

	assert_int_equal(answer_init(&a, 2, MIB), 0);
	assert_int_equal(answer_add_address(&a, 0x1000, 0xff0), 0);
	answer_add_line(&a, "_Z5innerv", 9, "inner", "a.c", 3, 1);
	answer_add_line(&a, "outer", 5, NULL, "a.c", 9, 8);
	assert_int_equal(answer_add_address(&a, 0x2000, 0), 0);
	n = answer_encode(&a, (uint8_t *)s->aligned, sizeof(s->aligned));
	assert_true(n > 0);
	s->n = (size_t)n;
	answer_deinit(&a);
}

static void answer_comes_back_as_it_was(void **state)
{
	struct sample s;
	struct answered a = { 0 };
	char text[256];

	(void)state;
	make(&s);
	assert_int_equal(answer_check(s.aligned, s.n, 2, &a.view), 0);
	assert_string_equal(
		describe(&a, 0, true, true, text, sizeof(text)), "inner() a.c:3 < outer a.c:9");
	assert_string_equal(describe(&a, 0, false, false, text, sizeof(text)), "_Z5innerv < outer");
	assert_int_equal(a.view.addresses[0].function_start, 0xff0);
	assert_int_equal(a.view.lines[1].start_line, 8);
	assert_int_equal(a.view.addresses[1].vaddr, 0x2000);
	assert_int_equal(a.view.addresses[1].n_lines, 0);
}

static void every_cut_answer_is_refused(void **state)
{
	struct answer_view v;
	struct sample s;

	(void)state;
	make(&s);
	for (size_t n = 0; n < s.n; n++)
		assert_int_equal(answer_check(s.aligned, n, 2, &v), -EBADMSG);
	assert_int_equal(answer_check(s.aligned, s.n, 3, &v), -EBADMSG);
	assert_int_equal(answer_check(s.aligned, s.n + 1, 2, &v), -EBADMSG);
}

/* What passes the check may say anything, but within its own bounds. */
static void flipped_bytes_never_lead_outside(void **state)
{
	struct sample s, changed;
	struct answer_view v;

	(void)state;
	make(&s);
	for (size_t i = 0; i < s.n; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			struct answered a = { 0 };
			char text[8192];

			changed = s;
			((uint8_t *)changed.aligned)[i] ^= (uint8_t)(1U << bit);
			if (answer_check(changed.aligned, changed.n, 2, &v) < 0)
				continue;
			a.view = v;
			for (size_t k = 0; k < 2; k++)
				describe(&a, k, true, true, text, sizeof(text));
		}
	}
}

static void long_names_are_cut_and_marked(void **state)
{
	static uint64_t out[8192];
	char name[LIMIT_SYMBOL_NAME + 100];
	struct answer_view v;
	struct answer a;
	const char *s;
	size_t n;

	(void)state;
	memset(name, 'n', sizeof(name));
	assert_int_equal(answer_init(&a, 1, MIB), 0);
	assert_int_equal(answer_add_address(&a, 1, 1), 0);
	answer_add_line(&a, name, sizeof(name), NULL, NULL, 0, 0);
	answer_add_line(&a, name, LIMIT_SYMBOL_NAME, NULL, NULL, 0, 0);
	assert_int_equal(
		answer_check(out, (size_t)answer_encode(&a, (uint8_t *)out, sizeof(out)), 1, &v),
		0);
	s = answer_string(&v, v.lines[0].name, &n);
	assert_int_equal(n, LIMIT_SYMBOL_NAME);
	assert_memory_equal(s + n - 4, "n...", 4);
	s = answer_string(&v, v.lines[1].name, &n);
	assert_int_equal(n, LIMIT_SYMBOL_NAME);
	assert_memory_equal(s + n - 4, "nnnn", 4);
	answer_deinit(&a);
}

static void full_answer_is_partial_and_not_too_large(void **state)
{
	size_t max = 64 * KIB;
	uint8_t *out = malloc(max);
	struct answer a;

	(void)state;
	assert_non_null(out);
	assert_int_equal(answer_init(&a, 1000, max), 0);
	for (unsigned i = 0; i < 1000; i++) {
		char name[512];

		assert_int_equal(answer_add_address(&a, i, i), 0);
		memset(name, 'a' + i % 26, sizeof(name));
		(void)snprintf(name, 16, "%u", i);
		answer_add_line(&a, name, sizeof(name), NULL, NULL, 0, 0);
	}
	assert_int_equal(a.flags & ANSWER_PARTIAL, ANSWER_PARTIAL);
	assert_true(a.lines.n > 20);
	assert_true(answer_encode(&a, out, max) > 0);
	answer_deinit(&a);
	free(out);
}

static void names_are_made_printable_before_they_are_kept(void **state)
{
	static uint64_t out[1024];
	uint64_t offset = 7;
	struct symbol_module info = { 0 };
	struct cache_module module;
	struct strings strings;
	struct cache cache = { .strings = &strings };
	struct answer_view v;
	struct answer a;
	const struct symbol_address *address;
	const struct symbol_line *line;

	(void)state;
	cache.lines = (struct array)ARRAY_INIT(struct symbol_line, 100);
	assert_int_equal(strings_init(&strings, 100, 10000), 0);
	cache_module_init(&module);
	assert_int_equal(answer_init(&a, 1, MIB), 0);
	assert_int_equal(answer_add_address(&a, 7, 7), 0);
	answer_add_line(&a, "a\033[2J\xff\nb", 8, NULL, "dir/\x01", 0, 0);
	assert_int_equal(
		answer_check(out, (size_t)answer_encode(&a, (uint8_t *)out, sizeof(out)), 1, &v),
		0);
	assert_int_equal(cache_add(&cache, &module, &offset, &v, &info), 0);
	address = cache_module_find(&module, 7);
	assert_non_null(address);
	line = ARRAY_AT(&cache.lines, struct symbol_line, address->first_line);
	assert_string_equal(strings_get(&strings, line->name, NULL), "a?[2J??b");
	assert_string_equal(strings_get(&strings, line->file, NULL), "dir/?");
	answer_deinit(&a);
	cache_module_deinit(&module);
	array_deinit(&cache.lines);
	strings_deinit(&strings);
}

static void compaction_keeps_what_modules_still_have(void **state)
{
	static uint64_t out[1024];
	struct symbol_module info = { 0 };
	struct cache_module modules[2], *kept[1] = { &modules[1] };
	struct strings strings;
	struct cache cache = { .strings = &strings };
	const struct symbol_address *address;

	(void)state;
	cache.lines = (struct array)ARRAY_INIT(struct symbol_line, 100);
	assert_int_equal(strings_init(&strings, 100, 10000), 0);
	for (uint64_t i = 0; i < 2; i++) {
		struct answer_view v;
		struct answer a;

		cache_module_init(&modules[i]);
		assert_int_equal(answer_init(&a, 1, MIB), 0);
		assert_int_equal(answer_add_address(&a, i, i), 0);
		answer_add_line(&a, i ? "one" : "zero", i ? 3 : 4, NULL, NULL, 0, 0);
		assert_int_equal(
			answer_check(
				out, (size_t)answer_encode(&a, (uint8_t *)out, sizeof(out)), 1, &v),
			0);
		assert_int_equal(cache_add(&cache, &modules[i], &i, &v, &info), 0);
		answer_deinit(&a);
	}
	assert_int_equal(cache.lines.n, 2);
	assert_int_equal(cache_compact(&cache, kept, 1), 0);
	assert_int_equal(cache.lines.n, 1);
	address = cache_module_find(&modules[1], 1);
	assert_string_equal(
		strings_get(&strings,
			ARRAY_AT(&cache.lines, struct symbol_line, address->first_line)->name,
			NULL),
		"one");
	cache_module_deinit(&modules[0]);
	cache_module_deinit(&modules[1]);
	array_deinit(&cache.lines);
	strings_deinit(&strings);
}

static void requests_that_do_not_add_up_are_refused(void **state)
{
	uint8_t reply[LIMIT_HELPER_MESSAGE];
	struct symbol_request q = { .op = SYMBOL_SYMBOLIZE, .n_offsets = 1 };
	int reply_fds[LIMIT_HELPER_FDS], fds[3] = { 0, 0, 0 };
	size_t n = 0;

	(void)state;
	q.answer_size = answer_size(1);
	assert_int_equal(symbolizer_serve(&q, 3, fds, 3, reply, reply_fds, &n), -EINVAL);
	assert_int_equal(symbolizer_serve(&q, sizeof(q), fds, 2, reply, reply_fds, &n), -EINVAL);
	q.n_offsets = SYMBOL_MAX_OFFSETS + 1;
	assert_int_equal(symbolizer_serve(&q, sizeof(q), fds, 3, reply, reply_fds, &n), -EINVAL);
	q.op = 9;
	assert_int_equal(symbolizer_serve(&q, sizeof(q), fds, 3, reply, reply_fds, &n), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answer_comes_back_as_it_was),
		cmocka_unit_test(every_cut_answer_is_refused),
		cmocka_unit_test(flipped_bytes_never_lead_outside),
		cmocka_unit_test(long_names_are_cut_and_marked),
		cmocka_unit_test(full_answer_is_partial_and_not_too_large),
		cmocka_unit_test(names_are_made_printable_before_they_are_kept),
		cmocka_unit_test(compaction_keeps_what_modules_still_have),
		cmocka_unit_test(requests_that_do_not_add_up_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
