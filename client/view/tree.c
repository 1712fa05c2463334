/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns `report --tree` and `--peek`: header, rows and numbers of `go tool pprof -tree` and `-peek`
 * (printTree() of github.com/google/pprof/blob/main/internal/report/report.go).
 */
#include <errno.h>
#include "base/cleanup.h"
#include "view/expression.h"
#include "view/frame.h"
#include "view/graph_view.h"
#include "view/unit.h"

#define TREE_ROWS 80

static const char separator[] =
	"----------------------------------------------------------+-------------\n";

static void write_edge(const struct graph_selection *s, const struct edge *e, uint32_t other,
	int64_t cum, FILE *out)
{
	const struct graph *g = s->graph;
	const char *from = profile_text(g->profile, g->profile->types[g->type].unit);
	char value[UNIT_TEXT], share[UNIT_TEXT];

	(void)fprintf(out, "%50s %s |   ", unit_label(e->weight, from, s->unit, value),
		unit_percent(e->weight, cum, share));
	(void)frame_put(out, graph_label(g, ARRAY_AT(&g->nodes, struct graph_node, other)), 0, 0);
	(void)fputs(e->inlined ? " (inline)\n" : "\n", out);
}

static void write_node(const struct graph_selection *s, size_t row, int64_t sum, FILE *out)
{
	const struct graph *g = s->graph;
	const struct graph_node *n = selection_at(s, row);
	const char *from = profile_text(g->profile, g->profile->types[g->type].unit);
	char flat[UNIT_TEXT], cum[UNIT_TEXT];
	char flat_share[UNIT_TEXT], sum_share[UNIT_TEXT], cum_share[UNIT_TEXT];
	uint32_t n_in, n_out, node = s->order[row];
	const uint32_t *in = edges_in(&s->edges, node, &n_in);
	const uint32_t *outs = edges_out(&s->edges, node, &n_out);

	(void)fputs(separator, out);
	for (uint32_t i = 0; i < n_in; i++) {
		const struct edge *e = edges_at(&s->edges, in[i]);
		write_edge(s, e, e->from, n->cum, out);
	}
	(void)fprintf(out, "%10s %s %s %10s %s                | ",
		unit_label(n->flat, from, s->unit, flat),
		unit_percent(n->flat, g->total, flat_share), unit_percent(sum, g->total, sum_share),
		unit_label(n->cum, from, s->unit, cum), unit_percent(n->cum, g->total, cum_share));
	(void)frame_put(out, graph_label(g, n), 0, 0);
	(void)fputc('\n', out);
	for (uint32_t i = 0; i < n_out; i++) {
		const struct edge *e = edges_at(&s->edges, outs[i]);
		write_edge(s, e, e->to, n->cum, out);
	}
}

struct tree {
	struct selection_options selection;
	struct expression *e; /* of --peek; owned; NULL: all rows */
};

static void tree_deinit(struct tree *t)
{
	(void)expression_free(t->e);
}

/* The rows; -ENOENT: the expression matches none. */
static int write_tree(struct graph *g, const struct view_options *o, void *ctx, FILE *out)
{
	const struct tree *t = ctx;
	struct expression *e = t->e;
	CLEANUP(graph_selection_deinit) struct graph_selection s = { 0 };
	int r = graph_selection_init(&s, g, &t->selection);
	int64_t sum = 0;
	bool any = !e;

	if (r < 0)
		return r;
	for (size_t i = 0; i < s.n && !any; i++)
		any = expression_matches(e, graph_label(g, selection_at(&s, i)));
	if (!any)
		return -ENOENT;
	graph_view_head(&s, o, false, out);
	(void)fputs(separator, out);
	(void)fprintf(out,
		"%s      flat  flat%%   sum%%        cum   cum%%   calls calls%% + context "
		"\t \t %s\n",
		o->color ? "\033[1m" : "", o->color ? "\033[0m" : "");
	for (size_t i = 0; i < s.n; i++) {
		const struct graph_node *n = selection_at(&s, i);
		if (e && !expression_matches(e, graph_label(g, n)))
			continue;
		sum = unit_add(sum, n->flat);
		write_node(&s, i, sum, out);
	}
	if (s.n)
		(void)fputs(separator, out);
	return 0;
}

int view_tree(const struct profile *p, const struct view_options *o, FILE *out, struct error *error)
{
	struct tree t = { .selection = {
				  .n = o->n == 0 ? TREE_ROWS : MAX(o->n, 0),
				  .trim = o->n == 0,
				  .trim_edges = true,
				  .cum = o->cum,
				  .unit = o->unit,
			  } };

	return graph_view(p, o, NULL, "--tree", write_tree, &t, out, error);
}

int view_peek(const struct profile *p, const struct view_options *o, const char *expression,
	FILE *out, struct error *error)
{
	CLEANUP(tree_deinit)
	struct tree t = { .selection = { .cum = o->cum, .unit = o->unit } };
	int r = expression_new(&t.e, expression, false, "--peek", error);

	if (r < 0)
		return r == -ENOMEM ? error_set(error, r, EXIT_CODE_FAILED, "out of memory") : r;
	return graph_view(p, o, NULL, "--peek", write_tree, &t, out, error);
}
