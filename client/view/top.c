/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns `report --top`: rows, numbers and header are those of `go tool pprof -top` for the same file
 * (github.com/google/pprof/blob/main/internal/report/report.go), then what is unnamed. With n 0
 * rows below half a percent are left out as pprof does; with a number or all, none are.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/cleanup.h"
#include "view/frame.h"
#include "view/graph.h"
#include "view/unit.h"
#include "view/unnamed.h"
#include "view/view.h"

#define NODE_FRACTION 0.005
#define EDGE_FRACTION 0.001
#define NAME_COLUMN   48

struct row {
	const char *name; /* borrowed from the graph or `owned` */
	char *owned;
	const char *module; /* borrowed from the profile */
	struct graph_node *node;
};

struct rows {
	struct row *all; /* owned */
	size_t n;
	size_t shown, dropped; /* dropped: by NODE_FRACTION; not in n any more */
	int64_t cutoff;
};

static void rows_deinit(struct rows *rows)
{
	for (size_t i = 0; i < rows->n; i++)
		free(rows->all[i].owned);
	free(rows->all);
}

/* As pprof does: the numbers as text, then the path. */
static int tie(const struct row *a, const struct row *b)
{
	char x[32], y[32];

	(void)snprintf(x, sizeof(x), "%" PRId64 " ", a->node->start_line);
	(void)snprintf(y, sizeof(y), "%" PRId64 " ", b->node->start_line);
	return strcmp(x, y) ?: strcmp(a->module, b->module);
}

static int descending(int64_t a, int64_t b)
{
	a = unit_abs(a);
	b = unit_abs(b);
	return a > b ? -1 : a < b;
}

static int by_flat(const void *x, const void *y)
{
	const struct row *a = x, *b = y;
	int c = descending(a->node->flat, b->node->flat);

	c = c ?: strcmp(a->name, b->name);
	c = c ?: descending(a->node->cum, b->node->cum);
	return c ?: tie(a, b);
}

static int by_cum(const void *x, const void *y)
{
	const struct row *a = x, *b = y;
	int c = descending(a->node->cum, b->node->cum);

	c = c ?: strcmp(a->name, b->name);
	c = c ?: descending(a->node->flat, b->node->flat);
	return c ?: tie(a, b);
}

static int add_row(const struct graph *g, struct graph_node *node, struct row *ret)
{
	struct row row = { .node = node, .module = profile_text(g->profile, node->module) };

	if (node->name || !node->module) {
		row.name = graph_node_name(g, node, NULL, 0);
	} else {
		size_t size = strlen(row.module) + 3;
		row.owned = malloc(size);
		if (!row.owned)
			return -ENOMEM;
		row.name = graph_node_name(g, node, row.owned, size);
	}
	*ret = row;
	return 0;
}

static int select_rows(struct graph *g, const struct view_options *o, struct rows *rows)
{
	int64_t sum = 0;

	ARRAY_EACH(&g->nodes, struct graph_node, n)
		sum = unit_add(sum, n->flat);
	if (o->n == 0)
		rows->cutoff = unit_abs((int64_t)((double)sum * NODE_FRACTION));
	rows->all = calloc(g->nodes.n + 1, sizeof(*rows->all));
	if (!rows->all)
		return -ENOMEM;
	ARRAY_EACH(&g->nodes, struct graph_node, n) {
		if (!n->flat && !n->cum)
			continue;
		if (unit_abs(n->cum) < rows->cutoff) {
			n->dropped = true;
			rows->dropped++;
			continue;
		}
		int r = add_row(g, n, &rows->all[rows->n]);
		if (r < 0)
			return r;
		rows->n++;
	}
	qsort(rows->all, rows->n, sizeof(*rows->all), o->cum ? by_cum : by_flat);
	rows->shown = o->n > 0 ? MIN((size_t)o->n, rows->n) : rows->n;
	for (size_t i = rows->shown; i < rows->n; i++)
		rows->all[i].node->dropped = true;
	return graph_mark_inlined(g, unit_abs((int64_t)((double)sum * EDGE_FRACTION)));
}

/* One unit for the whole table: of the smallest value that is shown. */
static const char *select_unit(const struct graph *g, const struct rows *rows)
{
	const char *from = profile_text(g->profile, g->profile->types[g->type].unit);
	int64_t min = 0;

	if (!rows->shown)
		return "auto";
	for (size_t i = 0; i < rows->shown; i++) {
		const struct graph_node *n = rows->all[i].node;
		int64_t v = unit_abs(n->flat) ?: unit_abs(n->cum);
		if (v > 0 && (!min || v < min))
			min = v;
	}
	return unit_for_column(min, g->total, from);
}

static void write_line(FILE *out, const char *what, const char *text)
{
	(void)fputs(what, out);
	(void)frame_put(out, text, 0, 0);
	(void)fputc('\n', out);
}

static void write_time(FILE *out, int64_t time_nanos)
{
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul",
		"Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t seconds = (time_t)(time_nanos / 1000000000);
	struct tm tm;

	if (time_nanos % 1000000000 < 0)
		seconds--;
	if (!localtime_r(&seconds, &tm))
		return;
	(void)fprintf(out, "Time: %s %d, %d at %d:%02d%s (%s)\n", months[tm.tm_mon], tm.tm_mday,
		tm.tm_year + 1900, (tm.tm_hour + 11) % 12 + 1, tm.tm_min,
		tm.tm_hour < 12 ? "am" : "pm", tm.tm_zone);
}

