/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns `report --top`: rows, numbers and header are those of `go tool pprof -top` for the same file
 * (github.com/google/pprof/blob/main/internal/report/report.go), then what is unnamed. With n 0
 * rows below half a percent are left out as pprof does; with a number or all, none are.
 */
#include "base/cleanup.h"
#include "view/frame.h"
#include "view/graph_view.h"
#include "view/unit.h"
#include "view/unnamed.h"

#define NAME_COLUMN 48

static const char *inline_label(const struct graph_selection *s, uint32_t node)
{
	uint32_t n, inlined = 0;
	const uint32_t *in = edges_in(&s->edges, node, &n);

	for (uint32_t i = 0; i < n; i++)
		inlined += edges_at(&s->edges, in[i])->inlined;
	return !inlined ? "" : inlined == n ? " (inline)" : " (partial-inline)";
}

static void write_rows(const struct graph_selection *s, const struct view_options *o, FILE *out)
{
	const struct graph *g = s->graph;
	const char *from = profile_text(g->profile, g->profile->types[g->type].unit);
	size_t columns = o->width > NAME_COLUMN + 20 ? (size_t)(o->width - NAME_COLUMN) : 0;
	int64_t sum = 0;

	(void)fprintf(out, "%s%10s %5s%% %5s%% %10s %5s%%%s\n", o->color ? "\033[1m" : "", "flat",
		"flat", "sum", "cum", "cum", o->color ? "\033[0m" : "");
	for (size_t i = 0; i < s->n; i++) {
		const struct graph_node *n = selection_at(s, i);
		char flat[UNIT_TEXT], cum[UNIT_TEXT];
		char flat_share[UNIT_TEXT], sum_share[UNIT_TEXT], cum_share[UNIT_TEXT];
		sum = unit_add(sum, n->flat);
		(void)fprintf(out, "%10s %s %s %10s %s  ", unit_label(n->flat, from, s->unit, flat),
			unit_percent(n->flat, g->total, flat_share),
			unit_percent(sum, g->total, sum_share),
			unit_label(n->cum, from, s->unit, cum),
			unit_percent(n->cum, g->total, cum_share));
		(void)frame_put(out, graph_label(g, n), 0, columns);
		(void)fprintf(out, "%s\n", inline_label(s, s->order[i]));
	}
}

static int write_top(struct graph *g, const struct view_options *o, void *ctx, FILE *out)
{
	struct selection_options so = {
		.n = o->n > 0 ? o->n : 0,
		.trim = o->n == 0,
		.trim_edges = true,
		.cum = o->cum,
		.inlined_edges_only = true,
		.unit = o->unit,
	};
	CLEANUP(graph_selection_deinit) struct graph_selection s = { 0 };
	int r = graph_selection_init(&s, g, &so);

	(void)ctx;
	if (r < 0)
		return r;
	graph_view_head(&s, o, false, out);
	write_rows(&s, o, out);
	return unnamed_write(g, out);
}

int view_top(const struct profile *p, const struct view_options *o, FILE *out, struct error *error)
{
	return graph_view(p, o, NULL, "--top", write_top, NULL, out, error);
}
