/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of a profile (or their files, lines, addresses) with what is theirs alone (flat) and
 * with all they call (cum), by pprof's rules
 * (github.com/google/pprof/blob/main/internal/graph/graph.go): what is called the same is one node,
 * a node counts once in a sample however often it recurs.
 */
#ifndef PROFCTL_VIEW_GRAPH_H
#define PROFCTL_VIEW_GRAPH_H

#include <stdbool.h>
#include <stdint.h>
#include "base/table.h"
#include "profile/profile.h"
#include "view/view.h"

struct graph_node {
	uint32_t name, file; /* of graph.names; 0: none, or not told apart by it */
	uint32_t module;     /* string of the profile; only where it tells apart */
	uint64_t address;    /* 0: not told apart by it; the same for the lines */
	int64_t line, start_line;
	uint32_t label; /* of graph.names: how pprof prints the node, never empty */
	int64_t flat, cum;
	bool dropped, in_inlined_place;
};

struct graph_options {
	enum view_granularity granularity;
	bool modules;	      /* functions of different modules and first lines are different */
	const int64_t *total; /* NULL: the samples' own */
};

struct graph {
	const struct profile *profile;
	struct graph_options options;
	uint32_t type;		 /* the sample type counted */
	struct strings names;	 /* as shown */
	struct array nodes;	 /* struct graph_node */
	struct array nodes_of;	 /* uint32_t: the nodes of each location, ... */
	struct array nodes_at;	 /* uint32_t by location: which begin here; one more at the end */
	struct array weights;	 /* int64_t by stack */
	struct array first_line; /* uint32_t by location: lines below were dropped by drop_frames */
	struct array leaf;	 /* uint32_t by stack: frames below were dropped */
	int64_t total;		 /* sum of the samples' absolute values */
	struct table index;	 /* of nodes */
};

/* Counts; o NULL: functions. 0, -ENOMEM, -E2BIG. Must not be moved afterwards. */
int graph_init(
	struct graph *g, const struct profile *p, uint32_t type, const struct graph_options *o);
void graph_deinit(struct graph *g);
/* Weighs the nodes; of graph_init(). 0, -ENOMEM. */
int graph_count(struct graph *g);
/* The sum of the samples' absolute values of a type, which percentages are of. 0, -ENOMEM. */
int graph_total(const struct profile *p, uint32_t type, int64_t *ret);
/* As unit_add(), inline: every sample and every frame adds. */
static inline int64_t graph_add(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? (b < 0 ? INT64_MIN : INT64_MAX) : sum;
}
/* Borrowed. */
static inline const char *graph_label(const struct graph *g, const struct graph_node *n)
{
	return strings_get(&g->names, n->label, NULL);
}
/* By location: its nodes are nodes[0..n-1], innermost first; there is one at least. */
static inline const uint32_t *graph_nodes_of(
	const struct graph *g, uint32_t location, uint32_t *ret_n)
{
	const uint32_t *begins = ARRAY_AT(&g->nodes_at, uint32_t, location);

	*ret_n = begins[1] - begins[0];
	return ARRAY_AT(&g->nodes_of, uint32_t, begins[0]);
}
/* The order of what is alike in all that pprof compares first. */
int graph_tie(const struct graph *g, const struct graph_node *a, const struct graph_node *b);

#endif
