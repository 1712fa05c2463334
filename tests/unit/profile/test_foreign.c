/* SPDX-License-Identifier: Apache-2.0 */
/* The freedom that writers of profiles have is accepted. */
#include "protobuf_writer.h"

static void ids_may_be_any_numbers_in_any_order(void **state)
{
	static const uint64_t ids[] = { 7, UINT64_MAX, 1, 0xffffffff81000000, 1 << 24, 3 };
	CLEANUP(writer_deinit) struct writer w = WRITER_INIT(1 << 20), m = WRITER_INIT(1 << 20);
	struct profile *p = NULL;

	(void)state;
	/* Samples first, then everything that they need, backwards; strings and types last. */
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		put_sample(&w, ids[i], i + 1);
	for (size_t i = ARRAY_SIZE(ids); i-- > 0;) {
		CLEANUP(writer_deinit) struct writer line = WRITER_INIT(100);
		put_int(&m, 3, i); /* address */
		put_int(&line, 1, ids[i]);
		put_message(&m, 4, &line);
		put_int(&m, 2, UINT64_MAX - 5); /* mapping */
		put_int(&m, 1, ids[i]);
		put_message(&w, 4, &m);
	}
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		put_int(&m, 1, ids[i]);
		put_int(&m, 2, 2 + i % 2);
		put_message(&w, 5, &m);
	}
	put_int(&m, 1, UINT64_MAX - 5);
	put_int(&m, 5, 3);
	put_message(&w, 3, &m);
	put_text(&w, "");
	put_text(&w, "cpu");
	put_text(&w, "even");
	put_text(&w, "odd");
	put_int(&m, 1, 1);
	put_message(&w, 1, &m);

	struct error e = ERROR_INIT;
	if (pprof_decode(w.data, w.n, &p, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(profile_n_samples(p), ARRAY_SIZE(ids));
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		uint32_t n, lines_n;
		const uint32_t *s = profile_stack(p, *ARRAY_AT(&p->sample_stacks, uint32_t, i), &n);
		assert_int_equal(n, 1);
		const struct profile_location *l =
			ARRAY_AT(&p->locations, struct profile_location, s[0]);
		assert_true(l->address == i);
		assert_int_equal(l->mapping, 0);
		const struct profile_line *line = profile_lines(p, s[0], &lines_n);
		const struct profile_function *f =
			ARRAY_AT(&p->functions, struct profile_function, line->function);
		assert_string_equal(profile_text(p, f->name), i % 2 ? "odd" : "even");
	}
	profile_free(p);
}

static void packed_and_single_numbers_mean_the_same(void **state)
{
	CLEANUP(writer_deinit) struct writer w = WRITER_INIT(1 << 20), m = WRITER_INIT(1 << 20);
	struct profile *p = NULL;
	uint32_t n;

	(void)state;
	put_base(&w);
	put_location(&w, 1);
	put_location(&w, 300);
	put_bytes(&m, 1, "\x01\xac\x02", 3);
	put_int(&m, 1, 1);
	put_bytes(&m, 2, "\x05", 1);
	put_message(&w, 2, &m);
	put_bytes(&w, 13, "\x01\x01", 2);
	put_int(&w, 13, 0);
	assert_int_equal(pprof_decode(w.data, w.n, &p, NULL), 0);
	const uint32_t *s = profile_stack(p, *ARRAY_AT(&p->sample_stacks, uint32_t, 0), &n);
	assert_int_equal(n, 3);
	assert_true(s[0] == 0 && s[1] == 1 && s[2] == 0);
	assert_true(profile_values(p, 0)[0] == 5);
	assert_int_equal(p->comments.n, 3);
	assert_string_equal(profile_text(p, *ARRAY_AT(&p->comments, uint32_t, 1)), "cpu");
	profile_free(p);
}

static void unknown_fields_are_skipped(void **state)
{
	CLEANUP(writer_deinit) struct writer w = WRITER_INIT(1 << 20), m = WRITER_INIT(1 << 20);
	struct profile *p = NULL;

	(void)state;
	put_base(&w);
	put_int(&w, 77, 5);
	put_bytes(&w, 4000, "abc", 3);
	writer_uleb(&w, 99 << 3 | 1);
	writer_u64(&w, 1);
	writer_uleb(&w, 99 << 3 | 5);
	writer_u32(&w, 1);
	put_bytes(&m, 9, "xyz", 3);
	put_int(&m, 2, 1);
	put_message(&w, 2, &m);
	put_int(&m, 1, 1);
	put_bytes(&m, 50, "xyz", 3);
	put_message(&w, 4, &m);
	assert_int_equal(pprof_decode(w.data, w.n, &p, NULL), 0);
	assert_int_equal(profile_n_samples(p), 1);
	assert_int_equal(p->locations.n, 1);
	profile_free(p);
}

static void several_gzip_members_are_one_profile(void **state)
{
	CLEANUP(writer_deinit) struct writer w = WRITER_INIT(1 << 20), gz = WRITER_INIT(1 << 20);
	struct profile *p = NULL;

	(void)state;
	put_base(&w);
	put_location(&w, 1);
	put_sample(&w, 1, 42);
	for (size_t cut = 0; cut <= w.n; cut++) {
		gz.n = 0;
		put_gzip(&gz, w.data, cut);
		put_gzip(&gz, "", 0);
		put_gzip(&gz, w.data + cut, w.n - cut);
		assert_int_equal(pprof_decode(gz.data, gz.n, &p, NULL), 0);
		assert_int_equal(profile_n_samples(p), 1);
		p = profile_free(p);
	}
	writer_put(&gz, "garbage", 7);
	assert_bad(&gz, "damaged");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_may_be_any_numbers_in_any_order),
		cmocka_unit_test(packed_and_single_numbers_mean_the_same),
		cmocka_unit_test(unknown_fields_are_skipped),
		cmocka_unit_test(several_gzip_members_are_one_profile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
