/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns reading the clocks and reading and writing time as text. Text comes from command lines,
 * configuration and peers: whatever does not fit 64 bits of nanoseconds is -EINVAL.
 */
#include "base/clock.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t clock_monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t clock_wall_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

uint64_t clock_process_cpu_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

/* systemd.time(7), "Parsing time spans"; a month is 30.44 days, a year 365.25 days. */
static const struct {
	const char *name;
	uint64_t ns;
} units[] = {
	{ "ns", 1 },
	{ "nsec", 1 },
	{ "us", NS_PER_US },
	{ "usec", NS_PER_US },
	{ "\xc2\xb5s", NS_PER_US },
	{ "\xce\xbcs", NS_PER_US },
	{ "ms", NS_PER_MS },
	{ "msec", NS_PER_MS },
	{ "s", NS_PER_SEC },
	{ "sec", NS_PER_SEC },
	{ "second", NS_PER_SEC },
	{ "seconds", NS_PER_SEC },
	{ "m", 60 * NS_PER_SEC },
	{ "min", 60 * NS_PER_SEC },
	{ "minute", 60 * NS_PER_SEC },
	{ "minutes", 60 * NS_PER_SEC },
	{ "h", 3600 * NS_PER_SEC },
	{ "hr", 3600 * NS_PER_SEC },
	{ "hour", 3600 * NS_PER_SEC },
	{ "hours", 3600 * NS_PER_SEC },
	{ "d", 86400 * NS_PER_SEC },
	{ "day", 86400 * NS_PER_SEC },
	{ "days", 86400 * NS_PER_SEC },
	{ "w", 7 * 86400 * NS_PER_SEC },
	{ "week", 7 * 86400 * NS_PER_SEC },
	{ "weeks", 7 * 86400 * NS_PER_SEC },
	{ "M", 2630016 * NS_PER_SEC },
	{ "month", 2630016 * NS_PER_SEC },
	{ "months", 2630016 * NS_PER_SEC },
	{ "y", 31557600 * NS_PER_SEC },
	{ "year", 31557600 * NS_PER_SEC },
	{ "years", 31557600 * NS_PER_SEC },
};

static const char *skip_space(const char *at)
{
	while (*at == ' ' || *at == '\t')
		at++;
	return at;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A decimal number: *ret_whole, and *ret_fraction in units of 10^-18 (digits beyond are dropped).
 * The text behind it, NULL where there is none or it overflows. */
static const char *parse_number(const char *at, uint64_t *ret_whole, uint64_t *ret_fraction)
{
	uint64_t whole = 0, fraction = 0, weight = 100000000000000000ULL;
	bool any = is_digit(*at);

	for (; is_digit(*at); at++)
		if (__builtin_mul_overflow(whole, 10U, &whole) ||
			__builtin_add_overflow(whole, (uint64_t)(*at - '0'), &whole))
			return NULL;
	if (*at == '.') {
		at++;
		if (!is_digit(*at))
			return NULL;
		any = true;
		for (; is_digit(*at); at++, weight /= 10)
			fraction += (uint64_t)(*at - '0') * weight;
	}
	if (!any)
		return NULL;
	*ret_whole = whole;
	*ret_fraction = fraction;
	return at;
}

static int scale(uint64_t whole, uint64_t fraction, uint64_t unit_ns, uint64_t *ret_ns)
{
	uint64_t ns, part;

	part = (uint64_t)((unsigned __int128)fraction * unit_ns / 1000000000000000000ULL);
	if (__builtin_mul_overflow(whole, unit_ns, &ns) || __builtin_add_overflow(ns, part, &ns))
		return -EINVAL;
	*ret_ns = ns;
	return 0;
}

static uint64_t unit_ns(const char *name, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (strlen(units[i].name) == n && memcmp(units[i].name, name, n) == 0)
			return units[i].ns;
	return 0;
}

int clock_parse_span(const char *text, uint64_t *ret_ns)
{
	const char *at = skip_space(text);
	uint64_t sum = 0;

	if (!*at)
		return -EINVAL;
	while (*at) {
		uint64_t whole, fraction, ns, unit = NS_PER_SEC;
		size_t n;

		at = parse_number(at, &whole, &fraction);
		if (!at)
			return -EINVAL;
		at = skip_space(at);
		n = strcspn(at, " \t0123456789.");
		if (n > 0)
			unit = unit_ns(at, n);
		else if (*at)
			return -EINVAL; /* a number without unit is the last one */
		if (unit == 0 || scale(whole, fraction, unit, &ns) < 0 ||
			__builtin_add_overflow(sum, ns, &sum))
			return -EINVAL;
		at = skip_space(at + n);
	}
	*ret_ns = sum;
	return 0;
}

/* Exactly n digits, at most max. The text behind them or NULL. */
static const char *parse_digits(const char *at, int n, int max, int *ret)
{
	int v = 0;

	if (!at)
		return NULL;
	for (; n > 0; n--, at++) {
		if (!is_digit(*at))
			return NULL;
		v = 10 * v + (*at - '0');
	}
	if (v > max)
		return NULL;
	*ret = v;
	return at;
}

static const char *parse_char(const char *at, char c)
{
	return at && *at == c ? at + 1 : NULL;
}

static bool day_exists(const struct tm *tm)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int year = tm->tm_year + 1900;
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	if (tm->tm_mon < 0 || tm->tm_mday < 1)
		return false;
	return tm->tm_mday <= days[tm->tm_mon] + (tm->tm_mon == 1 && leap);
}

