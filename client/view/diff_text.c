/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the table of a comparison. Percentages are of the base's total, as those of `go tool pprof
 * -diff_base` are. Names were made safe when the tree was made.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include "base/cleanup.h"
#include "view/diff.h"
#include "view/frame.h"
#include "view/unit.h"

#define FRACTION 0.005

static int64_t cutoff(const struct diff *d, const struct diff_view *v)
{
	return v->n ? 1 : MAX(1, (int64_t)(fabs((double)d->side[FLAME_BASE].total) * FRACTION));
}

static bool is_shown(const struct diff_row *row, int64_t least)
{
	return unit_abs(diff_of(row->flat)) >= least || unit_abs(diff_of(row->cum)) >= least;
}

static const char *signed_label(const struct diff *d, int64_t delta, char *buf)
{
	char text[UNIT_TEXT];

	(void)unit_label(delta, d->tree.unit, "auto", text);
	(void)snprintf(buf, UNIT_TEXT, "%s%.40s", delta > 0 ? "+" : "", text);
	return buf;
}

/* base new delta delta% */
static void put_cells(const struct diff *d, const int64_t v[2], bool color, FILE *out)
{
	char base[UNIT_TEXT], new[UNIT_TEXT], delta[UNIT_TEXT];
	int64_t by = diff_of(v);

	(void)fprintf(out, "%10s %10s ", unit_label(v[FLAME_BASE], d->tree.unit, "auto", base),
		unit_label(v[FLAME_NEW], d->tree.unit, "auto", new));
	if (color && by)
		(void)fputs(by > 0 ? "\033[31m" : "\033[34m", out);
	(void)fprintf(out, "%10s %+7.2f%%", signed_label(d, by, delta),
		diff_share(d, FLAME_BASE, by) * 100);
	if (color && by)
		(void)fputs("\033[0m", out);
}

static void put_side(const struct diff *d, enum flame_side side, FILE *out)
{
	const struct profile *p = d->side[side].profile;
	char text[UNIT_TEXT];

	(void)fputs(side == FLAME_BASE ? "Base: " : "New:  ", out);
	(void)frame_put(out, d->side[side].name, 0, 0);
	(void)fprintf(
		out, ", total %s", unit_label(d->side[side].total, d->tree.unit, "auto", text));
	if (p->duration_nanos > 0)
		(void)fprintf(
			out, " in %s", unit_label(p->duration_nanos, "nanoseconds", "auto", text));
	if (side == FLAME_NEW && d->normalize != DIFF_AS_IS)
		(void)fprintf(out, ", multiplied with %.4g to have the base's %s", d->scale,
			d->normalize == DIFF_TIME ? "duration" : "total");
	(void)fputc('\n', out);
}

static void put_head(const struct diff *d, FILE *out)
{
	int64_t total[2] = { d->side[0].total, d->side[1].total };
	char text[UNIT_TEXT];

	(void)fprintf(out, "Type: %s\n", d->tree.type);
	put_side(d, FLAME_BASE, out);
	put_side(d, FLAME_NEW, out);
	(void)fprintf(out, "Total changed by %s", signed_label(d, diff_of(total), text));
	if (total[FLAME_BASE])
		(void)fprintf(out, ", %+.2f%% of the base",
			diff_share(d, FLAME_BASE, diff_of(total)) * 100);
	(void)fputc('\n', out);
	if (d->side[FLAME_NEW].filter)
		filter_write(d->side[FLAME_NEW].filter, out);
}

static void put_shown(size_t shown, size_t all, const char *what, FILE *out)
{
	if (!all)
		(void)fprintf(out, "No %s differ\n", what);
	else
		(void)fprintf(out, "Showing %zu of %zu %s that differ\n", shown, all, what);
}

static void put_functions(const struct diff *d, const struct diff_view *v, FILE *out)
{
	size_t columns = v->width > 110 ? (size_t)v->width - 86 : 0, shown = 0, all = 0;
	int64_t least = cutoff(d, v);

	ARRAY_EACH(&d->rows, struct diff_row, row) {
		all += is_shown(row, 1);
		shown += is_shown(row, least);
	}
	if (v->n > 0)
		shown = MIN(shown, (size_t)v->n);
	put_shown(shown, all, "functions", out);
	if (!shown)
		return;
	(void)fprintf(out, "%s%10s %10s %10s %8s %10s %10s %10s %8s%s\n", v->color ? "\033[1m" : "",
		"flat base", "flat new", "delta", "delta%", "cum base", "cum new", "delta",
		"delta%", v->color ? "\033[0m" : "");
	ARRAY_EACH(&d->rows, struct diff_row, row) {
		if (!is_shown(row, least))
			continue;
		if (!shown--)
			break;
		put_cells(d, row->flat, v->color, out);
		(void)fputc(' ', out);
		put_cells(d, row->cum, v->color, out);
		(void)fputs("  ", out);
		(void)frame_put(out, diff_name(d, row), 0, columns);
		(void)fputc('\n', out);
	}
}

/* From the root, a line a frame would be too long: callers are behind a leaf, nearest first. */
static void put_path(const struct diff *d, uint32_t node, size_t columns, FILE *out)
{
	size_t used = 0;

	for (uint32_t i = node; i; i = flame_node(&d->tree, i)->parent) {
		if (columns && used + 6 >= columns) {
			(void)fputs(" < ...", out);
			break;
		}
		if (i != node)
			used += (size_t)fprintf(out, " < ");
		used += frame_put(out, flame_name(&d->tree, i), 0,
			columns ? MAX(columns - MIN(used + 3, columns), 8) : 0);
	}
	(void)fputc('\n', out);
}

static void put_paths(const struct diff *d, const struct diff_view *v, FILE *out)
{
	size_t columns = v->width > 80 ? (size_t)v->width - 44 : 0, shown = 0;
	const uint32_t *paths = d->paths.data;
	int64_t least = cutoff(d, v);

	/* They are sorted by what is asked here. */
	while (shown < d->paths.n && (v->n <= 0 || shown < (size_t)v->n) &&
		unit_abs(diff_of(flame_node(&d->tree, paths[shown])->self)) >= least)
		shown++;
	put_shown(shown, d->paths.n, "call paths", out);
	if (shown)
		(void)fprintf(out, "%s%10s %10s %10s %8s  %s%s\n", v->color ? "\033[1m" : "",
			"base", "new", "delta", "delta%", "function < its callers",
			v->color ? "\033[0m" : "");
	for (size_t i = 0; i < shown; i++) {
		put_cells(d, flame_node(&d->tree, paths[i])->self, v->color, out);
		(void)fputs("  ", out);
		put_path(d, paths[i], columns, out);
	}
}

int diff_write_text(const struct diff *d, const struct diff_view *v, FILE *out, struct error *error)
{
	put_head(d, out);
	if (v->paths)
		put_paths(d, v, out);
	else
		put_functions(d, v, out);
	return fflush(out) || ferror(out) ? error_set(error, -EIO, EXIT_CODE_FAILED,
						    "cannot write: %s", strerror(errno))
					  : 0;
}
