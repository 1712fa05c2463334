/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the call graph for Graphviz: nodes, edges, weights and colours of `go tool pprof -dot`
 * (github.com/google/pprof/blob/main/internal/graph/dotgraph.go). Boxes for labels of samples are
 * dot_tags.c's.
 * Names are anybody's: quotes, backslashes and control characters do not leave their string.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "view/dot_name.h"
#include "view/dot_tags.h"
#include "view/frame.h"
#include "view/graph_view.h"
#include "view/unit.h"

#define DOT_NODES 80

struct dot {
	const struct graph_selection *s;
	const char *from; /* unit of the values */
	int64_t max_flat;
	uint32_t *ids;	 /* owned: by node, from 1 */
	uint8_t *tagged; /* owned: by node: boxes of labels were drawn */
	FILE *out;
};

/* Grey at 0, red towards 1, green towards -1; pprof's formula. */
static void write_color(FILE *out, double score, bool background)
{
	double saturation = background ? 0.1 : 1.0, value = background ? 0.93 : 0.7;
	double r = value, g = value;

	score = fmax(-1.0, fmin(1.0, score));
	if (fabs(score) < 0.2)
		saturation *= fabs(score) / 0.2;
	if (score > 0)
		g = value * (1 - saturation * pow(score, 0.3));
	else
		g = value;
	if (score < 0)
		r = value * (1 - saturation * pow(-score, 0.3));
	(void)fprintf(out, "\"#%02x%02x%02x\"", (unsigned)(r * 255.0), (unsigned)(g * 255.0),
		(unsigned)(value * (1 - saturation) * 255.0));
}

static double share(const struct dot *d, int64_t value)
{
	double total = fabs((double)d->s->graph->total);

	return total != 0 ? (double)value / total : 0;
}

static const char *trimmed_percent(const struct dot *d, int64_t value, char *buf)
{
	const char *text = unit_percent(value, d->s->graph->total, buf);

	return text + strspn(text, " ");
}

static void write_values(const struct dot *d, const struct graph_node *n)
{
	char flat[UNIT_TEXT], cum[UNIT_TEXT], percent[UNIT_TEXT];

	if (n->flat)
		(void)fprintf(d->out, "%s (%s)", unit_label(n->flat, d->from, d->s->unit, flat),
			trimmed_percent(d, n->flat, percent));
	else
		(void)fputc('0', d->out);
	if (n->cum != n->flat)
		(void)fprintf(d->out, "%sof %s (%s)", n->flat ? "\\n" : " ",
			unit_label(n->cum, d->from, d->s->unit, cum),
			trimmed_percent(d, n->cum, percent));
}

/* As NameComponents(), a line each, the name shortened. */
static int write_lines(const struct dot *d, const struct graph_node *n)
{
	const struct graph *g = d->s->graph;
	const char *name = strings_get(&g->names, n->name, NULL);
	const char *file = frame_basename(strings_get(&g->names, n->file, NULL));

	if (n->address)
		(void)fprintf(d->out, "%016" PRIx64 "\\n", n->address);
	if (*name) {
		int r = dot_put_name(d->out, name);
		if (r < 0)
			return r;
		(void)fputs("\\n", d->out);
	}
	if (n->line || *file) {
		dot_put(d->out, file);
		if (n->line)
			(void)fprintf(d->out, ":%" PRId64, n->line);
		(void)fputs("\\n", d->out);
	} else if (!*name) {
		dot_put(d->out, graph_label(g, n) + (n->address ? 17 : 0));
		(void)fputs("\\n", d->out);
	}
	return 0;
}