static const char *parse_date(const char *at, struct tm *tm)
{
	int year = 0, month = 0;

	at = parse_char(parse_digits(at, 4, 9999, &year), '-');
	at = parse_char(parse_digits(at, 2, 12, &month), '-');
	at = parse_digits(at, 2, 31, &tm->tm_mday);
	tm->tm_year = year - 1900;
	tm->tm_mon = month - 1;
	return at && day_exists(tm) ? at : NULL;
}

/* HH:MM[:SS[.fraction]] */
static const char *parse_time(const char *at, struct tm *tm, uint64_t *ret_ns)
{
	uint64_t whole, fraction;

	at = parse_char(parse_digits(at, 2, 23, &tm->tm_hour), ':');
	at = parse_digits(at, 2, 59, &tm->tm_min);
	tm->tm_sec = 0;
	*ret_ns = 0;
	if (!at || *at != ':')
		return at;
	at = parse_digits(at + 1, 2, 59, &tm->tm_sec);
	if (!at || *at != '.')
		return at;
	at = parse_number(at, &whole, &fraction);
	if (at)
		*ret_ns = fraction / 1000000000ULL;
	return at;
}

/* "Z", "UTC", "+HH:MM" or "-HH:MM", all of the rest. */
static int parse_zone(const char *at, long *ret_offset_s)
{
	int hours = 0, minutes = 0;
	long sign = *at == '-' ? -1 : 1;

	if (strcmp(at, "Z") == 0 || strcmp(at, "z") == 0 || strcmp(at, "UTC") == 0) {
		*ret_offset_s = 0;
		return 0;
	}
	if (*at != '+' && *at != '-')
		return -EINVAL;
	at = parse_char(parse_digits(at + 1, 2, 23, &hours), ':');
	at = parse_digits(at, 2, 59, &minutes);
	if (!at || *at)
		return -EINVAL;
	*ret_offset_s = sign * (hours * 3600L + minutes * 60L);
	return 0;
}

static int from_seconds(time_t seconds, uint64_t ns, uint64_t *ret_wall_ns)
{
	if (seconds < 0)
		return -EINVAL;
	return scale((uint64_t)seconds, ns * 1000000000ULL, NS_PER_SEC, ret_wall_ns);
}

static int local_day(uint64_t wall_now_ns, struct tm *ret_tm)
{
	time_t now = (time_t)(wall_now_ns / NS_PER_SEC);

	tzset();
	if (!localtime_r(&now, ret_tm))
		return -EINVAL;
	ret_tm->tm_hour = ret_tm->tm_min = ret_tm->tm_sec = 0;
	ret_tm->tm_isdst = -1;
	return 0;
}

/* A date, a time of today, or both, in local time unless a zone is named. */
static int parse_timestamp(const char *text, uint64_t wall_now_ns, uint64_t *ret_wall_ns)
{
	struct tm tm;
	uint64_t ns = 0;
	const char *at, *time = text;
	long offset_s;
	int r = local_day(wall_now_ns, &tm);

	if (r < 0)
		return r;
	at = parse_date(text, &tm);
	if (at && !*at)
		return from_seconds(mktime(&tm), 0, ret_wall_ns);
	if (at) {
		if (*at != ' ' && *at != 'T' && *at != 't')
			return -EINVAL;
		time = *at == ' ' ? skip_space(at) : at + 1;
	} else {
		(void)local_day(wall_now_ns, &tm);
	}
	at = parse_time(time, &tm, &ns);
	if (!at)
		return -EINVAL;
	at = skip_space(at);
	if (!*at)
		return from_seconds(mktime(&tm), ns, ret_wall_ns);
	/* A zone without a date would have to say whose today. */
	if (time == text || parse_zone(at, &offset_s) < 0)
		return -EINVAL;
	return from_seconds(timegm(&tm) - offset_s, ns, ret_wall_ns);
}

