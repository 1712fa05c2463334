/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns `report --traces`: the samples as `go tool pprof -traces` writes them (printTraces() of
 * github.com/google/pprof/blob/main/internal/report/report.go). Samples are shown as they stand in
 * the profile: equal ones are only one where the caller merged them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "view/filter.h"
#include "view/frame.h"
#include "view/graph_view.h"
#include "view/head.h"
#include "view/unit.h"

struct traces {
	const struct graph *graph;
	struct array units; /* of tag_units() */
	const char *unit;
	int64_t total;
	FILE *out;
};

/* Text before numbers, then by key; equal keys keep their order. */
static int compare_labels(const void *x, const void *y, void *ctx)
{
	const struct profile *p = ctx;
	const struct profile_label *a = *(const struct profile_label *const *)x;
	const struct profile_label *b = *(const struct profile_label *const *)y;
	int c = (a->str == 0) - (b->str == 0);

	c = c ?: strcmp(profile_text(p, a->key), profile_text(p, b->key));
	return c ?: (a > b) - (a < b);
}

/* Keys are padded to ten columns, so that pprof's order of lines is not that of keys. */
static int compare_padded(const void *x, const void *y, void *ctx)
{
	const struct profile *p = ctx;
	const struct profile_label *a = *(const struct profile_label *const *)x;
	const struct profile_label *b = *(const struct profile_label *const *)y;
	size_t n = strlen(profile_text(p, a->key)), m = strlen(profile_text(p, b->key));
	int c = (a->str == 0) - (b->str == 0);

	if (!c && n != m && (n < 10 || m < 10))
		return n < m ? -1 : 1;
	return c ?: compare_labels(x, y, ctx);
}

static void write_label(const struct traces *t, const struct profile_label *l)
{
	const struct profile *p = t->graph->profile;
	char text[UNIT_TEXT];

	(void)fputc(' ', t->out);
	if (l->str)
		(void)frame_put(t->out, profile_text(p, l->str), 0, 0);
	else
		(void)frame_put(t->out,
			unit_label(l->num, tag_unit(p, &t->units, l->key), "auto", text), 0, 0);
}

static int write_labels(const struct traces *t, uint32_t set)
{
	struct profile *p = (struct profile *)t->graph->profile;
	uint32_t n, shown = 0;
	const struct profile_label *l = profile_label_set(p, set, &n);
	_cleanup_free_ const struct profile_label **sorted = calloc((size_t)n + 1, sizeof(*sorted));

	if (!sorted)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		if (l[i].str || tag_is_number(&l[i]))
			sorted[shown++] = &l[i];
	qsort_r(sorted, shown, sizeof(*sorted), compare_padded, p);
	for (uint32_t i = 0; i < shown; i++) {
		bool same = i && sorted[i]->key == sorted[i - 1]->key &&
			    !sorted[i]->str == !sorted[i - 1]->str;
		if (!same) {
			const char *key = profile_text(p, sorted[i]->key);
			(void)fprintf(t->out, "%s%*s", i ? "\n" : "",
				(int)MAX(0, 10 - (int)MIN(strlen(key), (size_t)10)), "");
			(void)frame_put(t->out, key, 0, 0);
			(void)fputs(": ", t->out);
		}
		write_label(t, sorted[i]);
	}
	(void)fputs(shown ? "\n" : "", t->out);
	return 0;
}

static void write_frame(const struct traces *t, uint32_t node, const char *value, bool inlined)
{
	const struct graph *g = t->graph;

	(void)fprintf(t->out, "%10s   ", value);
	(void)frame_put(t->out, graph_label(g, ARRAY_AT(&g->nodes, struct graph_node, node)), 0, 0);
	(void)fputs(inlined ? " (inline)\n" : "\n", t->out);
}

static int write_sample(const struct traces *t, size_t sample)
{
	const struct graph *g = t->graph;
	const struct profile *p = g->profile;
	uint32_t n, n_nodes, stack = *ARRAY_AT(&p->sample_stacks, uint32_t, sample);
	const uint32_t *locations = profile_stack(p, stack, &n);
	char text[UNIT_TEXT];
	const char *value = unit_label(profile_values(p, sample)[g->type],
		profile_text(p, p->types[g->type].unit), t->unit, text);

	for (uint32_t i = *ARRAY_AT(&g->leaf, uint32_t, stack); i < n; i++) {
		const uint32_t *nodes = graph_nodes_of(g, locations[i], &n_nodes);
		if (value == text && i == *ARRAY_AT(&g->leaf, uint32_t, stack)) {
			(void)fputs("-----------+------------------------------------------------"
				    "-------\n",
				t->out);
			int r = write_labels(t, *ARRAY_AT(&p->sample_labels, uint32_t, sample));
			if (r < 0)
				return r;
		}
		for (uint32_t k = 0; k < n_nodes; k++) {
			write_frame(t, nodes[k], value, k + 1 < n_nodes);
			value = "";
		}
	}
	return 0;
}

static int write_traces(struct graph *g, const struct view_options *o, void *ctx, FILE *out)
{
	struct traces *t = ctx;
	size_t n = profile_n_samples(g->profile);
	int r = tag_units(g->profile, &t->units);

	t->graph = g;
	head_write(g->profile, g->type, g->total, t->unit, out);
	if (o->n > 0)
		n = MIN(n, (size_t)o->n);
	for (size_t i = 0; i < n && r >= 0 && !ferror(out); i++)
		r = write_sample(t, i);
	(void)fputs("-----------+-------------------------------------------------------\n", out);
	return r;
}

int view_traces(
	const struct profile *p, const struct view_options *o, FILE *out, struct error *error)
{
	struct traces t = { .units = ARRAY_INIT(uint32_t, SIZE_MAX),
		.unit = o->unit ? o->unit : "auto",
		.out = out };
	int r = graph_view(p, o, NULL, "--traces", write_traces, &t, out, error);

	array_deinit(&t.units);
	return r;
}
