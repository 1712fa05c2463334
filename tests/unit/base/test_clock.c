/* SPDX-License-Identifier: Apache-2.0 */
/* Times and spans as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <errno.h>
#include <time.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define SPAN_BAD UINT64_MAX

static uint64_t span(const char *text)
{
	uint64_t ns = 12345;
	int r = clock_parse_span(text, &ns);

	if (r < 0) {
		assert_int_equal(r, -EINVAL);
		assert_true(ns == 12345);
		return SPAN_BAD;
	}
	return ns;
}

static void spans_are_read_with_their_units(void **state)
{
	(void)state;
	assert_true(span("10") == 10 * NS_PER_SEC);
	assert_true(span("1.5s") == 1500 * NS_PER_MS);
	assert_true(span("2min 30s") == 150 * NS_PER_SEC);
	assert_true(span("2min30s") == 150 * NS_PER_SEC);
	assert_true(span("500ms") == 500 * NS_PER_MS);
	assert_true(span("1h") == 3600 * NS_PER_SEC);
	assert_true(span(" 5 m ") == 300 * NS_PER_SEC);
	assert_true(span("1min 5") == 65 * NS_PER_SEC);
	assert_true(span("250us") == 250 * NS_PER_US);
	assert_true(span("7ns") == 7);
	assert_true(span("0") == 0);
	assert_true(span("1w 1d") == 8 * 86400 * NS_PER_SEC);
	assert_true(span("1M") == 2630016 * NS_PER_SEC);
	assert_true(span("0.000000001s") == 1);
	assert_true(span("0.0000000001") == 0);
	assert_true(span("1.0000000000000000000000000000001") == NS_PER_SEC);
}

static void a_span_that_is_none_is_refused(void **state)
{
	static const char *const bad[] = { "", " ", "s", "-5", "+5", "5x", "5 10", "1.", ".", "1.s",
		"5s,", "1e3", "0x10", "inf", "5sec5x", "1..5", "\xff", "5\ns" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_true(span(bad[i]) == SPAN_BAD);
}

static void a_span_beyond_64_bits_is_refused(void **state)
{
	(void)state;
	assert_true(span("18446744073s") == 18446744073 * NS_PER_SEC);
	assert_true(span("18446744074s") == SPAN_BAD);
	assert_true(span("18446744073709551616ns") == SPAN_BAD);
	assert_true(span("99999999999999999999999999") == SPAN_BAD);
	assert_true(span("580y 580y") == SPAN_BAD);
}

static uint64_t wall(int year, int month, int day, int hour, int minute, int second)
{
	struct tm tm = {
		.tm_year = year - 1900,
		.tm_mon = month - 1,
		.tm_mday = day,
		.tm_hour = hour,
		.tm_min = minute,
		.tm_sec = second,
	};

	return (uint64_t)timegm(&tm) * NS_PER_SEC;
}

/* 2026-11-20 13:05:01.5 UTC is 14:05:01.5 in Berlin. */
#define NOW (wall(2026, 11, 20, 13, 5, 1) + 500 * NS_PER_MS)

static uint64_t point(const char *text)
{
	uint64_t ns = 12345;
	int r = clock_parse_point(text, NOW, &ns);

	if (r < 0) {
		assert_int_equal(r, -EINVAL);
		assert_true(ns == 12345);
		return SPAN_BAD;
	}
	return ns;
}

static int berlin(void **state)
{
	(void)state;
	/* Spelled out, so that no zone files are needed. */
	return setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
}

static void points_relative_to_now_are_read(void **state)
{
	(void)state;
	assert_true(point("now") == NOW);
	assert_true(point("-5min") == NOW - 300 * NS_PER_SEC);
	assert_true(point("5m") == NOW - 300 * NS_PER_SEC);
	assert_true(point("5min ago") == NOW - 300 * NS_PER_SEC);
	assert_true(point("10") == NOW - 10 * NS_PER_SEC);
	assert_true(point("1.5h") == NOW - 5400 * NS_PER_SEC);
	assert_true(point("+5s") == NOW + 5 * NS_PER_SEC);
	assert_true(point("100y") == SPAN_BAD);
	assert_true(point("+580y") == SPAN_BAD);
	assert_true(point("-5min ago") == SPAN_BAD);
}

