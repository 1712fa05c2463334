/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns which labels a filter of labels matches, by pprof's rules (internal/driver/driver_focus.go):
 * [KEY=]RANGE for numeric labels (5, 5: :5, 5:7, each with a unit: 2kb:4kb), [KEY=]EXPRESSION[,...]
 * for the others: without a key all expressions must match some "key:value", with one any may.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "view/expression.h"
#include "view/filter.h"
#include "view/unit.h"

#define MAX_EXPRESSIONS 64

struct range {
	bool has_min, has_max;
	double min, max;
	char unit[24];
};

/* "+12kb" at *at. */
static bool take_quantity(const char **at, int64_t *ret_value, char ret_unit[24])
{
	const char *s = *at;
	char *end;
	size_t n;

	s += *s == '+' || *s == '-';
	if (!isdigit((unsigned char)*s))
		return false;
	errno = 0;
	*ret_value = strtoll(*at, &end, 10);
	for (n = 0; isalpha((unsigned char)end[n]); n++)
		;
	if (errno || n >= 24)
		return false;
	memcpy(ret_unit, end, n);
	ret_unit[n] = '\0';
	*at = end + n;
	return true;
}

static bool parse_range(const char *text, struct range *ret)
{
	struct range r = { 0 };
	char unit[24], *named = unit;
	const char *at = text + (*text == ':'), *name;
	int64_t value;

	if (!take_quantity(&at, &value, unit))
		return false;
	double v = unit_scale(value, named, named, &name);
	(void)snprintf(r.unit, sizeof(r.unit), "%s", name);
	r.has_min = *text != ':';
	r.has_max = *text == ':' || !*at;
	r.min = r.max = v;
	if (*text != ':' && *at == ':') {
		at++;
		if (*at) {
			if (!take_quantity(&at, &value, unit))
				return false;
			r.max = unit_scale(value, named, r.unit, &name);
			r.has_max = true;
			if (strcmp(name, r.unit) != 0)
				return false;
		}
	}
	if (*at)
		return false;
	*ret = r;
	return true;
}

static bool in_range(const struct range *r, int64_t value, const char *unit)
{
	const char *name;
	double v = unit_scale(value, unit, r->unit, &name);

	return !strcmp(name, r->unit) && (!r->has_min || v >= r->min) &&
	       (!r->has_max || v <= r->max);
}

bool tag_is_number(const struct profile_label *l)
{
	return !l->str && (l->num || l->num_unit);
}

int tag_units(const struct profile *p, struct array *ret)
{
	int r = array_resize(ret, p->strings.spans.n);

	for (size_t i = 0; i < p->label_sets.n && r >= 0; i++) {
		uint32_t n;
		const struct profile_label *l = profile_label_set(p, (uint32_t)i, &n);
		for (uint32_t k = 0; k < n; k++) {
			uint32_t *unit = ARRAY_AT(ret, uint32_t, l[k].key);
			if (tag_is_number(&l[k]) && !*unit)
				*unit = l[k].num_unit;
		}
	}
	return r;
}

const char *tag_unit(const struct profile *p, const struct array *units, uint32_t key)
{
	const char *name = profile_text(p, key);
	uint32_t unit = *ARRAY_AT(units, uint32_t, key);

	if (unit)
		return profile_text(p, unit);
	return !strcmp(name, "alignment") || !strcmp(name, "request") ? "bytes" : name;
}

/* key NULL: any. */
static int match_range(
	const struct profile *p, const struct range *range, const char *key, uint8_t *matches)
{
	CLEANUP(array_deinit) struct array units = ARRAY_INIT(uint32_t, SIZE_MAX);
	int r = tag_units(p, &units);

	for (size_t i = 0; i < p->label_sets.n && r >= 0; i++) {
		uint32_t n;
		const struct profile_label *l = profile_label_set(p, (uint32_t)i, &n);
		for (uint32_t k = 0; k < n && !matches[i]; k++)
			if (tag_is_number(&l[k]) &&
				(!key || !strcmp(profile_text(p, l[k].key), key)))
				matches[i] =
					in_range(range, l[k].num, tag_unit(p, &units, l[k].key));
	}
	return r;
}

struct expressions {
	struct expression *all[MAX_EXPRESSIONS]; /* owned */
	size_t n;
};

static void expressions_deinit(struct expressions *e)
{
	for (size_t i = 0; i < e->n; i++)
		(void)expression_free(e->all[i]);
}

static int split(const char *text, const char *what, struct expressions *e, struct error *error)
{
	for (;;) {
		const char *comma = strchrnul(text, ',');
		_cleanup_free_ char *one = strndup(text, (size_t)(comma - text));
		if (!one)
			return -ENOMEM;
		if (e->n == MAX_EXPRESSIONS)
			return error_set(error, -EINVAL, EXIT_CODE_USAGE,
				"%s takes no more than %d expressions", what, MAX_EXPRESSIONS);
		int r = expression_new(&e->all[e->n], one, false, what, error);
		if (r < 0)
			return r;
		e->n++;
		if (!*comma)
			return 0;
		text = comma + 1;
	}
}

/* Whether some label of the set matches. */
static int match_one(
	const struct profile *p, uint32_t set, struct expression *e, const char *key, bool *ret)
{
	uint32_t n;
	const struct profile_label *l = profile_label_set(p, set, &n);

	*ret = false;
	for (uint32_t i = 0; i < n && !*ret; i++) {
		const char *name = profile_text(p, l[i].key), *value = profile_text(p, l[i].str);
		_cleanup_free_ char *both = NULL;
		if (!l[i].str || (key && strcmp(name, key) != 0))
			continue;
		if (!key && asprintf(&both, "%s:%s", name, value) < 0) {
			both = NULL;
			return -ENOMEM;
		}
		*ret = expression_matches(e, key ? value : both);
	}
	return 0;
}

static int match_expressions(
	const struct profile *p, const struct expressions *e, const char *key, uint8_t *matches)
{
	for (size_t i = 0; i < p->label_sets.n; i++) {
		size_t n = 0;
		for (size_t k = 0; k < e->n; k++) {
			bool one;
			int r = match_one(p, (uint32_t)i, e->all[k], key, &one);
			if (r < 0)
				return r;
			n += one;
		}
		matches[i] = key ? n > 0 : n == e->n;
	}
	return 0;
}

int tag_filter(const struct profile *p, const char *text, const char *what, FILE *notes,
	uint8_t *ret_matches, struct error *error)
{
	CLEANUP(expressions_deinit) struct expressions e = { 0 };
	_cleanup_free_ char *key = NULL;
	const char *equals = strchr(text, '=');
	struct range range;

	if (equals) {
		key = strndup(text, (size_t)(equals - text));
		if (!key)
			return -ENOMEM;
		text = equals + 1;
	}
	if (parse_range(text, &range)) {
		(void)fprintf(notes, "%s: '%s' is read as a range of numbers\n", what, text);
		return match_range(p, &range, key && *key ? key : NULL, ret_matches);
	}
	int r = split(text, what, &e, error);
	return r < 0 ? r : match_expressions(p, &e, key && *key ? key : NULL, ret_matches);
}