static void write_duration(const struct graph *g, const char *unit, FILE *out)
{
	const struct profile *p = g->profile;
	const char *from = profile_text(p, p->types[g->type].unit), *scaled;
	char duration[UNIT_TEXT], total[UNIT_TEXT], percent[UNIT_TEXT];
	double ns = unit_scale(g->total, from, "nanoseconds", &scaled);

	(void)fprintf(out, "Duration: %s, Total samples = %s ",
		unit_label(p->duration_nanos, "nanoseconds", "auto", duration),
		unit_label(g->total, from, unit, total));
	if (!strcmp(scaled, "ns") && ns != 0)
		(void)fprintf(out, "(%s)", unit_percent((int64_t)ns, p->duration_nanos, percent));
	(void)fputc('\n', out);
}

static void write_head(const struct graph *g, const char *unit, FILE *out)
{
	const struct profile *p = g->profile;

	if (p->mappings.n) {
		const struct profile_mapping *m = p->mappings.data;
		if (m->file)
			write_line(out, "File: ", frame_basename(profile_text(p, m->file)));
		if (m->build_id)
			write_line(out, "Build ID: ", profile_text(p, m->build_id));
	}
	ARRAY_EACH(&p->comments, uint32_t, c)
		if (*profile_text(p, *c) != '#')
			write_line(out, "", profile_text(p, *c));
	write_line(out, "Type: ", profile_text(p, p->types[g->type].type));
	if (p->time_nanos)
		write_time(out, p->time_nanos);
	if (p->duration_nanos)
		write_duration(g, unit, out);
}

static void write_summary(
	const struct graph *g, const struct rows *rows, const char *unit, FILE *out)
{
	const char *from = profile_text(g->profile, g->profile->types[g->type].unit);
	char value[UNIT_TEXT], total[UNIT_TEXT], percent[UNIT_TEXT];
	int64_t flat = 0;

	for (size_t i = 0; i < rows->shown; i++)
		flat = unit_add(flat, rows->all[i].node->flat);
	const char *share = unit_percent(flat, g->total, percent);
	(void)fprintf(out, "Showing nodes accounting for %s, %s of %s total\n",
		unit_label(flat, from, unit, value), share + strspn(share, " "),
		unit_label(g->total, from, unit, total));
	if (!g->total)
		return;
	if (rows->dropped)
		(void)fprintf(out, "Dropped %zu node%s (cum <= %s)\n", rows->dropped,
			rows->dropped > 1 ? "s" : "",
			unit_label((int64_t)((double)g->total * NODE_FRACTION), from, unit, value));
	if (rows->shown && rows->shown < rows->n)
		(void)fprintf(out, "Showing top %zu nodes out of %zu\n", rows->shown, rows->n);
}

static void write_rows(const struct graph *g, const struct rows *rows, const char *unit,
	const struct view_options *o, FILE *out)
{
	static const char *const inlined[] = {
		[GRAPH_NOT_INLINE] = "",
		[GRAPH_PARTIAL_INLINE] = " (partial-inline)",
		[GRAPH_INLINE] = " (inline)",
	};
	const char *from = profile_text(g->profile, g->profile->types[g->type].unit);
	size_t columns = o->width > NAME_COLUMN + 20 ? (size_t)(o->width - NAME_COLUMN) : 0;
	int64_t sum = 0;

	(void)fprintf(out, "%s%10s %5s%% %5s%% %10s %5s%%%s\n", o->color ? "\033[1m" : "", "flat",
		"flat", "sum", "cum", "cum", o->color ? "\033[0m" : "");
	for (size_t i = 0; i < rows->shown; i++) {
		const struct graph_node *n = rows->all[i].node;
		char flat[UNIT_TEXT], cum[UNIT_TEXT];
		char flat_share[UNIT_TEXT], sum_share[UNIT_TEXT], cum_share[UNIT_TEXT];
		sum = unit_add(sum, n->flat);
		(void)fprintf(out, "%10s %s %s %10s %s  ", unit_label(n->flat, from, unit, flat),
			unit_percent(n->flat, g->total, flat_share),
			unit_percent(sum, g->total, sum_share), unit_label(n->cum, from, unit, cum),
			unit_percent(n->cum, g->total, cum_share));
		(void)frame_put(out, rows->all[i].name, 0, columns);
		(void)fprintf(out, "%s\n", inlined[n->inlined]);
	}
}

static int write_top(struct graph *g, const struct view_options *o, FILE *out)
{
	CLEANUP(rows_deinit) struct rows rows = { 0 };
	int r = select_rows(g, o, &rows);

	if (r < 0)
		return r;
	const char *unit = select_unit(g, &rows);
	write_head(g, unit, out);
	write_summary(g, &rows, unit, out);
	write_rows(g, &rows, unit, o, out);
	r = unnamed_write(g, out);
	if (r < 0)
		return r;
	return fflush(out) || ferror(out) ? -EIO : 0;
}

int view_top(const struct profile *p, const struct view_options *o, FILE *out, struct error *error)
{
	struct graph g;
	uint32_t type;
	int r = view_sample_index(p, o->sample_index, &type, error);

	if (r < 0)
		return r;
	r = graph_init(&g, p, type);
	if (r >= 0) {
		r = write_top(&g, o, out);
		graph_deinit(&g);
	}
	if (r == -EIO)
		return error_set(error, r, EXIT_CODE_FAILED, "cannot write: %s", strerror(errno));
	return r < 0 ? error_set(error, r, EXIT_CODE_FAILED, "cannot show: %s", strerror(-r)) : 0;
}
