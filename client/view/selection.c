/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the choice of rows. As pprof does, edges are counted anew after each step that leaves out
 * nodes: those over a node that went are residual.
 */
#include "view/selection.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "view/dot_tags.h"
#include "view/unit.h"

#define NODE_FRACTION 0.005
#define EDGE_FRACTION 0.001

struct sorting {
	const struct graph *graph;
	const int64_t *scores; /* by node; NULL: flat */
};

static int descending(int64_t a, int64_t b)
{
	a = unit_abs(a);
	b = unit_abs(b);
	return a > b ? -1 : a < b;
}

static int compare(const void *x, const void *y, void *ctx)
{
	const struct sorting *s = ctx;
	uint32_t i = *(const uint32_t *)x, k = *(const uint32_t *)y;
	const struct graph_node *a = ARRAY_AT(&s->graph->nodes, struct graph_node, i);
	const struct graph_node *b = ARRAY_AT(&s->graph->nodes, struct graph_node, k);
	int c = s->scores ? descending(s->scores[i], s->scores[k]) : descending(a->flat, b->flat);

	c = c ?: strcmp(graph_label(s->graph, a), graph_label(s->graph, b));
	c = c ?: (s->scores ? descending(a->flat, b->flat) : descending(a->cum, b->cum));
	return c ?: graph_tie(s->graph, a, b);
}

/* Of the edges into or out of a node, and what is its own. */
static double entropy(const struct edges *es, const uint32_t *list, uint32_t n, int64_t own)
{
	double score = 0, total = (double)own;

	for (uint32_t i = 0; i < n; i++)
		if (edges_at(es, list[i])->weight > 0)
			total += (double)edges_at(es, list[i])->weight;
	if (total == 0)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		double share = fabs((double)edges_at(es, list[i])->weight) / total;
		score += share != 0 ? -share * log2(share) : 0;
	}
	if (own > 0)
		score += -((double)own / total) * log2((double)own / total);
	return score;
}

/* Nodes that only pass on what they get are worth less. */
static int64_t score(const struct graph_selection *s, uint32_t node)
{
	const struct graph_node *n = ARRAY_AT(&s->graph->nodes, struct graph_node, node);
	uint32_t n_in, n_out;
	const uint32_t *in = edges_in(&s->edges, node, &n_in);
	const uint32_t *out = edges_out(&s->edges, node, &n_out);
	double v = (n_in ? entropy(&s->edges, in, n_in, 0) : 1) +
		   (n_out ? entropy(&s->edges, out, n_out, n->flat) : 1);

	v *= (double)n->cum;
	if (!(fabs(v) < 9e18))
		return INT64_MAX;
	return unit_add((int64_t)v, n->flat);
}

static int sort(struct graph_selection *s, size_t n, const struct selection_options *o)
{
	_cleanup_free_ int64_t *scores = NULL;
	struct sorting by = { .graph = s->graph };

	if (o->visual || o->cum) {
		by.scores = scores = calloc(s->graph->nodes.n + 1, sizeof(*scores));
		if (!scores)
			return -ENOMEM;
	}
	for (size_t i = 0; i < n && scores; i++)
		scores[s->order[i]] =
			o->visual ? score(s, s->order[i])
				  : ARRAY_AT(&s->graph->nodes, struct graph_node, s->order[i])->cum;
	qsort_r(s->order, n, sizeof(*s->order), compare, &by);
	return 0;
}

static int count_edges(struct graph_selection *s, const struct selection_options *o)
{
	edges_deinit(&s->edges);
	int r = edges_init(&s->edges, s->graph, o->inlined_edges_only);

	return r < 0 ? r : edges_group(&s->edges);
}

/* What weighs nothing, or too little. */
static int leave_out_light(struct graph_selection *s)
{
	ARRAY_EACH(&s->graph->nodes, struct graph_node, n) {
		if (!n->flat && !n->cum)
			continue;
		n->dropped = unit_abs(n->cum) < s->node_cutoff;
		s->dropped_nodes += n->dropped;
		if (!n->dropped)
			s->order[s->candidates++] =
				(uint32_t)(n - (struct graph_node *)s->graph->nodes.data);
	}
	return 0;
}

/* Only what is kept has edges, once pprof built its graph again. */
static void drop_empty(struct graph *g)
{
	ARRAY_EACH(&g->nodes, struct graph_node, n) {
		n->dropped = n->dropped || (!n->flat && !n->cum);
	}
}

/* Nodes are drawn until they and their labels are as many as was asked for. */
static int limit_drawing(struct graph_selection *s, const struct selection_options *o)
{
	size_t n = o->n > 0 && (size_t)o->n < s->candidates ? (size_t)o->n : s->candidates;
	size_t count = 0;
	int r = tags_init(&s->tags, s->graph, s->order, n, s->node_cutoff, o->unit ?: "auto");

	s->n = n;
	for (size_t i = 0; r >= 0 && o->n > 0 && i < n && count < (size_t)o->n; i++) {
		count += dot_tags_count(&s->tags, s->order[i]) + 1;
		if (count >= (size_t)o->n)
			s->n = i + 1;
	}
	return r;
}

