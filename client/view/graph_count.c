/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns adding up what a graph's nodes weigh. Stacks are walked like a tree: what a stack has in
 * common with the one before, from the root on, is counted once for both, so that work is per frame
 * that differs. Trusts the graph's indices; sums saturate.
 */
#include <errno.h>
#include <stdlib.h>
#include "base/cleanup.h"
#include "view/graph.h"

/* A frame of the path, root first, and what stacks that end in it or below weigh. */
struct step {
	uint32_t location;
	int64_t weight;
};

struct on_path {
	int64_t flat, cum;
	uint32_t times; /* the node is on the path; it counts where it is met first */
};

struct path {
	struct graph *graph;
	struct array steps;    /* struct step */
	struct on_path *nodes; /* owned; by node: all that counting touches, close together */
};

/* As unit_add(), which is not inline. */
static inline int64_t add(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? (b < 0 ? INT64_MIN : INT64_MAX) : sum;
}

static void path_deinit(struct path *path)
{
	free(path->nodes);
	array_deinit(&path->steps);
}

static void leave(struct path *path)
{
	const struct step *step = ARRAY_AT(&path->steps, struct step, --path->steps.n);
	uint32_t n;
	const uint32_t *nodes = graph_nodes_of(path->graph, step->location, &n);

	for (uint32_t i = 0; i < n; i++) {
		struct on_path *node = &path->nodes[nodes[i]];
		if (--node->times == 0)
			node->cum = add(node->cum, step->weight);
	}
	if (path->steps.n) {
		struct step *caller = ARRAY_AT(&path->steps, struct step, path->steps.n - 1);
		caller->weight = add(caller->weight, step->weight);
	}
}

static int count_stack(struct path *path, uint32_t stack, int64_t weight)
{
	struct graph *g = path->graph;
	uint32_t n, n_nodes, shared = 0, leaf = *ARRAY_AT(&g->leaf, uint32_t, stack);
	const uint32_t *locations = profile_stack(g->profile, stack, &n), *nodes;
	int r;

	if (leaf >= n)
		return 0;
	while (shared < path->steps.n && n - shared > leaf &&
		ARRAY_AT(&path->steps, struct step, shared)->location == locations[n - shared - 1])
		shared++;
	while (path->steps.n > shared)
		leave(path);
	r = array_resize(&path->steps, n - leaf);
	if (r < 0)
		return r;
	struct step *step = ARRAY_AT(&path->steps, struct step, shared);
	for (uint32_t i = n - shared; i-- > leaf; step++) {
		nodes = graph_nodes_of(g, locations[i], &n_nodes);
		step->location = locations[i];
		for (uint32_t k = 0; k < n_nodes; k++)
			path->nodes[nodes[k]].times++;
	}
	step = ARRAY_AT(&path->steps, struct step, path->steps.n - 1);
	step->weight = add(step->weight, weight);
	nodes = graph_nodes_of(g, locations[leaf], &n_nodes);
	path->nodes[nodes[0]].flat = add(path->nodes[nodes[0]].flat, weight);
	return 0;
}

int graph_count(struct graph *g)
{
	CLEANUP(path_deinit)
	struct path path = {
		.graph = g,
		.steps = ARRAY_INIT(struct step, UINT32_MAX),
		.nodes = calloc(g->nodes.n + 1, sizeof(*path.nodes)),
	};
	int r = path.nodes ? 0 : -ENOMEM;

	for (size_t i = 0; i < g->profile->stacks.n && r >= 0; i++) {
		int64_t weight = *ARRAY_AT(&g->weights, int64_t, i);
		r = weight ? count_stack(&path, (uint32_t)i, weight) : 0;
	}
	while (r >= 0 && path.steps.n)
		leave(&path);
	for (size_t i = 0; i < g->nodes.n && r >= 0; i++) {
		struct graph_node *node = ARRAY_AT(&g->nodes, struct graph_node, i);
		node->flat = path.nodes[i].flat;
		node->cum = path.nodes[i].cum;
	}
	return r;
}
