/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of comparisons and of the thresholds that fail on them. */
#include <errno.h>
#include <string.h>
#include "view_common.h"
#include "client/load.h"
#include "client/threshold.h"
#include "view/diff.h"

static struct profile *of(int64_t hot, int64_t other, uint64_t address)
{
	struct profile *p = new_profile(NULL, NULL, "cpu", "nanoseconds");
	uint32_t root = location(p, "main", address), h = location(p, "hot", address + 1);
	uint32_t o = location(p, "other", address + 2);

	sample(p, (uint32_t[]){ h, root }, 2, hot, 0);
	/* Recursion: cum counts a sample once. */
	sample(p, (uint32_t[]){ o, root, o, root }, 4, other, 0);
	return p;
}

static int compare(struct diff *d, struct profile *base, struct profile *new,
	enum diff_normalize how, struct error *error)
{
	struct diff_side sides[] = { { .profile = base, .name = "base" },
		{ .profile = new, .name = "new" } };

	return diff_init(d, sides, NULL, how, false, error);
}

static const struct diff_row *row_of(const struct diff *d, const char *name)
{
	ARRAY_EACH(&d->rows, struct diff_row, row)
		if (!strcmp(diff_name(d, row), name))
			return row;
	fail_msg("no row %s", name);
	return NULL;
}

static void a_function_has_both_sides_whatever_their_addresses(void **state)
{
	CLEANUP(profile_freep) struct profile *base = of(10, 90, 100);
	CLEANUP(profile_freep) struct profile *new = of(40, 60, 7000);
	struct error e = ERROR_INIT;
	struct diff d;

	(void)state;
	assert_int_equal(compare(&d, base, new, DIFF_AS_IS, &e), 0);
	assert_int_equal(d.rows.n, 3);
	assert_int_equal(row_of(&d, "hot")->flat[FLAME_BASE], 10);
	assert_int_equal(row_of(&d, "hot")->flat[FLAME_NEW], 40);
	assert_int_equal(row_of(&d, "other")->cum[FLAME_BASE], 90);
	assert_int_equal(row_of(&d, "main")->cum[FLAME_NEW], 100);
	assert_int_equal(diff_of(row_of(&d, "main")->cum), 0);
	/* The same change of both: by name. */
	assert_string_equal(diff_name(&d, d.rows.data), "hot");
	assert_int_equal(d.paths.n, 2);
	diff_deinit(&d);
}

static void what_is_in_one_only_is_compared_with_nothing(void **state)
{
	CLEANUP(profile_freep) struct profile *base = of(10, 90, 100);
	struct profile *new = new_profile(NULL, NULL, "cpu", "nanoseconds");
	struct error e = ERROR_INIT;
	struct diff d;

	(void)state;
	assert_int_equal(compare(&d, base, new, DIFF_AS_IS, &e), 0);
	assert_int_equal(diff_of(row_of(&d, "hot")->flat), -10);
	assert_true(diff_share(&d, FLAME_NEW, 5) == 0);
	diff_deinit(&d);
	(void)profile_free(new);
}

static void normalized_by_total_shares_are_compared(void **state)
{
	CLEANUP(profile_freep) struct profile *base = of(10, 90, 100);
	CLEANUP(profile_freep) struct profile *new = of(30, 170, 100);
	struct error e = ERROR_INIT;
	struct diff d;

	(void)state;
	assert_int_equal(compare(&d, base, new, DIFF_TOTAL, &e), 0);
	assert_true(d.scale == 0.5);
	assert_int_equal(row_of(&d, "hot")->flat[FLAME_NEW], 15);
	assert_int_equal(d.side[FLAME_NEW].total, 100);
	diff_deinit(&d);
}

static void normalized_by_time_rates_are_compared(void **state)
{
	CLEANUP(profile_freep) struct profile *base = of(10, 90, 100);
	CLEANUP(profile_freep) struct profile *new = of(40, 360, 100);
	struct error e = ERROR_INIT;
	struct diff d;

	(void)state;
	base->duration_nanos = 1000;
	assert_int_equal(compare(&d, base, new, DIFF_TIME, &e), -EINVAL);
	assert_non_null(strstr(e.text, "new does not say"));
	new->duration_nanos = 2000;
	e = (struct error)ERROR_INIT;
	assert_int_equal(compare(&d, base, new, DIFF_TIME, &e), 0);
	assert_int_equal(row_of(&d, "hot")->flat[FLAME_NEW], 20);
	diff_deinit(&d);
}

