/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns adding up what a graph's nodes weigh. Stacks are walked like a tree: what a stack has in
 * common with the one before, from the root on, is counted once for both, so that work is per frame
 * that differs. CPUs share the stacks. Trusts the graph's indices; sums saturate.
 *
 * Invariant: `entered` has the nodes of the walk's path, root first, each where it is met first,
 * with what stacks weigh that have all up to here and were left.
 */
#include <errno.h>
#include <stdlib.h>
#include "base/cleanup.h"
#include "profile/reader.h"
#include "view/graph.h"
#include "view/parts.h"

/* Mostly a location is one function, or one in another: those are entered without a decision that
 * could be guessed wrong. Where there is no second node it is NOBODY's, who is always there. */
#define SEVERAL UINT32_MAX

struct pair {
	uint32_t first, second;
};

struct entered {
	uint32_t node, depth;
	int64_t weight;
};

/* One part's. What counting touches all the time is kept small. */
struct walk {
	struct profile_reader stacks;
	struct entered *entered; /* owned; room for all nodes */
	size_t n_entered;
	uint32_t depth;
	bool *on_path;	     /* owned, by node */
	int64_t *flat, *cum; /* owned, by node */
};

struct counting {
	const struct graph *graph;
	struct pair *pairs; /* owned: by location; the first is SEVERAL where there are more */
	struct walk walks[PARTS_MAX];
};

static void counting_deinit(struct counting *c)
{
	for (unsigned i = 0; i < PARTS_MAX; i++) {
		struct walk *w = &c->walks[i];
		free(w->cum);
		free(w->flat);
		free(w->on_path);
		free(w->entered);
		profile_reader_deinit(&w->stacks);
	}
	free(c->pairs);
}

static int walk_init(struct walk *w, const struct graph *g)
{
	size_t n = g->nodes.n + 1;

	w->entered = calloc(n + 1, sizeof(*w->entered));
	w->on_path = calloc(n, sizeof(*w->on_path));
	w->flat = calloc(n, sizeof(*w->flat));
	w->cum = calloc(n, sizeof(*w->cum));
	if (!w->entered || !w->on_path || !w->flat || !w->cum)
		return -ENOMEM;
	w->on_path[g->nodes.n] = true;
	return profile_reader_init(&w->stacks, g->profile);
}

static int counting_init(struct counting *c, const struct graph *g, unsigned parts)
{
	size_t n = g->profile->locations.n;
	int r = 0;

	c->graph = g;
	c->pairs = malloc((n + 1) * sizeof(*c->pairs));
	if (!c->pairs)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t n_nodes;
		const uint32_t *nodes = graph_nodes_of(g, i, &n_nodes);
		c->pairs[i].first = n_nodes > 2 ? SEVERAL : nodes[0];
		c->pairs[i].second = n_nodes == 2 ? nodes[1] : (uint32_t)g->nodes.n;
	}
	for (unsigned i = 0; i < parts && r >= 0; i++)
		r = walk_init(&c->walks[i], g);
	return r;
}

static inline size_t enter(
	struct entered *to, size_t n, bool *on_path, uint32_t node, uint32_t depth)
{
	to[n].node = node;
	to[n].depth = depth;
	to[n].weight = 0;
	n += !on_path[node];
	on_path[node] = true;
	return n;
}

/* All nodes from this depth on. */
static void leave(struct walk *w, uint32_t depth)
{
	struct entered *first = w->entered, *e = first + w->n_entered;
	int64_t weight = 0;

	while (e > first && e[-1].depth >= depth) {
		e--;
		weight = graph_add(weight, e->weight);
		w->cum[e->node] = graph_add(w->cum[e->node], weight);
		w->on_path[e->node] = false;
	}
	if (e > first)
		e[-1].weight = graph_add(e[-1].weight, weight);
	w->n_entered = (size_t)(e - first);
}

static void count_stack(const struct counting *c, struct walk *w, uint32_t stack, int64_t weight)
{
	const struct graph *g = c->graph;
	uint32_t n, n_nodes, shared, leaf = *ARRAY_AT(&g->leaf, uint32_t, stack);
	const uint32_t *locations = profile_reader_stack(&w->stacks, stack, &n, &shared), *nodes;
	uint32_t depth = n > leaf ? n - leaf : 0;

	shared = MIN(shared, MIN(depth, w->depth));
	leave(w, shared);
	w->depth = depth;
	if (!depth)
		return;
	struct entered *to = w->entered;
	bool *on_path = w->on_path;
	size_t entered = w->n_entered;
	for (uint32_t i = shared; i < depth; i++) {
		uint32_t location = locations[n - 1 - i];
		struct pair pair = c->pairs[location];
		if (pair.first != SEVERAL) {
			entered = enter(to, entered, on_path, pair.first, i);
			entered = enter(to, entered, on_path, pair.second, i);
			continue;
		}
		nodes = graph_nodes_of(g, location, &n_nodes);
		for (uint32_t k = 0; k < n_nodes; k++)
			entered = enter(to, entered, on_path, nodes[k], i);
	}
	w->n_entered = entered;
	struct entered *last = &w->entered[w->n_entered - 1];
	last->weight = graph_add(last->weight, weight);
	uint32_t node = c->pairs[locations[leaf]].first;
	if (node == SEVERAL)
		node = *graph_nodes_of(g, locations[leaf], &n_nodes);
	w->flat[node] = graph_add(w->flat[node], weight);
}

static int count_part(void *ctx, unsigned part, size_t first, size_t end)
{
	struct counting *c = ctx;
	struct walk *w = &c->walks[part];

	for (size_t i = first; i < end; i++) {
		int64_t weight = *ARRAY_AT(&c->graph->weights, int64_t, i);
		if (weight)
			count_stack(c, w, (uint32_t)i, weight);
	}
	leave(w, 0);
	return 0;
}

int graph_count(struct graph *g)
{
	size_t n = g->profile->stacks.n;
	unsigned parts = parts_of(n);
	CLEANUP(counting_deinit) struct counting c = { 0 };
	int r = counting_init(&c, g, parts);

	if (r >= 0)
		r = parts_run(n, parts, count_part, &c);
	for (size_t i = 0; i < g->nodes.n && r >= 0; i++) {
		struct graph_node *node = ARRAY_AT(&g->nodes, struct graph_node, i);
		node->flat = node->cum = 0;
		for (unsigned k = 0; k < parts; k++) {
			node->flat = graph_add(node->flat, c.walks[k].flat[i]);
			node->cum = graph_add(node->cum, c.walks[k].cum[i]);
		}
	}
	return r;
}