static int parse_day(const char *text, uint64_t wall_now_ns, uint64_t *ret_wall_ns)
{
	struct tm tm;
	int days;

	if (strcmp(text, "today") == 0)
		days = 0;
	else if (strcmp(text, "yesterday") == 0)
		days = -1;
	else if (strcmp(text, "tomorrow") == 0)
		days = 1;
	else
		return -EINVAL;
	if (local_day(wall_now_ns, &tm) < 0)
		return -EINVAL;
	tm.tm_mday += days;
	return from_seconds(mktime(&tm), 0, ret_wall_ns);
}

static int parse_relative(const char *text, uint64_t wall_now_ns, uint64_t *ret_wall_ns)
{
	char span_text[64];
	size_t n = strlen(text);
	bool later = *text == '+', ago = n > 4 && strcmp(text + n - 4, " ago") == 0;
	uint64_t span, ns;

	if (*text == '+' || *text == '-') {
		if (ago)
			return -EINVAL;
		text++;
		n--;
	} else if (ago) {
		n -= 4;
	}
	if (n >= sizeof(span_text))
		return -EINVAL;
	memcpy(span_text, text, n);
	span_text[n] = '\0';
	if (clock_parse_span(span_text, &span) < 0)
		return -EINVAL;
	if (later ? __builtin_add_overflow(wall_now_ns, span, &ns)
		  : __builtin_sub_overflow(wall_now_ns, span, &ns))
		return -EINVAL;
	*ret_wall_ns = ns;
	return 0;
}

int clock_parse_point(const char *text, uint64_t wall_now_ns, uint64_t *ret_wall_ns)
{
	text = skip_space(text);
	if (strcmp(text, "now") == 0) {
		*ret_wall_ns = wall_now_ns;
		return 0;
	}
	if (*text == '@') {
		uint64_t whole, fraction;
		const char *end = parse_number(text + 1, &whole, &fraction);

		if (!end || *end)
			return -EINVAL;
		return scale(whole, fraction, NS_PER_SEC, ret_wall_ns);
	}
	if (isalpha((unsigned char)*text))
		return parse_day(text, wall_now_ns, ret_wall_ns);
	if (parse_timestamp(text, wall_now_ns, ret_wall_ns) == 0)
		return 0;
	return parse_relative(text, wall_now_ns, ret_wall_ns);
}

/* tenths of a unit: "12.3s", "12s" */
static void format_tenths(uint64_t tenths, const char *unit, char *buf, size_t n)
{
	if (tenths % 10)
		snprintf(buf, n, "%llu.%llu%s", (unsigned long long)(tenths / 10),
			(unsigned long long)(tenths % 10), unit);
	else
		snprintf(buf, n, "%llu%s", (unsigned long long)(tenths / 10), unit);
}

/* Two units, the second left out when it is zero: "5min 2s", "5min" */
static void format_pair(uint64_t small, uint64_t per_big, const char *big_unit,
	const char *small_unit, char *buf, size_t n)
{
	unsigned long long big = small / per_big, rest = small % per_big;

	if (rest)
		snprintf(buf, n, "%llu%s %llu%s", big, big_unit, rest, small_unit);
	else
		snprintf(buf, n, "%llu%s", big, big_unit);
}

const char *clock_format_span(uint64_t ns, char *buf, size_t n)
{
	/* Rounded without adding, which could overflow. */
	uint64_t tenths_us = ns / 100 + (ns % 100 >= 50);
	uint64_t tenths_ms = ns / 100000 + (ns % 100000 >= 50000);
	uint64_t tenths_s = ns / 100000000 + (ns % 100000000 >= 50000000);
	uint64_t seconds = ns / NS_PER_SEC + (ns % NS_PER_SEC >= NS_PER_SEC / 2);

	if (ns < NS_PER_US)
		snprintf(buf, n, "%lluns", (unsigned long long)ns);
	else if (tenths_us < 10000)
		format_tenths(tenths_us, "us", buf, n);
	else if (tenths_ms < 1000)
		format_tenths(tenths_ms, "ms", buf, n);
	else if (tenths_ms < 9995)
		format_tenths((tenths_ms + 5) / 10 * 10, "ms", buf, n);
	else if (tenths_s < 600)
		format_tenths(tenths_s, "s", buf, n);
	else if (seconds < 3600)
		format_pair(seconds, 60, "min", "s", buf, n);
	else if (seconds < 86400)
		format_pair((seconds + 30) / 60, 60, "h", "min", buf, n);
	else
		format_pair((seconds + 1800) / 3600, 24, "d", "h", buf, n);
	return buf;
}

const char *clock_format_point(uint64_t wall_ns, char *buf, size_t n)
{
	time_t seconds = (time_t)(wall_ns / NS_PER_SEC);
	struct tm tm;

	tzset();
	if (!localtime_r(&seconds, &tm) || strftime(buf, n, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		if (n > 0)
			buf[0] = '\0';
	return buf;
}
