/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns leaving out and grouping edges; edges_count.c counts them. Trusts the graph's indices.
 */
#include "view/edges.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "view/unit.h"

void edges_deinit(struct edges *es)
{
	table_deinit(&es->index);
	array_deinit(&es->out_at);
	array_deinit(&es->in_at);
	array_deinit(&es->out);
	array_deinit(&es->in);
	array_deinit(&es->all);
}

size_t edges_trim(struct edges *es, int64_t min_weight)
{
	size_t n = 0;

	ARRAY_EACH(&es->all, struct edge, e) {
		const struct graph_node *to = ARRAY_AT(&es->graph->nodes, struct graph_node, e->to);
		if (e->gone || unit_abs(e->weight) >= min_weight || (!to->flat && !to->cum))
			continue;
		e->gone = true;
		n++;
	}
	return n;
}

static const struct graph_node *node_at(const struct edges *es, uint32_t node)
{
	return ARRAY_AT(&es->graph->nodes, struct graph_node, node);
}

static int compare(const void *x, const void *y, void *ctx)
{
	const struct edges *es = ctx;
	const struct edge *a = edges_at(es, *(const uint32_t *)x);
	const struct edge *b = edges_at(es, *(const uint32_t *)y);
	int64_t v = unit_abs(a->weight), w = unit_abs(b->weight);
	int c = a->weight == b->weight || v == w ? 0 : v > w ? -1 : 1;

	c = c
		    ?: strcmp(graph_label(es->graph, node_at(es, a->from)),
			       graph_label(es->graph, node_at(es, b->from)));
	c = c
		    ?: strcmp(graph_label(es->graph, node_at(es, a->to)),
			       graph_label(es->graph, node_at(es, b->to)));
	return c
		       ?: (a->from != b->from ? (a->from < b->from ? -1 : 1)
					      : (a->to > b->to) - (a->to < b->to));
}

static int group(struct edges *es, struct array *list, struct array *at, bool by_to)
{
	size_t n = 0;
	int r = array_resize(at, 0);

	r = r < 0 ? r : array_resize(at, es->graph->nodes.n + 1);
	if (r < 0)
		return r;
	uint32_t *begins = at->data;
	ARRAY_EACH(&es->all, struct edge, e) {
		if (e->gone)
			continue;
		begins[(by_to ? e->to : e->from) + 1]++;
		n++;
	}
	for (size_t i = 0; i < es->graph->nodes.n; i++)
		begins[i + 1] += begins[i];
	r = array_resize(list, n);
	_cleanup_free_ uint32_t *next = malloc((es->graph->nodes.n + 1) * sizeof(*next));
	if (r < 0 || !next)
		return -ENOMEM;
	memcpy(next, begins, (es->graph->nodes.n + 1) * sizeof(*next));
	uint32_t *all = list->data;
	for (uint32_t i = 0; i < es->all.n; i++) {
		const struct edge *e = edges_at(es, i);
		if (!e->gone)
			all[next[by_to ? e->to : e->from]++] = i;
	}
	for (size_t i = 0; i < es->graph->nodes.n; i++)
		if (begins[i + 1] - begins[i] > 1)
			qsort_r(&all[begins[i]], begins[i + 1] - begins[i], sizeof(*all), compare,
				es);
	return 0;
}

int edges_group(struct edges *es)
{
	int r = group(es, &es->in, &es->in_at, true);

	return r < 0 ? r : group(es, &es->out, &es->out_at, false);
}

/* Whether e->from leads to e->to another way; seen: by node, `mark` where it was looked at. */
static bool is_redundant(const struct edges *es, const struct edge *e, uint32_t *queue,
	uint32_t *seen, uint32_t mark)
{
	size_t head = 0, tail = 0;

	queue[tail++] = e->to;
	seen[e->to] = mark;
	while (head < tail) {
		uint32_t n;
		const uint32_t *in = edges_in(es, queue[head++], &n);
		for (uint32_t i = 0; i < n; i++) {
			const struct edge *other = edges_at(es, in[i]);
			if (other == e || other->gone || seen[other->from] == mark)
				continue;
			if (other->from == e->from)
				return true;
			seen[other->from] = mark;
			queue[tail++] = other->from;
		}
	}
	return false;
}

int edges_remove_redundant(struct edges *es, const uint32_t *order, size_t n)
{
	_cleanup_free_ uint32_t *queue = calloc(es->graph->nodes.n + 1, sizeof(*queue));
	_cleanup_free_ uint32_t *seen = calloc(es->graph->nodes.n + 1, sizeof(*seen));
	uint32_t mark = 0;

	if (!queue || !seen)
		return -ENOMEM;
	for (size_t i = n; i-- > 0;) {
		uint32_t n_in;
		const uint32_t *in = edges_in(es, order[i], &n_in);
		for (uint32_t k = n_in; k-- > 0;) {
			struct edge *e = edges_at(es, in[k]);
			/* None that is heavier than one that is not residual. */
			if (!e->residual)
				break;
			e->gone = is_redundant(es, e, queue, seen, ++mark);
		}
	}
	return 0;
}