static int write_node(const struct dot *d, size_t i)
{
	const struct graph_node *n = selection_at(d->s, i);
	int64_t flat = unit_abs(n->flat);
	char cum[UNIT_TEXT];
	int size = 8;

	if (flat && d->max_flat)
		size += (int)ceil(16.0 * sqrt((double)flat / (double)d->max_flat));
	(void)fprintf(d->out, "N%zu [label=\"", i + 1);
	int r = write_lines(d, n);
	if (r < 0)
		return r;
	write_values(d, n);
	(void)fprintf(d->out, "\" id=\"node%zu\" fontsize=%d shape=box tooltip=\"", i + 1, size);
	dot_put(d->out, graph_label(d->s->graph, n));
	(void)fprintf(d->out, " (%s)\" color=", unit_label(n->cum, d->from, d->s->unit, cum));
	write_color(d->out, share(d, n->cum), false);
	(void)fputs(" fillcolor=", d->out);
	write_color(d->out, share(d, n->cum), true);
	(void)fputs("]\n", d->out);
	return 0;
}

static int write_tags(const struct dot *d, size_t i)
{
	struct dot_tags tags = { &d->s->tags, d->from, d->s->unit, d->out };
	uint32_t n, node = d->s->order[i];

	(void)edges_out(&d->s->edges, node, &n);
	int r = dot_tags_write(&tags, node, i + 1, n > 0);
	d->tagged[node] = r > 0;
	return r;
}

static void write_tooltip(const struct dot *d, const struct edge *e, const char *what)
{
	const struct graph *g = d->s->graph;
	char value[UNIT_TEXT];

	(void)fprintf(d->out, " %s=\"", what);
	dot_put(d->out, graph_label(g, ARRAY_AT(&g->nodes, struct graph_node, e->from)));
	(void)fputs(e->residual ? " ... " : " -> ", d->out);
	dot_put(d->out, graph_label(g, ARRAY_AT(&g->nodes, struct graph_node, e->to)));
	(void)fprintf(d->out, " (%s)\"", unit_label(e->weight, d->from, d->s->unit, value));
}

/* In whole parts of `parts`, at most all of them. */
static int parts_of_total(const struct dot *d, int64_t weight, int parts)
{
	__int128 n = d->s->graph->total ? (__int128)weight * parts / d->s->graph->total : 0;

	n = n < 0 ? -n : n;
	return n < parts ? (int)n : parts;
}

static void write_edge(const struct dot *d, const struct edge *e)
{
	int weight = 1 + parts_of_total(d, e->weight, 100);
	int width = 1 + parts_of_total(d, e->weight, 5);
	char value[UNIT_TEXT];

	(void)fprintf(d->out, "N%u -> N%u [label=\" %s%s\"", d->ids[e->from], d->ids[e->to],
		unit_label(e->weight, d->from, d->s->unit, value),
		e->inlined ? "\\n (inline)" : "");
	if (d->s->graph->total) {
		if (weight > 1)
			(void)fprintf(d->out, " weight=%d", weight);
		if (width > 1)
			(void)fprintf(d->out, " penwidth=%d", width);
		(void)fputs(" color=", d->out);
		write_color(d->out, share(d, e->weight), false);
	}
	write_tooltip(d, e, "tooltip");
	write_tooltip(d, e, "labeltooltip");
	(void)fprintf(d->out, "%s%s]\n", e->residual ? " style=\"dotted\"" : "",
		d->tagged[e->from] ? " minlen=2" : "");
}

/* The heading as one label; its lines end with \l, which aligns them to the left. */
static int write_legend(const struct dot *d, const struct view_options *o)
{
	_cleanup_free_ char *text = NULL;
	size_t n;
	FILE *lines = open_memstream(&text, &n);

	if (!lines)
		return -ENOMEM;
	graph_view_head(d->s, o, true, lines);
	if (fclose(lines))
		return -ENOMEM;
	(void)fputs("subgraph cluster_L { \"", d->out);
	_cleanup_free_ char *first = strndup(text, strcspn(text, "\n"));
	if (!first)
		return -ENOMEM;
	dot_put(d->out, first);
	(void)fputs("\" [shape=box fontsize=16 label=\"", d->out);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		dot_put(d->out, line);
		(void)fputs("\\l", d->out);
	}
	(void)fputs("\"] }\n", d->out);
	return 0;
}