static void absolute_points_are_local_time(void **state)
{
	(void)state;
	assert_true(point("2026-11-20 13:05:01") == wall(2026, 11, 20, 12, 5, 1));
	assert_true(point("2026-11-20T13:05:01") == wall(2026, 11, 20, 12, 5, 1));
	assert_true(point("2026-11-20 13:05") == wall(2026, 11, 20, 12, 5, 0));
	assert_true(point("2026-11-20") == wall(2026, 11, 19, 23, 0, 0));
	assert_true(point("09:30") == wall(2026, 11, 20, 8, 30, 0));
	assert_true(point("09:30:15.25") == wall(2026, 11, 20, 8, 30, 15) + 250 * NS_PER_MS);
	assert_true(point("today") == wall(2026, 11, 19, 23, 0, 0));
	assert_true(point("yesterday") == wall(2026, 11, 18, 23, 0, 0));
	assert_true(point("2026-07-01 12:00") == wall(2026, 7, 1, 10, 0, 0));
	assert_true(point("2024-02-29") == wall(2024, 2, 28, 23, 0, 0));
}

static void a_zone_in_the_text_decides(void **state)
{
	(void)state;
	assert_true(point("@1700000000") == 1700000000 * NS_PER_SEC);
	assert_true(point("@1700000000.25") == 1700000000 * NS_PER_SEC + 250 * NS_PER_MS);
	assert_true(point("2026-11-20T13:05:01Z") == wall(2026, 11, 20, 13, 5, 1));
	assert_true(point("2026-11-20T13:05:01.5Z") == NOW);
	assert_true(point("2026-11-20 13:05:01 UTC") == wall(2026, 11, 20, 13, 5, 1));
	assert_true(point("2026-11-20T13:05:01+05:30") == wall(2026, 11, 20, 7, 35, 1));
	assert_true(point("2026-11-20T13:05:01-01:00") == wall(2026, 11, 20, 14, 5, 1));
}

static void a_point_that_does_not_exist_is_refused(void **state)
{
	static const char *const bad[] = { "", "noon", "2026-13-01", "2026-00-10", "2026-02-29",
		"2026-11-31", "2026-11-20x", "2026-11-20 24:00", "2026-11-20 12:60", "12:00:60",
		"2026-11-20 ", "2026-11-20 12:00 CET", "2026-11-20T12:00+1", "12:00Z", "@", "@-1",
		"@1x", "@99999999999999", "1960-01-01", "2026-1-1", "-", "+", "now " };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_true(point(bad[i]) == SPAN_BAD);
}

static void spans_are_shown_short(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{ 0, "0ns" },
		{ 999, "999ns" },
		{ 1500, "1.5us" },
		{ 999960, "1ms" },
		{ 1500 * NS_PER_US, "1.5ms" },
		{ 350 * NS_PER_MS, "350ms" },
		{ 350400 * NS_PER_US, "350ms" },
		{ 999960 * NS_PER_US, "1s" },
		{ 12300 * NS_PER_MS, "12.3s" },
		{ 59940 * NS_PER_MS, "59.9s" },
		{ 59960 * NS_PER_MS, "1min" },
		{ 302 * NS_PER_SEC, "5min 2s" },
		{ 3600 * NS_PER_SEC, "1h" },
		{ 7380 * NS_PER_SEC, "2h 3min" },
		{ 86400 * NS_PER_SEC, "1d" },
		{ 360000 * NS_PER_SEC, "4d 4h" },
		{ UINT64_MAX, "213504d" },
	};
	char buf[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(
			clock_format_span(cases[i].ns, buf, sizeof(buf)), cases[i].text);
	assert_string_equal(clock_format_span(350 * NS_PER_MS, buf, 3), "35");
}

static void points_are_shown_in_local_time(void **state)
{
	char buf[64];

	(void)state;
	assert_string_equal(clock_format_point(NOW, buf, sizeof(buf)), "2026-11-20 14:05:01");
	assert_string_equal(clock_format_point(NOW, buf, 5), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_are_read_with_their_units),
		cmocka_unit_test(a_span_that_is_none_is_refused),
		cmocka_unit_test(a_span_beyond_64_bits_is_refused),
		cmocka_unit_test(points_relative_to_now_are_read),
		cmocka_unit_test(absolute_points_are_local_time),
		cmocka_unit_test(a_zone_in_the_text_decides),
		cmocka_unit_test(a_point_that_does_not_exist_is_refused),
		cmocka_unit_test(spans_are_shown_short),
		cmocka_unit_test(points_are_shown_in_local_time),
	};

	return cmocka_run_group_tests(tests, berlin, NULL);
}