static int limit(struct graph_selection *s, const struct selection_options *o)
{
	int r = o->visual ? limit_drawing(s, o) : 0;

	if (!o->visual)
		s->n = o->n > 0 ? MIN((size_t)o->n, s->candidates) : s->candidates;
	if (r < 0 || s->n == s->candidates)
		return r;
	for (size_t i = s->n; i < s->candidates; i++)
		ARRAY_AT(&s->graph->nodes, struct graph_node, s->order[i])->dropped = true;
	drop_empty(s->graph);
	r = count_edges(s, o);
	return r < 0 ? r : sort(s, s->n, o);
}

/* One unit for all: of the smallest value that is shown. */
static const char *select_unit(const struct graph_selection *s)
{
	const struct graph *g = s->graph;
	int64_t min = 0;

	if (!s->n)
		return "auto";
	for (size_t i = 0; i < s->n; i++) {
		const struct graph_node *n = selection_at(s, i);
		int64_t v = unit_abs(n->flat) ?: unit_abs(n->cum);
		if (v > 0 && (!min || v < min))
			min = v;
	}
	return unit_for_column(
		min, g->total, profile_text(g->profile, g->profile->types[g->type].unit));
}

static int select_all(struct graph_selection *s, const struct selection_options *o)
{
	int r = leave_out_light(s);

	if (s->dropped_nodes)
		drop_empty(s->graph);
	/* Where only some rows are shown, edges between those are all that matters. */
	if (r >= 0 && (o->visual || o->n <= 0 || (size_t)o->n >= s->candidates))
		r = count_edges(s, o);
	if (r >= 0)
		r = sort(s, s->candidates, o);
	if (r >= 0)
		r = limit(s, o);
	if (r < 0)
		return r;
	/* pprof leaves edges out before it limits the nodes, and counts those behind. */
	size_t gone = edges_trim(&s->edges, s->edge_cutoff);
	s->dropped_edges = o->n > 0 && s->n == s->candidates ? 0 : gone;
	r = edges_group(&s->edges);
	if (r >= 0 && o->visual) {
		r = edges_remove_redundant(&s->edges, s->order, s->n);
		if (r >= 0)
			r = edges_group(&s->edges);
	}
	return r;
}

int graph_selection_init(
	struct graph_selection *s, struct graph *g, const struct selection_options *o)
{
	int64_t sum = 0;

	*s = (struct graph_selection){ .graph = g };
	ARRAY_EACH(&g->nodes, struct graph_node, n) {
		sum = unit_add(sum, n->flat);
	}
	if (o->trim)
		s->node_cutoff = unit_abs((int64_t)((double)sum * NODE_FRACTION));
	if (o->trim_edges)
		s->edge_cutoff = unit_abs((int64_t)((double)sum * EDGE_FRACTION));
	s->order = calloc(g->nodes.n + 1, sizeof(*s->order));
	int r = s->order ? select_all(s, o) : -ENOMEM;
	if (r < 0) {
		graph_selection_deinit(s);
		return r;
	}
	s->unit = o->unit ? o->unit : select_unit(s);
	return 0;
}

void graph_selection_deinit(struct graph_selection *s)
{
	edges_deinit(&s->edges);
	tags_deinit(&s->tags);
	free(s->order);
	s->order = NULL;
}

static void write_dropped(const struct graph_selection *s, size_t n, const char *what,
	const char *value, double fraction, FILE *out)
{
	const struct graph *g = s->graph;
	const char *from = profile_text(g->profile, g->profile->types[g->type].unit);
	char text[UNIT_TEXT];

	if (n)
		(void)fprintf(out, "Dropped %zu %s%s (%s <= %s)\n", n, what, n > 1 ? "s" : "",
			value,
			unit_label(unit_abs((int64_t)((double)g->total * fraction)), from, s->unit,
				text));
}

void selection_write(const struct graph_selection *s, bool edges, FILE *out)
{
	const struct graph *g = s->graph;
	const char *from = profile_text(g->profile, g->profile->types[g->type].unit);
	char value[UNIT_TEXT], total[UNIT_TEXT], percent[UNIT_TEXT];
	int64_t flat = 0;

	for (size_t i = 0; i < s->n; i++)
		flat = unit_add(flat, selection_at(s, i)->flat);
	const char *share = unit_percent(flat, g->total, percent);
	(void)fprintf(out, "Showing nodes accounting for %s, %s of %s total\n",
		unit_label(flat, from, s->unit, value), share + strspn(share, " "),
		unit_label(g->total, from, s->unit, total));
	if (!g->total)
		return;
	write_dropped(s, s->dropped_nodes, "node", "cum", NODE_FRACTION, out);
	if (edges)
		write_dropped(s, s->dropped_edges, "edge", "freq", EDGE_FRACTION, out);
	if (s->n && s->n < s->candidates)
		(void)fprintf(out, "Showing top %zu nodes out of %zu\n", s->n, s->candidates);
}
