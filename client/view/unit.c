/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the tables of units and the rounding of pprof. Pure. Unit names come from files; those that
 * are not known are shown as they are.
 */
#include "view/unit.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "base/cleanup.h"
#include "base/text.h"

#define MAX_NAME 20U /* bytes; behind a number there is room for them */

struct unit {
	const char *name;
	const char *aliases[4]; /* lower case, without the s of the plural */
	double factor;
};

struct family {
	const struct unit *units;
	size_t n;
	const char *default_name; /* of values that are less than 1 of every unit, thus 0 */
	double default_factor;
};

static const struct unit bytes[] = {
	{ "B", { "b", "byte" }, 1 },
	{ "kB", { "kb", "kbyte", "kilobyte" }, 1024.0 },
	{ "MB", { "mb", "mbyte", "megabyte" }, 1048576.0 },
	{ "GB", { "gb", "gbyte", "gigabyte" }, 1073741824.0 },
	{ "TB", { "tb", "tbyte", "terabyte" }, 1099511627776.0 },
	{ "PB", { "pb", "pbyte", "petabyte" }, 1125899906842624.0 },
};

static const struct unit times[] = {
	{ "ns", { "ns", "nanosecond" }, 1 },
	{ "us", { "us", "microsecond" }, 1e3 },
	{ "ms", { "ms", "millisecond" }, 1e6 },
	{ "s", { "s", "sec", "second" }, 1e9 },
	{ "hrs", { "hour", "hr" }, 3600e9 },
};

static const struct family families[] = {
	{ bytes, ARRAY_SIZE(bytes), "B", 1 },
	{ times, ARRAY_SIZE(times), "s", 1e9 },
};

static const struct unit *find_unit(const struct family *f, const char *text)
{
	char name[16];
	size_t n = strlen(text);

	if (n > 2 && (text[n - 1] == 's' || text[n - 1] == 'S'))
		n--;
	if (n >= sizeof(name))
		return NULL;
	memcpy(name, text, n);
	name[n] = '\0';
	for (size_t i = 0; i < f->n; i++)
		for (size_t k = 0; k < ARRAY_SIZE(f->units[i].aliases); k++)
			if (f->units[i].aliases[k] && !strcasecmp(f->units[i].aliases[k], name))
				return &f->units[i];
	return NULL;
}

static bool is_auto(const char *unit)
{
	return !strcmp(unit, "auto") || !strcmp(unit, "minimum");
}

static double scale_in(const struct family *f, double v, const char *to, const char **ret_unit)
{
	const struct unit *best = NULL;

	if (is_auto(to)) {
		for (size_t i = 0; i < f->n; i++)
			if (v / f->units[i].factor >= 1.0)
				best = &f->units[i];
	} else {
		best = find_unit(f, to);
	}
	*ret_unit = best ? best->name : f->default_name;
	return v / (best ? best->factor : f->default_factor);
}

double unit_scale(int64_t value, const char *from, const char *to, const char **ret_unit)
{
	static const char *const plain[] = { "count", "sample", "unit", "auto", "minimum" };

	if (value < 0 && value != INT64_MIN)
		return -unit_scale(-value, from, to, ret_unit);
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		const struct unit *u = find_unit(&families[i], from);
		if (u)
			return scale_in(&families[i], (double)value * u->factor, to, ret_unit);
	}
	*ret_unit = to;
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		if (!strcmp(to, plain[i]))
			*ret_unit = "";
	return (double)value;
}

/* The beginning of a unit's name, which is the file's and thus anybody's. */
static void append_name(char *to, const char *name)
{
	size_t left = strlen(name), n = 0, k;
	bool printable;

	for (; left && n + (k = text_char(name + n, left, &printable)) <= MAX_NAME; n += k) {
		if (printable)
			to = mempcpy(to, name + n, k);
		else
			*to++ = '?';
		left -= k;
	}
	*to = '\0';
}

const char *unit_label(int64_t value, const char *from, const char *to, char *buf)
{
	const char *unit;
	double v = unit_scale(value, from, to, &unit);
	char number[40];
	int n = snprintf(number, sizeof(number), "%.2f", v);

	if (n > 3 && !strcmp(number + n - 3, ".00"))
		number[n - 3] = '\0';
	if (!strcmp(number, "0") || !strcmp(number, "-0"))
		unit = "", number[0] = '0', number[1] = '\0';
	append_name(stpcpy(buf, number), unit);
	return buf;
}

const char *unit_percent(int64_t value, int64_t total, char *buf)
{
	double ratio = total ? fabs((double)value / (double)total) * 100 : 0;

	if (ratio >= 99.95 && ratio <= 100.05)
		return strcpy(buf, "  100%");
	(void)snprintf(buf, UNIT_TEXT, ratio >= 1.0 ? "%5.2f%%" : "%5.2g%%", ratio);
	return buf;
}

int64_t unit_add(int64_t a, int64_t b)
{
	int64_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return b < 0 ? INT64_MIN : INT64_MAX;
	return sum;
}

int64_t unit_abs(int64_t a)
{
	return a == INT64_MIN ? INT64_MAX : a < 0 ? -a : a;
}

int64_t unit_times(int64_t a, double ratio)
{
	double v = round((double)a * ratio);

	return v >= 0x1p63 ? INT64_MAX : v <= -0x1p63 ? INT64_MIN : (int64_t)v;
}

bool unit_same_kind(const char *a, const char *b)
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		if (find_unit(&families[i], a) && find_unit(&families[i], b))
			return true;
	return false;
}

const char *unit_for_column(int64_t min, int64_t max, const char *from)
{
	const char *of_min, *of_max;

	if (!min)
		min = max;
	(void)unit_scale(min, from, "auto", &of_min);
	(void)unit_scale(max, from, "auto", &of_max);
	/* Small values may go down to 0.01 of a larger unit. */
	if (strcmp(of_min, of_max) != 0 && min <= INT64_MAX / 100 && min * 100 < max)
		(void)unit_scale(100 * min, from, "auto", &of_min);
	return *of_min ? of_min : from;
}