static void values_of_another_type_cannot_be_compared(void **state)
{
	CLEANUP(profile_freep) struct profile *base = of(10, 90, 100);
	struct profile *new = new_profile(NULL, NULL, "space", "bytes");
	struct error e = ERROR_INIT;
	struct diff d;

	(void)state;
	assert_int_equal(compare(&d, base, new, DIFF_AS_IS, &e), -EINVAL);
	assert_int_equal(e.code, EXIT_CODE_FAILED);
	assert_non_null(strstr(e.text, "space in bytes of new"));
	(void)profile_free(new);
}

static struct profile *unnamed(const char *build_id, const char *name)
{
	struct profile *p = new_profile(NULL, NULL, "cpu", "nanoseconds");
	uint32_t l = location_in(p, mapping(p, "/usr/bin/shop", build_id), name, 1);

	sample(p, &l, 1, 10, 0);
	return p;
}

static void without_a_name_the_address_counts_in_the_same_build_only(void **state)
{
	static const struct {
		const char *base, *new;
		size_t rows;
	} cases[] = { { "aa", "aa", 2 }, { "aa", "bb", 1 }, { "", "", 1 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(profile_freep) struct profile *base = unnamed(cases[i].base, "shop+0x10");
		CLEANUP(profile_freep) struct profile *new = unnamed(cases[i].new, "shop+0x20");
		struct error e = ERROR_INIT;
		struct diff d;

		assert_int_equal(compare(&d, base, new, DIFF_AS_IS, &e), 0);
		assert_int_equal(d.rows.n, cases[i].rows);
		if (cases[i].rows == 1)
			assert_string_equal(diff_name(&d, d.rows.data), "[shop]");
		diff_deinit(&d);
	}
}

static void differences_saturate(void **state)
{
	(void)state;
	assert_int_equal(diff_of((int64_t[]){ INT64_MIN, INT64_MAX }), INT64_MAX);
	assert_int_equal(diff_of((int64_t[]){ INT64_MAX, INT64_MIN }), INT64_MIN);
	assert_int_equal(diff_of((int64_t[]){ 3, 10 }), 7);
}

/* ---- thresholds ---- */

/* How many lines `text` complains with, of 10% to 13% of hot, other 90% to 87%, total 100 to 200.
 */
static size_t crossings(const char *text)
{
	CLEANUP(profile_freep) struct profile *base = of(10, 90, 100);
	CLEANUP(profile_freep) struct profile *new = of(26, 174, 100);
	struct array lines = ARRAY_INIT(char *, 8);
	struct error e = ERROR_INIT;
	struct threshold t;
	struct diff d;

	assert_int_equal(compare(&d, base, new, DIFF_AS_IS, &e), 0);
	if (threshold_init(&t, text, &e) < 0)
		fail_msg("%s: %s", text, e.text);
	assert_int_equal(threshold_check(&t, &d, &lines), 0);
	size_t n = lines.n;
	ARRAY_EACH(&lines, char *, line) {
		assert_non_null(strstr(*line, text));
		free(*line);
	}
	array_deinit(&lines);
	threshold_deinit(&t);
	diff_deinit(&d);
	return n;
}

static void growth_beyond_the_threshold_crosses_it(void **state)
{
	(void)state;
	assert_int_equal(crossings("3%"), 0);
	assert_int_equal(crossings("2.99%"), 1);
	assert_int_equal(crossings("flat=2%"), 1);
	assert_int_equal(crossings("cum=2%"), 1);
	assert_int_equal(crossings("cum=3%"), 0);
	assert_int_equal(crossings("func=hot:2%"), 1);
	assert_int_equal(crossings("func=^(main|other)$:0%"), 0);
	assert_int_equal(crossings("total=99.9%"), 1);
	assert_int_equal(crossings("total=100%"), 0);
}

static void what_is_no_threshold_is_refused(void **state)
{
	static const char *const bad[] = { "", "5", "%", "-5%", "5%%", "5 %", "nan%", "inf%",
		"1e999%", "func=hot", "func=:5%", "func=(:5%", "func=hot:x%", "what=5%", "total=" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error e = ERROR_INIT;
		struct threshold t;
		if (threshold_init(&t, bad[i], &e) != -EINVAL || e.code != EXIT_CODE_USAGE)
			fail_msg("'%s' is accepted", bad[i]);
		threshold_deinit(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_function_has_both_sides_whatever_their_addresses),
		cmocka_unit_test(what_is_in_one_only_is_compared_with_nothing),
		cmocka_unit_test(normalized_by_total_shares_are_compared),
		cmocka_unit_test(normalized_by_time_rates_are_compared),
		cmocka_unit_test(values_of_another_type_cannot_be_compared),
		cmocka_unit_test(without_a_name_the_address_counts_in_the_same_build_only),
		cmocka_unit_test(differences_saturate),
		cmocka_unit_test(growth_beyond_the_threshold_crosses_it),
		cmocka_unit_test(what_is_no_threshold_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
