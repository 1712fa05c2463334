/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who calls whom, between the nodes of a graph that are not `dropped`: an edge over nodes that are
 * is residual. Rules as in graph.h.
 */
#ifndef PROFCTL_VIEW_EDGES_H
#define PROFCTL_VIEW_EDGES_H

#include "view/graph.h"

struct edge {
	uint32_t from, to; /* nodes */
	bool on_path;	   /* while counting */
	bool inlined;	   /* every call of it */
	bool residual;
	bool gone; /* by edges_trim() and edges_remove_redundant() */
	int64_t weight;
};

struct edges {
	const struct graph *graph;
	struct array all;     /* struct edge */
	struct table index;   /* of all */
	struct array in, out; /* uint32_t, edges grouped by node, */
	struct array in_at,
		out_at; /* uint32_t by node, where its group begins; one more at the end */
};

/* Counts; `inlined_only`: only edges to nodes that are inlined somewhere. 0, -ENOMEM, -E2BIG. Must
 * not be moved afterwards. */
int edges_init(struct edges *es, const struct graph *g, bool inlined_only);
void edges_deinit(struct edges *es);
/* Edges that weigh less, between nodes that are not dropped, are gone. How many. */
size_t edges_trim(struct edges *es, int64_t min_weight);
/* Groups what is left, heaviest first. 0, -ENOMEM. */
int edges_group(struct edges *es);
/* Residual edges that another way makes needless are gone; `order`: nodes, the lightest last. Both
 * need edges_group(), before and, to see the change, behind. 0, -ENOMEM. */
int edges_remove_redundant(struct edges *es, const uint32_t *order, size_t n);

/* The edges into (out of) a node, heaviest first: numbers in `all`. */
static inline const uint32_t *edges_in(const struct edges *es, uint32_t node, uint32_t *ret_n)
{
	const uint32_t *at = ARRAY_AT(&es->in_at, uint32_t, node);

	*ret_n = at[1] - at[0];
	return *ret_n ? ARRAY_AT(&es->in, uint32_t, at[0]) : NULL;
}
static inline const uint32_t *edges_out(const struct edges *es, uint32_t node, uint32_t *ret_n)
{
	const uint32_t *at = ARRAY_AT(&es->out_at, uint32_t, node);

	*ret_n = at[1] - at[0];
	return *ret_n ? ARRAY_AT(&es->out, uint32_t, at[0]) : NULL;
}
static inline struct edge *edges_at(const struct edges *es, uint32_t i)
{
	return ARRAY_AT(&es->all, struct edge, i);
}

#endif