static int compare_edges(const void *x, const void *y, void *ctx)
{
	const struct dot *d = ctx;
	const struct edge *a = edges_at(&d->s->edges, *(const uint32_t *)x);
	const struct edge *b = edges_at(&d->s->edges, *(const uint32_t *)y);
	int64_t v = unit_abs(a->weight), w = unit_abs(b->weight);

	if (v != w)
		return v > w ? -1 : 1;
	const struct graph *g = d->s->graph;
	const struct graph_node *nodes = g->nodes.data;
	int c = strcmp(graph_label(g, &nodes[a->from]), graph_label(g, &nodes[b->from]));
	return c ?: strcmp(graph_label(g, &nodes[a->to]), graph_label(g, &nodes[b->to]));
}

/* The heaviest first: that is what Graphviz lays out best. */
static int write_edges(const struct dot *d)
{
	const struct edges *es = &d->s->edges;
	_cleanup_free_ uint32_t *order = calloc(es->all.n + 1, sizeof(*order));
	size_t n = 0;

	if (!order)
		return -ENOMEM;
	for (uint32_t i = 0; i < es->all.n; i++) {
		const struct edge *e = edges_at(es, i);
		if (!e->gone && d->ids[e->from] && d->ids[e->to])
			order[n++] = i;
	}
	qsort_r(order, n, sizeof(*order), compare_edges, (void *)d);
	for (size_t i = 0; i < n; i++)
		write_edge(d, edges_at(es, order[i]));
	return 0;
}

static int write_graph(struct dot *d, const struct view_options *o)
{
	const struct profile *p = d->s->graph->profile;
	int r = 0;

	(void)fputs("digraph \"", d->out);
	dot_put(d->out, p->mappings.n && *frame_module(p, 0) ? frame_basename(frame_module(p, 0))
							     : "unnamed");
	(void)fputs("\" {\nnode [style=filled fillcolor=\"#f8f8f8\"]\n", d->out);
	r = write_legend(d, o);
	for (size_t i = 0; i < d->s->n; i++) {
		d->ids[d->s->order[i]] = (uint32_t)i + 1;
		d->max_flat = MAX(d->max_flat, unit_abs(selection_at(d->s, i)->flat));
	}
	for (size_t i = 0; i < d->s->n && r >= 0; i++) {
		r = write_node(d, i);
		if (r >= 0)
			r = write_tags(d, i);
	}
	if (r >= 0)
		r = write_edges(d);
	(void)fputs("}\n", d->out);
	return r;
}

static int draw(struct graph *g, const struct view_options *o, void *ctx, FILE *out)
{
	struct selection_options so = {
		.n = o->n == 0 ? DOT_NODES : MAX(o->n, 0),
		.trim = o->n == 0,
		.trim_edges = true,
		.cum = o->cum,
		.visual = true,
		.unit = o->unit,
	};
	CLEANUP(graph_selection_deinit) struct graph_selection s = { 0 };
	int r = graph_selection_init(&s, g, &so);

	(void)ctx;
	if (r < 0)
		return r;
	_cleanup_free_ uint32_t *ids = calloc(g->nodes.n + 1, sizeof(*ids));
	_cleanup_free_ uint8_t *tagged = calloc(g->nodes.n + 1, 1);
	struct dot d = { .s = &s,
		.from = profile_text(g->profile, g->profile->types[g->type].unit),
		.ids = ids,
		.tagged = tagged,
		.out = out };
	return ids && tagged ? write_graph(&d, o) : -ENOMEM;
}

int view_dot(const struct profile *p, const struct view_options *o, FILE *out, struct error *error)
{
	return graph_view(p, o, NULL, "dot", draw, NULL, out, error);
}
