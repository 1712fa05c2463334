/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns edges: counting, leaving out and grouping them. Trusts the graph's indices.
 */
#include "view/edges.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "view/unit.h"

#define NO_NODE UINT32_MAX

static uint64_t hash_edge(uint32_t from, uint32_t to)
{
	return hash_u64((uint64_t)from << 32 | to, hash_seed());
}

static uint64_t hash_of_edge(const void *ctx, uint32_t id)
{
	const struct edge *e = edges_at(ctx, id);

	return hash_edge(e->from, e->to);
}

static bool edge_equal(const void *ctx, uint32_t id, const void *key)
{
	const struct edge *a = edges_at(ctx, id), *b = key;

	return a->from == b->from && a->to == b->to;
}

static int add_edge(struct edges *es, const struct edge *new)
{
	uint64_t hash = hash_edge(new->from, new->to);
	uint32_t id = table_find(&es->index, hash, new);

	if (id == TABLE_NONE) {
		struct edge *e = array_push(&es->all);
		if (!e)
			return -ENOMEM;
		*e = *new;
		return table_add(&es->index, hash, (uint32_t)(es->all.n - 1));
	}
	struct edge *e = edges_at(es, id);
	if (e->seen == new->seen)
		return 0;
	e->seen = new->seen;
	e->weight = unit_add(e->weight, new->weight);
	e->inlined = e->inlined && new->inlined;
	e->residual = e->residual || new->residual;
	return 0;
}

/* A location that no edge ends in, as far as stacks only pass through it. */
struct passing {
	uint32_t parent; /* of what it calls; NO_NODE: none of its nodes is kept */
	bool is_plain;
	bool residual; /* between that parent and what it calls */
};

static struct passing passing_of(const struct graph *g, uint32_t location)
{
	struct passing p = { .parent = NO_NODE, .is_plain = true };
	uint32_t n;
	const uint32_t *nodes = graph_nodes_of(g, location, &n);

	while (n-- > 0) {
		const struct graph_node *node = ARRAY_AT(&g->nodes, struct graph_node, nodes[n]);

		p.residual = node->dropped;
		if (node->dropped)
			continue;
		p.parent = nodes[n];
		p.is_plain = p.is_plain && !node->in_inlined_place;
	}
	return p;
}

/* NULL: no memory. */
static struct passing *passing_new(const struct graph *g)
{
	size_t n = g->nodes_at.n ? g->nodes_at.n - 1 : 0;
	struct passing *all = malloc((n + 1) * sizeof(*all));

	for (size_t i = 0; all && i < n; i++)
		all[i] = passing_of(g, (uint32_t)i);
	return all;
}

/* passing: by location; NULL: edges to all nodes are counted. */
static int count_stack(
	struct edges *es, uint32_t stack, int64_t weight, const struct passing *passing)
{
	const struct graph *g = es->graph;
	uint32_t n, n_nodes, parent = NO_NODE;
	const uint32_t *locations = profile_stack(g->profile, stack, &n);
	uint32_t leaf = *ARRAY_AT(&g->leaf, uint32_t, stack);
	bool residual = false;

	for (uint32_t i = n; i-- > leaf;) {
		const struct passing *p = passing ? &passing[locations[i]] : NULL;
		if (p && p->is_plain) {
			residual = p->residual || (p->parent == NO_NODE && residual);
			parent = p->parent == NO_NODE ? parent : p->parent;
			continue;
		}
		const uint32_t *nodes = graph_nodes_of(g, locations[i], &n_nodes);
		for (uint32_t k = n_nodes; k-- > 0;) {
			const struct graph_node *node =
				ARRAY_AT(&g->nodes, struct graph_node, nodes[k]);
			if (node->dropped) {
				residual = true;
				continue;
			}
			if (parent != NO_NODE && parent != nodes[k] &&
				(node->in_inlined_place || !passing)) {
				struct edge e = { .from = parent,
					.to = nodes[k],
					.seen = stack + 1,
					.inlined = k != n_nodes - 1,
					.residual = residual,
					.weight = weight };
				int r = add_edge(es, &e);
				if (r < 0)
					return r;
			}
			parent = nodes[k];
			residual = false;
		}
	}
	return 0;
}

int edges_init(struct edges *es, const struct graph *g, bool inlined_only)
{
	_cleanup_free_ struct passing *passing = NULL;
	bool any = !inlined_only;
	int r = 0;

	*es = (struct edges){
		.graph = g,
		.all = ARRAY_INIT(struct edge, NO_NODE - 1),
		.in = ARRAY_INIT(uint32_t, NO_NODE),
		.out = ARRAY_INIT(uint32_t, NO_NODE),
		.in_at = ARRAY_INIT(uint32_t, SIZE_MAX),
		.out_at = ARRAY_INIT(uint32_t, SIZE_MAX),
	};
	table_init(&es->index, NO_NODE - 1, hash_of_edge, edge_equal, es);
	ARRAY_EACH(&g->nodes, struct graph_node, n) {
		any = any || n->in_inlined_place;
	}
	if (any && inlined_only) {
		passing = passing_new(g);
		r = passing ? 0 : -ENOMEM;
	}
	for (size_t i = 0; any && i < g->profile->stacks.n && r >= 0; i++) {
		int64_t weight = *ARRAY_AT(&g->weights, int64_t, i);
		r = weight ? count_stack(es, (uint32_t)i, weight, passing) : 0;
	}
	if (r < 0)
		edges_deinit(es);
	return r;
}

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
