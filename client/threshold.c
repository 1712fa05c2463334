/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the decision whether a comparison fails. Pure. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include "client/threshold.h"
#include "client/view/expression.h"
#include "client/view/unit.h"

#define MAX_LINES 5U /* for each threshold */

static int bad(const char *text, struct error *error)
{
	return error_set(error, -EINVAL, EXIT_CODE_USAGE,
		"bad threshold '%.100s': N%%, flat=N%%, cum=N%%, total=N%% or func=REGEX:N%% is "
		"needed",
		text);
}

static bool parse_percent(const char *text, double *ret)
{
	char *end;
	double v = strtod(text, &end);

	if (!strchr("0123456789.", *text) || end == text || strcmp(end, "%") != 0 || !isfinite(v))
		return false;
	*ret = v;
	return true;
}

int threshold_init(struct threshold *t, const char *text, struct error *error)
{
	static const char *const words[] = {
		[THRESHOLD_FLAT] = "flat=",
		[THRESHOLD_CUM] = "cum=",
		[THRESHOLD_FUNCTION] = "func=",
		[THRESHOLD_TOTAL] = "total=",
	};
	const char *value = text, *colon;

	*t = (struct threshold){ .text = text };
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strncmp(text, words[i], strlen(words[i])) != 0)
			continue;
		t->kind = (enum threshold_kind)i;
		value = text + strlen(words[i]);
	}
	if (t->kind != THRESHOLD_FUNCTION)
		return parse_percent(value, &t->percent) ? 0 : bad(text, error);
	/* The expression may hold colons. */
	colon = strrchr(value, ':');
	if (!colon || colon == value || !parse_percent(colon + 1, &t->percent))
		return bad(text, error);
	_cleanup_free_ char *expression = strndup(value, (size_t)(colon - value));
	if (!expression)
		return error_set(error, -ENOMEM, EXIT_CODE_FAILED, "out of memory");
	return expression_new(&t->expression, expression, false, "--fail-on", error);
}

void threshold_deinit(struct threshold *t)
{
	t->expression = expression_free(t->expression);
}

static int add_line(struct array *lines, char *line)
{
	char **slot = line ? array_push(lines) : NULL;

	if (!slot) {
		free(line);
		return -ENOMEM;
	}
	*slot = line;
	return 0;
}

static int check_total(const struct threshold *t, const struct diff *d, struct array *lines)
{
	int64_t total[2] = { d->side[0].total, d->side[1].total };
	char base[UNIT_TEXT], new[UNIT_TEXT], grown[32];
	double by = total[FLAME_BASE]	   ? diff_share(d, FLAME_BASE, diff_of(total)) * 100
		    : total[FLAME_NEW] > 0 ? INFINITY
					   : 0;
	char *line;

	if (!(by > t->percent))
		return 0;
	(void)snprintf(grown, sizeof(grown), isinf(by) ? "from nothing" : "by %.3g%%", by);
	int n = asprintf(&line, "%s: the total grew %s, from %s to %s", t->text, grown,
		unit_label(total[FLAME_BASE], d->tree.unit, "auto", base),
		unit_label(total[FLAME_NEW], d->tree.unit, "auto", new));
	return add_line(lines, n < 0 ? NULL : line);
}

struct crossing {
	const struct diff_row *row;
	double from, to; /* percent */
};

static int worst_first(const void *x, const void *y)
{
	const struct crossing *a = x, *b = y;
	double by_a = a->to - a->from, by_b = b->to - b->from;

	return by_a > by_b ? -1 : by_a < by_b;
}

static int say(const struct threshold *t, const struct diff *d, struct crossing *all, size_t n,
	struct array *lines)
{
	char *line;
	int r = 0;

	qsort(all, n, sizeof(*all), worst_first);
	for (size_t i = 0; i < MIN(n, MAX_LINES) && r >= 0; i++) {
		int k = asprintf(&line,
			"%s: %s grew by %.3g points, from %.3g%% to %.3g%% of the total", t->text,
			diff_name(d, all[i].row), all[i].to - all[i].from, all[i].from, all[i].to);
		r = add_line(lines, k < 0 ? NULL : line);
	}
	if (n > MAX_LINES && r >= 0) {
		int k = asprintf(&line, "%s: and %zu more functions", t->text, n - MAX_LINES);
		r = add_line(lines, k < 0 ? NULL : line);
	}
	return r;
}

int threshold_check(const struct threshold *t, const struct diff *d, struct array *lines)
{
	_cleanup_free_ struct crossing *all = NULL;
	size_t n = 0;

	if (t->kind == THRESHOLD_TOTAL)
		return check_total(t, d, lines);
	all = calloc(d->rows.n + 1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	ARRAY_EACH(&d->rows, struct diff_row, row) {
		const int64_t *v = t->kind == THRESHOLD_FLAT ? row->flat : row->cum;
		struct crossing c = {
			.row = row,
			.from = diff_share(d, FLAME_BASE, v[FLAME_BASE]) * 100,
			.to = diff_share(d, FLAME_NEW, v[FLAME_NEW]) * 100,
		};
		if (!(c.to - c.from > t->percent))
			continue;
		if (!t->expression || expression_matches(t->expression, diff_name(d, row)))
			all[n++] = c;
	}
	return say(t, d, all, n, lines);
}
